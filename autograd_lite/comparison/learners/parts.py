"""The arrays of floats of a learner's object, wherever it keeps them, and where it keeps the
gradient of each."""

from __future__ import annotations

import dis
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from ...engine.tape import Array
from ...engine.tensor import Tensor

# what may stand around the name of an array in that of its gradient, in letters and digits alone
AROUND = ("d{}", "grad{}", "{}grad", "g{}", "{}gradient", "dld{}", "gradient{}", "nabla{}",
          "{}grads", "grads{}", "grad{}s", "delta{}", "dj{}", "djd{}", "{}g", "dl{}")  # fmt: skip
# words for one thing: a layer with `weights` may keep `dW`
FAMILIES = (
    ("w", "weight", "weights", "kernel", "kernels", "filters", "filter", "theta"),
    ("b", "bias", "biases", "w0"),
)
PARAMS = ("params", "parameters", "_params")  # a list or a dictionary of the arrays of a layer
GRADS = ("grads", "gradients", "grad", "dparams", "nabla", "_grads")  # and of their gradients
VALUES = ("data", "value", "val", "array")  # of an object that is one parameter
SLOPES = ("grad", "g", "gradient")  # and its gradient
TRAINED = re.compile(  # names that are given to what is trained: w, W1, Wxh, bias, gamma2
    r"^([wbu][a-z]{0,2}|weights?|bias(es)?|kernels?|filters?|gamma|beta|theta)\d*$"
)
DEEPEST = 4  # an object in a list in a dictionary of a layer
PLAIN = (str, bytes, int, float, complex, bool, type, type(None), ModuleType, FunctionType,
         MethodType, BuiltinFunctionType, np.ndarray, np.generic, np.random.Generator,
         np.random.RandomState, Tensor)  # fmt: skip


class Held(np.ndarray[Any, Any]):
    """An array that can have attributes, as `w.g` where gradients are kept at what they are of."""


@dataclass(frozen=True, eq=False)
class Place:
    """An attribute of an object, or an item of a dictionary or a list."""

    owner: Any
    key: Any

    @property
    def boxed(self) -> bool:
        return isinstance(self.owner, dict | list)

    def get(self) -> Any:
        return self.owner[self.key] if self.boxed else getattr(self.owner, self.key)

    def put(self, value: Any) -> None:
        if self.boxed:
            self.owner[self.key] = value
            return
        try:
            setattr(self.owner, self.key, value)
        except AttributeError:  # a frozen dataclass
            object.__setattr__(self.owner, self.key, value)


@dataclass
class Part:
    """An array by the learner's name, and every place that has it."""

    name: str
    places: list[Place] = field(default_factory=list)
    listed: bool = False  # whether it was a list of numbers

    @property
    def keys(self) -> list[str]:
        """The names that dictionaries have for it."""
        return [place.key for place in self.places if isinstance(place.key, str) and place.boxed]

    def get(self) -> Any:
        return self.places[0].get()

    def put(self, value: Any) -> None:
        if self.listed and isinstance(value, np.ndarray):
            value = value.tolist()
        for place in self.places:
            place.put(value)


def attributes(owner: Any) -> dict[str, Any]:
    """What an object has of its own, in `__dict__` or in slots."""
    slots = [name for c in type(owner).__mro__ for name in getattr(c, "__slots__", ())]
    own = {name: getattr(owner, name) for name in slots if hasattr(owner, name)}
    return own | getattr(owner, "__dict__", {})


def is_floats(value: Any) -> bool:
    """Whether a value is an array of floats, or (nested) lists of them.

    >>> is_floats([[0.1, 0.2], [0.3, 0.4]]), is_floats([3, 4]), is_floats(np.zeros(2))
    (True, False, True)
    """
    if isinstance(value, np.ndarray):
        return value.dtype.kind == "f"
    first = value
    while isinstance(first, list) and first:
        first = first[0]
    if not isinstance(value, list) or not isinstance(first, float):
        return False
    try:
        return np.asarray(value).dtype.kind == "f"
    except ValueError:  # rows of several lengths
        return False


def is_number(name: str, value: Any) -> bool:
    """Whether a float is one that is trained, by its name."""
    return isinstance(value, float) and bool(TRAINED.match(name.lower()))


def walk(
    value: Any,
    name: str,
    place: Place | None,
    skip: frozenset[int],
    depth: int = 0,
    every: bool = False,
) -> Iterator[tuple[str, Place, Any]]:
    """The arrays of floats in a value, by name; none of the objects in `skip`, nor gradients unless
    `every`."""
    if is_floats(value) or is_number(name, value):
        if place is not None:
            yield name, place, value
    elif depth <= DEEPEST and id(value) not in skip and not isinstance(value, PLAIN):
        skip |= {id(value)}
        for inner, there, item in held(value, name, depth, every):
            yield from walk(item, inner, there, skip, depth + 1, every)


def held(value: Any, name: str, depth: int, every: bool) -> Iterator[tuple[str, Place | None, Any]]:
    """What a dictionary, a list or an object holds, and what it is called there."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield str(key) if depth <= 1 else f"{name}.{key}", Place(value, key), item
    elif isinstance(value, list | tuple):
        for i, item in enumerate(value):
            yield f"{name}[{i}]", Place(value, i) if isinstance(value, list) else None, item
    elif not callable(getattr(value, "update", None)):  # an optimizer has no parameters
        for key, item in attributes(value).items():
            slope = (depth and key in SLOPES) or is_box_of_gradients(key, item)
            if every or not slope:
                inner = f"{name}.{key}" if name else key
                yield name if key in VALUES else inner, Place(value, key), item


def is_box_of_gradients(name: str, value: Any) -> bool:
    return name in GRADS and isinstance(value, dict | list)


def parts_of(owner: Any, names: Sequence[str], skip: Iterable[int]) -> dict[str, Part]:
    """All arrays of floats of an object by name, those called `names` first if it has the first.

    One array in several places is one part; an attribute gives it its name before a list does.
    """
    found = [*walk(owner, "", None, frozenset(skip))]
    boxes = {
        id(v): names if len(v) <= len(names) else unpacked(owner, name)
        for name, v in attributes(owner).items()
        if name in PARAMS and isinstance(v, list | tuple | dict)
    }
    found.sort(key=lambda item: id(item[1].owner) in boxes)
    seen: dict[int, Part] = {}
    parts: dict[str, Part] = {}
    for name, place, value in found:
        if id(value) not in seen or isinstance(value, float):
            name = called(name, place, boxes.get(id(place.owner), ()), parts)
            seen[id(value)] = parts[name] = Part(name, listed=isinstance(value, list))
        seen[id(value)].places.append(place)
    for name in names:  # of a class, or a property
        value = None if name in parts else getattr(owner, name, None)
        if is_floats(value) or (name not in parts and isinstance(value, float)):
            part = seen.get(id(value), Part(name, [Place(owner, name)]))
            parts.pop(part.name, None)
            part.name, parts[name] = name, part
    first = [name for name in names if name in parts] if {*names[:1]} & {*parts} else []
    return {name: parts[name] for name in [*first, *(p for p in parts if p not in first)]}


def unpacked(owner: Any, name: str) -> list[str]:
    """What the methods of an object call the items of a list, as in `Wx, Wh, b = self.params`."""
    for method in vars(type(owner)).values():
        steps = list(dis.get_instructions(method)) if isinstance(method, FunctionType) else []
        for i, step in enumerate(steps):
            # a call may come between, of the probe that looks for a fix
            near = [before.argval for before in steps[max(i - 4, 0) : i]]
            if step.opname == "UNPACK_SEQUENCE" and name in near:
                words: list[str] = []
                for store in steps[i + 1 :]:
                    if len(words) >= step.argval or not store.opname.startswith("STORE_FAST"):
                        break
                    words += [store.argval] if isinstance(store.argval, str) else store.argval
                return words
    return []


def called(name: str, place: Place, names: Sequence[str], taken: Mapping[str, Part]) -> str:
    """The name of a part: for an item of the list of parameters, that which was given for it."""
    if isinstance(place.owner, list) and place.key < len(names):
        name = names[place.key] if names[place.key] not in taken else name
    while name in taken:
        name += "'"
    return name


# ---- gradients ---------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def plain(name: Any) -> str:
    """The letters and digits of a name, in lower case: `_grad_W` and `gradW` are the same."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def stems(name: str) -> list[str]:
    """What an array may be called inside the name of its gradient, the likeliest first."""
    stem = plain(name)
    family = next((family for family in FAMILIES if stem in family), ())
    return [stem, *(word for word in family if word != stem)]


def looked_up(items: Mapping[Any, Any], name: str, itself: bool) -> Any:
    """The gradient of `name` among named values: under that name too if they are all gradients."""
    exact, alike = words_for(name, itself)
    found = next((items[word] for word in exact if items.get(word) is not None), None)
    if found is not None:
        return found
    by_name = {plain(key): value for key, value in items.items() if is_gradient(value)}
    return next((by_name[word] for word in alike if word in by_name), None)


@lru_cache(maxsize=1024)
def words_for(name: str, itself: bool) -> tuple[list[str], list[str]]:
    """What the gradient of an array may be called, the likeliest first: exactly, and in letters and
    digits."""
    own = ["{}"] * itself
    alike = [text.format(stem) for stem in stems(name) for text in [*own, *AROUND]]
    return [text.format(name) for text in [*own, *EXACT]], alike


EXACT = ("d{}", "grad_{}", "{}_grad", "d_{}", "g{}", "{}_gradient", "dL_d{}", "dLd{}")


def is_gradient(value: Any) -> bool:
    """Whether a value can be a gradient: numbers, or an object that is a parameter."""
    return isinstance(value, np.ndarray | np.generic | float | list | Tensor)


def gradient_in(owner: Any, name: str, key: Any) -> Any:
    """The gradient that an object keeps of its array: as an attribute, or in a dictionary or list
    of gradients, where it may have the name or the place that the array has."""
    if isinstance(owner, dict):
        return looked_up(owner, name, False)
    own = attributes(owner)
    boxes = [own[box] for box in own if box in GRADS]
    listed = re.match(r"^(.*)\[(\d+)\]$", name)
    if listed:
        return item_of_list(own, boxes, listed[1], int(listed[2]))
    found = looked_up(own, name, False)
    for box in [*boxes, *(v for v in own.values() if isinstance(v, dict))]:
        if found is None and isinstance(box, dict):
            found = looked_up(box, name, any(box is b for b in boxes))
        elif found is None and isinstance(box, list) and isinstance(key, int) and key < len(box):
            found = box[key]
    return found


def item_of_list(own: Mapping[str, Any], boxes: Sequence[Any], base: str, i: int) -> Any:
    """The gradient of an item of a list: weights[0] has nabla_w[0]."""
    lists = [box for box in boxes if isinstance(box, list | tuple)]
    if base not in PARAMS:
        lists = [box for box in (looked_up(own, base, False),) if box is not None]
    return next((box[i] for box in lists if i < len(box)), None)


def kept_gradient(owner: Any, part: Part, position: int) -> Any:
    """The gradient that is kept of a part: at the array, in its object, or where it is listed."""
    value = part.get()
    for at in (value, *(place.owner for place in part.places)):
        if at is owner or isinstance(at, dict | list):
            continue
        found = next((g for n in SLOPES if is_gradient(g := getattr(at, n, None))), None)
        if found is not None:
            return found
    found = gradient_in(owner, part.name, position)
    for place in part.places:
        if found is None and place.owner is not owner and not isinstance(place.owner, list):
            found = gradient_in(place.owner, str(place.key), position)
    return found


def trained(name: str) -> bool:
    """Whether a name is one that is given to what is trained.

    >>> trained("Wxh"), trained("cell.bias"), trained("mask")
    (True, True, False)
    """
    last = re.sub(r"\[\d+\]$", "", name).rsplit(".", 1)[-1].strip("_")
    return bool(TRAINED.match(last.lower()))


def changed(before: Mapping[str, Any], after: Mapping[str, Part]) -> set[str]:
    """The names of the parts that are another object, or have other values, than before."""
    found = set()
    for name, part in after.items():
        old, copy = before.get(name, (None, None))
        now = part.get()
        same = now is old or (isinstance(now, Held) and now.base is old)
        if not same or not np.array_equal(np.asarray(now), copy, equal_nan=True):
            found.add(name)
    return found


def snapshot(parts: Mapping[str, Part]) -> dict[str, tuple[Any, Array]]:
    """What `changed` compares with later."""
    return {name: (part.get(), np.array(part.get())) for name, part in parts.items()}
