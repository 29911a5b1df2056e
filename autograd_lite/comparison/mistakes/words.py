"""What tensors are called that have no name of their own: the formula that they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...engine.rules import ops
from ...engine.tensor import Tensor
from ..answers.naming import Layers
from ..idioms import normalise

LONGEST = 34


def described(
    t: Tensor | None, labels: Mapping[Tensor, str], layers: Layers, depth: int = 3
) -> str:
    """The name of a tensor, a short formula of names, or the layer or step that it belongs to."""
    if t is None:
        return "the data"
    if t in labels:
        return labels[t]
    if t.op is None:
        return f"the array of shape {t.shape}"
    if depth == 3 and t.array.size == 1:
        return "the loss" if t is layers.tape.nodes[-1] else "a term of the loss"
    if depth == 3 and not is_normalised(t):
        text = in_layer(t, layers)
        if text:
            return text
    if depth == 0:
        return "..."
    inner = [
        described(p, labels, layers, depth - 1) if p is not None else constant(a)
        for p, a in zip(layers.tape.inputs.get(t, t.parents), t.args, strict=True)
    ]
    text = written(t, inner)
    if len(text) <= LONGEST:
        return text
    return described(t, labels, layers, depth - 1) if depth > 1 else f"the output of {t.op.name}"


def in_layer(t: Tensor, layers: Layers) -> str:
    """Words for the output of a layer or of its activation, in a net of several; else ""."""
    several = len(layers.layers) > 1 or max(layers.uses.values(), default=0) > 1
    named = t in layers.outputs or t.op.kind in ("curve", "along")
    return layers.in_layer(t) if several and named and t in layers.weight else ""


def constant(a: Any) -> str:
    """A number, or data."""
    return f"{float(np.asarray(a)):.4g}" if np.size(a) == 1 and np.ndim(a) == 0 else "data"


def written(t: Tensor, inner: list[str]) -> str:
    """An operation on these inputs, as one writes it."""
    op, first = t.op, inner[0] if inner else ""
    if is_normalised(t):
        return f"the normalised {named_inside(t, inner)}"
    if op.kind == "view":
        return f"{first}.T" if op in (ops.mT, ops.permute) else first
    if op is ops.getitem:
        base = first if first.isidentifier() else f"({first})"
        return f"{base}[{of_index(t.kw['index'])}]"
    if op.sign and len(inner) == 2:
        a, b = (f"({x})" if " " in x and op is not ops.add else x for x in inner)
        return f"{a} {op.sign} {b}"
    if op is ops.power:
        return f"{first} ** {t.kw['p']:g}"
    if op is ops.neg:
        return f"-{first}"
    return f"{op.name}({', '.join(inner)})"


def of_index(index: Any) -> str:
    """An index as one writes it.

    >>> of_index((slice(None), slice(3, 6))), of_index(np.arange(3))
    (':, 3:6', '...')
    """
    if isinstance(index, tuple):
        return ", ".join(map(of_index, index))
    if isinstance(index, slice):
        bounds = ["" if b is None else str(b) for b in (index.start, index.stop, index.step)]
        return ":".join(bounds[: 3 if bounds[2] else 2])
    return str(index) if isinstance(index, int) else "..."


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
    return inner[0] if t.op is normalise else inner[0].split(" - ")[0]
