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
    """The name of a tensor, a short formula of names, or the layer or step that it belongs to."""
    if t is None:
        return "the data"
    if t in labels:
        return labels[t]
    if t.op is None:
        return f"the array of shape {t.shape}"
    if depth == 3 and t.array.size == 1:
        return "the loss" if t is tape.nodes[-1] else "a term of the loss"
    if depth == 3 and not is_normalised(t):
        text = place_of(t, tape)
        if text:
            return text
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


def place_of(t: Tensor, tape: Tape) -> str:
    """What the output of an activation or a sum of products is called in a net of layers: by the
    number of the layer, or of the step where the layers share their weight; else ""."""
    product, above = t, "" if t.op.kind != "curve" else t.op.name
    while product.op is not None and product.op is not ops.matmul:
        single = product.op is ops.add or product.op.kind == "curve" or product.op.kind == "view"
        inner = [p for p in product.parents if p is not None and p.op is not None]
        if not single or not inner or (product.op.kind == "curve" and product is not t):
            return ""
        product = next((p for p in inner if p.op is ops.matmul), inner[0])
    w = weight_of(product)
    if w is None:
        return ""
    products = [(u, weight_of(u)) for u in tape.nodes if u.op is ops.matmul]
    layers = list(dict.fromkeys(v for _, v in products if v is not None))
    uses = [u for u, v in products if v is w]
    number = next(i for i, v in enumerate(layers, 1) if v is w)
    where = f"layer {number}"
    if len(uses) > 1:
        step = next(i for i, u in enumerate(uses, 1) if u is product)
        where = f"step {step}" if len(layers) < 4 else f"{where}, step {step}"
    if above:
        return f"the output of {above} in {where}"
    return f"what {where} gives before its activation" if len(layers) > 1 or len(uses) > 1 else ""


def weight_of(product: Tensor) -> Tensor | None:
    """The weight of a product, if it has one."""
    for p in reversed(product.parents) if product.op is ops.matmul else ():
        while p is not None and p.op is not None and p.op.kind == "view":
            p = p.parents[0]
        if p is not None and p.op is None and p.requires_grad:
            return p
    return None


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
