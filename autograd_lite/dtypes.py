"""PyTorch's names of dtypes, which are NumPy's dtypes here, and of tensors of one dtype."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from .conversion import WORDS, dtype_named
from .engine.arrays import as_array, get_default_dtype, set_default_dtype
from .engine.axes import sizes
from .engine.tensor import Tensor

BITS = (8, 16, 32, 64)
DTYPES: dict[str, Any] = {
    **{f"{kind}{bits}": np.dtype(f"{kind}{bits}") for kind in ("int", "uint") for bits in BITS},
    **{f"float{bits}": np.dtype(f"float{bits}") for bits in BITS[1:]},
    "bool": np.dtype("bool"),
    "half": np.dtype("float16"),
    "float": np.dtype("float32"),
    "double": np.dtype("float64"),
    "short": np.dtype("int16"),
    "int": np.dtype("int32"),
    "long": np.dtype("int64"),
}


class Unheld:
    """A dtype that scripts name beside those they use, as `autocast(dtype=torch.bfloat16)` does:
    TypeError where a tensor is to have it.

    >>> {"bfloat16": bfloat16}["bfloat16"] == np.float32
    False
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.name  # copies and pickles are the one that there is

    @property
    def dtype(self) -> Any:
        raise TypeError(f"{self.name}: NumPy has no numbers as short as that; use float32")


bfloat16 = DTYPES["bfloat16"] = Unheld("bfloat16")


def finfo(dtype: Any = None) -> Any:
    """The limits of a float type, NumPy's `finfo`: of the default one unless given.

    >>> finfo().bits, finfo(bfloat16).eps
    (32, 0.0078125)
    """
    if dtype is bfloat16:  # 8 bits of an exponent, as float32, and 7 of a fraction
        whole, most = np.finfo(np.float32), (2 - 2**-7) * 2.0**127
        return SimpleNamespace(
            bits=16, eps=2**-7, max=most, min=-most, tiny=float(whole.tiny),
            smallest_normal=float(whole.tiny), resolution=0.01, dtype="bfloat16",
        )  # fmt: skip
    return np.finfo(get_default_dtype() if dtype is None else dtype)


class TensorType:
    """A kind of tensor: `LongTensor([1, 2])` is one of int64, `LongTensor(2, 3)` zeros of a shape.

    >>> LongTensor([1.0, 2.0]), isinstance(tensor([1.0]), FloatTensor)
    (tensor([1, 2]), True)
    """

    def __init__(self, name: str, dtype: str) -> None:
        self.__name__ = self.__qualname__ = name
        self.dtype = np.dtype(dtype)

    def __call__(self, *data: Any) -> Tensor:
        if len(data) == 1 and not isinstance(data[0], int):
            return Tensor(as_array(data[0]).astype(self.dtype))
        return Tensor(np.zeros(sizes(data), self.dtype))

    def __instancecheck__(self, x: object) -> bool:
        return isinstance(x, Tensor) and x.dtype == self.dtype

    def __repr__(self) -> str:
        return f"<a Tensor of {self.dtype}>"


TYPES = {f"{word}Tensor": TensorType(f"{word}Tensor", dtype) for word, dtype in WORDS.items()}
globals().update(TYPES)


def set_default_tensor_type(kind: Any) -> None:
    """Make Python floats become what a kind of tensor holds, `DoubleTensor` or its name.

    >>> set_default_tensor_type("torch.DoubleTensor"); tensor(1.0).dtype
    dtype('float64')
    >>> set_default_tensor_type(FloatTensor)
    """
    set_default_dtype(dtype_named(kind))
