"""What an operation is: a forward function, a derivative rule per input, and what readers ask.

`declare.py` adds operations to the rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import numpy as np

Rule = Callable[..., Any]


class Rows:
    """The rows of this package as attributes, `ops.tanh`. An Op of a user needs no place in it."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Op: ...


ops = Rows()
table: dict[str, Op] = vars(ops)
UNBOXED = frozenset({np.ndarray, float, int, np.float32, np.float64})
KINDS = {
    "curve": "one input, element by element",
    "arithmetic": "several inputs, element by element, which broadcast",
    "comparison": "element by element, without a derivative",
    "reduction": "fewer elements; most have an `axis` and `keepdims`",
    "along": "as many elements, each made from those along an axis",
    "product": "sums of products of two or more inputs",
    "matrix": "made from matrices as wholes: inverses, determinants, factors",
    "view": "the same elements in another shape, order, size or dtype",
    "pick": "some of the elements, or elements put somewhere",
    "window": "made of the elements under windows that move along axes",
    "loss": "one number that says how far off an output is",
}


class Op:
    """A differentiable operation: `Op(name, forward, *rules)`, one rule per differentiable input.

    A rule is a vector-Jacobian product. It receives `g` (the gradient of the output), `y` (the
    output) and the inputs in order; metadata such as `axis` come as keywords. Calling an operation
    runs `forward` on arrays, records on Tensors and writes text on Symbols. An operation on any
    number of inputs gives its one rule as `each=`, which gets the position as the keyword `i`.

    What readers ask: `kind`, one of `KINDS` or "" (a ufunc has one of its own); `sign`, the infix
    operator that writes it; `activation`, whether it is a nonlinearity of layers; `mask`, whether
    its slope is one of two numbers; `view`, whether the output may share memory with the first
    input; `named`, whether a formula shows its name and not what its forward function does;
    `quiet`, which of NumPy's warnings it reaches an exact limit through ("over", "divide");
    `explain`, which says why a call with these arrays, metadata and error of NumPy's failed;
    `example`, which gives inputs and metadata on which its formula is shown.

    >>> square = Op("square", lambda x: x * x, lambda g, y, x: g * 2 * x)
    >>> float(square(3.0))
    9.0
    """

    __slots__ = (
        "name", "forward", "rules", "kind", "sign", "activation", "mask", "view", "named", "quiet",
        "explain", "example",
    )  # fmt: skip

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        *rules: Rule | None,
        each: Rule | None = None,
        kind: str = "",
        sign: str = "",
        activation: bool = False,
        mask: bool = False,
        view: bool = False,
        named: bool = False,
        quiet: str = "",
        explain: Callable[..., str | None] | None = None,
        example: Callable[[], tuple[Any, dict[str, Any]]] | None = None,
    ) -> None:
        self.name = name
        self.forward = forward
        self.rules: Iterable[Rule | None] = Each(each) if each is not None else rules
        if kind and kind not in KINDS:
            raise ValueError(f"Op: {name} is of kind {kind!r}; kinds are {', '.join(KINDS)}")
        if not kind and isinstance(forward, np.ufunc):
            kind = "curve" if forward.nin == 1 else "arithmetic"
        self.kind = kind
        self.sign = sign
        self.activation = activation
        self.mask = mask
        self.view = view
        self.named = named
        self.quiet = quiet
        self.explain = explain
        self.example = example

    @property
    def ufunc(self) -> Any:
        """NumPy's function of the same elements, if `forward` is one; else None."""
        return self.forward if isinstance(self.forward, np.ufunc) else None

    @property
    def elementwise(self) -> bool:
        """Whether it acts on each element alone."""
        return self.kind in ("curve", "arithmetic", "comparison")

    def unfold(self, node: Any) -> Any:
        """What stands in the place of a record of this operation; None for the record itself."""

    def __call__(self, *inputs: Any, **kw: Any) -> Any:
        for x in inputs:
            if x.__class__ not in UNBOXED and hasattr(x, "__op__"):
                return x.__op__(self, inputs, kw)
        return self.forward(*inputs, **kw)

    def __repr__(self) -> str:
        return f"<op {self.name}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """A row is copied and pickled as itself, by its name."""
        if table.get(self.name) is not self:
            raise TypeError(f"{self!r} is not in the table, so it cannot be copied or pickled")
        return row_of, (self.name,)


class Each:
    """The rules of an operation with any number of inputs: rule `i` is `rule(..., i=i)`."""

    __slots__ = ("rule",)

    def __init__(self, rule: Rule) -> None:
        self.rule = rule

    def __iter__(self) -> Iterator[Rule]:
        yield from (partial(self.rule, i=i) for i in count())


def row_of(name: str) -> Op:
    """The row of this name."""
    return table[name]
