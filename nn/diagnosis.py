"""What is wrong with a training, in plain words: `diagnose` looks at one batch, `Watch` at epochs.

Every finding has its evidence, measured, and one recommendation. The bounds are chosen so that the
nets of `examples/` have none.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from autograd_lite import Tensor, as_tensor, default_generator, no_grad, record_lines
from autograd_lite.engine.rules import ops
from autograd_lite.origin import origin_of
from autograd_lite.program.chain import Tape, numbers, reverse

from .module import Module

__all__ = ["Finding", "Findings", "Watch", "diagnose"]

FLAT = 0.05  # of the greatest slope of a curve: less is saturated
FAR = 1e3  # between gradients at the first and the last activation
HALF = 0.5  # of units or elements


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: what, where, how it was measured, and what to do about it.

    `kind` is a word for programs, `tensor` the recorded result or the parameter that it is about.
    """

    kind: str
    where: str
    sentence: str
    evidence: str
    advice: str
    tensor: Any = field(default=None, repr=False, compare=False)
    others: tuple[Finding, ...] = field(default=(), repr=False, compare=False)  # the same elsewhere

    def __str__(self) -> str:
        return f"{self.where}: {self.sentence} ({self.evidence}). {self.advice}"


class Findings(list[Finding]):
    """All findings, the gravest first; printed one per line."""

    @property
    def kinds(self) -> set[str]:
        """The kinds that were found."""
        return {finding.kind for finding in self}

    def __str__(self) -> str:
        return "\n".join(map(str, self)) or "nothing was found"

    def _repr_html_(self) -> str:
        """A list, in notebooks."""
        return (
            f"<ul>{''.join(f'<li>{escape(str(f))}</li>' for f in self)}</ul>" if self else str(self)
        )


@dataclass
class Pass:
    """One batch forward and backward: what was recorded, and the gradient of each tensor."""

    model: Any
    loss: Tensor
    output: Tensor
    inputs: list[Any]
    target: Any
    grads: dict[Any, Any]
    nodes: list[Tensor]

    @property
    def parameters(self) -> list[tuple[str, Any]]:
        return list(self.model.named_parameters()) if isinstance(self.model, Module) else []

    def activations(self) -> Iterator[tuple[str, Tensor, Any]]:
        """The nonlinearities of layers in order: where, the result, the slope of each element."""
        for node in self.nodes:
            op = node.op
            if op is not None and op.activation and op.kind == "curve" and node.array.size:
                yield where(node), node, slope_at(node, node.args[0])


def slope_at(node: Any, x: Any) -> Any:
    """The slope of the curve of a recorded result at the elements of x."""
    with np.errstate(all="ignore"):
        y = node.op.forward(x, *node.args[1:], **node.kw)
        rule = next(iter(node.op.rules))
        return np.asarray(rule(np.ones_like(y), y, x, *node.args[1:], **node.kw))


def where(node: Any) -> str:
    """The module that computed a result, else its operation."""
    place = origin_of(node)
    return (place.module if place is not None else "") or node.name or node.op.name


@contextmanager
def untouched(model: Any, optimizer: Any = None) -> Iterator[None]:
    """Meanwhile parameters, buffers, gradients, the state of the optimizer and random numbers may
    change: afterwards they are what they were."""
    generator = default_generator()
    state = generator.bit_generator.state
    tensors = list(model.parameters()) + list(model.buffers()) if isinstance(model, Module) else []
    kept = [(t, t.array.copy(), t.grad) for t in tensors]
    steps = deepcopy(optimizer.state_dict()) if optimizer is not None else None
    try:
        yield
    finally:
        generator.bit_generator.state = state
        for t, a, g in kept:
            t.array[...] = a
            t.grad = g
        if steps is not None:
            optimizer.load_state_dict(steps)


def run(model: Any, loss_fn: Any, batch: tuple[Any, ...]) -> Pass:
    """A batch forward and, without touching any `grad`, backward."""
    *inputs, target = [as_tensor(part) for part in batch]
    with record_lines():
        output = model(*inputs)
        loss = loss_fn(output, target)
    if not isinstance(loss, Tensor) or loss.array.size != 1:
        raise TypeError(f"diagnose: loss_fn gave {type(loss).__name__}, not a scalar tensor")
    if not loss.requires_grad:
        raise ValueError("diagnose: the loss needs no gradient; is the model inside no_grad()?")
    tape = Tape(loss)
    with np.errstate(all="ignore"):
        grads = dict(reverse(tape, np.ones_like(loss.array), numbers))
    return Pass(model, loss, output, inputs, target, grads, tape.nodes)


def rms(a: Any) -> float:
    """The root of the mean square."""
    a = np.asarray(a, np.float64)
    return math.sqrt(float(np.mean(a * a))) if a.size else 0.0


# ---- what can be found in one batch --------------------------------------------------------------

Rule = Callable[[Pass], Iterator[Finding]]
RULES: list[Rule] = []


def rule(find: Rule) -> Rule:
    """Enter a rule; they are asked in this order, the gravest first."""
    RULES.append(find)
    return find


def no_number(p: Pass) -> Iterator[Finding]:
    """NaN or infinity, where it is first: in a parameter, a result, a gradient."""
    names = {parameter: name for name, parameter in p.parameters}
    arrays = [(t, t.array, "holds") for t in [*names, *p.nodes]]
    arrays += [(t, p.grads[t], "has a gradient with") for t in names if t in p.grads]
    for t, a, verb in arrays:
        bad = int((~np.isfinite(a)).sum()) if a.dtype.kind == "f" else 0
        if bad and (t.op is None or t.op is not ops.where):
            name = names.get(t) or (t.name or "an input" if t.op is None else where(t))
            yield Finding(
                "not-finite", name, f"{verb} what is no number",
                f"{bad} of {a.size} elements are NaN or infinite",
                "Run the step inside detect_anomaly(), which names the first operation.", t,
            )  # fmt: skip
            return


@rule
def not_connected(p: Pass) -> Iterator[Finding]:
    """A parameter that the loss does not depend on."""
    for name, parameter in p.parameters:
        if parameter.requires_grad and parameter not in p.grads:
            yield Finding(
                "not-connected", name, "the loss does not depend on it",
                "no path leads from it to the loss",
                "Use it in forward, or look for a detach(), .array or no_grad() on its way.",
                parameter,
            )  # fmt: skip


@rule
def softmax_twice(p: Pass) -> Iterator[Finding]:
    """Probabilities given to a loss that takes scores."""
    logits = "binary_cross_entropy_with_logits"
    for node in p.nodes:
        if node.op is ops.log_softmax:
            twice, loss = ops.softmax, "cross_entropy"
        elif node.op is not None and node.op.name == logits:
            twice, loss = ops.sigmoid, logits
        else:
            continue
        below = node.parents[0]
        while below is not None and below.op is not None and below.op.kind == "view":
            below = below.parents[0]  # scores.squeeze(1)
        if below is not None and below.op is twice:
            yield Finding(
                "softmax-twice", where(below), f"the loss takes the {twice.name} of probabilities",
                f"{node.op.name} of a {twice.name}",
                f"{loss} takes scores: leave the {twice.name} out.", below,
            )  # fmt: skip


@rule
def dead(p: Pass) -> Iterator[Finding]:
    """Units whose slope is 0 for every sample: nothing flows back through them."""
    for name, node, slope in p.activations():
        if not node.op.mask or node.ndim < 2 or len(node.array) < 8:
            continue
        # a unit is a column; of images, a channel
        axes = (0, *range(2, node.ndim)) if node.ndim != 3 else (0, 1)
        off = ~(slope != 0).any(axis=axes)
        if off.mean() >= HALF:
            yield Finding(
                "dead", name, f"most units are dead: {node.op.name} gives 0 for every sample",
                f"{int(off.sum())} of {off.size} units, {len(node.array)} samples",
                "Their slope is 0, so no gradient reaches their weights, which therefore stay as "
                "they are: start anew with a lower learning rate or smaller biases, or take "
                "LeakyReLU.",
                node,
            )  # fmt: skip


@rule
def saturated(p: Pass) -> Iterator[Finding]:
    """A curve that is flat where its inputs lie."""
    for name, node, slope in p.activations():
        if node.op.mask or node.ndim < 2:
            continue
        top = float(np.abs(slope_at(node, np.zeros_like(node.args[0][:1]))).max())
        flat = float((np.abs(slope) < FLAT * top).mean()) if top else 0.0
        if flat >= HALF:
            yield Finding(
                "saturated", name, f"{node.op.name} is saturated",
                f"at {flat:.0%} of its elements the slope is below {FLAT:.0%} of that at 0",
                "Its inputs are too large: scale the data, start with smaller weights, or put a "
                "normalisation before it.", node,
            )  # fmt: skip


@rule
def gradient_by_depth(p: Pass) -> Iterator[Finding]:
    """Gradients that vanish or explode on their way to the first layers."""
    sizes: dict[str, tuple[float, Any]] = {}
    for name, node, _ in p.activations():
        g = p.grads.get(node)
        if g is not None and rms(g) >= sizes.get(name, (0.0, None))[0]:
            sizes[name] = rms(g), node  # of several steps in time the largest
    if len(sizes) < 4:
        return
    (first, (low, node)), *_, (last, (high, _)) = sizes.items()
    larger = "Start with larger weights (init.kaiming_normal_), use"
    remedy = larger if node.op.mask else "Use ReLU,"
    if high > 0 and low < high / FAR:
        yield Finding(
            "vanishing", first, "the gradient vanishes on its way to the first layers",
            f"{low:.1e} a number here, {high:.1e} at {last}",
            f"{remedy} normalisation layers, or connections that skip layers.", node,
        )  # fmt: skip
    elif low > high * FAR:
        yield Finding(
            "exploding", first, "the gradient grows on its way to the first layers",
            f"{low:.1e} a number here, {high:.1e} at {last}",
            "Start with smaller weights, add normalisation layers, clip: clip_grad_norm_.", node,
        )  # fmt: skip


@rule
def equal_units(p: Pass) -> Iterator[Finding]:
    """Units that start alike and so stay alike."""
    for name, parameter in p.parameters:
        a = parameter.array
        if a.ndim == 2 and len(a) > 1 and a.shape[1] > 1 and (a == a[:1]).all():
            g = p.grads.get(parameter)
            if g is not None and np.allclose(g, g[:1]):
                yield Finding(
                    "equal-units", name, "all units are the same, and learn the same",
                    f"{len(a)} equal rows, with equal gradients", "Start with random weights.",
                    parameter,
                )  # fmt: skip


@rule
def zero_gradient(p: Pass) -> Iterator[Finding]:
    """A parameter on the way whose gradient is 0 throughout."""
    for name, parameter in p.parameters:
        g = p.grads.get(parameter)
        if g is not None and g.size and not g.any():
            yield Finding(
                "zero-gradient", name, "its gradient is 0",
                f"all {g.size} elements", "Look at what comes after it: dead units, a factor 0, "
                "or an output that the loss does not use.", parameter,
            )  # fmt: skip


@rule
def inputs_of_size(p: Pass) -> Iterator[Finding]:
    """Inputs far from what starting weights are made for."""
    x = p.inputs[0].array if p.inputs else np.zeros(0)
    if x.dtype.kind == "f" and x.ndim == 2 and len(x) > 1 and np.isfinite(x).all():
        scale = np.sqrt((x.astype(np.float64) ** 2).mean(axis=0))
        high = float(scale.max(initial=0.0))
        used = scale[scale > 0]
        if high > 30 or (used.size and high > FAR * float(used.min())):
            yield Finding(
                "input-scale", "the input", "its columns are large, or of very different sizes",
                f"root mean squares from {float(used.min()):.2g} to {high:.2g}",
                "Subtract the mean of each column and divide by its standard deviation.",
                p.inputs[0],
            )  # fmt: skip


# ---- learning rates ------------------------------------------------------------------------------


def untrained(p: Pass, optimizer: Any) -> Iterator[Finding]:
    """Parameters that the optimizer does not have."""
    trained = {q for group in optimizer.param_groups for q in group["params"]}
    for name, parameter in p.parameters:
        if parameter.requires_grad and parameter not in trained:
            yield Finding(
                "not-trained", name, "the optimizer does not have it", "it is in no group of it",
                "Give the optimizer model.parameters().", parameter,
            )  # fmt: skip


def learning_rate(
    p: Pass, loss_fn: Any, batch: tuple[Any, ...], optimizer: Any
) -> Iterator[Finding]:
    """One step of the optimizer, tried: what it does to the loss of the same batch."""
    after, ratios = tried(p, loss_fn, batch, optimizer)
    start = p.loss.item()
    step = f"a step changes weights by {np.median(ratios):.1e} of their size" if ratios else ""
    if not math.isfinite(after) or after > 1.5 * start + 1e-6:
        yield Finding(
            "rate-too-high", "the optimizer", "the learning rate is too high",
            f"the loss of the batch goes from {start:.4g} to {after:.4g} in one step"
            + f"; {step}" * bool(step), "Divide it by 10.",
        )  # fmt: skip
    elif ratios and max(ratios) < 1e-6:
        yield Finding(
            "rate-too-low", "the optimizer", "the learning rate is too low", step,
            "Multiply it by 10 until a step changes weights by about 1e-3 of their size.",
        )  # fmt: skip


def tried(
    p: Pass, loss_fn: Any, batch: tuple[Any, ...], optimizer: Any
) -> tuple[float, list[float]]:
    """The loss after a step, and by how much of its size it changed each weight with a gradient."""
    trained = {q for group in optimizer.param_groups for q in group["params"]}
    before = [(q, q.array.copy()) for _, q in p.parameters if q in trained]
    state = default_generator().bit_generator.state
    for parameter, _ in before:
        g = p.grads.get(parameter)
        parameter.grad = None if g is None else Tensor(np.array(g, parameter.dtype))
    optimizer.step()
    default_generator().bit_generator.state = state  # the same mask of a dropout
    with no_grad(), np.errstate(all="ignore"):
        *inputs, target = [as_tensor(part) for part in batch]
        after = loss_fn(p.model(*inputs), target).item()
    moved = [(q, a) for q, a in before if q.ndim > 1 and rms(a) and np.any(p.grads.get(q, 0))]
    return after, [rms(q.array - a) / rms(a) for q, a in moved]


def diagnose(model: Any, loss_fn: Any, *batch: Any, optimizer: Any = None) -> Findings:
    """What is wrong with one step of a training: findings in plain words, the gravest first.

    `batch` is the inputs of `model`, then the target, as `loss_fn(model(*inputs), target)` takes
    them. With `optimizer` a step is tried, too. Nothing is changed: parameters, gradients, buffers,
    the optimizer and random numbers are afterwards what they were; lazy layers have their sizes.
    TypeError if the loss is no scalar tensor, ValueError if it needs no gradient.

    >>> from autograd_lite.nn import Linear, MSELoss, ReLU, Sequential
    >>> _ = manual_seed(0)
    >>> model = Sequential(Linear(2, 8), ReLU(), Linear(8, 1))
    >>> x = randn(16, 2)
    >>> print(diagnose(model, MSELoss(), x, x.sum(dim=1, keepdim=True)))
    nothing was found
    >>> model[0].bias.data.fill_(-100.0)[0].item()
    -100.0
    >>> diagnose(model, MSELoss(), x, x.sum(dim=1, keepdim=True)).kinds >= {"dead"}
    True
    """
    if isinstance(model, Module):
        model._settle(*map(as_tensor, batch[:-1]))
    with untouched(model):
        state = default_generator().bit_generator.state
        p = run(model, loss_fn, batch)
        found = Findings(no_number(p))
        if found:
            return found  # of which all else would follow
        found += merged(finding for find in RULES for finding in find(p))
    if optimizer is not None:
        with untouched(model, optimizer):
            default_generator().bit_generator.state = state
            found += merged(untrained(p, optimizer))
            found += merged(learning_rate(p, loss_fn, batch, optimizer))
    return found


FOLLOWS = {"zero-gradient": {"dead", "equal-units", "not-connected"}}  # a kind from others


def merged(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The same thing at several places as one finding, and without what follows from another."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        groups.setdefault((finding.kind, finding.sentence), []).append(finding)
    kinds = {kind for kind, _ in groups}
    for (kind, _), (first, *others) in groups.items():
        if not FOLLOWS.get(kind, set()) & kinds:
            places = ", ".join(dict.fromkeys(f.where for f in others))
            evidence = f"{first.evidence}; so at {places}" if others else first.evidence
            yield replace(first, evidence=evidence, others=(*first.others, *others))


# ---- what only epochs show -----------------------------------------------------------------------

LONG = 5  # epochs before anything is said of their course


def of_history(rows: list[dict[str, Any]]) -> Iterator[Finding]:
    """Findings in the losses that `fit` measured."""
    losses = [row["loss"] for row in rows]
    held = [row["val_loss"] for row in rows if "val_loss" in row]
    if len(losses) < LONG:
        return
    low = min(losses)
    if not math.isfinite(losses[-1]) or losses[-1] > 2 * low + 1e-6:
        yield Finding(
            "diverging", "the loss", "it grows", f"from {low:.4g} to {losses[-1]:.4g}",
            "Divide the learning rate by 10, or clip gradients: clip_grad_norm_.",
        )  # fmt: skip
        return
    steps = np.diff(losses)
    turns = (steps[1:] * steps[:-1] < 0) & (np.abs(steps[1:]) > 0.2 * np.array(losses[1:-1]))
    if turns.mean() > HALF:
        yield Finding(
            "oscillating", "the loss", "it goes up and down by more than a fifth",
            f"{int(turns.sum())} times in {len(losses)} epochs", "Divide the learning rate by 3.",
        )  # fmt: skip
    elif low > 0.99 * losses[0] > 0:
        yield Finding(
            "no-progress", "the loss", "it stays where it was",
            f"{losses[0]:.4g} in the first epoch, {losses[-1]:.4g} after {len(losses)}",
            "Try to learn ten samples by heart; if that fails, look for what cuts the gradient.",
        )  # fmt: skip
    if len(held) == len(losses):
        best = int(np.argmin(held))
        risen = best < len(held) - LONG + 1 and held[-1] > 1.1 * held[best]
        if risen and losses[-1] < losses[best]:
            yield Finding(
                "overfitting", "the loss", "it falls in training and rises on what was held out",
                f"val_loss {held[best]:.4g} in epoch {rows[best]['epoch']}, {held[-1]:.4g} now",
                "Stop at that epoch, or use dropout, weight_decay or more data.",
            )  # fmt: skip


class Watch:
    """A callback of `fit` that looks at the same batch after every epoch.

    `findings` is what is wrong by now, in the batch, in the losses and in the course of the
    weights; `epochs` what was measured: for each activation the root mean square of its results,
    of their gradients and the fraction of elements whose slope is 0, for each parameter that of
    its values, its gradient and its change since the epoch before. Arguments as of `diagnose`.

    >>> from autograd_lite.nn import Linear, MSELoss, optim, train
    >>> _ = manual_seed(0)
    >>> x = randn(32, 2)
    >>> y = x.sum(dim=1, keepdim=True)
    >>> model = Linear(2, 1)
    >>> watch = Watch(model, MSELoss(), x, y)
    >>> sgd = optim.SGD(model.parameters(), lr=2.0)
    >>> _ = train.fit(model, MSELoss(), sgd, [(x, y)], 6, callbacks=[watch])
    >>> watch.findings.kinds
    {'diverging'}
    """

    def __init__(self, model: Any, loss_fn: Any, *batch: Any, optimizer: Any = None) -> None:
        self.model, self.loss_fn, self.batch = model, loss_fn, batch
        self.optimizer = optimizer
        self.epochs: list[dict[str, Any]] = []
        self.findings = Findings()
        self._before: dict[str, Any] = {}

    def __call__(self, history: Any) -> None:
        """Measure, and look for what is wrong."""
        with untouched(self.model):
            p = run(self.model, self.loss_fn, self.batch)
            activations: dict[str, Any] = {}
            for name, node, slope in p.activations():
                activations.setdefault(name, {
                    "size": rms(node.array), "gradient": rms(p.grads.get(node, 0.0)),
                    "flat": float((slope == 0).mean()), "values": counts(node.array),
                    "gradients": counts(p.grads.get(node, 0.0)),
                })  # fmt: skip
        parameters = {
            name: {
                "size": rms(q.array), "gradient": rms(p.grads.get(q, 0.0)),
                "change": rms(q.array - self._before.get(name, q.array)), "values": counts(q.array),
                "gradients": counts(p.grads.get(q, 0.0)),
            }
            for name, q in p.parameters
        }  # fmt: skip
        self._before = {name: q.array.copy() for name, q in p.parameters}
        self.epochs.append(
            history.rows[-1] | {"activations": activations, "parameters": parameters}
        )
        found = [*of_history(history.rows), *self._still(p)]
        found += diagnose(self.model, self.loss_fn, *self.batch, optimizer=self.optimizer)
        self.findings = Findings(merged(found))
        self.epochs[-1]["findings"] = [*map(str, self.findings)]

    def save(self, path: Any) -> None:
        """Write a page with a slider over the epochs: losses, findings, and for each activation and
        parameter how its values and gradients are distributed. It needs no network.

        ValueError before the first epoch.
        """
        if not self.epochs:
            raise ValueError(
                "Watch.save: there is no epoch yet; give it to fit as a callback first"
            )
        page = Path(__file__).with_name("training.html").read_text(encoding="utf-8")
        data = json.dumps(jsonable(self.epochs), allow_nan=False).replace("<", "\\u003c")
        Path(path).write_text(page.replace("{data}", data), encoding="utf-8")

    def _still(self, p: Pass) -> Iterator[Finding]:
        """Parameters that have not changed since the first epoch."""
        seen = self.epochs[1:]
        for name, q in p.parameters if len(seen) >= 2 else ():
            moved = any(epoch["parameters"].get(name, {}).get("change") for epoch in seen)
            if q.requires_grad and q in p.grads and not moved:
                yield Finding(
                    "not-trained", name, "it never changes", f"equal after {len(seen)} epochs",
                    "Is it in the optimizer, and does a gradient other than 0 reach it?", q,
                )  # fmt: skip

    def state_dict(self) -> dict[str, Any]:
        """What was measured, for a checkpoint."""
        return {"epochs": self.epochs, "before": self._before}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over what `state_dict()` gave."""
        self.epochs = list(state_dict["epochs"])
        self._before = {name: np.asarray(a) for name, a in state_dict["before"].items()}


def jsonable(x: Any) -> Any:
    """Numbers as JSON has them: None for one that is not finite."""
    if isinstance(x, dict):
        return {key: jsonable(value) for key, value in x.items()}
    if isinstance(x, list):
        return [jsonable(value) for value in x]
    return x if isinstance(x, str) or x is None or math.isfinite(x) else None


def counts(a: Any, bins: int = 24) -> dict[str, Any]:
    """How many numbers lie in each of `bins` equal parts between the least and the greatest."""
    a = np.asarray(a, np.float64).reshape(-1)
    a = a[np.isfinite(a)]
    low, high = (float(a.min()), float(a.max())) if a.size else (0.0, 0.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return {"low": low, "high": high, "counts": np.histogram(a, bins, (low, high))[0].tolist()}
