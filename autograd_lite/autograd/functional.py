"""Derivatives of functions, in the words of `torch.autograd.functional`.

`func` takes the inputs, a tensor or a tuple, one by one. An input without influence has the
gradient 0, or is a RuntimeError with `strict`. With `create_graph` the results can be
differentiated again. `vectorize` and the strategies of PyTorch say how and not what, and change
nothing: all rows of a Jacobian come from one backward pass, unless `create_graph` is set.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .. import calculus
from ..calculus import as_tuple, called, detached, fresh, grad_or_zeros, like
from ..engine.tensor import Tensor, as_tensor
from ..program.reach import reaches

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Result = Any  # a tensor or a tuple of them, as the inputs or the outputs are


def _vectors(name: str, v: Any, of: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """The tensors of `v`, which may be left out for one element."""
    if v is None:
        if len(of) != 1 or of[0].numel() != 1:
            raise RuntimeError(f"{name}: v may be left out where there is one element alone")
        return (Tensor(np.ones(of[0].shape, of[0].dtype)),)
    vs = tuple(as_tensor(t) for t in as_tuple(v))
    if [t.shape for t in vs] != [t.shape for t in of]:
        wanted = [t.shape for t in of]
        raise RuntimeError(f"{name}: v has shapes {[t.shape for t in vs]}, needed are {wanted}")
    return vs


def _judged(name: str, strict: bool, outputs: Any, inputs: tuple[Tensor, ...]) -> None:
    """RuntimeError where `strict` and an output does not depend on an input."""
    for i, y in enumerate(as_tuple(outputs) if strict else ()):
        for j, x in enumerate(inputs):
            if not reaches(y, x):
                raise RuntimeError(f"{name}: output {i} does not depend on input {j}")


def _given(y: Any, create_graph: bool) -> Any:
    return y if create_graph else detached(y)


def vjp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Result, Result]:
    """The value of a function, and the product of `v` with its Jacobian, shaped like the inputs.

    >>> vjp(lambda x: x * x, Tensor([1.0, 2.0]), Tensor([1.0, 10.0]))[1].tolist()
    [2.0, 40.0]
    """
    xs = fresh(inputs, create_graph)
    y = called("vjp", func, xs)
    _judged("vjp", strict, y, xs)
    ys = as_tuple(y)
    found = grad_or_zeros(ys, xs, _vectors("vjp", v, ys), create_graph)
    return _given(y, create_graph), like(inputs, found)


def jvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Result, Result]:
    """The value of a function, and the product of its Jacobian with `v`, shaped like the value.

    Two backward passes, as there are no forward rules.

    >>> jvp(lambda x: x * x, Tensor([1.0, 2.0]), Tensor([1.0, 10.0]))[1].tolist()
    [2.0, 40.0]
    """
    xs = fresh(inputs, create_graph)
    vs = _vectors("jvp", v, xs)
    y = called("jvp", func, xs)
    _judged("jvp", strict, y, xs)
    ys = as_tuple(y)
    us = tuple(Tensor(np.zeros_like(t.array), requires_grad=True) for t in ys)
    products = grad_or_zeros(ys, xs, us, True)
    return _given(y, create_graph), like(y, grad_or_zeros(products, us, vs, create_graph))


def jacobian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Result:
    """The Jacobian of a function: shape (*output.shape, *input.shape), tuples of those for several
    outputs or inputs, outputs first.

    >>> jacobian(lambda x: x * x, Tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    if strict:
        xs = fresh(inputs)
        _judged("jacobian", True, called("jacobian", func, xs), xs)
    return calculus.jacobian(func, inputs, create_graph)


def hessian(
    func: Callable[..., Any],
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Result:
    """The second derivatives of a scalar function: shape (*input.shape, *input.shape).

    >>> hessian(lambda x: (x * x * x).sum(), Tensor([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    if strict:
        xs = fresh(inputs)
        _judged("hessian", True, called("hessian", func, xs), xs)
    return calculus.hessian(func, inputs, create_graph)


def hvp(
    func: Callable[..., Any],
    inputs: Any,
    v: Any = None,
    create_graph: bool = False,
    strict: bool = False,
) -> tuple[Tensor, Result]:
    """The value of a scalar function, and the product of its Hessian with `v`.

    >>> hvp(lambda x: (x * x * x).sum(), Tensor([1.0, 2.0]), Tensor([1.0, 1.0]))[1].tolist()
    [6.0, 12.0]
    """
    xs = fresh(inputs, create_graph)
    vs = _vectors("hvp", v, xs)
    y = called("hvp", func, xs)
    _judged("hvp", strict, y, xs)
    slopes = calculus._slope("hvp", lambda *_: y, xs)
    return _given(y, create_graph), like(inputs, grad_or_zeros(slopes, xs, vs, create_graph))


vhp = hvp  # the Hessian is symmetric
