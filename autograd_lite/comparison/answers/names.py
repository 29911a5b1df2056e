"""What people call gradients, and the tensors that they mean by it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from ...engine.arrays import unboxed

OF = "(?:L|J|E|C|l|loss|Loss|cost|Cost|out)"  # what is differentiated
SPELLINGS = [  # of the gradient of a tensor, whose name is the group
    rf"[d∂]_?{OF}?\s*/\s*[d∂]_?(.+)",  # dL/dW1
    rf"d{OF}_?d?_?(.+)",  # dL_dW1, dJdW
    r"(?:gradient|grads?|nabla|delta|d|∂|g|∇)_?(?:of_)?(.+)",  # dW1, grad_W1, nabla_w
    r"(.+?)[_.]?(?:grads?|gradient|bar)",  # W1_grad, W1.grad
]
SPELLED = [re.compile(pattern) for pattern in SPELLINGS]
Path = tuple[Any, ...]


def stems(key: str) -> list[str]:
    """The names whose gradient this may be.

    >>> stems("dL/dW1")[0], stems("dW_1")[-1], stems("W1_grad")
    ('W1', 'W_1', ['W1'])
    """
    found = [match[1] for pattern in SPELLED if (match := pattern.fullmatch(key))]
    return list(dict.fromkeys(found))


def compact(name: str) -> str:
    """A name without signs: `layers.0.W_1` is as good as `layers0W1`."""
    return re.sub(r"[\W_]", "", name)


def meant(key: Any, known: Collection[str]) -> str | None:
    """The one of the known names that `key` means, itself or as the name of its gradient.

    >>> meant("dW_1", ["W1", "b1"]), meant("db1", ["W1", "b1"]), meant("W", ["W1"])
    ('W1', 'b1', None)
    """
    if key in known:
        return str(key)
    for form in (str, compact, lambda name: compact(name).lower(), last):
        for stem in stems(str(key)):
            hits = [name for name in known if form(name) == form(stem)]
            if len(hits) == 1:
                return hits[0]
    return None


def last(name: str) -> str:
    """The last part of a name: W1 of `parameters.W1`."""
    return name.rpartition(".")[2]


def series(key: Any, known: Collection[str]) -> list[str]:
    """The names that differ by a number alone and that a list called `key` has the gradients of,
    in order.

    >>> series("nabla_w", ["w2", "w1", "b1"]), series("dW", ["weights[0]", "weights[1]"])
    (['w1', 'w2'], ['weights[0]', 'weights[1]'])
    """
    own = [compact(stem).lower() for stem in (*stems(str(key)), str(key))]
    found: dict[str, dict[int, str]] = {}
    for name in known:
        match = re.fullmatch(r"(.*?\D)[\[._]?(\d+)\]?", name)
        if match:
            found.setdefault(compact(match[1]).lower(), {})[int(match[2])] = name
    for stem in own:
        for word, names in found.items():
            if word.startswith(stem) or stem.startswith(word):
                return [names[i] for i in sorted(names)]
    return []


def renamed(grads: Mapping[Any, Any], known: Collection[str]) -> dict[Any, Any]:
    """Gradients by the names of their tensors, where these are known; other keys stay.

    >>> list(renamed({"nabla_w": [1.0, 2.0], "db1": 3.0}, ["w1", "w2", "b1"]))
    ['w1', 'w2', 'b1']
    """
    found: dict[Any, Any] = {}
    for key, value in grads.items():
        name = meant(key, known)
        names = [] if name else series(key, known)
        if names and isinstance(value, list | tuple) and len(names) == len(value):
            found |= dict(zip(names, value, strict=True))
        elif name is None or name in found or (name != key and name in grads):
            found[key] = value
        else:
            found[name] = value
    return found


def leaves(structure: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The arrays of nested dictionaries, lists and tuples, with their keys; a list of numbers is
    an array."""
    if isinstance(structure, Mapping):
        items = list(structure.items())
    elif isinstance(structure, list | tuple) and not is_numbers(structure):
        items = list(enumerate(structure))
    else:
        yield path, structure
        return
    for key, value in items:
        yield from leaves(value, (*path, key))


def is_numbers(values: Any) -> bool:
    """Whether a list is one array, written out."""
    return bool(values) and all(
        is_numbers(v) if isinstance(v, list | tuple) else isinstance(v, int | float | np.number)
        for v in values
    )


def label(path: Path) -> str:
    """The name of an array inside a structure.

    >>> label(("layer1", "W")), label(("weights", 0)), label((2,))
    ('layer1.W', 'weights[0]', '[2]')
    """
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else str(key)
    return text


def matched(grads: Any, shapes: Mapping[str, tuple[int, ...]]) -> dict[Any, Any]:
    """The gradients in a structure of any kind, by the names of the parameters of these shapes.

    By name where they have one; else in the order of the parameters, all or, where there are fewer,
    each the next one of its shape.
    """
    if isinstance(grads, Mapping):
        return matched_by_name(grads, shapes)
    if isinstance(grads, list | tuple) and len(grads) == len(shapes) > 1:
        parts = list(grads)  # each by itself: two numbers are no array of two
    else:
        parts = [grads]
    found = [g for part in parts for _, g in leaves(part) if g is not None]
    if len(found) == len(shapes):
        pairs = dict(zip(shapes, found, strict=True))
        fits = [np.shape(unboxed(g)) == shapes[name] for name, g in pairs.items()]
        if all(fits) or sorted(map(shape_of, found)) != sorted(shapes.values()):
            return pairs
    return by_shape(found, shapes)


def matched_by_name(grads: Mapping[Any, Any], shapes: Mapping[str, Any]) -> dict[Any, Any]:
    """The gradients of a dictionary, also of one of lists or of dictionaries."""
    flat: dict[Any, Any] = {}
    for key, value in renamed(grads, shapes).items():
        inner = list(leaves(value)) if isinstance(value, Mapping | list | tuple) else []
        if key in shapes or (len(inner) < 2 and not isinstance(value, Mapping)):
            flat[key] = value
            continue
        for path, leaf in inner:
            below = [str(key), *(stem for stem in stems(str(key)))]
            last = [path[-1], *(stems(str(path[-1])) if isinstance(path[-1], str) else ())]
            tries = [label((k, *path[:-1], e)) for k in below for e in last]
            hit = next((name for name in tries if name in shapes), None)
            flat[hit or label((key, *path))] = leaf
    return flat


def shape_of(value: Any) -> tuple[int, ...]:
    return tuple(np.shape(unboxed(value)))


def by_shape(found: list[Any], shapes: Mapping[str, tuple[int, ...]]) -> dict[Any, Any]:
    """Each gradient for the next parameter of its shape; those that fit none, by their number."""
    free = dict(shapes)
    result: dict[Any, Any] = {}
    for i, value in enumerate(found):
        hit = next((name for name, shape in free.items() if shape == shape_of(value)), None)
        if hit is not None:
            del free[hit]
        result[f"gradient {i}" if hit is None else hit] = value
    return result
