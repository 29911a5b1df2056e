"""Colours: a light and a dark palette, and a picture that follows the reader's system."""

from __future__ import annotations

__all__ = ["DARK", "LIGHT", "THEMES", "follow_system"]

# For every family, kind and verdict: the colour of its frame and title, of its ground, of its ink.
# Those that differ in the dark differ in the light too, if only by one, so that `follow_system`
# can tell them apart.
LIGHT = {
    "paper": "#FFFFFF", "ink": "#1B2333", "quiet": "#5F697D", "card": "#FEFFFF",
    "data": "#5C6B85", "gradient": "#C2410C", "faint": "#ADB5BD",
    "pale data": "#CBD2DE", "pale gradient": "#F0B594", "alarm": "#E03131",
    "module frame": "#C9D3E6", "module ground": "#F6F8FC",
    "product": "#3B5BDB", "product ground": "#EEF2FF",
    "arithmetic": "#0B7285", "arithmetic ground": "#E8F8FA",
    "activation": "#237A36", "activation ground": "#EBF8EE",
    "reduction": "#9C36B5", "reduction ground": "#F9EEFC",
    "shape": "#5C6B86", "shape ground": "#F1F3F7",
    "parameter": "#E8A317", "parameter ground": "#FFFBF0", "parameter ink": "#8A5A00",
    "input": "#868E96", "input ground": "#F8F9FA", "input ink": "#1B2334",
    "result ground": "#1C2333", "result ink": "#FFFFFE", "result gradient": "#FFB08A",
    "note": "#C9A227", "note ground": "#FFF9DB", "note ink": "#5C4A00",
    "right": "#237A37",
    "wrong": "#E03132", "wrong ground": "#FFF0F0", "wrong ink": "#C92A2A",
    "doubt": "#E8A318", "doubt ground": "#FFF7E0", "doubt ink": "#8A5A01",
}  # fmt: skip
DARK = {
    "paper": "#12161F", "ink": "#E6EAF2", "quiet": "#9AA5B8", "card": "#1A202C",
    "data": "#93A3BF", "gradient": "#FF8A50", "faint": "#5A6578",
    "pale data": "#3D4759", "pale gradient": "#7A4A33", "alarm": "#FF6B6B",
    "module frame": "#323C50", "module ground": "#161B26",
    "product": "#91A7FF", "product ground": "#222A45",
    "arithmetic": "#4FC3D4", "arithmetic ground": "#17313A",
    "activation": "#69C77D", "activation ground": "#1A3324",
    "reduction": "#D88BEA", "reduction ground": "#35203D",
    "shape": "#93A3BF", "shape ground": "#242B38",
    "parameter": "#B98A2B", "parameter ground": "#241F14", "parameter ink": "#F0C063",
    "input": "#7D8899", "input ground": "#1B212C", "input ink": "#E6EAF2",
    "result ground": "#E6EAF2", "result ink": "#12161F", "result gradient": "#B43A06",
    "note": "#8A7430", "note ground": "#2A2512", "note ink": "#F2DE9B",
    "right": "#69C77D",
    "wrong": "#FF6B6B", "wrong ground": "#3A1A1E", "wrong ink": "#FF9C9C",
    "doubt": "#B98A2B", "doubt ground": "#2E2614", "doubt ink": "#F0C063",
}  # fmt: skip
THEMES = {"light": LIGHT, "dark": DARK, "auto": LIGHT}


def follow_system(svg: bytes) -> bytes:
    """A light picture that is dark where the system is, by a style sheet inside it, which leaves
    other pictures on the page alone."""
    rules = []
    for name, light in LIGHT.items():
        dark = DARK[name]
        for tone in (light.lower(), *(["white"] if light == "#FFFFFF" else [])):
            for part in ("fill", "stroke"):
                rules.append(f'.follows [{part}="{tone}" i]{{{part}:{dark}}}')
    style = f"<style>@media(prefers-color-scheme:dark){{{''.join(rules)}}}</style>"
    start = svg.index(b"<svg ") + 5
    end = svg.index(b">", start) + 1
    return svg[:start] + b'class="follows" ' + svg[start:end] + style.encode() + svg[end:]
