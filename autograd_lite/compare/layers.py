"""Classes with forward and backward, that may update themselves, against autodiff."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from ..calculus import grad_or_zeros
from ..modes import enable_grad, like_numpy
from ..tape import Array, walk
from ..tensor import Tensor
from .doors import witness
from .judge import (
    ABSENT,
    FINE,
    OK,
    OTHER,
    WRONG,
    Diagnosis,
    Row,
    contrast,
    distance,
    fitted,
    spreads,
)
from .probe import (
    IN,
    N,
    fault,
    generators,
    hides,
    noted,
    raised,
    reported,
    same_numbers,
    told_apart,
)
from .report import Report

RATES = ("lr", "learning_rate", "eta", "alpha", "rate", "step_size")
VALUES = ("loss", "forward", "__call__")  # what a loss object may call its value
SLOPES = ("gradient", "grad", "diff_loss", "derivative", "prime", "backward")
# and the gradient of a parameter
KEPT = ("d{}", "grad_{}", "{}_grad", "d_{}", "g{}", "{}_gradient", "dL_d{}", "dLd{}")
PARAMS = ("params", "parameters")  # a list or a dictionary of the parameters of a layer
GRADS = ("grads", "gradients")  # and of their gradients
GUARD = 1e-5  # what is added to keep a logarithm or a quotient finite, at most
ROUNDING = 8 * float(np.finfo(np.float64).eps)

ASCENT = "update-ascent"
RATE = "update-rate"
UPDATED = "updated-weights"


def compare_layers(
    layers: Any,
    loss: Any,
    loss_grad: Callable[..., Any] | None,
    x: Any,
    y: Any,
    lr: float | None = None,
    params: Sequence[str] = ("W", "b"),
    grads: Sequence[str] | None = None,
) -> Report:
    """Layers with a backward by hand against autodiff, and their updates too.

    `layers` are objects with `forward(x)` and `backward(upstream)` or `backward(upstream, lr)`,
    which returns the gradient of the input: a list, a dictionary by name, an object with such
    `layers`, or one such object. `params` are the attributes to train, the weight first, or the
    keys of the dictionary, or the names of the items of the list, that a layer has as `params`. A
    layer that updates itself hands in -(change)/lr; one that keeps its gradients hands in those,
    called dW, grad_W, W_grad or gW, or in `grads` like `params`, or as the argument `grads` says.
    `lr` is the rate that the layers should step with: by default the one that most of them have as
    an attribute, or 0.1.

    `loss(prediction, y)` and `loss_grad(prediction, y)` are functions (target first if their
    parameters' names say so, as in `mse(y_true, y_pred)`), or `loss` is an object with both and
    `loss_grad` is None.

    Everything runs in float64 on deep copies. The forward is run on Tensors too, so it must be made
    of operators and NumPy functions, and it draws the same random numbers. If it gives something
    else there, that is the one row. A last layer that passes its upstream on, as a softmax does
    where the loss has the gradient p - y, is differentiated together with the loss. Where the data are of a kind that hides mistakes (a batch of
    1, square weights, zeros) and agree, other sizes are tried too. The rows are called
    "layers[0].W", "layers[0] output" and "x". A backward that raises is a row; TypeError for a
    forward that does not run on Tensors; ValueError for attributes that no layer has, for x with
    NaN and a loss of several numbers.

    >>> class Linear:
    ...     def __init__(self, n, m):
    ...         self.W, self.b = np.full((n, m), 0.5), np.full((1, m), 0.1)
    ...     def forward(self, x):
    ...         self.x = x
    ...         return x @ self.W + self.b
    ...     def backward(self, g, lr):
    ...         dx = g @ self.W.T
    ...         self.W -= lr * self.x.T @ g
    ...         self.b += lr * g.sum(0, keepdims=True)
    ...         return dx
    >>> x, y = np.array([[1.0, 2.0, 3.0], [0.5, 0.0, 1.0]]), np.zeros((2, 4))
    >>> half = lambda p, y: ((p - y) ** 2).sum() / 2
    >>> report = compare_layers([Linear(3, 4)], half, lambda p, y: p - y, x, y)
    >>> print(report.first_wrong.name, report.first_wrong.diagnoses[0].sentence, sep=": ")
    layers[0].b: the step goes up the gradient: b += lr * db
    """
    named = with_names(layers)
    names, objects = tuple(named), tuple(named.values())
    criterion = Criterion(loss, loss_grad)
    rate = rate_of(objects, params) if lr is None else float(lr)
    if not rate:
        raise ValueError("compare_layers: lr is 0, so no update can be seen; give another rate")
    check_params(objects, params)
    if grads is not None and len(grads) != len(params):
        raise ValueError(f"compare_layers: {len(params)} params, but {len(grads)} grads")
    a, b = as_data(x), np.asarray(y)
    keeps = {} if grads is None else dict(zip(params, grads, strict=True))
    trial = Trial(names, clean(objects, params), a, b, criterion, rate, tuple(params), keeps)
    report = trial.report()
    first = report.first_wrong
    if hides(trial.arrays()) if report.ok else first and first.name == f"{names[-1]} output":
        for other in trial.resized():
            return report_of_both(report, other.report(), f"x {other.x.shape}, all random")
    return report


def report_of_both(report: Report, probed: Report, data: str) -> Report:
    """The report to show of those on the data given and on random data."""
    if not report.ok:
        if report.first_wrong is None or not probed.ok:
            return report
        note = f"right on {data}; here the loss may be flat, as log(p + 1e-15) is where p is near 0"
        return noted(report, report.first_wrong.name, note)
    first = probed.first_wrong
    if first is None or any(row.name.endswith("()") for row in probed.rows):
        return report  # a backward that raises there may be made for one size
    return noted(probed, first.name, f"hidden by the data given; seen with {data}")


# ---- what was handed in ----------------------------------------------------------------------


def with_names(layers: Any) -> dict[str, Any]:
    """The layers by name."""
    layers = getattr(layers, "layers", layers)
    if isinstance(layers, Mapping):
        named = {str(name): layer for name, layer in layers.items()}
    elif callable(getattr(layers, "forward", None)) and callable(getattr(layers, "backward", None)):
        named = {type(layers).__name__: layers}
    elif not isinstance(layers, Iterable):
        raise TypeError(
            f"compare_layers: the layers are a {type(layers).__name__}; give a list of layers, a "
            "dictionary by name, or an object with .layers or with forward and backward"
        )
    else:
        objects = list(layers)
        own = [getattr(layer, "name", None) for layer in objects]
        names = [
            name if isinstance(name, str) and name and own.count(name) == 1 else f"layers[{i}]"
            for i, name in enumerate(own)
        ]
        named = dict(zip(names, objects, strict=True))
    if not named:
        raise ValueError("compare_layers: there are no layers")
    for name, layer in named.items():
        for method in ("forward", "backward"):
            if not callable(getattr(layer, method, None)):
                raise TypeError(
                    f"compare_layers: {name} is a {type(layer).__name__} without {method}(); a "
                    "layer has forward(x) and backward(upstream) or backward(upstream, lr)"
                )
    return named


def check_params(layers: Sequence[Any], params: Sequence[str]) -> None:
    """Raise if no layer has any of the attributes."""
    if any(has(layer, p, params) for layer in layers for p in params):
        return
    owners = [getattr(layer, "__dict__", {}) for layer in layers]
    owners += [v for owner in owners for v in owner.values() if isinstance(v, dict)]
    seen = {
        str(name)
        for owner in owners
        for name, value in owner.items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    }
    found = f"arrays are {', '.join(sorted(seen))}" if seen else "none has an array of floats"
    raise ValueError(
        f"compare_layers: no layer has an attribute {' or '.join(params)}; say what the parameters "
        f"are called, as in params=('weights', 'bias'); {found}"
    )


def inside(layer: Any, p: str, params: Sequence[str]) -> list[tuple[Any, Any]]:
    """The dictionaries and lists of a layer that hold the parameter `p`, and its place in each."""
    i = params.index(p)
    found: list[tuple[Any, Any]] = []
    for box in (getattr(layer, name, None) for name in PARAMS):
        if isinstance(box, dict) and p in box:
            found.append((box, p))
        elif isinstance(box, list) and i < len(box) and not isinstance(box[i], str):
            found.append((box, i))
    return found


def has(layer: Any, p: str, params: Sequence[str]) -> bool:
    """Whether a layer has the parameter `p`, as an attribute or among its `params`."""
    return hasattr(layer, p) or bool(inside(layer, p, params))


def value_of(layer: Any, p: str, params: Sequence[str]) -> Any:
    """The parameter `p` of a layer that has it."""
    if hasattr(layer, p):
        return getattr(layer, p)
    box, key = inside(layer, p, params)[0]
    return box[key]


def put(layer: Any, p: str, params: Sequence[str], value: Any) -> None:
    """Give the parameter `p` of a layer a value, wherever the layer has it."""
    for box, key in inside(layer, p, params):
        box[key] = value
    if hasattr(layer, p):
        setattr(layer, p, value)


def rate_of(layers: Sequence[Any], params: Sequence[str]) -> float:
    """The rate that most of the layers with parameters have, the first of several; or 0.1."""
    rates = Counter(
        float(getattr(layer, name))
        for layer in layers
        for name in RATES
        if isinstance(getattr(layer, name, None), int | float)
        and any(has(layer, p, params) for p in params)
    )
    return rates.most_common(1)[0][0] if rates else 0.1


def as_floats(x: Any) -> Array:
    return np.asarray(x.data if isinstance(x, Tensor) else x).astype(np.float64)


def as_data(x: Any) -> Array:
    """The data as floats; an error if they are no numbers or not finite."""
    try:
        a = as_floats(x)
    except (TypeError, ValueError):
        raise TypeError(f"compare_layers: x is a {type(x).__name__}; give an array") from None
    if not np.isfinite(a).all():
        raise ValueError("compare_layers: x has NaN or infinities; give finite numbers")
    return a


def clean(layers: Sequence[Any], params: Sequence[str]) -> tuple[Any, ...]:
    """Copies of the layers, one for one, with their parameters in float64."""
    try:
        copies = deepcopy(tuple(layers))
    except Exception as error:
        raise TypeError(f"compare_layers: the layers cannot be copied: {error}") from error
    for layer in copies:
        for p in params:
            if has(layer, p, params):
                put(layer, p, params, as_floats(value_of(layer, p, params)))
    return copies


def positional(function: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that can be given by position; [] where they are not known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (ValueError, TypeError):
        return []
    return [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]


def takes_rate(backward: Callable[..., Any]) -> bool:
    """Whether a backward has the learning rate as its second argument."""
    second = positional(backward)[1:2]
    return any(p.default is p.empty or p.name in RATES for p in second)


class Criterion:
    """The loss by hand and its gradient, as functions of (prediction, target)."""

    def __init__(self, loss: Any, loss_grad: Any) -> None:
        self.value, self.slope = deepcopy((loss, loss_grad))  # together: they may share an object
        if loss_grad is None:
            self.value, self.slope = method(self.value, VALUES), method(self.value, SLOPES)
            if self.slope is None:
                raise TypeError(
                    f"compare_layers: the gradient of the loss is missing; give loss_grad, or an "
                    f"object with {', '.join(SLOPES[:3])} or backward as the loss"
                )
        if not callable(self.value) or not callable(self.slope):
            raise TypeError("compare_layers: loss and loss_grad must be functions")

    def loss(self, prediction: Any, y: Array) -> Any:
        return self.value(*ordered(self.value, prediction, y))

    def gradient(self, prediction: Array, y: Array) -> Any:
        self.loss(prediction, y)  # some keep what their backward() needs
        needed = [p for p in positional(self.slope) if p.default is p.empty]
        if not needed and inspect.ismethod(self.slope):
            return self.slope()  # backward(), or backward(dout=1)
        return self.slope(*ordered(self.slope, prediction, y))


def method(owner: Any, names: Sequence[str]) -> Any:
    """The first of the methods that an object has."""
    return next((getattr(owner, n) for n in names if callable(getattr(owner, n, None))), None)


def ordered(function: Callable[..., Any], prediction: Any, y: Array) -> tuple[Any, Any]:
    """Prediction and target in the order that the names of the parameters ask for.

    >>> ordered(lambda y_true, y_pred: 0, "prediction", "target")
    ('target', 'prediction')
    """
    first, second = ([p.name.lower() for p in positional(function)] + ["", ""])[:2]
    swapped = (
        any(word in first for word in ("true", "target", "label", "truth"))
        or any(word in second for word in ("pred", "hat", "out", "logit", "score", "prob"))
        or first == "t"
        or (first == "y" and second != "t")
    )
    return (y, prediction) if swapped else (prediction, y)


# ---- one trial -------------------------------------------------------------------------------


@dataclass
class Step:
    """What one layer computed on Tensors."""

    name: str
    x: Tensor
    y: Tensor
    value: Array  # of y, as a layer after it may change it in place
    params: dict[str, Tensor]


@dataclass
class Pulled:
    """What the backward of one layer did: with which upstream, giving what, changing what."""

    upstream: Array
    given: Any
    before: dict[str, Array]
    after: dict[str, Array]
    kept: dict[str, Any]
    written: dict[str, Array]  # the attributes that are new or changed


@dataclass
class Move:
    """The change of a parameter by -lr, the gradient that it should be, and how many of those it
    is, if it is a multiple."""

    layer: str
    name: str
    p: str
    stepped: Array
    basis: Array
    factor: float | None


@dataclass
class Trial:
    """Layers, data and a rate: what one report is about."""

    names: tuple[str, ...]
    layers: tuple[Any, ...]
    x: Array
    y: Array
    criterion: Criterion
    rate: float
    params: tuple[str, ...]
    keeps: dict[str, str]

    def arrays(self) -> dict[str, Array]:
        """What is looked at for sizes and values that hide mistakes."""
        found = {"x": self.x}
        for name, layer in zip(self.names, self.layers, strict=True):
            for p, a in self.values(layer).items():
                found[f"{name}.{p}"] = a if p == self.params[0] else a.ravel()
        return found

    def report(self) -> Report:
        """Autodiff's gradients and those by hand, compared."""
        random = generators([*self.layers, self.criterion.value, self.criterion.slope])
        with same_numbers(random):
            outputs, changing = forward(self.names, clean(self.layers, self.params), self.x)
        prediction = outputs[-1]
        value = as_floats(self.criterion.loss(prediction, self.y))
        if value.size != 1:
            raise ValueError(
                f"compare_layers: the loss gives shape {value.shape}, not one number; take its sum "
                "or mean, as its gradient does"
            )
        with same_numbers(random):
            steps, loss = self.record(changing)
        apart = self.differing(outputs, steps, value, loss)
        if apart is not None:
            return Report(float(value.item()), (apart,), None)
        with same_numbers(random):
            pulled, grads, rows = self.pull()
        loss, guard = unguarded(loss, steps[-1], grads)
        together = self.fused(steps[-1], pulled.get(steps[-1].name), loss)
        if together:
            del grads[steps[-1].y.name]
        wanted = {"x": steps[0].x} | {f"{step.name} output": step.y for step in steps}
        for step in steps:
            wanted |= {t.name: t for t in step.params.values()}
        moving = any(
            not np.array_equal(did.before[p], did.after[p], equal_nan=True)
            for did in pulled.values()
            for p in did.before
        )
        told: dict[str, list[Diagnosis]] = {}
        moves: list[Move] = []
        updates: list[Row] = []
        for step, layer in reversed([*zip(steps, self.layers, strict=True)]):
            if step.name in pulled:
                updates += self.take(step, layer, pulled[step.name], moving, grads, told, moves)
        taken = self.judge_moves(moves, grads, told)
        last = f"{steps[-1].name} output"
        report = reported(loss, grads, wanted, rows)
        report = self.hinted(report, steps, pulled)
        said = [f"{steps[-1].name} and the loss are differentiated together"] * together
        said += [f"leaves out the {guard:g} that the loss adds"] * bool(guard)
        if said:
            rows = [by_convention(r, "; ".join(said)) if r.name == last else r for r in report.rows]
            report = replace(report, rows=tuple(rows), loss=float(value.item()))
        report = stepped_wrong(loss, report, wanted, taken, told)
        report = replace(report, rows=(*report.rows, *updates))
        given, shapes = np.shape(grads.get(last, 0.0)), (prediction.shape, self.y.shape)
        if given != prediction.shape and all(spreads(shape, given) for shape in shapes):
            note = f"prediction {shapes[0]} and target {shapes[1]} were broadcast"
            report = noted(report, last, note)
        return report

    def differing(
        self, outputs: Sequence[Array], steps: Sequence[Step], value: Array, loss: Tensor
    ) -> Row | None:
        """The row of the first result that is another on Tensors than on arrays."""
        for step, a in zip(steps, outputs, strict=True):
            said = told_apart(a, step.value)
            if said:
                return fault(f"{step.name}.forward()", said, step.value.shape)
        said = told_apart(value.reshape(()), loss.data.reshape(()))
        return fault("loss", said) if said else None

    def fused(self, last: Step, did: Pulled | None, loss: Tensor) -> bool:
        """Whether the last layer passes on its upstream, which is not its derivative, and the loss
        had it in mind: its gradient is not that of the layer's output either."""
        if did is None or not loss.requires_grad:
            return False
        upstream = fitted(did.upstream, last.y.shape)
        try:
            given = fitted(as_floats(did.given), last.x.shape)
        except (TypeError, ValueError):
            return False
        if upstream is None or given is None or upstream.shape != given.shape:
            return False
        if distance(given, upstream)[1] > FINE:
            return False
        (right,) = grad_or_zeros((last.y,), (last.x,), (upstream,), False, True)
        (slope,) = grad_or_zeros((loss,), (last.y,), (np.ones(loss.shape),), False, True)
        return distance(given, right.data)[1] > FINE and distance(upstream, slope.data)[1] > FINE

    def hinted(self, report: Report, steps: Sequence[Step], pulled: dict[str, Pulled]) -> Report:
        """The report with a hint at how to hand in what no gradient was found of."""
        absent = {row.name for row in report.rows if row.verdict == ABSENT}
        for step in steps:
            for p, t in step.params.items():
                did = pulled.get(step.name)
                if t.name not in absent or did is None:
                    continue
                like = [n for n, a in did.written.items() if a.shape == t.shape and n != p]
                said = (
                    f"no gradient is kept as {KEPT[0].format(p)}, {KEPT[1].format(p)} or the like"
                )
                if like:
                    said += f"; if {like[0]} is it, say so with grads=({like[0]!r}, ...)"
                report = noted(report, t.name, said)
        return report

    def record(self, changing: set[str]) -> tuple[list[Step], Tensor]:
        """The forward on Tensors; the layers that change their input in place get a copy."""
        layers = clean(self.layers, self.params)
        tensors: dict[int, dict[str, Tensor]] = {}  # a layer that is used twice has one W
        for name, layer in zip(self.names, layers, strict=True):
            if id(layer) not in tensors:
                tensors[id(layer)] = {
                    p: Tensor(a, requires_grad=True, name=f"{name}.{p}")
                    for p, a in self.values(layer).items()
                }
                for p, t in tensors[id(layer)].items():
                    put(layer, p, self.params, t)
        h = Tensor(self.x.copy(), requires_grad=True, name="x")
        steps = []
        for name, layer in zip(self.names, layers, strict=True):
            given, x = h, h.clone() if name in changing else h
            h = on_tensors(f"{name}.forward", layer, layer.forward, x)
            if h is given:
                h = h.clone()
            h.name = f"{name} output"
            steps.append(Step(name, given, h, h.data.copy(), tensors[id(layer)]))
        criterion = deepcopy(self.criterion)
        return steps, on_tensors("loss", self.criterion.value, criterion.loss, h, self.y)

    def pull(self) -> tuple[dict[str, Pulled], dict[str, Any], list[Row]]:
        """The backward by hand: what each layer did, the gradients it gave, and what failed."""
        layers = clean(self.layers, self.params)
        prediction = forward(self.names, layers, self.x)[0][-1]
        pulled: dict[str, Pulled] = {}
        try:
            g = deepcopy(self.criterion).gradient(prediction, self.y)
        except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
            return {}, {}, [fault("loss_grad()", raised(error))]
        grads = {f"{self.names[-1]} output": g}
        for i in reversed(range(len(layers))):
            layer, title = layers[i], f"{self.names[i]}.backward()"
            try:
                upstream = as_floats(g)
                before, seen = self.values(layer), arrays_of(layer)
                rate = (self.rate,) if takes_rate(layer.backward) else ()
                with np.errstate(all="ignore"):
                    g = layer.backward(upstream.copy(), *rate)
            except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
                return pulled, grads, [fault(title, raised(error))]
            kept = {p: self.gradient_of(layer, p) for p in self.params}
            written = {
                name: a
                for name, a in arrays_of(layer).items()
                if name not in seen or not np.array_equal(a, seen[name], equal_nan=True)
            }
            pulled[self.names[i]] = Pulled(upstream, g, before, self.values(layer), kept, written)
            if g is not None:
                grads[f"{self.names[i - 1]} output" if i else "x"] = g
            elif i:
                return pulled, grads, [fault(title, "returned None; return the input's gradient")]
        return pulled, grads, []

    def gradient_of(self, layer: Any, p: str) -> Any:
        """The gradient that a layer keeps of its parameter `p`, or None."""
        names = [self.keeps[p]] if p in self.keeps else [text.format(p) for text in KEPT]
        found = [getattr(layer, n) for n in names if hasattr(layer, n)]
        i = self.params.index(p)
        for box in (getattr(layer, name, None) for name in GRADS):
            if isinstance(box, dict):
                found += [box[n] for n in (p, *names) if n in box]
            elif isinstance(box, list):
                found += box[i : i + 1]
        return next((g for g in found if g is not None), None)

    def values(self, layer: Any) -> dict[str, Array]:
        """Copies of the parameters of a layer, as they are now."""
        return {
            p: as_floats(value_of(layer, p, self.params))
            for p in self.params
            if has(layer, p, self.params)
        }

    def take(
        self,
        step: Step,
        layer: Any,
        did: Pulled,
        moving: bool,
        grads: dict[str, Any],
        told: dict[str, list[Diagnosis]],
        moves: list[Move],
    ) -> list[Row]:
        """Put what a layer kept of gradients into `grads`, its steps into `moves`, and a gradient
        of its input that came too late into `told`; the rows are steps that do not follow from the
        gradient that was kept. `moving` says that the layers update themselves."""
        upstream = fitted(did.upstream, step.y.shape)
        inputs = (step.x, *step.params.values())
        if upstream is None:  # as the row of the output says: nothing follows from it
            right = tuple(Tensor(np.zeros(t.shape)) for t in inputs)
        else:
            right = grad_or_zeros((step.y,), inputs, (upstream,), False, True)
            if moving and self.updated_too_soon(layer, step, did, upstream, right[0].data):
                told.setdefault(step.x.name, []).append(Diagnosis(UPDATED, SENTENCE, True))
        rows: list[Row] = []
        for (p, t), local in zip(step.params.items(), right[1:], strict=True):
            before, after = did.before[p], did.after[p]
            kept = did.kept.get(p)
            if kept is not None:
                grads[t.name] = kept  # of a layer that is used twice, what it has in the end
            if not moving and (kept is not None or local.data.any()):
                continue
            if before.shape != after.shape:
                rows.append(fault(f"{t.name} update", f"gives it the shape {after.shape}", t.shape))
                if kept is None and spreads(before.shape, after.shape):
                    grads[t.name] = (before - after) / self.rate  # such as a bias without its sum
                continue
            stepped = (before - after) / self.rate
            noise = ROUNDING * (np.abs(before) + np.abs(after)) / abs(self.rate)
            basis = local.data if kept is None else fitted(as_floats(kept), t.shape)
            if basis is None:
                continue
            factor = multiple(stepped, basis, noise)
            if kept is None:
                moves.append(Move(step.name, t.name, p, stepped, basis, factor))
            elif factor != 1:
                said = () if factor is None else (self.update(p, factor, True),)
                most, error = distance(stepped, basis)
                note = "the step does not follow from the gradient"
                rows.append(Row(f"{t.name} update", t.shape, WRONG, note, most, error, said))
        return rows

    def updated_too_soon(
        self, layer: Any, step: Step, did: Pulled, upstream: Array, right: Array
    ) -> bool:
        """Whether the gradient of the input is wrong, and right for the weights after the
        update."""
        try:
            given = fitted(as_floats(did.given), step.x.shape)
        except (TypeError, ValueError):
            return False
        if given is None or distance(given, right)[1] <= FINE:
            return False
        (twin,) = clean((layer,), self.params)
        for p, a in did.after.items():
            put(twin, p, self.params, Tensor(a))
        x = Tensor(step.x.data.copy(), requires_grad=True)
        with like_numpy(), enable_grad(), same_numbers(generators([twin])):
            y = twin.forward(x)
        return distance(given, grad_or_zeros((y,), (x,), (upstream,), False)[0].data)[1] <= FINE

    def judge_moves(
        self, moves: Sequence[Move], grads: dict[str, Any], told: dict[str, list[Diagnosis]]
    ) -> dict[str, Move]:
        """Put the steps into `grads` as gradients, and what is to be said of them into `told`;
        the moves whose gradient is right for sure, and the step is not, by name.

        A step of -1 or 0 gradients is a mistake of the update, and so is a rate of one layer that
        the others have not; any other factor is a mistake of the gradient first.
        """
        everywhere = same([move.factor for move in moves])
        taken = {}
        for move in moves:
            layer = [other.factor for other in moves if other.layer == move.layer]
            own_rate = len(layer) > 1 and same(layer) and not everywhere
            sure = move.factor is not None and (own_rate or move.factor <= 0)
            # what rounding does to W - lr dW is no mistake of dW
            handed = move.basis if move.factor == 1 or sure else move.stepped
            grads[move.name] = grads.get(move.name, 0.0) + handed
            if move.factor is not None and move.factor != 1:
                told.setdefault(move.name, []).append(self.update(move.p, move.factor, sure))
                if sure:
                    taken[move.name] = move
        return taken

    def update(self, p: str, factor: float, sure: bool) -> Diagnosis:
        """What is wrong with a step of `factor` times the gradient."""
        rate = f"{abs(factor) * self.rate:.4g} where lr is {self.rate:.4g}"
        if factor == -1:
            return Diagnosis(ASCENT, f"the step goes up the gradient: {p} += lr * d{p}", sure)
        if factor < 0:
            return Diagnosis(ASCENT, f"the step goes up the gradient, with a rate of {rate}", sure)
        if factor == 0:
            return Diagnosis(RATE, f"{p} is never updated", sure)
        return Diagnosis(RATE, f"the layer steps with a rate of {rate}", sure)

    def resized(self) -> Iterator[Trial]:
        """The same layers with random parameters and data of all different sizes, in each layout
        (rows or columns, weights (in, out) or (out, in)) that fits the sizes here."""
        if self.x.ndim != 2:
            return
        for features in (1, 0):
            for in_first in (True, False):
                layers = clean(self.layers, self.params)
                rng = np.random.default_rng(2)
                enlarge(layers, self.params, features, in_first, rng)
                x = rng.standard_normal((N, IN) if features else (IN, N))
                try:
                    with np.errstate(all="ignore"), same_numbers(generators(layers)):
                        outputs, _ = forward(self.names, clean(layers, self.params), x)
                        prediction = outputs[-1]
                except ValueError:
                    continue
                y = like_target(self.y, prediction.shape, features, rng)
                if np.isfinite(prediction).all() and y is not None:
                    yield replace(self, layers=layers, x=x, y=y)


SENTENCE = (
    "the input's gradient is taken with the weights that this step has changed: compute it before "
    "the update"
)


def same(factors: Sequence[float | None]) -> bool:
    """Whether these are one number, up to rounding."""
    numbers = [f for f in factors if f is not None]
    return len(numbers) == len(factors) and max(numbers, default=0) - min(numbers, default=0) < 1e-6


def multiple(stepped: Array, basis: Array, noise: Array) -> float | None:
    """The number that `stepped` is of `basis`, up to rounding; None if it is no multiple."""
    top = float(np.abs(basis).max(initial=0))
    if not (top and np.isfinite(basis).all() and np.isfinite(stepped).all()):
        return None
    factor = float((stepped * (basis / top)).sum() / (basis * (basis / top)).sum())
    for f in (1.0, -1.0, 0.0, factor):
        allowed = noise + FINE * max(abs(f), 1) * top
        if (np.abs(stepped - f * basis) <= allowed).all():
            return f
    return None


def arrays_of(layer: Any) -> dict[str, Array]:
    """Copies of the attributes of a layer that are arrays of floats."""
    return {
        name: value.copy()
        for name, value in getattr(layer, "__dict__", {}).items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    }


def unguarded(loss: Tensor, last: Step, grads: Mapping[str, Any]) -> tuple[Tensor, float]:
    """The loss without the small number that it adds, as in log(p + 1e-7), and that number, if the
    gradient by hand is that of the loss without it; else the loss as it is, and 0."""
    nodes = list(walk(loss))
    new: dict[Tensor, Tensor] = {}
    guards = {0.0}
    with enable_grad(), np.errstate(all="ignore"):
        for node in reversed(nodes):
            if node.op is None or node.serial <= last.y.serial:
                continue
            inputs = [
                a if p is None else new.get(p, p)
                for p, a in zip(node.parents, node.args, strict=True)
            ]
            if node.op.name == "add":
                guards |= {a for a in inputs if isinstance(a, float) and 0 < a <= GUARD}
                inputs = [0.0 if isinstance(a, float) and 0 < a <= GUARD else a for a in inputs]
            new[node] = node.op(*inputs, **node.kw)
    for t in (last.y, last.x) if max(guards) else ():
        mine = fitted(as_floats(grads[t.name]), t.shape) if t.name in grads else None
        if mine is not None:
            old, right = (
                grad_or_zeros((x,), (t,), (np.ones(x.shape),), False, True)[0].data
                for x in (loss, new[loss])
            )
            if distance(mine, right)[1] <= FINE < distance(mine, old)[1]:
                return new[loss], max(guards)
    return loss, 0.0


def by_convention(row: Row, note: str) -> Row:
    """The row of an output that was differentiated by another convention, unless it is wrong."""
    if row.verdict not in (OK, ABSENT):
        return row
    return replace(row, verdict=OTHER, note=note)


def forward(names: Sequence[str], layers: Sequence[Any], x: Array) -> tuple[list[Array], set[str]]:
    """What each layer gives on arrays, and the names of those that change their input in place."""
    h: Any = x.copy()
    outputs: list[Array] = []
    changing = set()
    for name, layer in zip(names, layers, strict=True):
        given = h
        try:
            h = layer.forward(given)
        except Exception as error:
            raise ValueError(f"compare_layers: {name}.forward {raised(error)}") from error
        if not np.array_equal(given, outputs[-1] if outputs else x, equal_nan=True):
            changing.add(name)
        outputs.append(as_floats(h))
    return outputs, changing


def on_tensors(title: str, owner: Any, function: Callable[..., Any], *inputs: Any) -> Tensor:
    """What a forward gives on Tensors; TypeError if it cannot, or loses the tape."""
    advice = "write it with operators and NumPy functions, without float(), math or np.asarray"
    try:
        with like_numpy(), enable_grad(), np.errstate(all="ignore"):
            y = function(*inputs)
    except Exception as error:
        raise TypeError(
            f"compare_layers: {title} ({type(owner).__name__}) does not run on Tensors: it "
            f"{raised(error)}; {advice}"
        ) from error
    if not isinstance(y, Tensor) or not y.requires_grad:
        raise TypeError(
            f"compare_layers: {title} ({type(owner).__name__}) returned a {type(y).__name__} that "
            f"was not recorded; {advice}"
        )
    return y


def stepped_wrong(
    loss: Tensor,
    report: Report,
    wanted: Mapping[str, Tensor],
    taken: Mapping[str, Move],
    told: Mapping[str, Sequence[Diagnosis]],
) -> Report:
    """The report with what is said about the updates: before the rest if it is sure, else after."""
    rows = []
    for row in report.rows:
        sure = [d for d in told.get(row.name, ()) if d.exact]
        unsure = [d for d in told.get(row.name, ()) if not d.exact]
        if row.name in taken:
            move = taken[row.name]
            most, error = distance(move.stepped, move.basis)
            row = replace(row, max_abs_err=most, rel_err=error, verdict=WRONG)
            row = replace(row, note=contrast(move.stepped, move.basis), contrasted=True)
        if row.verdict == WRONG:
            row = replace(row, diagnoses=(*sure, *row.diagnoses, *unsure))
        rows.append(row)
    report = replace(report, rows=tuple(rows))
    first = report.first_wrong
    if first is not None and first.name in taken:
        t, move = wanted[first.name], taken[first.name]
        found = witness(loss, {t: first}, {t: move.stepped}, {t: move.basis})
        report = replace(report, witness=found)
    return report


def enlarge(
    layers: Sequence[Any],
    params: Sequence[str],
    features: int,
    in_first: bool,
    rng: np.random.Generator,
) -> None:
    """Give the layers random parameters for IN inputs and outputs of all different numbers.

    `features` is the axis of the features of the data; `in_first` says that weights are (in, out).
    """
    sizes = (n for n in count(IN + 1) if n != N)
    now = IN
    for layer in dict.fromkeys(layers):
        if not has(layer, params[0], params) or value_of(layer, params[0], params).ndim != 2:
            continue
        before, now = now, next(sizes)
        shape = (before, now) if in_first else (now, before)
        put(layer, params[0], params, rng.standard_normal(shape) / np.sqrt(before))
        for p in params[1:]:
            if has(layer, p, params):
                other = list(value_of(layer, p, params).shape)
                if other:
                    other[-1 if features else 0] = now
                put(layer, p, params, rng.standard_normal(other))


def like_target(
    y: Array, shape: tuple[int, ...], features: int, rng: np.random.Generator
) -> Array | None:
    """A random target of the kind of `y` (classes, one-hot, shares, 0 or 1, in [0, 1], any) for predictions of
    `shape`; None if `y` is of no such kind."""
    n, k = shape[1 - features], shape[features]
    if y.ndim == 1:
        return rng.integers(k, size=n) if y.dtype.kind in "iu" else None
    binary = set(np.unique(y)) <= {0, 1}
    if np.allclose(y.sum(features), 1):
        t = np.eye(k)[rng.integers(k, size=n)] if binary else rng.dirichlet(np.ones(k), n)
        return t if features else t.T
    if binary:
        return rng.integers(2, size=shape).astype(np.float64)
    if y.min(initial=0) >= 0 and y.max(initial=0) <= 1:
        return rng.uniform(0.1, 0.9, shape)
    return rng.standard_normal(shape)
