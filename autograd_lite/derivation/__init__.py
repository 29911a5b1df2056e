"""The hand derivation of a tape: as text and LaTeX, and as a NumPy function of its own."""

from __future__ import annotations

import linecache
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, wraps
from itertools import count
from pathlib import Path
from typing import Any
from weakref import finalize
from zlib import crc32

import numpy as np

from .. import origin
from ..engine.errors import kind_of
from ..engine.tensor import Tensor
from ..origin import Place, origin_of
from ..program.naming import Names
from ..program.passes import spell_out
from ..program.trace import Argument, Program, trace
from ..shows import noted
from .check import Check, check_slopes
from .names import name_program
from .slides import beamer, slides_of
from .source import Source, execute, shorten, signature
from .text import as_latex, as_markdown, as_text
from .textbook import simplify

__all__ = ["Check", "Derivation", "Line", "derive"]

origin.noting = True  # from here on modules note their calls, after which results are named

NUMBERS = count()  # of the functions, whose text tracebacks find by it


def derive(loss: Tensor, model: Any = None) -> Derivation:
    """The derivation by hand of a scalar's gradients, read from its tape: print it, or take its
    `source()`, a NumPy function.

    `model` gives parameters their dotted names and tells them from other inputs; other tensors go
    by their `name`. The tape stays as it is, in memory as long as the derivation, and no hook is
    called. RuntimeError if the tape was released, if the loss is no scalar or depends on nothing
    that requires grad, or if an operation has no derivative or no form in NumPy; TypeError if
    `loss` is no Tensor.

    >>> from autograd_lite import tensor
    >>> w = tensor([[1.0, 2.0]], requires_grad=True, name="w")
    >>> x = tensor([[3.0], [4.0]], name="x")
    >>> print(derive(((x @ w).tanh() ** 2).sum()))
    loss = 3.988768, float32
    d_ stands for the derivative of loss by what follows, so d_loss = 1.
    <BLANKLINE>
    Given
      x  (2, 1)  float32 input
      w  (1, 2)  float32 parameter
    <BLANKLINE>
    Forward
      z = x @ w         (2, 2)  matmul
      h = tanh(z)       (2, 2)  tanh
      loss = sum(h**2)  ()      power, sum
    <BLANKLINE>
    Backward
      through loss = sum(h**2)           power, sum
        d_h = 2 * h              (2, 2)
      through h = tanh(z)                tanh
        d_z = d_h * (1 - h * h)  (2, 2)
      through z = x @ w                  matmul
        d_w = x.T @ d_z          (1, 2)
    """
    if not isinstance(loss, Tensor):
        what = f"derive: needs the Tensor that was computed, not a {kind_of(loss)}"
        raise TypeError(what + "; call it, derive(loss(model(x), y), model)" * callable(loss))
    if model is not None and not hasattr(model, "named_parameters"):
        raise TypeError(f"derive: model is a {type(model).__name__}, which has no named_parameters")
    program = simplify(trace(loss, model))
    names = Names(program.seed, model)
    shorten(program, name_program(program, names))
    return Derivation(program, loss, model, names)


@dataclass(frozen=True)
class Line:
    """Where a line of the source comes from: the operations, and the user's line and module.

    `place` is None unless the operations were recorded inside `record_lines()`.
    """

    operations: tuple[str, ...]
    place: Place | None


class Derivation:
    """What `derive` returns: a program that writes itself."""

    def __init__(self, program: Program, loss: Tensor, model: Any, names: Names) -> None:
        self.program = program
        self._loss, self._model, self._names = loss, model, names
        self._prints = [fingerprint(a) for a in program.arguments]

    @cached_property
    def _source(self) -> Source:
        return Source(self.program)

    def __str__(self) -> str:
        return as_text(self.program)

    def __repr__(self) -> str:
        n = len(self.program.backward)
        return f"<Derivation of {self.program.loss.name} in {n} steps; print it, or its source()>"

    def to_latex(self) -> str:
        """What is given, forward and backward in LaTeX, to stand in a displayed formula."""
        return as_latex(self.program)

    def to_markdown(self) -> str:
        """The steps as Markdown, with formulas between dollar signs."""
        return as_markdown(self.program)

    def to_beamer(self) -> str:
        """The derivation as a LaTeX document of slides, by Beamer: a frame for what is given, one
        for every forward statement and one for every step backward, labelled with the operations.

        It needs amsmath alone; pdflatex runs it, or lualatex where names have other letters than
        Latin and Greek ones.
        """
        return beamer(slides_of(self.program))

    def slides(self, folder: str | os.PathLike[str]) -> list[Path]:
        r"""Write the steps into files that can be copied from: step_00.tex has the formulas of the
        first as a displayed block, an `align*` of amsmath, step_00.txt the same in plain text, and
        so on, then slides.tex, which is `to_beamer()`; returns their paths. The folder's
        `.slides-of-derive` lists the step files, by which the next call there removes those of a
        longer derivation, and no other files.

        >>> from tempfile import TemporaryDirectory
        >>> x = tensor(3.0, requires_grad=True, name="x")
        >>> with TemporaryDirectory() as folder:
        ...     files = derive(x.tanh()).slides(folder)
        ...     print(files[-3].read_text("utf-8"), end="")
        \begin{align*}
        \mathit{loss} &= \tanh(x) && () \tag*{tanh} \\
        \mathrm{d}x &= 1 - \mathit{loss} \cdot \mathit{loss} && ()
        \end{align*}
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        shown = slides_of(self.program)
        digits = max(2, len(str(len(shown) - 1)))
        files = []
        for i, slide in enumerate(shown):
            for suffix, content in (("tex", slide.formulas + "\n"), ("txt", slide.text)):
                files.append(folder / f"step_{i:0{digits}}.{suffix}")
                files[-1].write_text(content, "utf-8", errors="replace")
        noted(folder, files, "derive")
        files.append(folder / "slides.tex")
        files[-1].write_text(beamer(shown), "utf-8", errors="replace")
        return files

    def _repr_latex_(self) -> str:
        return f"$$\n{self.to_latex()}\n$$"

    def _repr_markdown_(self) -> str:
        return self.to_markdown()

    @property
    def unused(self) -> list[str]:
        """The parameters of the model that the loss does not depend on."""
        return list(self.program.unused)

    # ---- the function

    def source(self) -> str:
        """The text of a module with one function in plain NumPy: `backprop`.

        It takes the inputs in the order of `arguments`, then `parameters`, a dictionary of arrays
        by name, then one function for every hook; it returns the loss and a dictionary of
        gradients, arrays of their own. It holds for the shapes of the tape. Steps that repeat with
        the same parameters, as those of a recurrent layer, are a loop.
        """
        return self._source.text

    @property
    def arguments(self) -> dict[str, Any]:
        """What `backprop` is called with to repeat the recorded run: `backprop(**arguments)`.

        The arrays are those of the tensors, not copies. RuntimeError if one was changed since, by
        an optimizer's step() for example.
        """
        self._check_unchanged()
        p = self.program
        given = {a.symbol.name: a.value for a in p.of_kind("input", "constant")}
        if p.of_kind("parameter"):
            given["parameters"] = {a.key: a.value for a in p.of_kind("parameter")}
        return given | {a.symbol.name: on_arrays(a.value) for a in p.of_kind("hook")}

    def _check_unchanged(self) -> None:
        """Raise if an array of the recorded run holds something else now."""
        for a, then in zip(self.program.arguments, self._prints, strict=True):
            if fingerprint(a) != then:
                raise RuntimeError(
                    f"derive: {a.kind} {a.key} of shape {a.symbol.shape} was "
                    "changed since the loss was derived: the recorded run cannot be repeated; "
                    "derive a loss computed from the new values, or copy the arguments earlier"
                )

    def function(self) -> Callable[..., tuple[Any, dict[str, Any]]]:
        """The function of `source()`, compiled; tracebacks and `inspect.getsource` show its text.

        TypeError if it is called with something else than arrays.
        """
        text, file = self.source(), f"<backprop {next(NUMBERS)}>"
        linecache.cache[file] = len(text), None, text.splitlines(True), file
        names: dict[str, Any] = {"__name__": "backprop"}
        function = execute(compile(text, file, "exec"), names).pop("backprop")
        finalize(function, linecache.cache.pop, file, None).atexit = False
        return on_arrays_only(function, self.program)

    def source_map(self) -> dict[int, Line]:
        """For every line of `source()` that an operation gave, from 1, where it comes from."""
        found: dict[int, Line] = {}
        for number, s in self._source.owner.items():
            nodes = [n for n in s.nodes if n.op is not None]
            places = [p for n in nodes if (p := origin_of(n)) is not None]
            names = tuple(n.op.name for n in nodes)
            if names:
                found[number] = Line(names, places[0] if places else None)
        return found

    # ---- the check

    def check(self, step: float = 1e-6, rel: float = 1e-5) -> Check:
        """Every gradient of the source, of values in between too, against central differences.

        All is computed in float64, along one random direction for each value, with the hooks left
        out; `step` is relative. At a kink any gradient between the slopes on either side passes.
        RuntimeError if an argument was changed since, or if they differ and the tape was released
        meanwhile.
        """
        self._check_unchanged()

        def single() -> Program:
            program = spell_out(trace(self._loss, self._model))
            name_program(program, self._names)
            return program

        return check_slopes(self.program, single, step, rel)


def fingerprint(a: Argument) -> int:
    """A number that changes with the elements of an argument (memory for copies: none)."""
    return 0 if a.kind == "hook" else crc32(np.ascontiguousarray(a.value).data)


def on_arrays_only(function: Callable[..., Any], program: Program) -> Callable[..., Any]:
    """`backprop` with a TypeError that names the argument which is no array."""
    shapes = {a.symbol.name: a.symbol.shape for a in program.of_kind("input", "constant")}
    sizes = {a.key: a.symbol.shape for a in program.of_kind("parameter")}
    names = signature(program)

    def need(name: str, x: Any, shape: tuple[int, ...]) -> None:
        if not isinstance(x, np.ndarray | np.generic):
            what = f"backprop: {name} is a {type(x).__name__}, and has to be a NumPy array"
            raise TypeError(f"{what} of shape {shape}; np.asarray({name}) makes one")

    @wraps(function)
    def checked(*args: Any, **kw: Any) -> Any:
        for name, x in (*zip(names, args, strict=False), *kw.items()):
            if name in shapes:
                need(name, x, shapes[name])
            elif name == "parameters":
                if not isinstance(x, Mapping):
                    what = f"backprop: parameters is of type {type(x).__name__}, and has to be a"
                    raise TypeError(f"{what} dictionary of arrays by name, as in `arguments`")
                for key in sizes.keys() & x.keys():
                    need(f"parameters[{key!r}]", x[key], sizes[key])
        return function(*args, **kw)

    return checked


def on_arrays(hook: Callable[[Tensor], Any]) -> Callable[[Any], Any]:
    """A hook of a Tensor as a function of arrays."""

    def apply(g: Any) -> Any:
        result = hook(Tensor(np.array(g)))
        return g if result is None else result.array

    return apply
