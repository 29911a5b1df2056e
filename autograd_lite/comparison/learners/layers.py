"""Classes with forward and backward, that may update themselves, against autodiff."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import numpy as np

from ...engine.modes import enable_grad, like_numpy
from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ...program.chain import Tape
from ..answers.judge import ABSENT, OK, OTHER, Row, agree, fitted, spreads
from ..answers.report import Report
from ..source.doors import of_layers, with_fixes
from .classes import (
    GRADIENT_NAMES,
    Criterion,
    Params,
    as_data,
    as_floats,
    shaped,
    takes_rate,
    with_names,
)
from .execution import (
    IN,
    N,
    fault,
    generators,
    hides,
    pulled_back,
    raised,
    reported,
    same_numbers,
    told_apart,
    with_note,
)
from .updates import LayerRecord, Pulled, Updates

GUARD = 1e-5  # what is added to keep a logarithm or a quotient finite, at most


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
    where the loss has the gradient p - y, is differentiated together with the loss. Where the data
    are of a kind that hides mistakes (a batch of 1, square weights, zeros) and agree, other sizes
    are tried too. The rows are called "layers[0].W", "layers[0] output" and "x". A backward that
    raises is a row; TypeError for a forward that does not run on Tensors; ValueError for attributes
    that no layer has, for x with NaN and a loss of several numbers.

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
    if grads is not None and len(grads) != len(params):
        raise ValueError(f"compare_layers: {len(params)} params, but {len(grads)} grads")
    holds = Params(params, dict(zip(params, grads, strict=True)) if grads is not None else {})
    rate = holds.rate(objects) if lr is None else float(lr)
    if not rate:
        raise ValueError("compare_layers: lr is 0, so no update can be seen; give another rate")
    holds.check(objects)
    a, b = as_data(x), np.asarray(y)
    trial = Trial(names, holds.copies(objects), a, b, criterion, rate, holds)
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
        return with_note(report, report.first_wrong.name, note)
    first = probed.first_wrong
    if first is None or any(row.name.endswith("()") for row in probed.rows):
        return report  # a backward that raises there may be made for one size
    return with_note(probed, first.name, f"hidden by the data given; seen with {data}")


# ---- one trial -------------------------------------------------------------------------------


@dataclass
class Trial:
    """Layers, data and a rate: what one report is about."""

    names: tuple[str, ...]
    layers: tuple[Any, ...]
    x: Array
    y: Array
    criterion: Criterion
    rate: float
    params: Params

    def arrays(self) -> dict[str, Array]:
        """What is looked at for sizes and values that hide mistakes."""
        found = {"x": self.x}
        for name, layer in zip(self.names, self.layers, strict=True):
            for p, a in self.params.values(layer).items():
                found[f"{name}.{p}"] = a if p == self.params.names[0] else a.ravel()
        return found

    def report(self) -> Report:
        """Autodiff's gradients and those by hand, compared."""
        random = generators([*self.layers, self.criterion.value, self.criterion.slope])
        with same_numbers(random):
            outputs, changing = forward(self.names, self.params.copies(self.layers), self.x)
        value = self.criterion.number(outputs[-1], self.y)
        with same_numbers(random):
            steps, loss = self.record(changing)
        apart = differing(outputs, steps, value, loss)
        if apart is not None:
            return Report(value, (apart,), None)
        with same_numbers(random):
            pulled, grads, rows = self.pull()
        loss, guard = unguarded(loss, steps[-1], grads)
        together = self.fused(steps[-1], pulled.get(steps[-1].name), loss)
        if together:
            del grads[steps[-1].y.name]
        wanted = {"x": steps[0].x} | {step.y.name: step.y for step in steps}
        for step in steps:
            wanted |= {t.name: t for t in step.params.values()}
        updates = Updates(self.params, self.rate, pulled, grads)
        for step, layer in reversed([*zip(steps, self.layers, strict=True)]):
            updates.read(step, layer)
        updates.settle()
        report = self.hinted(reported(loss, grads, wanted, rows), steps, pulled)
        conventions = [f"{steps[-1].name} and the loss are differentiated together"] * together
        conventions += [f"leaves out the {guard:g} that the loss adds"] * bool(guard)
        last = steps[-1].y
        if conventions:
            rows = [  # an output that was differentiated by another convention
                replace(row, verdict=OTHER, note="; ".join(conventions))
                if row.name == last.name and row.verdict in (OK, ABSENT)
                else row
                for row in report.rows
            ]
            report = replace(report, rows=tuple(rows), loss=value)
        report = updates.judged(report, loss, wanted)
        given, shapes = np.shape(grads.get(last.name, 0.0)), (last.shape, self.y.shape)
        if given != last.shape and all(spreads(shape, given) for shape in shapes):
            note = f"prediction {shapes[0]} and target {shapes[1]} were broadcast"
            report = with_note(report, last.name, note)

        def again() -> dict[str, Any] | None:
            with same_numbers(random):
                pulled, grads, rows = self.pull()
            names = {step.name: [*step.params] for step in steps}
            return None if rows else of_layers(pulled, grads, names, self.rate)

        owners = [*self.layers, self.criterion.slope]
        return with_fixes(report, owners, again, loss, wanted, len(steps))

    def fused(self, last: LayerRecord, did: Pulled | None, loss: Tensor) -> bool:
        """Whether the last layer passes on its upstream, which is not its derivative, and the loss
        had it in mind: its gradient is not that of the layer's output either."""
        if did is None or not loss.requires_grad:
            return False
        upstream, given = fitted(did.upstream, last.y.shape), shaped(did.given, last.x.shape)
        if upstream is None or given is None or upstream.shape != given.shape:
            return False
        right = pulled_back(last.y, last.x, upstream)
        slope = pulled_back(loss, last.y, np.ones(loss.shape))
        return agree(given, upstream) and not agree(given, right) and not agree(upstream, slope)

    def hinted(
        self, report: Report, steps: Sequence[LayerRecord], pulled: dict[str, Pulled]
    ) -> Report:
        """The report with a hint at how to hand in what no gradient was found of."""
        absent = {row.name for row in report.rows if row.verdict == ABSENT}
        for step in steps:
            for p, t in step.params.items():
                did = pulled.get(step.name)
                if t.name not in absent or did is None:
                    continue
                like = [n for n, a in did.written.items() if a.shape == t.shape and n != p]
                first, second = (name.format(p) for name in GRADIENT_NAMES[:2])
                said = f"no gradient is kept as {first}, {second} or the like"
                if like:
                    said += f"; if {like[0]} is it, say so with grads=({like[0]!r}, ...)"
                report = with_note(report, t.name, said)
        return report

    def record(self, changing: set[str]) -> tuple[list[LayerRecord], Tensor]:
        """The forward on Tensors; the layers that change their input in place get a copy."""
        layers = self.params.copies(self.layers)
        tensors: dict[int, dict[str, Tensor]] = {}  # a layer that is used twice has one W
        for name, layer in zip(self.names, layers, strict=True):
            if id(layer) not in tensors:
                tensors[id(layer)] = {
                    p: Tensor(a, requires_grad=True, name=f"{name}.{p}")
                    for p, a in self.params.values(layer).items()
                }
                for p, t in tensors[id(layer)].items():
                    self.params.put(layer, p, t)
        h = Tensor(self.x.copy(), requires_grad=True, name="x")
        steps = []
        for name, layer in zip(self.names, layers, strict=True):
            given, x = h, h.clone() if name in changing else h
            h = run_on_tensors(f"{name}.forward", layer, layer.forward, x)
            if h is given:
                h = h.clone()
            h.name = f"{name} output"
            steps.append(LayerRecord(name, given, h, h.array.copy(), tensors[id(layer)]))
        criterion = deepcopy(self.criterion)
        return steps, run_on_tensors("loss", self.criterion.value, criterion.loss, h, self.y)

    def pull(self) -> tuple[dict[str, Pulled], dict[str, Any], list[Row]]:
        """The backward by hand: what each layer did, the gradients it gave, and what failed."""
        layers = self.params.copies(self.layers)
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
                before, seen = self.params.values(layer), arrays_of(layer)
                rate = (self.rate,) if takes_rate(layer.backward) else ()
                with np.errstate(all="ignore"):
                    g = layer.backward(upstream.copy(), *rate)
            except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
                return pulled, grads, [fault(title, raised(error))]
            after = self.params.values(layer)
            kept = {p: self.params.gradient(layer, p) for p in after}
            written = {
                name: a
                for name, a in arrays_of(layer).items()
                if name not in seen or not np.array_equal(a, seen[name], equal_nan=True)
            }
            pulled[self.names[i]] = Pulled(upstream, g, before, after, kept, written)
            if g is not None:
                grads[f"{self.names[i - 1]} output" if i else "x"] = g
            elif i:
                return pulled, grads, [fault(title, "returned None; return the input's gradient")]
        return pulled, grads, []

    def resized(self) -> Iterator[Trial]:
        """The same layers with random parameters and data of all different sizes, in each layout
        (rows or columns, weights (in, out) or (out, in)) that fits the sizes here."""
        if self.x.ndim != 2:
            return
        for features in (1, 0):
            for in_first in (True, False):
                layers = self.params.copies(self.layers)
                rng = np.random.default_rng(2)
                enlarge(layers, self.params, features, in_first, rng)
                x = rng.standard_normal((N, IN) if features else (IN, N))
                try:
                    with np.errstate(all="ignore"), same_numbers(generators(layers)):
                        outputs, _ = forward(self.names, self.params.copies(layers), x)
                        prediction = outputs[-1]
                except ValueError:
                    continue
                y = like_target(self.y, prediction.shape, features, rng)
                if np.isfinite(prediction).all() and y is not None:
                    yield replace(self, layers=layers, x=x, y=y)


def arrays_of(layer: Any) -> dict[str, Array]:
    """Copies of the attributes of a layer that are arrays of floats."""
    return {
        name: value.copy()
        for name, value in getattr(layer, "__dict__", {}).items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    }


def unguarded(loss: Tensor, last: LayerRecord, grads: Mapping[str, Any]) -> tuple[Tensor, float]:
    """The loss without the small number that it adds, as in log(p + 1e-7), and that number, if the
    gradient by hand is that of the loss without it; else the loss as it is, and 0."""
    new: dict[Tensor, Tensor] = {}
    guards = {0.0}

    def is_guard(a: Any) -> bool:
        return isinstance(a, float) and 0 < a <= GUARD

    with enable_grad(), np.errstate(all="ignore"):
        for node, inputs in Tape(loss).inputs.items():
            if node.op is None or node.serial <= last.y.serial:
                continue
            pairs = zip(inputs, node.args, strict=True)
            args = [a if p is None else new.get(p, p) for p, a in pairs]
            if node.op is ops.add:
                guards |= {a for a in args if is_guard(a)}
                args = [0.0 if is_guard(a) else a for a in args]
            new[node] = node.op(*args, **node.kw)
    for t in (last.y, last.x) if max(guards) else ():
        mine = fitted(as_floats(grads[t.name]), t.shape) if t.name in grads else None
        if mine is not None:
            old, right = (pulled_back(x, t, np.ones(x.shape)) for x in (loss, new[loss]))
            if agree(mine, right) and not agree(mine, old):
                return new[loss], max(guards)
    return loss, 0.0


def differing(
    outputs: Sequence[Array], steps: Sequence[LayerRecord], value: float, loss: Tensor
) -> Row | None:
    """The row of the first result that is another on Tensors than on arrays."""
    results = [(f"{s.name}.forward()", a, s.value) for s, a in zip(steps, outputs, strict=True)]
    for title, a, b in (*results, ("loss", np.array(value), loss.array.reshape(()))):
        apart = told_apart(a, b)
        if apart:
            return fault(title, apart, b.shape)
    return None


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


def run_on_tensors(title: str, owner: Any, function: Callable[..., Any], *inputs: Any) -> Tensor:
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


def enlarge(
    layers: Sequence[Any], params: Params, features: int, in_first: bool, rng: np.random.Generator
) -> None:
    """Give the layers random parameters for IN inputs and outputs of all different numbers.

    `features` is the axis of the features of the data; `in_first` says that weights are (in, out).
    """
    sizes = (n for n in count(IN + 1) if n != N)
    now = IN
    weight, *others = params.names
    for layer in dict.fromkeys(layers):
        values = params.values(layer)
        if weight not in values or values[weight].ndim != 2:
            continue
        before, now = now, next(sizes)
        shape = (before, now) if in_first else (now, before)
        params.put(layer, weight, rng.standard_normal(shape) / np.sqrt(before))
        for p in others:
            if p in values:
                other = list(values[p].shape)
                if other:
                    other[-1 if features else 0] = now
                params.put(layer, p, rng.standard_normal(other))


def like_target(
    y: Array, shape: tuple[int, ...], features: int, rng: np.random.Generator
) -> Array | None:
    """A random target of the kind of `y` (classes, one-hot, shares, 0 or 1, in [0, 1], any) for
    predictions of `shape`; None if `y` is of no such kind."""
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
