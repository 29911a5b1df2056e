"""What a learner calls: `compare` for a report, `assert_same` for tests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn

import numpy as np

from ..convert import unboxed
from ..modes import no_grad
from ..tape import Array, before, pull, walk
from ..tensor import Tensor
from .judge import ABSENT, INHERITED, SMALL, WRONG, Row, fitted, judge
from .replay import pull_yours, slopes, sources
from .report import Report, Witness

NAN = float("nan")


def compare(loss: Tensor, grads: Mapping[str, Any], model: Any = None) -> Report:
    """Gradients by hand against autodiff's, tensor by tensor.

    `grads` maps names to gradients: arrays, Tensors, nested lists or numbers. A name is the
    `name` of a tensor that `loss` was computed from, intermediate or input, or a parameter's dotted
    path in `model`; any subset will do. Shapes are never broadcast. Two gradients are the same if
    the norm of their difference is up to 1e-9 of theirs, 1e-4 if either is float32. What follows
    from a wrong gradient above by the right rule is "inherited", not wrong.

    The tape stays, no `.grad` changes and no hook runs; it works before `backward()` and after
    `backward(retain_graph=True)`. RuntimeError for a tape that was released and a loss of several
    elements; ValueError for a name that is unknown, ambiguous, or of a tensor that needs no
    gradient; TypeError for what is not numbers.

    >>> x = tensor([[1.0, 2.0]]); w = tensor([[3.0], [4.0]], requires_grad=True, name="w")
    >>> z = x @ w
    >>> z.name = "z"
    >>> loss = (z * z).sum()
    >>> report = compare(loss, {"z": 2 * z.data, "w": x.data.T @ z.data})
    >>> report.ok, report.first_wrong.name
    (False, 'w')
    >>> print(report)
    tensor  shape   max abs err  rel err  verdict     note
    z       (1, 1)  0.0e+00      0.0e+00  ok
    w       (2, 1)  2.2e+01      5.0e-01  wrong here  norm ratio 0.5, cosine 1
    1 gradient agrees, 1 is wrong on its own. Fix w first.
    w: element (1, 0): yours 22, autodiff 44, finite difference 44.
    """
    check_loss(loss)
    if not isinstance(grads, Mapping):
        raise TypeError(
            f"compare: the gradients are a {type(grads).__name__}; give a dictionary, such as "
            '{"fc1.weight": dW}'
        )
    if not grads:
        raise ValueError("compare: the dictionary of gradients is empty: nothing to compare")
    order = list(backward_order(loss))
    parameters = dict(model.named_parameters(remove_duplicate=False)) if model is not None else {}
    asked = find(grads, order, parameters)
    yours = {t: as_gradient(name, grads[name]) for t, name in asked.items()}

    with no_grad(), np.errstate(all="ignore"):
        true: dict[Tensor, Any] = {}
        pull([(loss, np.ones(loss.shape, loss.dtype))], keep=True, hooks=False, found=true)
        own = {t: fitted(g, t.shape) for t, g in yours.items()}
        local = pull_yours(loss, {t: g.astype(t.dtype) for t, g in own.items() if g is not None})
        scale = scale_of(loss)
        absent = {p: name for name, p in reversed(parameters.items()) if p.requires_grad}
        rows: dict[Tensor, Row] = {}
        for t in dict.fromkeys([*order, *asked, *reversed(absent)]):
            if t in yours:
                zero = np.zeros(t.shape, t.dtype)  # for a parameter that this loss does not use
                right, follows = (np.asarray(g.get(t, zero)) for g in (true, local))
                rows[t] = judge(asked[t], yours[t], right, follows, scale)
            elif t in absent:
                rows[t] = Row(absent[t], t.shape, NAN, NAN, ABSENT, "")
        return Report(float(loss.data.item()), blamed(loss, rows), witness(loss, rows, own, true))


def assert_same(loss: Tensor, grads: Mapping[str, Any], model: Any = None) -> None:
    """Raise AssertionError with the table of `compare`, unless its report is ok.

    >>> x = tensor(3.0, requires_grad=True, name="x")
    >>> assert_same(x * x, {"x": 6.0})
    """
    report = compare(loss, grads, model)
    if not report.ok:
        raise AssertionError(f"gradients differ from autodiff\n{report}")


def check_loss(loss: Any) -> None:
    """Raise unless `loss` is a Tensor that a backward pass can start from."""
    if not isinstance(loss, Tensor):
        raise TypeError(
            f"compare: the loss is a {type(loss).__name__}; give the Tensor that was computed, "
            "not its value"
        )
    if not loss.requires_grad:
        raise RuntimeError(
            "compare: the loss does not require grad: nothing that it was computed from has "
            "requires_grad=True, or it was computed inside no_grad()"
        )
    if loss.data.size != 1:
        raise RuntimeError(
            f"compare: the loss has shape {loss.shape} and must have one element; take its sum or "
            "mean, as the gradients by hand do"
        )


def released(node: Any) -> NoReturn:
    raise RuntimeError(
        f"compare: the record of {node.op.name} was released by backward(); call compare before "
        "it, or call backward(retain_graph=True)"
    )


def backward_order(loss: Tensor) -> Iterable[Tensor]:
    """The tape in the order in which a backward pass completes the gradients: a leaf's is
    complete when the operation that used it first is through."""
    nodes = list(walk(loss, released=released))
    done = {t: i for i, t in enumerate(nodes)}
    for i, node in enumerate(nodes):
        for p in node.parents:
            if p is not None and before(p, node.serial).op is None:
                done[before(p, node.serial)] = i
    return sorted(nodes, key=lambda t: (done[t], t.op is None))


def scale_of(loss: Tensor) -> float:
    """The largest finite number among the loss and what it was made of: a loss of 0 may be a
    difference of large numbers."""
    arrays = [loss.data, *(p.data for p in loss.parents if p is not None and p.requires_grad)]
    return max(float(np.abs(a[np.isfinite(a)]).max(initial=0)) for a in arrays)


def find(
    names: Iterable[str], order: list[Tensor], parameters: dict[str, Tensor]
) -> dict[Tensor, str]:
    """The tensor of each name."""
    known: dict[str, dict[Tensor, None]] = {name: {p: None} for name, p in parameters.items()}
    for t in order:
        if t.name:
            known.setdefault(t.name, {})[t] = None
    asked: dict[Tensor, str] = {}
    for name in names:
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
        if t in asked:
            raise ValueError(
                f"compare: {asked[t]!r} and {name!r} are the same tensor; hand in one gradient"
            )
        asked[t] = name
    return asked


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
        a = np.asarray(unboxed(value))
    except (ValueError, TypeError, RuntimeError) as error:
        raise TypeError(f"compare: the gradient of {name!r} is not an array: {error}") from None
    if a.dtype.kind not in "fiub":
        raise TypeError(
            f"compare: the gradient of {name!r} is a {type(value).__name__}, not an array of "
            "real numbers; leave a tensor out to skip it"
        )
    return a if a.dtype.kind == "f" else a.astype(np.float64)


def blamed(loss: Tensor, rows: dict[Tensor, Row]) -> tuple[Row, ...]:
    """The rows, with the tensors that the inherited ones have their mistake from.

    If all above agree within the tolerance, it is their rounding that cancellation made visible.
    """
    from dataclasses import replace

    above = sources(loss, {t: row.name for t, row in rows.items() if row.verdict == WRONG})
    names = [row.name for row in rows.values()]
    told = []
    for t, row in rows.items():
        if row.verdict == INHERITED:
            causes = sorted(above.get(t, ()), key=names.index)
            cause = "from " + ", ".join(causes) if causes else "the rounding above explains it"
            note = "; ".join(filter(None, (cause, row.note)))
            row = replace(row, verdict=INHERITED if causes else SMALL, note=note)
        told.append(row)
    return tuple(told)


def witness(
    loss: Tensor,
    rows: dict[Tensor, Row],
    yours: dict[Tensor, Array | None],
    true: dict[Tensor, Any],
) -> Witness | None:
    """The worst element of the first wrong gradient, and what a finite difference says."""
    for t, row in rows.items():
        mine = yours.get(t)
        if row.verdict == WRONG and mine is not None:
            right = np.asarray(true.get(t, np.zeros(t.shape)))
            difference = np.abs(mine.astype(np.float64) - right)
            place = np.unravel_index(np.argmax(difference), t.shape)
            element = tuple(int(i) for i in place)
            sides = slopes(loss, t, element)
            return Witness(row.name, element, float(mine[element]), float(right[element]), sides)
    return None
