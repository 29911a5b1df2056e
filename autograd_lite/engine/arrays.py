"""From what users hand in to arrays: numbers, lists, tensors, indices, and the default dtype."""

from __future__ import annotations

from typing import Any

import numpy as np

from .axes import Shape
from .modes import mode
from .tape import Array
from .user import warned

default_dtype = np.dtype("float32")


def set_default_dtype(dtype: Any) -> None:
    """Make Python floats and lists of floats become this float type; it is float32 at first.

    TypeError for anything but a floating type.

    >>> set_default_dtype("float64"); get_default_dtype()
    dtype('float64')
    >>> set_default_dtype("float32")
    """
    global default_dtype
    new_default = np.dtype(dtype)
    if new_default.kind != "f":
        raise TypeError(f"set_default_dtype: {new_default} is not a floating type")
    default_dtype = new_default


def get_default_dtype() -> np.dtype[Any]:
    """The type that Python floats become.

    >>> get_default_dtype()
    dtype('float32')
    """
    return default_dtype


def as_array(x: Any, dtype: Any = None) -> Array:
    """An array of numbers: arrays and NumPy scalars as they are, Python floats (also in lists) in
    `dtype`, else the default one. TypeError for anything that is not numbers."""
    if hasattr(x, "__op__"):
        return x.array
    try:
        a = np.asarray(x)
    except RuntimeError:  # tensors that require grad, in lists
        a = np.asarray(listed(x))
        if mode.grad and not mode.numpy:
            warned(
                "tensor: as numbers in a list, tensors that require grad lose their record; write "
                "stack([...]), which keeps it, or give t.item() where no gradient is wanted"
            )
    except ValueError as error:
        raise ValueError(f"tensor: these nested lists are not rectangular ({error})") from None
    if a is not x:
        check_unmasked(x)
    if a.dtype.kind not in "fiub":
        raise TypeError(
            f"tensor: cannot hold dtype {a.dtype} (from a {type(x).__name__}); "
            "give floats, ints or bools"
        )
    if a.dtype.kind == "f" and not isinstance(x, np.ndarray | np.generic):
        a = a.astype(default_dtype if dtype is None else dtype, copy=False)
    return a


def check_unmasked(x: Any) -> None:
    """TypeError for a masked array of NumPy with masked elements."""
    if isinstance(x, np.ma.MaskedArray) and np.any(x.mask):
        raise TypeError(
            "tensor: a masked array has elements without a value; give x.filled(value), or x.data "
            "and the mask as tensors of their own"
        )


def as_floats(x: Any) -> Array:
    """`as_array` with numbers of lists as floats; zeros of a Shape."""
    if isinstance(x, Shape):
        return np.zeros(x, default_dtype)
    a = as_array(x)
    return a.astype(default_dtype, copy=False) if isinstance(x, list | tuple) else a


def listed(x: Any) -> Any:
    """Nested lists with numbers in place of tensors; anything else as it is."""
    if isinstance(x, list | tuple):
        return [listed(item) for item in x]
    return x.tolist() if hasattr(x, "__op__") else x


def plain_index(index: Any) -> Any:
    """An index with tensors and lists as arrays of its own, so that later changes do no harm."""
    if index.__class__ is int or index.__class__ is slice:
        return index
    if isinstance(index, tuple):
        return tuple([plain_index(i) for i in index])
    if isinstance(index, np.ndarray | list) or hasattr(index, "__op__"):
        a = index.array if hasattr(index, "__op__") else np.asarray(index)
        if a.dtype.kind not in "iub" and a.size:
            raise IndexError(f"getitem: an index is ints, bools or slices, not {a.dtype}")
        return a.astype(a.dtype if a.size else int)
    return index


def is_int(x: Any) -> bool:
    """Whether an entry of an index is one int."""
    return isinstance(x, int | np.integer) and not isinstance(x, bool)


def ints_first(index: Any) -> Any:
    """An index in two that come one after the other, as in PyTorch, where ints stand apart from
    arrays: with the ints alone, and without them. None elsewhere, where NumPy gives the same, and
    where NumPy is meant."""
    if index.__class__ is not tuple or mode.numpy:
        return None
    at = [k for k, i in enumerate(index) if not isinstance(i, slice | None | type(...))]
    if not at or at[-1] - at[0] < len(at) or not any(map(is_int, index)):
        return None
    ints: list[Any] = []
    rest: list[Any] = []
    for i in index:
        if is_int(i):
            ints.append(i)
            continue
        rest.append(i)
        if i is ...:
            ints.append(i)
        elif i is not None:  # a mask is about as many axes as it has
            ints += [slice(None)] * (np.ndim(i) if getattr(i, "dtype", None) == bool else 1)
    return tuple(ints), tuple(rest)


def unboxed(x: Any) -> Any:
    """Arrays in place of tensors, also inside tuples, lists and dictionaries."""
    if hasattr(x, "__op__"):
        return x.array
    if isinstance(x, tuple | list):
        return type(x)(unboxed(item) for item in x)
    return {k: unboxed(v) for k, v in x.items()} if isinstance(x, dict) else x


def number(x: Any) -> Any:
    """A number of NumPy, as np.sqrt(2), as Python's, which keeps float32; all else as it is."""
    if mode.numpy or not isinstance(x, np.number):
        return x
    return float(x) if isinstance(x, np.floating) else x.item()  # that of a longdouble is itself


def narrowed(op: Any, sources: Any, args: Any, y: Any) -> Any:
    """Inputs that give PyTorch's float type where NumPy made float64 of integers, or float16 of
    short ones: that of the floats, or the default one. None where it is right, or NumPy's is
    wanted."""
    kinds = [a.dtype.kind if hasattr(a, "dtype") else "" for a in args]  # "" of Python's numbers
    floats = [a.dtype for a, kind in zip(args, kinds, strict=True) if kind == "f"]
    dtype = np.result_type(*floats) if floats else default_dtype
    if mode.numpy or op.kind in ("", "view") or dtype == y.dtype or not set(kinds) & set("iub"):
        return None
    return tuple(
        [
            (a if p is None else p)
            if kind in "f"
            else a.astype(dtype)
            if p is None
            else p.to(dtype)
            for p, a, kind in zip(sources, args, kinds, strict=True)
        ]
    )


def shaped(*given: Any) -> tuple[Array, bool, str]:
    """What `Tensor(2, 3)` is made of: zeros, and what among the arguments is no size."""
    dims = [n for n in given if isinstance(n, int) and not isinstance(n, bool)]
    if min(dims) < 0:
        raise ValueError(
            f"Tensor: sizes {dims}; ints are sizes here, and for a number write tensor({dims[0]})"
        )
    return (
        np.zeros(dims, get_default_dtype()),
        any(a is True or a is np.True_ for a in given),
        "".join(a for a in given if isinstance(a, str)),
    )


def zero_of(x: Any) -> int:
    """0, of bools False, with which they stay bools."""
    return False if x.dtype == bool else 0


def framed(x: Any, width: Any, value: float) -> Any:
    """NumPy's pad with one value, which takes 30 us for a small array where this takes 5."""
    if x.__class__ is not np.ndarray:  # a Symbol shows NumPy's name
        return np.pad(x, width or 0, constant_values=value)
    along = [*zip(x.shape, width, strict=True)]
    y = np.full([n + low + high for n, (low, high) in along], value, x.dtype)
    y[tuple([slice(low, low + n) for n, (low, _) in along])] = x
    return y
