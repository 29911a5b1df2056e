"""Which module every operation ran in: frames of a drawing, as dotted paths."""

from __future__ import annotations

import inspect
import re
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, count
from typing import Any, NamedTuple

import numpy as np

from ..engine.tensor import Tensor
from ..origin import calls
from .reading import Reading

__all__ = ["LOOP", "Modules", "Paths", "common_path", "is_loop", "level", "spoken_path", "together"]

CALL = re.compile(r"#(\d+)$")  # what the second and later calls add to a path
LOOP = "×"  # what the name of the frame of a loop begins with


class Call(NamedTuple):
    """A call of a module: the serial numbers given out before and after, the module and its type.

    `module` is None if it lives no more, as one made for the call, `nn.MSELoss()(y, t)`.
    """

    start: int
    end: int
    module: Any
    kind: str


class Paths:
    """The dotted paths of what a model holds, by the tensor or by where its array lies.

    All that is asked of a model is `named_parameters()`.
    """

    def __init__(self) -> None:
        self.parameters: dict[int, str] = {}
        self.buffers: dict[int, str] = {}
        self.memory: dict[int, str] = {}  # by the address of a buffer
        self.copies: dict[str, list[tuple[str, Any]]] = {}  # by the last part of its path

    def add(self, prefix: str, root: Any) -> None:
        """Take in what a module holds."""
        options = {"prefix": prefix} if prefix else {}
        for name, p in root.named_parameters(**options):
            self.parameters.setdefault(id(p), name)
        for name, b in getattr(root, "named_buffers", lambda **kw: ())(**options):
            self.buffers.setdefault(id(b), name)
            self.memory.setdefault(address(b.array), name)
            self.copies.setdefault(name.rpartition(".")[2], []).append((name, b.array))

    def path(self, t: Tensor) -> str:
        """The dotted path of a parameter or buffer; "" for others."""
        return self.parameters.get(id(t)) or self.buffers.get(id(t)) or self.copied(t)

    def copied(self, t: Any) -> str:
        """The path of the one buffer of which a tensor is a copy by its name and its elements."""
        found = self.copies.get(t.name, ())
        same = [path for path, a in found if np.array_equal(a.ravel(), t.array.ravel())]
        return same[0] if len(same) == 1 else ""

    def label(self, t: Tensor) -> str:
        """The dotted path of a parameter or buffer, else the tensor's own name."""
        return self.path(t) or t.name or ("" if t.op is not None else self.path_of(t.array))

    def path_of(self, a: Any) -> str:
        """The path of the buffer whose memory an array is."""
        return self.memory.get(address(a), "")


class Modules(Paths):
    """The modules that a result was computed by, their dotted paths, and those of parameters.

    Without a model, it is the one with parameters that was called. Other modules, such as a loss,
    are found by their calls and named after their type.
    """

    def __init__(self, read: Reading, model: Any) -> None:
        super().__init__()
        self.calls = calls_around(read.ops)
        outer = [c.module for c in outermost(self.calls, read.ops) if c.module is not None]
        if model is None:
            found = {id(m): m for m in outer if any(True for _ in m.parameters())}
            model = next(iter(found.values())) if len(found) == 1 else None
        self.model = model
        self.names: dict[int, str] = {}
        self.at: dict[str, Any] = {}
        self.told: dict[str, str] = {}  # what modules are, by frame
        if model is not None:
            self.add("", model)
        taken: set[str] = set()
        for module in outer:
            if id(module) not in self.names:
                kind = type(module).__name__
                names = (kind if n == 1 else f"{kind}{n}" for n in count(1))
                name = next(n for n in names if n not in taken and n not in self.at)
                taken.add(name)
                self.add(name, module)
        self.paths = self.frames(read)
        self.results = self.named_results(read)
        self.place_leaves(read)

    def frames(self, read: Reading) -> dict[int, str]:
        """The frame of every tensor that is drawn: that of the innermost module it was computed in.

        Where the calls are not known, as for models that are not Modules, an operation belongs to
        the module of the parameters that it uses; one that uses none to what the modules before and
        after it have in common.
        """
        paths = by_parameters(read, self) if self.uncalled() else {}
        paths |= {serial: path for serial, path in by_calls(read, self).items() if path}
        return paths

    def named_results(self, read: Reading) -> dict[int, str]:
        """The names of the modules that the results of operations are the results of, by serial
        number: of the outermost that has one that may stand in a formula."""
        last = {path: t for t in read.ops for path in parents(self.paths.get(t.serial, ""))}
        found: dict[int, str] = {}
        for path, t in last.items():
            name = CALL.sub("", path.rpartition(".")[2])
            users = read.consumers.get(t.serial, ())
            inside = any(f"{self.paths.get(c.serial, '')}.".startswith(f"{path}.") for c in users)
            if name.isidentifier() and not inside and t is not read.root:
                found.setdefault(t.serial, name)
        return found

    def place_leaves(self, read: Reading) -> None:
        """Parameters stand where they are used."""
        for t in read.tape.nodes:
            if t.op is None and self.path(t):
                used = [self.paths.get(c.serial, "") for c in read.consumers.get(t.serial, ())]
                self.paths[t.serial] = common_path(used or [""])

    def add(self, prefix: str, root: Any) -> None:
        """Take in what a module holds, and the modules in it."""
        super().add(prefix, root)
        options = {"prefix": prefix} if prefix else {}
        for path, module in getattr(root, "named_modules", lambda **kw: ())(**options):
            self.names.setdefault(id(module), path)
            self.at.setdefault(path, module)

    def uncalled(self) -> bool:
        """Whether there is a model, but no call of it or of a part of it is known."""
        named_modules = getattr(self.model, "named_modules", lambda: ())
        parts = {id(module) for _, module in named_modules()}
        return self.model is not None and parts.isdisjoint(id(c.module) for c in self.calls)

    def part(self, frame: str) -> Any:
        """The module that a frame is drawn for; None if it cannot be found."""
        path = ".".join(CALL.sub("", name) for name in named(frame))
        if path in self.at or self.model is None:
            return self.at.get(path)
        part = self.model
        for name in path.split("."):
            try:
                part = getattr(part, name, None) or part[int(name)]
            except (TypeError, ValueError, LookupError):
                return None
        return part

    def kind(self, frame: str) -> str:
        """The type of the module of a frame."""
        part = self.part(frame)
        return "" if part is None else type(part).__name__

    def textbook(self, frame: str) -> str:
        """The formula that the class of a module states, unless a derived class computes another.

        >>> modules = Modules(Reading(tensor(1.0)), nn.Linear(2, 1))
        >>> modules.textbook("")
        'Y = X · Wᵀ + b'
        """
        kind = type(self.part(frame))
        home = next((c for c in kind.__mro__ if "textbook" in vars(c)), None)
        code = [getattr(getattr(c, "forward", None), "__code__", None) for c in (kind, home)]
        return str(self.part(frame).textbook) if home is not None and code[0] is code[1] else ""

    def what_is(self, frame: str) -> str:
        """The module of a frame as it prints itself, if that is one short line."""
        if frame not in self.told:
            self.told[frame] = self.printed(frame)
        return self.told[frame]

    def printed(self, frame: str) -> str:
        part = self.part(frame)
        if part is None:
            return ""
        whole = repr(part)
        text = whole.partition("  #")[0]  # without the count of parameters
        usual = inspect.signature(type(part)).parameters.values()
        for setting in (f"{p.name}={p.default}" for p in usual):  # they tell nothing
            text = text.replace(f", {setting}", "").replace(f"({setting})", "()")
        text = re.sub(r"\b(in|out|num)_features=", "", text)
        short = "\n" not in whole and len(text) <= 60 and " at 0x" not in text  # no addresses
        text = text if short else type(part).__name__
        return "" if text in (frame, f"{frame}()") else text


def address(a: Any) -> int:
    """Where an array lies."""
    return int(a.__array_interface__["data"][0])


def calls_around(ops: list[Tensor]) -> list[Call]:
    """The calls of modules, in this thread, that may hold one of the operations, in the order they
    began. None are known if older ones are forgotten.
    """
    log = list(calls.log)
    if not ops or not log or (len(log) == calls.log.maxlen and log[0][0] > ops[0].serial):
        return []
    first, last = ops[0].serial, ops[-1].serial
    found = [
        Call(start, end, module(), kind.__name__)
        for start, end, module, kind in log
        if end > first and start < last
    ]
    return sorted(found, key=lambda call: call.start)


def outermost(found: list[Call], ops: list[Tensor]) -> Iterator[Call]:
    """The calls that hold an operation and are not inside another call."""
    serials = [t.serial for t in ops]
    end = 0
    for call in found:
        if call.start >= end:
            end = call.end
            if bisect_left(serials, call.start) < bisect_left(serials, end):
                yield call


def by_calls(read: Reading, modules: Modules) -> dict[int, str]:
    """Paths from the serial numbers that were given out while modules were called.

    A module that is called again gets a frame of its own, "path#2"; calls without an operation of
    this tape do not count.
    """
    paths: dict[int, str] = {}
    times: Counter[str] = Counter()
    inside: list[Call] = []
    frames: dict[int, str] = {}  # of a call, by identity, once an operation is found in it
    waiting = deque(modules.calls)
    for t in read.ops:
        while waiting and waiting[0].start < t.serial:
            inside = [call for call in inside if call.end >= waiting[0].start]
            inside.append(waiting.popleft())
        inside = [call for call in inside if call.end >= t.serial]
        frame, outer = "", ""
        for call in inside:
            path = modules.names.get(id(call.module))
            if id(call) not in frames:
                name = path if path is not None else f"{frame}.{call.kind}".lstrip(".")
                if path and frame and path.startswith(f"{outer}."):
                    name = f"{frame}.{path[len(outer) + 1 :]}"
                if name:
                    times[name] += 1
                    name += f"#{times[name]}" * (times[name] > 1)
                frames[id(call)] = name or frame
            frame, outer = frames[id(call)], path or outer
        paths[t.serial] = frame
    return paths


def by_parameters(read: Reading, modules: Modules) -> dict[int, str]:
    """Paths from the parameters that operations use."""
    own = owners(read, modules)
    above = carried(own, read.ops, lambda t: [u.source for _, _, u in read.each_use((t,))], max)
    below = carried(own, read.ops[::-1], lambda t: read.consumers.get(t.serial, []), min)
    between = {s: common_path([above[s], below[s]]) for s in above if s in below and s not in own}
    return own | between


def owners(read: Reading, modules: Modules) -> dict[int, str]:
    """The path of every operation that uses parameters: what their modules have in common."""
    paths: dict[int, str] = {}  # also of parameters, and of what is computed from them alone
    for t in read.tape.nodes:
        label = modules.label(t)
        if t.op is None and "." in label:
            paths[t.serial] = label.rpartition(".")[0]
    own: dict[int, str] = {}
    for t in read.ops:
        sources = [u.source.serial for u in read.uses[t.serial] if u is not None]
        mine = [paths[s] for s in sources if s in paths]
        if mine:
            own[t.serial] = common_path(mine)
            if len(mine) == len(sources):
                paths[t.serial] = own[t.serial]
    return own


def carried(
    own: dict[int, str],
    ops: list[Tensor],
    neighbours: Callable[[Tensor], list[Tensor]],
    nearest: Callable[[list[int]], int],
) -> dict[int, str]:
    """Paths handed on from operation to operation: its own, or that of the nearest neighbour."""
    paths: dict[int, str] = {}
    for t in ops:
        known = [s.serial for s in neighbours(t) if s.serial in paths]
        if t.serial in own:
            paths[t.serial] = own[t.serial]
        elif known:
            paths[t.serial] = paths[nearest(known)]
    return paths


def parents(path: str) -> list[str]:
    """A dotted path and those it lies in, outermost first.

    >>> parents("a.b.c")
    ['a', 'a.b', 'a.b.c']
    """
    return list(accumulate(path.split("."), "{}.{}".format)) if path else []


def common_path(paths: Iterable[str]) -> str:
    """The longest dotted path that all of them start with.

    >>> common_path(["layers.0.fc1", "layers.0.fc2"])
    'layers.0'
    """
    first, *rest = [p.split(".") if p else [] for p in paths]
    n = len(first)
    for other in rest:
        n = min(n, len(other))
        while first[:n] != other[:n]:
            n -= 1
    return ".".join(first[:n])


def is_loop(frame: str) -> bool:
    """Whether a frame is that of the steps of a loop, and no module's."""
    return frame.rpartition(".")[2].startswith(LOOP)


def named(frame: str) -> list[str]:
    """The names of the modules that a frame lies in."""
    return [name for name in frame.split(".") if not name.startswith(LOOP)]


def level(frame: str) -> int:
    """How many modules a frame lies in, with its own; that of a loop is between two."""
    return len(named(frame))


def spoken_path(frame: str) -> str:
    """The path of a frame as its title has it.

    >>> spoken_path("cell#2"), spoken_path("×1.cell#2.gate")
    ('cell, call 2', 'cell.gate, call 2')
    """
    names = named(frame)
    numbers = [found[1] for name in reversed(names) if (found := CALL.search(name))]
    path = ".".join(CALL.sub("", name) for name in names)
    return f"{path}, call {' of call '.join(numbers)}" if numbers else path


def together(frames: list[str]) -> str:
    """The paths of frames that are drawn as one.

    >>> together(["cell", "cell#2", "cell#3"]), together(["cell#2.fc", "cell#3.fc"])
    ('cell, calls 1 … 3', 'cell.fc, calls 2 … 3')
    >>> together(["blocks.0", "blocks.1", "blocks.2"]), together(["blocks.0.fc", "blocks.1.fc"])
    ('blocks.0 … blocks.2', 'blocks.*.fc')
    """
    first, last = (named(frame) for frame in (frames[0], frames[-1]))
    path = ".".join(CALL.sub("", name) for name in first)
    if path == ".".join(CALL.sub("", name) for name in last):
        calls = [[found[1] for n in f if (found := CALL.search(n))] for f in (first, last)]
        return f"{path}, calls {' … '.join(found[-1] if found else '1' for found in calls)}"
    if first[-1] != last[-1]:
        return f"{'.'.join(first)} … {'.'.join(last)}"
    return ".".join(a if a == b else "*" for a, b in zip(first, last, strict=True))
