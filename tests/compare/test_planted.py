"""How well `compare` names, locates and acquits, on nets that were not used to write its rules."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compare
from tests.compare.nets import NETS, Net, leaf, named
from tests.compare.planted import (
    Outcome,
    by_hand,
    by_kind,
    measure,
    mistakes_of,
    only,
    pairs,
    problem,
    rates,
    same,
    sample,
    trials,
)
from tests.compare.slips import Grads
from tests.helpers import calls

NAMED = {"few": 0.98, "everything": 0.98, "parameters": 0.95}
MOST = {"few": 3}  # trials of each slug in a plain run; selection.SLOW has the others
LOCATED = 0.95
UPDATES = {"update-ascent", "update-rate"}  # no gradients: the test bed of compare_layers has them
CONVENTION = {"mean-deferred"}  # no mistake: see the conventions below
SLUGS = {
    "sign", "factor-2", "factor-half", "mean-missing", "mean-twice", "mean-count", "transposed",
    "weight-not-transposed", "operand-order", "bias-not-summed", "bias-averaged",
    "bias-from-weight", "summed-over-inputs", "last-sample-only", "product-of-means",
    "activation-missing", "activation-at-output", "activation-not-derived", "relu-mask-missing",
    "relu-mask-from-upstream", "softmax-diagonal", "softmax-from-logits", "softmax-twice",
    "bce-term", "targets-not-one", "wrong-axis", "overwritten", "counted-twice",
    "broadcast-not-undone", "updated-weights", "penalty", "batchnorm-constant", "bessel",
    "dropout-mask", "gather-overwritten", "value-clipped", "placeholder", "weight-for-input",
    "partial-preactivation",
}  # fmt: skip


# ---- the test bed itself --------------------------------------------------------------------


def test_every_slug_is_planted() -> None:
    planted = {m.slug for net in NETS for m in mistakes_of(problem(net, 0))}
    assert planted == SLUGS
    assert not planted & (UPDATES | CONVENTION)


@pytest.mark.parametrize("net", NETS)
def test_every_mistake_changes_the_gradients(net: str) -> None:
    for seed in range(2):
        built = problem(net, seed)
        right = only(built, by_hand(built), True)
        for m in mistakes_of(built):
            wrong = only(built, by_hand(built, m), True)
            alike = all(wrong[k].shape == right[k].shape for k in right)
            assert not (alike and same(right, wrong)), m


def test_which_slugs_cannot_be_told_apart() -> None:
    """The gradients of different slugs agree for these reasons and no other: from the parameters
    alone, twice the gradient of the loss is twice everything; relu′ is a mask; gᵀ x is the
    transpose of xᵀ g; p - t sums to 0 over the classes, and what batch normalisation passes on
    over the batch, so that a sum or a mean of it is a zero placeholder; and see `ALIKE`."""
    found = {t.slugs for net in NETS for alone in (True, False) for t in trials(net, 0, alone)}
    assert {s for s in found if len(s) > 1} == {
        frozenset({"counted-twice", "factor-2"}),
        frozenset({"relu-mask-missing", "activation-missing"}),
        frozenset({"operand-order", "transposed"}),
        frozenset({"summed-over-inputs", "placeholder"}),
        frozenset({"product-of-means", "weight-for-input", "placeholder"}),
        frozenset({"bias-not-summed", "broadcast-not-undone"}),
        frozenset({"overwritten", "placeholder"}),
        frozenset({"value-clipped", "overwritten", "weight-for-input"}),  # of the Huber loss
    }


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("alone", [False, True])
def test_right_gradients_are_right(net: str, alone: bool) -> None:
    for seed in range(2):
        built = problem(net, seed)
        report = compare(built.loss, only(built, by_hand(built), alone), built.model)
        if built.deferred:
            assert report.ok
        else:
            assert {row.verdict for row in report.rows} == {"ok"}


# ---- naming and locating --------------------------------------------------------------------


@cache
def outcomes(given: str) -> list[Outcome]:
    return measure(sample(range(2), given == "parameters", MOST.get(given, 9)))


def failures(found: list[Outcome]) -> str:
    return "\n".join(map(str, found))


@pytest.mark.parametrize("given", NAMED)
def test_no_planted_mistake_passes(given: str) -> None:
    passed = [o for o in outcomes(given) if o.report.ok or o.report.first_wrong is None]
    assert not passed, failures(passed)


@pytest.mark.parametrize("given", NAMED)
def test_mistakes_are_named_first(given: str) -> None:
    for name, (cases, right, _, _) in rates(outcomes(given), by_kind).items():
        missed = [o for o in outcomes(given) if not o.named and name in (o.trial.kind, "overall")]
        assert right >= NAMED[given] * cases, f"{name}: {right} of {cases}\n{failures(missed)}"


@pytest.mark.parametrize("given", NAMED)
def test_mistakes_are_located(given: str) -> None:
    for name, (cases, _, found, _) in rates(outcomes(given), by_kind).items():
        missed = [o for o in outcomes(given) if not o.located and name in (o.trial.kind, "overall")]
        assert found >= LOCATED * cases, f"{name}: {found} of {cases}\n{failures(missed)}"


def test_what_inherits_is_not_called_wrong() -> None:
    found = outcomes("few")
    missed = [o for o in found if not o.single]
    count, most = len(missed), (1 - LOCATED) * len(found)
    assert count <= most, failures(missed)


def test_float32_gradients_are_named_too() -> None:
    found = measure(sample(range(1), False, 3), "float32")
    missed = [o for o in found if not o.named]
    count, most = len(missed), (1 - NAMED["parameters"]) * len(found)
    assert count <= most, failures(missed)


@pytest.mark.parametrize("given", NAMED)
def test_two_mistakes_are_never_a_third(given: str) -> None:
    """The first exact name of a row is one of the two; ties may follow."""
    wrong = []
    for net in NETS:
        for a, b, report in pairs(net, 0, given == "parameters", MOST.get(given, 6)):
            assert not report.ok
            either = a.slugs | b.slugs | CONVENTION
            for row in report.rows:
                exact = [d.slug for d in row.diagnoses if d.exact]
                if exact and exact[0] not in either:
                    wrong.append(f"{a}; and {b.mistake}: got {exact} at {row.name}")
    assert not wrong, "\n".join(wrong)


def test_zeros_are_not_called_the_last_sample() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((4, 3))
    x[-1] = 0  # the last sample gives no gradient
    w = leaf("W", rng.standard_normal((3, 2)))
    report = compare(((Tensor(x) @ w).tanh() ** 2).sum(), {"W": np.zeros((3, 2))})
    assert report.first_wrong is not None
    assert [d.slug for d in report.first_wrong.diagnoses] == ["placeholder"]


class TwoSamples(Net):
    """One linear layer, two samples and two outputs: factor 2, factor n and factor K are one."""

    params = ("W", "b")

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.x, self.t = rng.standard_normal((2, 3)), rng.standard_normal((2, 2))
        self.w, self.b = rng.standard_normal((3, 2)), rng.standard_normal(2)
        out = named("out", Tensor(self.x) @ leaf("W", self.w) + leaf("b", self.b))
        self.loss = ((out - Tensor(self.t)) ** 2).mean()

    def times(self, c: float) -> Grads:
        d = c * 2 * (self.x @ self.w + self.b - self.t) / 4
        return {"out": d, "W": self.x.T @ d, "b": d.sum(0)}


@pytest.mark.parametrize("given", NAMED)
@pytest.mark.parametrize(
    ("c", "slugs"),
    [
        (2.0, {"factor-2", "mean-missing", "mean-count"}),
        (0.5, {"factor-half", "mean-twice", "mean-count"}),
    ],
)
def test_all_names_of_an_ambiguous_constant(given: str, c: float, slugs: set[str]) -> None:
    net = TwoSamples()
    first = compare(net.loss, only(net, net.times(c), given == "parameters")).first_wrong
    assert first is not None
    said = {d.slug for d in first.diagnoses}
    assert slugs - {"mean-count"} <= said <= slugs | {"counted-twice"}


# ---- no false alarm: the five conventions ---------------------------------------------------


class Case:
    """A random net in rows with weights (in, out), run forward and backward by hand for the sum
    of the losses of its samples; `dtype` is that of all arrays."""

    def __init__(self, seed: int, dtype: str, loss: str, acts: tuple[str, ...]) -> None:
        rng = np.random.default_rng(seed)
        hidden = int(rng.integers(1, 4))
        self.n, *self.sizes = (int(k) for k in rng.permutation(np.arange(2, 10))[: hidden + 3])
        n, widths = self.n, self.sizes
        scale = [np.sqrt(a) for a in widths[:-1]]
        self.act = str(rng.choice(acts))
        self.loss = loss
        self.x = rng.standard_normal((n, widths[0])).astype(dtype)
        self.w = [
            (rng.standard_normal(s) / k).astype(dtype)
            for s, k in zip(pairwise(widths), scale, strict=True)
        ]
        self.b = [0.3 * rng.standard_normal(k).astype(dtype) for k in widths[1:]]
        self.t = rng.standard_normal((n, widths[-1])).astype(dtype)
        if loss == "ce":
            self.t = np.eye(widths[-1], dtype=dtype)[rng.integers(0, widths[-1], n)]

    def sums(self) -> tuple[list[Any], list[Any], list[Any]]:
        """dZ, dW and db of every layer, by the formulas of the write-ups: S3's δ."""
        hs = [self.x]
        for i, (w, b) in enumerate(zip(self.w, self.b, strict=True)):
            z = hs[-1] @ w + b
            hs.append(z if i == len(self.w) - 1 else self.f(z))
        if self.loss == "ce":
            e = np.exp(z - z.max(1, keepdims=True))
            d = e / e.sum(1, keepdims=True) - self.t
        else:
            d = 2 * (z - self.t)
        dz, dw, db = [d], [hs[-2].T @ d], [d.sum(0)]
        for h, below, w in zip(hs[-2:0:-1], hs[-3::-1], self.w[::-1], strict=False):
            d = (d @ w.T) * self.slope(h)
            dz.append(d)
            dw.append(below.T @ d)
            db.append(d.sum(0))
        return dz[::-1], dw[::-1], db[::-1]

    def f(self, z: Any) -> Any:
        if self.act == "sigmoid":
            return 1 / (1 + np.exp(-z))
        if self.act == "leaky_relu":
            return np.where(z > 0, z, z * z.dtype.type(0.01))
        return np.tanh(z) if self.act == "tanh" else np.maximum(z, 0)

    def slope(self, h: Any) -> Any:
        if self.act == "sigmoid":
            return h * (1 - h)
        if self.act == "leaky_relu":
            return np.where(h > 0, 1, 0.01).astype(h.dtype)
        return 1 - h * h if self.act == "tanh" else (h > 0).astype(h.dtype)

    def losses(self, out: Tensor, t: Any, axis: int) -> Tensor:
        """The loss of every sample."""
        if self.loss == "ce":
            return -(Tensor(t) * ag.log_softmax(out, axis=axis)).sum(axis)
        return ((out - Tensor(t)) ** 2).sum(axis)

    def total(self, dtype: str, columns: bool, out_in: bool, bias: Callable[[Any], Any]) -> Tensor:
        """The sum of the losses, on a tape in the convention: tensors z1 W1 b1 z2 W2 b2 …"""
        h = Tensor((self.x.T if columns else self.x).astype(dtype))
        for i, (w, b) in enumerate(zip(self.w, self.b, strict=True), 1):
            weight = leaf(f"W{i}", (w.T if out_in else w).astype(dtype).copy())
            z = weight @ h if columns else h @ (weight.T if out_in else weight)
            z = named(f"z{i}", z + leaf(f"b{i}", bias(b).astype(dtype)))
            h = z if i == len(self.w) else getattr(ag, self.act)(z)
        t = self.t.T if columns else self.t
        return self.losses(h, t.astype(dtype), 0 if columns else 1).sum()

    def grads(
        self,
        c: float,
        columns: bool,
        out_in: bool,
        bias: Callable[[Any], Any],
        deferred: bool = False,
    ) -> Grads:
        """The gradients of `c` times the sum; `deferred` leaves the c out of dZ."""
        told: Grads = {}
        for i, (dz, dw, db) in enumerate(zip(*self.sums(), strict=True), 1):
            d = (dz if deferred else dz * dz.dtype.type(c)) + 0
            told[f"z{i}"] = d.T if columns else d
            dw = dw * dw.dtype.type(c)
            told[f"W{i}"] = dw.T if out_in else dw
            told[f"b{i}"] = bias(db * db.dtype.type(c))
        return told


def plain(b: Any) -> Any:
    return b


def lying(b: Any) -> Any:
    return b[None, :]


def standing(b: Any) -> Any:
    return b[:, None]


# layout: columns?, (out, in)?, shape of the bias
LAYOUT = {
    "S0": (False, False, lying),
    "S1": (False, True, plain),
    "S3": (False, False, lying),
    "S4": (True, True, standing),
}
KIND = {
    "S0": ("squares", ("tanh", "relu")),
    "S1": ("squares", ("leaky_relu",)),
    "S2": ("ce", ("sigmoid",)),
    "S3": ("squares", ("relu", "sigmoid")),
    "S4": ("ce", ("relu",)),
}


def in_convention(system: str, seed: int, by_hand_in: str, tape_in: str) -> tuple[Tensor, Grads]:
    """A net and its right gradients, both as that write-up has them."""
    loss, acts = KIND[system]
    if system in ("S2", "S3") and seed % 2:
        loss = "squares" if system == "S2" else "ce"
    case = Case(seed, by_hand_in, loss, acts)
    if system == "S2":
        return one_by_one(case, tape_in)
    n, k = case.t.shape
    scales = {"S0": 1 / (n * k), "S1": 1 / n, "S3": 0.5 / n, "S4": 1 / n}
    c = 1.0 if system == "S3" and loss == "ce" else scales[system]
    deferred = system in ("S1", "S4")
    return case.total(tape_in, *LAYOUT[system]) * c, case.grads(c, *LAYOUT[system], deferred)


def one_by_one(case: Case, dtype: str) -> tuple[Tensor, Grads]:
    """S2: one sample at a time as a vector x, y = Wx + b; the gradients of the batch are sums."""
    ws = [leaf(f"W{i}", w.T.astype(dtype)) for i, w in enumerate(case.w, 1)]
    bs = [leaf(f"b{i}", b.astype(dtype)) for i, b in enumerate(case.b, 1)]
    total: Any = 0.0
    for s, (x, t) in enumerate(zip(case.x.astype(dtype), case.t.astype(dtype), strict=True)):
        h = Tensor(x)
        for i, (w, b) in enumerate(zip(ws, bs, strict=True), 1):
            z = named(f"z{i} of {s}", w @ h + b)
            h = z if i == len(ws) else getattr(ag, case.act)(z)
        total = total + case.losses(h, t, 0)
    told: Grads = {}
    for i, (dz, dw, db) in enumerate(zip(*case.sums(), strict=True), 1):
        told |= {f"z{i} of {s}": d for s, d in enumerate(dz)}
        told |= {f"W{i}": dw.T, f"b{i}": db}
    return total, told


def acquitted(loss: Tensor, grads: Grads, model: Any = None) -> None:
    report = compare(loss, grads, model)
    assert report.ok and report.first_wrong is None, f"\n{report}"
    assert not any(row.diagnoses for row in report.rows if row.verdict == "ok")


@pytest.mark.parametrize("seeds", [range(100)], ids=["100 nets"])
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("system", KIND)
def test_no_false_alarm(system: str, dtype: str, seeds: range) -> None:
    """10 times 100 nets; every third time the parameters alone, and a float32 gradient is
    compared with a tape in float32 or float64."""
    for seed in seeds:
        tape_in = "float64" if seed % 4 < 2 else dtype
        loss, grads = in_convention(system, seed, dtype, tape_in)
        if seed % 3 == 0:
            grads = {name: g for name, g in grads.items() if name[0] in "Wb"}
        acquitted(loss, grads)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("system", LAYOUT)
def test_no_false_alarm_of_a_module_against_another_convention(system: str, reduction: str) -> None:
    """A net of `nn.Linear`, and gradients by hand in the layout of another write-up."""
    for seed in range(20):
        loss_kind, _ = KIND[system]
        case = Case(seed, "float64", loss_kind, ("tanh", "relu"))
        n, k = case.t.shape
        layers = [nn.Linear(*w.shape, dtype="float64") for w in case.w]
        for layer, w, b in zip(layers, case.w, case.b, strict=True):
            layer.weight.array[...] = w.T
            layer.bias.array[...] = b
        net = nn.ModuleList(layers)
        h = Tensor(case.x)
        for i, layer in enumerate(layers, 1):
            z = named(f"z{i}", layer(h))
            h = z if i == len(layers) else getattr(ag, case.act)(z)
        if loss_kind == "ce":
            loss = nn.functional.cross_entropy(h, case.t, reduction=reduction)
        else:
            loss = nn.functional.mse_loss(h, case.t, reduction=reduction)
        c = {"sum": 1.0, "mean": 1 / n if loss_kind == "ce" else 1 / (n * k)}[reduction]
        deferred = system in ("S1", "S4") and loss_kind == "ce" and reduction == "mean"
        told = case.grads(c, *LAYOUT[system], deferred)
        for i in range(len(layers)):
            told[f"{i}.weight"] = told.pop(f"W{i + 1}")
            told[f"{i}.bias"] = told.pop(f"b{i + 1}")
        acquitted(loss, told, net)


def test_a_deferred_mean_excuses_nothing_else() -> None:
    for seed in range(20):
        loss, right = in_convention("S4", seed, "float64", "float64")
        n = right["z1"].shape[1]
        for name in ("W1", "b1", "z1"):
            report = compare(loss, right | {name: -right[name]})
            assert not report.ok
            assert report.first_wrong is not None
        every = {name: g if name[0] == "z" else g * n for name, g in right.items()}
        assert not compare(loss, every).ok  # 1/n nowhere is a mistake


# ---- negative controls ----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_lost_axis_is_never_silently_ok(seed: int) -> None:
    loss, right = in_convention("S0", seed, "float64", "float64")
    for name in ("b1", "b2"):
        for other in (right[name][0], right[name].T):
            rows = {r.name: r for r in compare(loss, right | {name: other}).rows}
            assert rows[name].verdict == "ok, other convention"
        wrong = compare(loss, right | {name: -right[name][0]})
        assert not wrong.ok
        assert wrong.first_wrong is not None and wrong.first_wrong.name == name


@pytest.mark.parametrize("net", NETS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_never_ok(net: str, bad: float) -> None:
    built = problem(net, 0)
    right = by_hand(built)
    for name, g in right.items():
        wrong = g.copy()
        wrong.flat[-1] = bad
        for grads in (right | {name: wrong}, {name: wrong}, {name: np.full_like(g, bad)}):
            report = compare(built.loss, grads, built.model, effort=0)
            assert not report.ok, name
            assert report.first_wrong is not None
            assert report.first_wrong.name == name or built.deferred


@pytest.mark.parametrize("net", NETS)
def test_a_zero_for_a_gradient_is_wrong(net: str) -> None:
    built = problem(net, 0)
    right = by_hand(built)
    for name, g in right.items():
        for grads in (right | {name: 0 * g}, {name: 0 * g}):
            report = compare(built.loss, grads, built.model, effort=0)
            assert not report.ok
            assert report.first_wrong is not None
            assert report.first_wrong.name == name or built.deferred


@pytest.mark.parametrize("size", [1e-6, 1e-8, 1e-10])
@pytest.mark.parametrize("net", NETS)
def test_a_tiny_gradient_is_not_excused(net: str, size: float) -> None:
    built = problem(net, 0)
    c = np.array([0.6, -0.8])  # of norm 1, and the loss is about 1
    tiny = size * (leaf("tiny", np.array([1.0, 2.0])) * Tensor(c)).sum()
    loss = built.loss + tiny
    right = by_hand(built)
    assert compare(loss, right | {"tiny": size * c}, built.model).ok
    for wrong in (-size * c, 0 * c, 2 * size * c, size * c[::-1], size * (c + np.array([1e-5, 0]))):
        report = compare(loss, right | {"tiny": wrong}, built.model, effort=0)
        assert not report.ok
        assert report.first_wrong is not None
        assert report.first_wrong.name == "tiny" or built.deferred


# ---- what it costs --------------------------------------------------------------------------


def large() -> tuple[nn.Module, Tensor, Callable[[str], Grads]]:
    rng = np.random.default_rng(0)
    x, labels = rng.uniform(-0.5, 0.5, (128, 784)), rng.integers(0, 10, 128)
    net = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10)).to("float64")
    z1 = named("z1", net[0](Tensor(x)))
    a1 = named("a1", net[1](z1))
    z2 = named("z2", net[2](a1))
    loss = nn.functional.cross_entropy(z2, labels)

    def backward(mistake: str) -> Grads:
        e = np.exp(z2.array)
        dz2 = (e / e.sum(1, keepdims=True) - np.eye(10)[labels]) / len(x)
        da1 = dz2 @ net[2].weight.array
        dz1 = da1 if mistake == "activation-missing" else da1 * (z1.array > 0)
        if mistake == "none of the table":
            dz1 = dz1 * rng.uniform(0.5, 1.5, dz1.shape)
        return {
            "z2": dz2, "2.weight": dz2.T @ a1.array, "2.bias": dz2.sum(0), "a1": da1, "z1": dz1,
            "0.weight": dz1.T @ x, "0.bias": dz1.sum(0),
        }  # fmt: skip

    return net, loss, backward


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("mistake", ["", "activation-missing", "none of the table"])
def test_the_report_on_784_64_10_is_little_work(mistake: str, alone: bool) -> None:
    """Where all is right nothing is tried out; where not, the search ends."""
    net, loss, backward = large()
    grads = backward(mistake)
    if alone:
        grads = {name: grads[name] for name, _ in net.named_parameters()}
    made = []
    number = calls(lambda: made.append(compare(loss, grads, net)))
    assert made[0].ok == (not mistake)
    assert number < (600_000 if mistake else 12_000)
