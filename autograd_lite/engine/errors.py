"""The texts of errors, and the one-line picture of a tensor: off the hot path, in one place."""

from __future__ import annotations

from typing import Any

import numpy as np


def explain(op: Any, args: list[Any], kw: dict[str, Any], error: Exception) -> Exception:
    """An error of the same type that names the operation, the shapes, the cause and the remedy."""
    if not isinstance(error, ValueError | TypeError | IndexError | OverflowError):
        return error
    shapes = [np.shape(a) for a in args]
    text = None
    if op.name == "matmul":
        text = _matmul(shapes)
    elif op.name == "nll":
        text = _nll(args)
    elif op.name in ("reshape", "expand") and "shape" in kw:
        text = f"{op.name}: shape {shapes[0]} does not go into {kw['shape']}"
    elif op.name == "getitem":
        text = f"getitem: index {_index(kw['index'])} does not fit shape {shapes[0]}: {error}"
    elif op.name in ("concatenate", "stack"):
        text = (
            f"{op.name}: shapes {_list(shapes)} do not fit along axis {kw['axis']}; "
            f"all {'other ' if op.name == 'concatenate' else ''}axes must agree"
        )
    elif len(shapes) > 1 and not _broadcasts(shapes):
        text = (
            f"{op.name}: shapes {_list(shapes)} do not broadcast; axes are matched from the last "
            "and must agree or be 1 (reshape or unsqueeze one of them)"
        )
    return type(error)(text or f"{op.name}: {error} (inputs of shape {_list(shapes)})")


def _list(shapes: list[Any]) -> str:
    return " and ".join(str(s) for s in shapes)


def _index(index: Any) -> str:
    parts = index if isinstance(index, tuple) else (index,)
    words = [f"array of shape {p.shape}" if isinstance(p, np.ndarray) else repr(p) for p in parts]
    return "[" + ", ".join(words) + "]"


def _broadcasts(shapes: list[Any]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


def _matmul(shapes: list[Any]) -> str | None:
    a, b = shapes
    if not a or not b:
        return f"matmul: inputs {a} and {b}: a 0-d tensor is a number; use * to scale"
    inner = b[0] if len(b) == 1 else b[-2]
    if a[-1] != inner:
        return f"matmul: inputs {a} and {b} do not agree on the inner size ({a[-1]} and {inner})"
    return f"matmul: the batch axes of {a} and {b} do not broadcast"


def _nll(args: list[Any]) -> str | None:
    x, t = args
    bad = t[(t < 0) | (t >= x.shape[1])] if t.dtype.kind in "iu" and t.ndim == 1 else t[:0]
    if bad.size:
        return f"nll: class {bad[0]} is out of range; there are {x.shape[1]} classes, from 0"
    return None


def summary(t: Any) -> str:
    """A tensor on one line: its values if they are few, else its shape, and how it was made."""
    a = t.array
    text = np.array2string(a, precision=4, separator=", ", threshold=12, max_line_width=10_000)
    text = " ".join(text.split())
    if len(text) > 60:
        text = f"shape={a.shape}"
    return _described(t, text, shown=not text.startswith("shape"))


def picture(t: Any) -> str:
    """A tensor with its values, over as many lines as they need; many are cut by `...`."""
    a = t.array
    text = np.array2string(a, precision=4, separator=", ", prefix="tensor(", max_line_width=100)
    return _described(t, text, shown=True)


def _described(t: Any, text: str, shown: bool) -> str:
    parts = [text]
    obvious = t.dtype == np.float32 or t.dtype.kind in "ib"  # from values that are shown
    if not (shown and obvious and t.array.size):
        parts.append(f"dtype={t.dtype}")
    if t.name:
        parts.append(f"name={t.name!r}")
    if t.op is not None:
        parts.append(f"grad_fn=<{t.op.name}>")
    elif t.requires_grad:
        parts.append("requires_grad=True")
    return f"{type(t).__name__.replace('Tensor', 'tensor')}({', '.join(parts)})"
