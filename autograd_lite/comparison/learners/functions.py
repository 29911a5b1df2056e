"""One backward function by hand, alone: probed with random inputs and a random upstream."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from itertools import islice
from typing import Any

import numpy as np

from ...engine.arrays import unboxed
from ...engine.modes import enable_grad, like_numpy
from ...engine.tape import Array, tape
from ...engine.tensor import Tensor
from ..answers.judge import Row
from ..answers.names import matched, renamed
from ..answers.report import Report
from .averaged import by_convention
from .black_box import by_differences
from .execution import (
    N,
    Shape,
    fault,
    generators,
    hides,
    raised,
    reported,
    same_numbers,
    told_apart,
    with_note,
)
from .pairs import Run, Together, pair_of
from .shapes import Failure, choices_for, drawn, in_order, unfit
from .slopes import Measured, Slopes, own_stream
from .torch_code import Torch, numbers, uses_torch

MOST_OTHERS = 200  # errors that are not about shapes, until it is said that these are the cause
MOST_TRIALS = 1_000  # x, w1, b1, w2, b2 can have 26,244 shapes: the 13th fits
MOST_INPUTS = 5  # whose shapes are looked for together
PASSED_ON = (str, bool, int)  # options of a forward: no arrays


def check_backward(
    forward: Any,
    backward: Callable[..., Any] | None = None,
    inputs: Sequence[Any] | Mapping[str, Any] | None = None,
) -> Report:
    """A backward function by hand against the derivative of its forward function.

    `forward(x, w, b)` is any NumPy code, a function of ours, or a Module; its parameters without a
    default are its inputs, and the rows of the report have their names. `backward(g, x, w, b)` gets
    the upstream gradient and the same arrays (of a Module also its parameters) and returns a
    gradient for each: a tuple, or a dictionary by name (`x` or `dx`). None, or a name left out, is
    "not handed in". Other forms are taken as they are: `forward(x, w, b) -> (out, cache)` with
    `backward(dout, cache)`; several outputs, with an upstream each; `backward(g)`; an object or a
    class with `forward` and `backward`, with a context (`torch.autograd.Function` too), or with
    `compute` and `gradient(out_grad, node)`; and without `backward` a function that returns
    `(loss, gradients)`. A torch function or Module is judged by torch.

    The upstream is random from a stream of its own. A forward that runs on arrays is NumPy code: on
    Tensors too it means what NumPy means, as in `x.var(axis=0)`. Where the two differ all the same,
    that is the one row of the report; where it does not run on Tensors, finite differences judge.

    The inputs are random float64, their shapes found by trying. `inputs` sets some or all of them,
    in order or by name: an array, or a shape (a tuple of ints); integers are indices, which have no
    gradient; text, numbers of Python and dictionaries are passed on, and arrays in dictionaries are
    inputs too. Where shapes are given of a kind that hides mistakes (an axis of 1 or 2, two equal
    sizes) and agree, other sizes are tried too; arrays of zeros are drawn anew.

    A backward that raises, changes its arguments, or returns something else is a row of the report.
    Where all but the parameters' gradients are right, and those are divided by the batch size, the
    verdict is "ok, other convention". ValueError if no shapes fit, and for inputs that are not
    finite; TypeError for what is no function and no pair.

    >>> def linear(g, x, w, b):
    ...     return g @ w, g.T @ x, g.mean(0)
    >>> print(check_backward(lambda x, w, b: x @ w.T + b, linear).first_wrong.name)
    b
    """
    if inputs is None and isinstance(backward, Sequence | Mapping):
        backward, inputs = None, backward  # check_backward(loss, (x, y))
    function = Function(forward, backward)
    given = function.given(inputs)
    arrays = function.fitting(given)
    report = judged(function, arrays)
    fresh = function.again(given) if report.ok and hides(arrays) else None
    if fresh is not None:
        try:
            other = function.fitting(fresh)
        except ValueError:
            return report
        probed = judged(function, other)
        first = probed.first_wrong
        if first is not None and first.name in other:
            sizes = ", ".join(f"{name} {a.shape}" for name, a in other.items())
            return with_note(probed, first.name, f"hidden by the inputs given; seen with {sizes}")
    return report


class Function:
    """What a pair computes, as a function of named arrays."""

    def __init__(self, forward: Any, backward: Any = None) -> None:
        self.parameters: dict[str, Any] = {}
        self.torch = Torch.of(forward)
        if hasattr(forward, "named_parameters") and self.torch is None:
            forward = deepcopy(forward)  # its parameters get other values
            self.parameters = dict(forward.named_parameters())
        self.pair = pair_of(forward, backward)
        self.names = list(self.pair.names)
        self.parameters = {
            f"parameter {name}" if name in self.names else name: p
            for name, p in self.parameters.items()
        }
        self.options: dict[str, Any] = {}  # inputs that are passed on as they are
        self.groups: dict[str, dict[str, str]] = {}  # of dictionaries: the names of their arrays
        self.generators = generators(self.pair.owners)

    def given(self, inputs: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
        """For every name an array, a shape, or None."""
        by_name = self.in_names({} if inputs is None else inputs)
        found: dict[str, Any] = {}
        for name in self.names:
            value = by_name.get(name)
            if isinstance(value, Mapping):
                self.options[name], self.groups[name] = value, {}
                for key, array in value.items():
                    if np.asarray(unboxed(array)).dtype.kind == "f" and np.ndim(unboxed(array)):
                        leaf = str(key) if key not in (*self.names, *found) else f"{name}.{key}"
                        self.groups[name][key] = leaf
                        found[leaf] = as_input(array)
            elif isinstance(value, PASSED_ON) or (
                callable(value) and not isinstance(value, Tensor)
            ):
                self.options[name] = value
            else:
                found[name] = as_input(value)
        parameters = self.parameters if self.torch is None else self.torch.parameters()
        return found | {name: as_input(p) for name, p in parameters.items() if name not in found}

    def in_names(self, inputs: Any) -> Mapping[str, Any]:
        """The inputs by name; those that have a default are inputs only where they are given."""
        if isinstance(inputs, tuple) and inputs and all(type(n) is int for n in inputs):
            raise ValueError(
                f"check_backward: inputs={inputs} is one shape; one for each input is "
                f"inputs=({inputs},)"
            )
        if isinstance(inputs, np.ndarray | Tensor):
            raise TypeError("check_backward: inputs is one array; write inputs=(array,)")
        if not isinstance(inputs, Mapping):
            if not self.names:
                self.names = self.pair.names = [f"x{i}" for i in range(len(inputs))]
            self.names += self.pair.optional[: max(len(inputs) - len(self.names), 0)]
            if len(inputs) > len(self.names):
                raise ValueError(
                    f"check_backward: {len(inputs)} inputs, but the forward takes "
                    f"{len(self.names)} ({', '.join(self.names)})"
                )
            inputs = dict(zip(self.names, inputs, strict=False))
        if not self.names:
            raise ValueError(
                "check_backward: the inputs of the forward are not known by name; write it as "
                "lambda x, w: ..., or give inputs=(...) in order"
            )
        self.names += [name for name in self.pair.optional if name in inputs]
        self.names = list(dict.fromkeys(self.names))
        for name in inputs:
            if name not in self.names:
                raise ValueError(
                    f"check_backward: the forward has no input called {name!r}; it has "
                    f"{', '.join(self.names)}"
                )
        return inputs

    def again(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """What takes the place of what was given: shapes are looked for, zeros are drawn; None if
        there is nothing to change."""
        if all(v is None for v in given.values()):
            return None
        fresh: dict[str, Any] = {}
        all_given = all(isinstance(v, np.ndarray) for v in given.values())
        for name, v in given.items():
            if isinstance(v, np.ndarray) and v.dtype.kind == "f":
                own = name in self.parameters or name not in self.names
                shape = tuple(n or N for n in v.shape)
                fresh[name] = shape if own or (all_given and not v.any()) else v
                if not all_given and not own:
                    fresh[name] = None
            else:
                fresh[name] = v if isinstance(v, np.ndarray) else None
        same = all(a is b for a, b in zip(fresh.values(), given.values(), strict=True))
        return None if same else fresh

    def values(self, leaves: Mapping[str, Any]) -> list[Any]:
        """The arguments of the forward, with these in the place of its arrays."""
        found = []
        for name in self.names:
            if name in self.groups:
                own = {key: leaves[leaf] for key, leaf in self.groups[name].items()}
                rest = {k: deepcopy(v) for k, v in self.options[name].items() if k not in own}
                found.append({k: own[k] if k in own else rest[k] for k in self.options[name]})
            elif name in self.options:
                found.append(self.options[name])
            else:
                found.append(leaves[name])
        return found

    def on_tensors(
        self, arrays: Mapping[str, Array], numpy_code: bool
    ) -> tuple[Run, dict[str, Tensor]]:
        """The run on Tensors with copies, and these by name."""
        tensors = {
            name: Tensor(a.copy(), requires_grad=a.dtype.kind == "f", name=name)
            for name, a in arrays.items()
            if name not in self.parameters
        }
        for name, p in self.parameters.items():
            p.array = arrays[name].copy()
        words = like_numpy() if numpy_code else nullcontext()
        with words, enable_grad(), np.errstate(all="ignore"), same_numbers(self.generators):
            run = self.pair.run(self.values(tensors))
        return run, tensors | self.parameters

    def on_arrays(self, arrays: Mapping[str, Array]) -> Run | None:
        """The run on arrays; None if the forward is not made for them."""
        if self.parameters or self.torch is not None:
            return None
        try:
            with np.errstate(all="ignore"), same_numbers(self.generators):
                run = self.pair.run(self.values({n: a.copy() for n, a in arrays.items()}))
        except Exception:  # noqa: BLE001  (methods that arrays have not, other shapes)
            return None
        return run if all(map(is_array, run.outputs)) else None

    def fitting(self, given: Mapping[str, Any]) -> dict[str, Array]:
        """An array for every name: those given, and random ones of the first shapes that run."""
        unknown = [name for name, v in given.items() if v is None]
        choices = choices_for(given)
        if len(unknown) > MOST_INPUTS:
            raise ValueError(
                f"check_backward: the shapes of {len(choices)} inputs are too many to try; give "
                "them, as in inputs=((5, 3), (4, 3), (4,))"
            )
        misfits: list[Failure] = []  # the first that is about shapes
        others: list[Failure] = []
        square = None  # inputs that give an array of equal sizes, such as x.T @ x
        for picked in islice(in_order(choices), MOST_TRIALS):
            arrays, result = self.finite(dict(zip(given, picked, strict=True)))
            if isinstance(result, ValueError | IndexError):  # as arrays of wrong shapes raise
                misfits = misfits or [(result, arrays)]
            elif isinstance(result, Exception):
                others.append((result, arrays))
                if len(others) == MOST_OTHERS:
                    break
            elif result is not None:
                if not unknown or not has_square(result):
                    return arrays
                square = square or arrays
        if square is None:
            failure = next(iter(others + misfits), None)
            error = failure[0] if failure else None
            raise ValueError(f"check_backward: {unfit(choices, failure)}") from error
        return square

    def finite(
        self, given: Mapping[str, Any]
    ) -> tuple[dict[str, Array], list[Any] | Exception | None]:
        """Arrays, random ones for shapes, and the outputs if they are finite; or the exception."""
        arrays: dict[str, Array] = {}
        for arrays in drawn(given):
            try:
                outputs = self.tried(arrays)
            except Exception as error:  # noqa: BLE001  (shapes that do not fit fail in any way)
                if isinstance(error, NoTensor):
                    raise error.told from None
                return arrays, error
            if all(np.isfinite(array_of(y)).all() for y in outputs):
                return arrays, outputs
        return arrays, None

    def tried(self, arrays: Mapping[str, Array]) -> list[Any]:
        """The outputs, recorded if they can be."""
        plain = self.on_arrays(arrays)
        if self.torch is not None:
            return self.torch.run(self, arrays).outputs
        try:
            run, _ = self.on_tensors(arrays, plain is not None)
            check_outputs(run.outputs)
        except Exception:
            if plain is not None:
                return plain.outputs
            if uses_torch(self.pair.forward):
                try:
                    self.torch = Torch(None)
                    return self.torch.run(self, arrays).outputs
                except Exception:  # noqa: BLE001  (it is no torch code)
                    self.torch = None
            raise
        return run.outputs


class NoTensor(Exception):
    """A forward that runs, and gives what has no gradient: other shapes will not mend that."""

    def __init__(self, told: Exception) -> None:
        self.told = told


def is_array(y: Any) -> bool:
    return isinstance(y, np.ndarray | np.generic | float)


def array_of(y: Any) -> Array:
    """A Tensor's array, torch's too."""
    if hasattr(y, "detach") and not isinstance(y, Tensor):
        return numbers(y)
    return np.asarray(unboxed(y))


def has_square(outputs: Sequence[Any]) -> bool:
    """Whether an array of equal sizes is met: it lets a transpose pass."""
    recorded = [y for y in outputs if isinstance(y, Tensor)]
    met = tape(*recorded) if recorded else outputs
    return any(len(set(np.shape(t))) < np.ndim(array_of(t)) for t in met)


def as_input(value: Any) -> Array | Shape | None:
    """A float64 or integer array, a shape, or None for what is to be found."""
    if value is None:
        return None
    if isinstance(value, tuple) and all(isinstance(n, int) for n in value):
        return value
    a = np.array(array_of(value))
    if a.dtype.kind not in "fiub":
        raise TypeError(
            f"check_backward: an input is a {type(value).__name__}; give arrays of numbers, or "
            "shapes as tuples of ints"
        )
    if not np.isfinite(a).all():
        raise ValueError("check_backward: an input has NaN or infinities; give finite numbers")
    return a.astype(np.float64) if a.dtype.kind == "f" else a


def check_outputs(outputs: Sequence[Any]) -> None:
    """Raise unless the forward gave Tensors, and at least one that was recorded."""
    for y in outputs:
        if not isinstance(y, Tensor):
            raise NoTensor(
                TypeError(
                    f"check_backward: the forward returned a {type(y).__name__}; it must return "
                    "one Tensor: use operators and NumPy functions, no float() or np.asarray()"
                )
            )
    if not any(y.requires_grad for y in outputs):
        raise NoTensor(
            ValueError(
                "check_backward: the output of the forward does not depend on its inputs by "
                "recorded operations; give floats, and use no detach() or no_grad()"
            )
        )


def judged(function: Function, arrays: Mapping[str, Array]) -> Report:
    """The report on one run of the backward."""
    plain = function.on_arrays(arrays)
    if function.torch is not None:
        return by_torch(function, function.torch, arrays)
    try:
        run, tensors = function.on_tensors(arrays, plain is not None)
        check_outputs(run.outputs)
    except Exception:  # noqa: BLE001  (code that does not take Tensors)
        run, tensors = Run([]), {}
    plain = function.on_arrays(arrays)  # last: what it keeps for its backward are arrays
    if not run.outputs:
        assert plain is not None
        return without_tape(function, arrays, plain)
    said = apart(plain, run) if plain is not None else ""
    if said:
        return Report(math.nan, (fault("forward()", said, run.outputs[0].shape),), None)
    gs = upstreams(function, [y.array for y in run.outputs])
    wanted = {name: t for name, t in tensors.items() if t.requires_grad}
    grads, problems = handed_in(function, gs, arrays, plain or run, list(wanted))
    return by_tape(function, run, tensors, gs, grads, problems)


def by_tape(
    function: Function,
    run: Run,
    tensors: Mapping[str, Tensor],
    gs: Sequence[Array],
    grads: Mapping[str, Any],
    problems: Sequence[Row],
) -> Report:
    """The report of what was recorded."""
    wanted = {name: t for name, t in tensors.items() if t.requires_grad}
    if isinstance(function.pair, Together):
        (loss,) = run.outputs
        return reported(loss, grads, wanted, problems)
    name = "output" if "y" in tensors else "y"
    for i, y in enumerate(run.outputs):
        y.name = y.name or name + f"{i}" * (len(run.outputs) > 1)
    parts = [(y * g).sum() for y, g in zip(run.outputs, gs, strict=True)]
    loss = sum(parts[1:], parts[0])

    def judge(mine: Mapping[str, Any]) -> Report:
        return reported(loss, mine, wanted, problems, top=run.outputs)

    if len(gs) > 1:
        return judge(grads)
    return by_convention(judge, grads, run.outputs[0], gs[0], wanted)


def without_tape(function: Function, arrays: Mapping[str, Array], plain: Run) -> Report:
    """The report by finite differences, for a forward that does not take Tensors."""
    gs = upstreams(function, [np.asarray(y) for y in plain.outputs])
    wanted = [name for name, a in arrays.items() if a.dtype.kind == "f"]
    grads, problems = handed_in(function, gs, arrays, plain, wanted)

    def value(moved: Mapping[str, Array]) -> float:
        run = function.on_arrays(moved)
        if run is None:
            return math.nan
        return sum(float(np.sum(y * g)) for y, g in zip(run.outputs, gs, strict=True))

    rng = own_stream("elsewhere")
    elsewhere = {n: arrays[n] + rng.uniform(0.5, 1.5, arrays[n].shape) for n in wanted}
    if value(arrays) == value({**arrays, **elsewhere}):
        raise ValueError(
            "check_backward: the output of the forward does not depend on its inputs: it is the "
            "same for others, so that there is no gradient to check"
        )
    return by_differences(value, arrays, grads, wanted, problems)


def by_torch(function: Function, torch: Torch, arrays: Mapping[str, Array]) -> Report:
    """The report by torch's gradients, as those of a loss that is linear; by finite differences
    where torch has no record of the forward, or only of a part."""
    run = torch.run(function, arrays)
    outputs = [numbers(y) for y in run.outputs]
    gs = upstreams(function, outputs)
    true = torch.gradients(run, gs)
    wanted = list(true)
    grads, problems = handed_in(function, gs, arrays, run, wanted)

    def value(moved: Mapping[str, Array]) -> float:
        found = torch.run(function, moved).outputs
        return sum(float(np.sum(numbers(y) * g)) for y, g in zip(found, gs, strict=True))

    def linear(moved: Mapping[str, Array]) -> float:
        return sum(float(np.sum(g * moved[name])) for name, g in true.items())

    slopes = Slopes(value, arrays)
    if any(Measured(slopes, name, g).judge().wrong for name, g in true.items()):
        return by_differences(value, arrays, grads, wanted, problems)
    return by_differences(linear, arrays, grads, wanted, problems, remark="Judged by torch.")


def upstreams(function: Function, outputs: Sequence[Array]) -> list[Array]:
    """The gradients of the outputs: random, but 1 for a loss that comes with its gradients."""
    if isinstance(function.pair, Together):
        if outputs[0].size != 1:
            raise TypeError(
                "check_backward: without a backward the forward is a function that returns (loss, "
                f"gradients), and the loss is a number; it has shape {outputs[0].shape}"
            )
        return [np.ones(outputs[0].shape)]
    rng = own_stream("upstream")
    return [np.asarray(rng.standard_normal(y.shape)) for y in outputs]


def apart(plain: Run, run: Run) -> str:
    """How the outputs on arrays and on Tensors differ, in words."""
    pairs = zip(plain.outputs, run.outputs, strict=True)
    return next(filter(None, (told_apart(np.asarray(p), y.array) for p, y in pairs)), "")


def handed_in(
    function: Function,
    gs: Sequence[Array],
    arrays: Mapping[str, Array],
    run: Run,
    wanted: list[str],
) -> tuple[dict[str, Any], list[Row]]:
    """The gradients that a backward returns, by name, and a row for whatever else it does."""
    own = {name: a.copy() for name, a in arrays.items()}
    mine = [g.copy() for g in gs]
    title = f"{function.pair.title}()"
    try:
        with np.errstate(all="ignore"), same_numbers(function.generators):
            result = called(function, mine, own, run)
    except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
        return {}, [fault(title, raised(error))]
    labels = ("g",) if len(gs) == 1 else tuple(f"upstream {i}" for i in range(len(gs)))
    before = dict(zip(labels, gs, strict=True)) | dict(arrays)
    after = dict(zip(labels, mine, strict=True)) | own
    faults = [
        f"changes {label} in place: work on a copy"
        for label in before
        if not np.array_equal(before[label], after[label], equal_nan=True)
    ]
    grads = by_name(function, result, arrays, wanted)
    if grads is None:
        n = len(result) if isinstance(result, tuple | list) else 1
        count = "None" if result is None else f"{n} gradient" + "s" * (n != 1)
        inputs = f"{len(wanted)} input" + "s" * (len(wanted) != 1)
        faults.append(f"returns {count} for {inputs} ({', '.join(wanted)})")
        grads = {}
    for name, value in grads.items():
        if name not in wanted and value is not None:
            what = "holds integers" if name in arrays else "is no input"
            faults.append(f"returns a gradient of {name!r}, which {what}")
    rows = [fault(title, "; ".join(faults))] if faults else []
    return {n: grads[n] for n in wanted if grads.get(n) is not None}, rows


def called(function: Function, gs: Sequence[Array], arrays: Mapping[str, Array], run: Run) -> Any:
    """What the backward returns; code for torch gets its tensors."""
    if function.torch is not None:
        return function.torch.backward(function, gs, arrays, run)
    values = function.values(arrays)
    own = [arrays[name] for name in function.parameters]
    return function.pair.gradients(gs, [*values, *own], run)


def by_name(
    function: Function, result: Any, arrays: Mapping[str, Array], wanted: list[str]
) -> Mapping[str, Any] | None:
    """What a backward returned, by the names of the inputs; None if their number does not fit."""
    if isinstance(result, Mapping):
        return renamed(result, wanted)
    if isinstance(function.pair, Together):
        shapes = {name: arrays[name].shape for name in wanted}
        found = matched(result, shapes)
        return {n: g for n, g in found.items() if n in shapes}
    if not isinstance(result, tuple | list):
        result = (result,)
    arguments = [n for n in function.names if n not in function.groups]
    for some in (list(arrays), wanted, arguments):  # with None for what is no float, or without
        if len(result) == len(some):
            return {n: g for n, g in zip(some, result, strict=True) if g is not None or n in arrays}
    return None
