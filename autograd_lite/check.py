"""Finite differences as the judge of gradients."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .calculus import as_tuple, called, grad_or_zeros
from .modes import no_grad
from .tape import Array
from .tensor import Tensor, as_tensor

__all__ = ["GradcheckError", "gradcheck", "gradgradcheck", "numeric_gradient"]

PASS, SUSPICIOUS = 1e-6, 1e-3  # right gradients stay below 2.4e-10; real mistakes start at 1e-2


class GradcheckError(RuntimeError):
    """A gradient differs from finite differences; the text says where, and names kinks."""


def step_size(x: float) -> float:
    """The central difference's step at `x`: about the cube root of the float64 precision."""
    return 6e-6 * max(1.0, abs(x))


def numeric_gradient(function: Callable[[], float], x: Array) -> Array:
    """The central differences of `function()` with respect to each element of the array `x`,
    which is changed during the calls and put back.

    >>> x = np.array([3.0])
    >>> abs(numeric_gradient(lambda: float(x[0] ** 2), x)[0] - 6) < 1e-8
    np.True_
    """
    gradient = np.zeros(x.shape)
    for i in np.ndindex(x.shape):
        old = float(x[i])
        h = step_size(old)
        try:
            x[i] = old + h
            up = function()
            x[i] = old - h
            down = function()
        finally:
            x[i] = old
        gradient[i] = (up - down) / ((old + h) - (old - h))
    return gradient


def gradcheck(function: Callable[..., Any], inputs: Any, *, raise_exception: bool = True) -> bool:
    """Whether the gradients of a function of Tensors agree with central differences.

    The inputs are taken in float64, those of integers as constants; the upstream gradient is
    random with a fixed seed, as ones would hide mistakes of scale. The error is norm-wise: up to
    1e-6 passes, up to 1e-3 passes with a warning. Above, GradcheckError says which input, how far
    off, and whether the function has a kink there; with `raise_exception=False`, False is returned.

    >>> gradcheck(lambda x: (x * x).sum(), tensor([1.0, 2.0]))
    True
    """
    xs = tuple(
        Tensor(t.data.astype(np.float64), requires_grad=True) if t.dtype.kind == "f" else t
        for t in map(as_tensor, as_tuple(inputs))
    )
    checked = tuple(x for x in xs if x.requires_grad)
    if not checked:
        raise ValueError("gradcheck: no input is a floating tensor, so there is nothing to check")
    ys = as_tuple(called("gradcheck", function, xs))
    for y in ys:
        if y.dtype != np.float64:
            raise ValueError(
                f"gradcheck: the function returned {y.dtype}; make what it uses float64, as the "
                "rounding of smaller types hides mistakes"
            )
    generator = np.random.default_rng(0)
    vs = tuple(generator.standard_normal(y.shape) for y in ys)
    found = grad_or_zeros(ys, checked, vs, False)

    def total() -> float:
        with no_grad():
            results = as_tuple(function(*xs))
        return float(sum((v * y.data).sum() for v, y in zip(vs, results, strict=True)))

    problems = []
    for i, (x, g) in enumerate(zip(checked, found, strict=True)):
        numeric = numeric_gradient(total, x.data)
        error = relative_error(g.data, numeric)
        if error <= PASS:
            continue
        where = kinks(total, x.data, np.abs(g.data - numeric) > PASS * np.linalg.norm(numeric))
        text = _describe(i, x, g.data, numeric, error, where)
        if error <= SUSPICIOUS:
            warnings.warn("gradcheck: suspicious: " + text, stacklevel=2)
        else:
            problems.append(text)
    if problems and raise_exception:
        raise GradcheckError("gradcheck: " + "\n".join(problems))
    return not problems


def gradgradcheck(
    function: Callable[..., Any], inputs: Any, *, raise_exception: bool = True
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
        return grad_or_zeros(ys, tuple(_tracked(x) for x in chosen), tuple(constants), True)

    return gradcheck(gradients, tensors, raise_exception=raise_exception)


def _tracked(x: Tensor) -> Tensor:
    return x if x.requires_grad else x.requires_grad_()


def relative_error(a: Array, b: Array) -> float:
    """The norm of the difference over the larger of the two norms; infinite where NaN is met."""
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return 0.0 if np.array_equal(a, b, equal_nan=False) else float("inf")
    scale = max(np.linalg.norm(a), np.linalg.norm(b))
    return float(np.linalg.norm(a - b) / scale) if scale else 0.0


def kinks(function: Callable[[], float], x: Array, suspects: Array) -> list[tuple[int, ...]]:
    """The elements of `x`, among the suspects, at which the slopes from both sides differ."""
    found = []
    here = function()
    for i in zip(*np.nonzero(suspects), strict=True):
        old, h = x[i], step_size(x[i])
        x[i] = old + h
        right = (function() - here) / h
        x[i] = old - h
        left = (here - function()) / h
        x[i] = old
        if abs(right - left) > 1e-3 * max(abs(right), abs(left)):
            found.append(tuple(int(k) for k in i))
    return found


def _describe(
    i: int, x: Tensor, g: Array, numeric: Array, error: float, where: list[tuple[int, ...]]
) -> str:
    worst = np.unravel_index(np.argmax(np.abs(g - numeric)), x.shape) if x.data.size else ()
    element = tuple(int(k) for k in worst)
    text = (
        f"input {i}{f' ({x.name})' if x.name else ''} of shape {x.shape}: relative error "
        f"{error:.1e}; worst at element {element}: gradient {g[element]:.6g}, finite difference "
        f"{numeric[element]:.6g}"
    )
    if where:
        places = ", ".join(map(str, where[:5])) + (" and more" if len(where) > 5 else "")
        text += f"; the function has a kink at element {places}"
    return text
