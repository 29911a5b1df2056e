"""The user's code: the line of it that is running, and warnings that point there."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType, FrameType

PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INSIDE = os.path.join(PACKAGE, "nn")  # where a wheel has it; a clone has it beside the package
NN = INSIDE if os.path.isdir(INSIDE) else os.path.join(os.path.dirname(PACKAGE), "nn")
HOMES = tuple(os.path.join(folder, "") for folder in (PACKAGE, NN))


def is_ours(file: str | None) -> bool:
    """Whether a module's file is one of these packages': a user may have an nn.py as well."""
    return file is not None and file.startswith(HOMES)


def users_frame() -> FrameType | None:
    """What is running outside of these packages."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        names = frame.f_globals
        if not is_ours(names.get("__file__")) and names.get("__name__") != "contextlib":
            break
        frame = frame.f_back
    return frame


@contextmanager
def quiet() -> Iterator[None]:
    """Meanwhile nothing is told of records that are cut, as what happens is looked at."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* loses? (its|their) record", UserWarning)
        yield


def warned(text: str) -> None:
    """Warn at the user's line, once for each, as Python's filters have it."""
    frame = users_frame()
    if frame is not None:
        names = frame.f_globals
        seen = names.setdefault("__warningregistry__", {})
        place = frame.f_code.co_filename, frame.f_lineno, names.get("__name__")
        warnings.warn_explicit(text, UserWarning, *place, registry=seen)


@lru_cache(1000)
def takes_pair(code: CodeType, call: int) -> bool:
    """Whether what the call at this place of some code gives is unpacked to two names at once, or
    indexed with 0 or 1."""
    import dis  # 7 ms

    after = (i for i in dis.get_instructions(code) if i.offset > call)
    first, second = next(after), next(after, None)
    if first.opname == "UNPACK_SEQUENCE":
        return bool(first.argval == 2)
    indexed = second is not None and (second.opname == "BINARY_SUBSCR" or second.argrepr == "[]")
    return indexed and first.opname.startswith("LOAD_") and first.argval in (0, 1)
