"""MNIST from its four IDX files, each verified before it is used."""

import math
import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class _File(NamedTuple):
    name: str  # unpacked; with .gz appended, packed
    packed: int  # bytes of the .gz
    sha256: str  # of the .gz
    md5: str  # of the unpacked file
    shape: tuple[int, ...]

    @property
    def header(self) -> bytes:
        # IDX: big-endian 32-bit words: 0x0800 (unsigned bytes) + number of axes, then the sizes.
        return np.array([0x0800 + len(self.shape), *self.shape], ">u4").tobytes()


_FILES = (
    _File(
        "train-images-idx3-ubyte",
        9_912_422,
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "6bbc9ace898e44ae57da46a324031adb",
        (60_000, 28, 28),
    ),
    _File(
        "train-labels-idx1-ubyte",
        28_881,
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "a25bea736e30d166cdddb491f175f624",
        (60_000,),
    ),
    _File(
        "t10k-images-idx3-ubyte",
        1_648_877,
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "2646ac647ad5339dbf082846283269ea",
        (10_000, 28, 28),
    ),
    _File(
        "t10k-labels-idx1-ubyte",
        4_542,
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
        "27ae3e4e09519cfbb04c329615203637",
        (10_000,),
    ),
)


def mnist(
    folder: str | os.PathLike[str] | None = None, train: bool = True
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return MNIST's 60,000 training, or 10,000 test, images of handwritten digits with labels.

    images: uint8 (n, 28, 28), 0 is background and 255 full ink. labels: int64 (n,), 0 to 9.

    Nothing is downloaded. The files `train-images-idx3-ubyte.gz`, `train-labels-idx1-ubyte.gz`,
    `t10k-images-idx3-ubyte.gz` and `t10k-labels-idx1-ubyte.gz` are looked for in `folder`, or
    without it in the folder that the environment variable AUTOGRAD_LITE_DATA names, and then in
    the subfolder `mnist` of that folder. A file may also be unpacked, without the .gz; if both are
    there, the .gz counts. Only the two files asked for need to be present.

    FileNotFoundError if one of these two is missing; it lists every missing file of the four.
    ValueError if a file is not the original one: SHA-256 (of the .gz), MD5 (of an unpacked file),
    sizes and header are verified.

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
    return _read(images_path, images), _read(labels_path, labels).astype(np.int64)


def _find(root: str, name: str) -> str | None:
    if root:
        for folder in (root, os.path.join(root, "mnist")):
            for path in (os.path.join(folder, f"{name}.gz"), os.path.join(folder, name)):
                if os.path.isfile(path):
                    return path
    return None


def _read(path: str, file: _File) -> NDArray[np.uint8]:
    with open(path, "rb") as stream:
        raw = stream.read()
    header = file.header
    packed = path.endswith(".gz")
    if packed:
        import gzip

        if not raw.startswith(b"\x1f\x8b"):
            raise ValueError(f"mnist: {path} is not a gzip file: it starts with {raw[:4]!r}")
        _verify(path, raw, file.packed, "sha256", file.sha256)
        raw = gzip.decompress(raw)
    if not raw.startswith(header):
        found, expected = _words(raw[: len(header)]), _words(header)
        raise ValueError(
            f"mnist: {path} has a wrong magic or wrong counts: its header is {found}, "
            f"expected {expected}"
        )
    if not packed:
        _verify(path, raw, len(header) + math.prod(file.shape), "md5", file.md5)
    return np.frombuffer(raw, np.uint8, offset=len(header)).reshape(file.shape).copy()


def _verify(path: str, raw: bytes, size: int, algorithm: str, digest: str) -> None:
    import hashlib

    if len(raw) != size:
        wrong = f"size differs: {len(raw)} bytes, expected {size}"
    elif (found := hashlib.new(algorithm, raw, usedforsecurity=False).hexdigest()) != digest:
        wrong = f"{algorithm} checksum differs: {found}, expected {digest}"
    else:
        return
    raise ValueError(
        f"mnist: {path}: {wrong}. It is damaged or not the original file; get it again."
    )


def _words(header: bytes) -> list[int]:
    return [int.from_bytes(header[i : i + 4], "big") for i in range(0, len(header), 4)]
