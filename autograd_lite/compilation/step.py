"""The step of an optimizer, read as text: its update rule runs once on names in place of arrays and
numbers, and what it would do is written down.

Numbers that may be others at the next call, rates and counts among them, stay names; where the rule
asks about one, the code asks again, and raises `Differs` at another answer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np

__all__ = ["Descent", "Differs", "Options", "Unsuited"]

step_of = itemgetter("step")
LASTING = (int, float, bool, str, type(None))


class Differs(Exception):
    """A question about values has another answer than in the trace."""


class Unsuited(Exception):
    """The C code does not do this call; with the arrays that it has drawn."""


class Options:
    """The options of a parameter group as `read(group)` gives them, which is called again only
    where one is another: 0.2 us for Adam's instead of 1.3."""

    def __init__(self, group: dict[str, Any], read: Callable[[dict[str, Any]], Any]) -> None:
        self.group, self.read = group, read
        self.pick = options_of(group)
        self.values: Any = None
        self.given: Any = None

    def now(self) -> Any:
        try:
            values = self.pick(self.group)
        except KeyError:  # one is gone; `read` knows whether it is needed
            self.pick = options_of(self.group)
            values = self.pick(self.group)
        if values != self.values:
            self.given = self.read(self.group)
            self.values = values if all(map(lasts, flat(values))) else None
        return self.given


def options_of(group: dict[str, Any]) -> Callable[[dict[str, Any]], Any]:
    return itemgetter(*[k for k in group if k != "params"])


def flat(x: Any) -> list[Any]:
    return [i for part in x for i in flat(part)] if isinstance(x, tuple) else [x]


def lasts(x: Any) -> bool:
    """Whether a value is a number, or a word, that cannot change itself."""
    return isinstance(x, LASTING)


class Descent:
    """The lines that update tensors as `optimizer.step()` does, where all have a gradient.

    `lines` are about `p0, g0, ...`, the tensors `leaves` and their gradients; `given` are the names
    of the rest, of which `values` finds what they stand for, and `used` those of them, and of what
    the lines in `numbers` compute before, that occur in `lines`. `scalars` are arrays of one: how
    they are made, what they hold, and their names. `groups` are the optimizer's, or parts of them.
    """

    def __init__(self, optimizer: Any, leaves: list[Any], groups: Any = None) -> None:
        self.optimizer = optimizer
        groups = optimizer.param_groups if groups is None else groups
        self.buffers = [optimizer._buffers(group) for group in groups]
        self.given: list[str] = []
        self.numbers: list[str] = []
        self.lines: list[str] = []
        self.in_c: list[str] = []  # what `numbers` says, in C
        self.calls: list[tuple[int, Any, tuple[Any, ...], Any]] = []  # what `lines` say
        self.names: dict[str, Any] = {"Differs": Differs}
        self.known: dict[str, str] = {}
        self.used: dict[str, None] = {}
        self.scalars: dict[tuple[str, str], str] = {}
        self.options = [Options(group, self.read_options) for group in groups]
        self.picks = [itemgetter(*names) if names else None for names in self.buffers]
        place = {id(t): k for k, t in enumerate(leaves)}
        for i, group in enumerate(groups):
            states = [optimizer.state[p] for p in group["params"] if p in optimizer.state]
            n = max([2, *(state["step"] + 1 for state in states)])  # the first has no state yet
            constants = optimizer._constants(group)
            if optimizer.scalars:
                state = next(iter(states), None) or optimizer._first_numbers(group)
                constants = optimizer._advance(state, constants, n)[1]
            options = [Number(self, f"option{i}_{j}", x) for j, x in enumerate(constants)]
            count = Number(self, f"count{i}", n if self.buffers[i] else 0)
            for p in group["params"]:
                self.read(place[id(p)], p, len(self.buffers[i]), tuple(options), count)
            self.given += [x.text for x in (*options, count)]

    def read_options(self, group: dict[str, Any]) -> Any:
        """The names of a group's states, and its options."""
        return self.optimizer._buffers(group), self.optimizer._constants(group)

    def read(self, k: int, p: Any, n: int, options: Any, count: Any) -> None:
        """The update of one tensor; of a large one part by part."""
        parts = self.optimizer._plan(p).parts
        self.dtype = p.dtype.str
        states = [f"state{k}_{j}" for j in range(n)]
        self.given += states
        self.used |= dict.fromkeys(states)
        self.indent = ""
        if parts[0][0] is None:
            scratch = [f"scratch{k}_{j}" for j in range(self.optimizer.scratch)]
            self.names |= dict(zip(scratch, parts[0][1], strict=True))
            p, g = f"p{k}", f"g{k}"
        else:
            self.names[f"parts{k}"] = parts
            scratch = [f"t{j}" for j in range(self.optimizer.scratch)]
            whole, states = [f"p{k}", f"g{k}", *states], [f"s{j}" for j in range(n)]
            p, g = "p", "g"
            self.line(f"for i, ({', '.join(scratch)},) in parts{k}:")
            self.indent = "    "
            for x, y in zip(("p", "g", *states), whole, strict=True):
                self.line(f"{x} = {y}[i]")
        named = [
            [Named(self, x, word) for x, word in zip(group, words, strict=True)]
            for group, words in (
                ([p, g], ["p", "g"]),
                (scratch, [f"t{j}" for j in range(len(scratch))]),
                (states, [f"s{j}" for j in range(n)]),
            )
        ]
        self.tensor = k
        self.optimizer._update(*named[0], *named[1:], options, count)

    def line(self, text: str) -> None:
        self.lines.append(self.indent + text)

    def call(self, function: Any, words: tuple[Any, ...], out: Any) -> None:
        """Write down what an elementwise function would do."""
        name = function.__name__
        self.names[name] = function
        word = "out=" if name in ("maximum", "minimum") else ""
        texts = [self.scalar(x) if isinstance(x, Number) else str(x) for x in words]
        self.line(f"{name}({', '.join(texts)}, {word}{out})")
        if function is np.copyto:
            (out,), words = words, (out,)
        short = tuple([x.word if isinstance(x, Named) else x for x in words])
        self.calls.append((self.tensor, function, short, out.word))

    def scalar(self, x: Number) -> str:
        """A number as an array of one in the dtype of the tensor, which an elementwise function
        takes 0.2 us faster; it is filled at every call."""
        line = f"empty((), {self.dtype!r})", x.text
        if line not in self.scalars:
            self.scalars[line] = f"x{len(self.scalars)}"
            self.used[x.text] = None
        return self.scalars[line]

    def number(self, text: str, value: Any) -> Number:
        """A number computed from others, once for all tensors."""
        if text not in self.known:
            self.known[text] = f"number{len(self.known)}"
            self.numbers.append(f"{self.known[text]} = {text}")
            a, power, b = text.partition(" ** ")
            self.in_c.append(
                f"const double {self.known[text]} = {f'pow({a}, {b})' if power else text};"
            )
        return Number(self, self.known[text], value)

    def asked(self, text: str, answer: bool) -> bool:
        """What the rule goes by."""
        line = f"if {f'not ({text})' if answer else text}: raise Differs"
        if line not in self.numbers:
            self.numbers.append(line)
            self.in_c.append(f"if (RARE({'!' * answer}({text}))) return 1;")
        return answer

    def values(self) -> tuple[list[Any], list[Any]] | None:
        """What the names stand for now; and for each group the states whose steps are counted, with
        the numbers that they then have.

        None where a tensor has no state yet, or has taken another number of steps than the rest of
        its group, or has other numbers.
        """
        found: list[Any] = []
        counted: list[Any] = []
        scalars = self.optimizer.scalars
        groups = zip(self.options, self.buffers, self.picks, strict=True)
        for options, names, pick in groups:
            now, constants = options.now()
            if now != names:
                raise Differs
            n = 0
            if pick is not None:
                states = list(map(self.optimizer.state.get, options.group["params"]))
                try:
                    arrays = list(map(pick, states))
                    steps = list(map(step_of, states))
                except (KeyError, TypeError):
                    return None
                found += arrays if len(names) == 1 else chain.from_iterable(arrays)
                if steps and steps.count(steps[0]) != len(steps):
                    return None
                n = steps[0] + 1 if steps else 0
                numbers: Any = {}
                if scalars and states:
                    if any(s[name] != states[0][name] for s in states for name in scalars):
                        return None
                    numbers, constants = self.optimizer._advance(states[0], constants, n)
                counted.append((states, numbers))
            found += constants
            found.append(n)
        return found, counted


class Named:
    """The name of an array in an update rule."""

    def __init__(self, descent: Descent, text: str, word: str) -> None:
        self.descent, self.text, self.word = descent, text, word

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any) -> Any:
        if method != "__call__":
            raise TypeError(f"{ufunc.__name__}.{method} is not followed")
        self.descent.call(ufunc, inputs, out[0])
        return out[0]

    def __setitem__(self, index: Any, value: Any) -> None:
        if index is not ...:
            raise TypeError("an update of a part is not followed")
        self.descent.call(np.copyto, (self,), value)

    def __str__(self) -> str:
        return self.text


class Number:
    """The name of a number in an update rule, with the value that it has now."""

    def __init__(self, descent: Descent, text: str, value: Any) -> None:
        self.descent, self.text, self.value = descent, text, value

    def __bool__(self) -> bool:
        return self.descent.asked(self.text, bool(self.value))

    def __str__(self) -> str:
        return self.text


def plain(x: float) -> str:
    return repr(x) if x >= 0 else f"({x!r})"


def infix(name: str, sign: str, turned: bool) -> Callable[[Number, Any], Any]:
    """The method of an operator: a question if it compares."""
    function = getattr(operator, name)

    def method(self: Number, other: Any) -> Any:
        pair = (other, self) if turned else (self, other)
        a, b = (x.value if isinstance(x, Number) else x for x in pair)
        text = f" {sign} ".join(str(x) if isinstance(x, Number) else plain(x) for x in pair)
        value = function(a, b)
        if isinstance(value, bool):
            return self.descent.asked(text, value)
        return self.descent.number(text, value)

    return method


for name, sign in {  # the operators of Python's numbers, which happen to be called like rows
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "pow": "**",
    "eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">=",
}.items():  # fmt: skip
    setattr(Number, f"__{name}__", infix(name, sign, False))
    if sign in "+-*/**":
        setattr(Number, f"__r{name}__", infix(name, sign, True))
