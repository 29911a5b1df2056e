"""A row of the table of mistakes: what it is, and which operations it is about."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ....engine.op import Op, Rule
from ....engine.rules import ops
from ...idioms import log_loss, log_loss_of_p, normalise

Wording = tuple[tuple[str, str], ...]  # slugs and sentences of mistakes that are made together


@dataclass(frozen=True)
class Mistake:
    """A wrong rule for the inputs `which` (None: all) of the records that it `concerns`.

    `wrong` takes what the right rule takes, and `op` and the right `rule` if it asks for them.
    `free` says that it gives a pair: what is certain, and what stands before it with a factor that
    is found by fitting.
    """

    slug: str
    sentence: str
    concerns: Callable[[Any], bool]
    wrong: Rule
    which: int | None = None
    free: bool = False

    def said_of(self, op: Op) -> Wording:
        """What is said of the mistake in an operation."""
        return ((self.slug, self.sentence.format(op=op.name)),)

    @cached_property
    def wants(self) -> frozenset[str]:
        """What `wrong` asks for beside what the right rule takes."""
        return frozenset(inspect.signature(self.wrong).parameters) & {"op", "rule"}


@dataclass(frozen=True)
class Constant:
    """A factor on a whole gradient: a function of the batch size `n`, the outputs `k`, or none."""

    slug: str
    factor: Callable[..., float]
    sentence: str

    @cached_property
    def of(self) -> tuple[str, ...]:
        """What it is a function of."""
        return tuple(inspect.signature(self.factor).parameters)


def only(*these: Op) -> Callable[[Any], bool]:
    """Records of these operations, where a mistake is about their very formula."""
    return lambda node: node.op in these


def has(**facts: Any) -> Callable[[Any], bool]:
    """Records of operations with these facts."""
    return lambda node: all(getattr(node.op, name) == value for name, value in facts.items())


def curve(node: Any) -> bool:
    """Records of one input, element by element; and of a composition that keeps its shape.

    Not of a sign, as its slope left out is a sign flipped; not of a power, as a square in a loss or
    a variance is mistaken in ways of its own.
    """
    kind, args = node.op.kind, node.args
    composed = not kind and len(args) == 1 and np.shape(args[0]) == node.shape
    return composed or (kind == "curve" and node.op not in (ops.neg, ops.power))


def smooth(node: Any) -> bool:
    return curve(node) and not node.op.mask


def pair(node: Any) -> bool:
    """Records of two inputs, element by element, that are written by name; and of a composition.

    Not of a choice between the two, whose mask is left out.
    """
    op, args = node.op, node.args
    made = op.kind == "arithmetic" and not op.sign and op not in (ops.maximum, ops.minimum)
    shapes = [np.shape(a) for a in args]
    composed = not op.kind and len(args) == 2 and all(s == node.shape for s in shapes)
    return composed or (made and len(args) == 2)


ALONG, ACTIVATION, MASK = has(kind="along"), has(activation=True), has(mask=True)

MAXIMUM, LOG = only(ops.maximum), only(ops.log)

SOFTMAX, LOG_SOFTMAX = only(ops.softmax), only(ops.log_softmax)

LOG_LOSS, LOG_LOSS_OF_P, NORMALISE = only(log_loss), only(log_loss_of_p), only(normalise)

EXTREME = only(ops.max, ops.min)

Table = dict[str, list[tuple[Callable[[Any], bool], Rule]]]  # by "slug: sentence"


def mistakes_of(table: Table, which: int | None = None, free: bool = False) -> list[Mistake]:
    """The rows of a table: which records, and the wrong rule."""
    return [
        Mistake(slug, sentence, concerns, wrong, which, free)
        for name, ways in table.items()
        for slug, _, sentence in [name.partition(": ")]
        for concerns, wrong in ways
    ]


def sum_along(x: Any, axis: int | tuple[int, ...]) -> Any:
    """The sum along an axis or several, which stay with size 1."""
    return np.add.reduce(x, axis=axis, keepdims=True)


def through(g: Any, z: Any) -> Any:
    """`g` times the derivative of sigmoid."""
    return g * ops.sigmoid(z) * (1 - ops.sigmoid(z))


def other(x: Any, axis: Any, k: int = 0) -> int:
    """The other axis of a matrix; of more axes the `k`th before this one."""
    one = axis[0] if isinstance(axis, tuple) and len(axis) == 1 else axis
    if x.ndim < 2 or x.ndim < k + 2 or one not in range(x.ndim):
        raise ValueError("wrong-axis: no other axis")
    return int(one - 1 - k) % x.ndim
