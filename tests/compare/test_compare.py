"""`compare` against gradients by hand: right ones pass, and every planted mistake is caught."""

import io
import json
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, tensor
from autograd_lite.comparison import Witness, assert_same, compare, replay
from autograd_lite.engine.op import Op

N, IN, HIDDEN, K = 5, 3, 4, 2  # all different, so that a transpose cannot hide

Arrays = dict[str, Any]


class Net(nn.Module):
    """Linear, tanh, linear, with its intermediates named."""

    def __init__(self, dtype: str = "float64") -> None:
        super().__init__()
        self.fc1 = nn.Linear(IN, HIDDEN, dtype=dtype)
        self.fc2 = nn.Linear(HIDDEN, K, dtype=dtype)

    def forward(self, x: Tensor) -> Tensor:
        z1 = self.fc1(x)
        a1 = ag.tanh(z1)
        z2 = self.fc2(a1)
        z1.name, a1.name, z2.name = "z1", "a1", "z2"
        return z2


def problem(dtype: str = "float64") -> tuple[Net, Tensor, Tensor, np.ndarray]:
    ag.manual_seed(0)
    rng = np.random.default_rng(1)
    net = Net(dtype)
    x = Tensor(rng.standard_normal((N, IN)).astype(dtype), requires_grad=True, name="x")
    labels = np.array([0, 1, 1, 0, 1])
    return net, x, nn.functional.cross_entropy(net(x), labels), labels


def by_hand(net: Net, x: Tensor, labels: np.ndarray, wrong: str = "", times: float = 1.0) -> Arrays:
    """The gradients of the mean cross-entropy; the one called `wrong` is multiplied by `times`
    before the next is computed from it, which is how a mistake spreads."""
    w1, b1, w2, b2 = (p.array for p in net.parameters())
    grads: Arrays = {}

    def keep(name: str, g: Any) -> Any:
        grads[name] = g * times if name == wrong else g
        return grads[name]

    z1 = x.array @ w1.T + b1
    a1 = np.tanh(z1)
    e = np.exp(a1 @ w2.T + b2)
    dz2 = keep("z2", (e / e.sum(1, keepdims=True) - np.eye(K)[labels]) / N)
    keep("fc2.bias", dz2.sum(0))
    keep("fc2.weight", dz2.T @ a1)
    da1 = keep("a1", dz2 @ w2)
    dz1 = keep("z1", da1 * (1 - a1**2))
    keep("fc1.bias", dz1.sum(0))
    keep("fc1.weight", dz1.T @ x.array)
    keep("x", dz1 @ w1)
    return grads


def verdicts(report: Any) -> dict[str, str]:
    return {row.name: row.verdict for row in report.rows}


ORDER = ["z2", "fc2.bias", "fc2.weight", "a1", "z1", "fc1.bias", "x", "fc1.weight"]
BELOW = {
    "z2": set(ORDER) - {"z2"},
    "a1": {"z1", "fc1.bias", "fc1.weight", "x"},
    "z1": {"fc1.bias", "fc1.weight", "x"},
}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_right_gradients_are_ok_in_backward_order(dtype: str) -> None:
    net, x, loss, labels = problem(dtype)
    report = compare(loss, by_hand(net, x, labels), net)
    assert report.ok
    assert report.first_wrong is None
    assert report.witness is None
    assert sorted(verdicts(report)) == sorted(ORDER)
    assert set(verdicts(report).values()) == {"ok"}
    assert [row.name for row in report.rows if row.name != "x"] == [n for n in ORDER if n != "x"]
    assert max(row.rel_err for row in report.rows) <= (1e-14 if dtype == "float64" else 1e-5)
    assert report.summary == "8 gradients agree."


@pytest.mark.parametrize("wrong", ORDER)
@pytest.mark.parametrize("times", [-1.0, 2.0, 1 / N, N, 0.0, 1 + 1e-8])
def test_a_mistake_is_found_where_it_is_made(wrong: str, times: float) -> None:
    net, x, loss, labels = problem()
    report = compare(loss, by_hand(net, x, labels, wrong, times), net)
    below = BELOW.get(wrong, set())
    expected = {
        name: "wrong here" if name == wrong else "inherited" if name in below else "ok"
        for name in ORDER
    }
    assert verdicts(report) == expected
    assert not report.ok
    assert report.first_wrong.name == wrong
    assert {row.note for row in report.rows if row.verdict == "inherited"} <= {f"from {wrong}"}


def test_two_mistakes_are_both_wrong_here() -> None:
    net, x, loss, labels = problem()
    grads = by_hand(net, x, labels, "z2", 2.0)
    grads["z1"] = -grads["z1"]
    grads["fc1.weight"] = grads["z1"].T @ x.array  # right, from the wrong one
    report = compare(loss, grads, net)
    found = {n: v for n, v in verdicts(report).items() if v == "wrong here"}
    assert list(found) == ["z2", "z1", "fc1.bias", "x"]
    notes = {row.name: row.note for row in report.rows}
    assert (notes["a1"], notes["fc1.weight"]) == ("from z2", "from z1")
    assert notes["z1"] == "norm ratio 2, cosine -1"
    assert report.summary == ("4 gradients are wrong on their own, 4 inherit. Fix z2 first.")


def test_a_mean_that_comes_with_the_parameters_is_a_convention() -> None:
    """The convention of mean-deferred: intermediates n times too large, parameters right."""
    net, x, loss, labels = problem()
    right, deferred = by_hand(net, x, labels), by_hand(net, x, labels, "z2", N)
    report = compare(loss, {n: right[n] if n.startswith("fc") else deferred[n] for n in right}, net)
    assert verdicts(report) == {
        n: "ok" if n.startswith("fc") else "ok, other convention" for n in ORDER
    }
    assert report.rows[0].diagnoses[0].slug == "mean-deferred"


def quadratic(shape: tuple[int, ...], **kw: Any) -> tuple[Tensor, Tensor, np.ndarray]:
    w = tensor(np.arange(1.0, 1.0 + math.prod(shape)).reshape(shape), requires_grad=True, name="w")
    return w, (w * w).sum(), 2 * w.array


@pytest.mark.parametrize(
    ("shape", "change", "verdict"),
    [
        ((4,), lambda g: g[None], "ok, other convention"),
        ((1, 4), lambda g: g[0], "ok, other convention"),
        ((1, 4), lambda g: g.T, "ok, other convention"),
        ((), lambda g: g.reshape(1, 1), "ok, other convention"),
        ((1, 4), lambda g: 2 * g[0], "wrong here"),
        ((3, 4), lambda g: g.T, "ok, other convention"),
        ((4, 4), lambda g: g.T, "wrong here"),
        ((3, 4), lambda g: g.reshape(4, 3), "wrong here"),
        ((3, 4), lambda g: g[0], "wrong here"),
        ((3, 4), lambda g: g[0, 0], "wrong here"),
        ((4,), lambda g: np.tile(g, (5, 1)), "wrong here"),
        ((4,), lambda g: g[:0], "wrong here"),
    ],
)
def test_shapes_are_never_broadcast(
    shape: tuple[int, ...], change: Callable[[Any], Any], verdict: str
) -> None:
    _, loss, right = quadratic(shape)
    given = np.asarray(change(right))
    (row,) = compare(loss, {"w": given}).rows
    assert row.verdict == verdict
    if given.shape != shape:
        assert row.note.startswith(f"yours has shape {given.shape}")


def test_a_constant_gradient_of_another_shape_is_wrong_though_it_would_broadcast() -> None:
    w = tensor(np.ones((3, 4)), requires_grad=True, name="w")
    report = compare(w.sum(), {"w": 1.0})
    assert verdicts(report) == {"w": "wrong here"}
    assert math.isnan(report.rows[0].rel_err)
    assert report.witness is None


@pytest.mark.parametrize(
    ("tape", "handed", "error", "verdict"),
    [
        ("float64", "float64", 1e-10, "ok"),
        ("float64", "float64", 1e-8, "wrong here"),
        ("float64", "float32", 1e-5, "ok"),
        ("float64", "float32", 1e-3, "wrong here"),
        ("float32", "float32", 1e-5, "ok"),
        ("float32", "float32", 1e-3, "wrong here"),
        ("float32", "float64", 1e-5, "ok"),
        ("float32", "float64", 1e-3, "wrong here"),
        ("float16", "float16", 1e-3, "ok"),
        ("float16", "float16", 1e-1, "wrong here"),
    ],
)
def test_tolerance_follows_the_coarser_type(
    tape: str, handed: str, error: float, verdict: str
) -> None:
    w = tensor(np.array([1.0, 2.0]), dtype=tape, requires_grad=True, name="w")
    g = (2 * w.array.astype("float64") * (1 + error)).astype(handed)
    (row,) = compare((w * w).sum(), {"w": g}).rows
    assert row.verdict == verdict
    assert (f"yours is {handed}, autodiff {tape}" in row.note) == (tape != handed)


def test_the_error_is_norm_wise() -> None:
    """An element near 0 that is off by rounding of the others condemns nothing."""
    w = tensor(np.array([1.0, 1e-9]), requires_grad=True, name="w")
    (row,) = compare((w * w).sum(), {"w": 2 * w.array + np.array([0, 1e-12])}).rows
    assert row.verdict == "ok"
    assert row.max_abs_err == pytest.approx(1e-12, rel=1e-3)


@pytest.mark.parametrize(
    ("given", "note"),
    [
        ([np.nan, 4.0], "1 of 2 elements of yours NaN or infinite"),
        ([np.nan, np.nan], "2 of 2 elements of yours NaN or infinite"),
        ([np.inf, 4.0], "1 of 2 elements of yours NaN or infinite"),
        ([0.0, 0.0], "yours is zero"),
        ([2.0, 0.0], "norm ratio 0.4472, cosine 0.4472"),
        ([1e200, 1e200], "norm ratio 3.162e+199, cosine 0.9487"),
    ],
)
def test_what_is_never_ok(given: list[float], note: str) -> None:
    _, loss, _ = quadratic((2,))
    report = compare(loss, {"w": given})
    assert [(r.verdict, r.note) for r in report.rows] == [("wrong here", note)]
    assert not report.ok
    json.dumps(report.to_dict(), allow_nan=False)
    str(report)


def test_unexplained_is_said_of_what_is_wrong_here_without_a_name_alone() -> None:
    _, loss, right = quadratic((3,))
    report = compare(loss, {"w": [1.0, 5.0, -2.0]}, value=7.0 * loss.item())
    value, w = report.rows
    assert w.verdict == "wrong here" and w.unexplained and not value.unexplained
    assert f"unexplained: {w.note}" in str(report).replace("\n", " ")
    assert str(report).count("unexplained") == 1
    named = compare(loss, {"w": -right}).first_wrong
    assert named is not None and named.diagnoses and not named.unexplained


def test_nan_on_both_sides_is_not_ok_and_equal_infinities_are() -> None:
    w = tensor(np.array([-1.0, 4.0]), requires_grad=True, name="w")
    with np.errstate(all="ignore"):
        loss = ag.sqrt(w).sum()
    report = compare(loss, {"w": [np.nan, 0.25]})
    assert verdicts(report) == {"w": "wrong here"}
    assert "NaN" in report.rows[0].note
    assert verdicts(compare(loss, {"w": [0.0, 0.0]})) == {"w": "wrong here"}
    v = tensor(np.array([0.0, 4.0]), requires_grad=True, name="v")
    loss = ag.sqrt(v).sum()
    assert compare(loss, {"v": [np.inf, 0.25]}).ok
    assert verdicts(compare(loss, {"v": [-np.inf, 0.25]})) == {"v": "wrong here"}
    assert verdicts(compare(loss, {"v": [np.inf, 0.5]})) == {"v": "wrong here"}


def test_nan_is_inherited() -> None:
    net, x, loss, labels = problem()
    grads = by_hand(net, x, labels, "a1", np.nan)
    found = verdicts(compare(loss, grads, net))
    assert found["a1"] == "wrong here"
    assert {found[n] for n in BELOW["a1"]} == {"inherited"}


def test_a_gradient_for_zero_is_wrong() -> None:
    w = tensor(np.array([1.0, 2.0]), requires_grad=True, name="w")
    (row,) = compare((w * 0 + 1).sum(), {"w": [1e-3, 0.0]}).rows
    assert (row.verdict, row.rel_err, row.note) == ("wrong here", 1.0, "autodiff's is zero")


@pytest.mark.parametrize("scale", [1e-7, 1e-30, 1e-160, 1e-300])
def test_tiny_but_wrong_is_not_excused(scale: float) -> None:
    w = tensor(np.array([1.0, 2.0]), requires_grad=True, name="w")
    loss = (w * w).sum() * scale
    assert compare(loss, {"w": 2 * w.array * scale}).ok
    loss = (w * w * scale).sum()
    assert compare(loss, {"w": 2 * w.array * scale}).ok
    assert verdicts(compare(loss, {"w": -2 * w.array * scale})) == {"w": "wrong here"}
    assert verdicts(compare(loss, {"w": 0 * w.array})) == {"w": "wrong here"}


def test_too_small_to_judge_is_excused_but_certifies_nothing() -> None:
    z = tensor(np.array([0.3, 1.0, -2.0]), requires_grad=True, name="z")
    loss = ag.softmax(z, 0).sum()  # 1, whatever z is
    report = compare(loss, {"z": [1e-17, -3e-17, 2e-17]})
    assert verdicts(report) == {"z": "too small to judge"}
    assert report.first_wrong is None
    assert not report.ok
    assert report.summary == "1 gradient is too small to judge."
    w = tensor(1.0, dtype="float64", requires_grad=True, name="w")
    assert compare(loss + w, {"z": [1e-17, -3e-17, 2e-17], "w": 1.0}).ok
    with pytest.raises(AssertionError, match="too small to judge"):
        assert_same(loss, {"z": [1e-17, -3e-17, 2e-17]})
    assert verdicts(compare(loss, {"z": [1e-10, 0.0, 0.0]})) == {"z": "wrong here"}
    difference = ag.softmax(z, 0).sum() - 1.0  # 0, made of larger numbers
    assert verdicts(compare(difference, {"z": [1e-17, 0, 0]})) == {"z": "too small to judge"}


def test_rounding_above_that_cancellation_makes_visible_is_excused() -> None:
    w = tensor(1.0, dtype="float64", requires_grad=True, name="w")
    c = np.array([1.0, -1 + 1e-6])
    z = w * c
    z.name = "z"
    mine = np.array([1 + 1e-10, 1.0])
    report = compare(z.sum(), {"z": mine, "w": c @ mine})
    assert verdicts(report) == {"z": "ok", "w": "too small to judge"}
    assert report.rows[1].rel_err == pytest.approx(1e-4, rel=1e-3)
    assert report.rows[1].note == "the rounding above explains it"
    assert report.ok
    report = compare(z.sum(), {"z": mine, "w": c @ mine * 1.001})
    assert verdicts(report) == {"z": "ok", "w": "wrong here"}


def test_it_disturbs_nothing() -> None:
    net, x, loss, labels = problem()
    grads = by_hand(net, x, labels)
    copies = {k: g.copy() for k, g in grads.items()}
    calls: list[Any] = []
    z2 = next(t for t in ag.tape(loss) if t.name == "z2")
    z2.retain_grad()
    z2.register_hook(calls.append)
    x.register_hook(lambda g: g * 100)
    for t in (net.fc1.weight, x):
        t.grad = Tensor(np.full(t.shape, 7.0))
    versions = [t.version for t in ag.tape(loss, unfold=True)]
    assert compare(loss, grads, net).ok
    assert calls == []
    assert z2.grad is None
    assert net.fc2.weight.grad is None
    assert (x.grad.array == 7).all()
    assert [t.version for t in ag.tape(loss)] == versions
    assert all((grads[k] == copies[k]).all() for k in grads)
    assert ag.is_grad_enabled()
    x.grad = None
    loss.backward(retain_graph=True)
    assert len(calls) == 1
    kept = z2.grad.array.copy()
    assert compare(loss, grads, net).ok
    assert (z2.grad.array == kept).all()
    np.testing.assert_allclose(x.grad.array, 100 * grads["x"], rtol=1e-12)
    with ag.no_grad():
        assert compare(loss, grads, net).ok


def test_a_released_tape_is_an_error_that_says_what_to_do() -> None:
    net, x, loss, labels = problem()
    grads = by_hand(net, x, labels)
    loss.backward()
    with pytest.raises(RuntimeError, match=r"released by backward\(\).*retain_graph=True"):
        compare(loss, grads, net)


def test_an_overwritten_value_is_an_error() -> None:
    net, x, loss, labels = problem()
    grads = by_hand(net, x, labels)
    with ag.no_grad():
        net.fc2.weight.mul_(2)
    with pytest.raises(RuntimeError, match="changed in place"):
        compare(loss, grads, net)


def test_recorded_changes_in_place() -> None:
    w = tensor([1.0, 2.0], dtype="float64", requires_grad=True, name="w")
    y = w * 3
    y[0] = w[1] * w[1]
    y.name = "y"
    assert_same((y * y).sum(), {"y": 2 * y.array, "w": [0.0, 4 * 8.0 + 2 * 6 * 3]})
    found = compare((y * y).sum(), {"y": 2 * y.array, "w": [18.0, 36.0]})
    assert verdicts(found) == {"y": "ok", "w": "wrong here"}
    assert found.witness.finite_difference == pytest.approx(found.witness.autodiff)


def test_a_value_used_before_it_was_changed_in_place() -> None:
    w = tensor([1.0, 2.0], dtype="float64", requires_grad=True, name="w")
    y = w * 3
    z = y * 5  # of the old y
    z.name = "z"
    y[0] = 7.0
    y.name = "y"
    loss = z.sum() + (y * y).sum()
    right = {"z": [1.0, 1.0], "y": [14.0, 12.0], "w": [15.0, 15.0 + 36.0]}
    assert_same(loss, right)
    report = compare(loss, right | {"z": [1.0, 0.0], "w": [15.0, 36.0]})
    assert verdicts(report) == {"y": "ok", "z": "wrong here", "w": "inherited"}
    assert report.rows[2].note == "from z"
    assert replay(loss, {w: np.array([2.0, 3.0])}) == 30 + 45 + 49 + 81


def test_a_mistake_inherited_from_two() -> None:
    w = tensor([1.0, 2.0], dtype="float64", requires_grad=True, name="w")
    a, b = w * 2, w * 3
    a.name, b.name = "a", "later"
    loss = (a * b).sum()
    assert_same(loss, {"a": b.array, "later": a.array, "w": 12 * w.array})
    report = compare(loss, {"a": -b.array, "later": -a.array, "w": -12 * w.array})
    assert [(row.name, row.note) for row in report.rows] == [
        ("later", "norm ratio 1, cosine -1"),
        # one sign, above both, explains them
        ("a", "the mistake of later: the sign is flipped (at a * later)"),
        ("w", "from later, a"),
    ]
    report = compare(loss, {"a": -b.array, "later": 2 * a.array, "w": 3 * w.array})
    assert [(row.name, row.verdict, row.note) for row in report.rows] == [
        ("later", "wrong here", "norm ratio 2, cosine 1"),
        ("a", "wrong here", "norm ratio 1, cosine -1"),
        ("w", "wrong here", "norm ratio 0.25, cosine 1"),
    ]
    assert [row.diagnoses[0].slug for row in report.rows[:2]] == ["factor-2", "sign"]
    report = compare(loss, {"later": -a.array, "w": [[0.0, 0.0]]})
    assert report.rows[1].note == "from later; yours has shape (1, 2)"


@pytest.mark.parametrize(
    ("given", "kind", "text"),
    [
        ({"fc1.wieght": 1.0}, ValueError, "did you mean 'fc1.weight'?"),
        ({"q": 1.0}, ValueError, "no tensor is called 'q'; known are 'fc1.weight', 'fc1.bias'"),
        ({3: 1.0}, ValueError, "no tensor is called 3"),
        ({"t": 1.0}, ValueError, "'t' needs no gradient; set requires_grad=True"),
        ({"twin": 1.0}, ValueError, "2 tensors are called 'twin', of shapes (), (5,)"),
        ({"x": None}, TypeError, "the gradient of 'x' is a NoneType, not an array"),
        ({"x": "dx"}, TypeError, "the gradient of 'x' is a str, not an array"),
        ({"x": [[1.0], [1.0, 2.0]]}, TypeError, "the gradient of 'x' is not an array"),
        ({"x": 1j}, TypeError, "is a complex, not an array of real numbers"),
        ({}, ValueError, "empty"),
        ([1.0], TypeError, "the gradients are a list; give a dictionary"),
        ({"alias": 1.0, "x": 1.0}, ValueError, "'alias' and 'x' are the same tensor"),
    ],
)
def test_errors_of_what_is_handed_in(given: Any, kind: type[Exception], text: str) -> None:
    net, x, _, _ = problem()
    net.register_parameter("alias", None)
    t = Tensor(np.ones(K), name="t")
    z = net(x) * t
    rows = z.sum(1)
    rows.name = "twin"
    loss = rows.sum()
    loss.name = "twin"
    if "alias" in given:
        net.alias = nn.Parameter(np.ones(()))
        net.alias.name = "x"
        loss = net.alias * 2
    with pytest.raises(kind, match=re.escape(text)):
        compare(loss, given, net)


def test_errors_of_the_loss() -> None:
    w = tensor([1.0, 2.0], requires_grad=True, name="w")
    with pytest.raises(TypeError, match="the loss is a float; give the Tensor"):
        compare(3.0, {"w": 1.0})  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match=re.escape("the loss has shape (2,) and must have one")):
        compare(w * w, {"w": 1.0})
    with pytest.raises(RuntimeError, match="the loss does not require grad"):
        compare(w.detach().sum(), {"w": 1.0})
    with pytest.raises(ValueError, match=r"set t\.name, or pass model="):
        compare(tensor([1.0], requires_grad=True).sum(), {"nobody": 1.0})


def test_what_may_be_handed_in() -> None:
    w, loss, right = quadratic((2,))
    for given in (right, Tensor(right), right.tolist(), tuple(right), [Tensor(g) for g in right]):
        assert compare(loss, {"w": given}).ok
    assert compare(loss, {"w": [2, 4]}).rows[0].note == ""
    assert compare(loss, {"w": Tensor(right, requires_grad=True)}).ok
    s = tensor(3.0, dtype="float64", requires_grad=True, name="s")
    for value in (6, 6.0, np.float64(6), Tensor(6.0)):
        assert compare(s * s, {"s": value}).ok
    assert compare(loss.reshape((1, 1)), {"w": right}).ok
    assert compare(w.sum(), {"w": np.ones(2, bool)}).ok
    assert compare(s, {"s": 1.0}).ok  # a leaf is its own loss


def test_the_rest_of_the_model_is_listed_but_not_judged() -> None:
    net, x, _, labels = problem()
    net.fc1.bias.requires_grad_(False)
    loss = nn.functional.cross_entropy(net(x), labels)
    report = compare(loss, {"fc2.bias": by_hand(net, x, labels)["fc2.bias"]}, net)
    assert verdicts(report) == {
        "fc2.bias": "ok", "fc2.weight": "not handed in", "fc1.weight": "not handed in",
    }  # fmt: skip
    assert report.ok
    assert report.summary == "1 gradient agrees, 2 were not handed in."


def test_a_parameter_that_the_loss_does_not_use_has_gradient_zero() -> None:
    net, _, loss, _ = problem()
    net.spare = nn.Parameter(np.ones(2))
    assert verdicts(compare(loss, {"spare": [0, 0], "z2": np.zeros((N, K))}, net)) == {
        "z2": "wrong here", "spare": "ok", "fc2.bias": "not handed in",
        "fc2.weight": "not handed in", "fc1.bias": "not handed in", "fc1.weight": "not handed in",
    }  # fmt: skip
    report = compare(loss, {"spare": [0, 1]}, net)
    assert verdicts(report)["spare"] == "wrong here"
    assert verdicts(compare(loss, {"fc2.bias": np.ones(K)}, net))["spare"] == "not handed in"
    assert report.witness.finite_difference == 0


def test_a_shared_parameter_answers_to_both_names() -> None:
    net = nn.Sequential(nn.Linear(2, 2, dtype="float64"), nn.Linear(2, 2, dtype="float64"))
    net[1].weight = net[0].weight
    x = Tensor(np.array([[1.0, 2.0]]))
    loss = net(x).sum()
    loss.backward(retain_graph=True)
    for name in ("0.weight", "1.weight"):
        report = compare(loss, {name: net[0].weight.grad}, net)
        assert report.ok
        assert [r.name for r in report.rows].count(name) == 1
        assert len(report.rows) == 3


def test_a_tensor_used_twice_is_compared_with_the_total() -> None:
    w = tensor([1.0, 2.0], dtype="float64", requires_grad=True, name="w")
    h = w * 3
    h.name = "h"
    loss = (h * w).sum() + h.sum()
    right = {"h": w.array + 1, "w": 6 * w.array + 3}
    assert_same(loss, right)
    report = compare(loss, right | {"h": w.array})  # the other branch overwritten
    assert verdicts(report) == {"h": "wrong here", "w": "ok"}
    report = compare(loss, {"h": w.array, "w": 6 * w.array})
    assert verdicts(report) == {"h": "wrong here", "w": "inherited"}


def test_assert_same_carries_the_table() -> None:
    net, x, loss, labels = problem()
    assert_same(loss, by_hand(net, x, labels), net)
    wrong = by_hand(net, x, labels, "z1", 2.0)
    with pytest.raises(AssertionError) as caught:
        assert_same(loss, wrong, model=net)
    assert str(caught.value) == str(compare(loss, wrong, net))


# ---- the report -----------------------------------------------------------------------------


def table(name: str = "z1") -> Any:
    net, x, loss, labels = problem()
    return compare(loss, by_hand(net, x, labels, name, -1.0), net)


def test_the_table_is_aligned() -> None:
    first, *lines = str(table()).splitlines()
    assert first == table().headline
    assert re.split("  +", lines[0]) == [
        "tensor", "shape", "max abs err", "rel err", "verdict", "diagnosis",
    ]  # fmt: skip
    starts = [lines[0].index(head) for head in ("shape", "max", "rel", "verdict")]
    for line in lines[1:9]:
        assert all(line[i - 1] == " " != line[i] for i in starts), line
    assert lines[9] == "4 gradients agree, 1 is wrong on its own, 3 inherit. Fix z1 first."
    assert re.fullmatch(
        r"z1: element \(\d, \d\): yours (\S+), autodiff (\S+), finite difference \2\.", lines[10]
    )
    assert len(lines) == 11


@pytest.mark.parametrize(
    "name", ["w", "a.very.long.dotted.path." * 5 + "weight", "größe\n\x1b[2J", "x" * 200]
)
def test_the_table_keeps_to_100_columns_of_ascii(name: str) -> None:
    w = tensor(np.ones((1,) * 16), requires_grad=True, name=name)
    v = tensor(np.ones(3), requires_grad=True, name=name[:4] + "2")
    loss = (w.sum() * v).sum()
    text = str(compare(loss, {name: np.full((1,) * 15, np.nan, "f4"), name[:4] + "2": np.ones(2)}))
    assert text.isascii()
    assert all(c.isprintable() for c in text.replace("\n", ""))
    assert max(map(len, text.splitlines())) <= 100
    assert "1 of 1 elements of yours NaN or infinite" in " ".join(text.split())
    below = "\n    yours has shape" in text  # where there is no room beside
    assert below == (name != "w")


def test_a_table_without_notes_has_no_column_for_them() -> None:
    net, x, loss, labels = problem()
    assert "diagnosis" not in str(compare(loss, by_hand(net, x, labels), net))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_colour_is_for_terminals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    report, plain, screen = table(), io.StringIO(), Terminal()
    report.show(plain)
    report.show(screen)
    assert plain.getvalue() == f"{report}\n"
    assert "\x1b" not in plain.getvalue()
    assert re.search(r"\x1b\[31mz1 .*wrong here", screen.getvalue())
    assert re.sub(r"\x1b\[\d+m", "", screen.getvalue()) == plain.getvalue()
    monkeypatch.setenv("NO_COLOR", "1")
    quiet = Terminal()
    report.show(quiet)
    assert quiet.getvalue() == plain.getvalue()


def test_the_dictionary_is_json() -> None:
    report = table()
    told = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert told == report.to_dict()
    assert (told["ok"], told["first_wrong"], told["loss"]) == (False, "z1", report.loss)
    row = next(r for r in told["rows"] if r["name"] == "z1")
    assert row == {
        "name": "z1", "shape": [N, HIDDEN], "max_abs_err": pytest.approx(row["max_abs_err"]),
        "rel_err": pytest.approx(2), "verdict": "wrong here", "note": "norm ratio 1, cosine -1",
        "mistake_of": "", "explanations": ["the sign is flipped"],
        "diagnoses": [
            {
                "slug": "sign", "sentence": "the sign is flipped", "exact": True, "explanation": 0,
                "alternative": False,
            }
        ],
    }  # fmt: skip
    assert told["witness"]["name"] == "z1"
    net, x, loss, labels = problem()
    right = compare(loss, {"z2": by_hand(net, x, labels)["z2"]}, net).to_dict()
    assert right["witness"] is right["first_wrong"] is None
    assert right["rows"][1]["rel_err"] is None  # not handed in


# ---- the witness ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ORDER)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_witness_sides_with_autodiff(name: str, dtype: str) -> None:
    net, x, loss, labels = problem(dtype)
    w = compare(loss, by_hand(net, x, labels, name, 2.0), net).witness
    assert w.name == name
    assert w.yours == pytest.approx(2 * w.autodiff, rel=1e-5)
    rel = 1e-7 if dtype == "float64" else 1e-4
    assert w.finite_difference == pytest.approx(w.autodiff, rel=rel, abs=1e-9)
    assert not w.kink


def test_the_witness_is_the_worst_element() -> None:
    _, loss, right = quadratic((3, 4))
    right[2, 1] += 0.5
    right[0, 0] += 0.1
    assert compare(loss, {"w": right}).witness.element == (2, 1)


def test_the_witness_finds_a_wrong_rule() -> None:
    """If the library is wrong, the finite difference says so."""
    cube = Op("cube", lambda x: x**3, lambda g, y, x: g * 2 * x * x)
    w = tensor(np.array([1.0, 2.0]), requires_grad=True, name="w")
    report = compare(cube(w).sum(), {"w": 3 * w.array**2})
    assert not report.ok
    assert str(report.witness).endswith(
        "finite difference 12. It agrees with yours: a rule of autodiff is wrong."
    )


def test_the_witness_names_a_kink_and_takes_curvature_for_none() -> None:
    w = tensor(np.array([0.0, 2.0]), requires_grad=True, name="w")
    report = compare(ag.relu(w).sum(), {"w": [2.0, 1.0]})
    assert str(report).endswith("finite difference 0.5. A kink: the slopes are 0 and 1.")
    assert report.to_dict()["witness"]["kink"] is True
    report = compare((w * w).sum(), {"w": [1e-5, 4.0]})
    assert report.witness.element == (0,)
    assert not report.witness.kink
    assert not Witness("w", (0,), 1.0, 0.0, (1e-12, -1e-12)).kink  # rounding


def test_no_witness_from_overwritten_arrays() -> None:
    x = tensor(np.array([1.0, 2.0]), name="x")
    w = tensor(np.array([1.0, 2.0]), requires_grad=True, name="w")
    loss = (w + x).exp().sum()
    right = np.exp(w.array + x.array)
    x.fill_(5.0)  # no derivative needs it
    report = compare(loss, {"w": 2 * right})
    assert verdicts(report) == {"w": "wrong here"}
    assert report.witness.autodiff == pytest.approx(right[1])
    assert report.witness.finite_difference is None
    assert str(report.witness).endswith("The tape was overwritten in place: no finite difference.")
    json.dumps(report.to_dict(), allow_nan=False)


# ---- replay ---------------------------------------------------------------------------------


def test_replay_gives_what_the_same_computation_gives() -> None:
    net, x, loss, labels = problem()
    rng = np.random.default_rng(2)
    assert replay(loss, {}) == loss.array
    new = rng.standard_normal(x.shape)
    expected = nn.functional.cross_entropy(net(Tensor(new)), labels).array
    assert replay(loss, {x: new}) == expected
    w = rng.standard_normal(net.fc2.weight.shape)
    both = replay(loss, {x: new, net.fc2.weight: w})
    before = loss.array.copy()
    net.fc2.weight.array[...] = w
    assert both == pytest.approx(nn.functional.cross_entropy(net(Tensor(new)), labels).item())
    assert both != expected
    assert loss.array == before
    z2 = next(t for t in ag.tape(loss) if t.name == "z2")
    logits = rng.standard_normal(z2.shape)
    assert replay(loss, {z2: logits}) == nn.functional.cross_entropy(Tensor(logits), labels).array
    # an intermediate that is given hides what is behind it
    assert replay(loss, {z2: logits, x: new}) == replay(loss, {z2: logits})


def test_replay_of_everything_that_is_recorded_by_many_inputs_and_in_place() -> None:
    x = tensor(np.array([1.0, 2.0]), requires_grad=True)
    y = ag.stack([x, x * x, 3 * x])
    y[1] = x + 1
    loss = (ag.concatenate([y, y]) ** 2).sum()
    new = np.array([3.0, -1.0])
    rows = np.stack([new, new + 1, 3 * new])
    assert replay(loss, {x: new}) == 2 * (rows**2).sum()
    assert replay(loss, {y: rows}) == 2 * (rows**2).sum()


def test_replay_needs_the_tape() -> None:
    _, x, loss, _ = problem()
    loss.backward()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        replay(loss, {x: x.array})


def test_a_long_tape_needs_no_recursion() -> None:
    w = tensor(np.array([1.0]), requires_grad=True, name="w")
    y = w
    for _ in range(20_000):
        y = y + 1e-4
    y.name = "y"
    report = compare(y.sum(), {"y": [1.0], "w": [2.0]})
    assert verdicts(report) == {"y": "ok", "w": "wrong here"}
    assert report.witness.finite_difference == pytest.approx(1.0)


def test_mistakes_made_together_and_other_ways_to_explain_are_told_apart() -> None:
    w = tensor(np.linspace(1, 2, 12), requires_grad=True, name="w")
    both = compare((w * w * w).sum(), {"w": -6 * w.array**2})
    ways = [(d.slug, d.explanation) for d in both.rows[0].diagnoses]
    assert ways == [("sign", 0), ("factor-2", 0)]
    assert "the sign is flipped; together with a factor 2 too many" in " ".join(str(both).split())


def test_what_explains_no_difference_is_no_mistake() -> None:
    w = tensor(np.linspace(1, 2, 12), requires_grad=True, name="w")
    loss = (w * w * w).sum()
    noise = np.random.default_rng(0).standard_normal(12)
    row = compare(loss, {"w": 3 * w.array**2 * (1 + 1e-8 * noise)}).rows[0]
    assert (row.verdict, [d.slug for d in row.diagnoses]) == ("wrong here", ["numerical"])
    assert row.explanations == [
        "perhaps right but for what a finite difference, or float32 on the way, leaves"
    ]


def test_a_gradient_that_cancels_to_rounding_is_not_judged() -> None:
    ag.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
    x = np.random.default_rng(0).standard_normal((16, 4)).astype(np.float32)
    loss = (net(Tensor(x)) ** 2).mean()
    rounding = np.full(5, 1e-9, np.float32)
    assert compare(loss, {"0.bias": rounding}, net).rows[-1].verdict != "wrong here"
    rows = {r.name: r.verdict for r in compare(loss, {"0.bias": rounding}, net).rows}
    assert rows["0.bias"] == "too small to judge"
    rows = {r.name: r.verdict for r in compare(loss, {"0.bias": rounding * 1e4}, net).rows}
    assert rows["0.bias"] == "wrong here"


def test_a_long_chain_of_sums_has_a_label() -> None:
    y = tensor(1.0, requires_grad=True, name="x")
    for _ in range(60):
        y = y + y
    assert compare(y, {"x": -(2.0**60)}).first_wrong.diagnoses[0].slug == "sign"


def test_a_scale_is_a_convention() -> None:
    net, x, loss, labels = problem()
    grads = {name: 7 * g for name, g in by_hand(net, x, labels).items()}
    assert not compare(loss, grads, net).ok
    report = compare(loss, grads, net, scale=7)
    assert report.ok and "Yours are divided by scale, 7." in str(report)
    with pytest.raises(ValueError, match="scale is 0; give the loss by hand over this loss"):
        compare(loss, grads, net, scale=0)


def test_another_slope_at_a_kink_is_a_convention() -> None:
    x = tensor([0.0, 1.0, -2.0], dtype="float64", requires_grad=True, name="x")
    loss = (x.relu() * tensor([3.0, 4.0, 5.0], dtype="float64")).sum()
    right = compare(loss, {"x": [3.0, 4.0, 0.0]}).rows[0]
    assert right.verdict == "ok, other convention" and "kinks" in right.note
    assert compare(loss, {"x": [3.5, 4.0, 0.0]}).rows[0].verdict == "wrong here"
    assert compare(loss, {"x": [3.0, 4.1, 0.0]}).rows[0].verdict == "wrong here"


def test_an_upstream_that_is_not_used() -> None:
    report = ag.check_backward(lambda x: x**2, lambda g, x: 2 * x, inputs=((5, 3),))
    assert report.first_wrong.diagnoses[0].slug == "upstream-missing"


def test_a_notebook_shows_a_table() -> None:
    w = tensor(np.ones(3), requires_grad=True, name="<w>")
    page = compare((w * w).sum(), {"<w>": -2 * w.array})._repr_html_()
    assert "<table " in page and "&lt;w&gt;" in page and "<w>" not in page
    assert "the sign is flipped" in page and "wrong here" in page
    assert page.count("<tr") == 2


def test_a_report_is_true_if_all_is_right() -> None:
    w = tensor(np.ones(3), requires_grad=True, name="w")
    assert compare((w * w).sum(), {"w": 2 * w.array})
    assert not compare((w * w).sum(), {"w": -2 * w.array})


def test_three_mistakes_are_told_from_the_parameters_alone() -> None:
    net, x, loss, labels = problem()
    right = by_hand(net, x, labels)
    grads = {
        "fc2.bias": -right["fc2.bias"],
        "fc2.weight": right["fc2.weight"] * 0,
        "fc1.bias": right["fc1.bias"],
        "fc1.weight": right["fc1.weight"] + 0.3 * net.fc1.weight.array,
    }
    report = compare(loss, grads, net)
    slugs = {row.name: row.diagnoses[0].slug for row in report.rows if row.diagnoses}
    assert slugs == {"fc2.bias": "sign", "fc2.weight": "placeholder", "fc1.weight": "penalty"}


def test_a_search_that_is_cut_off_says_so() -> None:
    w = tensor(np.linspace(1, 2, 5), requires_grad=True, name="w")
    report = compare((w * w).sum(), {"w": -2 * w.array}, effort=0)
    assert "The search for the mistake was cut off; effort=10 tries more." in str(report)
    assert report.rows[0].diagnoses == ()


def test_the_value_of_the_loss_comes_first_and_shows_its_scale() -> None:
    net, x, loss, labels = problem()
    right = by_hand(net, x, labels)
    report = compare(loss, right, net, value=loss.item())
    assert report.ok and report.rows[0].name == "loss value"
    report = compare(loss, {n: N * g for n, g in right.items()}, net, value=N * loss.item())
    assert report.ok and report.rows[0].verdict == "ok, other convention"
    assert "5 times the recorded one" in report.rows[0].note
    report = compare(loss, right, net, value=loss.item() + 1)
    assert not report.ok and report.first_wrong.name == "loss value"
    assert report.first_wrong.note.startswith("yours ")
    report = compare(loss, {n: N * g for n, g in right.items()}, net)
    hint = "If the loss by hand is scaled so, pass value= or scale=."
    assert hint in str(report) and report.to_dict()["remarks"] == [hint]
    with pytest.raises(TypeError, match="the gradient of 'the loss' is a str"):
        compare(loss, right, net, value="7")


def windows_of(x: Any) -> Any:
    """The windows of 2 by 2 on axes of their own."""
    n, c, h, w = x.shape
    return x.reshape(n, c, h // 2, 2, w // 2, 2)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("pool", "name"),
    [
        (lambda x: nn.functional.max_pool2d(x, 2), "max_pool"),
        (lambda x: nn.functional.max_pool2d(x, 3, 2, 1), "max_pool"),
        (lambda x: windows_of(x).amax(dim=(3, 5)), "max"),
    ],
)
def test_the_mask_of_another_pooling_is_named(pool: Any, name: str, dtype: str) -> None:
    """As where two layers keep their mask in one place."""
    rng = np.random.default_rng(0)
    a, b, k = (tensor(rng.standard_normal((2, 3, 4, 6)).astype(dtype)) for _ in range(3))
    a.requires_grad = b.requires_grad = True
    a.name, b.name = "a", "b"
    p, q = pool(a), pool(b)
    loss = (p * q * k[:, :, ::2, ::2]).sum()
    p.retain_grad()
    loss.backward(retain_graph=True)
    other = tensor(b.array, requires_grad=True)
    pool(other).backward(p.grad)
    assert compare(loss, {"a": a.grad.array, "b": b.grad.array}, None).ok
    report = compare(loss, {"a": other.grad.array, "b": b.grad.array}, None)
    (found,) = report.first_wrong.diagnoses
    assert (report.first_wrong.name, found.slug) == ("a", "max-mask")
    assert re.match(rf"the mask of {name} taken from .*\bb\b.* instead of", found.sentence)


def test_a_mistake_in_a_pooling_with_a_margin_is_one_mistake() -> None:
    """Its margin is -inf, which no direction moves."""
    rng = np.random.default_rng(0)
    x = tensor(rng.standard_normal((2, 3, 5, 5)), requires_grad=True, name="x")
    y = nn.functional.max_pool2d(x, 3, 2, 1)
    g = rng.standard_normal(y.shape)
    loss = (y * tensor(g)).sum()
    wrong = np.zeros((2, 3, 7, 7))
    for i, j in np.ndindex(3, 3):
        wrong[:, :, i : i + 5 : 2, j : j + 5 : 2] += g
    (found,) = compare(loss, {"x": wrong[:, :, 1:-1, 1:-1]}, None).first_wrong.diagnoses
    assert "every element of a window" in found.sentence
