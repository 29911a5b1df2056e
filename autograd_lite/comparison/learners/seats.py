"""Where a function finds the arrays that it is not given: variables, cells, attributes, entries."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, MutableMapping, MutableSequence, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import numpy as np

from .execution import seen_by


@contextmanager
def seated(f: Any, containers: Sequence[Any], pairs: Sequence[tuple[Any, Any]]) -> Iterator[None]:
    """Of pairs of an array and what stands for it, the function and these containers have the
    second meanwhile, wherever they had the first; other arrays that it sees are `Data`."""
    by_id = {id(x): x.view(Data) for x in arrays(f)} | {id(old): new for old, new in pairs}
    with ExitStack() as stack:
        for place in [*containers, *namespaces(f)]:
            stack.enter_context(exchanged(place, by_id))
        for cell in cells(f):
            stack.enter_context(refilled(cell, by_id))
        yield


class Data(np.ndarray):
    """An array that a Tensor can be multiplied with by the array's own method, as in `X.dot(W)`."""

    def dot(self, b: Any, out: Any = None) -> Any:
        return np.dot(self, b) if hasattr(b, "__op__") else super().dot(b, out)


def arrays(f: Any) -> list[Any]:
    """The arrays in the variables and attributes that a function sees."""
    seen = [x for names in namespaces(f) for x in names.values()]
    for cell in cells(f):
        with suppress(ValueError):  # not filled yet
            seen.append(cell.cell_contents)
    return [x for x in seen if type(x) is np.ndarray]


def functions(f: Any) -> list[Any]:
    """A function, those that it calls by name, and the methods of the objects that it sees."""
    methods = [m for x in objects(f) for c in type(x).__mro__ for m in vars(c).values()]
    near = [f, *(x for x in seen_by(f).values() if inspect.isroutine(x)), *methods]
    return [g for g in (getattr(x, "__func__", x) for x in near) if inspect.isfunction(g)]


def objects(f: Any) -> list[Any]:
    """The object of a method, and those that a function sees."""
    return [
        x
        for x in (getattr(f, "__self__", None), *seen_by(f).values())
        if hasattr(x, "__dict__") and not isinstance(x, type)
        and not inspect.ismodule(x) and not inspect.isroutine(x)
    ]  # fmt: skip


def namespaces(f: Any) -> list[MutableMapping[str, Any]]:
    """The variables of modules, and the attributes of objects that a function sees."""
    found = [*map(vars, objects(f)), *(g.__globals__ for g in functions(f))]
    return list({id(names): names for names in found}.values())


def cells(f: Any) -> list[Any]:
    """The variables of the functions around a function and around those that it calls."""
    found = [cell for g in functions(f) for cell in g.__closure__ or ()]
    return list({id(cell): cell for cell in found}.values())


def containers_of(structure: Any) -> Iterator[Any]:
    """The dictionaries and lists in a structure that can have other entries."""
    if isinstance(structure, MutableMapping | MutableSequence):
        yield structure
    if isinstance(structure, Mapping | list | tuple):
        for x in structure.values() if isinstance(structure, Mapping) else structure:
            yield from containers_of(x)


@contextmanager
def exchanged(place: Any, by_id: Mapping[int, Any]) -> Iterator[None]:
    """A dictionary or a list has other values meanwhile."""
    items = list(place.items() if isinstance(place, MutableMapping) else enumerate(place))
    old = [(key, x) for key, x in items if id(x) in by_id]
    try:
        for key, x in old:
            place[key] = by_id[id(x)]
        yield
    finally:
        for key, x in old:
            place[key] = x


@contextmanager
def refilled(cell: Any, by_id: Mapping[int, Any]) -> Iterator[None]:
    """A cell of a closure has another value meanwhile."""
    old = None
    with suppress(ValueError):  # not filled yet
        old = cell.cell_contents
    if id(old) not in by_id:
        yield
        return
    try:
        cell.cell_contents = by_id[id(old)]
        yield
    finally:
        cell.cell_contents = old
