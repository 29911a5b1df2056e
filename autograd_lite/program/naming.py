"""One name for every tensor of a tape, which all readers ask for.

A name is the user's, else that of the module whose result or parameter it is (`ln1`, `W_q`), else
the letter that textbooks have for it: x, W1, b1, z1, h1. What is joined or folded by a reader keeps
its number, so that a name means the same tensor in every view.
"""

from __future__ import annotations

import builtins
import keyword
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.op import Op
from ..engine.rules import ops
from .expr import is_view
from .modules import Modules
from .names import parameter_letter, result_letter
from .notation import counts_up
from .reading import Reading

__all__ = [
    "COUNTERS",
    "LOOP_NAMES",
    "TAKEN",
    "Data",
    "Names",
    "Taken",
    "identifier",
    "key_of",
    "letter_of_data",
    "made_by",
    "metadata",
    "without_ones",
    "arrays_in",
    "spot",
]

LONGEST = 28  # characters of a name: three of them still fit on a line
COUNTERS = ("di", "dj", "dk", "dl", "dm")
LOOP_NAMES = {*COUNTERS, "at", "hit", "kernel", "left", "part", "share"}  # of the lines of loops
TAKEN = {
    *keyword.kwlist, *dir(builtins), "np", "math", "erf", "parameters", "gradients", "backprop",
    "l", "O", "I",  # which look like 1 and 0
    *LOOP_NAMES,
}  # fmt: skip
PARAMETERS = {"weight": "W", "bias": "b"}


def identifier(name: str) -> str:
    """A valid Python name made of any text, "" if nothing of it is left.

    >>> identifier("layers.0.weight"), identifier("0.bias"), identifier("lambda"), identifier("θ")
    ('layers_0_weight', 'layer0_bias', 'lambda_', 'θ')
    >>> identifier("d_x"), identifier("W^2")
    ('D_x', 'W_pow2')
    """
    text = unicodedata.normalize("NFKC", name[-9 * LONGEST :].replace("^", "_pow"))
    text = "".join(c if c.isalnum() and f"a{c}".isidentifier() else "_" for c in text).strip("_")
    while "__" in text:
        text = text.replace("__", "_")
    if text and not text[0].isidentifier():
        text = f"layer{text}" if text[0].isdecimal() else f"v{text}"
    text = text[-LONGEST:].lstrip("_")
    if text and not text.isidentifier():
        text = f"v{text}"
    if text.startswith("d_"):  # which is how gradients are called
        text = f"D{text[1:]}"
    return f"{text}_" if text in TAKEN else text


def short(path: str) -> str:
    """The name of a parameter or buffer: W and b of the module that has it, if that has a name.

    >>> short("attn.q.weight"), short("blocks.0.bias"), short("norm.running_mean")
    ('W_q', 'b', 'running_mean')
    """
    above, _, last = path.rpartition(".")
    module = above.rpartition(".")[2]
    letter = PARAMETERS.get(last, "")
    return identifier(f"{letter}_{module}" if letter and module.isidentifier() else letter or last)


class Taken:
    """The names that are taken, and what stood last behind one that was asked for again."""

    def __init__(self, names: Iterable[str] = ()) -> None:
        self.names = set(names)
        self.last: Counter[str] = Counter()

    def free(self, name: str) -> bool:
        """Whether nothing is called so; nor is it, in pictures, the gradient of something."""
        gradient = name[:1] == "d" and name[1:] in self.names
        return not gradient and name not in self.names and f"d{name}" not in self.names

    def give(self, name: str) -> str:
        """The name, with a number where it is taken; "" for an empty one."""
        given = name
        while name and not self.free(given):
            self.last[name] = max(self.last[name], 1) + 1
            given = f"{name}_{self.last[name]}"
        self.names.add(given)
        return given

    def number(self, letters: list[tuple[Any, str]]) -> dict[Any, str]:
        """Letters that occur once stay as they are; the others are numbered from 1."""
        times = Counter(letter for _, letter in letters)
        last: Counter[str] = Counter()
        found: dict[Any, str] = {}
        for key, letter in letters:
            name = letter
            while not self.free(name) or (times[letter] > 1 and name == letter):
                last[letter] += 1
                name = f"{letter}{'_' * letter[-1].isdecimal()}{last[letter]}"
            self.names.add(name)
            found[key] = name
        return found


def spot(a: Any) -> tuple[Any, ...]:
    """What tells one array from another: where it lies and how."""
    where = a.__array_interface__["data"][0]
    return where, a.shape, a.strides, a.dtype.str


@dataclass
class Data:
    """An input of a tape, and what tells how textbooks call it."""

    value: Any
    parameter: bool = False
    constant: bool = False  # no Tensor
    made: Op | None = None  # the operation that computed it, where that is not on the record
    use: Op | None = None  # the first operation that takes it
    place: int = 0  # as which input
    beyond: Op | None = None  # the first that takes it or a view of it, and is no view


class Names:
    """The names of the tensors of a tape and of the arrays that are in it.

    >>> x, w = tensor([[1.0, 2.0]]), tensor([[3.0], [4.0]], requires_grad=True)
    >>> h = (x @ w).tanh()
    >>> names = Names(h.sum())
    >>> names.of(x), names.of(w), names.of(h)
    ('x', 'W', 'h')
    """

    def __init__(self, root: Any, model: Any = None) -> None:
        read = Reading(root)
        self.read_all(read, Modules(read, model))

    @classmethod
    def of_drawing(cls, read: Reading, modules: Modules) -> Names:
        """Those of what was read already."""
        self = cls.__new__(cls)
        self.read_all(read, modules)
        return self

    def of(self, t: Any) -> str:
        """The name of a tensor of the tape."""
        return self.found[key_of(t)]

    def knows(self, t: Any) -> bool:
        """Whether a tensor of the tape has a name; a leaf that is drawn transposed has one."""
        return key_of(t) in self.found

    def read_all(self, read: Reading, modules: Modules) -> None:
        """Names that were given first, then letters, numbered in the order of the tape."""
        self.read, self.modules = read, modules
        self.data: dict[Any, Data] = {}
        self.viewed: dict[Any, Any] = {}  # what a view shows
        self.found: dict[Any, str] = {}
        for t in read.tape.nodes:
            if t.op is None:
                own = t.requires_grad and (modules.model is None or modules.path(t) != "")
                self.data.setdefault(key_of(t), Data(t.array, own, made=made_by(t)))
            elif t.serial in read.uses:
                self.inputs(t)
        taken = Taken()
        self.given(taken)
        for letters in zip(*self.letters(), strict=True):
            asked = {k: x for k, x in letters if x and k not in self.found}
            self.found |= taken.number(list(asked.items()))

    def given(self, taken: Taken) -> None:
        """The names that the user gave; of several tensors with one name each gets a number."""
        root = self.read.root
        usual = "loss" if root.array.size == 1 else "y"
        asked = {key_of(root): ""} | {
            key_of(t): usual if t is root and not t.name else "" if self.path(t) else t.name
            for t in self.read.tape.nodes
            if t.op is None or t.serial in self.read.uses
        }
        times = Counter(asked.values())
        for key, name in asked.items():
            if times[name] == 1 and (label := identifier(name)):
                self.found[key] = taken.give(label)
        taken.names |= {name for name, n in times.items() if n == 1}  # which are keys of parameters
        for key, name in asked.items():
            if times[name] > 1 and (label := identifier(name)):
                self.found[key] = taken.give(label)

    def path(self, t: Any) -> str:
        """The path of a leaf that a module has."""
        modules = self.modules
        return "" if t.op is not None else modules.label(t) if modules.path(t) or not t.name else ""

    def inputs(self, t: Any) -> None:
        """How an operation uses its inputs, and the arrays among them and in its metadata."""
        for i, (use, a) in enumerate(self.read.given(t)):
            if use is not None:
                key = key_of(use.source)
                self.use(key, t.op, i)
                if is_view(t.op):
                    self.viewed[key_of(t)] = self.viewed.get(key, key)
            elif isinstance(a, np.ndarray):
                self.use(self.constant_key(a), t.op, i)
        picks_class = t.op is ops.getitem and of_log_p(t)
        for a in arrays_in(t.kw):
            self.use(self.constant_key(a), ops.nll if picks_class else None, 0)

    def use(self, key: Any, op: Op | None, place: int) -> None:
        data = self.data.get(key)
        if data is not None and data.use is None:
            data.use, data.place = op, place
        data = self.data.get(self.viewed.get(key, key))
        if data is not None and data.beyond is None and op is not None and not is_view(op):
            data.beyond = op

    def constant_key(self, a: Any) -> Any:
        key = spot(a)
        self.data.setdefault(key, Data(a, constant=True))
        return key

    def letters(self) -> Iterator[tuple[tuple[Any, str], tuple[Any, str]]]:
        """What there is, in the order of the tape, and what it is called after a module, if it is,
        and by its letter."""
        data = dict(zip(self.data, letters_of_data(list(self.data.values())), strict=True))
        within: set[int] = set()  # products that are a part of what textbooks call z
        z: set[int] = set()
        for t in self.read.ops:
            if self.is_linear(t, z):
                inner = {u.source.serial for _, _, u in self.read.each_use((t,))} & z
                z -= inner
                within |= inner
                z.add(t.serial)
        for t in self.read.tape.nodes:
            key = key_of(t)
            if t.op is None:
                path = self.path(t)
                module = short(path) if path else ""
                letter = data.pop(key, "")
                letter, module = (module, "") if module in PARAMETERS.values() else (letter, module)
                yield (key, module), (key, letter)
            elif t.serial in self.read.uses:
                module = identifier(self.modules.results.get(t.serial, ""))
                z_or_m = "z" if t.serial in z else "m" if t.serial in within else ""
                yield (key, module), (key, z_or_m or self.letter(t))
        for key, letter in data.items():
            path = self.modules.path_of(self.data[key].value)
            yield (key, short(path) if path else ""), (key, letter)

    def is_linear(self, t: Any, z: set[int]) -> bool:
        """Whether it is a product, or, of products that are used here alone, a sum with biases, a
        multiple, or without an axis of size 1."""
        if t.op.kind == "product":
            return True
        squeezed = t.op is ops.reshape and without_ones(t.shape) == without_ones(t.args[0].shape)
        if t.op.sign not in ("+", "*", "/") and not squeezed:
            return False
        sources = [u.source for u in self.read.uses[t.serial] if u is not None]
        products = {s for s in sources if s.serial in z and len(self.read.consumers[s.serial]) == 1}
        if t.op.sign == "+":
            others = [s for s in sources if s not in products]
            return bool(products) and all(s.op is None and s.requires_grad for s in others)
        return len(products) == 1 and (squeezed or sum(np.size(a) != 1 for a in t.args) == 1)

    def letter(self, t: Any) -> str:
        """The letter of an operation's result by what it does."""
        inputs = [u.source for u in self.read.uses[t.serial] if u is not None]
        if t.op is ops.sub:  # centred, or a residual
            return "c" if any(s.op is ops.mean for s in inputs) else "r"
        if t.op is ops.mean and inputs and inputs[0].op in (ops.pow, ops.power):
            (base, *_) = [u.source for u in self.read.uses[inputs[0].serial] if u is not None]
            return "var" if base.op is ops.sub and self.letter(base) == "c" else "s"
        return result_letter(t.op)


def key_of(t: Any) -> Any:
    """What tells a tensor of a tape from others: one that needs no gradient is its array."""
    return t.serial if t.requires_grad or t.op is not None else spot(t.array)


def without_ones(shape: tuple[int, ...]) -> list[int]:
    """The sizes of the axes that have more than one element."""
    return [n for n in shape if n != 1]


def made_by(t: Any) -> Op | None:
    """The operation that computed a leaf, where that was not recorded."""
    return t.kw if isinstance(t.kw, Op) else None


def metadata(kw: dict[str, Any] | None, constant: Callable[[Any], Any]) -> dict[str, Any]:
    """Metadata with what stands for its arrays; the rows that an index counts stay what they are.

    >>> metadata({"index": (np.arange(3), np.array([2, 0, 1]))}, lambda a: "t")
    {'index': (array([0, 1, 2]), 't')}
    """

    return {k: put(v, constant) for k, v in (kw or {}).items()}


def put(x: Any, constant: Callable[[Any], Any]) -> Any:
    """What stands for a part of metadata."""
    if isinstance(x, tuple) and any(isinstance(i, np.ndarray) for i in x):
        return in_index(x, constant)
    if isinstance(x, tuple | list):
        return type(x)(put(part, constant) for part in x)
    return constant(x) if isinstance(x, np.ndarray) else x


def arrays_in(kw: dict[str, Any] | None) -> list[Any]:
    """The arrays in metadata that have names."""
    found: list[Any] = []
    metadata(kw, found.append)
    return found


def in_index(entries: tuple[Any, ...], constant: Callable[[Any], Any]) -> tuple[Any, ...]:
    """An index: the first array that counts along an axis is that axis; what stands beside it is
    data, though it may happen to count too, as the classes 0, 1, 2 do."""
    counted: set[int] = set()
    found = []
    for a in entries:
        if isinstance(a, np.ndarray) and a.size > 1 and counts_up(a):
            axis = a.shape.index(a.size) - a.ndim
            if a.ndim == sum(n == 1 for n in a.shape) + 1 and axis not in counted:
                counted.add(axis)
                found.append(a)
                continue
        found.append(constant(a) if isinstance(a, np.ndarray) else a)
    return tuple(found)


def of_log_p(node: Any) -> bool:
    """Whether an operation picks from log-probabilities, or from another view of them."""
    while node is not None and node.op is not None and is_view(node.op):
        node = node.parents[0]
    return node is not None and node.op is ops.log_softmax


# ---- letters of data -----------------------------------------------------------------------------


def letters_of_data(found: list[Data]) -> list[str]:
    """The letters of inputs; only the first data is x, if they differ, and no zeros beside it."""
    known = [(letter_of_data(d), d) for d in found if not d.parameter]
    full = [(letter, d) for letter, d in known if letter in ("x", "index") and np.any(d.value)]
    first = next((d for letter, d in full or known if letter == "x"), None)
    letters: list[str] = []
    for d in found:
        letter = letter_of_data(d)
        if letter == "x" and full and np.size(d.value) > 1 and not np.any(d.value):
            letter = letter_of_zeros(d, letters)
        if letter == "x" and d is not first and d.use in (ops.sub, ops.mul):
            letter = "t" if d.use is ops.sub else "k"
        letters.append(letter)
    return letters


def letter_of_zeros(d: Data, before: list[str]) -> str:
    """h0, the first state of a recurrence, where a product takes them, and then c0, the first one
    of a cell, where they are multiplied."""
    if d.beyond is not None and d.beyond.kind == "product":
        return "h0"
    return "c0" if d.beyond is ops.mul and "h0" in before else "zeros"


def letter_of_data(d: Data) -> str:
    """The usual letter of an input without a name."""
    if d.parameter:  # a bias is added to something
        if d.use is not None and d.use.kind == "product" and d.place > 1:
            return "b"
        return parameter_letter(d.use if d.place else None, d.value.ndim) or "w"
    if d.use is not None and d.use.kind == "loss" and d.place == 1:
        return "t"
    return by_values(d) or by_use(d)


def by_values(d: Data) -> str:
    """What the elements tell: classes, indices, masks."""
    v = np.asarray(d.value)
    if v.dtype.kind == "b":
        return "mask"
    if v.dtype.kind in "iu":
        return "t" if d.use is ops.nll else "index"
    if d.constant or d.made:
        found = set(v.ravel()[:99]) if v.ndim else set()
        if d.made and found in ({0}, {1}) and not is_view(d.made):
            return "ones" if 1 in found else "zeros"
        if len(found) == 2 and 0 in found and (d.made or 1 not in found):  # 0 and 1 can be targets
            return "mask"
    return ""


def by_use(d: Data) -> str:
    """What made it and what takes it tell: x is data, t a target, k a factor."""
    use, made = d.use, d.made
    takes_product = use is not None and use.kind == "product" and not d.place
    if made is ops.pad or (made is not None and not is_view(made) and not takes_product):
        return result_letter(made)  # what was padded has another shape than the x that was given
    if use is None:
        return "x"
    if d.place == 1 and use is ops.sub:
        return "t"
    if use.kind == "loss" and d.place == 2:
        return "pos_weight"
    factor = (use is ops.mul or use.kind == "loss") and (d.constant or made)
    return "k" if use is ops.div or factor else "x"
