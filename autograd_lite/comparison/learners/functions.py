"""One backward function by hand, alone: probed with random inputs and a random upstream."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from itertools import product
from typing import Any

import numpy as np

from ...engine.modes import enable_grad, like_numpy
from ...engine.tape import Array, tape
from ...engine.tensor import Tensor
from ..answers.judge import Row
from ..answers.report import Report
from ..source.doors import with_fixes
from .classes import positional
from .execution import (
    HIDDEN,
    IN,
    OUT,
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

# What an input may be, the most typical first.
DATA: list[Shape] = [
    (N, IN), (IN, N), (IN, HIDDEN), (HIDDEN, IN), (HIDDEN, N), (IN,), (N,), (), (N, IN, HIDDEN),
]  # fmt: skip
WEIGHTS: list[Shape] = [
    (IN, HIDDEN), (HIDDEN, IN), (HIDDEN, OUT), (OUT, HIDDEN), (IN,), (HIDDEN,),
]  # fmt: skip
BIASES: list[Shape] = [
    (HIDDEN,), (IN,), (OUT,), (1, HIDDEN), (HIDDEN, 1), (1, OUT), (OUT, 1), (1, IN), (),
]  # fmt: skip
# What random numbers are drawn from, in turn: logarithms and roots, and artanh, take no others.
DOMAINS: list[Callable[[np.random.Generator, Shape], Array]] = [
    lambda rng, shape: rng.standard_normal(shape),
    lambda rng, shape: rng.uniform(0.5, 2.0, shape),
    lambda rng, shape: rng.uniform(-0.9, 0.9, shape),
]
MOST_OTHERS = 200  # errors that are not about shapes, until it is said that these are the cause
Failure = tuple[Exception, dict[str, Array]]  # and the inputs that it was raised for
MOST_TRIALS = 50_000  # x, w1, b1, w2, b2 make 26,244: 2 s if none fits, and the 13th does


def check_backward(
    forward: Callable[..., Any],
    backward: Callable[..., Any],
    inputs: Sequence[Any] | Mapping[str, Any] | None = None,
) -> Report:
    """A backward function by hand against the derivative of its forward function.

    `forward(x, w, b)` is made of operators, NumPy functions or ours, or is a Module; its
    parameters without a default are its inputs, and the rows of the report have their names.
    `backward(g, x, w, b)` gets the upstream gradient and the same arrays (of a Module also its
    parameters) and returns a gradient for each: a tuple, or a dictionary by name. None, or a name
    left out, is "not handed in". The upstream is random with a fixed seed. A forward that runs on
    arrays is NumPy code: on Tensors too it means what NumPy means, as in `x.var(axis=0)`. Where the
    two differ all the same, that is the one row of the report.

    The inputs are random float64, their shapes found by trying. `inputs` sets some or all of them,
    in order or by name: an array, or a shape (a tuple of ints); integers are indices, which have no
    gradient. Where those given are of a kind that hides mistakes (an axis of 1 or 2, two equal
    sizes, zeros) and agree, other sizes are tried too.

    A backward that raises, changes its arguments, or returns something else is a row of the report.
    ValueError if no shapes fit, and for inputs that are not finite; TypeError if the forward does
    not give one Tensor, and for what is no function.

    >>> def linear(g, x, w, b):
    ...     return g @ w, g.T @ x, g.mean(0)
    >>> print(check_backward(lambda x, w, b: x @ w.T + b, linear).first_wrong.name)
    b
    """
    for what, f in (("forward", forward), ("backward", backward)):
        if not callable(f):
            raise TypeError(f"check_backward: the {what} is a {type(f).__name__}; give a function")
    function = Function(forward)
    given = function.given(inputs)
    arrays = function.fitting(given)
    report = judged(function, backward, arrays)
    if report.ok and any(v is not None for v in given.values()) and hides(arrays):
        fresh = {name: function.again(name, v) for name, v in given.items()}
        try:
            other = function.fitting(fresh)
        except ValueError:
            return report
        probed = judged(function, backward, other)
        first = probed.first_wrong
        if first is not None and first.name in other:
            sizes = ", ".join(f"{name} {a.shape}" for name, a in other.items())
            return with_note(probed, first.name, f"hidden by the inputs given; seen with {sizes}")
    return report


class Function:
    """What `forward` computes, as a function of named arrays."""

    def __init__(self, forward: Callable[..., Any]) -> None:
        self.forward, self.names = forward, input_names_of(forward)
        self.parameters: dict[str, Any] = {}
        self.generators = generators([forward])
        if hasattr(forward, "named_parameters"):
            self.forward = deepcopy(forward)  # its parameters get other values
            self.parameters = dict(self.forward.named_parameters())

    def given(self, inputs: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
        """For every name an array, a shape, or None."""
        if inputs is None:
            inputs = {}
        if isinstance(inputs, tuple) and inputs and all(isinstance(n, int) for n in inputs):
            raise ValueError(
                f"check_backward: inputs={inputs} is one shape; one for each input is "
                f"inputs=({inputs},)"
            )
        if isinstance(inputs, np.ndarray | Tensor):
            raise TypeError("check_backward: inputs is one array; write inputs=(array,)")
        if not isinstance(inputs, Mapping):
            if not self.names:
                self.names = [f"x{i}" for i in range(len(inputs))]
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
        for name in inputs:
            if name not in self.names:
                raise ValueError(
                    f"check_backward: the forward has no input called {name!r}; it has "
                    f"{', '.join(self.names)}"
                )
        own = {name: as_input(p) for name, p in self.parameters.items()}
        return {name: as_input(inputs.get(name)) for name in self.names} | own

    def again(self, name: str, value: Any) -> Any:
        """What takes the place of a value given: integers stay, parameters keep their shape."""
        if name in self.parameters:
            return value.shape
        return value if isinstance(value, np.ndarray) and value.dtype.kind != "f" else None

    def __call__(
        self, arrays: Mapping[str, Array], numpy_code: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The output on copies, and the tensors by name that it was computed from."""
        tensors = {
            name: Tensor(a.copy(), requires_grad=a.dtype.kind == "f", name=name)
            for name, a in arrays.items()
            if name not in self.parameters
        }
        for name, p in self.parameters.items():
            p.array = arrays[name].copy()
        words = like_numpy() if numpy_code else nullcontext()
        with words, enable_grad(), np.errstate(all="ignore"):
            y = self.forward(*tensors.values())
        return y, tensors | self.parameters

    def on_arrays(self, arrays: Mapping[str, Array]) -> Array | None:
        """The output on arrays; None if the forward is not made for them."""
        if hasattr(self.forward, "named_parameters"):
            return None
        try:
            with np.errstate(all="ignore"):
                y = self.forward(*(a.copy() for a in arrays.values()))
        except Exception:  # noqa: BLE001  (methods that arrays have not, other shapes)
            return None
        return np.asarray(y) if isinstance(y, np.ndarray | np.generic) else None

    def fitting(self, given: Mapping[str, Any]) -> dict[str, Array]:
        """An array for every name: those given, and random ones of the first shapes that run."""
        choices = self.choices(given)
        misfits: list[Failure] = []  # the first that is about shapes
        others: list[Failure] = []
        square = None  # inputs that give an array of equal sizes, such as x.T @ x
        with same_numbers(self.generators):
            for ranks in sorted(product(*(range(len(c)) for c in choices)), key=sum):
                picked = [c[i] for c, i in zip(choices, ranks, strict=True)]
                arrays, result = self.finite(dict(zip(given, picked, strict=True)))
                if isinstance(result, ValueError | IndexError):  # as arrays of wrong shapes raise
                    misfits = misfits or [(result, arrays)]
                elif isinstance(result, Exception):
                    others.append((result, arrays))
                    if len(others) == MOST_OTHERS:
                        break
                elif result is not None:
                    if not any(len(set(t.shape)) < t.ndim for t in tape(result)):
                        return arrays
                    square = square or arrays
        if square is None:
            failure = next(iter(others + misfits), None)
            error = failure[0] if failure else None
            raise ValueError(f"check_backward: {unfit(choices, failure)}") from error
        return square

    def choices(self, given: Mapping[str, Any]) -> list[list[Any]]:
        """For every name what its array may be, as it is given: that one, or shapes."""
        shapes = [v if isinstance(v, tuple) else v.shape for v in given.values() if v is not None]
        sizes = sorted({n for shape in shapes for n in shape})
        found = [
            typical(name, self.names, sizes) if v is None else [v] for name, v in given.items()
        ]
        if math.prod(map(len, found)) > MOST_TRIALS:
            raise ValueError(
                f"check_backward: the shapes of {len(found)} inputs are too many to try; give "
                "them, as in inputs=((5, 3), (4, 3), (4,))"
            )
        return found

    def finite(
        self, given: Mapping[str, Any]
    ) -> tuple[dict[str, Array], Tensor | Exception | None]:
        """Arrays, random ones for shapes, and the output if it is finite; or the exception."""
        for domain in DOMAINS:
            rng = np.random.default_rng(1)
            arrays = {n: domain(rng, v) if isinstance(v, tuple) else v for n, v in given.items()}
            try:
                numpy_code = self.on_arrays(arrays) is not None
                y, _ = self(arrays, numpy_code)
            except Exception as error:  # noqa: BLE001  (shapes that do not fit fail in any way)
                return arrays, error
            check_output(y)
            if np.isfinite(y.array).all():
                return arrays, y
        return arrays, None


def unfit(choices: Sequence[Sequence[Any]], failure: Failure | None) -> str:
    """Why no inputs were found, and what to give."""
    comma = "," * (len(choices) == 1)
    if failure is None:
        example = ", ".join(f"np.full({c[0]}, 0.1)" for c in choices if isinstance(c[0], tuple))
        return (
            "the forward gives infinities or NaN for all inputs that were tried, normal, from 0.5 "
            f"to 2 and from -0.9 to 0.9; give arrays that it is made for, as in inputs=({example}"
            f"{comma})"
        )
    error, arrays = failure
    example = ", ".join(str(a.shape) for a in arrays.values())
    return (
        "the forward runs with no shapes that were tried. With "
        f"{', '.join(f'{name} {a.shape}' for name, a in arrays.items())} it {raised(error)}. Mend "
        f"that, or give shapes that fit, as in inputs=({example}{comma})"
    )


def input_names_of(forward: Any) -> list[str]:
    """The parameters without a default; [] where they are not known."""
    if isinstance(forward, np.ufunc):
        return ["x", "y"][: forward.nin]
    parameters = positional(getattr(forward, "forward", forward))
    return [p.name for p in parameters if p.default is p.empty]


def as_input(value: Any) -> Array | Shape | None:
    """A float64 or integer array, a shape, or None for what is to be found."""
    if value is None:
        return None
    if isinstance(value, tuple) and all(isinstance(n, int) for n in value):
        return value
    a = np.array(value.array if isinstance(value, Tensor) else value)
    if a.dtype.kind not in "fiub":
        raise TypeError(
            f"check_backward: an input is a {type(value).__name__}; give arrays of numbers, or "
            "shapes as tuples of ints"
        )
    if not np.isfinite(a).all():
        raise ValueError("check_backward: an input has NaN or infinities; give finite numbers")
    return a.astype(np.float64) if a.dtype.kind == "f" else a


def typical(name: str, names: Sequence[str], sizes: Sequence[int]) -> list[Shape]:
    """The shapes that an input of this name may have, the most likely first: those that go with
    the sizes of the inputs given, then the usual ones."""
    weights = [n for n in names if n[0] in "wW"]
    if name in weights:
        return [shape for n in sizes for shape in ((n, HIDDEN), (HIDDEN, n))] + WEIGHTS
    if name in ("bias", "gamma", "beta", "scale", "shift") or (weights and name[0] in "bB"):
        return [(n,) for n in sizes] + BIASES
    return [shape for n in sizes for shape in ((N, n), (n, IN))] + DATA


def check_output(y: Any) -> None:
    """Raise unless the forward gave a Tensor that was recorded."""
    if not isinstance(y, Tensor):
        raise TypeError(
            f"check_backward: the forward returned a {type(y).__name__}; it must return one "
            "Tensor: use operators and NumPy functions, no float() or np.asarray()"
        )
    if not y.requires_grad:
        raise ValueError(
            "check_backward: the output of the forward does not depend on its inputs by recorded "
            "operations; give floats, and use no detach() or no_grad()"
        )


def judged(function: Function, backward: Callable[..., Any], arrays: Mapping[str, Array]) -> Report:
    """The report on one run of the backward."""
    with same_numbers(function.generators):
        numpy_code = function.on_arrays(arrays) is not None
    with same_numbers(function.generators):
        y, tensors = function(arrays, numpy_code)
    with same_numbers(function.generators):  # last: what it keeps for its backward are arrays
        plain = function.on_arrays(arrays)
    said = told_apart(plain, y.array) if plain is not None else ""
    if said:
        return Report(math.nan, (fault("forward()", said, y.shape),), None)
    y.name = "output" if "y" in tensors else "y"
    g = np.random.default_rng(0).standard_normal(y.shape)
    wanted = {name: t for name, t in tensors.items() if t.requires_grad}
    grads, problems = handed_in(backward, g, arrays, list(wanted))
    loss = (y * g).sum()
    report = reported(loss, grads, wanted, problems)

    def again() -> dict[str, Any] | None:
        with same_numbers(generators([backward])):
            grads, problems = handed_in(backward, g, arrays, list(wanted))
        return None if problems else grads

    return with_fixes(report, [backward], again, loss, wanted, given=grads)


def handed_in(
    backward: Callable[..., Any], g: Array, arrays: Mapping[str, Array], wanted: list[str]
) -> tuple[dict[str, Any], list[Row]]:
    """The gradients that a backward returns, by name, and a row for whatever else it does."""
    own = g.copy(), *(a.copy() for a in arrays.values())
    title = getattr(backward, "__name__", "<lambda>").replace("<lambda>", "backward") + "()"
    try:
        with np.errstate(all="ignore"):
            result = backward(*own)
    except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
        return {}, [fault(title, raised(error))]
    faults = [
        f"changes {label} in place: work on a copy"
        for label, before, after in zip(("g", *arrays), (g, *arrays.values()), own, strict=True)
        if not np.array_equal(before, after, equal_nan=True)
    ]
    grads = by_name(result, list(arrays), wanted)
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


def by_name(result: Any, names: list[str], wanted: list[str]) -> Mapping[str, Any] | None:
    """What a backward returned, by the names of the inputs; None if their number does not fit."""
    if isinstance(result, Mapping):
        return result
    if not isinstance(result, tuple | list):
        result = (result,)
    for some in (names, wanted):  # with None for the integers, or without
        if len(result) == len(some):
            return dict(zip(some, result, strict=True))
    return None
