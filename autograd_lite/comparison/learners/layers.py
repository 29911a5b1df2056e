"""Classes with forward and backward, that may update themselves, against autodiff."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from ...engine.tape import Array
from ..answers.arguments import check_effort
from ..answers.report import Report
from ..source.doors import with_fixes
from .calls import Layer
from .classes import (
    as_data,
    as_layers,
    check_names,
    indices_of,
    loss_of,
    rate_of,
    with_names,
)
from .criterion import Criterion, along, its_slope
from .engines import NETS, engine_net
from .execution import N, hidden, hides, same_numbers, with_note
from .nets import is_loss, net_of
from .optimizers import ready
from .recording import owners
from .trial import Trial

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
    *,
    effort: float = 1.0,
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
    step with: by default the one that most of them have as an attribute or use as a global, 0.1
    where they are given one, else the one that most steps have in common; optimizers inside layers
    are replaced by plain steps.

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
    "layers[0].W", "layers[0] output" and "x"; `fixes` of the report are edits of lines of the
    classes and of `loss_grad` that make the first wrong gradient right; `effort` is that of
    `compare`. A backward that raises is a
    row; ValueError for a forward or a loss that raises, for names that no layer has, and for x with
    NaN; TypeError for what has no forward and backward.

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
    >>> print(report.fixes[0].new)
    self.b -= lr * g.sum(0, keepdims=True)
    """
    check_effort("compare_layers", effort)
    wanted = NAMES if params is None else tuple(params)
    if grads is not None and len(grads) != len(wanted):
        raise ValueError(f"compare_layers: {len(wanted)} params, but {len(grads)} grads")
    if x is None:
        raise TypeError(
            "compare_layers: x is missing; call it with (layers, loss, loss_grad, x, y)"
        )
    keeps = dict(zip(wanted, grads, strict=True)) if grads is not None else {}
    names, found, criterion = understood(layers, loss, loss_grad, y, Words(wanted, keeps))
    if params is not None:
        check_names(found, wanted)
    a, b = as_data(x), np.asarray(0.0 if y is None else y)
    rate = rate_of(found) if lr is None else float(lr)
    if rate == 0:
        raise ValueError("compare_layers: lr is 0, so no update can be seen; give another rate")
    with same_numbers(owners(found, criterion)):
        a, found = ready_on(names, found, a, indices_of(x), rate or 1.0)
    trial = Trial(names, found, a, b, criterion, rate or 1.0, rate is not None, effort)
    report = judged(trial)
    if report.ok and loss is None and not isinstance(found[0], NETS):
        report = whole_net(report, layers, wanted, trial)
    return with_fixes(report)


class Words(NamedTuple):
    """What parameters are called, and the attributes with their gradients, as was given."""

    names: tuple[str, ...]
    keeps: Mapping[str, str]


def understood(
    layers: Any, loss: Any, loss_grad: Any, y: Any, words: Words
) -> tuple[tuple[str, ...], tuple[Layer, ...], Criterion]:
    """The layers by name and the loss, found in what was given."""
    if getattr(loss, "__self__", None) is layers:  # net.loss is what the net has anyway
        loss = None
    if getattr(loss_grad, "__self__", None) is layers:
        loss_grad = None
    net = engine_net(layers, loss, y, words.names) or net_of(layers, loss, y, words.names)
    if net is not None:
        loss = along if net[1] is None else net[1]
        return (type(layers).__name__,), (net[0],), Criterion(loss, None)
    named = with_names(layers)
    if loss is None:
        loss, own_slope = loss_of(layers)
        loss_grad = loss_grad or own_slope
    if loss is None and len(named) > 1 and is_loss([*named.values()][-1]):
        loss = named.pop([*named][-1])
    if loss is None:
        loss, loss_grad = along, its_slope
    return tuple(named), as_layers(named, *words), Criterion(loss, loss_grad)


def whole_net(report: Report, net: Any, wanted: Sequence[str], trial: Trial) -> Report:
    """The report on the gradients that a net collects from its layers, if they are not the ones;
    else that on the layers."""
    found = net_of(net, None, trial.y, wanted, whole=True)
    if found is None or not found[0].valued:
        return report
    criterion = Criterion(found[1], None)
    try:
        with same_numbers(owners([found[0]], criterion)):
            layers = ready((type(net).__name__,), (found[0],), trial.x, trial.rate)
        names = (type(net).__name__,)
        whole = replace(trial, names=names, layers=layers, criterion=criterion).report()
    except (TypeError, ValueError):  # what it is given is not known
        return report
    return report if whole.first_wrong is None else whole


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
        if report.ok:  # a fix for these sizes alone is none
            other = replace(other, also=lambda: replace(trial, effort=0).report().ok)
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
            why = row.diagnoses[0].sentence if row.diagnoses else row.note
            why = f" ({why})" if why and not row.unexplained else ""
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
    return hidden(probed, "data", data)
