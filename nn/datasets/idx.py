"""IDX files, the format of MNIST and of the sets made after it; checksums say which is which."""

import math
import os
import re
import zlib
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from .kinds import looks_like


class _File(NamedTuple):
    name: str  # unpacked; with .gz appended, packed
    packed: int  # bytes of the .gz
    md5: str  # of the unpacked file


_FILES = (
    _File("train-images-idx3-ubyte", 9_912_422, "6bbc9ace898e44ae57da46a324031adb"),
    _File("train-labels-idx1-ubyte", 28_881, "a25bea736e30d166cdddb491f175f624"),
    _File("t10k-images-idx3-ubyte", 1_648_877, "2646ac647ad5339dbf082846283269ea"),
    _File("t10k-labels-idx1-ubyte", 4_542, "27ae3e4e09519cfbb04c329615203637"),
)
_KNOWN = {  # MD5 of the file as it is published, packed but for MNIST
    **{file.md5: f"MNIST {file.name}" for file in _FILES},
    "8d4fb7e6c68d591d4c3dfef9ec88bf0d": "Fashion-MNIST train-images-idx3-ubyte",
    "25c81989df183df01b3e8a0aad5dffbe": "Fashion-MNIST train-labels-idx1-ubyte",
    "bef4ecab320f06d8554ea6380940ec79": "Fashion-MNIST t10k-images-idx3-ubyte",
    "bb300cfdad3c16e7a12a480ee83cd310": "Fashion-MNIST t10k-labels-idx1-ubyte",
    "bdb82020997e1d708af4cf47b453dcf7": "KMNIST train-images-idx3-ubyte",
    "e144d726b3acfaa3e44228e80efcd344": "KMNIST train-labels-idx1-ubyte",
    "5c965bf0a639b31b8f53240b1b52f4d7": "KMNIST t10k-images-idx3-ubyte",
    "7320c461ea6c1c855c0b718fb2a4b134": "KMNIST t10k-labels-idx1-ubyte",
    "ed72d4157d28c017586c42bc6afe6370": "QMNIST train-images-idx3-ubyte",
    "0058f8dd561b90ffdd0f734c6a30e5e4": "QMNIST train-labels-idx2-int",
    "1394631089c404de565df7b7aeaf9412": "QMNIST test-images-idx3-ubyte",
    "5b5b05890a5e13444e108efe57b788aa": "QMNIST test-labels-idx2-int",
}
_GZIP = b"\x1f\x8b"
_DTYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}  # by the third byte


def read_idx(path: str | os.PathLike[str]) -> NDArray[Any]:
    """Return the array in an IDX file, packed with gzip or not, whatever its name.

    Its dtype is the file's: uint8, int8, int16, int32, float32 or float64. ValueError if it is no
    IDX file, with what it looks like instead, or is cut off or damaged.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "labels")
    ...     with open(path, "wb") as file:
    ...         _ = file.write(b"\\0\\0\\x08\\x01" + b"\\0\\0\\0\\x03" + bytes([5, 0, 4]))
    ...     read_idx(path).tolist()
    [5, 0, 4]
    """
    return _array("read_idx", os.fspath(path), _unpacked("read_idx", os.fspath(path)))


def identify(path: str | os.PathLike[str]) -> str:
    """Return which published file this is by its checksum, "" if it is none that is known.

    Known are MNIST's four, packed in any way, and those of Fashion-MNIST, KMNIST and QMNIST as
    they are published. ValueError if it is damaged.

    >>> identify("data/mnist/t10k-labels-idx1-ubyte.gz")  # doctest: +SKIP
    'MNIST t10k-labels-idx1-ubyte'
    """
    import hashlib

    with open(path, "rb") as stream:
        raw = stream.read()
    for content in (raw, _unpacked("identify", os.fspath(path), raw)):
        name = _KNOWN.get(hashlib.md5(content, usedforsecurity=False).hexdigest())
        if name is not None:
            return name
    return ""


def mnist(
    folder: str | os.PathLike[str] | None = None, train: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return the training, or test, images with labels of MNIST, or of a set in its format.

    images: uint8 (n, 28, 28), 0 is background and 255 full ink. labels: int64 (n,), 0 to 9. MNIST
    has 60,000 and 10,000.

    Nothing is downloaded. The files `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`,
    `t10k-images-idx3-ubyte.gz` and `t10k-labels-idx1-ubyte.gz` are looked for in `folder`, or
    without it in the folder that the environment variable AUTOGRAD_LITE_DATA names, and then in
    the subfolder `mnist` of that folder. A file may also be unpacked, without the .gz; if both are
    there, the .gz counts. Other spellings are found too: `train-images.idx3-ubyte`, with `test` for
    t10k, or with the name of a set in front, as those of Fashion-MNIST, KMNIST and EMNIST (whose
    images are transposed). Only the two files asked for need to be present. `identify` tells by the
    checksum which set a file is of.

    FileNotFoundError if one of these two is missing; it lists every missing file of the four.
    ValueError if a file is damaged, is something else (it says what), or if there are several.

    Origin: Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", made
    from NIST Special Databases 1 and 3. Copyright Y. LeCun and C. Cortes; CC BY-SA 3.0 as widely
    restated.

    >>> images, labels = mnist("data/mnist", train=False)  # doctest: +SKIP
    >>> images.shape, labels[:5].tolist()  # doctest: +SKIP
    ((10000, 28, 28), [7, 2, 1, 0, 4])
    """
    root = os.fspath(folder) if folder is not None else os.environ.get("AUTOGRAD_LITE_DATA", "")
    images, labels = _FILES[:2] if train else _FILES[2:]
    paths = {file.name: _find(root, file.name) for file in _FILES}
    images_path, labels_path = paths[images.name], paths[labels.name]
    if images_path is None or labels_path is None:
        where = (
            f"missing in {root!r} and its subfolder 'mnist'" if root else "no folder is named for"
        )
        files = "".join(
            f"  {file.name}.gz ({file.packed} bytes)\n"
            for file in _FILES
            if paths[file.name] is None
        )
        raise FileNotFoundError(
            f"mnist: {where}:\n{files}Put them, or the unpacked files without .gz, into one folder "
            f"and name it: mnist(folder), or the environment variable AUTOGRAD_LITE_DATA."
        )
    x, y = (_array("mnist", p, _unpacked("mnist", p)) for p in (images_path, labels_path))
    if x.ndim != 3 or x.dtype != np.uint8 or y.shape != x.shape[:1]:
        raise ValueError(
            f"mnist: {images_path} and {labels_path} hold {x.dtype} {x.shape} and {y.dtype} "
            f"{y.shape}, not images (n, 28, 28) and their n labels: a wrong magic, or other files; "
            "read_idx reads each as it is"
        )
    return x, y.astype(np.int64)


def _find(root: str, name: str) -> str | None:
    """The file of this name, or of another spelling of it."""
    part, what = name.split("-")[:2]
    part = "(t10k|test)" if part == "t10k" else part
    spelt = re.compile(
        rf"(.*[-_.])?{part}[-_.]{what}([-_.]idx\d)?([-_.]ubyte)?(\.gz)?", re.IGNORECASE
    )
    for folder in (root, os.path.join(root, "mnist")) if root else ():
        for path in (os.path.join(folder, f"{name}.gz"), os.path.join(folder, name)):
            if os.path.isfile(path):
                return path
        if os.path.isdir(folder):
            found = {n: m for n in sorted(os.listdir(folder)) if (m := spelt.fullmatch(n))}
            if len({match[1] for match in found.values()}) > 1:
                raise ValueError(
                    f"mnist: {folder!r} holds several sets: {', '.join(found)}; give each a folder "
                    "of its own, or name a file: read_idx(path)"
                )
            if found:
                return os.path.join(folder, max(found, key=lambda n: n.lower().endswith(".gz")))
    return None


def _unpacked(where: str, path: str, raw: bytes | None = None) -> bytes:
    """The bytes of a file, unpacked as often as it was packed."""
    if raw is None:
        with open(path, "rb") as stream:
            raw = stream.read()
    if path.endswith(".gz") and not raw.startswith(_GZIP) and raw[:2] != b"\0\0":
        raise ValueError(f"{where}: {path} is not a gzip file: {looks_like(raw)}")
    while raw.startswith(_GZIP):
        import gzip

        try:
            raw = gzip.decompress(raw)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(
                f"{where}: {path} is damaged gzip, of {len(raw)} bytes: {error}; get it again"
            ) from error
    return raw


def _array(where: str, path: str, raw: bytes) -> NDArray[Any]:
    # Two zeros, the type, the number of axes, then the sizes as big-endian 32-bit words
    dtype = _DTYPES.get(raw[2]) if len(raw) > 3 and raw[:2] == b"\0\0" else None
    if dtype is None:
        raise ValueError(
            f"{where}: {path} is not an IDX file: it has a wrong magic, {raw[:4]!r}; "
            f"{looks_like(raw)}"
        )
    start = 4 + 4 * raw[3]
    shape = tuple(int.from_bytes(raw[i : i + 4], "big") for i in range(4, start, 4))
    expected = start + math.prod(shape) * np.dtype(dtype).itemsize
    if len(raw) != expected:
        raise ValueError(
            f"{where}: {path} has {len(raw)} bytes unpacked, and its header says {shape} of "
            f"{np.dtype(dtype).name}, which takes {expected}: it is cut off, or has a wrong magic "
            "or wrong counts; get it again"
        )
    a = np.frombuffer(raw, dtype, offset=start).reshape(shape)
    return a.astype(a.dtype.newbyteorder("="))
