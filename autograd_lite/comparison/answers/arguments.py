"""Reading what was handed in: options, the loss, names and gradients."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, NoReturn

import numpy as np

from ...engine.arrays import unboxed
from ...engine.errors import kind_of
from ...engine.tape import Array, walk
from ...engine.tensor import Tensor
from ...exchange import values_of
from ...program.chain import Tape
from ...program.naming import Names
from .judge import Hand
from .names import meant, renamed


def check_options(model: Any, scale: Any, transposed: Any, effort: Any) -> None:
    """Raise unless these are options of `compare`."""
    if model is not None and (isinstance(model, type) or not hasattr(model, "named_parameters")):
        raise TypeError(
            f"compare: model is {model!r:.60}; give the Module whose parameters have the names"
        )
    if not isinstance(scale, int | float | np.number) or not np.isfinite(scale) or not scale:
        raise ValueError(
            f"compare: scale is {scale!r:.60}; give the loss by hand over this loss, a number"
        )
    check_effort("compare", effort)
    if transposed not in (None, True, False):
        raise ValueError(f"compare: transposed is {transposed!r:.60}; give True, False or None")


def check_effort(door: str, effort: Any) -> None:
    """Raise unless `effort` is how many times as long as usual a mistake may be looked for."""
    if not isinstance(effort, int | float) or not effort >= 0:
        raise ValueError(f"{door}: effort is {effort!r:.60}; give a number, 1 for the usual")


def check_loss(loss: Any) -> None:
    """Raise unless `loss` is a Tensor that a backward pass can start from."""
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"compare: the loss is a {kind_of(loss)}; give the Tensor that was computed, "
            "not its value"
        )
    if not loss.requires_grad:
        raise RuntimeError(
            "compare: the loss does not require grad: nothing that it was computed from has "
            "requires_grad=True, or it was computed inside no_grad()"
        )
    if loss.array.size != 1:
        raise RuntimeError(
            f"compare: the loss has shape {loss.shape} and must have one element; take its sum or "
            "mean, as the gradients by hand do"
        )


def tape_of(loss: Tensor) -> Tape:
    """What a loss was computed from; RuntimeError in the words of `compare` if it was released."""
    return Tape(nodes=list(walk(loss, released=released, unfold=True))[::-1])


def backward_order(tape: Tape) -> list[Tensor]:
    """The tensors in the order in which a backward pass completes their gradients: a leaf's is
    complete when the operation that used it first is through."""
    newest = tape.nodes[::-1]
    done = {t: i for i, t in enumerate(newest)}
    for i, node in enumerate(newest):
        done |= {p: i for p in tape.inputs[node] if p is not None and p.op is None}
    return sorted(newest, key=lambda t: (done[t], t.op is None))


def released(node: Any) -> NoReturn:
    raise RuntimeError(
        f"compare: the record of {node.op.name} was released by backward(); call compare before "
        "it, or call backward(retain_graph=True)"
    )


def read_gradients(
    grads: Mapping[str, Any], order: list[Tensor], parameters: Mapping[str, Tensor]
) -> dict[Tensor, Hand]:
    """The gradients by the tensors that their names mean, of a tape or of a model."""
    if not isinstance(grads, Mapping):
        raise TypeError(
            f"compare: the gradients are a {type(grads).__name__}; give a dictionary, such as "
            '{"fc1.weight": dW}'
        )
    if not grads:
        raise ValueError("compare: the dictionary of gradients is empty: nothing to compare")
    known: dict[str, dict[Tensor, None]] = {name: {p: None} for name, p in parameters.items()}
    earlier = {t.extra.previous for t in order if t.extra is not None}
    for t in order:
        if t.name and t not in earlier:  # a change in place takes the name along
            known.setdefault(t.name, {})[t] = None
    hands: dict[Tensor, Hand] = {}
    if any(meant(name, known) is None for name in grads):
        drawn = names_of_drawing(order, parameters)
        asked = renamed(grads, [*known, *drawn])
        known |= {name: {drawn[name]: None} for name in asked if name in drawn}
    grads = renamed(grads, known)
    for name in grads:
        if name not in known:
            raise ValueError(unknown(name, list(known)))
        t, *others = known[name]
        if others:
            shapes = ", ".join(str(t.shape) for t in (t, *others))
            raise ValueError(
                f"compare: {1 + len(others)} tensors are called {name!r}, of shapes {shapes}; "
                "give each a name of its own"
            )
        if not t.requires_grad:
            raise ValueError(
                f"compare: {name!r} needs no gradient; set requires_grad=True on it before the "
                "loss is computed, or leave it out"
            )
        if t in hands:
            raise ValueError(
                f"compare: {hands[t].name!r} and {name!r} are the same tensor; hand in one gradient"
            )
        hands[t] = Hand(name, as_gradient(name, grads[name]))
    return hands


class Held(NamedTuple):
    """Parameters by name, as a module has them."""

    parameters: Mapping[str, Tensor]

    def named_parameters(self) -> Any:
        return self.parameters.items()


def names_of_drawing(order: list[Tensor], parameters: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What `draw` and `derive` call the tensors that have no name: z1, W1."""
    names = Names(order[0], Held(parameters) if parameters else None)
    nameless = (t for t in order if not t.name and t.requires_grad and names.knows(t))
    return {names.of(t): t for t in nameless}


def unknown(name: Any, known: list[str]) -> str:
    """The text about a name that no tensor has."""
    from difflib import get_close_matches

    near = get_close_matches(str(name), known, n=1)
    guess = f"; did you mean {near[0]!r}?" if near else ";"
    if not known:
        remedy = "no tensor has a name: set t.name, or pass model= for its parameters"
    else:
        shown = ", ".join(map(repr, known[:20])) + (", ..." if len(known) > 20 else "")
        remedy = f"known are {shown}"
    return f"compare: no tensor is called {name!r}{guess} {remedy}"


def as_gradient(name: str, value: Any) -> Array:
    """What was handed in as an array of floats, of the type that it has."""
    try:
        a = values_of(value) if hasattr(value, "__dlpack__") else np.asarray(unboxed(value))
    except (ValueError, TypeError, RuntimeError) as error:
        raise TypeError(f"compare: the gradient of {name!r} is not an array: {error}") from None
    if a.dtype.kind not in "fiub":
        raise TypeError(
            f"compare: the gradient of {name!r} is a {type(value).__name__}, not an array of "
            "real numbers; leave a tensor out to skip it"
        )
    return a if a.dtype.kind == "f" else a.astype(np.float64)
