"""Tensor: an array that remembers how it was computed."""

from __future__ import annotations

from collections.abc import Iterator
from operator import attrgetter
from typing import Any, Self

import numpy as np

from . import hooks
from .arrays import as_array, as_floats, narrowed, number, shaped, unboxed
from .axes import Shape, Size
from .errors import MisfitError, explained, lost, picture
from .hooks import Extra, GradFn
from .methods import Methods
from .modes import mode, watchers
from .op import Op
from .tape import Array
from .user import warned
from .versions import changed, made_view, shared_version, tick

NOTHING: dict[str, Any] = {}
NUMBERS = frozenset({float, int, bool})
SINGLE = np.dtype("float32")
ndarray = np.ndarray

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
    if y.__class__ is not ndarray:
        y = np.asarray(y)  # NumPy gives scalars for 0-d
    if y.dtype is not SINGLE and (args[0].__class__ is not ndarray or args[0].dtype is not y.dtype):
        narrow = narrowed(op, padded(sources, args), args, y) if y.dtype.kind == "f" else None
        if narrow is not None:
            return record(op, narrow, kw)
        if y.dtype == np.uint64 and not mode.numpy:  # a sum of bytes is signed, as in PyTorch
            y = y.astype(np.int64)
    t = new(Tensor)
    t.array = y
    t._grad = t.extra = t.version = None
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
            if a.op is not None or not a.requires_grad or not mode.grad:
                made_view(t, a, op, kw, mode.grad)
    if watchers and mode.watcher is not None:
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
    t._grad = t.extra = t.version = t.op = t.kw = None
    t.sources = t.args = ()
    t.serial = tick()
    return t


def operand(op: Op, x: Any) -> Any:
    """An input that is neither a Tensor nor a number: an array, or a list that becomes one."""
    if x.__class__ is Size:
        return int(x)
    if (x := number(x)).__class__ in NUMBERS:
        return x
    a = x if isinstance(x, np.ndarray | np.generic) else as_array(made_right(op, x))
    if a.dtype.kind not in "fiub":
        raise TypeError(
            f"{op.name}: an input of dtype {a.dtype} (a {type(x).__name__}) is not numbers; "
            "give floats, ints or bools"
        )
    return a


def made_right(op: Op, x: Any) -> Any:
    """`x`, unless it is what a method gives that was called in another way than it was meant."""
    if isinstance(x, tuple) and hasattr(x, "indices"):
        raise TypeError(
            f"{op.name}: an input is the pair (values, indices) of max(dim) or min(dim); "
            "use its .values, or axis= in place of dim="
        )
    if x is None or isinstance(x, str):
        raise TypeError(
            f"{op.name}: an input is {x!r}, not a tensor; give floats, ints or bools"
            + " (a function without return gives None, and .grad is None before backward())"
            * (x is None)
        )
    if callable(x) and not hasattr(x, "__array__"):
        name = getattr(x, "__name__", "f").lstrip("_")
        raise TypeError(f"{op.name}: an input is a function, {name}; call it, as in {name}()")
    return x


# ---- making tensors ---------------------------------------------------------------------------


def as_tensor(data: Any, dtype: Any = None, device: Any = None) -> Tensor:
    """`data` itself if it is a tensor, else a tensor that shares its memory where it can; in
    `dtype`, where one is given."""
    t = data if isinstance(data, Tensor) else Tensor(as_array(data, dtype))
    return t if dtype is device is None else t.to(dtype, device=device)


# ---- the class ------------------------------------------------------------------------------


class Tensor(Methods):
    """An array with a gradient: `Tensor(array)` shares the array's memory, `tensor(x)` copies.
    Ints are sizes: `Tensor(2, 3)` is zeros; PyTorch gives what was in memory.

    `array` is the ndarray; `grad` is a Tensor of the same shape and dtype, or None;
    `requires_grad=True` asks for it. Numbers and lists become the default float type. TypeError
    if the data are not numbers, or need a gradient and are not floats.

    >>> x = Tensor([3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([6.])
    """

    __slots__ = (
        "array", "_grad", "requires_grad", "op", "sources", "args", "kw", "serial", "version",
        "extra", "__weakref__",
    )  # fmt: skip

    array: Array
    _grad: Tensor | None
    requires_grad: bool
    op: Any  # the row that made it; None for a leaf
    # The inputs, with None for those that are not Tensors: a tuple, or just the first where it is
    # the only Tensor (one object less for the garbage collector: 1.5 instead of 2.0 times the time
    # per operation for a chain of a million). None after release. Readers use `parents`.
    sources: Any
    args: Any  # the inputs' arrays; of a view without a record what it is a view of, see `viewed`
    kw: Any  # the metadata; of a result without a record the row, which tells what it is
    serial: int
    version: Any  # None or a Memory
    extra: Any

    def __init__(
        self, data: Any = (), requires_grad: Any = False, name: Any = "", *sizes: int
    ) -> None:
        source = data
        if data.__class__ is int:
            data, requires_grad, name = shaped(data, requires_grad, name, *sizes)
        if data.__class__ is not np.ndarray or data.dtype.kind not in "fiub":
            data = as_floats(data)
        self.array = data
        self._grad = self.extra = self.version = self.op = self.kw = None
        self.sources = self.args = ()
        self.serial = tick()
        self.requires_grad = False
        if requires_grad is not False:
            if not isinstance(requires_grad, bool | np.bool_):
                raise TypeError(
                    f"Tensor: requires_grad is True or False, not {requires_grad!r}; sizes are "
                    "ints alone, as in Tensor(2, 3)"
                )
            self.requires_grad_(bool(requires_grad))
        if name:
            self.name = name
        if watchers and (born := getattr(mode.watcher, "born", None)) is not None:
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
            raise MisfitError(
                f"data: values of shape {a.shape} for a tensor of shape {self.shape}; "
                "make a new tensor for another shape"
            )
        if a.dtype != self.array.dtype:
            raise TypeError(
                f"data: values of {a.dtype} for a tensor of {self.dtype}; convert them "
                f"to {self.dtype} before"
            )
        if a is not self.array:
            self.array = a
            self.version = None
        changed(self)

    @property
    def grad(self) -> Tensor | None:
        """What `backward()` has added up, of the shape and dtype of this tensor; None before.

        A tensor that an operation made has none, which UserWarning says, unless `retain_grad()`
        was called.
        """
        if self._grad is None and self.op is not None and not self.retains_grad:
            warned(
                f"grad: this tensor of {self.shape} is no leaf, as {self.op.name} made it, so that "
                "backward() leaves no gradient in it; call its retain_grad() before backward(), or "
                "read the grad of the leaf. To train a leaf w, write w -= lr * w.grad inside "
                "no_grad(): w = w - lr * w.grad makes another tensor"
            )
        return self._grad

    @grad.setter
    def grad(self, grad: Tensor | None) -> None:
        self._grad = grad

    @property
    def parents(self) -> Any:
        """The inputs that it was made from: a Tensor or None for each; None after release."""
        return None if self.sources is None else padded(self.sources, self.args)

    def _more(self) -> Extra:
        if self.extra is None:
            self.extra = Extra()
        return self.extra

    shape = property(lambda self: Shape(self.array.shape), doc="The size of each axis, a tuple.")
    ndim = property(attrgetter("array.ndim"), doc="The number of axes.")
    dtype = property(attrgetter("array.dtype"), doc="The NumPy dtype of the elements.")
    is_leaf = property(lambda self: self.op is None, doc="Whether no operation made it.")
    grad_fn = property(
        lambda self: None if self.op is None else GradFn(self), doc="Its record, None for a leaf."
    )
    retains_grad = property(lambda self: self.extra is not None and self.extra.retain)

    @property
    def size(self) -> Size:
        """The number of elements, as in NumPy; called as in PyTorch, `size()` is the shape and
        `size(dim)` the size of one axis.

        >>> x = tensor([[1.0, 2.0, 3.0]])
        >>> x.size, x.size(), x.size(1)
        (3, (1, 3), 3)
        """
        return Size.of(self.array)

    def dim(self) -> int:
        """The number of axes."""
        return self.array.ndim

    def numel(self) -> int:
        """The number of elements."""
        return self.array.size

    def item(self) -> Any:
        """The one element as a Python number; ValueError if there is not exactly one."""
        if self.array.size != 1:
            raise MisfitError(f"item: this tensor has {self.array.size} elements, not 1")
        if mode.numpy and mode.grad and self.requires_grad:
            raise lost("item", self)
        return self.array.item()

    def tolist(self) -> Any:
        """The elements as nested Python lists, or one number."""
        return self.array.tolist()

    def numpy(self, *, force: bool = False) -> Array:
        """The array itself, not a copy; RuntimeError if it requires grad, unless forced."""
        if self.requires_grad and not force:
            raise RuntimeError("numpy(): this tensor requires grad; use detach().numpy()")
        return self.array

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        if self.requires_grad:
            raise lost("numpy", self)
        return np.array(self.array, dtype=dtype, copy=copy)

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

    def __iter__(self) -> Iterator[Tensor]:
        if self.array.ndim == 0:
            raise TypeError("iter: a 0-d tensor has no axis to go along")
        return (self[i] for i in range(self.array.shape[0]))

    def __len__(self) -> int:
        if self.array.ndim == 0:
            raise TypeError("len: a 0-d tensor has no length")
        return self.array.shape[0]

    def __float__(self) -> float:
        return float(self._number("float"))

    def __int__(self) -> int:
        return int(self._number("int"))

    def _number(self, word: str) -> Any:
        number = self.item()
        if self.requires_grad and mode.grad and not mode.numpy:
            warned(
                f"{word}: as a number, this tensor that requires grad loses its record; write "
                "t.sin() for math.sin(t), stack([...]) for out[i] = t, and t.item() or t.detach() "
                "where no gradient is wanted"
            )
        return number

    def __bool__(self) -> bool:
        if self.array.size != 1:
            raise MisfitError(
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

    __op__ = staticmethod(record)

    @staticmethod
    def __plain__(function: Any, args: Any, kw: dict[str, Any]) -> Any:
        result = function(*unboxed(args), **unboxed(kw))
        return Tensor(np.asarray(result)) if isinstance(result, np.ndarray | np.generic) else result

    def __format__(self, spec: str) -> str:
        return format(self.detach().item(), spec) if spec or not self.array.ndim else str(self)

    def __round__(self, digits: int | None = None) -> Any:
        return round(self.item(), digits)

    def __repr__(self) -> str:
        """All values, over as many lines as they need."""
        return picture(self)


new = Tensor.__new__
hooks.box = Tensor
