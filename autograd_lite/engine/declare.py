"""Declaring operations: `row` alone, `function` what users call, `differentiable` both at once.

Exports, methods of Tensors and what NumPy's own functions do with Tensors follow from it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from .axes import one_axis, some_axes
from .methods import Methods
from .op import Op, Rule, table

F = TypeVar("F", bound=Callable[..., Any])
public: dict[str, Callable[..., Any]] = {}  # what users call, by name
forms: dict[Any, Callable[..., Any]] = {}  # what takes the place of a function of NumPy


def row(name: str, forward: Callable[..., Any], *rules: Rule | None, **facts: Any) -> Op:
    """Add an operation to the rows."""
    op = table[name] = Op(name, forward, *rules, **facts)
    if op.ufunc is not None:
        forms.setdefault(op.ufunc, op)
    return op


def function(
    *,
    numpy: Any = None,
    also: str = "",
    methods_only: str = "",
    method: bool = True,
    in_place: bool = False,
    out: bool = False,
) -> Callable[[F], F]:
    """Declare what users call: exported under its name and those in `also`, a method of Tensors;
    with `out` it takes `out=`.

    `numpy` is the function of NumPy whose place it takes, a pair like (np.add, "reduce"), a list.
    With `in_place` there are methods `name_` that put the result into the tensor itself.
    """

    def declare(f: F) -> F:
        names = [f.__name__, *also.split()]
        for shown in {f, getattr(f, "__wrapped__", f)}:  # the second one by help()
            in_words(shown)
        f = with_out(f) if out else f
        public.update(dict.fromkeys(names, f))
        for name in [*names, *methods_only.split()] if method else ():
            setattr(Methods, name, f)
        for name in names if in_place else ():
            setattr(Methods, f"{name}_", changing(f, name))
        if numpy is not None:
            forms.update(dict.fromkeys(numpy if isinstance(numpy, list) else [numpy], f))
        return f

    return declare


WORDS: Any = {"x": "input", "a": "input"}, {"b": "other"}  # of the first, of the second tensor


def in_words(f: Callable[..., Any]) -> None:
    """Let `input=` and `other=`, PyTorch's words, name the tensors that `f` calls x, or a and b."""
    code = f.__code__
    first = code.co_varnames[: code.co_argcount]
    new = {old: words[old] for old, words in zip(first, WORDS, strict=False) if old in words}
    if len(set(new.values()) | set(code.co_varnames)) == len(new) + len(code.co_varnames):
        renamed(f, new)


def renamed(f: Callable[..., Any], new: dict[str, str]) -> None:
    """Let arguments of `f` have other names."""
    code = f.__code__
    own, cells = (tuple(new.get(k, k) for k in x) for x in (code.co_varnames, code.co_cellvars))
    f.__code__ = code.replace(co_varnames=own, co_cellvars=cells)
    f.__annotations__ = {new.get(k, k): v for k, v in f.__annotations__.items()}


def changing(f: Callable[..., Any], name: str) -> Callable[..., Any]:
    """The method `name_` that puts what `f` gives into the tensor."""

    def change(x: Any, *args: Any, **kw: Any) -> Any:
        old = x.clone() if x.requires_grad else x  # what derivatives may read after the change
        return x._overwrite(table["put"], f(old, *args, **kw), index=...)

    wraps(f)(change).__doc__ = f"`{name}` in place."
    change.__name__ = change.__qualname__ = f"{name}_"
    return change


def differentiable(
    *rules: Rule | None,
    numpy: Any = None,
    also: str = "",
    methods_only: str = "",
    method: bool = True,
    **facts: Any,
) -> Callable[[F], F]:
    """Declare an operation by the function that users call: its body is the forward on arrays.

    Without a `kind` the body is one ufunc of the inputs, and the operation that ufunc. Of the
    kinds "reduction" and "along" the axes are settled before the operation is called: it gets none
    that is negative.
    """

    def declare(f: F) -> F:
        in_words(f)  # which help() shows
        op = row(f.__name__, f if facts.get("kind") else ufunc_of(f), *rules, **facts)
        call = CALLS.get(op.kind, as_it_is)(op)
        words: Any = {"also": also, "methods_only": methods_only, "method": method}
        add = function(numpy=numpy, **words, in_place=method and op.elementwise)
        found: F = add(wraps(f)(call))  # type: ignore[assignment]
        if op.ufunc is not None:
            forms[op.ufunc] = found
        return found

    return declare


class Probe:
    """What stands for an array where a body is asked which ufunc it is."""

    __slots__ = ()

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        return (ufunc, inputs) if method == "__call__" and not kw else None


PROBES = Probe(), Probe()


def ufunc_of(f: Callable[..., Any]) -> Callable[..., Any]:
    """The ufunc that a body is; called itself it takes half the time of the body."""
    probes = PROBES[: f.__code__.co_argcount]
    try:
        found = f(*probes)
    except (AttributeError, TypeError):
        found = None
    if type(found) is not tuple or found[1] != probes:
        raise TypeError(f"{f.__name__}: its body is not one ufunc of its inputs; say its kind")
    return found[0]


def with_out(f: F) -> F:
    """A function that takes `out=` too."""

    @wraps(f)
    def call(*args: Any, out: Any = None, **kw: Any) -> Any:
        y = f(*args, **kw)
        return y if out is None else written(y, out, f.__name__)

    return call  # type: ignore[return-value]


def written(y: Any, out: Any, name: str) -> Any:
    """`out` with the values of `y`, the result of a call `name(..., out=out)`."""
    if y.requires_grad:
        raise RuntimeError(
            f"{name}: out= takes values alone, and an input requires grad; leave out= away, or "
            "call inside no_grad()"
        )
    if not out.array.size:  # what is to be filled
        out.resize_(y.shape)
    if out.shape != y.shape:
        raise RuntimeError(
            f"{name}: out= has shape {out.shape}, the result {y.shape}; give empty{y.shape}"
        )
    return out.copy_(y)


def as_it_is(op: Op) -> Callable[..., Any]:
    """A call whose arguments are the inputs."""
    n = len(op.rules) if isinstance(op.rules, tuple) else 0
    name = op.name
    if n == 1:
        return lambda x, out=None: op(x) if out is None else written(op(x), out, name)
    if n == 2:
        return lambda a, b, out=None: op(a, b) if out is None else written(op(a, b), out, name)
    return lambda *xs: op(*xs)


def reduction(op: Op) -> Callable[..., Any]:
    """A call that settles the axes: none, one or several, by NumPy's words or PyTorch's."""

    def call(
        x: Any,
        axis: Any = None,
        keepdims: Any = False,
        *,
        dim: Any = None,
        keepdim: Any = False,
        dtype: Any = None,
        out: Any = None,
    ) -> Any:
        if dtype is not None:
            x = x.to(dtype)
        y = op(x, axis=some_axes(op.name, x, axis, dim), keepdims=keepdims or keepdim)
        return y if out is None else written(y, out, op.name)

    return call


def along(op: Op) -> Callable[..., Any]:
    """A call that settles the one axis; where none is given, it is the default of the body."""
    default = (op.forward.__defaults__ or (-1,))[0]

    def call(
        x: Any, axis: Any = default, *, dim: Any = None, dtype: Any = None, out: Any = None
    ) -> Any:
        x = x if dtype is None else x.to(dtype)
        y = op(x, axis=one_axis(op.name, x, axis if dim is None else dim))
        return y if out is None else written(y, out, op.name)

    return call


CALLS = {"reduction": reduction, "along": along}
