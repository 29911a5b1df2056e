"""The texts of errors, and the picture of a tensor: off the hot path, in one place."""

from __future__ import annotations

from typing import Any

import numpy as np


class MisfitError(ValueError, RuntimeError):
    """Shapes, sizes or values that an operation cannot take: a ValueError, as NumPy raises there,
    and a RuntimeError, as PyTorch does, so that what catches either catches it."""


class LinAlgError(np.linalg.LinAlgError, MisfitError):
    """A matrix that is singular or not positive definite: NumPy's error, and a RuntimeError."""


EXPLAINED: dict[type, type[Exception]] = {
    np.linalg.LinAlgError: LinAlgError,
    ValueError: MisfitError,
    **{kind: kind for kind in (TypeError, IndexError, OverflowError)},
}

OURS = "builtins", "numpy", __name__.partition(".")[0]  # the packages whose errors are explained


def explained(op: Any, args: list[Any], kw: dict[str, Any], error: Exception) -> Exception:
    """An error to raise that names the operation, the shapes, the cause and the remedy.

    It is of the same kind for NumPy's and Python's own; one of somebody else is raised here as it
    is, with a note.
    """
    shapes = [np.shape(a) for a in args]
    text = op.explain(args, kw, error) if op.explain is not None else None
    if text is None and len(shapes) > 1 and not _broadcasts(shapes):
        text = (
            f"shapes {listed(shapes)} do not broadcast; axes are matched from the last "
            "and must agree or be 1 (reshape or unsqueeze one of them)"
        )
    text = f"{op.name}: {text or f'{error} (inputs of shape {listed(shapes)})'}"
    known = [c for c in type(error).__mro__ if c in EXPLAINED]
    if known and type(error).__module__.split(".")[0] in OURS:
        return EXPLAINED[known[0]](text)
    error.add_note(text)
    raise error


def kind_of(x: Any) -> str:
    """What a value is, in an error; of what torch has too, whose, and a tensor's way across."""
    name = type(x).__name__
    if type(x).__module__.partition(".")[0] != "torch":
        return name
    across = " (Tensor(t.detach().numpy()) shares its memory)" * hasattr(x, "detach")
    return f"torch.{name}{across}"


def listed(shapes: list[Any]) -> str:
    """Shapes as they stand in a sentence."""
    return " and ".join(str(s) for s in shapes)


def _broadcasts(shapes: list[Any]) -> bool:
    try:
        np.broadcast_shapes(*shapes)
    except ValueError:
        return False
    return True


SHOWN: dict[str, Any] = {"precision": 4, "max_line_width": 100}  # changed by set_printoptions


def picture(t: Any) -> str:
    """A tensor with its values, over as many lines as they need; 1,000 are cut by `...`."""
    a = t.array
    parts = [np.array2string(a, separator=", ", prefix="tensor(", **SHOWN)]
    if not (a.size and (a.dtype == np.float32 or a.dtype.kind in "ib")):
        parts.append(f"dtype={a.dtype}")
    if t.name:
        parts.append(f"name={t.name!r}")
    if t.op is not None:
        parts.append(f"grad_fn=<{t.op.name}>")
    elif t.requires_grad:
        parts.append("requires_grad=True")
    return f"{type(t).__name__.replace('Tensor', 'tensor')}({', '.join(parts)})"


def lost(word: str, x: Any) -> RuntimeError:
    """The error where a tensor that needs a gradient is made a plain array or a number."""
    what = "a number" if word == "item" else "an array"
    return RuntimeError(
        f"{word}: as {what}, this tensor of {x.shape} loses its gradient; "
        "write np.exp for math.exp, X @ t for X.dot(t), np.stack for out[i] = t, "
        "np.array([t, ...]) and np.c_; or use detach().numpy()"
    )
