"""The learner's own words for tensors: names of variables, else words for a place in a net.

`words_in` looks at the local variables of a frame, and one level into lists, tuples, dictionaries
and objects: `hs[0]`, `cache["z1"]`, `self.h`; `own_words` at those of all functions that run.

`Layers` never gives the name of a row with a shape: a layer is a product with weights, and what
lies after it up to the next one belongs to it.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import CodeType, FrameType, ModuleType
from typing import Any

from ...engine.rules import ops
from ...engine.tensor import Tensor
from ...program.chain import Tape

MOST = 200  # items of one container that are looked at


# ---- names of variables ----------------------------------------------------------------------


def words_in(frame: FrameType) -> dict[Tensor, str]:
    """The names that a frame has for Tensors.

    >>> import sys
    >>> z1, cache = tensor(1.0), {"z2": tensor(2.0)}
    >>> words = words_in(sys._getframe())
    >>> words[z1], words[cache["z2"]]
    ('z1', 'cache["z2"]')
    """
    found: dict[Tensor, str] = {}
    plain = [(n, v) for n, v in frame.f_locals.items() if not n.startswith(("_", "@", "."))]
    for name, value in (*plain, *(item for n, v in plain for item in inside(n, v))):
        if isinstance(value, Tensor):
            found.setdefault(value, name)
    return found


def inside(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The items of a list, a tuple, a dictionary, or the attributes of an object, by the
    expressions that a learner has for them."""
    if isinstance(value, Mapping):
        for key in list(value)[:MOST]:
            if isinstance(key, str | int):
                quoted = f'"{key}"' if isinstance(key, str) else key
                yield f"{name}[{quoted}]", value[key]
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value[:MOST]):
            yield f"{name}[{i}]", item
    elif not isinstance(value, type | Tensor | ModuleType):
        for key, item in list((getattr(value, "__dict__", None) or {}).items())[:MOST]:
            if not key.startswith("_"):
                yield f"{name}.{key}", item


@contextmanager
def own_words(is_own: Callable[[CodeType], bool]) -> Iterator[dict[Tensor, str]]:
    """What a learner's functions that run meanwhile call their Tensors: the outer ones last, and no
    name that several have, as the `out` of a function that is called twice."""
    found: dict[Tensor, str] = {}

    def look(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        made = code.co_name in ("__init__", "__new__")  # of a dataclass, which is in no file
        if event == "return" and is_own(code) and not made:
            found.update(words_in(frame))

    before = sys.getprofile()
    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(before)
        count = Counter(found.values())
        for t in [t for t, name in found.items() if count[name] > 1]:
            del found[t]


# ---- places in a net -------------------------------------------------------------------------


class Layers:
    """The layers of a tape: products with weights, and what is made of them before the next one.

    Products that are added up are one layer, as of an RNN's input and state; a weight that is used
    again makes the next step of its layer.

    >>> x, w1 = tensor(np.ones((2, 3))), tensor(np.ones((3, 4)), requires_grad=True)
    >>> h = (x @ w1).tanh()
    >>> y = h @ tensor(np.ones((4, 1)), requires_grad=True)
    >>> layers = Layers(Tape((y**2).mean()))
    >>> layers.in_layer(h), layers.in_layer(y)
    ("the hidden layer's tanh", 'the output of the last layer')
    """

    def __init__(self, tape: Tape) -> None:
        self.tape = tape
        self.weight: dict[Tensor, Tensor] = {}  # of the layer that a tensor belongs to
        self.step: dict[Tensor, int] = {}
        self.outputs: set[Tensor] = set()  # products, and sums of them with biases
        self.shares: set[Tensor] = set()  # softmaxes of products, and what is made of them
        self.uses: dict[Tensor, int] = {}
        self.layers: dict[Tensor, int] = {}  # of weights
        for t in tape.nodes:
            if t.op is not None:
                self.place(t, [p for p in tape.inputs[t] if p is not None])

    def place(self, t: Tensor, inputs: list[Tensor]) -> None:
        """Find the layer of an operation whose inputs have theirs."""
        weights = [w for w in map(self.viewed, inputs) if is_parameter(w)]
        below = [p for p in inputs if p in self.weight]
        if t.op.kind == "product" and weights and self.shares.intersection(inputs):
            self.forget({self.weight[p] for p in below})
        elif t.op.kind == "product" and weights:
            w = weights[-1]
            self.uses[w] = self.uses.get(w, 0) + 1
            self.layers.setdefault(w, len(self.layers))
            self.weight[t], self.step[t] = w, self.uses[w]
            self.outputs.add(t)
        elif below:
            self.weight[t], self.step[t] = self.weight[below[-1]], self.step[below[-1]]
            if t.op is ops.softmax or self.shares.intersection(inputs):
                self.shares.add(t)
            if t.op.sign in ("+", "-"):
                self.add_up(t, inputs)

    def forget(self, keys: set[Tensor]) -> None:
        """Products whose softmax weighs the rows of another array: scores, and no layer."""
        for t in [t for t, w in self.weight.items() if w in keys]:
            del self.weight[t]
            self.outputs.discard(t)
        for w in keys:
            del self.layers[w], self.uses[w]

    def add_up(self, t: Tensor, inputs: list[Tensor]) -> None:
        """Products that are added, to biases or to each other, are the output of one layer."""
        products = [p for p in inputs if p in self.outputs]
        if products and all(p in self.outputs or is_parameter(p) for p in inputs):
            self.outputs.add(t)
            for p in products:
                self.layers[self.weight[p]] = self.layers[self.weight[products[0]]]

    def viewed(self, p: Tensor) -> Tensor:
        """What a view looks at."""
        while p.op is not None and p.op.kind == "view":
            p = self.tape.inputs[p][0]
        return p

    def in_layer(self, t: Tensor) -> str:
        """Words for an operation of a layer."""
        whose = self.owner(t)
        if t in self.outputs:
            return f"the output of {whose}"
        if t.op.kind not in ("curve", "along") and not t.op.activation:
            return f"the {spoken(t)} after {whose}"
        return f"the {spoken(t)} of {whose}" if " in " in whose else f"{whose}'s {spoken(t)}"

    def owner(self, t: Tensor) -> str:
        """Whose it is: layer 2, and in which step of several."""
        weight = self.weight[t]
        order = sorted(set(self.layers.values()))
        layer = order.index(self.layers[weight])
        whose = f"layer {layer + 1}"
        if len(order) < 3:
            whose = ("the hidden layer", "the last layer")[layer - len(order)]
        return f"{whose} in step {self.step[t]}" if self.uses[weight] > 1 else whose


def is_parameter(p: Tensor) -> bool:
    return p.op is None and p.requires_grad


def spoken(t: Tensor) -> str:
    """What an operation is called in a sentence: the word of its row, which is a function's."""
    if t.op.name == "power" and t.kw.get("p") == 2:
        return "square"
    return SIGNS.get(t.op.sign, str(t.op.name).replace("_", " "))


SIGNS = {"+": "sum", "-": "difference", "*": "product", "/": "quotient", "@": "product"}
