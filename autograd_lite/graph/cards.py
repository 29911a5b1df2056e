"""The cards and arrows of what was read from a tape."""

from __future__ import annotations

import re
from ast import literal_eval
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..engine.op import Op
from ..engine.rules import ops
from ..engine.tensor import Tensor
from ..program.expr import UNWRITTEN, as_symbol, forward_of, gradients, is_view
from ..program.modules import Modules, common_path, is_loop, parents, spoken_path, together
from ..program.names import constant, counted, number, rounded, span, words
from ..program.naming import Names, arrays_in, metadata, spot
from ..program.notation import text
from ..program.reading import Reading
from .collapse import COPIES, HIDDEN, Folded
from .facts import Facts, no_numbers, size_of
from .formulas import cross_entropy_line, forward_line, gradient_line
from .gradients import Gradients
from .layout import in_reading_order, lay_out
from .model import Arrow, Box, Card, Drawing, Window, order
from .windows import window_of

__all__ = ["FAMILIES", "Cards"]

FAMILIES = {
    "curve": "activation", "arithmetic": "arithmetic", "comparison": "arithmetic",
    "product": "product", "matrix": "product", "reduction": "reduction", "along": "reduction",
    "loss": "reduction", "view": "shape", "pick": "shape",
    "window": "reduction",
}  # fmt: skip
ARRAY = re.compile(r"array\((\[(?:[-\d., \[\]]|True|False)*\]), dtype='\w+'\)")
FEW = 8  # elements of an array that a card tells
LONG = 40  # characters of an array, from which on a formula has its shape instead
OVERWRITTEN = "changed in place since: the values are gone"


@dataclass
class Shared:
    """What the drawings of one tape have in common: names, numbers, and formulas once written."""

    names: Names
    facts: dict[int, Facts] = field(default_factory=dict)  # by serial number
    written: dict[int, Card] = field(default_factory=dict)
    alarms: dict[int, str] = field(default_factory=dict)

    def no_numbers(self, t: Tensor) -> str:
        """How many values of a tensor are no numbers."""
        if t.serial not in self.alarms:
            self.alarms[t.serial] = no_numbers(t.array)
        return self.alarms[t.serial]


class Cards:
    """Makes a Drawing of what was read, without what is folded: `made` are the cards, by key."""

    def __init__(
        self,
        read: Reading,
        modules: Modules,
        folded: Folded,
        gradients: Gradients,
        report: Any,
        shared: Shared,
        scene: int = 0,
    ) -> None:
        self.read, self.modules, self.folded, self.gradients = read, modules, folded, gradients
        self.shared, self.scene = shared, scene
        self.root, self.group, self.report = read.root, folded.group, report
        self.findings: list[Any] = []
        self.unplaced: list[Any] = []  # findings about nothing that is drawn
        self.rows = {row.name: row for row in report.rows} if report is not None else {}
        # leaves that stand in one place of equal modules, by the one in the first of them
        self.alike: dict[int, dict[int, Tensor]] = {}
        self.windows: set[Any] = set()  # the kinds of those that are drawn
        self.carried: set[int] = set()  # leaves in whose place the next steps have what one gives
        self.users: dict[int, list[Tensor]] = {}  # the drawn operations that use a leaf
        self.arrivals: Counter[int] = Counter()
        for t, i, use in self.read.each_use(folded.ops):
            s = use.source.serial
            self.arrivals[s] += use.tracked
            if use.source.op is None:
                self.users.setdefault(s, []).append(t)
                for twin in folded.twins[t.serial]:
                    other = read.uses[twin.serial][i]
                    assert other is not None  # equal modules have constants in the same places
                    if other.source.op is not None:  # where the first step has an input
                        self.carried.add(s)
                        continue
                    self.alike.setdefault(s, {})[other.source.serial] = other.source
        self.leaves = [t for t in read.tape.nodes if t.op is None and self.has_card(t)]
        self.label = self.root.name or shared.names.of(self.root)
        self.keys_of_groups: dict[str, str] = {}
        for t in folded.ops:
            if t.serial in self.group:
                self.keys_of_groups.setdefault(self.group[t.serial], f"m{read.place[t.serial]}")
        self.made: dict[str, Card] = {}
        self.arrows: list[Arrow] = []
        self.ends: dict[tuple[int, int], str] = {}  # the card of a leaf that an operation uses

    def drawing(self, view: str, formulas: bool, constants: bool) -> Drawing:
        """The whole drawing."""
        root = self.root
        self.op_cards(formulas)
        self.leaf_cards()
        self.fold_cards(formulas)
        self.place_mistakes()
        self.place_findings()
        self.connect()
        if constants:
            self.constant_cards()
        lay_out(self.made, self.arrows, self.depths(), self.key(root))
        title, facts = self.heading()
        drawing = Drawing(title, facts, view, in_reading_order(self.made, self.arrows), self.arrows)
        drawing.notes = list(self.notes())
        drawing.judgement = self.report.summary if self.report is not None else ""
        if root.op is not None:
            drawing.nodes.append(self.result_card())
            seed = [size_of(np.ones(root.shape))] if self.gradients.along else []
            size_1 = root.array.size == 1
            last = Arrow(self.key(root), "out", root.requires_grad, seed, size_1, spine=True)
            drawing.edges.append(last)
        drawing.nodes += [Card(f"note{i}", "note", x) for i, x in enumerate(drawing.notes, 1)]
        drawing.edges.sort(key=lambda e: (order(e.target), order(e.source)))
        drawing.modules = self.boxes(drawing.nodes)
        return drawing

    def has_card(self, t: Tensor) -> bool:
        """Whether a leaf is drawn, and not in folded cards: as a parameter of theirs, or used in
        the cut alone."""
        users = {self.group.get(c.serial) for c in self.users.get(t.serial, ())}
        if not users:
            return t is self.root
        return None in users or not (t.requires_grad or users == {HIDDEN})

    # ---- names

    def symbol(self, t: Tensor) -> str:
        return self.shared.names.of(self.folded.drawn(t))

    def called(self, t: Tensor) -> list[str]:
        """What the inputs of an operation are called, steps of one loop each by a name of its
        own."""
        given = self.read.given(t)
        sources = {u.source.serial: u.source for u, _ in given if u is not None}
        drawn = Counter(self.folded.drawn(s).serial for s in sources.values())
        return [
            self.constant(a)
            if u is None
            else self.shared.names.of(u.source)
            if drawn[self.folded.drawn(u.source).serial] > 1
            else self.symbol(u.source)
            for u, a in given
        ]

    def constant(self, a: Any) -> str:
        """What formulas call an input that is no tensor."""
        return constant(a) if np.size(a) == 1 else self.shared.names.found[spot(a)]

    def key(self, t: Tensor) -> str:
        t = self.folded.drawn(t)
        group = self.group.get(t.serial)
        return f"n{self.read.place[t.serial]}" if group is None else self.keys_of_groups[group]

    def path(self, t: Tensor) -> str:
        return self.modules.paths.get(t.serial, "")

    # ---- cards

    def op_cards(self, formulas: bool) -> None:
        into = self.gradients.into
        pulled = [t.serial for t in reversed(self.read.ops) if t.requires_grad]
        steps = {serial: i for i, serial in enumerate(pulled, 1)}
        for t in self.folded.shown:
            twins = self.folded.twins[t.serial]
            card = Card(
                self.key(t),
                "op",
                words(t.op.name) or "operation",
                str(t.shape),
                self.family(t),
                path=self.path(t),
            )
            card.symbol = self.symbol(t)
            card.step = steps.get(t.serial, 0)
            card.times = len(twins)
            card.alarm = self.alarm(twins)
            gone = [OVERWRITTEN] * self.read.overwritten(t)
            if t.array.size == card.times == 1:
                card.value = "" if gone else number(t.array.item(), 5)
                if t.serial in into and t.requires_grad:
                    card.grad = f"d_{card.symbol} = {number(into[t.serial])}"
            if t.sources is None:
                card.lines.append("record released by backward()")
            elif formulas:
                card.lines += self.small_arrays(t)
                written = self.shared.written.setdefault(t.serial, card)
                if written is card:
                    self.put_formulas(card, t)
                card.forward, card.backward = written.forward, written.backward
                card.saved, card.book = written.saved, written.book
                card.window = self.window(t)
            card.lines += gone
            self.judge(card, [t.name or card.symbol])
            self.made[card.key] = card

    def window(self, t: Tensor) -> Window | None:
        """What it moves over its input, on the first card of those that move the like."""
        uses = self.read.uses[t.serial]
        names = self.called(t)
        made = uses[0].source if uses[0] is not None else None
        padded = made if made is not None and made.op is ops.pad else None
        there = not any(map(self.read.overwritten, [t, *[u.source for u in uses if u is not None]]))
        found = window_of(t, names, self.symbol(t), padded, numbers=there)
        if found is None:
            return None
        kind = t.op, str(t.kw), found.size
        if kind in self.windows:
            return None
        self.windows.add(kind)
        return found

    def small_arrays(self, t: Tensor) -> list[str]:
        """The elements of arrays in metadata, such as an index, if they are few."""
        few = (a for a in arrays_in(t.kw) if a.ndim == 1 < a.size <= FEW)
        return [f"{self.constant(a)} = {a.tolist()}" for a in few]

    def family(self, t: Tensor) -> str:
        """The family, which is the colour, of an operation's card, by its kind.

        What needs no gradient is its own family. One that does not say its kind is a reduction if
        it gives fewer elements than it gets, else a curve of one input, or arithmetic of several.
        """
        if not self.read.tracked(t):
            return "untracked"
        if t.op in (ops.neg, ops.power):  # one input, but written with a sign: -x, x ** 2
            return "arithmetic"
        if t.op.kind:
            return FAMILIES[t.op.kind]
        args = t.args or ()
        if any(np.size(a) > t.array.size for a in args):
            return "reduction"
        return "arithmetic" if len(args) > 1 else "activation"

    def put_formulas(self, card: Card, t: Tensor) -> None:
        """The printed reading of the operation and of each rule that would be called."""
        uses = self.read.uses[t.serial]
        given = self.read.given(t)
        names = [
            name + u.mark if u is not None else name
            for name, (u, _) in zip(self.called(t), given, strict=True)
        ]
        out = card.symbol
        saved: set[str] = set()
        try:
            with np.errstate(all="ignore"):
                symbols = [as_symbol(name, a) for name, (_, a) in zip(names, given, strict=True)]
                kw = metadata(t.kw, lambda a: as_symbol(self.constant(a), a))
                whole = forward_of(t.op, symbols, kw)
                card.forward = brief(f"{out} = {text(whole)}")
                card.book[card.forward] = forward_line(out, t.op, symbols, kw, whole)
                rules = gradients(t.op, t.array, symbols, kw, out, f"d_{out}")
            for use, name, rule in zip(uses, names, rules, strict=False):
                if rule is not None and use is not None and use.tracked:
                    adds = "+=" if self.arrivals[use.source.serial] > 1 else "="
                    code = brief(f"d_{name} {adds} {rule}".replace(".mT.mT", ""))
                    card.backward.append(code)
                    whose = name.removesuffix(use.mark)
                    card.book[code] = gradient_line(whose, use.mark, adds, rule)
                    saved |= rule.leaves()
            users = self.read.consumers.get(t.serial, [])
            if t.op is ops.log_softmax and [user.op for user in users] == [ops.nll]:
                self.put_cross_entropy(card, names[0], users[0])
        except UNWRITTEN as error:  # a rule of the user's own that only runs on arrays
            card.forward = card.forward or f"{out} = {t.op.name}({', '.join(names)})"
            why = f"its rule raises {type(error).__name__} on Symbols"
            if hasattr(t.op, "made_of"):  # which is read in its place as long as that can be
                why = "an input was changed since; draw before the step"
            card.backward = [f"no text: {why}"]
        card.saved = [name for name in dict.fromkeys([*names, out]) if name in saved]

    def put_cross_entropy(self, card: Card, x: str, user: Tensor) -> None:
        """Where a log_softmax meets the negative log-likelihood, its gradient is p - t."""
        _, target = self.read.uses[user.serial]
        t = self.constant(user.args[1]) if target is None else self.symbol(target.source)
        if card.backward:
            out = self.symbol(user)
            card.book[card.backward[0]] = cross_entropy_line(x, t, out, user.kw["n"])

    def leaf_cards(self) -> None:
        """One card for a leaf, or one at every use if it is used often."""
        for t in self.leaves:
            users = [c for c in self.users.get(t.serial, ()) if c.serial not in self.group]
            users = list({c.serial: c for c in users}.values())
            if len(users) <= COPIES:
                self.made[self.key(t)] = self.leaf_card(t, self.key(t))
                continue
            times = len({c.serial for c in self.read.consumers[t.serial]})
            drawn = f", {len(users)} of them drawn" * (len(users) < times)
            for i, user in enumerate(users, 1):
                card = self.leaf_card(t, f"{self.key(t)}_{i}")
                card.lines = [f"used {times} times{drawn}: copy {i}"]
                if i > 1:  # the backward pass comes to the first use last: there it is whole
                    card.value = card.grad = ""
                card.path = self.path(user)
                self.made[card.key] = card

    def leaf_card(self, t: Tensor, key: str) -> Card:
        everyone = list(self.alike.get(t.serial, {t.serial: t}).values())
        labels = [self.modules.label(p) for p in everyone]
        many = len(everyone) > 1
        size = t.array.size
        symbol = self.symbol(t)
        title = words(starred(labels) if many else labels[0]) or symbol
        card = Card(key, "parameter" if t.requires_grad else "input", title, str(t.shape))
        card.symbol = symbol
        card.path = common_path(map(self.path, self.users[t.serial])) if many else self.path(t)
        if many:
            card.lines.append(f"{len(everyone)} × {counted(size, 'number')} · {t.dtype}")
        elif not t.requires_grad:
            card.lines.append(f"{self.made_by(t)} · {t.dtype} · needs no gradient")
        elif size > 1:
            card.lines.append(f"{counted(size, 'number')} · {t.dtype}")
        if t.serial in self.carried:
            card.lines = [f"at first · {t.dtype} · then what the one before gives"]
        if any(map(self.read.overwritten, everyone)):
            card.lines.append(OVERWRITTEN)
        elif size == 1 and not many:
            card.value = f"value {number(t.array.item(), 5)}"
        elif t.requires_grad:
            card.value = f"norm {span([size_of(p.array) for p in everyone])}"
        card.alarm = self.alarm(everyone)
        grads = self.sizes(everyone)
        if t.requires_grad and grads:
            card.grad = f"{'grad' if size == 1 else 'grad norm'} {span(grads)}"
        self.judge(card, labels if any(labels) else [symbol])
        return card

    def made_by(self, t: Tensor) -> str:
        """Where a leaf that needs no gradient has its values from."""
        filled = t.version is not None and t.version.changed > t.serial
        if filled and self.read.whole and not self.modules.path(t):  # which a training step fills
            return "filled in place, which is not drawn"
        if not isinstance(t.kw, Op) or (is_view(t.kw) and not self.read.whole):
            return "input"
        return f"computed by {t.kw.name}" + " before the record" * (not self.read.whole)

    def sizes(self, leaves: Iterable[Tensor]) -> list[float]:
        """How large the gradients of leaves are."""
        into = self.gradients.into
        return [into[p.serial] for p in leaves if p.serial in into]

    def fold_cards(self, formulas: bool) -> None:
        members: dict[str, list[Tensor]] = {}
        for t in self.folded.ops:
            if t.serial in self.group:
                members.setdefault(self.group[t.serial], []).append(t)
        for path, inside in members.items():
            key = self.keys_of_groups[path]
            everyone = [twin for t in inside for twin in self.folded.twins[t.serial]]
            operations = counted(len(everyone), "operation")
            if path == HIDDEN:
                self.made[key] = Card(key, "hidden", f"{operations} not drawn", family="shape")
                continue
            leaves = {
                p.serial: p
                for _, _, use in self.read.each_use(inside)
                if use.source.op is None and use.source.requires_grad
                for p in self.alike[use.source.serial].values()
            }
            box = self.box(path)
            card = Card(key, "module", box.title, box.what, path=path.rpartition(".")[0])
            card.opens = path
            computed = not all(is_view(t.op) for t in inside)
            card.forward = self.modules.textbook(path) if formulas and computed else ""
            total = sum(p.array.size for p in leaves.values())
            holds = f"{operations} · {counted(total, 'parameter')}"
            card.lines += [*filter(None, [self.through(inside)]), holds]
            grads = self.sizes(leaves.values())
            card.grad = f"grad norm {span(list(map(abs, grads)))}" if grads else ""
            bad = sum(bool(self.alarm([t])) for t in everyone)
            card.alarm = f"NaN or infinite values in {bad} of them" * (bad > 0)
            self.judge(card, [self.modules.label(p) for p in leaves.values()])
            self.made[key] = card

    def through(self, inside: list[Tensor]) -> str:
        """The shapes of what goes into operations, without parameters, and of what comes out."""
        within = {t.serial for t in inside}
        given = [u.source for _, _, u in self.read.each_use(inside)]
        data = {s.serial: s for s in given if s.op is not None or not s.requires_grad}
        into = [str(s.shape) for serial, s in data.items() if serial not in within]
        users = self.read.consumers
        out = [
            str(t.shape)
            for t in inside
            if t is self.root or any(c.serial not in within for c in users.get(t.serial, ()))
        ]
        return f"{listed(into)} → {listed(out)}" if into and out else ""

    def alarm(self, alike: list[Tensor]) -> str:
        """What is said of the first of these tensors that has values that are no numbers."""
        known = (t for t in alike if not (self.read.overwritten(t) or pads_with_infinity(t)))
        return next(filter(None, map(self.shared.no_numbers, known)), "")

    def result_card(self) -> Card:
        root = self.root
        single = root.array.size == 1
        card = Card("out", "result", words(self.label), "" if single else str(root.shape))
        card.symbol = self.shared.names.of(root)
        card.value = number(root.array.item(), 5) if single else ""
        card.grad = f"d_{card.symbol} = 1" if self.gradients.along else ""
        return card

    def judge(self, card: Card, labels: list[str]) -> None:
        """The worst verdict about the tensors of a card, and what explains it."""
        rows = [self.rows[name] for name in dict.fromkeys(labels) if name and name in self.rows]
        if not rows:
            return
        from ..comparison.answers.judge import VERDICTS

        worst = min(rows, key=lambda row: list(VERDICTS).index(row.verdict))
        card.verdict = worst.verdict
        card.sign, card.tone = VERDICTS[worst.verdict]
        if len(labels) > 1:
            bad = sum(row.verdict == worst.verdict for row in rows)
            card.mistakes.append(f"{worst.name}" + f" and {bad - 1} more" * (bad > 1))
        elif worst.rel_err == worst.rel_err:  # not NaN: something was handed in
            card.mistakes.append(f"rel err {worst.rel_err:.1e}")
        if worst.verdict not in ("ok", "not handed in"):
            if worst.note and not worst.diagnoses:
                card.mistakes.append(worst.note)
            card.mistakes += [f"or {x}" if i else x for i, x in enumerate(worst.explanations)]
            formula = self.report.formula.removeprefix(f"{worst.name}: ")
            if formula != self.report.formula:
                card.mistakes.append(formula)

    def place_mistakes(self) -> None:
        """A mistake stands at the operation whose derivative is wrong, with what shows it."""
        made = {t.serial: t for t in self.read.ops}
        for row in self.rows.values():
            first = next((d for d in row.diagnoses if d.at in made), None)
            if first is None:
                continue
            card = self.made[self.key(made[first.at])]
            showing = [r.name for r in self.rows.values() if row.name in (r.name, r.mistake_of)]
            inside = f"in {made[first.at].op.name}: " if card.kind != "op" else ""
            words_of = first.sentence.partition(" (in ")[0]  # which is here
            said = f"{inside}{'' if first.exact else 'perhaps '}{words_of}"
            if not card.verdict or card.tone != "wrong":
                card.verdict, card.sign, card.tone = "the mistake is here", "■", "wrong"
                card.mistakes = [f"seen in {first_three(showing)}", said]
            elif said not in card.mistakes and card.kind == "op":
                card.mistakes.append(said)

    def place_findings(self) -> None:
        """What was found in a training stands at the operation or the parameter it is about."""
        for finding in [f for found in self.findings for f in (found, *found.others)]:
            keys = {*self.keys_at(finding.where, finding.tensor)}
            for card in (self.made[key] for key in sorted(keys, key=order)):
                what = finding.kind.replace("-", " ")
                found = [finding.sentence, finding.evidence, finding.advice]
                if card.verdict and card.verdict != "not handed in":
                    found[0] = f"{what}: {found[0]}"
                    card.mistakes = [*(card.mistakes or [""]), *found]
                    continue
                card.mistakes = ["", *found, *[f"({card.verdict})"] * bool(card.verdict)]
                card.judge, card.verdict, card.sign, card.tone = "found", what, "▲", "doubt"
            if not keys:
                self.unplaced.append(finding)

    def keys_at(self, where: str, found: Any) -> Iterator[str]:
        """The cards of a tensor, or of its likes in another record of the model: a leaf of that
        name, an operation of that kind in that module."""
        nodes = [] if found is None else self.read.tape.nodes
        same = [t for t in nodes if t is found] or [
            t for t in nodes if t.op is found.op and where in (self.modules.label(t), self.path(t))
        ]
        for t in same:
            users = [t] if t.op is not None else self.read.consumers.get(t.serial, [])
            for key in (self.key(t), f"{self.key(t)}_1", *map(self.key, users)):
                if key in self.made:
                    yield key
                    break

    # ---- arrows

    def connect(self) -> None:
        """An arrow for every use; those of a folded card are one for each card at the other end."""
        bundles = self.gradients.bundles[self.scene]
        sums = dict(self.gradients.sums[self.scene])
        merged: dict[tuple[str, str], Arrow] = {}
        copies: Counter[int] = Counter()
        for t, i, use in self.read.each_use(self.folded.ops):
            target, s = self.key(t), use.source
            source = self.ends.get((t.serial, s.serial), self.key(s))
            if s.op is None and source not in self.made:
                if t.serial in self.group or f"{source}_1" not in self.made:
                    continue
                copies[s.serial] += 1
                source = f"{source}_{copies[s.serial]}"
            self.ends[t.serial, s.serial] = source
            grads: list[float] = []
            for twin in self.folded.twins[t.serial]:
                place = (twin.serial, i)
                key = bundles.get(place)
                if key in sums:
                    grads.append(sums.pop(key))
                elif key is None and place in self.gradients.along:
                    grads.append(self.gradients.along[place].size)
            if source == target:
                continue  # inside a folded card
            arrow = Arrow(source, target, use.tracked, grads, signed=s.array.size == 1)
            if "m" not in (source[0], target[0]):
                self.arrows.append(arrow)
            elif (old := merged.setdefault((source, target), arrow)) is not arrow:
                old.grads += grads
                old.tracked |= arrow.tracked
                old.signed &= arrow.signed
        self.arrows = [*merged.values(), *self.arrows]

    def constant_cards(self) -> None:
        """A card for every array or number that is no tensor, at its operation."""
        for t in self.folded.shown:
            found = [*self.read.given(t), *((None, a) for a in arrays_in(t.kw))]
            for i, (use, a) in enumerate(found):
                if use is None:
                    key, name = f"c{self.read.place[t.serial]}_{i}", self.constant(a)
                    card = Card(key, "input", name, str(np.shape(a)), symbol=name)
                    card.path = self.path(t)
                    card.lines.append(f"constant · {np.asarray(a).dtype}")
                    self.made[key] = card
                    self.arrows.append(Arrow(key, self.key(t), False))

    def depths(self) -> dict[str, int]:
        """The length of the longest way to every operation's card."""
        deep: dict[str, int] = {}
        for t in self.folded.ops:
            key, uses = self.key(t), self.read.each_use((t,))
            here = [deep.get(self.key(use.source), 0) + 1 for _, _, use in uses]
            deep[key] = max([deep.get(key, 0), *here])
        return deep

    # ---- words around it

    def heading(self) -> tuple[str, list[str]]:
        root, model = self.root, self.modules.model
        title = type(model).__name__ if model is not None else f"Graph of {words(self.label)}"
        leaves = (t for t in self.read.tape.nodes if t.op is None and t.requires_grad)
        total = sum(t.array.size for t in leaves)
        value = number(root.array.item(), 5) if root.array.size == 1 else str(root.shape)
        facts = [f"{words(self.label)} {value}", str(root.dtype)]
        facts += [counted(total, "parameter")] if total else []
        facts.append(counted(len(self.read.ops), "operation"))
        if root.array.size != 1 and self.gradients.along:
            facts.append(f"gradients of sum({self.shared.names.of(root)})")
        return title, facts

    def notes(self) -> Iterator[str]:
        root, nodes, modules = self.root, self.read.tape.nodes, self.modules
        if root.op is None and root.requires_grad:
            yield "Nothing was recorded for this tensor (a leaf: no operation made it)."
        elif root.op is None:
            yield (
                "Nothing was recorded for this tensor (nothing it was computed from needs a "
                "gradient, or it was computed inside no_grad())."
            )
        released = sum(t.sources is None for t in nodes)
        if released:
            yield (
                f"The record of {counted(released, 'operation')} "
                f"{'were' if released > 1 else 'was'} released by backward(), so that what lies "
                "before is not drawn: draw first, or call backward(retain_graph=True), or let draw "
                "compute it again, draw(model, x)."
            )
        if self.gradients.error:
            yield f"Gradients are missing: {self.gradients.error}."
        on_tape = {id(t) for t in nodes}
        unused = [name for key, name in modules.parameters.items() if key not in on_tape]
        if unused and root.op is not None and not released:
            yield f"Not used by this result: {first_three(unused)}."
        for finding in self.unplaced:
            yield f"Found: {finding}"
        found = self.shared.names.found.values()
        known = {name for t in nodes for name in (modules.label(t), t.name)}.union(found).union(
            unused
        )
        missing = [row for row in self.rows if row not in known]
        if missing:
            yield f"Compared, but not in this graph: {first_three(missing)}."

    def boxes(self, cards: list[Card]) -> dict[str, Box]:
        """The boxes that cards stand in, outer ones first."""
        boxes: dict[str, Box] = {}
        for card in cards:
            for path in parents(card.path):
                if path not in boxes:
                    boxes[path] = self.box(path)
        return boxes

    def box(self, path: str) -> Box:
        """The name on a box, of all the modules that it stands for, and what they are."""
        repeats = self.folded.repeats
        times = len(repeats.times.get(path, ()))
        if is_loop(path):
            return Box(f"{times} times", "as here")
        names = next(
            (
                [f"{name}{path[len(f) :]}" for name in found]
                for f, found in repeats.names.items()
                if f"{path}.".startswith(f"{f}.")
            ),
            [path],
        )
        title = together(names) if len(names) > 1 else spoken_path(path)
        return Box(
            title, f"{self.modules.kind(path)} × {times}" if times else self.modules.what_is(path)
        )


def brief(formula: str) -> str:
    """A formula with rounded numbers, and long arrays called by their shapes, as constants are.

    >>> brief("y = x[array([0, 1, 2, 3, 4, 5, 6, 7, 8, 10], dtype='int64')] / 2.8284271247461903")
    'y = x[const10] / 2.82843'
    """

    def name(found: re.Match[str]) -> str:
        return found[0] if len(found[0]) <= LONG else constant(np.array(literal_eval(found[1])))

    return rounded(ARRAY.sub(name, formula))


def listed(shapes: list[str]) -> str:
    """Some shapes, each told once, and no more than fit.

    >>> listed(["(2, 3)", "(2, 3)", "(3,)"]), listed([f"({i},)" for i in range(9)])
    ('2 × (2, 3), (3,)', '(0,), (1,), …')
    """
    times = Counter(shapes)
    told = [f"{n} × {shape}" if n > 1 else shape for shape, n in times.items()]
    return ", ".join(told if len(told) <= 3 else [*told[:2], "…"])


def pads_with_infinity(t: Tensor) -> bool:
    """As before the largest of windows is taken, where it means nothing."""
    return t.op is ops.pad and bool(np.isinf(t.kw["value"]))


def first_three(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(map(words, names[:3]))}{more}"


def starred(labels: list[str]) -> str:
    """What dotted names have in common_path, with a star for what differs.

    >>> starred(["layers.0.weight", "layers.1.weight"])
    'layers.*.weight'
    """
    columns = zip(*(label.split(".") for label in labels), strict=False)
    return ".".join(part[0] if len(set(part)) == 1 else "*" for part in columns)
