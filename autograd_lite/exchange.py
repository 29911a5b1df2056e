"""Arrays from other libraries and to them, without a copy where both can share the memory."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .engine.arrays import as_array, check_unmasked
from .engine.methods import on_tensors
from .engine.tape import Array
from .engine.tensor import Tensor


@on_tensors
class Lending:
    """What other libraries call to share the memory of a Tensor: the DLPack protocol."""

    def __dlpack__(self: Any, **kw: Any) -> Any:
        if self.requires_grad:
            raise BufferError("__dlpack__: this tensor requires grad; hand over its detach()")
        return self.array.__dlpack__(**kw)

    def __dlpack_device__(self: Any) -> tuple[int, int]:
        return self.array.__dlpack_device__()


def from_numpy(a: Any) -> Tensor:
    """A tensor that shares the memory of an array: a change of one is seen in the other.

    TypeError for anything but an array of numbers.

    >>> a = np.zeros(2)
    >>> t = from_numpy(a)
    >>> a[0] = 5
    >>> t.tolist()
    [5.0, 0.0]
    """
    if not isinstance(a, np.ndarray):
        raise TypeError(f"from_numpy: takes an ndarray, not a {type(a).__name__}; tensor(x) copies")
    return Tensor(as_array(a))


def from_dlpack(ext_tensor: Any) -> Tensor:
    """A tensor that shares the memory of an array of any library on the CPU, by DLPack's protocol.

    `torch.from_dlpack(t)`, `np.from_dlpack(t)` and JAX's take ours in the same way. An array that
    its library never changes, as JAX's, makes a tensor that cannot be changed in place. TypeError
    if it has no `__dlpack__` or NumPy has not its dtype or device; what its library raises, if that
    does not hand it over.

    >>> from_dlpack(np.arange(3)).tolist()
    [0, 1, 2]
    """
    if not hasattr(ext_tensor, "__dlpack__"):
        raise TypeError(
            f"from_dlpack: a {type(ext_tensor).__name__} has no __dlpack__; tensor(x) copies"
        )
    try:
        a = np.from_dlpack(ext_tensor)
        if not a.flags.writeable and hasattr(ext_tensor, "numpy"):  # NumPy 2.0 marks all arrays so
            a = ext_tensor.numpy()
        return Tensor(a)
    except RuntimeError as error:  # a dtype or a device that NumPy has not
        raise TypeError(
            f"from_dlpack: NumPy does not take this {type(ext_tensor).__module__.split('.')[0]} "
            f"array ({error}); convert it to a float32 on the CPU"
        ) from error


def loaded() -> Any:
    """The torch that somebody has imported, or None; it is not imported for the question."""
    return sys.modules.get("torch")


def values_of(x: Any) -> Array:
    """The elements of an array or a tensor of any library, without its record.

    They share its memory where NumPy can have it. What NumPy has not, as bfloat16, is float32.
    """
    if hasattr(x, "__op__"):
        return x.array
    if hasattr(x, "detach"):  # PyTorch, which gives NumPy no record, no other device, no bfloat16
        x = x.detach().cpu()
        x = x.float() if "float8" in str(x.dtype) or "bfloat16" in str(x.dtype) else x
    check_unmasked(x)
    a = np.asarray(x)
    return a.astype(np.float32) if a.dtype.kind == "V" and not a.dtype.names else a
