"""Derivatives of functions: gradients, Jacobians, Hessians and products with them.

`grad(outputs, inputs)` reads a tape, as `torch.autograd.grad` does; `grad(function)` and the other
names take a function of Tensors, as `torch.autograd.functional` does. Nothing touches `.grad`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, ValuesView
from typing import Any

import numpy as np

from .engine.backward import own, pull_in_mode, seed_of
from .engine.errors import kind_of
from .engine.modes import enable_grad
from .engine.rules import ops, reshape, stack
from .engine.tape import tape
from .engine.tensor import Tensor, as_tensor, wrap
from .program.chain import recorded_inputs
from .program.rows import jacobian_rows

__all__ = ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"]

Tensors = Tensor | tuple[Tensor, ...]


def grad(
    outputs: Any,
    inputs: Any = None,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool = False,
    *,
    only_inputs: bool = True,
    argnums: int | Sequence[int] = 0,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> Any:
    """The gradients of `outputs` with respect to `inputs`, a tuple; or the gradient function of a
    function, whose result is like its argument number `argnums`.

    Each gradient has the shape and dtype of its input. RuntimeError for an input that the outputs
    do not depend on, unless `allow_unused` (then None) or `materialize_grads` (then zeros); for
    outputs with more than one element without `grad_outputs`; for a tape that was released. With
    `is_grads_batched` each of the `grad_outputs` has a first axis more, and so has each gradient.

    >>> x = tensor(3.0, requires_grad=True)
    >>> grad(x * x, x)[0].item(), grad(lambda x: x * x)(3.0).item()
    (6.0, 6.0)
    """
    if not only_inputs:
        raise ValueError("grad: only_inputs=False is no more in PyTorch; call backward() for it")
    if callable(outputs) and not isinstance(outputs, Tensor):
        function = value_and_grad(outputs, argnums, create_graph=create_graph)
        return lambda *args, **kw: function(*args, **kw)[1]
    outputs, inputs = as_tuple(outputs), as_tuple(inputs)
    keep = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        words = {"allow_unused": allow_unused, "materialize_grads": materialize_grads}
        return _for_each(outputs, inputs, as_tuple(grad_outputs), keep, create_graph, words)
    seeds = _seeds(outputs, grad_outputs)
    for i, x in enumerate(inputs):
        if not isinstance(x, Tensor) or not x.requires_grad:
            raise RuntimeError(f"grad: input {i} does not require grad")
    start = [(t, seed_of(t, g, create_graph)) for t, g in zip(outputs, seeds, strict=True)]
    found: dict[Tensor, Any] = {}
    wanted = between(outputs, inputs)
    # where gradients end nothing was used: those records stay
    ends = [(x, x.sources, x.args) for x in inputs if x.op is not None and not passes(x, wanted)]
    pull_in_mode(start, keep, create_graph, wanted=wanted, found=found)
    for x, sources, args in ends:
        x.sources, x.args = sources, args
    handed: dict[int, Any] = {}
    for g in seeds:
        if g is not None:
            own(as_tensor(g).array, handed)
    if materialize_grads:
        found |= {x: wrap(np.zeros_like(x.array)) for x in inputs if x not in found}
    return tuple(_gradient(i, x, found.get(x), allow_unused, handed) for i, x in enumerate(inputs))


def _seeds(outputs: Any, grad_outputs: Any) -> Sequence[Any]:
    """The gradient that is given for each of the outputs, or None."""
    if grad_outputs is None:
        return (None,) * len(outputs)
    seeds = grad_outputs if isinstance(grad_outputs, tuple | list) else (grad_outputs,)
    if len(seeds) != len(outputs):
        raise ValueError(f"grad: {len(outputs)} outputs, but {len(seeds)} grad_outputs")
    return seeds


def _for_each(
    outputs: Any, inputs: Any, batches: Any, keep: bool, create_graph: bool, words: Any
) -> Any:
    """`grad` for each slice of the grad_outputs, and each result stacked."""
    last = len(batches[0]) - 1
    rows = [
        grad(outputs, inputs, slices, keep or i < last, create_graph, **words)
        for i, slices in enumerate(zip(*batches, strict=True))
    ]
    return tuple(None if g[0] is None else stack(g) for g in zip(*rows, strict=True))


def _gradient(i: int, x: Tensor, g: Any, allow_unused: bool, handed: Any) -> Tensor | None:
    if g is None:
        if allow_unused:
            return None
        raise RuntimeError(
            f"grad: the outputs do not depend on input {i}, of shape {x.shape}; "
            "allow_unused=True gives None for it"
        )
    if isinstance(g, Tensor):
        g = g if g.requires_grad else ops.constant(g, x)
        return g if own(g.array, handed) is g.array else g.clone()
    return wrap(own(g, handed))


def between(outputs: tuple[Tensor, ...], inputs: tuple[Tensor, ...]) -> set[Tensor]:
    """What lies on a way from the inputs to the outputs, both included."""
    reached = set(inputs)
    for t in tape(*outputs):
        if t.requires_grad and any(p in reached for p in recorded_inputs(t) if p is not None):
            reached.add(t)
    return reached


def passes(x: Tensor, wanted: set[Tensor]) -> bool:
    """Whether a gradient goes on from `x` to what is wanted, too."""
    return x.sources is None or any(p in wanted for p in recorded_inputs(x))


def as_tuple(x: Any) -> tuple[Any, ...]:
    return tuple(x) if isinstance(x, tuple | list | ValuesView | Iterator) else (x,)


def like(x: Any, result: tuple[Any, ...]) -> Any:
    """A tuple if the arguments were one, else its one element."""
    return result if isinstance(x, tuple | list | ValuesView | Iterator) else result[0]


def fresh(inputs: Any, create_graph: bool = False) -> tuple[Tensor, ...]:
    """New tensors that require grad: cut off from the callers' tapes, unless `create_graph`."""
    return tuple(
        t.clone() if create_graph and t.requires_grad else t.detach().requires_grad_()
        for t in map(as_tensor, as_tuple(inputs))
    )


def called(name: str, function: Callable[..., Any], inputs: tuple[Tensor, ...]) -> Any:
    with enable_grad():
        y = function(*inputs)
    if not all(isinstance(t, Tensor) for t in as_tuple(y)):
        raise TypeError(f"{name}: the function must return Tensors, got {kind_of(y)}")
    return y


def value_and_grad(
    function: Callable[..., Any],
    argnums: int | Sequence[int] = 0,
    *,
    create_graph: bool = False,
) -> Callable[..., tuple[Tensor, Any]]:
    """A function that returns the value of a scalar function and its gradient.

    The gradient is with respect to the argument number `argnums`, or a tuple for several; an
    argument without influence has gradient 0.

    >>> value, slope = value_and_grad(lambda x: x * x)(tensor(3.0))
    >>> value.item(), slope.item()
    (9.0, 6.0)
    """
    numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)

    def wrapped(*args: Any, **kw: Any) -> tuple[Tensor, Any]:
        chosen = fresh(tuple(args[i] for i in numbers), create_graph)
        full = list(args)
        for i, x in zip(numbers, chosen, strict=True):
            full[i] = x
        y = called("value_and_grad", lambda *a: function(*a, **kw), tuple(full))
        gradients = grad_or_zeros((y,), chosen, (None,), create_graph)
        return (y if create_graph else y.detach()), like(
            numbers if not isinstance(argnums, int) else 0, gradients
        )

    return wrapped


def grad_or_zeros(
    outputs: tuple[Tensor, ...],
    inputs: tuple[Tensor, ...],
    grad_outputs: tuple[Any, ...],
    create_graph: bool,
    retain_graph: bool | None = None,
) -> tuple[Tensor, ...]:
    """`grad` with zeros for inputs without influence."""
    pairs = [(y, v) for y, v in zip(outputs, grad_outputs, strict=True) if y.requires_grad]
    if not pairs:
        return tuple(Tensor(np.zeros_like(x.array)) for x in inputs)
    ys, vs = zip(*pairs, strict=True)
    found = grad(ys, inputs, vs, retain_graph, create_graph, allow_unused=True)
    return tuple(
        Tensor(np.zeros_like(x.array)) if g is None else g
        for x, g in zip(inputs, found, strict=True)
    )


def vjp(function: Callable[..., Any], inputs: Any, v: Any = None) -> tuple[Any, Any]:
    """The value of a function, and the product of `v` with its Jacobian.

    `v` is shaped like the value and may be left out for one element; the product is shaped like
    the inputs (a tensor, or a tuple of them).

    >>> vjp(lambda x: x * x, tensor([1.0, 2.0]), tensor([1.0, 10.0]))[1].tolist()
    [2.0, 40.0]
    """
    xs = fresh(inputs)
    y = called("vjp", function, xs)
    vs = as_tuple(v) if v is not None else (None,) * len(as_tuple(y))
    found = grad_or_zeros(as_tuple(y), xs, vs, False)
    return detached(y), like(inputs, found)


def detached(y: Any) -> Any:
    return like(y, tuple(t.detach() for t in as_tuple(y)))


def jvp(function: Callable[..., Any], inputs: Any, v: Any) -> tuple[Any, Any]:
    """The value of a function, and the product of its Jacobian with `v`, shaped like the inputs.

    It is the derivative, with respect to u, of the vector-Jacobian product with u, which is
    linear in u: two backward passes and no forward rules.

    >>> jvp(lambda x: x * x, tensor([1.0, 2.0]), tensor([1.0, 10.0]))[1].tolist()
    [2.0, 40.0]
    """
    xs, vs = fresh(inputs), tuple(as_tensor(t) for t in as_tuple(v))
    if [t.shape for t in vs] != [x.shape for x in xs]:
        raise ValueError(
            f"jvp: v has shapes {[t.shape for t in vs]}, the inputs {[x.shape for x in xs]}"
        )
    y = called("jvp", function, xs)
    ys = as_tuple(y)
    us = tuple(Tensor(np.zeros_like(t.array), requires_grad=True) for t in ys)
    products = grad_or_zeros(ys, xs, us, True)
    return detached(y), like(y, grad_or_zeros(products, us, vs, False))


def jacobian(function: Callable[..., Any], inputs: Any, create_graph: bool = False) -> Any:
    """The Jacobian of a function: shape (*output.shape, *input.shape).

    For several inputs, given as one tuple, or several outputs, tuples of those, outputs first. One
    backward pass gives all rows, in memory for all of them, or for 2**22 numbers of the largest
    array; with `create_graph`, or hooks, which see single rows, there is one for each.

    >>> jacobian(lambda x: x * x, tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    require_option("jacobian", create_graph)
    xs = fresh(inputs, create_graph)
    y = called("jacobian", function, xs)
    return like(y, tuple(like(inputs, _rows(t, xs, create_graph)) for t in as_tuple(y)))


def require_option(name: str, create_graph: Any) -> None:
    """TypeError for a second input in the place of an option."""
    if not isinstance(create_graph, bool):
        raise TypeError(
            f"{name}: create_graph is True or False, got a {kind_of(create_graph)}; "
            f"several inputs come in one tuple, as in {name}(f, (x, y))"
        )


def _rows(y: Tensor, xs: tuple[Tensor, ...], create_graph: bool) -> tuple[Tensor, ...]:
    if not y.requires_grad or not y.array.size:
        return tuple(Tensor(np.zeros(y.shape + x.shape, x.dtype)) for x in xs)
    found = None if create_graph else jacobian_rows(y, xs, between((y,), xs))
    if found is not None:
        pairs = zip(found, xs, strict=True)
        return tuple(wrap(rows.reshape((*y.shape, *x.shape))) for rows, x in pairs)
    rows = []
    for i in range(y.array.size):
        v = np.zeros(y.array.size, y.dtype)
        v[i] = 1
        rows.append(grad_or_zeros((y,), xs, (v.reshape(y.shape),), create_graph, True))
    return tuple(
        reshape(stack(column), *y.shape, *x.shape)
        for x, column in zip(xs, zip(*rows, strict=True), strict=True)
    )


def hessian(function: Callable[..., Any], inputs: Any, create_graph: bool = False) -> Any:
    """The second derivatives of a scalar function: shape (*input.shape, *input.shape).

    For several inputs, given as one tuple, tuples of tuples.

    >>> hessian(lambda x: (x * x * x).sum(), tensor([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    require_option("hessian", create_graph)

    def slope(*xs: Tensor) -> Any:
        return like(inputs, _slope("hessian", function, xs))

    return jacobian(slope, inputs, create_graph)


def _slope(name: str, function: Callable[..., Any], xs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    y = called(name, function, xs)
    if not isinstance(y, Tensor) or y.numel() != 1:
        raise RuntimeError(f"{name}: the function must return one number, got {y!r}")
    return grad_or_zeros((y,), xs, (None,), True)


def hvp(function: Callable[..., Any], inputs: Any, v: Any) -> tuple[Tensor, Any]:
    """The value of a scalar function, and the product of its Hessian with `v`.

    The cost is two backward passes, whatever the size of the Hessian.

    >>> hvp(lambda x: (x * x * x).sum(), tensor([1.0, 2.0]), tensor([1.0, 1.0]))[1].tolist()
    [6.0, 12.0]
    """
    xs = fresh(inputs)
    y = called("hvp", function, xs)
    slopes = _slope("hvp", lambda *_: y, xs)
    return y.detach(), like(inputs, grad_or_zeros(slopes, xs, as_tuple(v), False))
