"""PyTorch's .pt and .pth files without PyTorch: trees of arrays in a zip archive, read and written.

The structure of such a file is a pickle. It is never handed to the pickle module, which would run
what the file names: its opcodes are gone through here, and make tensors, dictionaries, lists,
tuples, numbers and strings, and nothing else. What the file asks to be made beside these is left
out.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
import zipfile
from collections.abc import Callable, Mapping
from functools import cache
from typing import IO, Any, NamedTuple

import numpy as np

from .archives import Entry, Later

Array = np.ndarray[Any, Any]

__all__ = ["Global", "LeftOut", "Storage", "decoded", "read", "write"]

# ---- dtypes that NumPy has not -------------------------------------------------------------------

SMALL_FLOATS = {  # bits of the exponent, its bias, which codes are no finite numbers
    "F8_E4M3": (4, 7, "top"),
    "F8_E5M2": (5, 15, "ieee"),
    "F8_E4M3FNUZ": (4, 8, "zero"),
    "F8_E5M2FNUZ": (5, 16, "zero"),
}


def decoded(dtype: str, data: bytes | bytearray) -> Array:
    """The elements of a dtype by its name in .safetensors, those NumPy has not as float32.

    KeyError for a dtype that is not known.
    """
    if dtype == "BF16":
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    if dtype == "F8_E8M0":  # a power of two, which float64 holds
        powers = np.append(np.ldexp(1.0, np.arange(-127, 128)), np.nan).astype(np.float32)
        return powers[np.frombuffer(data, np.uint8)]
    if dtype in SMALL_FLOATS:
        return _small_floats(*SMALL_FLOATS[dtype])[np.frombuffer(data, np.uint8)]
    return np.frombuffer(data, NUMPY[dtype])


def _small_floats(exponent_bits: int, bias: int, special: str) -> Array:
    """The values of the 256 codes of an 8-bit float."""
    codes = np.arange(256)
    bits = 7 - exponent_bits
    exponent, fraction = (codes >> bits) & (2**exponent_bits - 1), codes & (2**bits - 1)
    size = np.ldexp(fraction / 2**bits + (exponent > 0), np.maximum(exponent, 1) - bias)
    if special == "ieee":  # as in float16, the largest exponent is for infinity and NaN
        size[exponent == 2**exponent_bits - 1] = np.nan
        size[codes & 127 == (2**exponent_bits - 1) << bits] = np.inf
    size[codes == 128 if special == "zero" else codes & 127 == 127] = np.nan
    return np.where(codes < 128, size, -size).astype(np.float32)


NUMPY = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1", "BOOL": "?", "C64": "<c8", "C128": "<c16",
}  # fmt: skip
# bytes of an element in a file, where it comes as float32
SIZES = {"BF16": 2, "F8_E8M0": 1, **dict.fromkeys(SMALL_FLOATS, 1)}
STORAGES = {  # of torch; those without a class have their dtype beside an UntypedStorage
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8",
    "ByteStorage": "U8", "BoolStorage": "BOOL", "ComplexFloatStorage": "C64",
    "ComplexDoubleStorage": "C128",
}  # fmt: skip
DTYPES = {
    "float64": "F64", "float32": "F32", "float16": "F16", "bfloat16": "BF16", "int64": "I64",
    "int32": "I32", "int16": "I16", "int8": "I8", "uint64": "U64", "uint32": "U32", "uint16": "U16",
    "uint8": "U8", "bool": "BOOL", "complex64": "C64", "complex128": "C128",
    "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ", "float8_e8m0fnu": "F8_E8M0",
}  # fmt: skip
CLASS_OF = {np.dtype(NUMPY[v]): k for k, v in STORAGES.items() if v in NUMPY}
NAME_OF = {np.dtype(NUMPY[v]): k for k, v in DTYPES.items() if v in NUMPY}

# ---- reading -------------------------------------------------------------------------------------


class Global(NamedTuple):
    """A name that the file refers to, which is not looked up."""

    name: str


class Storage(NamedTuple):
    """Bytes of the archive and the dtype of their elements, None if a tensor tells it."""

    dtype: str | None
    entry: Entry
    name: str = "a storage without a shape"


class LeftOut(NamedTuple):
    """What stands in the place of an object that only code could make."""

    name: str


def read(found: Mapping[str, Entry]) -> Any:
    """The tree in the archive of torch.save: `Later` for tensors, `LeftOut` for what is no data.

    ValueError, or what Python raises at nonsense, if the file is damaged.
    """
    (main,) = (n for n in found if n.split("/")[-1] == "data.pkl")
    folder = main.removesuffix("data.pkl")
    if f"{folder}constants.pkl" in found:
        raise ValueError(
            "it is a TorchScript program; in PyTorch, torch.save(torch.jit.load(path)"
            ".state_dict(), path) makes a file of its tensors"
        )
    if f"{folder}byteorder" in found and found[f"{folder}byteorder"].read() != b"little":
        raise ValueError("it was written on a big-endian machine")
    return Reader(lambda key: found[f"{folder}data/{key}"]).run(bytes(found[main].read()))


class Reader:
    """A stack machine that knows the opcodes of data."""

    def __init__(self, entry_of: Callable[[str], Entry]) -> None:
        self.entry_of = cache(entry_of)
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, pickle: bytes) -> Any:
        at, file = 0, io.BytesIO(pickle)
        while pickle[at] != STOP:  # pickletools.genops takes three times as long
            opcode = OPCODES[pickle[at]]
            size: Any = opcode.size
            value: Any = None
            at += 1
            if size is None:
                file.seek(at)
                value = opcode.read(file)
                at = file.tell()
            elif size:
                value = opcode.read(pickle[at : at + size])
                at += size
                if opcode.text:  # it was the size of what follows
                    size = value
                    value = opcode.text(pickle[at : at + size])
                    at += size
            opcode.step(self, value)
        (result,) = self.stack
        return result

    def pop(self, n: int) -> list[Any]:
        found = self.stack[len(self.stack) - n :]
        if len(found) < n:
            raise ValueError("its structure is damaged")
        del self.stack[len(self.stack) - n :]
        return found

    def pop_mark(self) -> list[Any]:
        return self.pop(len(self.stack) - self.marks.pop())

    def set_items(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], dict):
            self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def append(self, items: list[Any]) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def reduce(self) -> None:
        made, args = self.pop(2)
        name = made.name if isinstance(made, Global | LeftOut) else repr(type(made))
        make = MAKERS.get(name)
        try:
            self.stack.append(LeftOut(f"{name}{OBJECT}") if make is None else make(*args))
        except KeyError as error:  # a dtype that we do not know
            self.stack.append(LeftOut(f"{name} of {error}"))

    def storage(self) -> None:
        ((_, kind, key, *_),) = self.pop(1)
        dtype = STORAGES.get(kind.name.removeprefix("torch."))
        self.stack.append(Storage(dtype, self.entry_of(key)))


OBJECT = ", an object that only code could make"
Step = Callable[[Reader, Any], Any]
STOP = ord(".")
LITERALS = (
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT",
    "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
)  # fmt: skip
CONSTANTS: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple,
    "EMPTY_SET": lambda: LeftOut("set"),
}  # fmt: skip


def _constant(make: Callable[[], Any]) -> Step:
    return lambda r, v: r.stack.append(make())


STEPS: dict[str, Step] = {
    "PROTO": lambda r, v: None,
    "FRAME": lambda r, v: None,
    **{name: lambda r, v: r.stack.append(v) for name in LITERALS},
    **{name: _constant(make) for name, make in CONSTANTS.items()},
    "MARK": lambda r, v: r.marks.append(len(r.stack)),
    "TUPLE": lambda r, v: r.stack.append(tuple(r.pop_mark())),
    "TUPLE1": lambda r, v: r.stack.append(tuple(r.pop(1))),
    "TUPLE2": lambda r, v: r.stack.append(tuple(r.pop(2))),
    "TUPLE3": lambda r, v: r.stack.append(tuple(r.pop(3))),
    "APPEND": lambda r, v: r.append(r.pop(1)),
    "APPENDS": lambda r, v: r.append(r.pop_mark()),
    "SETITEM": lambda r, v: r.set_items(r.pop(2)),
    "SETITEMS": lambda r, v: r.set_items(r.pop_mark()),
    "ADDITEMS": lambda r, v: r.pop_mark(),
    "PUT": lambda r, v: r.memo.update({v: r.stack[-1]}),
    "BINPUT": lambda r, v: r.memo.update({v: r.stack[-1]}),
    "LONG_BINPUT": lambda r, v: r.memo.update({v: r.stack[-1]}),
    "MEMOIZE": lambda r, v: r.memo.update({len(r.memo): r.stack[-1]}),
    "GET": lambda r, v: r.stack.append(r.memo[v]),
    "BINGET": lambda r, v: r.stack.append(r.memo[v]),
    "LONG_BINGET": lambda r, v: r.stack.append(r.memo[v]),
    "GLOBAL": lambda r, v: r.stack.append(Global(v.replace(" ", "."))),
    "STACK_GLOBAL": lambda r, v: r.stack.append(Global(".".join(r.pop(2)))),
    "REDUCE": lambda r, v: r.reduce(),
    "NEWOBJ": lambda r, v: r.reduce(),
    "BUILD": lambda r, v: r.pop(1),  # attributes, such as a state_dict's _metadata
    "BINPERSID": lambda r, v: r.storage(),
}


class Opcode(NamedTuple):
    """What an opcode does, and how many bytes its argument has: None if its reader has to see."""

    step: Step
    size: int | None
    read: Callable[[Any], Any]
    text: Callable[[bytes], Any] | None = None


def _unsigned(data: bytes) -> int:
    return int.from_bytes(data, "little")


def _signed(data: bytes) -> int:
    return int.from_bytes(data, "little", signed=True)


def _utf8(data: bytes) -> str:
    return str(data, "utf-8", "surrogatepass")


def _refusal(name: str) -> Step:
    def step(reader: Reader, value: Any) -> None:
        raise ValueError(f"its structure uses {name}, which is not of data")

    return step


SHORT = {  # the frequent ones
    "BININT": (4, _signed), "BININT1": (1, _unsigned), "BININT2": (2, _unsigned),
    "BINPUT": (1, _unsigned), "LONG_BINPUT": (4, _unsigned), "BINGET": (1, _unsigned),
    "LONG_BINGET": (4, _unsigned), "BINUNICODE": (4, _unsigned, _utf8),
    "SHORT_BINUNICODE": (1, _unsigned, _utf8), "LONG1": (1, _unsigned, _signed),
}  # fmt: skip
OPCODES = {
    ord(o.code): Opcode(
        STEPS.get(o.name) or _refusal(o.name),
        *(SHORT.get(o.name) or ((None, o.arg.reader) if o.arg else (0, _unsigned))),
    )
    for o in pickletools.opcodes
}


def _tensor(
    storage: Storage, offset: int, shape: Any, strides: Any, *rest: Any, dtype: str | None = None
) -> Later:
    kind = dtype or storage.dtype or ""
    made = decoded(kind, b"").dtype
    size = storage.entry.size // SIZES.get(kind, made.itemsize)
    last = offset + sum((n - 1) * s for n, s in zip(shape, strides, strict=True))
    if min(offset, *shape, *strides, 0) < 0 or (min(shape, default=1) > 0 and last >= size):
        raise ValueError("a tensor reaches out of its storage")

    def read() -> Array:
        if min(shape, default=1) == 0:
            return np.zeros(shape, made)
        flat = decoded(kind, storage.entry.read())
        steps = [s * flat.itemsize for s in strides]
        return np.ndarray(shape, made, flat, offset * flat.itemsize, steps).copy()

    return Later(tuple(shape), made, read)


def _dtyped(*args: Any) -> Later:
    return _tensor(*args[:4], dtype=DTYPES[args[6].name.removeprefix("torch.")])


MAKERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": dict,
    "torch._utils._rebuild_tensor": _tensor,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_tensor_v3": _dtyped,
    "torch._utils._rebuild_parameter": lambda data, *rest: data,
    "torch.Size": tuple,
    "torch.device": lambda kind, *index: ":".join(map(str, [kind, *index])),
}

# ---- writing -------------------------------------------------------------------------------------


def write(file: IO[bytes], tree: Any) -> None:
    """Write a tree of arrays, numbers, strings and None as torch.save does."""
    arrays: list[Array] = []
    pickle = b"\x80\x02" + b"".join(_pickled(tree, arrays)) + b"."
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", pickle)
        archive.writestr("archive/byteorder", b"little")
        for i, a in enumerate(arrays):
            with archive.open(f"archive/data/{i}", "w", force_zip64=True) as entry:
                entry.write(a.astype(a.dtype.newbyteorder("<"), copy=False).tobytes())
        archive.writestr("archive/version", b"3\n")


def _pickled(x: Any, arrays: list[Array]) -> list[bytes]:
    """The opcodes that make `x`."""
    if isinstance(x, Mapping):
        parts = [b for item in x.items() for part in item for b in _pickled(part, arrays)]
        return [b"}(", *parts, b"u"]
    if isinstance(x, list | tuple):
        first, last = (b"](", b"e") if isinstance(x, list) else (b"(", b"t")
        return [first, *[b for item in x for b in _pickled(item, arrays)], last]
    if isinstance(x, np.ndarray):
        return _pickled_array(x, arrays)
    if x is None or isinstance(x, bool):
        return [{None: b"N", True: b"\x88", False: b"\x89"}[x]]
    if isinstance(x, int):
        data = x.to_bytes(x.bit_length() // 8 + 1, "little", signed=True)
        return [b"\x8a" + struct.pack("<B", len(data)) + data]
    if isinstance(x, float):
        return [b"G" + struct.pack(">d", x)]
    text = x.encode()
    return [b"X" + struct.pack("<I", len(text)) + text]


def _pickled_array(a: Array, arrays: list[Array]) -> list[bytes]:
    """A call of PyTorch's function that makes a tensor of a storage."""
    key = str(len(arrays))
    arrays.append(a)
    little = a.dtype.newbyteorder("<")
    kind, more = CLASS_OF.get(little), b""
    make, place = b"ctorch._utils\n_rebuild_tensor_v2\n", f"ctorch\n{kind}\n".encode()
    if kind is None:
        make = b"ctorch._utils\n_rebuild_tensor_v3\n"
        place = b"ctorch.storage\nUntypedStorage\n"
        more = f"ctorch\n{NAME_OF[little]}\n".encode()
    steps = tuple(math.prod(a.shape[i + 1 :]) for i in range(a.ndim))
    size = a.size if kind else a.nbytes

    def plain(x: Any) -> bytes:
        return b"".join(_pickled(x, []))

    storage = [b"(", plain("storage"), place, plain(key), plain("cpu"), plain(size), b"tQ"]
    layout = [plain(0), plain(a.shape), plain(steps), b"\x89ccollections\nOrderedDict\n)R"]
    return [make, b"(", *storage, *layout, more, b"tR"]
