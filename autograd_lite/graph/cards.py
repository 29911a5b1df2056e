"""The cards and edges of what was read from a tape."""

from __future__ import annotations

import re
from ast import literal_eval
from typing import Any

import numpy as np

from ..engine.op import Op
from ..engine.tensor import Tensor
from ..program.names import Names, constant, count, number, rounded, words
from .collapse import COPIES, HIDDEN, Folded
from .facts import frames_of, no_numbers, size_of
from .layout import in_reading_order, lay_out
from .model import Box, Drawing, Edge, Node, order
from .modules import common, spoken_path
from .read import Reader, Use

__all__ = ["Writer"]

FAMILIES = {
    "curve": "activation", "arithmetic": "arithmetic", "comparison": "arithmetic",
    "product": "product", "reduction": "reduction", "along": "reduction", "loss": "reduction",
    "view": "shape", "pick": "shape",
}  # fmt: skip
ARRAY = re.compile(r"array\((\[(?:[-\d., \[\]]|True|False)*\]), dtype='\w+'\)")
LONG = 40  # characters of an array, from which on a formula has its shape instead
OVERWRITTEN = "changed in place since: the values are gone"
# verdicts of `compare`, worst first
VERDICTS = (
    "wrong here", "inherited", "too small to judge", "ok, other convention", "ok", "not handed in",
)  # fmt: skip


class Writer:
    """Makes a Drawing of what a Reader has read, without what is folded."""

    def __init__(
        self,
        read: Reader,
        folded: Folded,
        *,
        view: str,
        formulas: bool,
        constants: bool,
        report: Any = None,
    ) -> None:
        self.read, self.folded, self.view, self.formulas = read, folded, view, formulas
        self.root = read.root
        self.constants = constants
        self.report = report
        self.rows = {row.name: row for row in report.rows} if report is not None else {}
        self.group = folded.group
        self.ops = [t for t in read.ops if t.serial not in folded.twin]
        self.shown = [t for t in self.ops if t.serial not in self.group]
        self.twins: dict[int, list[Tensor]] = {t.serial: [t] for t in self.ops}
        for serial, first in folded.twin.items():
            self.twins[first.serial].append(read.ops[read.number[serial]])
        # leaves that stand in one place of equal modules, by the one in the first of them
        self.alike: dict[int, dict[int, Tensor]] = {}
        self.users: dict[int, list[Tensor]] = {}  # the drawn operations that use a leaf
        self.arrivals: dict[int, int] = {}
        for t in self.ops:
            for i, use in enumerate(read.uses[t.serial]):
                if use is None:
                    continue
                s = use.source.serial
                self.arrivals[s] = self.arrivals.get(s, 0) + 1
                if use.source.op is None:
                    self.users.setdefault(s, []).append(t)
                    for twin in self.twins[t.serial]:
                        other = self.use(twin, i).source
                        self.alike.setdefault(s, {})[other.serial] = other
        self.leaves = [
            t
            for t in read.tape
            if t.op is None and (t is self.root or t.serial in self.users) and not self.swallowed(t)
        ]
        self.names = Names()
        self.symbols: dict[int, str] = {}
        self.arrays: dict[str, dict[int, int]] = {}  # constants of one shape, numbered by identity
        self.keys_of_groups: dict[str, str] = {}
        for t in self.ops:
            if t.serial in self.group:
                self.keys_of_groups.setdefault(self.group[t.serial], f"m{read.place[t.serial]}")
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str], Edge] = {}
        self.parallel: list[Edge] = []
        self.ends: dict[tuple[int, int], str] = {}  # the card of a leaf that an operation uses

    def write(self) -> Drawing:
        """The whole drawing."""
        read, root = self.read, self.root
        model = read.modules.model
        label = root.name or ("loss" if model is not None and root.array.size == 1 else "y")
        self.name_all(label)
        self.op_cards()
        self.leaf_cards()
        self.fold_cards()
        self.connect()
        if self.constants:
            self.constant_cards()
        edges = [*self.edges.values(), *self.parallel]
        lay_out(self.nodes, edges, self.depths(), self.key(root))
        drawing = Drawing(*self.heading(label), view=self.view)
        drawing.notes = self.notes()
        if self.report is not None:
            drawing.judgement = self.report.summary
        drawing.nodes = in_reading_order(self.nodes, edges)
        drawing.edges = edges
        if root.op is not None:
            drawing.nodes.append(self.result_card(label))
            seed = [size_of(np.ones(root.shape))] if read.gradients.along else []
            last = Edge(self.key(root), "out", root.requires_grad, seed, root.array.size == 1)
            last.spine = True
            drawing.edges.append(last)
        for i, text in enumerate(drawing.notes):
            drawing.nodes.append(Node(f"note{i + 1}", "note", text))
        drawing.edges.sort(key=lambda e: (order(e.target), order(e.source)))
        drawing.modules = self.frames(drawing.nodes)
        drawing.frames = frames_of(self)
        return drawing

    def use(self, t: Tensor, i: int) -> Use:
        """Input `i` of an operation, which is a Tensor."""
        use = self.read.uses[t.serial][i]
        assert use is not None  # equal modules have constants in the same places
        return use

    def drawn(self, t: Tensor) -> Tensor:
        """The tensor that stands for `t` in the drawing."""
        return self.folded.twin.get(t.serial, t)

    # ---- names

    def name_all(self, label: str) -> None:
        """A short name for every tensor that occurs in a formula."""
        wanted = {
            s.serial: s
            for t in self.shown
            for u in self.read.uses[t.serial]
            if u is not None
            for s in [self.drawn(u.source)]
        }
        wanted |= {t.serial: t for t in [*self.leaves, *self.shown, self.drawn(self.root)]}
        for serial in sorted(wanted):
            t = wanted[serial]
            if t is self.drawn(self.root) and t.op is not None:
                self.names.result(serial, label, t)
            elif t.op is None:
                self.names.leaf(serial, self.read.label(t), t, self.second_of(t))
            else:
                self.names.operation(serial, t)
        self.symbols = self.names.settle()

    def second_of(self, t: Tensor) -> Op | None:
        """The first operation that uses a leaf, if as its second input."""
        for user in self.users.get(t.serial, ())[:1]:
            first = self.read.uses[user.serial][0]
            if first is None or self.drawn(first.source) is not t:
                op: Op = user.op
                return op
        return None

    def symbol(self, t: Tensor) -> str:
        return self.symbols[self.drawn(t).serial]

    def constant(self, a: Any) -> str:
        """What formulas call an input that is no tensor; two arrays of one shape differ."""
        name = constant(a)
        if np.size(a) == 1:
            return name
        alike = self.arrays.setdefault(name, {})
        n = alike.setdefault(id(a), len(alike) + 1)
        return name if n == 1 else f"{name}_{n}"

    def key(self, t: Tensor) -> str:
        t = self.drawn(t)
        folded = self.group.get(t.serial)
        if folded is not None:
            return self.keys_of_groups[folded]
        return f"n{self.read.place[t.serial]}"

    # ---- cards

    def op_cards(self) -> None:
        for t in self.shown:
            node = Node(self.key(t), "op", t.op.name, str(t.shape))
            node.family = family(t)
            node.symbol = self.symbols[t.serial]
            node.path = self.read.paths.get(t.serial, "")
            node.step = self.read.steps.get(t.serial, 0)
            node.times = len(self.twins[t.serial])
            total = self.read.gradients.into.get(t.serial)
            if t.array.size == 1 and node.times == 1:
                if not self.read.overwritten(t):
                    node.value = number(t.array.item(), 5)
                if total is not None and t.requires_grad:
                    node.grad = f"d{node.symbol} = {number(total)}"
            if t.parents is None:
                node.lines.append("record released by backward()")
            elif self.formulas:
                self.put_formulas(node, t)
            if self.read.overwritten(t):
                node.lines.append(OVERWRITTEN)
            node.alarm = self.alarm(self.twins[t.serial])
            self.judge(node, [t.name])
            self.nodes[node.key] = node

    def put_formulas(self, node: Node, t: Tensor) -> None:
        """The printed reading of the operation and of each rule that would be called."""
        from ..program.expr import as_symbol, forward_text, gradients

        uses = self.read.uses[t.serial]
        names = [
            self.constant(a) if u is None else self.symbol(u.source) + u.mark
            for u, a in zip(uses, t.args, strict=True)
        ]
        out = node.symbol
        needed = [u is not None and u.tracked for u in uses]
        saved: set[str] = set()
        try:
            with np.errstate(all="ignore"):
                symbols = [as_symbol(name, a) for name, a in zip(names, t.args, strict=True)]
                node.forward = brief(f"{out} = {forward_text(t.op, symbols, t.kw)}")
                rules = gradients(t.op, t.array, symbols, t.kw, out, f"d{out}")
            for i, rule in enumerate(rules):
                use = uses[i]
                if rule is not None and needed[i] and use is not None:
                    adds = "+=" if self.arrivals[use.source.serial] > 1 else "="
                    text = f"d{names[i]} {adds} {rule}".replace(".mT.mT", "")
                    node.backward.append(brief(text))
                    saved |= rule.leaves()
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
            # a rule of the user's own that only runs on arrays
            node.forward = node.forward or f"{out} = {t.op.name}({', '.join(names)})"
            node.backward = [f"no text: its rule raises {type(error).__name__} on Symbols"]
        node.saved = [name for name in dict.fromkeys([*names, out]) if name in saved]

    def leaf_cards(self) -> None:
        """One card for a leaf, or one at every use if it is used often."""
        for t in self.leaves:
            users = [c for c in self.users.get(t.serial, ()) if c.serial not in self.group]
            users = list({c.serial: c for c in users}.values())
            if len(users) > COPIES:
                for i, user in enumerate(users, 1):
                    node = self.leaf_card(t, f"{self.key(t)}_{i}")
                    times = len({c.serial for c in self.read.consumers[t.serial]})
                    drawn = f", {len(users)} of them drawn" * (len(users) < times)
                    node.lines = [f"used {times} times{drawn}: copy {i}"]
                    if i > 1:  # the backward pass comes to the first use last: there it is whole
                        node.value = node.grad = ""
                    node.path = self.read.paths.get(user.serial, "")
                    self.nodes[node.key] = node
            else:
                self.nodes[self.key(t)] = self.leaf_card(t, self.key(t))

    def swallowed(self, t: Tensor) -> bool:
        """Whether a leaf is inside folded cards: a parameter of theirs, or used in the cut alone."""
        users = {self.group.get(c.serial) for c in self.users.get(t.serial, ())}
        return bool(users) and None not in users and (t.requires_grad or users == {HIDDEN})

    def leaf_card(self, t: Tensor, key: str) -> Node:
        read = self.read
        everyone = list(self.alike.get(t.serial, {t.serial: t}).values())
        labels = [read.label(p) for p in everyone]
        many = len(everyone) > 1
        label = starred(labels) if many else labels[0]
        symbol = self.symbols[t.serial]
        kind = "parameter" if t.requires_grad else "input"
        node = Node(key, kind, words(label) or symbol, str(t.shape))
        node.symbol = symbol
        node.path = read.paths.get(t.serial, "")
        if many:
            node.path = common([read.paths.get(c.serial, "") for c in self.users[t.serial]])
            node.lines.append(f"{len(everyone)} × {count(t.array.size)} numbers · {t.dtype}")
        elif not t.requires_grad:
            node.lines.append(f"input · {t.dtype} · needs no gradient")
        elif t.array.size > 1:
            node.lines.append(f"{count(t.array.size)} numbers · {t.dtype}")
        sizes = [size_of(p.array) for p in everyone]
        if any(read.overwritten(p) for p in everyone):
            node.lines.append(OVERWRITTEN)
        elif t.array.size == 1 and not many:
            node.value = f"value {number(t.array.item(), 5)}"
        elif t.requires_grad:
            node.value = f"norm {span(sizes)}"
        node.alarm = self.alarm(everyone)
        grads = [read.gradients.into[p.serial] for p in everyone if p.serial in read.gradients.into]
        if t.requires_grad and grads:
            word = "grad" if t.array.size == 1 else "grad norm"
            node.grad = f"{word} {span(grads)}"
        self.judge(node, labels)
        return node

    def fold_cards(self) -> None:
        members: dict[str, list[Tensor]] = {}
        for t in self.ops:
            if t.serial in self.group:
                members.setdefault(self.group[t.serial], []).append(t)
        for path, inside in members.items():
            key = self.keys_of_groups[path]
            if path == HIDDEN:
                n = sum(len(self.twins[t.serial]) for t in inside)
                title = f"{count(n)} operation{'s' * (n > 1)} not drawn"
                self.nodes[key] = Node(key, "hidden", title, family="shape")
                continue
            leaves = {
                p.serial: p
                for t in inside
                for u in self.read.uses[t.serial]
                if u is not None and u.source.op is None and u.source.requires_grad
                for p in self.alike[u.source.serial].values()
            }
            frame = self.frame(path)
            node = Node(key, "module", frame.title, frame.what)
            node.path = path.rpartition(".")[0]
            total = sum(p.array.size for p in leaves.values())
            n = sum(len(self.twins[t.serial]) for t in inside)
            node.lines.append(
                f"{count(n)} operation{'s' * (n > 1)} · "
                f"{count(total)} parameter{'s' * (total != 1)}"
            )
            into = self.read.gradients.into
            sizes = [abs(into[s]) for s in leaves if s in into]
            if sizes:
                node.grad = f"grad norm {span(sizes)}"
            bad = sum(bool(self.alarm([twin])) for t in inside for twin in self.twins[t.serial])
            node.alarm = f"NaN or infinite values in {bad} of them" * (bad > 0)
            self.judge(node, [self.read.label(p) for p in leaves.values()])
            self.nodes[key] = node

    def alarm(self, alike: list[Tensor]) -> str:
        """What is said of the first of these tensors that has values that are no numbers."""
        known = (t for t in alike if not self.read.overwritten(t))
        return next(filter(None, (no_numbers(t.array) for t in known)), "")

    def result_card(self, label: str) -> Node:
        root = self.root
        symbol = self.symbol(root)
        node = Node("out", "result", words(label), "" if root.array.size == 1 else str(root.shape))
        node.symbol = symbol
        node.value = number(root.array.item(), 5) if root.array.size == 1 else ""
        if self.read.gradients.along:
            node.grad = f"d{symbol} = 1"
        return node

    def judge(self, node: Node, labels: list[str]) -> None:
        """The worst verdict about the tensors of a card, and what explains it."""
        rows = [self.rows[name] for name in dict.fromkeys(labels) if name and name in self.rows]
        if not rows:
            return
        worst = min(rows, key=lambda row: VERDICTS.index(row.verdict))
        node.verdict = worst.verdict
        if len(labels) > 1:
            bad = sum(row.verdict == worst.verdict for row in rows)
            node.mistakes.append(f"{worst.name}" + f" and {bad - 1} more" * (bad > 1))
        elif worst.rel_err == worst.rel_err:  # not NaN: something was handed in
            node.mistakes.append(f"rel err {worst.rel_err:.1e}")
        if worst.verdict not in ("ok", "not handed in"):
            if worst.note and not worst.diagnoses:
                node.mistakes.append(worst.note)
            for i, words in enumerate(worst.explanations):
                node.mistakes.append(f"or {words}" if i else words)
            formula = self.report.formula.removeprefix(f"{worst.name}: ")
            if formula != self.report.formula:
                node.mistakes.append(formula)

    # ---- edges

    def instance(self, t: Tensor) -> str:
        """The one module, of those that a folded card stands for, that an operation ran in."""
        group = self.group[self.drawn(t).serial]
        parts = self.read.paths.get(t.serial, "").split(".")
        return group if group == HIDDEN else ".".join(parts[: group.count(".") + 1])

    def sums(self) -> tuple[dict[tuple[int, int], tuple[str, int]], dict[tuple[str, int], float]]:
        """What a folded card sends back to a tensor that it uses more than once is one gradient:
        which edges belong to it, and its size."""
        edges: dict[tuple[str, int], list[tuple[int, int]]] = {}
        turned: set[int] = set()
        for first in self.ops:
            for t in self.twins[first.serial] if first.serial in self.group else ():
                for use in self.read.uses[t.serial]:
                    if use is None or use.grad is None:
                        continue
                    s = use.source
                    inside = self.drawn(s).serial in self.group
                    if not (inside and self.instance(s) == self.instance(t)):
                        key = self.instance(t), s.serial
                        edges.setdefault(key, []).append((t.serial, use.through))
                        turned |= {use.through} if use.mark else set()
        keys = {edge: key for key, several in edges.items() if len(several) > 1 for edge in several}
        return keys, self.read.gradients.sums(keys, turned)

    def connect(self) -> None:
        keys, sums = self.sums()
        copies: dict[int, int] = {}
        for t in self.ops:
            target = self.key(t)
            at: dict[int, str] = {}
            for i, use in enumerate(self.read.uses[t.serial]):
                if use is None:
                    continue
                s = use.source
                if s.op is not None:
                    source = self.key(s)
                elif s.serial in at:
                    source = at[s.serial]
                elif self.key(s) in self.nodes:
                    source = self.key(s)
                elif f"{self.key(s)}_1" in self.nodes and t.serial not in self.group:
                    copies[s.serial] = copies.get(s.serial, 0) + 1
                    source = f"{self.key(s)}_{copies[s.serial]}"
                else:
                    continue
                at[s.serial] = self.ends[t.serial, s.serial] = source
                grads: list[float] = []
                for twin in self.twins[t.serial]:
                    u = self.use(twin, i)
                    key = keys.get((twin.serial, u.through))
                    if key is None:
                        grads += [] if u.grad is None else [u.grad.size]
                    elif key in sums:
                        grads.append(sums.pop(key))
                self.edge(source, target, use, grads)

    def edge(self, source: str, target: str, use: Use, grads: list[float]) -> None:
        if source == target:
            return  # inside a folded card
        new = Edge(source, target, use.tracked, grads, signed=use.source.array.size == 1)
        if "m" not in (source[0], target[0]):
            self.parallel.append(new)
            return
        old = self.edges.setdefault((source, target), new)
        if old is not new:
            old.grads += new.grads
            old.tracked |= new.tracked
            old.signed &= new.signed

    def constant_cards(self) -> None:
        """A card for every array or number that is no tensor, at its operation."""
        for t in self.shown:
            for i, (use, a) in enumerate(zip(self.read.uses[t.serial], t.args or (), strict=False)):
                if use is None:
                    node = Node(f"c{self.read.place[t.serial]}_{i}", "input", self.constant(a))
                    node.symbol, node.path = node.title, self.read.paths.get(t.serial, "")
                    node.shape = str(np.shape(a))
                    node.lines = [f"constant · {np.asarray(a).dtype}"]
                    self.nodes[node.key] = node
                    self.parallel.append(Edge(node.key, self.key(t), False))

    def depths(self) -> dict[str, int]:
        """The length of the longest way to every operation's card."""
        deep: dict[str, int] = {}
        for t in self.ops:
            uses = [u for u in self.read.uses[t.serial] if u is not None]
            here = [deep.get(self.key(u.source), 0) + 1 for u in uses]
            deep[self.key(t)] = max([deep.get(self.key(t), 0), *here])
        return deep

    # ---- words around it

    def heading(self, label: str) -> tuple[str, list[str]]:
        read, root = self.read, self.root
        model = read.modules.model
        title = type(model).__name__ if model is not None else f"Graph of {words(label)}"
        parameters = {t.serial: t for t in read.tape if t.op is None and t.requires_grad}
        total = sum(t.array.size for t in parameters.values())
        value = number(root.array.item(), 5) if root.array.size == 1 else str(root.shape)
        facts = [f"{words(label)} {value}", str(root.dtype)]
        if total:
            facts.append(f"{count(total)} parameter{'s' * (total != 1)}")
        facts.append(f"{count(len(read.ops))} operation{'s' * (len(read.ops) != 1)}")
        if root.array.size != 1 and read.gradients.along:
            facts.append(f"gradients of sum({self.symbol(root)})")
        return title, facts

    def notes(self) -> list[str]:
        read, root = self.read, self.root
        notes = []
        if root.op is None:
            why = (
                "a leaf: no operation made it"
                if root.requires_grad
                else "nothing it was computed from needs a gradient, or it was computed inside "
                "no_grad()"
            )
            notes.append(f"Nothing was recorded for this tensor ({why}).")
        released = sum(t.op is not None and t.parents is None for t in read.tape)
        if released:
            notes.append(
                f"The record of {count(released)} operation{'s were' if released > 1 else ' was'} "
                "released by an earlier backward(); call that with retain_graph=True to see what "
                "lies before."
            )
        if read.gradients.error:
            notes.append(f"Gradients are missing: {read.gradients.error}.")
        on_tape = {id(t) for t in read.tape}
        unused = [name for key, name in read.modules.parameters.items() if key not in on_tape]
        if unused and root.op is not None and not released:
            notes.append(f"Not used by this result: {listed(unused)}.")
        known = {name for t in read.tape for name in (read.label(t), t.name)}
        missing = [row for row in self.rows if row not in known and row not in unused]
        if missing:
            notes.append(f"Compared, but not in this graph: {listed(missing)}.")
        return notes

    def frames(self, nodes: list[Node]) -> dict[str, Box]:
        """The frames that the cards stand in, outer ones first."""
        frames: dict[str, Box] = {}
        for node in nodes:
            parts = node.path.split(".") if node.path else []
            for i in range(len(parts)):
                path = ".".join(parts[: i + 1])
                if path not in frames:
                    frames[path] = self.frame(path)
        return frames

    def frame(self, path: str) -> Box:
        """The name on a frame, of all the modules that it stands for, and what they are."""
        alike = self.folded.times.get(path)
        if alike is not None:
            title = f"{spoken_path(alike[0])} … {spoken_path(alike[-1])}"
            return Box(title, f"{self.read.modules.kind(path)} × {len(alike)}")
        title = spoken_path(path)
        for first, others in self.folded.times.items():
            if path.startswith(f"{first}."):
                title = starred([f"{other}{path[len(first) :]}" for other in others])
        return Box(title, self.read.modules.what_is(path))


def family(t: Tensor) -> str:
    """The family, which is the colour, of an operation's card, by its kind.

    One that does not say its kind is drawn as most are: a curve of one input, or arithmetic.
    """
    return FAMILIES[t.op.kind or ("curve" if len(t.args or "1") == 1 else "arithmetic")]


def brief(formula: str) -> str:
    """A formula with rounded numbers, and long arrays called by their shapes, as constants are.

    >>> brief("y = x[array([0, 1, 2, 3, 4, 5, 6, 7, 8, 10], dtype='int64')] / 2.8284271247461903")
    'y = x[const10] / 2.82843'
    """

    def name(found: re.Match[str]) -> str:
        return found[0] if len(found[0]) <= LONG else constant(np.array(literal_eval(found[1])))

    return rounded(ARRAY.sub(name, formula))


def span(sizes: list[float]) -> str:
    """One number, or the smallest and the largest."""
    low, high = number(min(sizes)), number(max(sizes))
    return low if low == high else f"{low} to {high}"


def listed(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(map(words, names[:3]))}{more}"


def starred(labels: list[str]) -> str:
    """What dotted names have in common, with a star for what differs.

    >>> starred(["layers.0.weight", "layers.1.weight"])
    'layers.*.weight'
    """
    columns = zip(*(label.split(".") for label in labels), strict=False)
    return ".".join(part[0] if len(set(part)) == 1 else "*" for part in columns)
