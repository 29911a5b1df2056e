"""Which module every operation ran in: frames of a drawing, as dotted paths."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from ..engine.tensor import Tensor
from ..origin import calls

if TYPE_CHECKING:
    from .read import Reader

__all__ = ["Modules", "common", "module_of", "paths_of", "spoken_path"]


CALL = re.compile(r"#(\d+)$")  # what the second and later calls add to a path


class Call:
    """A call of a module, and the frame that it gets when an operation is found in it.

    `module` is None if it lives no more, as one made for the call, `nn.MSELoss()(y, t)`.
    """

    __slots__ = ("start", "end", "module", "kind", "frame")

    def __init__(self, start: int, end: int, module: Any, kind: str) -> None:
        self.start, self.end, self.module, self.kind = start, end, module, kind
        self.frame: str | None = None


class Modules:
    """The modules that a result was computed by, their dotted paths, and those of parameters.

    Without a model, it is the one with parameters that was called. Other modules, such as a loss,
    are found by their calls and named after their type.
    """

    def __init__(self, model: Any, ops: list[Tensor]) -> None:
        self.calls = calls_around(ops)
        outer = [c.module for c in outermost(self.calls, ops) if c.module is not None]
        if model is None:
            found = {id(m): m for m in outer if any(True for _ in m.parameters())}
            model = next(iter(found.values())) if len(found) == 1 else None
        self.model = model
        self.parameters: dict[int, str] = {}
        self.buffers: dict[int, str] = {}
        self.paths: dict[int, str] = {}
        self.at: dict[str, Any] = {}
        if model is not None:
            self.add("", model)
        taken: set[str] = set()
        for module in outer:
            if id(module) not in self.paths:
                kind = type(module).__name__
                n = 1
                while (prefix := kind if n == 1 else f"{kind}{n}") in taken or prefix in self.at:
                    n += 1
                taken.add(prefix)
                self.add(prefix, module)

    def add(self, prefix: str, root: Any) -> None:
        """Take in what a module holds; all that is asked of it is `named_parameters()`."""
        options = {"prefix": prefix} if prefix else {}
        for name, p in root.named_parameters(**options):
            self.parameters.setdefault(id(p), name)
        for name, b in getattr(root, "named_buffers", lambda **kw: ())(**options):
            self.buffers.setdefault(id(b), name)
        for path, module in getattr(root, "named_modules", lambda **kw: ())(**options):
            self.paths.setdefault(id(module), path)
            self.at.setdefault(path, module)

    def uncalled(self) -> bool:
        """Whether there is a model, but no call of it or of a part of it is known."""
        named_modules = getattr(self.model, "named_modules", lambda: ())
        parts = {id(module) for _, module in named_modules()}
        return self.model is not None and parts.isdisjoint(id(c.module) for c in self.calls)

    def label(self, t: Tensor) -> str:
        """The dotted path of a parameter or buffer; "" for others."""
        return self.parameters.get(id(t)) or self.buffers.get(id(t)) or ""

    def part(self, frame: str) -> Any:
        """The module that a frame is drawn for; None if it cannot be found."""
        path = ".".join(CALL.sub("", name) for name in frame.split("."))
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

    def what_is(self, frame: str) -> str:
        """The module of a frame as it prints itself, if that is one short line."""
        part = self.part(frame)
        if part is None:
            return ""
        whole = repr(part)
        text = whole.partition("  #")[0]  # without the count of parameters
        text = re.sub(r"\b(in|out|num)_features=|, bias=True", "", text)
        short = "\n" not in whole and len(text) <= 60 and " at 0x" not in text  # no addresses
        text = text if short else type(part).__name__
        return "" if text in (frame, f"{frame}()") else text


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


def outermost(found: list[Call], ops: list[Tensor]) -> list[Call]:
    """The calls that hold an operation and are not inside another call."""
    outer: list[Call] = []
    serials = iter(t.serial for t in ops)
    serial = next(serials, None)
    end = 0
    for call in found:
        if call.start < end:
            continue
        end = call.end
        while serial is not None and serial < call.start:
            serial = next(serials, None)
        if serial is not None and serial < end:
            outer.append(call)
    return outer


def paths_of(read: Reader) -> dict[int, str]:
    """The frame of every tensor that is drawn: that of the innermost module it was computed in.

    Where the calls are not known, as for models that are not Modules, an operation belongs to the
    module of the parameters that it uses; one that uses none to what the modules before and after
    it have in common.
    """
    paths = by_parameters(read) if read.modules.uncalled() else {}
    paths |= {serial: path for serial, path in by_calls(read).items() if path}
    for t in read.tape:
        if t.op is None and read.modules.label(t):  # a parameter stands where it is used
            used = [paths.get(c.serial, "") for c in read.consumers.get(t.serial, ())]
            paths[t.serial] = common(used or [""])
    return paths


def by_calls(read: Reader) -> dict[int, str]:
    """Paths from the serial numbers that were given out while modules were called.

    A module that is called again gets a frame of its own, "path#2"; calls without an operation of
    this tape do not count.
    """
    paths: dict[int, str] = {}
    times: dict[str, int] = {}
    inside: list[Call] = []
    waiting = iter(read.modules.calls)
    coming = next(waiting, None)
    for t in read.ops:
        while coming is not None and coming.start < t.serial:
            while inside and inside[-1].end < coming.start:
                inside.pop()
            inside.append(coming)
            coming = next(waiting, None)
        while inside and inside[-1].end < t.serial:
            inside.pop()
        frame, outer = "", ""
        for call in inside:
            path = read.modules.paths.get(id(call.module))
            if call.frame is None:
                name = path if path is not None else f"{frame}.{call.kind}".lstrip(".")
                if path and frame and path.startswith(f"{outer}."):
                    name = f"{frame}.{path[len(outer) + 1 :]}"
                if name:
                    times[name] = times.get(name, 0) + 1
                    name += f"#{times[name]}" * (times[name] > 1)
                call.frame = name or frame
            frame, outer = call.frame, path or outer
        paths[t.serial] = frame
    return paths


def by_parameters(read: Reader) -> dict[int, str]:
    """Paths from the parameters that operations use."""
    own: dict[int, str | None] = {}
    pure: set[int] = set()  # parameters, and what is computed from parameters alone
    above: dict[int, str] = {}
    for t in read.tape:
        if t.op is None:
            own[t.serial] = module_of(read.label(t))
            if "." in read.label(t):
                pure.add(t.serial)
    for t in read.ops:
        sources = [u.source for u in read.uses[t.serial] if u is not None]
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
    for t in reversed(read.ops):
        after = [c for c in read.consumers.get(t.serial, ()) if c.serial in below]
        mine_or_none = own[t.serial]
        if mine_or_none is not None:
            below[t.serial] = paths[t.serial] = mine_or_none
        elif after:
            below[t.serial] = below[min(after, key=lambda c: c.serial).serial]
            if t.serial in above:
                paths[t.serial] = common([above[t.serial], below[t.serial]])
    return paths


def module_of(label: str) -> str:
    """The module that a dotted name lies in.

    >>> module_of("layers.0.weight")
    'layers.0'
    """
    return label.rpartition(".")[0]


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


def spoken_path(frame: str) -> str:
    """The path of a frame as its title has it.

    >>> spoken_path("cell#2"), spoken_path("cell#2.gate")
    ('cell, call 2', 'cell.gate, call 2')
    """
    names = frame.split(".")
    numbers = [found[1] for name in reversed(names) if (found := CALL.search(name))]
    path = ".".join(CALL.sub("", name) for name in names)
    return f"{path}, call {' of call '.join(numbers)}" if numbers else path
