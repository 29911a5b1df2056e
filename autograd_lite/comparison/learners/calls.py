"""How a learner's class is called: its methods, what they are given, and where they put results."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from copy import copy, deepcopy
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MethodType
from typing import Any

import numpy as np

from ...engine.arrays import unboxed
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ..answers.judge import fitted
from .parts import VALUES, Held, Part, attributes, kept_gradient, looked_up, parts_of, plain, walk

# method names in letters and digits alone; the first that a class has
FORWARDS = ("forward", "forwardpass", "forwardpropagation", "forwardprop", "forwardpropagate",
            "feedforward", "propagateforward", "fprop", "fwd", "updateoutput", "predict", "apply",
            "call", "query", "fit", "calloutput", "run", "evaluate", "output",
            "activate")  # fmt: skip
BACKWARDS = ("backward", "backwardpass", "backwardpropagation", "backpropagation",
             "backwardprop", "backpropagate", "propagatebackward", "backprop", "bprop", "bwd",
             "updategradinput", "grad", "gradient", "back", "vjp", "backwards")  # fmt: skip
RATES = ("lr", "learning_rate", "eta", "alpha", "rate", "step_size", "learningrate", "step")
INPUTS = ("input", "inputs", "x", "inp", "a_prev", "aprev", "input_data", "data", "prev")
MODES = ("train", "training", "istrain", "istraining", "trainflg", "trainflag", "trainmode")
OUTPUTS = ("output", "out", "outputs", "y", "a", "activation", "activations", "result", "z")
INPUT_GRADIENTS = (  # in letters and digits alone
    "dinputs", "dinput", "dx", "gradinput", "gradinputs", "inputgrad", "inputgradient", "gradx",
    "gx", "dinp", "din", "daprev", "dprev", "bottomdiff", "dxs", "delta", "grad",
)  # fmt: skip


def method(owner: Any, names: Sequence[str]) -> str:
    """The name of the first of the methods that an object has, "" if it has none.

    >>> class Dense:
    ...     def feed_forward(self, x): ...
    >>> method(Dense(), FORWARDS)
    'feed_forward'
    """
    if isinstance(owner, str | bytes | np.ndarray | int | float | list | dict | tuple):
        return ""
    own = [name for name in dir(owner) if not name.startswith("_")]
    found: dict[str, str] = {}
    for name in own:
        found.setdefault(plain(name), name)
    for name in names:
        if name in found and callable(getattr(owner, found[name], None)):
            return found[name]
    if names is FORWARDS and "__call__" in dir(type(owner)) and not inspect.isroutine(owner):
        return "__call__"
    return ""


def methods_of(owner: Any) -> tuple[str, str]:
    """The names of the methods for both ways.

    A `backward()` that takes nothing asks for what `__call__` keeps.
    """
    forward, backward = method(owner, FORWARDS), method(owner, BACKWARDS)
    called = "__call__" in dir(type(owner)) and backward
    if called and takes_nothing(getattr(owner, backward)):
        forward = "__call__"
    return forward, backward


def is_layer(owner: Any) -> bool:
    """Whether an object has methods for both ways."""
    if is_torch(owner):
        return True
    if isinstance(owner, type) or inspect.isroutine(owner):
        return False
    return bool(method(owner, FORWARDS) and method(owner, BACKWARDS))


def is_torch(owner: Any) -> bool:
    """Whether an object is a module of torch, which is not imported for the question."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(owner, torch.nn.Module)


class TorchLayer:
    """A module of torch among layers by hand, on arrays."""

    def __init__(self, module: Any) -> None:
        self.module = deepcopy(module).double()

    def forward(self, x: Array) -> Array:
        self.x = sys.modules["torch"].tensor(np.array(x, np.float64), requires_grad=True)
        self.y = self.module(self.x)
        return np.array(self.y.detach().numpy())

    def backward(self, g: Array) -> Array:
        torch = sys.modules["torch"]
        (dx,) = torch.autograd.grad(self.y, self.x, torch.tensor(np.array(g)))
        return np.array(dx.numpy())


def parameters(function: Callable[..., Any]) -> list[inspect.Parameter] | None:
    """The parameters of a function; None where they are not known."""
    try:
        if type(function) is MethodType:  # of which there is another one for each copy of a layer
            return known_parameters(function.__func__)[1:]
        return [*inspect.signature(function).parameters.values()]
    except (ValueError, TypeError):
        return None


@lru_cache(maxsize=256)
def known_parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return [*inspect.signature(function).parameters.values()]


def positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that can be given by position; [] where they are not known."""
    found = parameters(function) or []
    return [p for p in found if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def needed(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """Those of them without a default."""
    return [p for p in positional(function) if p.default is p.empty]


def takes_nothing(function: Callable[..., Any]) -> bool:
    """Whether a function is called without arguments, as far as is known."""
    found = parameters(function)
    return found is not None and not any(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL) for p in found
    )


def keywords(function: Callable[..., Any]) -> dict[str, Any]:
    """What the parameters are given that have to be given by name."""
    return {
        p.name: filled(p)
        for p in parameters(function) or ()
        if p.kind == p.KEYWORD_ONLY and p.default is p.empty
    }


def is_rate(p: inspect.Parameter) -> bool:
    return p.name.lower() in RATES or plain(p.name) in ("learnrate", "learningrate")


def is_input(name: str) -> bool:
    """Whether an argument or attribute of this name holds the data."""
    return plain(name) in map(plain, INPUTS) or plain(name).startswith(("input", "xtrain"))


@dataclass(frozen=True)
class Spec:
    """How one layer is called: its methods, the names that parameters and gradients were given,
    those of its arrays that are looked at (all if None), and objects that are not its own."""

    forward: str
    backward: str
    names: tuple[str, ...]
    keeps: Mapping[str, str]
    chosen: tuple[str, ...] | None = None
    others: tuple[str, ...] = ()  # attributes with other layers, a loss or a net


@dataclass
class Layer:
    """A layer of a learner, called as its class asks for."""

    own: Any
    spec: Spec
    x: Any = None
    y: Any = None
    cache: tuple[Any, ...] = ()
    context: Any = None
    parts: dict[str, Part] = field(init=False)

    def __post_init__(self) -> None:
        self.find()

    def find(self) -> None:
        """Look for the arrays that the object has now."""
        parts = self.all_parts()
        chosen = self.spec.chosen
        self.parts = parts if chosen is None else {p: parts[p] for p in chosen if p in parts}

    def all_parts(self) -> dict[str, Part]:
        """All arrays of floats of the object."""
        skip = [id(getattr(self.own, name, None)) for name in self.spec.others]
        return parts_of(self.own, self.spec.names, skip)

    def narrowed(self, chosen: Sequence[str]) -> Layer:
        """The layer with these of its arrays alone."""
        return self.with_own(self.own, replace(self.spec, chosen=tuple(chosen)))

    def with_own(self, own: Any, spec: Spec) -> Layer:
        """The same for another object, or another way to look at it."""
        return replace(self, own=own, spec=spec)

    # ---- arrays ----

    def values(self) -> dict[str, Array]:
        """Copies of the parameters, as they are now."""
        return {p: as_floats(part.get()) for p, part in self.parts.items()}

    def put(self, p: str, value: Any) -> None:
        """Give a parameter a value, wherever the layer has it."""
        self.parts[p].put(value)

    def gradient(self, p: str) -> Any:
        """The gradient that the layer keeps of a parameter, or None."""
        if p in self.spec.keeps:
            return getattr(self.own, self.spec.keeps[p], None)
        found = self.gradient_box(p)
        try:
            numbers = None if found is None else as_floats(found)
        except (TypeError, ValueError):
            return None
        # float32 stays float32: it is judged as coarsely
        return numbers if getattr(found, "dtype", None) != np.float32 else np.asarray(found)

    def zero_gradients(self) -> None:
        """Zero what is kept of another backward, as those who add up do between two."""
        for p, part in self.parts.items():
            g = self.gradient_box(p)
            if isinstance(g, np.ndarray) and g.shape == np.shape(part.get()) and g.flags.writeable:
                g[...] = 0

    def gradient_box(self, p: str) -> Any:
        """The object that holds the gradient of a parameter, or None."""
        names, part = self.spec.names, self.parts[p]
        listed = [place.key for place in part.places if isinstance(place.owner, list)]
        position = listed or [i for i, name in enumerate([*names, *self.parts]) if name == p]
        return kept_gradient(self.own, part, position[0])

    def weight(self) -> str:
        """The name of the one matrix that the layer has; "" if it has none or several."""
        shapes = {p: np.shape(part.get()) for p, part in self.parts.items()}
        named = [p for p in self.spec.names[:1] if len(shapes.get(p, ())) == 2]
        matrices = [p for p, s in shapes.items() if len(s) > 2 or (len(s) == 2 and 1 not in s)]
        found = named or matrices or [p for p, s in shapes.items() if len(s) == 2 and "b" not in p]
        return found[0] if len(set(found) | set(matrices)) == 1 else ""

    # ---- the methods ----

    @property
    def attached(self) -> bool:
        """Whether its backward takes nothing: gradients are attributes of arrays."""
        return takes_nothing(getattr(self.own, self.spec.backward))

    def forward(self, x: Any) -> Any:
        """The output, which may be what is returned or an attribute; the rest is for backward."""
        if self.attached and isinstance(x, np.ndarray):
            x = x.view(Held)
            for part in self.parts.values():
                if isinstance(part.get(), np.ndarray):
                    part.put(part.get().view(Held))
        function = getattr(self.own, self.spec.forward)
        wanted = needed(function)
        extra = [filled(p) for p in wanted[1:]]
        before = {name: id(value) for name, value in attributes(self.own).items()}
        self.context = Context() if wanted and wanted[0].name == "ctx" else None
        if self.context is None:
            y = function(x, *extra, **keywords(function))
        else:
            y = function(self.context, x)
        self.cache = ()
        if isinstance(y, tuple | list) and y and not np.isscalar(y[0]):
            y, self.cache = y[0], tuple(y[1:])
        if y is None:
            y = self.left(OUTPUTS, before)
        self.x, self.y = x, y
        return y

    def left(self, names: Sequence[str], before: Mapping[str, int]) -> Any:
        """The value that a method which returns nothing left in an attribute."""
        own = attributes(self.own)
        new = {
            plain(n): v
            for n, v in own.items()
            if isinstance(v, np.ndarray | Tensor) and before.get(n) != id(v)
        }
        found = next((new[n] for n in names if n in new), None)
        if found is None and names is OUTPUTS:
            others = [v for v in new.values() if v is not self.x]
            found = others[-1] if others else None
        return found

    def backward(self, g: Array, rate: float) -> tuple[Any, dict[str, Any]]:
        """The gradient of the input, and those of parameters that were returned beside it."""
        before = {name: id(value) for name, value in attributes(self.own).items()}
        if self.attached:
            returned = self.from_attributes(g)
        else:
            returned = getattr(self.own, self.spec.backward)(*self.arguments(g, rate))
        if plain(self.spec.backward) == "updategradinput":
            accumulate = method(self.own, ["accgradparameters"])
            if accumulate:
                getattr(self.own, accumulate)(self.x, g)
        if returned is None:
            mine = {plain(n) for p in self.parts for n in (p, f"d{p}")}
            returned = self.left([n for n in INPUT_GRADIENTS if n not in mine], before)
        if isinstance(returned, Mapping):
            returned = tuple(returned.values()) if not self.parts else self.by_name(returned)
        if isinstance(returned, tuple | list) and len(returned) and not np.isscalar(returned[0]):
            return self.split(returned)
        return returned, {}

    def by_name(self, returned: Mapping[Any, Any]) -> tuple[Any, ...]:
        """A dictionary of gradients in the order: of the input, then of the parameters."""
        of_parts = [looked_up(returned, p, True) for p in self.parts]
        known = {id(g) for g in of_parts}
        named = {plain(n): v for n, v in returned.items()}
        first = next(
            (named[n] for n in (*INPUT_GRADIENTS, *map(plain, INPUTS)) if n in named), None
        )
        if first is None:
            first = next((v for v in returned.values() if id(v) not in known), None)
        return (first, *of_parts)

    def split(self, returned: Sequence[Any]) -> tuple[Any, dict[str, Any]]:
        """The gradient of the input and those of parameters among several: by order, or by shape
        where the one of the input is not the first."""
        items = [*returned]
        fits = [i for i, v in enumerate(items) if np.shape(v) == np.shape(self.x)]
        at = 0 if 0 in fits or len(fits) != 1 else fits[0]
        dx = items.pop(at)
        if items and isinstance(items[0], Mapping | list | tuple) and len(items) == 1:
            inner = items[0]
            items = [*self.by_name(inner)[1:]] if isinstance(inner, Mapping) else [*inner]
        return dx, self.in_order(items) if len(items) == len(self.parts) else {}

    def in_order(self, items: Sequence[Any]) -> dict[str, Any]:
        """As many gradients as parameters: by the shape that they fit, or by order."""
        shapes = {p: np.shape(part.get()) for p, part in self.parts.items()}
        rest, found = [*shapes], {}
        for i, g in enumerate(items):
            fits = [p for p in rest if shapes[p] == np.shape(g)] or rest
            p = next((q for q in fits if [*shapes].index(q) == i), fits[0])
            found[p] = g
            rest.remove(p)
        return found

    def from_attributes(self, g: Array) -> Any:
        """What `backward()` without arguments makes of the gradient at its output."""
        if not isinstance(self.y, Held):
            old, self.y = self.y, np.asarray(self.y).view(Held)
            for name, value in attributes(self.own).items():
                if value is old:
                    setattr(self.own, name, self.y)
        for name in ("g", "grad"):
            setattr(self.y, name, g)
        returned = getattr(self.own, self.spec.backward)()
        if returned is not None:
            return returned
        return next((getattr(self.x, n) for n in ("g", "grad") if hasattr(self.x, n)), None)

    def arguments(self, g: Array, rate: float) -> list[Any]:
        """What its backward asks for: the upstream, and by their names a rate, the input, what the
        forward returned beside the output."""
        function = getattr(self.own, self.spec.backward)
        if self.context is not None:
            return [self.context, g]
        wanted = needed(function)
        if len(wanted) < 2:
            second = positional(function)[1:2]
            return [g, rate] if second and is_rate(second[0]) else [g]
        values = self.known_arguments(wanted, rate)
        free = [i for i, value in enumerate(values) if value is None]
        for i in free:
            name = plain(wanted[i].name)
            other = True if name in MODES else self.y if name in OUTPUTS else rate
            values[i] = g if i == free[0] else other
        return values

    def known_arguments(self, wanted: Sequence[inspect.Parameter], rate: float) -> list[Any]:
        """The arguments whose names or places say what they are; None for the others."""
        names = [p.name.lower() for p in wanted]
        first_input = next((i for i, name in enumerate(names) if is_input(name)), None)
        rest = list(self.cache)
        values: list[Any] = []
        for i, p in enumerate(wanted):
            if is_rate(p):
                values.append(rate)
            elif i == first_input:
                values.append(self.x)
            elif "cache" in names[i] and len(rest) != 1:
                values.append(self.cache)
            else:
                values.append(rest.pop(0) if rest and i else None)
        return values


def loss_first(result: Any) -> Any:
    """What a function returned, (loss, gradients) also where it gave (gradients, loss)."""
    if isinstance(result, tuple | list) and len(result) == 2:
        first, second = (isinstance(x, Mapping) or np.size(unboxed(x)) != 1 for x in result)
        return result[::-1] if first and not second else result
    return result


class Context:
    """What functions of the kind forward(ctx, x) and backward(ctx, g) keep things in."""

    saved: tuple[Any, ...] = ()

    def save_for_backward(self, *values: Any) -> None:
        self.saved = values

    @property
    def saved_values(self) -> tuple[Any, ...]:
        return self.saved

    saved_tensors = saved_values


def filled(p: inspect.Parameter) -> Any:
    """What an argument of a forward after the first is given: training, as gradients are."""
    if plain(p.name) in MODES:
        return True
    return "train" if plain(p.name) == "mode" else False


def copied(owners: Sequence[Any]) -> list[Any]:
    """Copies of objects, one for one; what cannot be copied is shared."""
    try:
        return deepcopy(list(owners))
    except Exception:  # noqa: BLE001  (locks, generators, files, whatever a class may hold)
        memo: dict[int, Any] = {}
        return [parted(owner, memo) for owner in owners]


def parted(owner: Any, memo: dict[int, Any]) -> Any:
    """A copy of one object, attribute by attribute."""
    if id(owner) in memo:
        return memo[id(owner)]
    try:
        twin = memo[id(owner)] = copy(owner)
    except Exception:  # noqa: BLE001
        return owner
    for name, value in attributes(owner).items():
        with suppress(Exception):  # else it is shared
            setattr(twin, name, deepcopy(value, memo))
    return twin


def copies(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """Copies of the layers, one for one, with their parameters in float64."""
    twins = copied([layer.own for layer in layers])
    pairs = zip(twins, layers, strict=True)
    found = tuple(layer.with_own(own, layer.spec) for own, layer in pairs)
    for own in {id(layer.own): layer.own for layer in found}.values():
        in_float64(own)
    return found


def in_float64(owner: Any) -> None:
    """Give an object its arrays of floats, gradients too, in float64."""
    new: dict[int, Array] = {}
    for _, place, value in [*walk(owner, "", None, frozenset(), every=True)]:
        if isinstance(value, np.ndarray) and value.dtype != np.float64:
            place.put(new.setdefault(id(value), value.astype(np.float64)))


def as_floats(x: Any) -> Array:
    """A copy as float64 of an array, a Tensor, numbers, or an object that holds them."""
    if isinstance(x, Tensor):
        x = x.array
    elif not isinstance(x, np.ndarray | np.generic):
        x = next((getattr(x, name) for name in VALUES if hasattr(x, name)), x)
    return np.array(x).astype(np.float64)


def shaped(x: Any, shape: tuple[int, ...]) -> Array | None:
    """What a learner gave, as floats in that shape; None if it is nothing of the kind."""
    try:
        return fitted(as_floats(x), shape)
    except (TypeError, ValueError):
        return None
