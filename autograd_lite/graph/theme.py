"""Colours: a light and a dark palette, and a picture that follows the reader's system."""

from __future__ import annotations

__all__ = ["COLOURS", "DARK", "LIGHT", "THEMES", "follow_system"]

# For every family, kind and verdict, the colour of its frame and title, of its ground, of its ink:
# in the light and in the dark. Those that differ in the dark differ in the light too, if only by
# one, so that `follow_system` can tell them apart.
COLOURS = {
    "paper": ("#FFFFFF", "#12161F"), "ink": ("#1B2333", "#E6EAF2"), "quiet": ("#5F697D", "#9AA5B8"),
    "card": ("#FEFFFF", "#1A202C"),
    "data": ("#5C6B85", "#93A3BF"), "gradient": ("#C2410C", "#FF8A50"),
    "faint": ("#868F9E", "#5F6A7E"),
    "pale data": ("#8490A6", "#626E86"), "pale gradient": ("#CC7440", "#9C6246"),
    "alarm": ("#E03131", "#FF6B6B"),
    "module frame": ("#C9D3E6", "#323C50"), "module ground": ("#F6F8FC", "#161B26"),
    "product": ("#3B5BDB", "#91A7FF"), "product ground": ("#EEF2FF", "#222A45"),
    "arithmetic": ("#0B7285", "#4FC3D4"), "arithmetic ground": ("#E8F8FA", "#17313A"),
    "activation": ("#237A36", "#69C77D"), "activation ground": ("#EBF8EE", "#1A3324"),
    "reduction": ("#9C36B5", "#D88BEA"), "reduction ground": ("#F9EEFC", "#35203D"),
    "shape": ("#5C6B86", "#93A3BF"), "shape ground": ("#F1F3F7", "#242B38"),
    "untracked": ("#7A8397", "#8A94A6"), "untracked ground": ("#F4F5F7", "#1E232D"),
    "parameter": ("#E8A317", "#B98A2B"), "parameter ground": ("#FFFBF0", "#241F14"),
    "parameter ink": ("#8A5A00", "#F0C063"),
    "input": ("#868E96", "#7D8899"), "input ground": ("#F8F9FA", "#1B212C"),
    "input ink": ("#1B2334", "#E6EAF2"),
    "result ground": ("#1C2333", "#E6EAF2"), "result ink": ("#FFFFFE", "#12161F"),
    "result gradient": ("#FFB08A", "#B43A06"),
    "note": ("#C9A227", "#8A7430"), "note ground": ("#FFF9DB", "#2A2512"),
    "note ink": ("#5C4A00", "#F2DE9B"),
    "right": ("#237A37", "#69C77D"),
    "wrong": ("#E03132", "#FF6B6B"), "wrong ground": ("#FFF0F0", "#3A1A1E"),
    "wrong ink": ("#C92A2A", "#FF9C9C"),
    "doubt": ("#E8A318", "#B98A2B"), "doubt ground": ("#FFF7E0", "#2E2614"),
    "doubt ink": ("#8A5A01", "#F0C063"),
}  # fmt: skip
LIGHT = {name: light for name, (light, _) in COLOURS.items()}
DARK = {name: dark for name, (_, dark) in COLOURS.items()}
THEMES = {"light": LIGHT, "dark": DARK, "auto": LIGHT}


def follow_system(svg: bytes) -> bytes:
    """A light picture that is dark where the system is, by a style sheet inside it, which leaves
    other pictures on the page alone."""
    rules = []
    for light, dark in COLOURS.values():
        for tone in (light.lower(), *(["white"] if light == "#FFFFFF" else [])):
            for part in ("fill", "stroke"):
                rules.append(f'.follows [{part}="{tone}" i]{{{part}:{dark}}}')
    style = f"<style>@media(prefers-color-scheme:dark){{{''.join(rules)}}}</style>"
    start = svg.index(b"<svg ") + 5
    end = svg.index(b">", start) + 1
    return svg[:start] + b'class="follows" ' + svg[start:end] + style.encode() + svg[end:]
