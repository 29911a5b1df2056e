"""What PyTorch's `to` and its kind ask for: another dtype, or a device, which is the CPU."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from .engine.methods import on_tensors
from .engine.op import ops
from .engine.tensor import Tensor, record


class device:
    """Where a tensor is: `device("cpu")`, the only one. RuntimeError for another.

    >>> tensor([1.0]).device
    device(type='cpu')
    """

    __slots__ = ("index",)

    type = "cpu"

    def __init__(self, type: Any = "cpu", index: int | None = None) -> None:
        require_cpu("device", type)
        name = str(type)
        self.index = int(name[4:]) if name[4:] else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.index == other.index

    def __hash__(self) -> int:
        return hash(self.index)

    def __str__(self) -> str:
        return "cpu" if self.index is None else f"cpu:{self.index}"

    def __repr__(self) -> str:
        return f"device(type='cpu'{'' if self.index is None else f', index={self.index}'})"


def require_cpu(name: str, where: Any) -> None:
    """RuntimeError unless `where` is None or names the CPU, as ours and PyTorch's `device` do."""
    if where is not None and re.fullmatch(r"cpu(:\d+)?", str(where)) is None:
        raise RuntimeError(
            f"{name}: device {str(where)!r} is not here: tensors are NumPy arrays, on the CPU; "
            "leave it out, or choose 'cuda' if cuda.is_available(), which is False"
        )


def dtype_of(
    name: str,
    *asked: Any,
    dtype: Any = None,
    device: Any = None,
    other: Any = None,
    non_blocking: bool = False,
    memory_format: Any = None,
) -> np.dtype[Any] | None:
    """The dtype that the arguments of PyTorch's `to` ask for, None if they only name the CPU."""
    require_cpu(name, device)
    for x in (*asked, dtype, other):
        if hasattr(x, "__op__") or isinstance(x, np.ndarray):
            dtype = x.dtype
        elif x is not None and x is not True and x is not False:
            try:
                dtype = np.dtype(x)
            except TypeError:
                getattr(x, "dtype", None)  # bfloat16's says what it is
                if isinstance(x, str) and re.fullmatch(r"[a-z]+(:\d+)?", x) is None:
                    raise TypeError(
                        f"{name}: {x!r} is neither a dtype of NumPy nor 'cpu'"
                    ) from None
                require_cpu(name, x)
    return None if dtype is None else np.dtype(dtype)


class Layout:
    """What PyTorch's `Tensor.layout` is: the elements lie in strides, as all do here.

    >>> zeros(2).layout
    strided
    """

    def __repr__(self) -> str:
        return "strided"

    __reduce__ = __repr__  # copies and pickles are the one that there is


strided = Layout()

WORDS = {  # of PyTorch's kinds of tensors, which NumPy has other words for
    "Float": "float32", "Double": "float64", "Half": "float16", "Byte": "uint8", "Char": "int8",
    "Short": "int16", "Int": "int32", "Long": "int64", "Bool": "bool",
}  # fmt: skip


def dtype_named(kind: Any) -> np.dtype[Any]:
    """The dtype of a TensorType, of a name like "torch.FloatTensor", or of what NumPy knows."""
    if isinstance(kind, str):
        kind = WORDS.get(kind.rpartition(".")[2].removesuffix("Tensor"), kind)
    return np.dtype(getattr(kind, "dtype", kind))


def type_name(dtype: Any) -> str:
    """PyTorch's name of a kind of tensor."""
    return f"torch.{next((w for w, name in WORDS.items() if dtype == name), dtype)}Tensor"


@on_tensors
class Conversions:
    """Methods of Tensors that give the elements in another dtype, or say what they are."""

    def to(self: Any, *asked: Any, copy: bool = False, **named: Any) -> Tensor:
        """The elements in another dtype, or in that of another tensor, self if they have it already
        and no `copy` is wanted. The only device is the CPU.

        >>> tensor([1.0]).to("cpu").to("float64").dtype
        dtype('float64')
        """
        dtype = dtype_of("to", *asked, **named)
        if dtype is None or dtype == self.array.dtype:
            return self.clone() if copy else self
        if dtype.kind != "f":  # ints and bools have no gradient
            return Tensor(self.array.astype(dtype))
        made = record(ops.cast, (self,), {"dtype": dtype})
        if self.op is None and made.op is not None:
            made._more().kept = made.sources, made.args
        return made

    def astype(
        self: Any,
        dtype: Any,
        order: str = "K",
        casting: str = "unsafe",
        subok: bool = True,
        copy: bool = True,
    ) -> Tensor:
        """`to`, with NumPy's words, which change nothing here."""
        return self.to(dtype)

    def float(self: Any) -> Tensor:
        """As float32."""
        return self.to(np.float32)

    def double(self: Any) -> Tensor:
        """As float64."""
        return self.to(np.float64)

    def long(self: Any) -> Tensor:
        """As int64."""
        return self.to(np.int64)

    def half(self: Any) -> Tensor:
        """As float16."""
        return self.to(np.float16)

    def int(self: Any) -> Tensor:
        """As int32."""
        return self.to(np.int32)

    def short(self: Any) -> Tensor:
        """As int16."""
        return self.to(np.int16)

    def char(self: Any) -> Tensor:
        """As int8."""
        return self.to(np.int8)

    def byte(self: Any) -> Tensor:
        """As uint8."""
        return self.to(np.uint8)

    def bool(self: Any) -> Tensor:
        """As bool: whether each element is not 0."""
        return self.to(np.bool_)

    def type(self: Any, dtype: Any = None, non_blocking: Any = False) -> Any:
        """`to` with a dtype or a kind of tensor, LongTensor or its name; without, that name.

        >>> tensor([1.5]).type("torch.LongTensor"), tensor([1.5]).type()
        (tensor([1]), 'torch.FloatTensor')
        """
        return type_name(self.dtype) if dtype is None else self.to(dtype_named(dtype))

    def type_as(self: Any, other: Any) -> Tensor:
        """In the dtype of another tensor."""
        return self.to(other.dtype)

    def cpu(self: Any, memory_format: Any = None) -> Tensor:
        """Self: all tensors are on the CPU."""
        return self

    def cuda(self: Any, *device: Any, **options: Any) -> Tensor:
        """RuntimeError: there is the CPU alone."""
        return self.to("cuda")

    def is_floating_point(self: Any) -> Any:
        """Whether the elements are floats."""
        return self.dtype.kind == "f"

    def is_complex(self: Any) -> Any:
        """Whether the elements are complex numbers: never."""
        return False

    def get_device(self: Any) -> Any:
        """-1, as PyTorch has it on the CPU."""
        return -1

    def element_size(self: Any) -> Any:
        """How many bytes an element has."""
        return self.dtype.itemsize

    device = property(lambda self: device(), doc="Where it is: the CPU.")
    layout = property(lambda self: strided, doc="How the elements lie in memory: in strides.")
    is_cpu = property(lambda self: True, doc="Whether it is on the CPU: always.")
    is_sparse = property(lambda self: False, doc="Whether it keeps few elements alone: never.")
    is_quantized = property(lambda self: False, doc="Whether its numbers are codes: never.")
    is_cuda = property(lambda self: False, doc="Whether it is on a GPU: never.")
    itemsize = property(element_size, doc="How many bytes an element has.")
    nbytes = property(lambda self: self.array.nbytes, doc="How many bytes the elements have.")
