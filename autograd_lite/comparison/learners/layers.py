"""Classes with forward and backward, that may update themselves, against autodiff."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from ...calculus import grad_or_zeros
from ...engine.modes import enable_grad, like_numpy
from ...engine.rules import ops
from ...engine.tape import Array
from ...engine.tensor import Tensor
from ...program.chain import Tape
from ..answers.judge import ABSENT, OK, OTHER, WRONG, Diagnosis, Row, agree, spreads
from ..answers.report import Report
from ..mistakes.matching import ratio
from .calls import Layer, as_floats, copies, shaped
from .classes import as_data, as_layers, check_names, indices_of, loss_of, rate_of, with_names
from .criterion import Criterion
from .engines import EngineNet, engine_net
from .execution import (
    N,
    fault,
    generators,
    hides,
    numbers,
    pulled_back,
    raised,
    reported,
    same_numbers,
    set_numbers,
    told_apart,
    with_note,
)
from .nets import Net, is_loss, net_of
from .opaque import Opaque, recorded_right
from .optimizers import ready
from .parts import trained
from .probes import enlarged, inputs, layouts, like_target, samples
from .updates import LayerRecord, Pulled, Updates

GUARD = 1e-5  # what is added to keep a logarithm or a quotient finite, at most
NETS = Net, EngineNet  # whose backward knows the target
NAMES = ("W", "b")  # what parameters are called, if nothing else is said


def compare_layers(
    layers: Any,
    loss: Any = None,
    loss_grad: Callable[..., Any] | None = None,
    x: Any = None,
    y: Any = None,
    lr: float | None = None,
    params: Sequence[str] | None = None,
    grads: Sequence[str] | None = None,
) -> Report:
    """Layers with a backward by hand against autodiff, and their updates too.

    `layers` are objects with a forward and a backward of whatever name and arguments (`backward`,
    `backward_pass`, `bprop`; `(upstream)`, `(upstream, lr)`, `(x, upstream)`, `(upstream, cache)`,
    or `()` where gradients are kept at arrays, as `x.g`): a list, a dictionary by name, an object
    that has such layers, or one such object. What they return may as well be left in an attribute
    (`output`, `dinputs`). A net in one object, with `loss(X, y)`, `gradient(x, t)` or
    `backprop(x, y)`, is judged by the gradients of its parameters, and so is a module on an engine
    of its own, with `parameters()` and `.grad`. Modules of torch are used as they are.

    Every array of floats that a layer has and computes with is looked at, in attributes,
    dictionaries and lists; `params` are names to look at in any case, the weight first. A layer
    that updates itself hands in -(change)/lr; one that keeps its gradients hands in those, found by
    name (dW, grad_W, W_grad, dweights, grads["w"], nabla_w[0]), or as the argument `grads` says.
    Arrays of which there is neither are named in a remark. `lr` is the rate that the layers should
    step with: by default the one that most of them have as an attribute, or 0.1; optimizers inside
    layers are replaced by plain steps.

    `loss(prediction, y)` and `loss_grad(prediction, y)` are functions (target first if their
    parameters' names say so, as in `mse(y_true, y_pred)`), or `loss` is an object with both and
    `loss_grad` is None. Without a loss, that of the net is taken. One that gives several numbers is
    summed or averaged, as its gradient by hand is; without a gradient layers get autodiff's.

    Everything runs in float64 on copies. The forward is run on Tensors too, with the same random
    numbers; a layer that makes no tape there (loops, `out[i, j] = ...`, float()) is one operation,
    whose derivative is judged by central differences along random directions. A last layer that
    passes its upstream on, as a softmax does where the loss has the gradient p - y, is
    differentiated together with the loss. Gradients passed on with a factor that those of
    parameters take back, such as the sign of target - output, are another convention. Where the
    data are of a kind that hides mistakes (square weights, zeros) and agree, other sizes are tried
    too; with one sample or one output, what is wrong with several is a remark. The rows are called
    "layers[0].W", "layers[0] output" and "x". A backward that raises is a row; ValueError for a
    forward or a loss that raises, for names that no layer has, and for x with NaN; TypeError for
    what has no forward and backward.

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
    wanted = NAMES if params is None else tuple(params)
    if grads is not None and len(grads) != len(wanted):
        raise ValueError(f"compare_layers: {len(wanted)} params, but {len(grads)} grads")
    net = engine_net(layers, loss, y, wanted) or net_of(layers, loss, y, wanted)
    found: tuple[Layer, ...]
    if net is not None:
        found, loss, loss_grad = (net[0],), net[1], None
        named = {type(layers).__name__: layers}
    else:
        named = with_names(layers)
        if loss is None:
            loss, own_slope = loss_of(layers)
            loss_grad = loss_grad or own_slope
        if loss is None and is_loss([*named.values()][-1]):
            loss = named.pop([*named][-1])
        keeps = dict(zip(wanted, grads, strict=True)) if grads is not None else {}
        found = as_layers(named, wanted, keeps)
    if x is None or loss is None:
        what = "x and y" if x is None else "the loss"
        raise TypeError(
            f"compare_layers: {what} is missing; call it with (layers, loss, ..., x, y)"
        )
    criterion = Criterion(loss, loss_grad)
    if params is not None:
        check_names(found, wanted)
    a, b = as_data(x), np.asarray(y)
    names = tuple(named)
    rate = rate_of(found) if lr is None else float(lr)
    if not rate:
        raise ValueError("compare_layers: lr is 0, so no update can be seen; give another rate")
    with same_numbers(owners(found, criterion)):
        a, found = ready_on(names, found, a, indices_of(x), rate)
    return judged(Trial(names, found, a, b, criterion, rate))


def ready_on(
    names: Sequence[str], layers: Sequence[Layer], x: Array, indices: Array | None, rate: float
) -> tuple[Array, tuple[Layer, ...]]:
    """The data and the layers made ready for them: integers are floats, unless an error says that
    they are indices."""
    try:
        return x, ready(names, layers, x, rate)
    except ValueError as error:
        if indices is None or not isinstance(error.__cause__, IndexError | TypeError):
            raise
        return indices, ready(names, layers, indices, rate)


def judged(trial: Trial) -> Report:
    """The report on the data given, and where they hide mistakes, on others."""
    report = trial.report()
    first = report.first_wrong
    flat = first is not None and first.name == f"{trial.names[-1]} output"
    if not (hides(trial.arrays()) if report.ok else flat):
        return report
    n, one = trial.samples()
    for other in trial.resized(1 if n == 1 else n if n > 2 else N, one):
        report = report_of_both(report, other.report(), f"x {other.x.shape}, all random")
        break
    if (n == 1 or one) and report.ok:
        report = remarked(report, trial, n == 1)
    return report


def remarked(report: Report, trial: Trial, single: bool) -> Report:
    """The report on one sample, or one output, with what is wrong with several: classes may be
    made for one."""
    for other in trial.resized(N, False):
        row = other.report().first_wrong
        if row is not None:
            why = f" ({row.diagnoses[0].sentence})" if row.diagnoses else ""
            made = "one sample at a time: with a batch of 5" if single else "one output: with more"
            said = f"Made for {made}, {row.name} is wrong{why}."
            return replace(report, remarks=(*report.remarks, said))
        break
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


def owners(layers: Sequence[Layer], criterion: Criterion) -> list[Any]:
    """Our generator of random numbers, and those that layers and a loss draw from."""
    return generators([*(layer.own for layer in layers), criterion.value, criterion.slope])


# ---- one trial -------------------------------------------------------------------------------


@dataclass
class Trial:
    """Layers, data and a rate: what one report is about."""

    names: tuple[str, ...]
    layers: tuple[Layer, ...]
    x: Array
    y: Array
    criterion: Criterion
    rate: float

    def arrays(self) -> dict[str, Array]:
        """What is looked at for sizes and values that hide mistakes."""
        found = {"x": self.x}
        for name, layer in zip(self.names, self.layers, strict=True):
            for p, a in layer.values().items():
                found[f"{name}.{p}"] = a if p == layer.weight() else a.ravel()
        return found

    def samples(self) -> tuple[int, bool]:
        """How many samples the data are of, 0 if that cannot be said, and whether the prediction is
        one number for each."""
        with same_numbers(self.random):
            outputs, _ = forward(self.names, copies(self.layers), self.x)
        n = samples([self.x, *outputs])
        return n, outputs[-1].size == n or (n == 0 and 1 in outputs[-1].shape)

    @cached_property
    def random(self) -> list[Any]:
        return owners(self.layers, self.criterion)

    def report(self) -> Report:
        """Autodiff's gradients and those by hand, compared."""
        random = self.random
        with same_numbers(random):
            outputs, changing = forward(self.names, copies(self.layers), self.x)
        try:
            self.criterion.settle(outputs[-1], self.y)
            value = self.criterion.number(outputs[-1], self.y)
        except Exception as error:
            shapes = f"prediction {outputs[-1].shape} and target {self.y.shape}"
            raise ValueError(f"compare_layers: the loss of {shapes} {raised(error)}") from error
        recorded = Recording(self, changing, outputs, value)
        apart = recorded.run()
        if apart is not None:
            return Report(value, (apart,), None)
        steps, loss = recorded.steps, recorded.loss
        slope = None
        if not self.criterion.given:
            slope = pulled_back(loss, steps[-1].y, np.ones(loss.shape))
        with same_numbers(random):
            pulled, grads, rows = self.pull(steps, slope)
        return Comparison(self, steps, loss, value, pulled, grads, rows).report()

    def pull(
        self, steps: Sequence[LayerRecord], slope: Array | None
    ) -> tuple[dict[str, Pulled], dict[str, Any], list[Row]]:
        """The backward by hand: what each layer did, the gradients it gave, and what failed."""
        layers = copies(self.layers)
        prediction = forward(self.names, layers, self.x)[0][-1]
        for layer in layers:
            layer.zero_gradients()
        pulled: dict[str, Pulled] = {}
        g: Any = slope
        grads: dict[str, Any] = {}
        if slope is None:
            try:
                g = self.criterion.gradient(prediction, self.y)
            except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
                return {}, {}, [fault("loss_grad()", raised(error))]
            grads[f"{self.names[-1]} output"] = g
        for i in reversed(range(len(layers))):
            title = f"{self.names[i]}.{layers[i].spec.backward}()"
            try:
                did = pull_one(layers[i], [*steps[i].params], as_floats(g), self.rate)
            except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
                return pulled, grads, [fault(title, raised(error))]
            g, pulled[self.names[i]] = did.given, did
            if g is not None:
                grads[f"{self.names[i - 1]} output" if i else "x"] = as_plain(g)
            elif i:
                return pulled, grads, [fault(title, "returned None; return the input's gradient")]
        return pulled, grads, []

    def resized(self, n: int, one: bool) -> Iterator[Trial]:
        """The same layers with random parameters and data of all different sizes, in each layout
        (rows or columns, weights (in, out) or (out, in)) that fits the sizes here; with one
        output if `one`."""
        if self.x.ndim != 2 or any(isinstance(layer, NETS) for layer in self.layers):
            return
        for features, in_first in layouts():
            rng = np.random.default_rng(2)
            layers = enlarged(self.layers, features, in_first, (n, one), rng)
            x = rng.standard_normal((n, inputs(n)) if features else (inputs(n), n))
            if layers is None:
                continue
            try:
                with np.errstate(all="ignore"), same_numbers(self.random):
                    outputs, _ = forward(self.names, copies(layers), x)
                    prediction = outputs[-1]
            except ValueError:
                continue
            y = like_target(self.y, prediction.shape, features, rng)
            if np.isfinite(prediction).all() and y is not None:
                yield replace(self, layers=layers, x=x, y=y)


def as_plain(g: Any) -> Any:
    """An array without the attributes that a learner's code gave it."""
    return np.asarray(g) if isinstance(g, np.ndarray) else g


def pull_one(layer: Layer, watched: Sequence[str], upstream: Array, rate: float) -> Pulled:
    """What the backward of one layer does to the parameters that are watched."""
    values = layer.values()
    before, seen = {p: values[p] for p in watched}, arrays_of(layer.own)
    with np.errstate(all="ignore"):
        given, returned = layer.backward(upstream.copy(), rate)
    values = layer.values()
    after = {p: values.get(p, before[p]) for p in watched}
    kept = {p: returned[p] if p in returned else layer.gradient(p) for p in after}
    written = {
        name: a
        for name, a in arrays_of(layer.own).items()
        if name not in seen or not np.array_equal(a, seen[name], equal_nan=True)
    }
    return Pulled(upstream, given, before, after, kept, written)


def arrays_of(owner: Any) -> dict[str, Array]:
    """Copies of the attributes of an object that are arrays of floats."""
    return {
        name: value.copy()
        for name, value in getattr(owner, "__dict__", {}).items()
        if isinstance(value, np.ndarray) and value.dtype.kind == "f"
    }


# ---- the tape ----------------------------------------------------------------------------------


class Recording:
    """The forward of a trial on Tensors; what makes no tape there becomes one operation of it."""

    def __init__(
        self, trial: Trial, changing: set[str], outputs: Sequence[Array], value: float
    ) -> None:
        self.trial, self.changing = trial, changing
        self.outputs, self.value = outputs, value
        self.opaque: dict[str, str] = {}  # names, and why
        self.states: dict[int, list[Any]] = {}  # of random numbers, before each layer
        self.steps: list[LayerRecord] = []
        self.loss: Tensor

    def run(self) -> Row | None:
        """Record; the row of what differs from the run on arrays, if that cannot be helped."""
        while True:
            with same_numbers(self.trial.random):
                self.record()
            apart = self.differing()
            if apart is None:
                return None
            name, row = apart
            if name in self.opaque or not self.same_again():
                return row
            self.opaque[name] = "gives other numbers on Tensors"

    def same_again(self) -> bool:
        """Whether the forward on arrays gives the same numbers once more."""
        t = self.trial
        with same_numbers(t.random):
            again, _ = forward(t.names, copies(t.layers), t.x)
            value = t.criterion.number(again[-1], t.y)
        pairs = zip([*again, np.array(value)], [*self.outputs, np.array(self.value)], strict=True)
        return not any(told_apart(a, b) for a, b in pairs)

    def differing(self) -> tuple[str, Row] | None:
        """The first result that is another on Tensors than on arrays, and its row."""
        for step, plain, layer in zip(self.steps, self.outputs, self.trial.layers, strict=True):
            apart = told_apart(plain, step.value)
            if apart:
                title = f"{step.name}.{layer.spec.forward}()"
                return step.name, fault(title, apart, step.value.shape)
        apart = told_apart(np.array(self.value), self.loss.array.reshape(()))
        return ("loss", fault("loss", apart)) if apart else None

    def record(self) -> None:
        """The forward on Tensors; the layers that change their input in place get a copy."""
        trial = self.trial
        layers = copies(trial.layers)
        tensors = tensors_of(trial.names, layers)
        h = Tensor(trial.x.copy(), requires_grad=trial.x.dtype.kind == "f", name="x")
        self.steps = []
        for i, (name, layer) in enumerate(zip(trial.names, layers, strict=True)):
            given, x = h, h.clone() if name in self.changing else h
            params = tensors[id(layer.own)]
            self.states[i] = numbers(trial.random)
            h = self.on_tensors(i, layer, x, params)
            if h is given or h.name:
                h = h.clone()
            h.name = f"{name} output"
            self.steps.append(LayerRecord(name, given, h, h.array.copy(), params))
        self.loss = self.loss_of(h)
        self.keep_used()

    def on_tensors(self, i: int, layer: Layer, x: Tensor, params: dict[str, Tensor]) -> Tensor:
        """What a layer gives, recorded: by its own operations, or as one."""
        name = self.trial.names[i]
        if name not in self.opaque:
            put_all(layer, params)
            try:
                y = on_tensors(layer.forward, x if x.requires_grad else x.array)
            except Exception as error:  # noqa: BLE001  (whatever a Tensor is not made for)
                self.opaque[name] = str(error)
            else:
                if self.whole(i, x, params, y):
                    return y
                self.opaque[name] = "leaves a part out of the tape"
        used = {p: t for p, t in params.items() if self.matters(i, x.array, params, p)}
        for p in set(params) - set(used):
            params.pop(p)
        whole = Opaque(name, partial(self.run_layer, i, [*used]), partial(self.by_hand, i, [*used]))
        with enable_grad():
            y = whole.op(x, *used.values())
        set_numbers(self.trial.random, self.states[i])
        copies([self.trial.layers[i]])[0].forward(x.array.copy())  # what it draws is drawn
        assert isinstance(y, Tensor)
        return y

    def whole(self, i: int, x: Tensor, params: Mapping[str, Tensor], y: Tensor) -> bool:
        """Whether all that a layer computes from its input and arrays was recorded."""
        g = np.random.default_rng(7919).standard_normal(y.shape)
        inputs = tuple(t for t in (x, *params.values()) if t.requires_grad)
        grads = grad_or_zeros((y,), inputs, (g,), False, True)
        run = partial(self.run_layer, i, [*params])
        if not x.requires_grad:
            run = partial(run, x.array)
        arrays = [t.array for t in inputs]
        try:
            return recorded_right(run, arrays, [t.array for t in grads], g)
        except Exception:  # noqa: BLE001  (the learner's own, that runs as it is)
            return True

    def run_layer(self, i: int, names: Sequence[str], x: Array, *values: Array) -> Array:
        """The output of one layer on arrays, for these values of its parameters."""
        return as_floats(self.ran(i, names, x, values).y)

    def ran(self, i: int, names: Sequence[str], x: Array, values: Sequence[Array]) -> Layer:
        (layer,) = copies([self.trial.layers[i]])
        for p, a in zip(names, values, strict=True):
            layer.put(p, float(a) if isinstance(layer.parts[p].get(), float) else a.copy())
        random = self.trial.random
        with same_numbers(random), np.errstate(all="ignore"):
            set_numbers(random, self.states[i])
            layer.forward(np.array(x))
        return layer

    def by_hand(self, i: int, names: Sequence[str], g: Array, inputs: Sequence[Array]) -> list[Any]:
        """The gradients of the input and of parameters that a layer gives by hand."""
        layer = self.ran(i, names, inputs[0], inputs[1:])
        with same_numbers(self.trial.random):
            did = pull_one(layer, names, g, self.trial.rate)
        steps = {p: (did.before[p] - did.after[p]) / self.trial.rate for p in names}
        return [did.given, *(steps[p] if did.kept[p] is None else did.kept[p] for p in names)]

    def matters(self, i: int, x: Array, params: Mapping[str, Tensor], p: str) -> bool:
        """Whether the output of a layer depends on one of its arrays."""
        layer = self.trial.layers[i]
        if p in layer.spec.names or trained(p) or isinstance(layer, NETS):
            return True
        values = [t.array for t in params.values()]
        moved = [t.array * 1.5 + 0.5 if q == p else t.array for q, t in params.items()]
        try:
            before, after = (self.run_layer(i, [*params], x, *v) for v in (values, moved))
        except Exception:  # noqa: BLE001  (the learner's own)
            return True
        return not np.array_equal(before, after, equal_nan=True)

    def loss_of(self, h: Tensor) -> Tensor:
        """The loss of the prediction, recorded: by its own operations, or as one."""
        trial = self.trial

        def value(p: Array) -> Array:
            with np.errstate(all="ignore"):
                return np.array(trial.criterion.number(np.array(p), trial.y))

        if "loss" not in self.opaque:
            try:
                loss = on_tensors(trial.criterion.loss, h, trial.y)
                loss = loss.reshape(()) if loss.ndim else loss
                slope = pulled_back(loss, h, np.ones(()))
            except Exception as error:  # noqa: BLE001  (whatever a Tensor is not made for)
                self.opaque["loss"] = str(error)
            else:
                if recorded_right(value, [h.array], [slope], np.ones(())):
                    return loss
                self.opaque["loss"] = "leaves a part out of the tape"

        def by_hand(g: Array, inputs: Sequence[Array]) -> list[Any]:
            if not trial.criterion.given:
                return [None]
            return [g * as_floats(trial.criterion.gradient(inputs[0], trial.y))]

        with enable_grad():
            loss = Opaque("loss", value, by_hand).op(h)
        assert isinstance(loss, Tensor)
        return loss

    def keep_used(self) -> None:
        """Leave out the arrays that the loss was not computed from, but for those with a name that
        was given."""
        used = Tape(self.loss).inputs
        for step, layer in zip(self.steps, self.trial.layers, strict=True):
            for p, t in [*step.params.items()]:
                if t not in used and p not in layer.spec.names:
                    del step.params[p]


def tensors_of(names: Sequence[str], layers: Sequence[Layer]) -> dict[int, dict[str, Tensor]]:
    """A tensor for each parameter, by the object of its layer: one that is used twice has one W."""
    tensors: dict[int, dict[str, Tensor]] = {}
    for name, layer in zip(names, layers, strict=True):
        if id(layer.own) not in tensors:
            tensors[id(layer.own)] = {
                p: Tensor(a, requires_grad=True, name=f"{name}.{p}")
                for p, a in layer.values().items()
            }
    return tensors


def put_all(layer: Layer, params: Mapping[str, Tensor]) -> None:
    for p, t in params.items():
        layer.put(p, t)


def forward(
    names: Sequence[str], layers: Sequence[Layer], x: Array
) -> tuple[list[Array], set[str]]:
    """What each layer gives on arrays, and the names of those that change their input in place."""
    h: Any = x.copy()
    outputs: list[Array] = []
    changing = set()
    for name, layer in zip(names, layers, strict=True):
        given = h
        title = f"{name}.{layer.spec.forward}"
        try:
            h = layer.forward(given)
        except Exception as error:
            raise ValueError(f"compare_layers: {title} {raised(error)}") from error
        if not np.array_equal(given, outputs[-1] if outputs else x, equal_nan=True):
            changing.add(name)
        try:
            outputs.append(as_floats(h))
        except (TypeError, ValueError):
            kind = type(h).__name__
            raise ValueError(f"compare_layers: {title} gives a {kind}, not an array") from None
    return outputs, changing


def on_tensors(function: Callable[..., Any], *inputs: Any) -> Tensor:
    """What a forward gives on Tensors; TypeError if that was not recorded."""
    with like_numpy(), enable_grad(), np.errstate(all="ignore"):
        y = function(*inputs)
    if not isinstance(y, Tensor) or not y.requires_grad:
        raise TypeError(f"a {type(y).__name__} that was not recorded")
    return y


# ---- what is compared --------------------------------------------------------------------------


@dataclass
class Comparison:
    """One backward by hand beside the tape of the same forward."""

    trial: Trial
    steps: list[LayerRecord]
    loss: Tensor
    value: float
    pulled: dict[str, Pulled]
    grads: dict[str, Any]
    rows: list[Row]

    def report(self) -> Report:
        steps, last = self.steps, self.steps[-1]
        constants = self.set_aside()
        updates = Updates(self.trial.rate, self.pulled, self.grads)
        for step, layer in reversed([*zip(steps, self.trial.layers, strict=True)]):
            updates.read(step, layer)
        times = self.scaled(updates)
        self.loss, guard = unguarded(self.loss, last, self.grads)
        together = self.fused(last)
        if together:
            self.grads.pop(last.y.name, None)
        updates.settle()
        wanted = self.wanted()
        report = self.hinted(reported(self.loss, self.grads, wanted, self.rows))
        report = self.convention(report, guard, together, times)
        report = updates.judged(report, self.loss, wanted)
        report = self.broadcast(self.softmax_along_batch(report, together))
        return replace(report, remarks=(*report.remarks, *constants, *self.said()))

    def said(self) -> list[str]:
        """Remarks on what the loss leaves open."""
        criterion = self.trial.criterion
        remarks = []
        if criterion.reduced:
            remarks.append(f"The loss gives several numbers: {criterion.reduced} of them is taken.")
        if not criterion.given and not isinstance(self.trial.layers[0], NETS):
            remarks.append("No gradient of the loss was handed in: layers were given autodiff's.")
        return remarks

    def softmax_along_batch(self, report: Report, together: bool) -> Report:
        """The report with a word on a softmax whose output, less the target, is the right gradient
        but for its axis: its columns sum to 1 where the rows of the target do."""
        last = self.steps[-1]
        y, t = last.y.array, self.trial.y
        given = shaped(self.grads.get(last.x.name), last.x.shape)
        if not together or given is None or y.ndim != 2 or y.shape[0] == y.shape[1]:
            return report
        if t.ndim == 1:
            t = np.eye(y.shape[1])[t.astype(int)]
        sums = [np.allclose(y.sum(axis), 1) for axis in (0, 1)]
        due = [np.allclose(t.sum(axis), 1) for axis in (0, 1)] if t.shape == y.shape else sums
        if sums == due or True not in sums or True not in due or math.isnan(ratio(given, y - t)):
            return report
        if not agree(given, ratio(given, y - t) * (y - t)):
            return report
        axis, right = sums.index(True), due.index(True)
        words = (
            f"the forward takes the softmax along another axis: it sums over axis {axis}, not "
            f"{right}, so {'columns' if axis == 0 else 'rows'} and not samples sum to 1"
        )
        found = Diagnosis("wrong-axis", words, True)
        rows = (
            replace(row, diagnoses=(found,)) if row.name == last.x.name and row.verdict == WRONG
            else row
            for row in report.rows
        )  # fmt: skip
        return replace(report, rows=tuple(rows))

    def wanted(self) -> dict[str, Tensor]:
        """The tensors that get a row, by name."""
        found = {"x": self.steps[0].x} | {step.y.name: step.y for step in self.steps}
        if not found["x"].requires_grad or isinstance(self.trial.layers[0], NETS):
            del found["x"]
            self.grads.pop("x", None)
        if not self.trial.criterion.given:
            del found[self.steps[-1].y.name]
        for step in self.steps:
            found |= {t.name: t for t in step.params.values()}
        return found

    def set_aside(self) -> list[str]:
        """Leave out the arrays of layers of which no gradient is to be had, unless their names say
        that they are trained; what is to be said of that."""
        aside = []
        for step, layer in zip(self.steps, self.trial.layers, strict=True):
            did = self.pulled.get(step.name)
            for p, t in [*step.params.items()]:
                if p in layer.spec.names or trained(p) or did is None:
                    continue
                still = np.array_equal(did.before[p], did.after[p], equal_nan=True)
                if did.kept.get(p) is None and still:
                    aside.append(t.name)
                    del step.params[p], did.before[p], did.after[p]
        aside = list(dict.fromkeys(aside))
        if not aside:
            return []
        example = plain_name(aside[0])
        said = (
            f"Not looked at, as no gradient is kept and no update made: {', '.join(aside)} "
            f"(name it in params= if it is trained; its gradient may be called d{example})."
        )
        return [said]

    def scaled(self, updates: Updates) -> float:
        """What the gradients that layers pass on are a multiple of autodiff's by, where those of
        parameters are not: the other sign of target - output, a 1/n that comes later. They are
        divided by it here. Else 1."""
        last = self.steps[-1]
        c = next((c for t in (last.y, last.x) if (c := self.times(t)) != 1), 1.0)
        if c == 1 or not updates.takes_back(c):
            return 1.0
        for t in {last.y, *(step.x for step in self.steps)}:
            if t.name in self.grads:
                self.grads[t.name] = as_floats(self.grads[t.name]) / c
        updates.divide(c)
        return c

    def times(self, t: Tensor) -> float:
        """The number of autodiff's gradients that one handed in is; 1 if it is no multiple."""
        mine = shaped(self.grads[t.name], t.shape) if t.name in self.grads else None
        if mine is None:
            return 1.0
        right = pulled_back(self.loss, t, np.ones(self.loss.shape))
        c = ratio(mine, right)
        close = np.linalg.norm(mine - c * right) <= 1e-5 * np.linalg.norm(mine)  # or a guard's part
        return whole_number(c) if close and c and abs(c - 1) > 1e-4 else 1.0

    def fused(self, last: LayerRecord) -> bool:
        """Whether the last layer passes on its upstream, which is not its derivative, and the loss
        had it in mind: its gradient is not that of the layer's output either."""
        did = self.pulled.get(last.name)
        if did is None or not self.loss.requires_grad or last.y.name not in self.grads:
            return False
        upstream = shaped(self.grads[last.y.name], last.y.shape)
        given = shaped(self.grads.get(last.x.name), last.x.shape)
        if upstream is None or given is None or upstream.shape != given.shape:
            return False
        right = pulled_back(last.y, last.x, upstream)
        slope = pulled_back(self.loss, last.y, np.ones(self.loss.shape))
        return agree(given, upstream) and not agree(given, right) and not agree(upstream, slope)

    def convention(self, report: Report, guard: float, together: bool, times: float) -> Report:
        """The report with what was done by another convention."""
        last = self.steps[-1]
        said = [f"{last.name} and the loss are differentiated together"] * together
        said += [f"leaves out the {guard:g} that the loss adds"] * bool(guard)
        other = "target - output: the other sign, which W += ... takes back"
        if times != -1:
            other = f"yours is {times:g} times it, which the gradients of parameters take back"
        passed = {step.y.name for step in self.steps} | {"x"}
        rows = []
        for row in report.rows:
            mine = said if row.name == last.y.name else []
            mine = [*mine, other] if times != 1 and row.name in passed else mine
            if mine and row.verdict in (OK, *([ABSENT] if row.name == last.y.name else [])):
                row = replace(row, verdict=OTHER, note="; ".join(mine))
            rows.append(row)
        return replace(report, rows=tuple(rows), loss=self.value if said else report.loss)

    def broadcast(self, report: Report) -> Report:
        """The report with a word on a loss whose prediction and target have different shapes."""
        last = self.steps[-1].y
        given = np.shape(self.grads.get(last.name, 0.0))
        shapes = (last.shape, self.trial.y.shape)
        if given != last.shape and all(spreads(shape, given) for shape in shapes):
            note = f"prediction {shapes[0]} and target {shapes[1]} were broadcast"
            report = with_note(report, last.name, note)
        return report

    def hinted(self, report: Report) -> Report:
        """The report with a hint at how to hand in what no gradient was found of."""
        absent = {row.name for row in report.rows if row.verdict == ABSENT}
        for step in self.steps:
            for p, t in step.params.items():
                did = self.pulled.get(step.name)
                if t.name not in absent or did is None:
                    continue
                like = [n for n, a in did.written.items() if a.shape == t.shape and n != p]
                said = f"no gradient is kept as d{p}, grad_{p} or the like"
                if like:
                    said += f"; if {like[0]} is it, say so with grads=({like[0]!r}, ...)"
                report = with_note(report, t.name, said)
        return report


def whole_number(c: float) -> float:
    """A number, or the integer or the one over an integer that it is nearly.

    >>> whole_number(-0.9999999), whole_number(0.2000001), whole_number(0.7)
    (-1.0, 0.2, 0.7)
    """
    for near in (float(round(c)), 1 / round(1 / c) if round(1 / c) else 0.0):
        if near and abs(c - near) <= 1e-4 * abs(near):
            return near
    return c


def plain_name(name: str) -> str:
    return name.rsplit(".", 1)[-1]


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
        mine = shaped(grads.get(t.name), t.shape)
        if mine is not None:
            old, right = (pulled_back(x, t, np.ones(x.shape)) for x in (loss, new[loss]))
            if agree(mine, right) and not agree(mine, old):
                return new[loss], max(guards)
    return loss, 0.0
