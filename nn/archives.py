"""Zip archives from strangers: what is in them, each part inflated up to the size it claims."""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from struct import unpack
from typing import Any, NamedTuple

import numpy as np

__all__ = ["Entry", "Later", "entries"]


@dataclass(frozen=True, eq=False)
class Later:
    """An array of a file, of which the header alone was read."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    read: Callable[[], np.ndarray[Any, Any]]


class Entry(NamedTuple):
    """A part of an archive: its size, and a function that gives its bytes; with a number, its first
    ones, as many at least, if it has them, and unchecked."""

    size: int
    read: Callable[..., Any]


def entries(content: bytes) -> dict[str, Entry]:
    """The parts of an archive in memory by name, none of which is read before it is asked for.

    ValueError for two of one name, for encrypted ones, and for methods but stored and deflate:
    the others make gigabytes of a few bytes. What Python raises at nonsense, if it is damaged.
    """
    found: dict[str, Entry] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for info in archive.infolist():
            if info.filename in found:
                raise ValueError("it holds two arrays of one name")
            if info.flag_bits & 1 or info.compress_type not in METHODS:
                raise ValueError(f"{info.filename!r} is encrypted, or compressed in a rare way")
            found[info.filename] = _entry(content, info)
    return found


METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def _entry(content: bytes, info: zipfile.ZipInfo) -> Entry:
    encoding = "utf-8" if info.flag_bits & 0x800 else "cp437"

    def read(most: int | None = None) -> Any:
        # archive.read takes ten times as long, which counts for 65,000 entries
        at = info.header_offset
        signature, name, extra = unpack("<4s22xHH", content[at : at + 30])
        named = content[at + 30 : at + 30 + name]
        at += 30 + name + extra
        data: Any = memoryview(content)[at : at + info.compress_size]
        if info.compress_type == zipfile.ZIP_DEFLATED:
            data = zlib.decompressobj(-15).decompress(data, most or max(info.file_size, 1))
        right = signature == b"PK\3\4" and named == info.orig_filename.encode(encoding)
        whole = most or (len(data) == info.file_size and zlib.crc32(data) == info.CRC)
        if not right or not whole:
            raise ValueError(f"{info.filename!r} is damaged")
        return data

    return Entry(info.file_size, read)
