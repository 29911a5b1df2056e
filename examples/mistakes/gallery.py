"""The frame of the gallery: what a case is, and how each kind of case is checked."""

from __future__ import annotations

import inspect
import math
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

import nn
from autograd_lite import Tensor, compare
from autograd_lite.comparison import Report, compare_layers

Array = np.ndarray[Any, Any]
Handed = tuple[Tensor, Mapping[str, Any], nn.Module | None]  # the loss, gradients by hand, a model


@dataclass(frozen=True)
class Finding:
    """What the check said: whether all was right, else what was wrong, where, and the full text."""

    ok: bool
    name: str | None
    at: str | None
    text: str


@dataclass(frozen=True)
class Case:
    """A mistake, the name that it should get, and where; `check(True)` runs its corrected form."""

    title: str
    name: str
    at: str
    story: str
    check: Callable[[bool], Finding]

    def found(self, finding: Finding) -> bool:
        """Whether the check called the mistake by its name, at the right place."""
        return (finding.ok, finding.name, finding.at) == (False, self.name, self.at)


CASES: dict[str, Case] = {}

Register = Callable[[Callable[[bool], Any]], Callable[[bool], Any]]


def register(name: str, at: str, check: Callable[[Callable[[], Any]], Finding]) -> Register:
    """A decorator that enters a function of `right` in the gallery."""

    def enter(function: Callable[[bool], Any]) -> Callable[[bool], Any]:
        title = f"{function.__module__.rpartition('.')[2]}.{function.__name__}"
        story = inspect.getdoc(function) or ""
        CASES[title] = Case(title, name, at, story, lambda right: check(lambda: function(right)))
        return function

    return enter


def judged(report: Report) -> Finding:
    """The finding of a report: all that is wrong on its own, and the first name of the first."""
    wrong = [row for row in report.rows if row.verdict == "wrong here"]
    name = wrong[0].diagnoses[0].slug if wrong and wrong[0].diagnoses else None
    return Finding(report.ok, name, ", ".join(row.name for row in wrong) or None, str(report))


def mistake(slug: str, at: str) -> Register:
    """A wrong gradient: the function returns what `compare` takes."""
    return register(slug, at, lambda run: judged(compare(*run())))


def wrong_update(slug: str, at: str) -> Register:
    """A wrong step of the parameters: the function returns what `compare_layers` takes, by name."""
    return register(slug, at, lambda run: judged(compare_layers(**run())))


def wrong_value(at: str) -> Register:
    """A wrong formula of a value: the function returns the value by hand and the library's."""

    def check(run: Callable[[], tuple[float, Tensor]]) -> Finding:
        by_hand, library = run()
        ok = math.isclose(by_hand, library.item(), rel_tol=1e-9)
        text = f"{at}: by hand {by_hand:.6g}, autograd_lite {library.item():.6g}"
        return Finding(ok, None if ok else "value", None if ok else at, text)

    return register("value", at, check)


def error(kind: type[Exception], at: str) -> Register:
    """A mistake that stops the program: the function raises an error whose text has `at` in it."""

    def check(run: Callable[[], Any]) -> Finding:
        try:
            run()
        except kind as raised:
            text = str(raised)
            shown = textwrap.fill(f"{kind.__name__}: {text}", 100)
            return Finding(False, kind.__name__, at if at in text else None, shown)
        return Finding(True, None, None, "no error")

    return register(kind.__name__, at, check)


def mse(prediction: Array, target: Array) -> Any:
    """The mean of all squares, as a loss by hand."""
    return ((prediction - target) ** 2).mean()


def mse_grad(prediction: Array, target: Array) -> Array:
    return 2 * (prediction - target) / prediction.size


def draws(*shapes: tuple[int, ...], seed: int = 0) -> Iterator[Array]:
    """Normal numbers, an array for each shape."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) for shape in shapes)


def leaf(name: str, value: Array) -> Tensor:
    """A named tensor that a gradient is wanted for."""
    return Tensor(value, requires_grad=True, name=name)


def named(name: str, tensor: Tensor) -> Tensor:
    """An intermediate, with a name by which its gradient can be handed in."""
    tensor.name = name
    return tensor


def arrays(**tensors: Tensor) -> dict[str, Array]:
    """The values of intermediates, which a backward pass by hand has kept too."""
    return {name: tensor.detach().numpy() for name, tensor in tensors.items()}
