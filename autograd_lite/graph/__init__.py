"""Draw what a result was computed from, which way its gradient flows, and every formula."""

from __future__ import annotations

import contextlib
import os
import warnings
from base64 import b64encode
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import origin
from ..creation import default_generator, tensor
from ..engine.errors import kind_of
from ..engine.modes import enable_grad
from ..engine.tensor import Tensor
from ..interrupts import in_own_context
from ..program.modules import Modules
from ..program.names import words
from ..program.naming import Names
from ..program.reading import Reading
from ..shows import noted
from . import dot, film, mermaid, render, text
from .aspect import Fitted, fitted, pixels_of
from .cards import Cards, Shared
from .collapse import Folded
from .gradients import Gradients
from .model import Drawing
from .panels import panels_of
from .ran import Ran
from .render import GraphRenderError
from .slides import slides_of, spoken, without_unseen
from .theme import THEMES, follow_system

if TYPE_CHECKING:
    import graphviz

__all__ = ["Graph", "GraphRenderError", "draw"]

origin.noting = True  # from here on modules note their calls, which are the frames of drawings

IMAGES = ("svg", "png", "pdf")
TEXTS = {"gv": "to_dot", "mmd": "to_mermaid", "txt": "to_text"}
CHOICES = {
    "view": ("both", "forward", "backward"),
    "theme": tuple(THEMES),
    "direction": ("TB", "LR"),
}


@in_own_context
def draw(
    loss: Any,
    model: Any = None,
    *,
    view: str = "both",
    depth: int | None = None,
    grads: bool = True,
    formulas: bool = True,
    constants: bool = False,
    collapse: bool | None = None,
    compare: Any = None,
    findings: Any = (),
    theme: str = "light",
    direction: str | None = None,
    aspect: str | None = None,
    backend: str | None = None,
    timeout: float | None = None,
) -> Graph:
    """The computation graph of a tensor as a picture: shown in a notebook, printed, or saved.

    The modules that ran are framed, and their parameters have dotted names, if they are nn.Modules
    called after `draw` was imported, or `model` is given. `draw(model, x)`, with a model or any
    function, calls it first, with `x` or a tuple of inputs, arrays or Tensors, and leaves buffers
    and random numbers as they were, but that lazy layers have their sizes: then all that ran is
    drawn, in grey what needs no gradient. Equal modules in a row are drawn once.

    `view` is "both", "forward" or "backward"; `depth` is how many levels of modules are opened, the
    others being one card each. `grads` puts on every edge the norm of the gradient that a backward
    pass from `loss` sends along it, without hooks, of `loss.sum()` if it has several elements;
    `formulas` prints the rules that it runs; `constants` gives a card to inputs that are no
    tensors. Above 40 cards equal modules and the steps of loops are drawn once, then modules become
    one card each until the picture fits a page, with their formula where their class states a
    `textbook`; `collapse=True` folds all of them, False none. Above 400 cards the middle is left
    out, but for False.
    `compare` is a dictionary of gradients by hand, or a report of `compare`: cards get verdicts.
    `findings` are those of `nn.diagnosis.diagnose` or of its `Watch`: cards say what was found at
    their operation or parameter, with its evidence and what to do.
    `theme` is "light", "dark" or "auto", an SVG that follows the reader's system; `direction` is
    "TB" (down) or "LR" (to the right). `aspect` is the shape of the pictures, "16:9", "4:3" or
    another ratio, "A4" or "A4 landscape": the cards stand in columns or rows, or go to the right,
    whatever gives the largest letters, and a UserWarning says when they are smaller than 14 pixels
    on a screen of 1,080 lines. `backend` and `timeout` are for pictures, as `Graph.render`
    has them.

    The tape stays as it is and no `.grad` changes, so draw works before and after
    `backward(retain_graph=True)`. TypeError if `loss` is no Tensor and no function, ValueError for
    an option that does not exist.

    >>> from autograd_lite import tensor
    >>> x = tensor(3.0, requires_grad=True, name="x")
    >>> print(draw(x * x + x))
    Graph of loss
    loss 12, float32, 1 parameter, 2 operations
    <BLANKLINE>
    x  ()  value 3  grad 7
    u: mul  ()  = 9  d_u = 1
        forward   u = x * x
        backward  d_x += d_u * x
                  d_x += d_u * x
        gradient to  x 3, x 3
    loss: add  ()  = 12  d_loss = 1
        forward   loss = u + x
        backward  d_u = d_loss
                  d_x += d_loss
        gradient to  x 1, u 1
    loss  = 12  d_loss = 1
        gradient to  loss 1
    <BLANKLINE>
    """
    for option, value in (("view", view), ("theme", theme), ("direction", direction or "TB")):
        if value not in CHOICES[option]:
            known = ", ".join(map(repr, CHOICES[option]))
            raise ValueError(f"draw: {option}={value!r} does not exist; there are {known}")
    if depth is not None and (isinstance(depth, bool) or not isinstance(depth, int) or depth < 0):
        raise ValueError(
            f"draw: depth={depth!r} must be a number of levels, from 0, or None for all"
        )
    if aspect is not None:
        pixels_of(aspect)
    if isinstance(findings, str) or not all(hasattr(f, "advice") for f in findings):
        raise TypeError(
            f"draw: findings={findings!r} are not what nn.diagnosis.diagnose(model, loss_fn, x, t) "
            "or the findings of a Watch give"
        )
    options = Options(view, depth, grads, formulas, constants, collapse, compare, findings)
    if isinstance(loss, Tensor):
        drawing = drawing_of(Reading(loss), model, options)
    else:
        with Ran() as ran:
            output = output_of(loss, model)
        with ran.recorded():
            named = hasattr(loss, "named_parameters")
            drawing = drawing_of(Reading(output, whole=True), loss if named else None, options)
    return Graph(drawing, theme, direction, backend, timeout, aspect)


class Options(NamedTuple):
    """How much is drawn, as `draw` has it."""

    view: str
    depth: int | None
    grads: bool
    formulas: bool
    constants: bool
    collapse: bool | None
    compare: Any
    findings: Any


def drawing_of(read: Reading, model: Any, options: Options) -> Drawing:
    """All that there is to draw of what was read."""
    if model is not None and not hasattr(model, "named_parameters"):
        raise TypeError(f"draw: model is a {type(model).__name__}, which has no named_parameters()")
    modules = Modules(read, model)
    names = Names.of_drawing(read, modules)
    report = report_of(read.root, options.compare, modules.model)
    folded = Folded.whole(read, modules, options.depth, options.collapse)
    opening = folded.opening()
    wanted = options.grads and options.view != "forward"
    views = [folded, *opening.values()]
    gradients = Gradients(read, [view.bundles() for view in views], wanted)
    shared = Shared(names)
    drawings = []
    for scene, view in enumerate(views):
        cards = Cards(read, modules, view, gradients, report, shared, scene)
        cards.findings = list(options.findings)
        drawing = cards.drawing(options.view, options.formulas, options.constants)
        drawing.panels = panels_of(cards)
        drawings.append(drawing)
    whole, *opened = drawings
    whole.scenes = dict(zip(opening, opened, strict=True))
    return whole


def output_of(model: Any, inputs: Any) -> Tensor:
    """What a model or function gives for some inputs; a model's buffers and the generator of random
    numbers stay."""
    if not callable(model):
        raise TypeError(
            "draw: needs the Tensor that was computed, or a model or function and its input, not a "
            f"{kind_of(model)}"
        )
    name = getattr(model, "__name__", f"the {type(model).__name__}")
    if inputs is None:
        raise TypeError(f"draw: needs an input to call {name} with: draw(model, x)")
    several = isinstance(inputs, tuple)
    given = [
        x if isinstance(x, Tensor) else tensor(x, name="x" if not several else f"x{i}")
        for i, x in enumerate(inputs if several else (inputs,), 1)
    ]
    if settle := getattr(model, "_settle", None):
        settle(*given)
    generator = default_generator()
    state = generator.bit_generator.state
    buffers = [(b, b.array.copy()) for _, b in getattr(model, "named_buffers", tuple)()]
    try:
        with enable_grad():
            output = model(*given)
    finally:
        generator.bit_generator.state = state
        for b, kept in buffers:
            b.array[...] = kept
    if not isinstance(output, Tensor):
        raise TypeError(
            f"draw: {name} gave a {type(output).__name__}; compute one Tensor from it and draw that"
        )
    return output


def report_of(loss: Tensor, compare: Any, model: Any) -> Any:
    """The report on gradients by hand, or the one that was given."""
    if compare is None or hasattr(compare, "rows"):
        return compare
    if not isinstance(compare, Mapping):
        raise TypeError(
            f"draw: compare is a {type(compare).__name__}; give a dictionary of gradients, such as "
            '{"fc1.weight": dW}, or a report of compare()'
        )
    from ..comparison import compare as judge

    return judge(loss, compare, model)


@dataclass(repr=False, eq=False)
class Graph:
    """What `draw` returns: a drawing that knows how to write itself.

    It holds words and numbers, no tensors, so it does not keep the tape in memory.
    """

    drawing: Drawing
    theme: str
    direction: str | None
    backend: str | None
    timeout: float | None
    aspect: str | None = None

    @cached_property
    def _dot(self) -> str:
        return dot.source(self.drawing, self.theme, self._layout)

    @property
    def _layout(self) -> dot.Layout:
        return self._fitted.layout if self._fitted else dot.Layout(self.direction or "TB")

    @cached_property
    def _fitted(self) -> Fitted | None:
        """How the cards stand on a page, if there is one; without a renderer as if there were
        none."""
        try:
            return self._fit(self.aspect) if self.aspect else None
        except GraphRenderError:
            return None

    def _fit(self, aspect: str, moment: dot.Moment | None = None) -> Fitted:
        def measure(layout: dot.Layout) -> str:
            source = dot.source(self.drawing, layout=layout, moment=moment)
            n = len(self.drawing.nodes)
            return render.picture(source, "plain", n, self.backend, self.timeout).decode()

        return fitted(self.drawing, aspect, self.direction, measure)

    @property
    def remark(self) -> str:
        """The sentence that says so when the letters are too small for the `aspect`, else "".

        >>> x = tensor([1.0, 2.0], requires_grad=True, name="x")
        >>> draw((x * x).sum(), aspect="16:9").remark
        ''
        """
        return self._fitted.remark if self._fitted else ""

    def to_dot(self) -> str:
        """The drawing in the DOT language; the same computation gives the same text."""
        return self._dot

    def to_mermaid(self) -> str:
        """The drawing as a Mermaid flowchart."""
        return mermaid.source(self.drawing, self.theme, self.direction or "TB")

    def to_text(self) -> str:
        """The drawing as lines of text, which `print` shows."""
        return text.source(self.drawing)

    def to_html(self, *, backend: str | None = None, timeout: float | None = None) -> str:
        """The drawing as a film: a page that steps through the forward and the backward pass.

        It needs no network, and no script to be a complete picture. It has the numbers of arrays
        up to 64 elements, statistics of larger ones, and the lines of operations that ran inside
        `record_lines()`. It is as light or dark as the reader's system, with the theme "dark"
        always dark. A click on a folded module opens it. Without a renderer the cards are text;
        GraphRenderError if the `backend` that was asked for is not there.

        >>> x = tensor(3.0, requires_grad=True, name="x")
        >>> "Forward 1 of 1: mul makes loss = 9." in draw(x * x).to_html()
        True
        """
        dark = self.theme == "dark"
        way = self.direction or "TB"
        return film.page(self.drawing, way, dark, *self._renderer(backend, timeout))

    def _renderer(
        self, backend: str | None, timeout: float | None
    ) -> tuple[str | None, float | None]:
        return backend or self.backend, self.timeout if timeout is None else timeout

    @property
    def digraph(self) -> graphviz.Digraph:
        """The drawing as a new `graphviz.Digraph`, to be changed or embedded at will."""
        import graphviz

        body = dot.body(self.drawing, self.theme, self._layout)
        return graphviz.Digraph("autograd_lite", body=body)

    def render(
        self, format: str = "svg", *, backend: str | None = None, timeout: float | None = None
    ) -> bytes:
        """The picture as "svg", "png" or "pdf"; GraphRenderError if there is no way to make it."""
        if format not in IMAGES:
            raise ValueError(f"render: {format!r} is no picture; there are {', '.join(IMAGES)}")
        return self._rendered(format, backend, timeout)

    def _rendered(self, format: str, backend: str | None, timeout: float | None) -> bytes:
        """The picture; a warning is of the line that called what calls this."""
        fitted = self._fitted
        if fitted and fitted.remark:
            warnings.warn(fitted.remark, stacklevel=3)
        renderer = self._renderer(backend, timeout)
        return self._picture(self.to_dot(), format, renderer, self.drawing.told, fitted)

    def _picture(
        self,
        source: str,
        format: str,
        renderer: tuple[str | None, float | None],
        alt: str,
        fitted: Fitted | None,
    ) -> bytes:
        n = len(self.drawing.nodes)
        image = render.picture(source, format, n, *renderer, fitted and 72 * fitted.scale)
        if format == "svg":
            label = f'<svg role="img" aria-label="{escape(dot.NO_XML.sub("?", alt))}" '
            image = image.replace(b"<svg ", label.encode(), 1)
            return follow_system(image) if self.theme == "auto" else image
        return render.described(image, alt) if format == "png" else image

    def slides(
        self,
        folder: str | os.PathLike[str],
        formats: Collection[str] | None = None,
        *,
        backend: str | None = None,
        timeout: float | None = None,
    ) -> list[Path]:
        """Write a picture for every step of the film, forward and backward, and a note beside it.

        The first has the whole graph, the others what is there by then: cards and gradients come in
        one by one, and nothing moves. `formats` are some of "svg", "png" and "pdf", by default
        those that the renderer can write. The shape is that of the graph's `aspect`, or 16:9. The
        files are called step_00.svg, step_00.png, step_00.txt and so on; returns their paths in
        this order. The `folder` is made, if there is none; in it `.slides-of-draw` lists them, by
        which the next call there removes those of a longer show, and no other files.
        GraphRenderError without a renderer.

        >>> from tempfile import TemporaryDirectory
        >>> x = tensor(3.0, requires_grad=True, name="x")
        >>> with TemporaryDirectory() as folder:
        ...     files = draw(x * x).slides(folder, ["svg"])
        ...     print(files[-1].name, len(files))
        ...     print(files[3].read_text("utf-8"), end="")
        step_03.txt 8
        Forward 1 of 1: mul makes loss = 9.
        loss: mul  ()  = 9
            forward   loss = x * x
        """
        for format in formats or ():
            if format not in IMAGES:
                raise ValueError(f"slides: {format!r} is no picture; there are {', '.join(IMAGES)}")
        renderer = self._renderer(backend, timeout)
        wanted = formats or render.formats_of(renderer[0])
        shown = slides_of(self.drawing)
        fitted = self._fit(self.aspect or "16:9", shown[0].moment)
        if fitted.remark:
            warnings.warn(fitted.remark, stacklevel=2)
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        digits = max(2, len(str(len(shown) - 1)))

        def write(i: int) -> list[Path]:
            moment, note = shown[i]
            source = dot.source(self.drawing, self.theme, fitted.layout, moment=moment)
            files: list[Path] = []
            for format in wanted:
                image = self._picture(source, format, renderer, spoken(note), fitted)
                if format == "svg":
                    image = without_unseen(image, self.theme)
                files.append(written(folder / f"step_{i:0{digits}}.{format}", image))
            return [*files, written(folder / f"step_{i:0{digits}}.txt", note.encode())]

        with ThreadPoolExecutor(2) as pool:  # which wait for the renderer
            made = [file for files in pool.map(write, range(len(shown))) for file in files]
        noted(folder, made, "draw")
        return made

    @property
    def alt(self) -> str:
        """The picture in one sentence, escaped for HTML: the alternative text of an image.

        >>> x = tensor(3.0, requires_grad=True, name="x")
        >>> print(draw(x * 2).alt.replace(". ", ".\\n"))
        Computation graph, Graph of loss: loss 6, float32, 1 parameter, 1 operation.
        Cards: x, mul, loss.
        """
        return escape(dot.NO_XML.sub("?", self.drawing.told))

    def save(
        self,
        path: str | os.PathLike[str],
        *,
        backend: str | None = None,
        timeout: float | None = None,
    ) -> Path:
        """Write a file in the format of its suffix; returns its path.

        .svg .png .pdf are pictures, .html is the film (see `to_html`), .gv .mmd .txt are texts. A
        PDF needs Graphviz itself; for the others graphviz-pure, a dependency, is enough.

        The file is there whole or not at all. ValueError for another suffix, GraphRenderError if
        a picture cannot be made.
        """
        path = Path(path)
        suffix = path.suffix.lower()[1:]
        if suffix in IMAGES:
            content = self._rendered(suffix, backend, timeout)
        elif suffix == "html":
            content = self.to_html(backend=backend, timeout=timeout).encode()
        elif suffix in TEXTS:
            content = getattr(self, TEXTS[suffix])().encode()
        else:
            known = " ".join(f".{s}" for s in (*IMAGES, "html", *TEXTS))
            raise ValueError(f"save: {path.name!r} has no known suffix; there are {known}")
        return written(path, content)

    def __str__(self) -> str:
        return self.to_text().rstrip("\n")

    def __repr__(self) -> str:
        nodes, edges = len(self.drawing.nodes), len(self.drawing.edges)
        return f"<Graph of {nodes} nodes and {edges} edges; print it, or save('net.svg')>"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        """An SVG for notebooks, and a PNG for viewers that drop it; without a renderer the text,
        and what to do about it."""
        try:
            svg, png = self.render("svg").decode(), b64encode(self.render("png")).decode()
        except GraphRenderError as error:
            return {"text/plain": f"{self}\n\n{error}"}
        return {"image/svg+xml": svg, "image/png": png, "text/plain": repr(self)}


def written(path: Path, content: bytes) -> Path:
    """Write a file whole or not at all; its path."""
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
