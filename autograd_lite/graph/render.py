"""Finding a Graphviz and running it: DOT in, SVG, PNG or PDF out."""

from __future__ import annotations

import os
import re
import shutil
import struct
import subprocess
import sysconfig
import zlib
from collections.abc import Iterator
from importlib.util import find_spec

__all__ = ["GraphRenderError", "picture"]

SHARP = 200  # nodes up to which a PNG has its full resolution
MOST = 5000  # nodes that are laid out without a `timeout`: 2,000 take 1 s
PURE, PYGRAPHVIZ = "graphviz-pure", "pygraphviz"
FONTS = {
    "Arial": "Arial, 'Liberation Sans', Arimo, Helvetica, sans-serif",
    "Courier New": "'Courier New', 'Liberation Mono', Cousine, monospace",
}


class GraphRenderError(RuntimeError):
    """An image was asked for and no renderer could make it; the text says what to do."""


def candidates(backend: str | None) -> Iterator[str]:
    """The renderers there are, best first: paths of programs, or the name pygraphviz."""
    asked = backend or os.environ.get("AUTOGRAD_LITE_DOT")
    names = (asked,) if asked else ("dot", PURE, PYGRAPHVIZ)
    found = [program for program in map(find, names) if program is not None]
    if asked and not found:
        where = "backend=" if backend else "AUTOGRAD_LITE_DOT="
        raise GraphRenderError(
            f"Cannot draw the graph: {where}{asked!r} was asked for and is not there. Give "
            "'dot', 'graphviz-pure', 'pygraphviz' or the path of a program, or leave it out."
        )
    yield from found


def find(name: str) -> str | None:
    """A renderer by its name or path; None if it is not there."""
    if name == PYGRAPHVIZ:
        return PYGRAPHVIZ if find_spec(PYGRAPHVIZ) else None
    return find_pure() if name == PURE else shutil.which(name)


def find_pure() -> str | None:
    """graphviz-pure in this interpreter's scripts folder, then on PATH."""
    return shutil.which(PURE, path=sysconfig.get_path("scripts")) or shutil.which(PURE)


def is_pure(program: str) -> bool:
    return os.path.basename(program).startswith(PURE)


def formats_of(backend: str | None) -> list[str]:
    """The pictures that the renderers there are can write."""
    pdf = any(not is_pure(program) for program in candidates(backend))
    return ["svg", "png", *["pdf"] * pdf]


def picture(
    source: str,
    format: str,
    nodes: int,
    backend: str | None,
    timeout: float | None,
    dpi: float | None = None,
) -> bytes:
    """The picture of a DOT text as "svg", "png" or "pdf", or its measures as "plain".

    GraphRenderError if there is no renderer for it, it fails, it has too many `nodes`, or with a
    `timeout` if it takes more seconds.
    """
    if timeout is None and nodes > MOST:
        raise GraphRenderError(
            f"Cannot draw {nodes} cards as {format.upper()}: a picture has at most {MOST}. "
            "Try depth=1 or collapse=True, save .txt, or give timeout= in seconds to try."
        )
    pure = None
    options = fine(format, nodes) if dpi is None or format != "png" else [f"-Gdpi={dpi:.6g}"]
    for program in candidates(backend):
        if format == "pdf" and is_pure(program):
            pure = program
            continue
        if program == PYGRAPHVIZ:
            image = with_pygraphviz(source, format, options)
        else:
            image = with_program(program, source, format, nodes, timeout, options)
        return modern_fonts(image) if format == "svg" else image
    if pure:
        raise GraphRenderError(
            "Cannot draw the graph as PDF: graphviz-pure draws SVG and PNG only. Install Graphviz "
            "itself (apt install graphviz, brew install graphviz, winget install graphviz), or "
            "save an SVG and print it to PDF from a browser."
        )
    raise GraphRenderError(
        f"Cannot draw the graph as {format.upper()}: no Graphviz found. Fastest fix, no admin "
        "rights: python -m pip install graphviz-pure (SVG and PNG). Or install Graphviz itself "
        "(apt install graphviz, brew install graphviz, winget install graphviz), or point "
        "AUTOGRAD_LITE_DOT at a dot program. Without one, save .gv, .mmd or .txt."
    )


def fine(format: str, nodes: int) -> list[str]:
    """The resolution of a PNG, less where nobody could look at all of its pixels: graphviz-pure
    takes 40 s for 2,000 cards in full. Not part of the DOT text, as it would cut off an SVG of
    Graphviz 2, whose viewBox does not heed it."""
    return [f"-Gdpi={max(12, min(112, 112 * SHARP // max(nodes, 1)))}"] if format == "png" else []


def with_program(
    program: str,
    source: str,
    format: str,
    nodes: int,
    timeout: float | None,
    options: list[str],
) -> bytes:
    try:
        done = subprocess.run(
            [program, "-Kdot", f"-T{format}", *options],
            input=source.encode(),
            capture_output=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise GraphRenderError(
            f"dot gave up after {timeout:g} s on {nodes} nodes. "
            "Try depth=1, collapse=True or timeout=60."
        ) from None
    except OSError as error:
        raise GraphRenderError(
            f"Cannot draw the graph: {program} could not be run ({error}). Give another backend=, "
            "or python -m pip install graphviz-pure."
        ) from error
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        raise GraphRenderError(
            f"Cannot draw the graph as {format.upper()}: {program} failed with code "
            f"{done.returncode}: {said[0]}. Try another backend=, or save .gv and look at it."
        )
    return done.stdout


def with_pygraphviz(source: str, format: str, options: list[str]) -> bytes:
    from pygraphviz import AGraph  # type: ignore[import-not-found, unused-ignore]

    image: bytes = AGraph(string=source).draw(format=format, prog="dot", args=" ".join(options))
    return image


def modern_fonts(svg: bytes) -> bytes:
    """The fonts as lists that hold one of every system, and no wider than the page."""
    text = svg.decode()
    text = re.sub(
        r'font-family="(Arial|Courier New)[^"]*"', lambda m: f'font-family="{FONTS[m[1]]}"', text
    )
    return text.replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1).encode()


def described(png: bytes, text: str) -> bytes:
    """A PNG with a description inside, which programs offer as its alternative text."""
    what = b"iTXt" + b"Description\0\0\0en\0\0" + text.encode(errors="replace")
    chunk = struct.pack(">I", len(what) - 4) + what + struct.pack(">I", zlib.crc32(what))
    header = 33  # bytes of the signature and of the chunk that every PNG begins with
    return png[:header] + chunk + png[header:]
