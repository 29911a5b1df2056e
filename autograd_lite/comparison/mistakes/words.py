"""What tensors are called that have no name of their own: the formula that they come from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ...engine.rules import ops
from ...engine.tensor import Tensor
from ...program.chain import Tape
from ..idioms import normalise

LONGEST = 34


def described(t: Tensor | None, labels: Mapping[Tensor, str], tape: Tape, depth: int = 3) -> str:
    """The name of a tensor, or a short formula of names."""
    if t is None:
        return "the data"
    if t in labels:
        return labels[t]
    if t.op is None:
        return f"the array of shape {t.shape}"
    if depth == 0:
        return "..."
    inner = [
        described(p, labels, tape, depth - 1) if p is not None else constant(a)
        for p, a in zip(tape.inputs.get(t, t.parents), t.args, strict=True)
    ]
    text = written(t, inner)
    if len(text) <= LONGEST:
        return text
    return described(t, labels, tape, depth - 1) if depth > 1 else f"the output of {t.op.name}"


def constant(a: object) -> str:
    """A number, or data."""
    return f"{float(np.asarray(a)):.4g}" if np.size(a) == 1 and np.ndim(a) == 0 else "data"


def written(t: Tensor, inner: list[str]) -> str:
    """An operation on these inputs, as one writes it."""
    op, first = t.op, inner[0] if inner else ""
    if is_normalised(t):
        return f"the normalised {named_inside(t, inner)}"
    if op.kind == "view":
        return f"{first}.T" if op in (ops.mT, ops.permute) else first
    if op.sign and len(inner) == 2:
        a, b = (f"({x})" if " " in x and op is not ops.add else x for x in inner)
        return f"{a} {op.sign} {b}"
    if op is ops.power:
        return f"{first} ** {t.kw['p']:g}"
    if op is ops.neg:
        return f"-{first}"
    return f"{op.name}({', '.join(inner)})"


def is_normalised(t: Tensor) -> bool:
    """Whether it is (x - mean(x)) over a deviation."""
    if t.op is normalise:
        return True
    p = t.parents[0] if t.op in (ops.div, ops.mul) else None
    if p is None or p.op is not ops.sub:
        return False
    m = p.parents[1]
    return m is not None and m.op is ops.mean and t.args[1].shape != t.shape


def named_inside(t: Tensor, inner: list[str]) -> str:
    """What is normalised."""
    return inner[0] if t.op is normalise else inner[0].strip("()").split(" - ")[0]
