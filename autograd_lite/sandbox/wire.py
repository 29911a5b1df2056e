"""What goes to the process of pasted code and comes back, as JSON: arrays and what holds them.

Nothing that is unpacked can run anything, and its size is bounded.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import numpy as np

LARGEST = 100_000  # numbers in one array
MOST = 50  # gradients


def packed(value: Any) -> Any:
    """What a function got or returned: an array, or tuples, lists and mappings of them.

    >>> unpacked(packed((np.arange(3.0), None, 2)))
    (array([0., 1., 2.]), None, array(2))
    >>> unpacked(packed((2.5, {"w": np.zeros(2)})))
    (array(2.5), {'w': array([0., 0.])})
    """
    if isinstance(value, tuple | list) and len(value) <= MOST:
        return {"items": [packed_part(v) for v in value]}
    if isinstance(value, Mapping) and len(value) <= MOST:
        return {"names": {str(k)[:100]: packed_part(v) for k, v in value.items()}}
    return packed_array(value)


def packed_part(value: Any) -> Any:
    """An array, or what holds some that are none together, such as the gradients after a loss."""
    alone = packed_array(value)
    nested = isinstance(value, Mapping) or (
        isinstance(value, tuple | list) and any(isinstance(v, np.ndarray | Mapping) for v in value)
    )
    return packed(value) if nested and "type" in (alone or {}) else alone


def packed_array(value: Any) -> dict[str, Any] | None:
    """One gradient; of what is no array of numbers, the name of its type.

    ValueError for more numbers than are taken.
    """
    if value is None:
        return None
    try:
        a = np.asarray(value)
    except (ValueError, TypeError, RuntimeError):
        a = np.array(None)
    if a.dtype.kind not in "fiub":
        return {"type": type(value).__name__}
    if a.size > LARGEST:
        raise ValueError(f"an array of shape {a.shape} came back; {LARGEST:,} numbers are the most")
    data = base64.b64encode(a.tobytes()).decode()
    return {"shape": list(a.shape), "dtype": a.dtype.str, "data": data}


def unpacked(found: Any) -> Any:
    """The value that was packed; ValueError, KeyError or TypeError for anything else."""
    if isinstance(found, dict) and isinstance(found.get("items"), list):
        return tuple(unpacked(v) for v in found["items"][:MOST])
    if isinstance(found, dict) and isinstance(found.get("names"), dict):
        return {name: unpacked(v) for name, v in list(found["names"].items())[:MOST]}
    return unpacked_array(found)


def unpacked_array(found: Any) -> Any:
    if found is None:
        return None
    if "type" in found:
        return type(named(found["type"]), (), {})()  # is no array, and says so by its name
    shape, kind = found["shape"], found["dtype"]
    if not re.fullmatch(r"[<>|=][fiub]\d{1,2}", kind):
        raise ValueError(f"no type of numbers: {kind!r}")
    if len(shape) > 32 or not all(type(n) is int and 0 <= n <= LARGEST for n in shape):
        raise ValueError(f"no shape: {shape}")
    data = base64.b64decode(found["data"], validate=True)  # as long as the line at most
    return np.frombuffer(data, np.dtype(kind)).reshape(shape).copy()


def named(name: Any) -> str:
    """The name of a type or an error, if it is one."""
    return name if isinstance(name, str) and name.isidentifier() and len(name) <= 100 else "Unknown"
