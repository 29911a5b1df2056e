"""The model of a drawing: what every writer (DOT, text, Mermaid) puts on paper.

`build` reads the tape of a result once and keeps words and numbers, no tensors: a drawing does not
hold the memory of the tape. Nodes are numbered in tape order, so the same computation gives the
same drawing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..modes import no_grad
from ..tape import before, pull, walk
from ..tensor import Tensor
from .names import Names, constant, count, module_of, number, words

LIMIT = 400  # drawn nodes; above it modules are folded, then the middle is cut out
ENDS = 40  # operations kept at either end of a cut
HIDDEN = "\0hidden"  # the group of what is cut out; no module is called this
COPIES = 4  # a leaf used more often than this is drawn anew at every use

FAMILIES = {
    "product": "matmul einsum",
    "arithmetic": "add sub mul div neg pow power maximum minimum where abs clip",
    "activation": "relu leaky_relu elu softplus sigmoid tanh erf hardtanh exp log log1p expm1 sqrt "
    "sin cos tan sinh cosh arctan",
    "reduction": "sum mean max min var std norm logsumexp softmax log_softmax nll prod "
    "prod_others cumsum",
}
FAMILY = {op: family for family, ops in FAMILIES.items() for op in ops.split()}


@dataclass
class Node:
    """One card. `kind` is op, parameter, input, result, module, hidden or note."""

    key: str
    kind: str
    title: str
    shape: str = ""
    family: str = ""
    symbol: str = ""
    path: str = ""  # the dotted module it is drawn in
    beside: str = ""  # the operation that it is drawn next to, on the same rank
    lines: list[str] = field(default_factory=list)  # plain facts
    value: str = ""
    grad: str = ""
    forward: str = ""
    backward: list[str] = field(default_factory=list)
    saved: list[str] = field(default_factory=list)
    step: int = 0  # when the backward pass comes to it, from 1; 0: never


@dataclass
class Edge:
    """Data from `source` to `target`; `grads` are the gradients that come back along it.

    A gradient is its norm, or the signed number itself if it is a single number (`signed`). An
    edge that stands for several, because one of its ends is folded, has several.
    """

    source: str
    target: str
    tracked: bool
    grads: list[float] = field(default_factory=list)
    signed: bool = False
    spine: bool = False


@dataclass
class Drawing:
    """All that there is to draw."""

    title: str
    facts: list[str]
    view: str
    nodes: list[Node] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    modules: dict[str, str] = field(default_factory=dict)  # dotted path: what it is
    notes: list[str] = field(default_factory=list)


@dataclass
class Use:
    """Input `i` of an operation: the tensor that is drawn for it, and the gradient it gets back.

    `mark` is what the formula writes after its name: ".mT" where a transposed leaf is drawn as
    the leaf.
    """

    source: Tensor
    mark: str
    tracked: bool
    grad: float | None


def inputs(node: Tensor) -> list[Tensor | None]:
    """The inputs of a node as they were when it was computed; none if its record was released."""
    return [p if p is None else before(p, node.serial) for p in node.parents or ()]


def size_of(g: Any) -> float:
    """A single number as it is, else the norm, without overflow and in double precision."""
    if g.size == 1:
        return float(g.item())
    with np.errstate(all="ignore"):
        a = np.abs(g.astype(np.float64, copy=False))
        top = float(a.max(initial=0.0))
        return top * float(np.sqrt(np.square(a / top).sum())) if 0 < top < np.inf else top


class Gradients:
    """What a backward pass from `root` would send along every edge and into every leaf."""

    def __init__(self, root: Tensor, tape: list[Tensor], wanted: bool) -> None:
        self.along: dict[tuple[int, int], list[float]] = {}
        self.into: dict[int, float] = {}
        self.error = ""
        if not (wanted and root.requires_grad and root.parents):
            return
        whole = {t for t in tape if t.parents is not None}
        seeds = [(root, np.ones(root.shape, root.dtype))]
        try:
            with no_grad(), np.errstate(all="ignore"):
                leaves = pull(seeds, keep=True, wanted=whole, watch=self.watch, hooks=False)
        except RuntimeError as error:  # an input was changed in place: the error says which
            self.error = str(error)
        else:
            self.into = {leaf.serial: size_of(np.asarray(g)) for leaf, g in leaves.items()}

    def watch(self, node: Tensor, source: Tensor, arrived: Any, g: Any) -> None:
        g = np.asarray(g)
        self.along.setdefault((node.serial, source.serial), []).append(size_of(g))


def build(
    root: Tensor,
    *,
    model: Any = None,
    view: str = "both",
    depth: int | None = None,
    grads: bool = True,
    formulas: bool = True,
    collapse: bool | None = None,
) -> Drawing:
    """The drawing of what `root` was computed from."""
    return Builder(root, model, view, grads, formulas).drawing(depth, collapse)


class Builder:
    """Reads the tape of `root` step by step into a Drawing."""

    def __init__(self, root: Tensor, model: Any, view: str, grads: bool, formulas: bool) -> None:
        self.root, self.model, self.view, self.formulas = root, model, view, formulas
        self.tape: list[Tensor] = list(walk(root, released=lambda node: ()))[::-1]
        self.place = {t.serial: i for i, t in enumerate(self.tape, 1)}
        named = model.named_parameters() if model is not None else ()
        self.parameters: dict[int, str] = {}
        for name, p in named:
            self.parameters.setdefault(id(p), name)
        named_buffers = getattr(model, "named_buffers", tuple)
        self.buffers = {id(b): name for name, b in named_buffers()}
        self.gradients = Gradients(root, self.tape, wanted=grads and view != "forward")
        self.uses = self.read_uses()
        self.consumers: dict[int, list[Tensor]] = {}
        for t in self.tape:
            for use in self.uses.get(t.serial, ()):
                if use is not None:
                    self.consumers.setdefault(use.source.serial, []).append(t)
        self.paths = self.read_paths()
        tracked = [t for t in self.tape if t.serial in self.uses and t.requires_grad]
        self.steps = {t.serial: len(tracked) - i for i, t in enumerate(tracked)}

    # ---- reading

    def label(self, t: Tensor) -> str:
        """The dotted path of a parameter or buffer, else the tensor's own name."""
        return self.parameters.get(id(t)) or self.buffers.get(id(t)) or t.name

    def read_uses(self) -> dict[int, list[Use | None]]:
        """The inputs of every operation that is drawn; None for a constant."""
        parents = {t.serial: inputs(t) for t in self.tape if t.op is not None}
        times: dict[int, int] = {}
        for sources in parents.values():
            for p in sources:
                if p is not None:
                    times[p.serial] = times.get(p.serial, 0) + 1
        # W.mT of a leaf, used once, is no card of its own: the formula writes the transpose
        turned: dict[int, Tensor] = {}
        for t in self.tape:
            if t.op is not None and t.op.name == "mT" and times.get(t.serial) == 1:
                leaf = next(iter(parents[t.serial]), None)
                if leaf is not None and leaf.op is None:
                    turned[t.serial] = leaf
        uses: dict[int, list[Use | None]] = {}
        for t in self.tape:
            if t.op is None or t.serial in turned:
                continue
            row = uses.setdefault(t.serial, [])
            seen: dict[int, int] = {}
            for p in parents[t.serial]:
                if p is None:
                    row.append(None)
                    continue
                along = self.gradients.along.get((t.serial, p.serial), [])
                k = seen[p.serial] = seen.get(p.serial, -1) + 1
                grad = along[k] if k < len(along) else None
                source = turned.get(p.serial, p)
                row.append(Use(source, ".mT" * (source is not p), p.requires_grad, grad))
        return uses

    def read_paths(self) -> dict[int, str]:
        """The dotted module that every tensor is drawn in.

        An operation belongs to the module of the parameters that it uses; one that uses none to
        what the modules before and after it have in common.
        """
        own: dict[int, str | None] = {}
        pure: set[int] = set()  # parameters, and what is computed from parameters alone
        above: dict[int, str] = {}
        ops = [t for t in self.tape if t.serial in self.uses]
        for t in self.tape:
            if t.op is None:
                own[t.serial] = module_of(self.label(t))
                if "." in self.label(t):
                    pure.add(t.serial)
        for t in ops:
            sources = [u.source for u in self.uses[t.serial] if u is not None]
            mine = [s for s in sources if s.serial in pure]
            own[t.serial] = common(own[s.serial] or "" for s in mine) if mine else None
            if mine and len(mine) == len(sources):
                pure.add(t.serial)
            before_it = [s for s in sources if s.serial in above]
            if mine:
                above[t.serial] = own[t.serial] or ""
            elif before_it:
                above[t.serial] = above[max(before_it, key=lambda s: s.serial).serial]
        below: dict[int, str] = {}
        paths: dict[int, str] = {}
        for t in reversed(ops):
            after = [c for c in self.consumers.get(t.serial, ()) if c.serial in below]
            mine_or_none = own[t.serial]
            if mine_or_none is not None:
                below[t.serial] = paths[t.serial] = mine_or_none
            elif after:
                below[t.serial] = below[min(after, key=lambda c: c.serial).serial]
                if t.serial in above:
                    paths[t.serial] = common([above[t.serial], below[t.serial]])
        for t in self.tape:
            if t.op is None and t.serial in pure:
                users = [paths.get(c.serial, "") for c in self.consumers.get(t.serial, ())]
                paths[t.serial] = common([own[t.serial] or "", *users])
        return paths

    # ---- what is drawn, and what is folded

    def drawing(self, depth: int | None, collapse: bool | None) -> Drawing:
        ops = [t for t in self.tape if t.serial in self.uses]
        group = self.fold(ops, 0 if collapse and depth is None else depth)
        if collapse is not False and self.size(ops, group) > LIMIT:
            deepest = max((p.count(".") for p in self.paths.values() if p), default=-1)
            for d in range(deepest if depth is None else min(deepest, depth - 1), -1, -1):
                group = self.fold(ops, d)
                if self.size(ops, group) <= LIMIT:
                    break
            else:
                self.cut(ops, group)
        return Writer(self, ops, group).write()

    def fold(self, ops: list[Tensor], depth: int | None) -> dict[int, str]:
        """The operations that are drawn as one card with others, and which card that is."""
        group = {}
        for t in ops:
            path = self.paths.get(t.serial, "")
            if depth is not None and path and path.count(".") >= depth:
                group[t.serial] = ".".join(path.split(".")[: depth + 1])
        return group

    def size(self, ops: list[Tensor], group: dict[int, str]) -> int:
        """How many cards there are."""
        shown = [t for t in ops if t.serial not in group]
        users: dict[int, set[int]] = {}
        for t in shown:
            for u in self.uses[t.serial]:
                if u is not None and u.source.op is None:
                    users.setdefault(u.source.serial, set()).add(t.serial)
        leaves = sum(len(at) if len(at) > COPIES else 1 for at in users.values())
        return len(shown) + len(set(group.values())) + leaves

    def cut(self, ops: list[Tensor], group: dict[int, str]) -> None:
        """Leave the operations at either end, and put all between them on one card."""
        for t in ops[ENDS:-ENDS]:
            group[t.serial] = HIDDEN


def common(paths: Iterable[str]) -> str:
    """The longest dotted path that all of them start with.

    >>> common(["layers.0.fc1", "layers.0.fc2"])
    'layers.0'
    """
    first, *rest = [p.split(".") if p else [] for p in paths]
    n = len(first)
    for other in rest:
        n = min(n, len(other))
        while first[:n] != other[:n]:
            n -= 1
    return ".".join(first[:n])


class Writer:
    """Makes the cards and edges of what a Builder has read."""

    def __init__(self, read: Builder, ops: list[Tensor], group: dict[int, str]) -> None:
        self.read, self.ops, self.group = read, ops, group
        self.root = read.root
        self.shown = [t for t in ops if t.serial not in group]
        self.leaves = [t for t in read.tape if t.op is None and not self.swallowed(t)]
        self.names = Names()
        self.symbols: dict[int, str] = {}
        self.keys_of_groups: dict[str, str] = {}
        for t in ops:
            if t.serial in group:
                self.keys_of_groups.setdefault(group[t.serial], f"m{read.place[t.serial]}")
        self.nodes: dict[str, Node] = {}
        self.edges: dict[tuple[str, str], Edge] = {}
        self.parallel: list[Edge] = []
        self.arrivals: dict[int, int] = {}
        for uses in read.uses.values():
            for use in uses:
                if use is not None:
                    s = use.source.serial
                    self.arrivals[s] = self.arrivals.get(s, 0) + 1

    def write(self) -> Drawing:
        read, root = self.read, self.root
        label = root.name or ("loss" if read.model is not None and root.data.size == 1 else "y")
        self.name_all(label)
        self.op_cards()
        self.leaf_cards()
        self.fold_cards()
        self.connect()
        self.lay_out()
        drawing = Drawing(*self.heading(label), view=read.view)
        drawing.notes = self.notes()
        drawing.nodes = self.in_reading_order()
        drawing.edges = [*self.edges.values(), *self.parallel]
        if root.op is not None:
            drawing.nodes.append(self.result_card(label))
            seed = [1.0] if read.gradients.along else []
            tracked = root.requires_grad
            drawing.edges.append(
                Edge(self.key(root), "out", tracked, seed, signed=root.data.size == 1, spine=True)
            )
        for i, text in enumerate(drawing.notes):
            drawing.nodes.append(Node(f"note{i + 1}", "note", text))
        drawing.edges.sort(key=lambda e: (order(e.target), order(e.source)))
        drawing.modules = self.module_titles(drawing.nodes)
        return drawing

    # ---- names

    def name_all(self, label: str) -> None:
        """A short name for every tensor that occurs in a formula."""
        read = self.read
        wanted = {
            u.source.serial: u.source
            for t in self.shown
            for u in read.uses[t.serial]
            if u is not None
        }
        wanted |= {t.serial: t for t in [*self.leaves, *self.shown, self.root]}
        for serial in sorted(wanted):
            t = wanted[serial]
            if t is self.root and t.op is not None:
                self.names.result(serial, label, t)
            elif t.op is None:
                self.names.leaf(serial, read.label(t), t)
            else:
                self.names.operation(serial, t)
        self.symbols = self.names.settle()

    def key(self, t: Tensor) -> str:
        folded = self.group.get(t.serial)
        if folded is not None:
            return self.keys_of_groups[folded]
        return f"n{self.read.place[t.serial]}"

    # ---- cards

    def op_cards(self) -> None:
        for t in self.shown:
            node = Node(self.key(t), "op", t.op.name, shape_text(t))
            node.family = FAMILY.get(t.op.name, "shape")
            node.symbol = self.symbols[t.serial]
            node.path = self.read.paths.get(t.serial, "")
            node.step = self.read.steps.get(t.serial, 0)
            if t.data.size == 1:
                node.value = number(t.data.item(), 5)
            if t.parents is None:
                node.lines.append("record released by backward()")
            elif self.read.formulas:
                self.put_formulas(node, t)
            self.nodes[node.key] = node

    def put_formulas(self, node: Node, t: Tensor) -> None:
        """The printed reading of the operation and of each rule that would be called."""
        from ..symbol import as_symbol, forward_text, gradients

        uses = self.read.uses[t.serial]
        names = [
            constant(a) if u is None else self.symbols[u.source.serial] + u.mark
            for u, a in zip(uses, t.args, strict=True)
        ]
        out = node.symbol
        needed = [u is not None and u.tracked for u in uses]
        saved: set[str] = set()
        try:
            with np.errstate(all="ignore"):
                symbols = [as_symbol(name, a) for name, a in zip(names, t.args, strict=True)]
                node.forward = f"{out} = {forward_text(t.op, symbols, t.kw)}"
                rules = gradients(t.op, t.data, symbols, t.kw, out, f"d{out}")
            for i, rule in enumerate(rules):
                use = uses[i]
                if rule is not None and needed[i] and use is not None:
                    adds = "+=" if self.arrivals[use.source.serial] > 1 else "="
                    node.backward.append(f"d{names[i]} {adds} {rule}".replace(".mT.mT", ""))
                    saved |= rule.leaves()
        except (TypeError, ValueError, AttributeError, LookupError, ArithmeticError) as error:
            # a rule of the user's own that only runs on arrays
            node.forward = node.forward or f"{out} = {t.op.name}({', '.join(names)})"
            node.backward = [f"no text: its rule raises {type(error).__name__} on Symbols"]
        node.saved = [name for name in dict.fromkeys([*names, out]) if name in saved]

    def leaf_cards(self) -> None:
        """One card for a leaf, or one at every use if it is used often."""
        read = self.read
        for t in self.leaves:
            users = [c for c in read.consumers.get(t.serial, ()) if c.serial not in self.group]
            users = list({c.serial: c for c in users}.values())
            if len(users) > COPIES:
                for i, user in enumerate(users, 1):
                    node = self.leaf_card(t, f"{self.key(t)}_{i}")
                    node.lines = [f"used {len(users)} times: copy {i}"]
                    node.value = node.grad = ""
                    node.path = read.paths.get(user.serial, "")
                    self.nodes[node.key] = node
            else:
                self.nodes[self.key(t)] = self.leaf_card(t, self.key(t))

    def swallowed(self, t: Tensor) -> bool:
        """Whether a leaf is inside folded cards: a parameter of theirs, or used in the cut alone."""
        users = {self.group.get(c.serial) for c in self.read.consumers.get(t.serial, ())}
        return bool(users) and None not in users and (t.requires_grad or users == {HIDDEN})

    def leaf_card(self, t: Tensor, key: str) -> Node:
        read = self.read
        label = read.label(t)
        symbol = self.symbols[t.serial]
        parameter = t.requires_grad
        node = Node(
            key, "parameter" if parameter else "input", words(label) or symbol, shape_text(t)
        )
        node.symbol, node.path = symbol, read.paths.get(t.serial, "")
        if not parameter:
            node.lines.append(f"input · {t.dtype} · needs no gradient")
        elif t.data.size > 1:
            node.lines.append(f"{count(t.data.size)} numbers · {t.dtype}")
        if t.data.size == 1:
            node.value = f"value {number(t.data.item(), 5)}"
        elif parameter:
            node.value = f"norm {number(size_of(t.data))}"
        if parameter and t.serial in read.gradients.into:
            word = "grad" if t.data.size == 1 else "grad norm"
            node.grad = f"{word} {number(read.gradients.into[t.serial])}"
        return node

    def fold_cards(self) -> None:
        members: dict[str, list[Tensor]] = {}
        for t in self.ops:
            if t.serial in self.group:
                members.setdefault(self.group[t.serial], []).append(t)
        for path, inside in members.items():
            key = self.keys_of_groups[path]
            n = f"{count(len(inside))} operation{'s' * (len(inside) > 1)}"
            if path == HIDDEN:
                self.nodes[key] = Node(key, "hidden", f"{n} not drawn", family="shape")
                continue
            leaves = {
                u.source.serial: u.source
                for t in inside
                for u in self.read.uses[t.serial]
                if u is not None and u.source.op is None and u.source.requires_grad
            }
            node = Node(key, "module", path, what_is(self.read.model, path))
            node.path = path.rpartition(".")[0]
            total = sum(p.data.size for p in leaves.values())
            node.lines.append(f"{n} · {count(total)} parameters")
            sizes = [
                abs(self.read.gradients.into[s]) for s in leaves if s in self.read.gradients.into
            ]
            if sizes:
                node.grad = f"grad norm {span(sizes)}"
            self.nodes[key] = node

    def result_card(self, label: str) -> Node:
        root = self.root
        symbol = self.symbols[root.serial]
        node = Node("out", "result", words(label), "" if root.data.size == 1 else shape_text(root))
        node.symbol = symbol
        node.value = number(root.data.item(), 5) if root.data.size == 1 else ""
        if self.read.gradients.along:
            node.grad = f"d{symbol} = 1"
        return node

    # ---- edges

    def connect(self) -> None:
        copies: dict[int, int] = {}
        for t in self.ops:
            target = self.key(t)
            at: dict[int, str] = {}
            for use in self.read.uses[t.serial]:
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
                at[s.serial] = source
                self.edge(source, target, use)

    def edge(self, source: str, target: str, use: Use) -> None:
        if source == target:
            return  # inside a folded card
        grads = [] if use.grad is None else [use.grad]
        new = Edge(source, target, use.tracked, grads, signed=use.source.data.size == 1)
        if "m" not in (source[0], target[0]):
            self.parallel.append(new)
            return
        old = self.edges.setdefault((source, target), new)
        if old is not new:
            old.grads += new.grads
            old.tracked |= new.tracked
            old.signed &= new.signed

    def lay_out(self) -> None:
        """Parameters go beside their operation; what is left of its inputs leads into its top."""
        into: dict[str, list[Edge]] = {}
        out: dict[str, int] = {}
        deep: dict[str, int] = {}  # the longest way there, so that the trunk is the longest chain
        for t in self.ops:
            here = [
                deep.get(self.key(u.source), 0) for u in self.read.uses[t.serial] if u is not None
            ]
            deep[self.key(t)] = max([deep.get(self.key(t), 0), *(n + 1 for n in here)])
        alone: dict[str, list[Edge]] = {}
        seen: set[str] = set()
        for e in [*self.edges.values(), *self.parallel]:
            into.setdefault(e.target, []).append(e)
            out[e.source] = out.get(e.source, 0) + 1
        for target, edges in into.items():
            leaves = [e for e in edges if self.nodes[e.source].kind in ("parameter", "input")]
            rest = [e for e in edges if e not in leaves]
            if rest:
                max(rest, key=lambda e: (e.tracked, deep[e.source], order(e.source))).spine = True
            else:
                plain = [e for e in leaves if self.nodes[e.source].kind == "input"]
                top = (plain or leaves)[0]
                top.spine = True
                leaves = [e for e in leaves if e.source != top.source]
            alone[target] = [e for e in leaves if out[e.source] == 1]
        # off the trunk, cards beside an operation would cross those of the trunk
        key = self.key(self.root)
        while key:
            beside = alone.get(key, [])
            if self.nodes[key].kind == "op" and len(beside) <= 2:
                for e in beside:
                    self.nodes[e.source].beside = key
                    self.nodes[e.source].path = self.nodes[key].path
            seen.add(key)
            key = next(
                (e.source for e in into.get(key, ()) if e.spine and e.source not in seen), ""
            )

    def in_reading_order(self) -> list[Node]:
        """Tape order, but every leaf before its first use."""
        first: dict[str, tuple[int, int, str]] = {}
        for e in [*self.edges.values(), *self.parallel]:
            first[e.source] = min(first.get(e.source, order(e.target)), order(e.target))

        def when(node: Node) -> tuple[tuple[int, int, str], int, tuple[int, int, str]]:
            own = order(node.key)
            rank = {"input": 0, "parameter": 1}.get(node.kind, 2)
            return first.get(node.key, own) if rank < 2 else own, rank, own

        return sorted(self.nodes.values(), key=when)

    # ---- words around it

    def heading(self, label: str) -> tuple[str, list[str]]:
        read, root = self.read, self.root
        title = type(read.model).__name__ if read.model is not None else f"Graph of {words(label)}"
        parameters = {t.serial: t for t in read.tape if t.op is None and t.requires_grad}
        total = sum(t.data.size for t in parameters.values())
        value = number(root.data.item(), 5) if root.data.size == 1 else shape_text(root)
        facts = [f"{words(label)} {value}", str(root.dtype)]
        if total:
            facts.append(f"{count(total)} parameter{'s' * (total != 1)}")
        facts.append(f"{count(len(self.ops))} operation{'s' * (len(self.ops) != 1)}")
        if root.data.size != 1 and read.gradients.along:
            facts.append(f"gradients of sum({self.symbols[root.serial]})")
        return title, facts

    def notes(self) -> list[str]:
        read, root = self.read, self.root
        notes = []
        if root.op is None:
            why = (
                "a leaf: no operation made it"
                if root.requires_grad
                else "nothing it was computed from needs a gradient, or it was computed inside no_grad()"
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
        unused = [name for key, name in read.parameters.items() if key not in on_tape]
        if unused and root.op is not None and not released:
            more = f" and {len(unused) - 3} more" if len(unused) > 3 else ""
            notes.append(f"Not used by this result: {', '.join(map(words, unused[:3]))}{more}.")
        return notes

    def module_titles(self, nodes: list[Node]) -> dict[str, str]:
        titles: dict[str, str] = {}
        for node in nodes:
            parts = node.path.split(".") if node.path else []
            for i in range(len(parts)):
                path = ".".join(parts[: i + 1])
                if path not in titles:
                    titles[path] = what_is(self.read.model, path)
        return titles


def order(key: str) -> tuple[int, int, str]:
    """Tape order of keys like n12, n12_3 and m12; the result and notes come last."""
    head, _, copy = key[1:].partition("_")
    return (int(head), int(copy or 0), key) if head.isdigit() else (1 << 62, 0, key)


def shape_text(t: Tensor) -> str:
    return str(t.data.shape)


def span(sizes: list[float]) -> str:
    """One number, or the smallest and the largest."""
    low, high = number(min(sizes)), number(max(sizes))
    return low if low == high else f"{low} to {high}"


def what_is(model: Any, path: str) -> str:
    """The module at a dotted path as it prints itself, if that is one short line."""
    part = model
    for name in path.split("."):
        try:
            part = getattr(part, name, None) or part[int(name)]
        except (TypeError, ValueError, LookupError):
            return ""
    whole = repr(part)
    text = whole.partition("  #")[0]  # without the count of parameters
    short = "\n" not in whole and len(text) <= 60 and " at 0x" not in text  # no addresses
    return text if short else type(part).__name__
