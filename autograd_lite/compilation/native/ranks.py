"""Ranks in C: the indices of the largest and the smallest elements."""

from __future__ import annotations

import numpy as np

from ...engine.axes import axes_of
from ...program.expr import numpy_op
from ..lower import Step
from .items import FORMS, Item, Items, NoForm

__all__: list[str] = []


def extreme(items: Items, s: Step) -> None:
    """argmax or argmin."""
    given = s.inputs[0]
    if given.dtype.kind != "f" or s.dtype != np.int64 or s.kw.keys() - {"axis", "keepdims"}:
        raise NoForm("of ints, or with options")
    x = items.solid(items.of(given), given.shape, given.dtype)
    axes = axes_of(x.array, s.kw.get("axis"))
    rows = items.shaped(x, (-1,)) if len(axes) > 1 else x.view(np.moveaxis(x.array, axes[0], -1))
    out = items.places[id(s)] = items.made(s.shape, s.dtype)
    name = "top" if s.op is numpy_op(np.argmax) else "bottom"
    items.items.append(Item("place", out.view(out.array.reshape(rows.shape[:-1])), [rows], name))


FORMS |= dict.fromkeys(map(numpy_op, (np.argmax, np.argmin)), extreme)
