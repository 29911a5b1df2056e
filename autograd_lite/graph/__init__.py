"""Draw what a result was computed from, which way its gradient flows, and every formula."""

from __future__ import annotations

import contextlib
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..tensor import Tensor
from . import dot, mermaid, render, text
from .cards import Writer
from .fold import fold
from .model import Drawing
from .read import Reader
from .render import GraphRenderError

if TYPE_CHECKING:
    import graphviz

__all__ = ["Graph", "GraphRenderError", "draw"]

IMAGES = ("svg", "png", "pdf")
TEXTS = {"gv": "to_dot", "mmd": "to_mermaid", "txt": "to_text"}
CHOICES = {
    "view": ("both", "forward", "backward"),
    "theme": tuple(dot.THEMES),
    "direction": ("TB", "LR"),
}


def draw(
    loss: Tensor,
    model: Any = None,
    *,
    view: str = "both",
    depth: int | None = None,
    grads: bool = True,
    formulas: bool = True,
    collapse: bool | None = None,
    theme: str = "light",
    direction: str = "TB",
    backend: str | None = None,
    timeout: float = 10.0,
) -> Graph:
    """The computation graph of a tensor as a picture: shown in a notebook, printed, or saved.

    `model` gives parameters their dotted names and frames its modules; `view` is "both",
    "forward" or "backward"; `depth` is how many levels of modules are opened, the others being one
    card each. `grads` puts on every edge the norm of the gradient that a backward pass from `loss`
    sends along it; `formulas` prints the rules that it runs. `collapse` folds modules, and cuts out
    the middle of what is still too long: by default above 400 cards, never with False.

    The tape stays as it is and no `.grad` changes, so draw works before and after
    `backward(retain_graph=True)`. TypeError if `loss` is not a Tensor, ValueError for an option
    that does not exist.

    >>> from autograd_lite import tensor
    >>> x = tensor(3.0, requires_grad=True, name="x")
    >>> print(draw(x * x + x))
    Graph of y
    y 12, float32, 1 parameter, 2 operations
    <BLANKLINE>
    x  ()  value 3  grad 7
    u: mul  ()  = 9  du = 1
        forward   u = x * x
        backward  dx += du * x
                  dx += du * x
        gradient to  x 3, x 3
    y: add  ()  = 12  dy = 1
        forward   y = u + x
        backward  du = dy
                  dx += dy
        gradient to  x 1, u 1
    y  = 12  dy = 1
        gradient to  y 1
    <BLANKLINE>
    """
    if not isinstance(loss, Tensor):
        raise TypeError(f"draw: needs the Tensor that was computed, not a {type(loss).__name__}")
    for option, value in (("view", view), ("theme", theme), ("direction", direction)):
        if value not in CHOICES[option]:
            known = ", ".join(map(repr, CHOICES[option]))
            raise ValueError(f"draw: {option}={value!r} does not exist; there are {known}")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise ValueError(
            f"draw: depth={depth!r} must be a number of levels, from 0, or None for all"
        )
    read = Reader(loss, model, grads and view != "forward")
    drawing = Writer(read, fold(read, depth, collapse), view=view, formulas=formulas).write()
    return Graph(drawing, theme, direction, backend, timeout)


class Graph:
    """What `draw` returns: a drawing that knows how to write itself.

    It holds words and numbers, no tensors, so it does not keep the tape in memory.
    """

    def __init__(
        self, drawing: Drawing, theme: str, direction: str, backend: str | None, timeout: float
    ) -> None:
        self.drawing = drawing
        self.theme = theme
        self.direction = direction
        self.backend = backend
        self.timeout = timeout

    @cached_property
    def _dot(self) -> str:
        return dot.source(self.drawing, self.theme, self.direction)

    def to_dot(self) -> str:
        """The drawing in the DOT language; the same computation gives the same text."""
        return self._dot

    def to_mermaid(self) -> str:
        """The drawing as a Mermaid flowchart."""
        return mermaid.source(self.drawing, self.direction)

    def to_text(self) -> str:
        """The drawing as lines of text, which `print` shows."""
        return text.source(self.drawing)

    @property
    def digraph(self) -> graphviz.Digraph:
        """The drawing as a new `graphviz.Digraph`, to be changed or embedded at will."""
        import graphviz

        body = dot.body(self.drawing, self.theme, self.direction)
        return graphviz.Digraph("autograd_lite", body=body)

    def render(
        self, format: str = "svg", *, backend: str | None = None, timeout: float | None = None
    ) -> bytes:
        """The picture as "svg", "png" or "pdf"; GraphRenderError if there is no way to make it."""
        if format not in IMAGES:
            raise ValueError(f"render: {format!r} is no picture; there are {', '.join(IMAGES)}")
        return render.picture(
            self.to_dot(),
            format,
            len(self.drawing.nodes),
            backend=backend or self.backend,
            timeout=self.timeout if timeout is None else timeout,
        )

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        backend: str | None = None,
        timeout: float | None = None,
    ) -> Path:
        """Write a file in the format of its suffix: .svg .png .pdf .gv .mmd .txt; returns its path.

        The file is there whole or not at all. ValueError for another suffix, GraphRenderError if
        a picture cannot be made.
        """
        path = Path(path)
        suffix = path.suffix.lower()[1:]
        if suffix in IMAGES:
            content = self.render(suffix, backend=backend, timeout=timeout)
        elif suffix in TEXTS:
            content = getattr(self, TEXTS[suffix])().encode()
        else:
            known = " ".join(f".{s}" for s in (*IMAGES, *TEXTS))
            raise ValueError(f"save: {path.name!r} has no known suffix; there are {known}")
        beside = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            beside.write_bytes(content)
            beside.replace(path)
        except OSError as error:
            raise OSError(error.errno, f"save: {error.strerror or error}", str(path)) from None
        finally:
            with contextlib.suppress(OSError):
                beside.unlink(missing_ok=True)
        return path

    def __str__(self) -> str:
        return self.to_text().rstrip("\n")

    def __repr__(self) -> str:
        nodes, edges = len(self.drawing.nodes), len(self.drawing.edges)
        return f"<Graph of {nodes} nodes and {edges} edges; print it, or save('net.svg')>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """An SVG for notebooks; without a renderer the text, and what to do about it."""
        try:
            return {"image/svg+xml": self.render("svg").decode(), "text/plain": repr(self)}
        except GraphRenderError as error:
            return {"text/plain": f"{self}\n\n{error}"}
