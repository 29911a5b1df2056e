"""Derivatives as transforms of functions, in the words of `torch.func`.

Arguments and results may be nested: tuples, lists and dictionaries of tensors. Transforms nest, as
`grad(grad(f))`: what is computed from tensors that need gradients can be differentiated again.
Forward mode is two backward passes, and `vmap` a loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import wraps
from typing import Any

import numpy as np

from .calculus import _rows, grad_or_zeros
from .creation import default_generator
from .engine.modes import enable_grad, mode
from .engine.rules import movedim, stack
from .engine.tensor import Tensor, as_tensor
from .program.reach import needed_leaves

__all__ = [
    "functional_call", "grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp",
    "stack_module_state", "vjp", "vmap",
]  # fmt: skip

Argnums = int | tuple[int, ...]


# ---- nested arguments ---------------------------------------------------------------------------


def leaves(x: Any) -> list[Any]:
    """What is inside nested tuples, lists and dictionaries, in order."""
    if isinstance(x, tuple | list):
        return [leaf for part in x for leaf in leaves(part)]
    if isinstance(x, Mapping):
        return [leaf for part in x.values() for leaf in leaves(part)]
    return [x]


def rebuilt(x: Any, values: Iterable[Any]) -> Any:
    """The structure of `x` with other leaves."""
    each = iter(values)

    def build(part: Any) -> Any:
        if isinstance(part, tuple | list):
            made = [build(p) for p in part]
            named = hasattr(part, "_fields")
            return type(part)(*made) if named else type(part)(made)
        if isinstance(part, Mapping):
            return {k: build(p) for k, p in part.items()}
        return next(each)

    return build(x)


class Call:
    """One call of a function on new tensors: its `output`, and how to differentiate it.

    Gradients are recorded where somebody outside of the call may ask for theirs.
    """

    def __init__(self, name: str, f: Any, args: Sequence[Any], kw: Any, argnums: Any, aux: bool):
        self.name = name
        numbers = (argnums,) if isinstance(argnums, int) else tuple(argnums)
        for i in numbers:
            if not -len(args) <= i < len(args):
                raise RuntimeError(f"{name}: argnums is {i}, there are {len(args)} arguments")
        self.inputs: Any = tuple(args[i] for i in numbers)
        self.inputs = self.inputs[0] if isinstance(argnums, int) else self.inputs
        outer = [as_tensor(t) for t in leaves(self.inputs)]
        self.xs = tuple(
            t.clone() if t.requires_grad and mode.grad else t.detach().requires_grad_()
            for t in outer
        )
        full = list(args)
        made = rebuilt(self.inputs, self.xs)
        for i, x in zip(numbers, (made,) if isinstance(argnums, int) else made, strict=True):
            full[i] = x
        again = mode.grad
        with enable_grad():
            self.output = f(*full, **kw)
        self.aux: Any = None
        if aux:
            if not isinstance(self.output, tuple) or len(self.output) != 2:
                raise RuntimeError(f"{name}: with has_aux the function returns (output, aux)")
            self.output, self.aux = self.output
        self.ys = tuple(leaves(self.output))
        for y in self.ys:
            if not isinstance(y, Tensor):
                raise TypeError(f"{name}: the function must return Tensors, got {type(y).__name__}")
        inside = set(self.xs)
        self.create = again and any(t not in inside for t in needed_leaves(self.ys))
        self.output, self.aux = self.told(self.output), self.told(self.aux)

    def told(self, x: Any) -> Any:
        """The value as the caller gets it."""
        if self.create:
            return x
        return rebuilt(x, [t.detach() if isinstance(t, Tensor) else t for t in leaves(x)])

    def scalar(self) -> None:
        """RuntimeError unless the output is one number."""
        if not isinstance(self.output, Tensor) or self.output.ndim:
            shapes = [t.shape for t in self.ys]
            raise RuntimeError(
                f"{self.name}: the function must return one 0-d tensor, got shapes {shapes}; "
                "vjp and jacrev take others"
            )

    def pulled(self, cotangents: Any, keep: bool | None = None) -> tuple[Tensor, ...]:
        """The gradients of the inputs."""
        return grad_or_zeros(self.ys, self.xs, tuple(cotangents), self.create, keep)

    def like_inputs(self, found: Iterable[Any]) -> Any:
        return rebuilt(self.inputs, found)


# ---- transforms --------------------------------------------------------------------------------


def grad_and_value(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives (gradient, value) of a scalar function, by its arguments `argnums`.

    With `has_aux` the function returns (value, aux), and the new one (gradient, (value, aux)).

    >>> slope, value = grad_and_value(lambda x: x * x)(Tensor(3.0))
    >>> slope.item(), value.item()
    (6.0, 9.0)
    """

    @wraps(func)
    def wrapper(*args: Any, **kw: Any) -> Any:
        call = Call("grad", func, args, kw, argnums, has_aux)
        call.scalar()
        found = call.like_inputs(call.pulled((None,)))
        return found, (call.output, call.aux) if has_aux else call.output

    return wrapper


def grad(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """A function that gives the gradient of a scalar function, by its arguments `argnums`.

    With `has_aux` the function returns (value, aux), and the new one (gradient, aux).

    >>> grad(grad(lambda x: x**3))(Tensor(2.0)).item()
    12.0
    """
    function = grad_and_value(func, argnums, has_aux)

    @wraps(func)
    def wrapper(*args: Any, **kw: Any) -> Any:
        found, value = function(*args, **kw)
        return (found, value[1]) if has_aux else found

    return wrapper


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(output, f): `f(cotangents)`, shaped like the output, gives the gradients of all primals, a
    tuple. With `has_aux`, (output, f, aux).

    >>> y, f = vjp(lambda x: x * x, Tensor([1.0, 2.0]))
    >>> f(Tensor([1.0, 10.0]))[0].tolist()
    [2.0, 40.0]
    """
    call = Call("vjp", func, primals, {}, tuple(range(len(primals))), has_aux)

    def pullback(
        cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None
    ) -> Any:
        given = [as_tensor(t) for t in leaves(cotangents)]
        if [t.shape for t in given] != [y.shape for y in call.ys]:
            shapes = [y.shape for y in call.ys]
            raise RuntimeError(
                f"vjp: cotangents of shapes {[t.shape for t in given]} for outputs of {shapes}"
            )
        if create_graph or any(t.requires_grad for t in given):
            call.create = True
        return call.like_inputs(call.pulled(given, retain_graph))

    return (call.output, pullback, call.aux) if has_aux else (call.output, pullback)


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> tuple[Any, ...]:
    """(output, tangent of the output), where the primals, a tuple, move along the tangents.

    >>> jvp(lambda x: x * x, (Tensor([1.0, 2.0]),), (Tensor([1.0, 10.0]),))[1].tolist()
    [2.0, 40.0]
    """
    if not isinstance(primals, tuple | list) or not isinstance(tangents, tuple | list):
        raise RuntimeError(  # noqa: TRY004  as PyTorch does
            "jvp: primals and tangents are tuples, one entry for each argument"
        )
    call = Call("jvp", func, primals, {}, tuple(range(len(primals))), has_aux)
    moved = [as_tensor(t) for t in leaves(tangents)]
    if [t.shape for t in moved] != [x.shape for x in call.xs]:
        raise RuntimeError(
            f"jvp: tangents of shapes {[t.shape for t in moved]} for primals of shapes "
            f"{[x.shape for x in call.xs]}"
        )
    create = call.create or any(t.requires_grad for t in moved)
    us = tuple(Tensor(np.zeros_like(y.array), requires_grad=True) for y in call.ys)
    call.create = True
    with enable_grad():
        products = call.pulled(us)
    found = rebuilt(call.output, grad_or_zeros(products, us, tuple(moved), create))
    return (call.output, found, call.aux) if has_aux else (call.output, found)


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that gives the Jacobian of a function by its arguments `argnums`: for every output
    and every input a tensor of shape (*output.shape, *input.shape), nested outputs first.

    >>> jacrev(lambda x: x * x)(Tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """

    @wraps(func)
    def wrapper(*args: Any, **kw: Any) -> Any:
        call = Call("jacrev", func, args, kw, argnums, has_aux)
        rows = [call.like_inputs(_rows(y, call.xs, call.create)) for y in call.ys]
        found = rebuilt(call.output, rows)
        return (found, call.aux) if has_aux else found

    return wrapper


def jacfwd(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """The same as `jacrev`, and computed as it is: there are no forward rules.

    >>> jacfwd(lambda x: x * x)(Tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that gives the second derivatives of a function by its arguments `argnums`.

    >>> hessian(lambda x: (x**3).sum())(Tensor([1.0, 2.0])).tolist()
    [[6.0, 0.0], [0.0, 12.0]]
    """
    return jacrev(jacrev(func, argnums), argnums)


# ---- vmap --------------------------------------------------------------------------------------


def spread(dims: Any, x: Any) -> list[Any]:
    """`dims` for every leaf of `x`: one for all of them, or nested as `x` is."""
    if dims is None or isinstance(dims, int):
        return [dims] * len(leaves(x))
    parts = list(x.values()) if isinstance(x, Mapping) else x
    given = list(dims.values()) if isinstance(dims, Mapping) else dims
    if not isinstance(x, tuple | list | Mapping) or len(given) != len(parts):
        raise ValueError(f"vmap: in_dims {dims!r} do not have the structure of the arguments")
    return [d for some, part in zip(given, parts, strict=True) for d in spread(some, part)]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """A function that runs `func` for every entry along an axis of its arguments, and stacks.

    It is a loop. `in_dims` are the axes, None for an argument that is not cut; `out_dims` where the
    new axis goes. Random numbers are a RuntimeError, unless `randomness` is "different" for every
    entry, or the "same".

    >>> vmap(lambda a, b: a @ b)(Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([[1.0, 1.0], [1.0, 0.0]]))
    tensor([3., 3.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            f"vmap: randomness is 'error', 'different' or 'same', got {randomness!r}"
        )

    @wraps(func)
    def wrapper(*args: Any, **kw: Any) -> Any:
        flat, dims = leaves(args), spread(in_dims, args)
        sizes = {as_tensor(t).shape[d] for t, d in zip(flat, dims, strict=True) if d is not None}
        if len(sizes) != 1:
            raise ValueError(
                f"vmap: the mapped axes have sizes {sorted(sizes)}; give arguments of one size"
                if sizes
                else "vmap: no argument is mapped; give in_dims that are not all None"
            )
        (n,) = sizes
        if not n:
            raise RuntimeError("vmap: the mapped axis has no entries, so no output is known")
        columns = [
            [t] * n if d is None else list(movedim(as_tensor(t), d, 0))
            for t, d in zip(flat, dims, strict=True)
        ]
        bits = default_generator().bit_generator
        start, outputs = bits.state, []
        for entry in zip(*columns, strict=True):
            if randomness == "same":
                bits.state = start
            outputs.append(func(*rebuilt(args, entry), **kw))
        if randomness == "error" and bits.state != start:
            raise RuntimeError(
                "vmap: the function draws random numbers; say randomness='different' or 'same'"
            )
        found = [[as_tensor(t) for t in leaves(y)] for y in outputs]
        ends = spread(out_dims, outputs[0])
        stacked = [
            column[0] if d is None else movedim(stack(list(column)), 0, d)
            for column, d in zip(zip(*found, strict=True), ends, strict=True)
        ]
        return rebuilt(outputs[0], stacked)

    return wrapper


# ---- modules -----------------------------------------------------------------------------------


def functional_call(
    module: Any,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: Mapping[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """Call a module with other parameters and buffers, given by name; its own are back afterwards.

    Shared parameters are replaced together, unless `tie_weights` is False. RuntimeError for a name
    that the module has not, and with `strict` for one that is not given.

    >>> layer = nn.Linear(2, 1)
    >>> other = {"weight": ones(1, 2), "bias": zeros(1)}
    >>> functional_call(layer, other, Tensor([[1.0, 2.0]])).tolist()
    [[3.0]]
    """
    given: dict[str, Any] = {}
    several = isinstance(parameter_and_buffer_dicts, tuple | list)
    for some in parameter_and_buffer_dicts if several else (parameter_and_buffer_dicts,):
        given.update(some)
    own = dict(module.named_parameters(remove_duplicate=False))
    own.update(module.named_buffers(remove_duplicate=False))
    unknown, missing = sorted(given.keys() - own.keys()), sorted(own.keys() - given.keys())
    if unknown or (strict and missing):
        raise RuntimeError(
            f"functional_call: {type(module).__name__} has no {', '.join(unknown)}"
            if unknown
            else f"functional_call: {', '.join(missing)} of {type(module).__name__} are not given"
        )
    if tie_weights:
        tied = {id(own[name]): value for name, value in given.items()}
        given = {n: given.get(n, tied.get(id(t))) for n, t in own.items() if id(t) in tied}
    places = []
    for name, value in given.items():
        path, _, last = name.rpartition(".")
        at = module
        for part in path.split(".") if path else ():
            at = getattr(at, part)
        places.append((at.__dict__, last, at.__dict__[last], value))
    if args is None:
        args = ()
    try:
        for names, last, _, value in places:
            names[last] = value
        return module(*(args if isinstance(args, tuple) else (args,)), **(kwargs or {}))
    finally:
        for names, last, before, _ in places:
            names[last] = before


def stack_module_state(models: Any) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """(parameters, buffers) of modules of one kind, by name, each stacked along a new first axis.

    With `vmap` and `functional_call` they run as an ensemble. RuntimeError for no modules.

    >>> parameters, _ = stack_module_state([nn.Linear(2, 1), nn.Linear(2, 1)])
    >>> parameters["weight"].shape, parameters["weight"].is_leaf
    ((2, 1, 2), True)
    """
    if not models:
        raise RuntimeError("stack_module_state: no modules; give a list of at least one")

    def stacked(of: str) -> dict[str, Tensor]:
        columns: dict[str, list[Tensor]] = {}
        for model in models:
            for name, t in getattr(model, of)():
                columns.setdefault(name, []).append(t)
        return {
            name: stack([t.detach() for t in ts]).requires_grad_(ts[0].requires_grad)
            for name, ts in columns.items()
        }

    return stacked("named_parameters"), stacked("named_buffers")
