"""Tensor: an array that remembers how it was computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from operator import attrgetter
from typing import Any, Self

import numpy as np

from . import functions, modes, ops
from .arrays import as_array, get_default_dtype, plain_index, unboxed
from .modes import mode
from .op import Op
from .tape import Array, before, check_versions, pull, walk

__all__ = ["Tensor", "as_tensor", "tensor"]

tick = count(1).__next__  # serial numbers; next() on a count is atomic
NOTHING: dict[str, Any] = {}
NUMBERS = frozenset({float, int, bool})

# A step of training takes the memory again that the step before has freed. glibc gives it back to
# the system in between, at 2,200 page faults a step of a 784-1024-10 MLP, unless it has seen a
# large array come and go: from then on it keeps up to twice that size. 2**25 is its limit.
np.empty(2**25 - 2**13, np.uint8)


# ---- recording ------------------------------------------------------------------------------


def record(op: Op, inputs: tuple[Any, ...], kw: dict[str, Any] = NOTHING) -> Tensor:
    """Run `op` on the arrays of `inputs`, and remember it where a gradient may be asked for."""
    args: list[Any] = []
    sources: Any = inputs
    tracked = False
    for x in inputs:
        if isinstance(x, Tensor):
            args.append(x.array)
            if x.requires_grad:
                tracked = True
        else:
            args.append(x if x.__class__ in NUMBERS else operand(op, x))
            sources = None
    if sources is None:  # some inputs are numbers or arrays
        sources = tuple([x if isinstance(x, Tensor) else None for x in inputs])
    try:
        y = op.forward(*args, **kw)
    except Exception as error:
        raise explained(op, args, kw, error) from error
    return result(op, y, tracked, sources, tuple(args), kw)


def record1(op: Op, a: Tensor) -> Tensor:
    """`record` for one Tensor without metadata: 0.57 us where it takes 0.73 (tanh of 8 numbers)."""
    x = a.array
    try:
        y = op.forward(x)
    except Exception as error:
        raise explained(op, [x], NOTHING, error) from error
    return result(op, y, a.requires_grad, a, (x,), NOTHING)


def record2(op: Op, a: Tensor, b: Any) -> Tensor:
    """`record` for a Tensor and anything: 0.60 us where it takes 0.73 (a sum of 8 numbers)."""
    x = a.array
    if isinstance(b, Tensor):
        z: Any = b.array
        tracked = a.requires_grad or b.requires_grad
        sources: Any = (a, b)
    else:
        z = b if b.__class__ in NUMBERS else operand(op, b)
        tracked = a.requires_grad
        sources = a
    try:
        y = op.forward(x, z)
    except Exception as error:
        raise explained(op, [x, z], NOTHING, error) from error
    return result(op, y, tracked, sources, (x, z), NOTHING)


def result(op: Op, y: Any, tracked: bool, sources: Any, args: Any, kw: dict[str, Any]) -> Tensor:
    """The Tensor that holds `y`, which is its own record if it is tracked."""
    t = new(Tensor)
    t.array = y if y.__class__ is np.ndarray else np.asarray(y)  # NumPy gives scalars for 0-d
    t.grad = t.extra = t.version = None
    t.serial = tick()
    if tracked and mode.grad:
        t.requires_grad = True
        t.op = op
        t.sources = sources
        t.args = args
        t.kw = kw
    else:
        t.requires_grad = False
        t.op = None
        t.sources = t.args = ()
        t.kw = op
    if op.view:
        base = t.array.base
        a = sources[0] if sources.__class__ is tuple else sources
        if base is not None and a is not None and (base is a.array or base is a.array.base):
            t.version = a.version or shared_version(a)
    if modes.watchers and mode.watcher is not None:
        mode.watcher.made(op, t, padded(sources, args), args, kw)
    return t


def padded(sources: Any, args: Any) -> tuple[Any, ...]:
    """One entry for each argument: a Tensor, or None."""
    return sources if sources.__class__ is tuple else (sources, *[None] * (len(args) - 1))


def wrap(a: Array) -> Tensor:
    """A Tensor of an array known to be fine."""
    t = new(Tensor)
    t.array = a
    t.requires_grad = False
    t.grad = t.extra = t.version = t.op = t.kw = None
    t.sources = t.args = ()
    t.serial = tick()
    return t


def operand(op: Op, x: Any) -> Any:
    """An input that is neither a Tensor nor a number: an array, or a list that becomes one."""
    a = x if isinstance(x, np.ndarray | np.generic) else as_array(made_right(op, x))
    if a.dtype.kind not in "fiub":
        raise TypeError(
            f"{op.name}: an input of dtype {a.dtype} (a {type(x).__name__}) is not numbers; "
            "give floats, ints or bools"
        )
    return a


def made_right(op: Op, x: Any) -> Any:
    """`x`, unless it is what a method gives that was called in another way than it was meant."""
    if isinstance(x, functions.MaxResult):
        raise TypeError(
            f"{op.name}: an input is the pair (values, indices) of max(dim) or min(dim); "
            "use its .values, or axis= in place of dim="
        )
    if callable(x):
        name = getattr(x, "__name__", "f").lstrip("_")
        raise TypeError(f"{op.name}: an input is a function, {name}; call it, as in {name}()")
    return x


def explained(op: Op, args: list[Any], kw: dict[str, Any], error: Exception) -> Exception:
    from .errors import explain

    return explain(op, args, kw, error)


def shared_version(t: Tensor) -> list[Any]:
    """What a tensor shares with its views: when their memory was last changed in place, when that
    was last recorded, and the array that the views are views of."""
    if t.version is None:
        t.version = [0, 0, t.array]
    return t.version


def is_view(t: Tensor) -> bool:
    """Whether the tensor shows a part, or another order, of the memory of one before it."""
    return t.version is not None and t.array is not t.version[2]


def changed(t: Tensor) -> None:
    """Note that the memory of `t` was changed in place, so that a backward that needs the old
    values is an error."""
    version = t.version
    if version is None:
        version = shared_version(t)
    version[0] = tick()


# ---- making tensors ---------------------------------------------------------------------------


def tensor(data: Any, dtype: Any = None, requires_grad: bool = False, name: str = "") -> Tensor:
    """A tensor with its own copy of `data`: numbers, nested lists, an array or a tensor.

    Python floats get the default dtype, Python ints stay integers, arrays keep their dtype.

    >>> tensor([1, 2]).dtype, tensor([1.0, 2.0]).dtype
    (dtype('int64'), dtype('float32'))
    """
    a = as_array(data)
    return Tensor(a.astype(a.dtype if dtype is None else dtype), requires_grad, name)


def as_tensor(x: Any) -> Tensor:
    """`x` itself if it is a tensor, else a tensor that shares its memory where it can."""
    return x if isinstance(x, Tensor) else Tensor(as_array(x))


# ---- delivering gradients -------------------------------------------------------------------


def seed_of(t: Tensor, gradient: Any, create_graph: bool) -> Any:
    """The gradient that a backward pass starts from: an array, or a Tensor with create_graph."""
    if not t.requires_grad:
        raise RuntimeError(
            "backward(): this tensor does not require grad: nothing that it was computed from "
            "has requires_grad=True, or it was computed inside no_grad()"
        )
    if gradient is None:
        if t.array.size != 1:
            raise RuntimeError(
                "backward() needs a scalar, or a gradient of the same shape; "
                f"this tensor has shape {t.shape}"
            )
        g = t.array.dtype.type(1) if t.array.ndim == 0 else np.ones(t.shape, t.dtype)
    else:
        g = as_array(gradient)
        if g.shape != t.shape:
            raise RuntimeError(
                f"backward(): the gradient has shape {g.shape}, this tensor has shape {t.shape}"
            )
        g = g.astype(t.dtype, copy=False)
    if not create_graph:
        return g
    if isinstance(gradient, Tensor) and g is gradient.array:
        return gradient
    return Tensor(np.asarray(g), name="seed")


def pull_in_mode(
    seeds: list[tuple[Tensor, Any]], keep: bool, create_graph: bool, **options: Any
) -> dict[Tensor, Any]:
    """`tape.pull` that records what it runs only with `create_graph`."""
    if modes.watchers and mode.watcher is not None:
        options["watch"] = mode.watcher.pulled
    outer, mode.grad = mode.grad, create_graph
    try:
        return pull(seeds, keep=keep, boxed=create_graph, **options)
    finally:
        mode.grad = outer


def own(g: Any, handed: dict[int, Array]) -> Array:
    """`g`, or a copy if its memory is part of, or shared with, what was handed out before."""
    if g.__class__ is not np.ndarray:  # a NumPy scalar
        return np.asarray(g)
    owner = g.base
    if owner is None:
        owner = g
    elif owner.__class__ is not np.ndarray or owner.nbytes != g.nbytes:
        return g.copy()
    key = id(owner)
    if key in handed:
        return g.copy()
    handed[key] = owner
    return g


def deliver(leaf: Tensor, g: Any, handed: dict[int, Array]) -> None:
    """Add a gradient to `leaf.grad`."""
    grad = leaf.grad
    if isinstance(g, Tensor):  # recorded: never changed in place
        if grad is not None:
            g = checked(grad, leaf) + g
        leaf.grad = g if own(g.array, handed) is g.array else g.clone()
    elif grad is None:
        leaf.grad = wrap(own(g, handed))
    elif checked(grad, leaf).requires_grad:
        leaf.grad = grad + wrap(g)
    else:
        if grad.array.shape != g.shape or grad.array.dtype != g.dtype:
            raise RuntimeError(
                f"backward(): the grad of a leaf of shape {leaf.shape} was set to a tensor of shape "
                f"{grad.shape} and {grad.dtype}; set it to None or to the leaf's shape and dtype"
            )
        grad.array += g
        changed(grad)


def checked(grad: Any, leaf: Tensor) -> Tensor:
    """The `grad` that somebody has set; TypeError if it is not a Tensor."""
    if not isinstance(grad, Tensor):
        raise TypeError(
            f"backward(): the grad of a leaf of shape {leaf.shape} was set to a "
            f"{type(grad).__name__}; set it to None or to a Tensor"
        )
    return grad


# ---- the class ------------------------------------------------------------------------------


class Extra:
    """What few tensors have: a name, hooks, a wish to keep the gradient, where it was made, and
    the record before an in-place change."""

    __slots__ = ("name", "hooks", "retain", "origin", "previous")

    def __init__(self, name: str = "", retain: bool = False, previous: Any = None) -> None:
        self.name = name
        self.hooks: dict[int, Callable[[Tensor], Any]] = {}
        self.retain = retain
        self.origin: Any = None
        self.previous = previous

    def arrive(self, node: Tensor, g: Any) -> Any:
        """Run the hooks on the total gradient of `node`, and keep it if it was asked for."""
        if not self.hooks and not (self.retain and node.op is not None):
            return g
        boxed = isinstance(g, Tensor)
        if self.hooks:  # they get, and give, memory of their own, as they may keep it
            t = g if boxed else Tensor(np.array(g))
            for hook in list(self.hooks.values()):
                result = hook(t)
                if result is not None:
                    if not isinstance(result, Tensor) or result.shape != node.shape:
                        shape = getattr(result, "shape", None)
                        raise ValueError(
                            f"hook: returned {type(result).__name__} of shape {shape}; "
                            f"return None or a tensor of shape {node.shape}"
                        )
                    t = result
            g = t if boxed else t.array.copy()
        if self.retain and node.op is not None:
            kept = g if boxed else Tensor(np.array(g))
            node.grad = kept if node.grad is None else node.grad + kept
        return g


class Handle:
    """What `register_hook` returns; `remove()` takes the hook away."""

    def __init__(self, hooks: dict[int, Any], hook: Any) -> None:
        self.hooks, self.key = hooks, tick()
        hooks[self.key] = hook

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        self.hooks.pop(self.key, None)


def comparison(ufunc: np.ufunc) -> Callable[[Tensor, Any], Tensor]:
    """A method that compares element by element."""

    op = Op(ufunc.__name__, ufunc)

    def method(self: Tensor, other: Any) -> Tensor:
        if other is None or isinstance(other, str):
            return NotImplemented
        a = other if other.__class__ in NUMBERS else as_array(other)
        try:
            t = Tensor(np.asarray(ufunc(self.array, a)))
        except (TypeError, ValueError) as error:
            raise explained(op, [self.array, a], NOTHING, error) from error
        t.kw = op
        return t

    return method


class GradFn:
    """A view of the record of a tensor: its operation and where the gradients go next."""

    __slots__ = ("tensor",)

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    def name(self) -> str:
        """The name of the operation."""
        return self.tensor.op.name if self.tensor.op is not None else "leaf"

    @property
    def next_functions(self) -> tuple[tuple[GradFn | None, int], ...]:
        """(function, 0) for each input, as PyTorch has it; (None, 0) for one without gradient."""
        return tuple(
            (None if p is None or not p.requires_grad else GradFn(p), 0)
            for p in self.tensor.parents or ()
        )

    def __repr__(self) -> str:
        return f"<{self.name()}>"


class Tensor:
    """An array with a gradient: `Tensor(array)` shares the array's memory, `tensor(x)` copies.

    `array` is the ndarray; `grad` is a Tensor of the same shape and dtype, or None;
    `requires_grad=True` asks for it. Numbers and lists become the default float type. TypeError
    if the data are not numbers, or need a gradient and are not floats.

    >>> x = Tensor([3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([6.])
    """

    __slots__ = (
        "array", "grad", "requires_grad", "op", "sources", "args", "kw", "serial", "version",
        "extra", "__weakref__",
    )  # fmt: skip

    array: Array
    grad: Tensor | None
    requires_grad: bool
    op: Any  # the row that made it; None for a leaf
    # The inputs, with None for those that are not Tensors: a tuple, or just the first where it is
    # the only Tensor (one object less for the garbage collector: 1.5 instead of 2.0 times the time
    # per operation for a chain of a million). None after release. Readers use `parents`.
    sources: Any
    args: Any  # the inputs' arrays
    kw: Any  # the metadata; of a result without a record the row, which tells what it is
    serial: int
    version: Any  # see shared_version
    extra: Any

    def __init__(self, data: Any, requires_grad: bool = False, name: str = "") -> None:
        source = data
        if data.__class__ is not np.ndarray or data.dtype.kind not in "fiub":
            listed = isinstance(data, list | tuple | int) and not isinstance(data, bool)
            data = as_array(data)
            if listed:
                data = data.astype(get_default_dtype(), copy=False)
        self.array = data
        self.grad = self.extra = self.version = self.op = self.kw = None
        self.sources = self.args = ()
        self.serial = tick()
        self.requires_grad = False
        if requires_grad:
            self.requires_grad_()
        if name:
            self.name = name
        if modes.watchers and (born := getattr(mode.watcher, "born", None)) is not None:
            born(self, source)

    # ---- what it is

    @property
    def name(self) -> str:
        """The name used in drawings, derivations and comparisons; "" if it has none."""
        return self.extra.name if self.extra is not None else ""

    @name.setter
    def name(self, name: str) -> None:
        self._more().name = str(name)

    @property
    def data(self) -> Tensor:
        """The elements as a tensor without a record that shares this one's memory: `detach()`.

        Set to an array or a tensor of the same shape and dtype, it takes over that one's memory and
        counts as a change in place. ValueError for another shape, TypeError for another dtype.

        >>> x = Tensor([1.0, 2.0], requires_grad=True)
        >>> x.data -= 0.5
        >>> x
        tensor([0.5, 1.5], requires_grad=True)
        """
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        a = as_array(value)
        if a.shape != self.array.shape:
            raise ValueError(
                f"data: values of shape {a.shape} for a tensor of shape {self.shape}; "
                "make a new tensor for another shape"
            )
        if a.dtype != self.array.dtype:
            raise TypeError(
                f"data: values of {a.dtype} for a tensor of {self.dtype}; convert them with "
                f"to({str(self.dtype)!r}) before"
            )
        if a is not self.array:
            self.array = a
            self.version = None
        changed(self)

    @property
    def parents(self) -> Any:
        """The inputs that it was made from: a Tensor or None for each; None after release."""
        return None if self.sources is None else padded(self.sources, self.args)

    def _more(self) -> Extra:
        if self.extra is None:
            self.extra = Extra()
        return self.extra

    shape = property(attrgetter("array.shape"), doc="The size of each axis, a tuple.")
    ndim = property(attrgetter("array.ndim"), doc="The number of axes.")
    dtype = property(attrgetter("array.dtype"), doc="The NumPy dtype of the elements.")
    is_leaf = property(lambda self: self.op is None, doc="Whether no operation made it.")
    T = property(lambda self: functions.transpose(self), doc="The axes in reverse order.")
    mT = property(lambda self: record1(ops.mT, self), doc="The last two axes swapped.")
    grad_fn = property(
        lambda self: None if self.op is None else GradFn(self), doc="Its record, None for a leaf."
    )
    retains_grad = property(lambda self: self.extra is not None and self.extra.retain)

    @property
    def size(self) -> Any:
        """A method: `size()` is the shape, `size(dim)` the size of one axis; see `like_numpy`."""
        return self.array.size if mode.numpy else self._size

    def _size(self, dim: int | None = None) -> Any:
        return self.shape if dim is None else self.shape[functions.one_axis("size", self, dim)]

    def dim(self) -> int:
        """The number of axes."""
        return self.array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self.array.size

    def item(self) -> Any:
        """The one element as a Python number; ValueError if there is not exactly one."""
        if self.array.size != 1:
            raise ValueError(f"item: this tensor has {self.array.size} elements, not 1")
        return self.array.item()

    def tolist(self) -> Any:
        """The elements as nested Python lists, or one number."""
        return self.array.tolist()

    def numpy(self) -> Array:
        """The array itself, not a copy; RuntimeError if it requires grad."""
        if self.requires_grad:
            raise RuntimeError("numpy(): this tensor requires grad; use detach().numpy()")
        return self.array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        a = self.numpy()
        return np.array(a, dtype=dtype, copy=copy)

    def detach(self) -> Tensor:
        """A tensor with the same memory and no record."""
        t = Tensor(self.array)
        t.version = shared_version(self)
        return t

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for a gradient, or stop asking; returns self."""
        if requires_grad and self.array.dtype.kind != "f":
            raise TypeError(
                f"requires_grad: only floating tensors have gradients, this one is "
                f"{self.array.dtype}; make it with dtype='float32'"
            )
        if not requires_grad and self.op is not None:
            raise RuntimeError("requires_grad: only a leaf can stop requiring grad; use detach()")
        self.requires_grad = bool(requires_grad)
        return self

    def retain_grad(self) -> None:
        """Keep the gradient of this tensor too, though it is not a leaf."""
        if not self.requires_grad:
            raise RuntimeError("retain_grad(): this tensor does not require grad")
        self._more().retain = True

    def register_hook(self, hook: Callable[[Tensor], Any]) -> Handle:
        """Call `hook(grad)` once per backward with the total gradient of this tensor.

        A tensor that it returns takes the gradient's place. RuntimeError if nothing is required.
        """
        if not self.requires_grad:
            raise RuntimeError("register_hook(): this tensor does not require grad")
        return Handle(self._more().hooks, hook)

    # ---- gradients

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
    ) -> None:
        """Add the derivative of this tensor to the `grad` of every leaf it was computed from.

        `gradient` has this tensor's shape, and may be left out for one element. The record is
        released unless `retain_graph`; with `create_graph` the gradients are recorded themselves,
        and refer back to the leaves that hold them: only the garbage collector frees that circle,
        so `grad(...)`, which stores nothing, is the better choice. RuntimeError if nothing requires
        grad, for another shape, a released record, or a value that was changed in place.
        """
        seed = seed_of(self, gradient, create_graph)
        keep = create_graph if retain_graph is None else retain_graph
        handed: dict[int, Array] = {}
        if gradient is not None:
            own(unboxed(seed), handed)
        for leaf, g in pull_in_mode([(self, seed)], keep, create_graph).items():
            deliver(leaf, g, handed)

    # ---- changing in place

    def _overwrite(self, op: Op, *others: Any, **kw: Any) -> Self:
        """Make this tensor `op(self, *others)`, in its own memory, and record that."""
        tracked = mode.grad and (
            self.requires_grad or any(isinstance(x, Tensor) and x.requires_grad for x in others)
        )
        old: Tensor = self
        if tracked:
            if self.op is None and self.requires_grad:
                raise RuntimeError(
                    f"{op.name}: a leaf that requires grad cannot be changed in place; "
                    "do it inside no_grad(), or write x = x + ... instead of x += ..."
                )
            if is_view(self):
                raise RuntimeError(
                    f"{op.name}: a change in place of a view of a tensor cannot be recorded; write "
                    "v = v + ... instead of v += ..., y[0] = y[0] + ... instead of y[0] += ..., "
                    "and y[0, 1] = ... instead of y[0][1] = ..."
                )
            old = new(Tensor)
            for slot in ("requires_grad", "op", "sources", "args", "kw", "serial"):
                setattr(old, slot, getattr(self, slot))
            old.grad = old.extra = old.version = None
            old.array = self.array.copy()
        for x in others:
            if hasattr(x, "dtype") and not np.can_cast(x.dtype, self.dtype, "same_kind"):
                raise TypeError(f"{op.name}: {x.dtype} cannot be put into a tensor of {self.dtype}")
        t = record(op, (old, *[old if x is self else x for x in others]), kw)
        if t.shape != self.shape:
            raise ValueError(
                f"{op.name}: in place, the result of shape {t.shape} does not fit into this "
                f"tensor of shape {self.shape}"
            )
        if not np.can_cast(t.dtype, self.dtype, "same_kind"):
            raise TypeError(f"{op.name}: {t.dtype} cannot be put into a tensor of {self.dtype}")
        self.array[...] = t.array
        stamp = tick()
        shared_version(self)[0] = stamp
        if tracked:
            self.version[1] = stamp
            old.array, old.extra = self.array, self._more()  # the hooks stay with the old value
            old.version = [stamp, 0, old.array]
            self.extra = Extra(name=old.name, retain=old.extra.retain, previous=old)
            old.extra.retain = False
            self.requires_grad, self.op, self.sources = True, op, t.sources
            self.args, self.kw, self.serial = t.args, kw, tick()
        return self

    def _move(self, op: Op, *others: Any) -> None:
        """Make this tensor, which needs no gradient, `op(self, *others)` in its own memory; nothing
        is recorded, so that it takes a third of the time of `_overwrite`."""
        self.array[...] = op.forward(self.array, *unboxed(others))
        changed(self)

    def __iadd__(self, other: Any) -> Self:
        return self._overwrite(ops.add, other)

    def __isub__(self, other: Any) -> Self:
        return self._overwrite(ops.sub, other)

    def __imul__(self, other: Any) -> Self:
        return self._overwrite(ops.mul, other)

    def __itruediv__(self, other: Any) -> Self:
        return self._overwrite(ops.div, other)

    def __setitem__(self, index: Any, value: Any) -> None:
        self._overwrite(ops.put, value, index=plain_index(index))

    def add_(self, other: Any, alpha: float = 1) -> Self:
        """Add alpha * other in place."""
        return self._overwrite(ops.add, other if alpha == 1 else other * alpha)

    def sub_(self, other: Any, alpha: float = 1) -> Self:
        """Subtract alpha * other in place."""
        return self._overwrite(ops.sub, other if alpha == 1 else other * alpha)

    def mul_(self, other: Any) -> Self:
        """Multiply in place."""
        return self._overwrite(ops.mul, other)

    def div_(self, other: Any) -> Self:
        """Divide in place."""
        return self._overwrite(ops.div, other)

    def copy_(self, other: Any) -> Self:
        """Take the values of `other`, which broadcasts."""
        return self._overwrite(ops.put, other, index=...)

    def fill_(self, value: float) -> Self:
        """Set every element to a number."""
        return self._overwrite(ops.put, value, index=...)

    def zero_(self) -> Self:
        """Set every element to 0."""
        return self._overwrite(ops.put, 0, index=...)

    # ---- operators

    def __add__(self, other: Any) -> Tensor:
        return record2(ops.add, self, other)

    def __radd__(self, other: Any) -> Tensor:
        return record(ops.add, (other, self))

    def __sub__(self, other: Any) -> Tensor:
        return record2(ops.sub, self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return record(ops.sub, (other, self))

    def __mul__(self, other: Any) -> Tensor:
        return record2(ops.mul, self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return record(ops.mul, (other, self))

    def __truediv__(self, other: Any) -> Tensor:
        return record2(ops.div, self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return record(ops.div, (other, self))

    def __pow__(self, p: Any) -> Tensor:
        return functions.pow(self, p)

    def __rpow__(self, base: Any) -> Tensor:
        return record(ops.pow, (base, self))

    def __matmul__(self, other: Any) -> Tensor:
        if isinstance(other, Tensor) and self.array.ndim > 1 < other.array.ndim:
            return record2(ops.matmul, self, other)
        return functions.matmul(self, as_tensor(other))

    def __rmatmul__(self, other: Any) -> Tensor:
        return functions.matmul(as_tensor(other), self)

    def __neg__(self) -> Tensor:
        return record1(ops.neg, self)

    def __abs__(self) -> Tensor:
        return record1(ops.abs, self)

    def __getitem__(self, index: Any) -> Tensor:
        return record(ops.getitem, (self,), {"index": plain_index(index)})

    def __iter__(self) -> Iterator[Tensor]:
        if self.array.ndim == 0:
            raise TypeError("iter: a 0-d tensor has no axis to go along")
        return (self[i] for i in range(self.array.shape[0]))

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise TypeError("len: a 0-d tensor has no length")
        return self.array.shape[0]

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise ValueError(
                f"bool: a tensor of shape {self.shape} has no single truth value; "
                "use .any() or .all() of its data"
            )
        return bool(self.array.item())

    def __index__(self) -> int:
        if self.array.size != 1 or self.array.dtype.kind not in "iub":
            raise TypeError(f"index: only an integer tensor of one element, not {self!r}")
        return int(self.array.item())

    def __contains__(self, value: Any) -> bool:
        return bool((self.array == as_array(value)).any())

    __hash__ = object.__hash__  # by identity, as in PyTorch, though == compares elements

    __op__ = staticmethod(record)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        from .protocol import apply_ufunc

        return apply_ufunc(Tensor, ufunc, method, inputs, kw)

    def __array_function__(self, function: Any, types: Any, args: Any, kw: Any) -> Any:
        from .protocol import apply_function

        return apply_function(Tensor, function, args, kw)

    @staticmethod
    def __plain__(function: Any, args: Any, kw: dict[str, Any]) -> Any:
        result = function(*unboxed(args), **unboxed(kw))
        return Tensor(np.asarray(result)) if isinstance(result, np.ndarray | np.generic) else result

    def __str__(self) -> str:
        """All values, over as many lines as they need; `repr` keeps to one line."""
        from .errors import picture

        return picture(self)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec else str(self)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.item(), digits)

    def __repr__(self) -> str:
        from .errors import summary

        return summary(self)

    # ---- copies

    def clone(self) -> Tensor:
        """A recorded copy, with memory of its own."""
        return record1(ops.copy, self)

    copy = clone

    def repeat(self, *repeats: Any, **axis: Any) -> Tensor:
        """`tile`, as in PyTorch; with NumPy's word `axis`, NumPy's `repeat` of the elements."""
        if axis or mode.numpy:
            return functions.repeat_interleave(self, *repeats, **axis)
        return functions.tile(self, *repeats)

    def to(self, dtype: Any) -> Tensor:
        """The elements in another dtype, self if they have it already."""
        dtype = np.dtype(dtype)
        if dtype == self.array.dtype:
            return self
        if dtype.kind != "f":  # ints and bools have no gradient
            return Tensor(self.array.astype(dtype))
        return record(ops.cast, (self,), {"dtype": dtype})

    astype = to

    def float(self) -> Tensor:
        """As float32."""
        return self.to(np.float32)

    def double(self) -> Tensor:
        """As float64."""
        return self.to(np.float64)

    def long(self) -> Tensor:
        """As int64."""
        return self.to(np.int64)

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        """A copy of this tensor and of everything it was computed from, without recursion."""
        for old in reversed(list(walk(self, released=lambda node: ()))):
            if id(old) not in memo:
                memo[id(old)] = old._copied(memo)
        return memo[id(self)]

    def _copied(self, memo: dict[int, Any]) -> Tensor:
        t = type(self).__new__(type(self))
        t.array = self.array.copy(order="K")
        t.requires_grad, t.op, t.kw, t.serial = self.requires_grad, self.op, self.kw, tick()
        t.grad = t.extra = t.version = None
        if self.grad is not None:
            t.grad = Tensor(self.grad.array.copy())
        if self.extra is not None:
            t.name = self.name
        if self.parents is None:
            t.sources = t.args = None
            return t
        if self.op is not None:
            check_versions(self)
        t.sources = tuple(
            None if p is None else memo[id(before(p, self.serial))] for p in self.parents
        )
        t.args = tuple(
            a if p is None else p.array for p, a in zip(t.sources, self.args, strict=True)
        )
        return t

    def __reduce__(self) -> Any:
        if self.op is not None:
            raise TypeError(
                "copy and pickle: only a leaf can be copied or pickled; use clone() or detach()"
            )
        return type(self), (self.array, self.requires_grad, self.name)

    # ---- comparisons: plain data, no gradient

    __eq__ = comparison(np.equal)  # type: ignore[assignment]
    __ne__ = comparison(np.not_equal)  # type: ignore[assignment]
    __lt__ = comparison(np.less)
    __le__ = comparison(np.less_equal)
    __gt__ = comparison(np.greater)
    __ge__ = comparison(np.greater_equal)
    __and__ = comparison(np.bitwise_and)
    __or__ = comparison(np.bitwise_or)
    __xor__ = comparison(np.bitwise_xor)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__  # they commute

    def __invert__(self) -> Tensor:
        return Tensor(~self.array)

    # ---- the functions that are methods too

    abs = functions.abs
    neg = functions.neg
    exp = functions.exp
    log = functions.log
    log1p = functions.log1p
    expm1 = functions.expm1
    sqrt = functions.sqrt
    square = functions.square
    reciprocal = functions.reciprocal
    sin = functions.sin
    cos = functions.cos
    tan = functions.tan
    sinh = functions.sinh
    cosh = functions.cosh
    tanh = functions.tanh
    arctan = functions.arctan
    sigmoid = functions.sigmoid
    relu = functions.relu
    erf = functions.erf
    pow = functions.pow
    atan = functions.arctan
    clip = clamp = functions.clip
    maximum = functions.maximum
    minimum = functions.minimum
    masked_fill = functions.masked_fill
    sum = functions.sum
    mean = functions.mean
    var = functions.var
    std = functions.std
    norm = functions.norm
    amax = functions.amax
    amin = functions.amin
    max = functions.max
    min = functions.min
    prod = functions.prod
    logsumexp = functions.logsumexp
    softmax = functions.softmax
    log_softmax = functions.log_softmax
    cumsum = functions.cumsum
    cumprod = functions.cumprod
    argmax = functions.argmax
    argmin = functions.argmin
    matmul = functions.matmul
    reshape = functions.reshape
    flatten = functions.flatten
    permute = functions.permute
    transpose = functions.transpose
    swapaxes = functions.transpose
    movedim = functions.movedim
    tile = functions.tile
    repeat_interleave = functions.repeat_interleave
    roll = functions.roll
    diag = functions.diag
    squeeze = functions.squeeze
    unsqueeze = functions.unsqueeze
    expand = functions.expand
    flip = functions.flip
    split = functions.split
    chunk = functions.chunk
    gather = functions.gather
    view = functions.reshape
    any, all, equal, allclose = functions.any, functions.all, functions.equal, functions.allclose
    sign, floor, ceil, round = functions.sign, functions.floor, functions.ceil, functions.round
    isnan, isinf, isfinite = functions.isnan, functions.isinf, functions.isfinite
    tril, triu = functions.tril, functions.triu
    ravel = functions.flatten
    bmm = functions.matmul

    def t(self) -> Tensor:
        """The transpose of a matrix; a vector or a number stays as it is."""
        return self.mT if self.array.ndim == 2 else self

    def expand_as(self, other: Tensor) -> Tensor:
        """Broadcast to the shape of another tensor."""
        return functions.expand(self, *other.shape)

    def contiguous(self) -> Tensor:
        """Self: NumPy arrays need not be contiguous."""
        return self

    add, sub, mul, div = __add__, __sub__, __mul__, __truediv__
    mm = dot = functions.matmul


new = Tensor.__new__
