"""Finite differences as the judge of gradients."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from .calculus import as_tuple, called, grad_or_zeros
from .engine.modes import no_grad
from .engine.tape import Array, tape
from .engine.tensor import Tensor, as_tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck", "numeric_gradient"]

# Right gradients stay below 3.6e-9 on every case of every row (7.0e-9 for second derivatives);
# real mistakes start at 1e-2.
PASS, SUSPICIOUS = 1e-6, 1e-3
FINEST = 1e-10  # rounding moves a difference by up to eps / h = 4e-11 of what is added up
ROUNDING = 1e-12  # and the gradient itself by far less
# What rounding makes is divided by the step, and what is cut off grows with its square: other
# steps show how far a difference can be believed.
OTHER_STEPS = (0.25, 0.5, 2.0, 4.0)
SHORTEST = 1e-4  # of the usual step; the next one is the last that is tried
AGREE = 1e-7  # of the norm, along a random direction
FEW = 8  # elements, of which directions ask no less


class GradcheckError(RuntimeError):
    """A gradient differs from finite differences; the text says where, and names kinks."""


def step_size(x: float) -> float:
    """The central difference's step at `x`: about the cube root of the float64 precision."""
    return 6e-6 * max(1.0, abs(x))


def numeric_gradient(function: Callable[[], Any], x: Array) -> Array:
    """The central differences of `function()` with respect to each element of the array `x`,
    which is changed during the calls and put back; of its sum, where it gives an array.

    >>> x = np.array([3.0])
    >>> abs(numeric_gradient(lambda: float(x[0] ** 2), x)[0] - 6) < 1e-8
    np.True_
    """
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        gradient[i] = slope(function, x, i)
    return gradient


def slope(function: Callable[[], Any], x: Array, i: tuple[int, ...], factor: float = 1.0) -> float:
    """The central difference with respect to one element, with its usual step times `factor`.

    The elements of the function's value are subtracted before they are added: those that do not
    depend on `x[i]` leave no rounding.
    """
    return float(np.sum(slopes(function, x, i, factor)))


def slopes(function: Callable[[], Any], x: Array, i: tuple[int, ...], factor: float = 1.0) -> Any:
    """The central difference of each element of the function's value.

    A step that leaves the domain of the function, as one past a pole or the 0 of a logarithm does,
    is made smaller.
    """
    old = float(x[i])
    h = step_size(old) * factor
    try:
        x[i] = old + h
        up = inside(function)
        x[i] = old - h
        down = inside(function)
    finally:
        x[i] = old
    with np.errstate(invalid="ignore"):  # infinite on both sides
        found = (up - down) / ((old + h) - (old - h))
    if np.isfinite(found).all() or factor < SHORTEST:
        return found
    return slopes(function, x, i, factor / 16)


def inside(function: Callable[[], Any]) -> Any:
    """The value of a function; NaN where it refuses its argument."""
    try:
        with np.errstate(all="ignore"):
            return function()
    except (ValueError, ArithmeticError):
        return math.nan


def unconfirmed(
    function: Callable[[], Any], arrays: Sequence[Array], gradients: Sequence[Array], fast: bool
) -> list[Array]:
    """Of every array, where differences along random directions do not confirm its gradient.

    A direction moves the elements of all arrays whose gradients are about as large, so that small
    ones count too; with `fast` one direction moves all. A function that refuses a place, or has a
    kink there, confirms nothing.
    """
    x, g = (np.concatenate([a.ravel() for a in each]) for each in (arrays, gradients))
    ends = np.cumsum([a.size for a in arrays])[:-1]
    steps = 6e-6 * np.maximum(1.0, np.abs(x))
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.abs(g) * steps
        level = np.floor(np.minimum(np.log10(share.max(initial=0.0) / share) / 2, 8))
    level[share == 0] = 9
    doubt = ~np.isfinite(level)
    generator = np.random.default_rng(2)

    def at(place: Array) -> Any:
        for a, part in zip(arrays, np.split(place, ends), strict=True):
            a[...] = part.reshape(a.shape)
        return inside(function)

    try:
        for moved in [~doubt] if fast else [level == k for k in np.unique(level[~doubt])] * 2:
            u = steps * moved * generator.uniform(0.5, 1.5, x.shape)
            u *= generator.choice([-1.0, 1.0], x.shape)
            high, low = x + u, x - u
            with np.errstate(invalid="ignore"):  # infinite on both sides
                found = np.sum(at(high) - at(low))
            expected = g[moved] * (high - low)[moved]
            if not abs(found - expected.sum()) <= AGREE * np.linalg.norm(expected):
                doubt |= moved
    finally:
        at(x)
    return [d.reshape(a.shape) for d, a in zip(np.split(doubt, ends), arrays, strict=True)]


def gradcheck(
    function: Callable[..., Any],
    inputs: Any,
    *,
    raise_exception: bool = True,
    fast_mode: bool = False,
) -> bool:
    """Whether the gradients of a function of Tensors agree with central differences.

    The inputs are taken in float64, those of integers as constants; the upstream gradient is
    random with a fixed seed, as ones would hide mistakes of scale. Many elements are checked along
    random directions, each moving those with gradients of about one size, and one by one where a
    direction disagrees; with `fast_mode` one direction moves all. The error is that of the norm:
    up to 1e-6 passes; up to 1e-3 is suspicious: it passes with a warning, as does a gradient that
    is smaller than the rounding of the differences. Each element by itself must be right to 1e-3,
    as far as differences with several steps agree on it. Otherwise GradcheckError says which
    input, how far off, and where the function has a kink, such as relu at 0, with its slopes on
    both sides; with `raise_exception=False`, False is returned. A function that is random is an
    error too.

    >>> gradcheck(lambda x: (x * x).sum(), tensor([1.0, 2.0]))
    True
    """
    xs = _in_float64(inputs)
    checked = tuple(x for x in xs if x.requires_grad)
    ys = _outputs(function, xs)
    generator = np.random.default_rng(0)
    vs = tuple(generator.standard_normal(y.shape) for y in ys)
    found = grad_or_zeros(ys, checked, vs, False)

    def products() -> Array:
        with no_grad():
            return _weighted(vs, as_tuple(function(*xs)))

    def recorded() -> list[Any]:
        return tape(*as_tuple(called("gradcheck", function, xs)))

    def added_up() -> tuple[float, float]:
        again = as_tuple(called("gradcheck", function, xs))
        nodes = tuple(t for t in tape(*again) if t.requires_grad)
        gs = grad_or_zeros(again, nodes, vs, False)
        sums = [np.abs(g.array * t.array).sum() for g, t in zip(gs, nodes, strict=True)]
        return float(sum(sums)), float(max(np.abs(g.array).max(initial=0) for g in gs))

    problems = _random(_weighted(vs, ys), products())
    arrays, claimed = [x.array for x in checked], [g.array for g in found]
    if fast_mode or sum(a.size for a in arrays) > FEW:
        alone = unconfirmed(products, arrays, claimed, fast_mode)
    else:
        alone = [np.ones(a.shape, bool) for a in arrays]
    for i, (x, g) in enumerate(zip(checked, found, strict=True)):
        numeric = g.array.copy()
        for at in map(tuple, np.argwhere(alone[i])):
            numeric[at] = slope(products, x.array, at)
        judged = _judged(g.array, numeric, products, x.array, added_up)
        if judged.error <= PASS:
            continue
        where = kinks(lambda: float(products().sum()), recorded, x.array, judged.suspects)
        text = _describe(i, x, g.array, numeric, judged, where)
        if judged.error <= SUSPICIOUS or judged.too_small:
            warnings.warn("gradcheck: suspicious: " + text, stacklevel=2)
        else:
            problems.append(text)
    if problems and raise_exception:
        raise GradcheckError("gradcheck: " + "\n".join(problems))
    return not problems


def _in_float64(inputs: Any) -> tuple[Tensor, ...]:
    """The inputs as float64 with gradients, and those of integers as they are; ValueError if there
    are no others."""
    xs = tuple(
        Tensor(t.array.astype(np.float64), requires_grad=True) if t.dtype.kind == "f" else t
        for t in map(as_tensor, as_tuple(inputs))
    )
    if not any(x.requires_grad for x in xs):
        raise ValueError("gradcheck: no input is a floating tensor, so there is nothing to check")
    return xs


def _outputs(function: Callable[..., Any], xs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """What a function gives for these inputs; ValueError if that is not float64."""
    ys = as_tuple(called("gradcheck", function, xs))
    for y in ys:
        if y.dtype != np.float64:
            raise ValueError(
                f"gradcheck: the function returned {y.dtype}; make what it uses float64, as the "
                "rounding of smaller types hides mistakes"
            )
    return ys


def _weighted(vs: Sequence[Array], ys: Sequence[Tensor]) -> Array:
    """The products whose sum is checked, of all outputs in one array."""
    return np.concatenate([(v * y.array).ravel() for v, y in zip(vs, ys, strict=True)])


def _random(products: Array, again: Array) -> list[str]:
    if abs(products.sum() - again.sum()) <= FINEST * np.abs(products).sum():
        return []
    text = f"the function gave {products.sum():.6g} and then {again.sum():.6g} for the same inputs"
    return [text + "; make it the same each time, as with a seed, or without dropout"]


class _Judged(NamedTuple):
    """How far a gradient is off, of the norm or in one element, and where."""

    error: float
    suspects: Array
    elementwise: bool = False
    too_small: bool = False


def _judged(
    g: Array,
    numeric: Array,
    products: Callable[[], Array],
    x: Array,
    added_up: Callable[[], tuple[float, float]],
) -> _Judged:
    """The gradient `g` held against differences, and these against those with other steps."""
    far = np.abs(g - numeric)
    alone = far > SUSPICIOUS * np.maximum(np.abs(g), np.abs(numeric))
    whole = relative_error(g, numeric)
    share = np.linalg.norm(numeric) / math.sqrt(max(x.size, 1))
    suspects = ~(far <= PASS * share) if whole > PASS else alone
    if not suspects.any():
        return _Judged(0.0, suspects)
    total, steepest = added_up()
    doubt = _doubt(numeric, products, x, suspects | alone, total, steepest)
    excused = far <= doubt
    whole = relative_error(np.where(excused, numeric, g), numeric)
    wrong = alone & ~excused
    small = PASS < whole <= SUSPICIOUS and not wrong.any()
    if small and np.all(far <= FINEST * total):
        return _Judged(0.0, suspects)
    if whole > SUSPICIOUS or small:
        return _Judged(whole, suspects & ~excused)
    if wrong.any():  # also where it is too small a part of the norm to count there
        parts = far / np.maximum(np.abs(g), np.abs(numeric), where=alone, out=np.ones_like(far))
        return _Judged(float(parts[wrong].max()), wrong, True)
    known, rounding = np.linalg.norm(g), np.linalg.norm(doubt)
    if 1e-4 * rounding < known < 1e3 * rounding:
        return _Judged(relative_error(g, numeric), suspects & ~excused, too_small=True)
    return _Judged(0.0, suspects & ~excused)


def _doubt(
    numeric: Array,
    products: Callable[[], Array],
    x: Array,
    suspects: Array,
    total: float,
    steepest: float,
) -> Array:
    """How far a gradient may be from its difference for what the steps and rounding do to it.

    `total` is what was added up in the function, `steepest` the largest gradient on the way back.
    """
    doubt = np.full(x.shape, ROUNDING * total + np.finfo(float).eps * steepest)
    for i in map(tuple, np.argwhere(suspects)):
        slopes = [numeric[i], *(slope(products, x, i, factor) for factor in OTHER_STEPS)]
        low, high = min(slopes), max(slopes)
        if low < high:
            doubt[i] += max(high - numeric[i], numeric[i] - low) + (high - low)
        elif high == 0:
            doubt[i] = max(
                doubt[i], FINEST * total
            )  # nothing moves: a sigmoid that is 1 to the last digit
    return doubt


def gradgradcheck(
    function: Callable[..., Any],
    inputs: Any,
    *,
    raise_exception: bool = True,
    fast_mode: bool = False,
) -> bool:
    """`gradcheck` of the gradients themselves: whether second derivatives are right.

    >>> gradgradcheck(lambda x: (x * x * x).sum(), tensor([1.0, 2.0]))
    True
    """
    tensors = tuple(map(as_tensor, as_tuple(inputs)))
    generator = np.random.default_rng(1)
    constants: list[Tensor] = []

    def gradients(*xs: Tensor) -> tuple[Tensor, ...]:
        ys = as_tuple(called("gradgradcheck", function, xs))
        if not constants:
            constants.extend(Tensor(generator.standard_normal(y.shape)) for y in ys)
        chosen = tuple(x for x in xs if x.dtype.kind == "f")
        tracked = tuple(x if x.requires_grad else x.requires_grad_() for x in chosen)
        return grad_or_zeros(ys, tracked, tuple(constants), True)

    return gradcheck(gradients, tensors, raise_exception=raise_exception, fast_mode=fast_mode)


def relative_error(a: Array, b: Array) -> float:
    """The norm of the difference over the larger of the two norms; infinite where NaN is met."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return 0.0 if np.array_equal(a, b, equal_nan=False) else float("inf")
    scale = max(np.linalg.norm(a), np.linalg.norm(b))
    return float(np.linalg.norm(a - b) / scale) if scale else 0.0


class Kink(NamedTuple):
    """An element of an input at which the slopes on both sides differ, and what makes it so."""

    element: tuple[int, ...]
    cause: str
    left: float
    right: float

    def __str__(self) -> str:
        where = f" in element {self.element}" if self.element else ""
        return f"{self.cause}{where} (slopes {self.left:.4g} and {self.right:.4g})"


def kinks(
    function: Callable[[], float], recorded: Callable[[], list[Any]], x: Array, suspects: Array
) -> list[Kink]:
    """The elements of `x`, among the suspects, at which the slopes from both sides differ.

    `recorded` gives the tape of the function, in which the operation is looked for.
    """

    def around(run: Callable[[], Any], h: float) -> tuple[Any, Any, Any]:
        results = []
        try:
            for value in (old - h, old, old + h):
                x[i] = value
                results.append(run())
        finally:
            x[i] = old
        return tuple(results)

    found = []
    for i in map(tuple, np.argwhere(suspects)):
        old = float(x[i])
        h = step_size(old)
        low, here, high = near = around(function, h)
        with np.errstate(all="ignore"):
            if kinked(near, around(function, 4 * h)):
                cause = _cause(around(recorded, h), around(recorded, 4 * h))
                element = tuple(int(k) for k in i)
                found.append(Kink(element, cause, (here - low) / h, (high - here) / h))
    return found


def kinked(near: tuple[Any, Any, Any], far: tuple[Any, Any, Any]) -> Any:
    """Where the slopes to the left and to the right differ, from values at -h, 0, h and at -4h, 0,
    4h: for a smooth function the difference shrinks with the step, at a kink it does not."""
    jump, far_jump = (abs(low - 2 * here + high) for low, here, high in (near, far))
    low, here, high = near
    enough = np.maximum(np.abs(here - low), np.abs(high - here)) * 1e-3
    rounding = 16 * np.finfo(float).eps * np.abs(here)
    bends = jump > far_jump / 12  # it is 1/16 of it where the function is smooth, 1/4 at a kink
    return bends & (jump > enough) & (jump > rounding)


def _cause(near: tuple[Any, Any, Any], far: tuple[Any, Any, Any]) -> str:
    """The first operation of the tapes at -h, 0, h and at -4h, 0, 4h that makes a kink."""
    kinds = [[t.op and t.op.name for t in nodes] for nodes in (*near, *far)]
    if any(names != kinds[0] for names in kinds):
        return "another branch of the code"
    for nodes in zip(*near, *far, strict=True):
        node = nodes[1]
        values = [t.array.astype(np.float64) for t in nodes]
        if node.op is not None and np.any(kinked(tuple(values[:3]), tuple(values[3:]))):
            low, here, high = values[:3]
            place = np.unravel_index(np.argmax(np.abs(low - 2 * here + high)), here.shape)
            inputs = [a for a in node.args if isinstance(a, np.ndarray)]
            alone = len(inputs) == 1 and inputs[0].shape == here.shape
            return f"{node.op.name} at {inputs[0][place]:.3g}" if alone else node.op.name
    return "the function"


def _describe(
    i: int, x: Tensor, g: Array, numeric: Array, judged: _Judged, where: list[Kink]
) -> str:
    far = np.abs(g - numeric)
    if judged.elementwise:
        far = np.where(judged.suspects, far / np.maximum(np.abs(g), np.abs(numeric)), 0)
    worst = np.unravel_index(np.argmax(far), x.shape) if x.array.size else ()
    element = tuple(int(k) for k in worst)
    text = (
        f"input {i}{f' ({x.name})' if x.name else ''} of shape {x.shape}: relative error "
        f"{judged.error:.1e}{' of an element' if judged.elementwise else ''}; worst at element "
        f"{element}: gradient {g[element]:.6g}, finite difference {numeric[element]:.6g}"
    )
    if where:
        text += "; a kink: " + ", ".join(map(str, where[:5])) + (" and more" if where[5:] else "")
    return text + ("; too small to judge" if judged.too_small else "")
