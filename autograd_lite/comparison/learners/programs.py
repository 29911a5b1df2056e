"""Gradients by hand of a NumPy function, whatever it is made of: recorded where that can be."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from copy import deepcopy
from dataclasses import replace
from typing import Any

import numpy as np

from ...calculus import grad_or_zeros
from ...engine.arrays import unboxed
from ...engine.modes import enable_grad, like_numpy
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..answers.arguments import check_effort
from ..answers.judge import Row, fitted
from ..answers.names import label, leaves, matched
from ..answers.naming import own_words
from ..answers.report import Report
from ..source.doors import Again, as_before, autodiff, searchable, with_fixes
from ..source.places import is_own
from .black_box import by_differences
from .buffers import buffers
from .calls import loss_first, positional
from .execution import fault, generators, raised, reported, same_numbers, seen_by
from .seats import containers_of, seated
from .slopes import Measured, Slopes, own_stream

Path = tuple[Any, ...]


def check(
    f: Callable[..., Any],
    params: Any,
    grads: Any = None,
    *,
    samples: Any = None,
    effort: float = 1.0,
) -> Report:
    """Gradients by hand of a NumPy function of its parameters, also where nothing can be recorded.

    `f(params)` returns the loss, or `(loss, grads)` in either order, and may be made of anything:
    loops, `math`, im2col, changes in place. `params` is an array (also an unrolled one), or a
    dictionary, list or tuple of arrays, nested as you like; a tuple is given as `f(*params)`, a
    dictionary as `f(**params)` where `f` has its names. Where `f` takes no argument, it sees the
    arrays that `params` has, which are changed during the calls and put back. `grads` is a
    structure of the same kind, in order or by names such as `dW1`, `grad_W1`, `W1_grad`,
    `nabla_w`; or a function, of nothing or of the parameters, that returns one.

    With `samples`, pairs `(x, y)` or a tuple of arrays `(X, Y)`, `f(params, x, y)` and
    `grads(params, x, y)` are for one sample, and both are summed over all.

    The function is recorded on Tensors if it can be: the report is then that of `compare`. Else
    finite differences along two random directions per parameter judge, which see any single wrong
    element, and notes say what is known: a factor, the rows that differ, a transpose. `fixes` are
    edits of the lines of the function that gives the gradients, which make them right and leave the
    loss as it is; `effort` is that of `compare`. A `grads` that raises is a row of the report.
    ValueError if the function is random or not finite, TypeError for what is no number or no array.

    >>> def mean_square(w):
    ...     loss, dw = 0.0, np.zeros_like(w)
    ...     for x, t in ((1.0, 2.0), (3.0, 1.0)):
    ...         e = float(w[0] * x + w[1]) - t
    ...         loss += e * e / 2
    ...         dw += [e * x, 1]
    ...     return loss, dw
    >>> report = check(mean_square, np.array([1.0, 2.0]))
    >>> print(report.first_wrong.note, report.fixes[0].new, sep=": ")
    only element 1 differs: dw += [e * x, e]
    """
    if not callable(f):
        raise TypeError(f"check: f is a {type(f).__name__}; give the function that is derived")
    check_effort("check", effort)
    program = Program(f, params, grads, samples, effort)
    report = program.recorded()
    if report is None:
        arrays, seen = program.arrays, arrays_of(f)
        report = by_differences(
            program.loss, arrays, program.grads, list(arrays), program.problems, seen=seen,
            outputs=program.losses, upstream=[np.ones(len(program.samples) or 1)],
            coarse=program.coarse, again=program.again,
        )  # fmt: skip
    if program.others:
        text = f"Not judged, as they are of no parameter: {', '.join(program.others)}."
        report = replace(report, remarks=(*report.remarks, text))
    return with_fixes(report)


class Program:
    """A function of named arrays, and the gradients by hand."""

    def __init__(
        self, f: Callable[..., Any], params: Any, grads: Any, samples: Any, effort: float
    ) -> None:
        self.f, self.samples, self.effort = f, as_samples(samples), effort
        if isinstance(params, tuple) and len(argument_names(f, 0)) == len(params) > 1:
            params = tuple(np.asarray(x) if isinstance(x, float) else x for x in params)
        self.params, self.given = params, grads
        self.others: dict[str, None] = {}  # gradients that are of no parameter, such as dZ1
        per = len(self.samples[0]) if self.samples else 0
        outside = {id(x): name for g in (grads, f) for name, x in seen_by(g).items()}
        self.own = places(params, argument_names(f, per), outside)
        if not self.own:
            raise TypeError("check: params has no array of floats; give what f is a function of")
        self.arrays = {name: np.array(unboxed(a), float) for name, (_, a) in self.own.items()}
        self.generators = generators([f, grads])
        self.in_place = takes_nothing(f, per)
        if self.in_place:
            for name, (_, a) in self.own.items():
                if not isinstance(a, np.ndarray) or not a.flags.writeable:
                    raise TypeError(
                        f"check: f takes no argument, and {name} is no array that it could see "
                        "change; let f take the parameters"
                    )
        first = self.run(self.arrays)
        self.here = loss = self.number(first)
        if not np.isfinite(loss):
            raise ValueError(f"check: the loss is {loss}; give parameters for which it is finite")
        again = self.number(self.run(self.arrays))
        if loss != again:
            raise ValueError(
                f"check: f gave {loss:.10g} and then {again:.10g} for the same parameters; make it "
                "the same each time, as with a seed"
            )
        self.grads: dict[str, Any] = {}
        self.problems: list[Row] = []
        try:
            handed = self.handed_in(first, self.arrays)
        except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
            name = getattr(grads, "__name__", "<lambda>").replace("<lambda>", "grads")
            self.problems = [fault(f"{name}()", raised(error))]
        else:
            self.grads = self.read(handed)

    @property
    def again(self) -> Again | None:
        """The function that gives the gradients, to be run again; None if none is known."""
        if self.given is not None and not callable(self.given):
            return None
        own = self.given or self.f

        def grads() -> dict[str, Any]:
            return self.gradients(self.arrays)

        def same() -> bool:
            return as_before([self.loss(self.arrays)], [self.here]) and not self.by_chance()

        return Again([own, self.arrays], grads, same, max(len(self.samples), 1))

    def gradients(self, values: Mapping[str, Array]) -> dict[str, Any]:
        """The gradients by hand where the parameters have these values."""
        if self.given is None:
            return self.read(self.handed_in(self.run(values), values))
        with changed([(a, values[n]) for n, (_, a) in self.own.items() if self.in_place]):
            return self.read(self.handed_in((), values))

    def by_chance(self) -> bool:
        """Whether a gradient is right where the parameters are, such as all zeros, but not near."""
        rng = own_stream("near")
        near = {n: a + 0.03 * (np.abs(a) + 1) * rng.random(a.shape) for n, a in self.arrays.items()}
        if not np.isfinite(self.loss(near)):
            return False
        here, there = self.wrong(self.arrays), self.wrong(near)
        return any(there[name] and not here[name] for name in here)

    def wrong(self, values: Mapping[str, Array]) -> dict[str, bool]:
        """Which gradients differences do not agree with where the parameters have these values."""
        slopes = Slopes(self.loss, values, coarse=self.coarse)
        found = self.gradients(values)
        own = {n: fitted(np.asarray(g, float), values[n].shape) for n, g in found.items()}
        return {n: g is None or Measured(slopes, n, g).judge().wrong for n, g in own.items()}

    @property
    def coarse(self) -> bool:
        """Whether arrays of float32 are changed in place, so that small steps are lost."""
        return self.in_place and any(np.asarray(a).dtype.itemsize < 8 for _, a in self.own.values())

    def run(self, values: Mapping[str, Any]) -> list[Any]:
        """What the function returns where the parameters have these values, for each sample."""
        with same_numbers(self.generators), np.errstate(all="ignore"):
            if self.in_place:
                with changed([(a, values[name]) for name, (_, a) in self.own.items()]):
                    return [*map(loss_first, self.each(self.f, None))]
            return [*map(loss_first, self.each(self.f, values))]

    def run_on(self, tensors: Mapping[str, Tensor]) -> list[Any]:
        """What the function returns on Tensors: where it is not given its parameters, they take
        the places in which it finds the arrays."""
        inside = list(containers_of(self.params)) if self.in_place else []
        pairs = [(a, tensors[name]) for name, (_, a) in self.own.items()] if self.in_place else []
        quiet = np.errstate(all="ignore")
        with seated(self.f, inside, pairs), same_numbers(self.generators), quiet:
            return [*map(loss_first, self.each(self.f, None if self.in_place else tensors))]

    def each(self, function: Callable[..., Any], values: Mapping[str, Any] | None) -> list[Any]:
        """A function called once, or once a sample; with parameters unless it takes none."""
        found = []
        for sample in self.samples or [()]:
            args = () if values is None else self.call(function, values, len(sample))
            found.append(function(*args, *deepcopy(sample)))
        return found

    def call(
        self, function: Callable[..., Any], values: Mapping[str, Any], more: int
    ) -> tuple[Any, ...]:
        """The arguments with these values in place of the arrays."""
        filled = rebuilt(self.params, {path: values[n] for n, (path, _) in self.own.items()})
        names = argument_names(function, more)
        if isinstance(filled, Mapping) and names and set(names) == set(filled):
            return tuple(filled[name] for name in names)
        if isinstance(filled, tuple) and len(names) != 1:
            return filled
        if isinstance(filled, list) and len(names) == len(filled) > 1:
            return tuple(filled)
        return (filled,)

    def number(self, results: Sequence[Any]) -> float:
        """The sum of the losses."""
        return float(sum(self.value(result) for result in results))

    def value(self, result: Any) -> float:
        loss = unboxed(result[0] if isinstance(result, tuple | list) else result)
        try:
            a = np.asarray(loss, float)
        except (TypeError, ValueError):
            a = np.zeros(0)
        if a.size != 1:
            raise TypeError(
                f"check: f returned a {type(loss).__name__} of shape {np.shape(loss)} for the loss;"
                " return a number, or use check_backward for a function with an upstream gradient"
            )
        return float(a.reshape(()))

    def loss(self, values: Mapping[str, Array]) -> float:
        """The loss where the parameters have these values."""
        return self.number(self.run({name: a.copy() for name, a in values.items()}))

    def losses(self, values: Mapping[str, Array]) -> list[Array]:
        """The loss of each sample."""
        results = self.run({name: a.copy() for name, a in values.items()})
        return [np.array([self.value(result) for result in results])]

    def handed_in(self, results: Sequence[Any], arrays: Mapping[str, Array]) -> list[Any]:
        """The gradients by hand, for each sample; `results` are what the function returned for
        these arrays."""
        if self.given is None:
            return [rest(result) for result in results]
        if not callable(self.given):
            return [self.given]
        per = len(self.samples[0]) if self.samples else 0
        values = None if takes_nothing(self.given, per) else arrays
        with same_numbers(self.generators), np.errstate(all="ignore"):
            return self.each(self.given, values and {n: a.copy() for n, a in values.items()})

    def read(self, found: Sequence[Any]) -> dict[str, Any]:
        """The gradients by the names of the parameters, summed over the samples."""
        shapes = {name: a.shape for name, a in self.arrays.items()}
        total: dict[str, Any] = {}
        for one in found:
            for name, g in matched(one, shapes).items():
                if name not in shapes:
                    self.others |= {str(name): None} if self.given is not None else {}
                    continue
                g = unboxed(g)
                total[name] = g if name not in total else np.add(total[name], g)
        if not total and self.others:
            others = ", ".join(map(repr, self.others))
            raise ValueError(
                f"check: no parameter is meant by {others}; known are {', '.join(shapes)}"
            )
        if not total:
            raise TypeError(
                "check: there are no gradients: f returned the loss alone; return (loss, grads), "
                "or hand them in as the third argument"
            )
        return total

    def recorded(self) -> Report | None:
        """The report by the tape; None if there is none, or if it does not have all of f. Where
        arrays of f take no Tensors, those that it makes are Tensors too."""
        report = self.recorded_with(nullcontext())
        return self.recorded_with(buffers([self.f])) if report is None else report

    def recorded_with(self, filled: AbstractContextManager[None]) -> Report | None:
        """The report by the tape of f as it runs meanwhile."""
        tensors = {
            name: Tensor(a.copy(), requires_grad=True, name=name) for name, a in self.arrays.items()
        }
        try:
            with like_numpy(), enable_grad(), filled, own_words(is_own) as words:
                results = self.run_on(tensors)
            losses = [r[0] if isinstance(r, tuple | list) else r for r in results]
            loss: Any = sum(losses[1:], losses[0])
            if not isinstance(loss, Tensor) or not loss.requires_grad or loss.array.size != 1:
                return None
            here = self.loss(self.arrays)
            if abs(float(loss.array.item()) - here) > 1e-9 * max(1.0, abs(here)):
                return None
            problems = self.problems
            report = reported(loss, self.grads, tensors, problems, (), self.effort, words)
            report = searchable(report, self.again, autodiff(loss, tensors), self.grads)
        except Exception:  # noqa: BLE001  (any code: what does not take Tensors fails in any way)
            return None
        return report if self.confirmed(loss, tensors) else None

    def confirmed(self, loss: Tensor, tensors: Mapping[str, Tensor]) -> bool:
        """Whether differences agree with the tape: a `float(x)` on the way cuts the record, and
        leaves the value as it is."""
        names = [name for name in tensors if name in self.grads]
        true = grad_or_zeros((loss,), tuple(tensors[n] for n in names), (None,), False, True)
        slopes = Slopes(self.loss, self.arrays, coarse=self.coarse)
        return not any(
            Measured(slopes, name, g.array).judge().wrong
            for name, g in zip(names, true, strict=True)
        )


def arrays_of(f: Callable[..., Any]) -> dict[str, Array]:
    """The arrays that a function, or one that it calls, uses without being given them."""
    outside = seen_by(f)
    for g in [x for x in outside.values() if inspect.isfunction(x)]:
        outside = {**seen_by(g), **outside}
    return {name: a for name, a in outside.items() if isinstance(a, np.ndarray)}


def rest(result: Any) -> Any:
    """The gradients of a function that returns (loss, gradients) or (loss, gradient, ...)."""
    if not isinstance(result, tuple | list) or len(result) < 2:
        return ()
    return result[1] if len(result) == 2 else list(result[1:])


def as_samples(samples: Any) -> list[tuple[Any, ...]]:
    """A tuple of arguments for each sample; [] if all are taken together."""
    if samples is None:
        return []
    if isinstance(samples, tuple) and not isinstance(samples[0], tuple):
        samples = zip(*samples, strict=True)
    found = [s if isinstance(s, tuple) else tuple(s) for s in list(samples)]
    if not found:
        raise ValueError("check: samples is empty; give the pairs (x, y) that are summed over")
    return found


def argument_names(f: Callable[..., Any], more: int) -> list[str]:
    """The names of the arguments without a default, but for the last ones, a sample's."""
    names = [p.name for p in positional(f) if p.default is p.empty]
    return names[: len(names) - more] if more else names


def takes_nothing(f: Callable[..., Any], more: int) -> bool:
    """Whether a function sees its parameters some other way than as arguments."""
    try:
        kinds = [p.kind for p in inspect.signature(f).parameters.values()]
    except (TypeError, ValueError):
        return False
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return False
    return len(argument_names(f, 0)) <= more if more else not positional(f)


def places(
    params: Any, names: Sequence[str], outside: Mapping[int, str]
) -> dict[str, tuple[Path, Any]]:
    """The arrays of floats in a structure, with their places, by name: a key, an argument's, or
    that of a variable, by its identity."""
    found = {}
    for path, a in leaves(params):
        array = np.asarray(unboxed(a)) if not isinstance(a, str | bytes) else np.zeros(0, int)
        if array.dtype.kind != "f" and not isinstance(params, Mapping | list | tuple):
            array = array.astype(float) if array.dtype.kind in "iu" else array
        if array.dtype.kind == "f":
            named: Path = path
            if not path:
                named = (names[0] if len(names) == 1 else "params",)
            elif isinstance(path[0], int) and id(params[path[0]]) in outside:
                named = (outside[id(params[path[0]])], *path[1:])
            elif isinstance(path[0], int):
                named = renumbered(path, params, names)
            found[label(named)] = (path, a)
    return found


def renumbered(path: Path, params: Any, names: Sequence[str]) -> Path:
    """A place in a tuple or list by the name of the argument that it is given as."""
    if len(names) == len(params):
        return (names[path[0]], *path[1:])
    return (names[0] if len(names) == 1 else "params", *path)


def rebuilt(structure: Any, values: Mapping[Path, Any], path: Path = ()) -> Any:
    """The structure with other arrays in some places."""
    if path in values:
        return values[path]
    if isinstance(structure, Mapping):
        return {k: rebuilt(v, values, (*path, k)) for k, v in structure.items()}
    if isinstance(structure, list | tuple):
        return type(structure)(rebuilt(v, values, (*path, i)) for i, v in enumerate(structure))
    return structure


@contextmanager
def changed(arrays: Sequence[tuple[Array, Array]]) -> Iterator[None]:
    """Arrays have other values meanwhile: pairs of an array and its values."""
    old = [a.copy() for a, _ in arrays]
    try:
        for a, values in arrays:
            a[...] = values
        yield
    finally:
        for (a, _), values in zip(arrays, old, strict=True):
            a[...] = values
