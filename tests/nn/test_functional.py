"""Functions and losses equal PyTorch's in value, gradient and second derivative; errors are clear."""

import math
import re
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

import autograd_lite as ag
import nn.functional as F
from autograd_lite import MisfitError, Tensor, gradcheck, gradgradcheck, tape, tensor


class Theirs:
    """torch.nn.functional, looked up in the call: without torch only those tests are skipped."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: Any, **kw: Any) -> Any:
            torch = pytest.importorskip("torch")
            kw = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in kw.items()}
            return getattr(torch.nn.functional, name)(*args, **kw)

        return call


TF = Theirs()
R = np.random.default_rng(0)


class Case(NamedTuple):
    """One function in both worlds; the arrays get gradients, the fixed ones behind them do not."""

    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    arrays: list[np.ndarray]
    fixed: tuple[np.ndarray, ...] = ()


def normal(*shape: int) -> np.ndarray:
    return R.standard_normal(shape)


def between(*shape: int) -> np.ndarray:
    return R.uniform(0.05, 0.95, shape)


def agrees(case: Case, rtol: float = 1e-9) -> None:
    """Values, gradients and second derivatives in a random direction are those of PyTorch."""
    torch = pytest.importorskip("torch")
    arrays = case.arrays
    xs = [Tensor(a.copy(), requires_grad=True) for a in arrays]
    ts = [torch.tensor(a, requires_grad=True) for a in arrays]
    y = case.ours(*xs, *map(Tensor, case.fixed))
    ty = case.theirs(*ts, *map(torch.tensor, case.fixed))
    close(y, ty, rtol)
    draw = np.random.default_rng(1)
    v = draw.standard_normal(y.shape).astype(y.dtype)
    y.backward(Tensor(v), create_graph=True)
    firsts = [x.grad for x in xs]
    their_firsts = torch.autograd.grad(ty, ts, torch.tensor(v), create_graph=True)
    for g, tg in zip(firsts, their_firsts, strict=True):
        close(g, tg, rtol)
    us = [draw.standard_normal(a.shape).astype(a.dtype) for a in arrays]
    for x in xs:
        x.grad = None
    total: Any = sum((g * u).sum() for g, u in zip(firsts, us, strict=True))
    their_total = sum((tg * torch.tensor(u)).sum() for tg, u in zip(their_firsts, us, strict=True))
    if total.requires_grad:
        total.backward()
    seconds: Any = [None] * len(ts)
    if their_total.requires_grad:
        seconds = torch.autograd.grad(their_total, ts, allow_unused=True)
    for x, second in zip(xs, seconds, strict=True):
        if x.grad is None:
            assert second is None or not second.detach().any()
        elif second is None:
            assert not x.grad.array.any()
        else:
            close(x.grad, second, rtol)


def close(ours: Any, theirs: Any, rtol: float) -> None:
    a, b = ours.detach().numpy(), theirs.detach().numpy(force=True)
    assert a.shape == b.shape
    assert a.dtype == b.dtype
    np.testing.assert_allclose(a, b, rtol=rtol, atol=rtol)


# ---- layers as functions --------------------------------------------------------------------

LAYERS: dict[str, Case] = {
    "linear": Case(F.linear, TF.linear, [normal(5, 3), normal(4, 3), normal(4)]),
    "linear, no bias": Case(F.linear, TF.linear, [normal(5, 3), normal(4, 3)]),
    "linear, vector": Case(F.linear, TF.linear, [normal(3), normal(4, 3), normal(4)]),
    "linear, a bias for each row": Case(
        F.linear, TF.linear, [normal(5, 3), normal(4, 3), normal(5, 1)]
    ),
    "linear, 3-d": Case(F.linear, TF.linear, [normal(2, 5, 3), normal(4, 3), normal(4)]),
    "relu": Case(F.relu, TF.relu, [normal(4, 3)]),
    "relu at 0": Case(F.relu, TF.relu, [np.array([0.0, -1.0, 1.0])]),
    "leaky_relu": Case(F.leaky_relu, TF.leaky_relu, [normal(4, 3)]),
    "tanh": Case(F.tanh, TF.tanh, [normal(4, 3)]),
    "sigmoid": Case(F.sigmoid, TF.sigmoid, [normal(4, 3)]),
    "logsigmoid": Case(F.logsigmoid, TF.logsigmoid, [normal(4, 3)]),
    "gelu": Case(F.gelu, TF.gelu, [normal(4, 3)]),
    "gelu, tanh": Case(
        lambda x: F.gelu(x, "tanh"),
        lambda x: TF.gelu(x, approximate="tanh"),
        [normal(4, 3)],
    ),
    "elu": Case(lambda x: F.elu(x, 0.7), lambda x: TF.elu(x, 0.7), [normal(4, 3)]),
    "silu": Case(F.silu, TF.silu, [normal(4, 3)]),
    "softplus": Case(lambda x: F.softplus(x, 2.0), lambda x: TF.softplus(x, 2.0), [normal(4, 3)]),
    "hardtanh": Case(F.hardtanh, TF.hardtanh, [np.array([-2.0, -1.0, 0.5, 1.0, 3.0])]),
    "softmax": Case(lambda x: F.softmax(x, 0), lambda x: TF.softmax(x, 0), [normal(4, 3)]),
    "softmax, 3-d": Case(
        lambda x: F.softmax(x, dim=1), lambda x: TF.softmax(x, dim=1), [normal(4, 3, 2)]
    ),
    "log_softmax": Case(
        lambda x: F.log_softmax(x, -1), lambda x: TF.log_softmax(x, -1), [normal(4, 3)]
    ),
    "layer_norm": Case(
        lambda x, w, b: F.layer_norm(x, (3,), w, b),
        lambda x, w, b: TF.layer_norm(x, (3,), w, b),
        [normal(4, 3), normal(3), normal(3)],
    ),
    "layer_norm, two axes": Case(
        lambda x, w, b: F.layer_norm(x, [4, 3], w, b, 0.1),
        lambda x, w, b: TF.layer_norm(x, [4, 3], w, b, 0.1),
        [normal(2, 4, 3), normal(4, 3), normal(4, 3)],
    ),
    "layer_norm, plain": Case(
        lambda x: F.layer_norm(x, 3),
        lambda x: TF.layer_norm(x, (3,)),
        [normal(4, 3)],
    ),
    "batch_norm, training": Case(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        lambda x, w, b: TF.batch_norm(x, None, None, w, b, training=True),
        [normal(5, 3), normal(3), normal(3)],
    ),
    "batch_norm, training, 3-d": Case(
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True, eps=0.1),
        lambda x, w, b: TF.batch_norm(x, None, None, w, b, training=True, eps=0.1),
        [normal(2, 3, 4), normal(3), normal(3)],
    ),
    "batch_norm, plain": Case(
        lambda x: F.batch_norm(x, None, None, training=True),
        lambda x: TF.batch_norm(x, None, None, training=True),
        [normal(5, 3)],
    ),
    "batch_norm, running": Case(
        lambda x, w, b, mean, var: F.batch_norm(x, mean, var, w, b),
        lambda x, w, b, mean, var: TF.batch_norm(x, mean, var, w, b),
        [normal(5, 3, 2), normal(3), normal(3)],
        (normal(3), between(3)),
    ),
    "normalize": Case(F.normalize, TF.normalize, [normal(4, 3)]),
    "normalize, p=1": Case(
        lambda x: F.normalize(x, 1.0, 0),
        lambda x: TF.normalize(x, 1.0, 0),
        [normal(4, 3)],
    ),
    "pad": Case(lambda x: F.pad(x, (1, 2)), lambda x: TF.pad(x, (1, 2)), [normal(4, 3)]),
    "pad, two axes": Case(
        lambda x: F.pad(x, (1, 2, 3, 0), value=7.0),
        lambda x: TF.pad(x, (1, 2, 3, 0), value=7.0),
        [normal(2, 4, 3)],
    ),
    "pad, cutting": Case(
        lambda x: F.pad(x, [-1, 1, 2, -2]),
        lambda x: TF.pad(x, [-1, 1, 2, -2]),
        [normal(4, 3)],
    ),
    "pad, nothing": Case(lambda x: F.pad(x, ()), lambda x: TF.pad(x, ()), [normal(4, 3)]),
}


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
def test_layer_functions_equal_torch_to_second_order(case: Case) -> None:
    agrees(case)


@pytest.mark.parametrize("case", LAYERS.values(), ids=LAYERS)
def test_layer_functions_keep_float32(case: Case) -> None:
    keeps_float32(case)


KINKS = {"relu at 0", "hardtanh"}


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in KINKS])
def test_layer_functions_pass_gradcheck(name: str) -> None:
    passes(LAYERS[name])


def passes(case: Case) -> None:
    """Without PyTorch too, gradients and second derivatives are checked against differences."""

    def function(*xs: Tensor) -> Tensor:
        return case.ours(*xs, *map(Tensor, case.fixed))

    xs = [Tensor(a) for a in case.arrays]
    assert gradcheck(function, xs)
    assert gradgradcheck(function, xs)


def keeps_float32(case: Case) -> None:
    xs = [Tensor(a.astype(np.float32), requires_grad=True) for a in case.arrays]
    fixed = [Tensor(a.astype(np.float32) if a.dtype.kind == "f" else a) for a in case.fixed]
    y = case.ours(*xs, *fixed)
    assert y.dtype == np.float32
    nodes = [t for t in tape(y) if t.op is not None]
    assert {t.dtype for t in nodes} == {np.dtype("float32")}
    y.sum().backward()
    assert all(x.grad.dtype == np.float32 for x in xs)


# ---- losses ---------------------------------------------------------------------------------

CLASSES = np.array([2, 0, 1, 2, 2])
SPATIAL = R.integers(0, 3, (2, 4))
PROBABILITIES = R.dirichlet(np.ones(3), 5)
WEIGHT = np.array([0.5, 1.0, 3.0])


def both(name: str, arrays: list[np.ndarray], *fixed: np.ndarray, **kw: Any) -> Case:
    """The function of this name in both worlds; arrays among the keywords are weights."""
    our_kw = {k: Tensor(v) if isinstance(v, np.ndarray) else v for k, v in kw.items()}
    return Case(
        partial(getattr(F, name), **our_kw), partial(getattr(TF, name), **kw), arrays, fixed
    )


LOSSES: dict[str, Case] = {}
for reduction in ("mean", "sum", "none"):
    kw: Any = {"reduction": reduction}
    pair = [normal(4, 3), normal(4, 3) * 2]
    logits, odds = normal(5, 3), [between(4, 3), between(4, 3)]
    cases = {
        "mse_loss": both("mse_loss", pair, **kw),
        "l1_loss": both("l1_loss", pair, **kw),
        "huber_loss": both("huber_loss", pair, **kw),
        "huber_loss, delta": both("huber_loss", pair, delta=0.3, **kw),
        "smooth_l1_loss": both("smooth_l1_loss", pair, **kw),
        "smooth_l1_loss, beta": both("smooth_l1_loss", pair, beta=0.3, **kw),
        "smooth_l1_loss, beta 0": both("smooth_l1_loss", pair, beta=0.0, **kw),
        "binary_cross_entropy": both("binary_cross_entropy", odds[:1], odds[1], **kw),
        "binary_cross_entropy, weight": both(
            "binary_cross_entropy", odds[:1], odds[1], weight=WEIGHT, **kw
        ),
        "with_logits": both("binary_cross_entropy_with_logits", [pair[0], odds[1]], **kw),
        "with_logits, weights": both(
            "binary_cross_entropy_with_logits",
            [pair[0], odds[1]],
            weight=WEIGHT,
            pos_weight=WEIGHT[::-1].copy(),
            **kw,
        ),
        "nll_loss": both("nll_loss", [logits], CLASSES, **kw),
        "nll_loss, all": both("nll_loss", [logits], CLASSES, weight=WEIGHT, ignore_index=0, **kw),
        "nll_loss, one": both("nll_loss", [logits[0]], CLASSES[0], **kw),
        "nll_loss, 3-d": both("nll_loss", [normal(2, 3, 4)], SPATIAL, weight=WEIGHT, **kw),
        "cross_entropy": both("cross_entropy", [logits], CLASSES, **kw),
        "cross_entropy, one": both("cross_entropy", [logits[0]], CLASSES[0], **kw),
        "cross_entropy, 3-d": both("cross_entropy", [normal(2, 3, 4)], SPATIAL, **kw),
        "cross_entropy, weight": both("cross_entropy", [logits], CLASSES, weight=WEIGHT, **kw),
        "cross_entropy, ignored": both(
            "cross_entropy", [logits], np.array([0, -100, 2, -100, 1]), **kw
        ),
        "cross_entropy, ignored class": both(
            "cross_entropy", [logits], CLASSES, ignore_index=2, **kw
        ),
        "cross_entropy, smooth": both(
            "cross_entropy", [logits], CLASSES, label_smoothing=0.3, **kw
        ),
        "cross_entropy, all": both(
            "cross_entropy",
            [normal(2, 3, 4)],
            SPATIAL,
            weight=WEIGHT,
            ignore_index=1,
            label_smoothing=0.3,
            **kw,
        ),
        "cross_entropy, probabilities": both("cross_entropy", [logits, PROBABILITIES], **kw),
        "cross_entropy, probabilities, one": both(
            "cross_entropy", [logits[0], PROBABILITIES[0]], weight=WEIGHT, **kw
        ),
        "cross_entropy, probabilities, all": both(
            "cross_entropy",
            [normal(2, 3, 4), R.dirichlet(np.ones(3), (2, 4)).transpose(0, 2, 1).copy()],
            weight=WEIGHT,
            label_smoothing=0.3,
            **kw,
        ),
    }
    LOSSES |= {f"{name}, {reduction}": case for name, case in cases.items()}


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
def test_losses_equal_torch_to_second_order(case: Case) -> None:
    agrees(case)


@pytest.mark.parametrize("name", [name for name in LOSSES if name.endswith("mean")])
def test_losses_pass_gradcheck(name: str) -> None:
    passes(LOSSES[name])


@pytest.mark.parametrize("case", LOSSES.values(), ids=LOSSES)
def test_losses_keep_float32(case: Case) -> None:
    keeps_float32(case)


def test_cross_entropy_of_a_training_loop_is_one_record_of_two_nodes() -> None:
    x = Tensor(normal(5, 3), requires_grad=True)
    for target in (CLASSES, Tensor(CLASSES), CLASSES.astype(np.int32)):
        for reduction, n in (("mean", 5), ("sum", 1)):
            loss = F.cross_entropy(x, target, reduction=reduction)
            assert [t.op.name for t in tape(loss) if t.op] == ["cross_entropy"]
            opened = tape(loss, unfold=True)
            assert [t.op.name for t in opened if t.op] == ["log_softmax", "nll"]
            assert loss.kw["n"] == n
    assert [t.op.name for t in tape(F.nll_loss(x, CLASSES)) if t.op] == ["nll"]


def test_general_and_fast_cross_entropy_agree() -> None:
    x = Tensor(normal(5, 3), requires_grad=True)
    for reduction in ("mean", "sum"):
        fast = F.cross_entropy(x, CLASSES, reduction=reduction).item()
        general = F.cross_entropy(x, CLASSES, weight=np.ones(3), reduction=reduction).item()
        assert fast == pytest.approx(general, rel=1e-14)


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64])
def test_class_targets_may_be_any_ints_lists_or_arrays(dtype: type, torch: Any) -> None:
    x = Tensor(normal(5, 3))
    expected = F.cross_entropy(x, Tensor(CLASSES)).item()
    assert F.cross_entropy(x, CLASSES.astype(dtype)).item() == expected
    assert F.cross_entropy(x, CLASSES.tolist()).item() == pytest.approx(expected, rel=1e-14)
    assert F.cross_entropy(x.array, CLASSES).item() == pytest.approx(expected, rel=1e-14)
    weighted = F.cross_entropy(x, CLASSES.astype(dtype), weight=[1.0, 2.0, 3.0])
    theirs = TF.cross_entropy(
        torch.tensor(x.array), torch.tensor(CLASSES), torch.tensor([1.0, 2.0, 3.0]).double()
    )
    assert weighted.item() == pytest.approx(theirs.item(), rel=1e-12)


@pytest.mark.parametrize("target", [np.full(2, -100), np.zeros(0, int)])
def test_mean_cross_entropy_of_nothing_is_nan_with_gradient_0(
    target: np.ndarray, torch: Any
) -> None:
    x = Tensor(normal(len(target), 3), requires_grad=True)
    tx = torch.tensor(x.array, requires_grad=True)
    loss, theirs = F.cross_entropy(x, target), TF.cross_entropy(tx, torch.tensor(target))
    assert math.isnan(loss.item())
    assert math.isnan(theirs.item())
    loss.backward()
    theirs.backward()
    np.testing.assert_array_equal(x.grad.numpy(), tx.grad.numpy())
    assert F.cross_entropy(x, target, reduction="sum").item() == 0


def test_masked_classes_do_not_poison_ignored_or_weighted_targets(torch: Any) -> None:
    x = np.array([[0.0, -math.inf, 1.0], [0.0, -math.inf, 1.0]])
    target = np.array([0, -100])
    for weight in (None, np.array([0.5, 1.0, 2.0])):
        ours = F.cross_entropy(Tensor(x), target, weight=weight)
        theirs = TF.cross_entropy(
            torch.tensor(x), torch.tensor(target), None if weight is None else torch.tensor(weight)
        )
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)


# ---- extremes -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_at_extremes_have_exact_limits(dtype: type) -> None:
    x = Tensor(np.array([1000, -1000, 1000, -1000, 0], dtype), requires_grad=True)
    t = np.array([1, 0, 0, 1, 0.5], dtype)
    loss = F.binary_cross_entropy_with_logits(x, t, reduction="none")
    assert loss.tolist() == [0, 0, 1000, 1000, pytest.approx(math.log(2))]
    loss.sum().backward()
    assert x.grad.tolist() == [0, 0, 1, -1, 0]
    x = Tensor(np.array([[1000, -1000], [-1000, 1000]], dtype), requires_grad=True)
    loss = F.cross_entropy(x, np.array([0, 0]), reduction="sum")
    assert loss.item() == 2000
    loss.backward()
    assert x.grad.tolist() == [[0, 0], [-1, 1]]
    d = Tensor(np.array([1e30, -1e30], dtype), requires_grad=True)
    F.huber_loss(d, np.zeros(2, dtype), reduction="sum").backward()
    assert d.grad.tolist() == [1, -1]


def test_binary_cross_entropy_at_0_and_1_is_held_as_in_torch(torch: Any) -> None:
    a, t = np.array([0.0, 0.0, 1.0, 1.0, 1e-50]), np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    x, tx = Tensor(a, requires_grad=True), torch.tensor(a, requires_grad=True)
    F.binary_cross_entropy(x, t, reduction="sum").backward()
    TF.binary_cross_entropy(tx, torch.tensor(t), reduction="sum").backward()
    close(x.grad, tx.grad, 1e-8)  # PyTorch has its 1e-12 in float32
    loss = F.binary_cross_entropy(Tensor([0.0, 1.0]), Tensor([1.0, 0.0]), reduction="none")
    assert loss.tolist() == [100, 100]


def test_binary_cross_entropy_has_a_gradient_for_its_target() -> None:
    agrees(both("binary_cross_entropy", [between(4), between(4)]))


def test_integer_targets_do_not_make_float64() -> None:
    x = Tensor([0.25, 0.5, 0.75], requires_grad=True)
    t = np.array([0, 1, 1])
    for loss in (F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss, F.binary_cross_entropy):
        assert loss(x, t).dtype == np.float32
    assert F.binary_cross_entropy_with_logits(x, t == 1).dtype == np.float32


# ---- dropout --------------------------------------------------------------------------------


def test_dropout_scales_what_it_keeps_and_draws_from_the_generator() -> None:
    x = Tensor(np.ones((200, 50), np.float32), requires_grad=True)
    ag.manual_seed(3)
    y = F.dropout(x, 0.25)
    assert y.dtype == np.float32
    assert set(y.array.ravel().tolist()) == {0.0, float(np.float32(1 / 0.75))}
    assert np.mean(y.array == 0) == pytest.approx(0.25, abs=0.02)
    assert [t.op.name for t in tape(y) if t.op] == ["mul"]
    y.sum().backward()
    np.testing.assert_array_equal(x.grad.array, y.array)  # the same mask both ways
    ag.manual_seed(3)
    np.testing.assert_array_equal(F.dropout(x, 0.25).array, y.array)
    g = np.random.default_rng(5)
    first = F.dropout(x, 0.25, generator=g)
    np.testing.assert_array_equal(
        first.array, F.dropout(x, 0.25, generator=np.random.default_rng(5)).array
    )
    assert not (first.array == F.dropout(x, 0.25, generator=g).array).all()


def test_dropout_at_its_ends() -> None:
    x = Tensor([1.0, 2.0], requires_grad=True)
    assert F.dropout(x, 0.0) is x
    assert F.dropout(x, 1.0, training=False) is x
    y = F.dropout(x, 1.0)
    assert y.tolist() == [0, 0]
    y.sum().backward()
    assert x.grad.tolist() == [0, 0]
    for p in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"dropout: p is a probability from 0 to 1"):
            F.dropout(x, p)


# ---- the rest -------------------------------------------------------------------------------


def test_one_hot_equals_torch(torch: Any) -> None:
    for t in (np.array([2, 0, 1]), np.array([[1], [3]]), np.array(2)):
        for n in (-1, 5):
            ours, theirs = F.one_hot(Tensor(t), n), TF.one_hot(torch.tensor(t), n)
            np.testing.assert_array_equal(ours.data, theirs.numpy())
            assert ours.dtype == np.int64
    assert F.one_hot(np.zeros(0, int), 3).shape == (0, 3)


def test_softmax_without_dim_warns_and_takes_torchs_axis(torch: Any) -> None:
    for shape in ((4,), (4, 3), (2, 4, 3), (2, 3, 4, 2)):
        x = normal(*shape)
        for name in ("softmax", "log_softmax"):
            with pytest.warns(UserWarning, match=f"{name}: without dim it is"):
                ours = getattr(F, name)(Tensor(x))
            with warnings.catch_warnings(action="ignore"):
                theirs = getattr(TF, name)(torch.tensor(x))
            close(ours, theirs, 1e-12)


def test_batch_norm_moves_running_statistics_as_torch_does(torch: Any) -> None:
    x, m, v = normal(5, 3, 2), normal(3), between(3)
    mean, var, their_mean, their_var = (
        Tensor(m.copy()),
        Tensor(v.copy()),
        torch.tensor(m),
        torch.tensor(v),
    )
    F.batch_norm(Tensor(x), mean, var, training=True, momentum=0.3)
    TF.batch_norm(torch.tensor(x), their_mean, their_var, training=True, momentum=0.3)
    close(mean, their_mean, 1e-12)
    close(var, their_var, 1e-12)


# ---- errors ---------------------------------------------------------------------------------

X = Tensor(np.zeros((4, 3)))
T = np.zeros(4, int)
ERRORS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no broadcast": (
        lambda: F.mse_loss(Tensor(np.zeros((4, 1))), np.zeros(4)),
        ValueError,
        (
            "mse_loss: the input has shape (4, 1) and the target (4,); they must agree, as a loss "
            "does not broadcast"
        ),
    ),
    "reduction": (lambda: F.mse_loss(X, X, "avg"), ValueError, "mse_loss: reduction is 'mean', 's"),
    "reduction ce": (
        lambda: F.cross_entropy(X, T, reduction="avg"),
        ValueError,
        "cross_entropy: reduction is 'mean', 'sum' or 'none', got 'avg'",
    ),
    "reduction nll": (
        lambda: F.nll_loss(X, T, reduction="avg"),
        ValueError,
        "nll_loss: reduction is 'mean', 'sum' or 'none', got 'avg'",
    ),
    "delta": (
        lambda: F.huber_loss(X, X, delta=0),
        ValueError,
        "huber_loss: delta is positive, got 0",
    ),
    "beta": (
        lambda: F.smooth_l1_loss(X, X, beta=-1),
        ValueError,
        "smooth_l1_loss: beta is not negative, got -1",
    ),
    "not probabilities": (
        lambda: F.binary_cross_entropy(X - 1, X),
        ValueError,
        "binary_cross_entropy: the input is probabilities from 0 to 1, this one goes from -1.0 to",
    ),
    "nan probabilities": (
        lambda: F.binary_cross_entropy(X + math.nan, X),
        ValueError,
        "binary_cross_entropy: the input is probabilities from 0 to 1",
    ),
    "bce weight": (
        lambda: F.binary_cross_entropy(X, X, weight=np.zeros((2, 4, 3))),
        ValueError,
        "a weight of shape (2, 4, 3) does not broadcast to the input's (4, 3)",
    ),
    "pos_weight": (
        lambda: F.binary_cross_entropy_with_logits(X, X, pos_weight=np.zeros(2)),
        ValueError,
        "a weight of shape (2,) does not broadcast to the input's (4, 3)",
    ),
    "class above": (
        lambda: F.cross_entropy(X, T + 3),
        IndexError,
        "class 3 is out of range; there are 3 classes, from 0",
    ),
    "class below": (
        lambda: F.cross_entropy(X, T - 1),
        IndexError,
        "cross_entropy: class -1 is out of range; there are 3 classes, from 0",
    ),
    "class below, nll": (
        lambda: F.nll_loss(X, T - 1),
        IndexError,
        "nll_loss: class -1 is out of range; there are 3 classes, from 0",
    ),
    "class above, weighted": (
        lambda: F.cross_entropy(X, T + 3, weight=np.ones(3)),
        IndexError,
        "cross_entropy: class 3 is out of range; there are 3 classes, from 0",
    ),
    "rows": (
        lambda: F.cross_entropy(X, T[:3]),
        ValueError,
        "for an input of shape (4, 3) class targets have shape (4,), these have (3,)",
    ),
    "column": (
        lambda: F.nll_loss(X, T[:, None]),
        ValueError,
        "for an input of shape (4, 3) class targets have shape (4,), these have (4, 1)",
    ),
    "int probabilities": (
        lambda: F.cross_entropy(X, np.zeros((4, 3), int)),
        ValueError,
        "these have (4, 3); probabilities are floats",
    ),
    "float classes": (
        lambda: F.cross_entropy(X, np.zeros(4)),
        TypeError,
        (
            "cross_entropy: class targets are ints, not float64; float targets are probabilities and "
            "have the input's shape (4, 3), this target has (4,)"
        ),
    ),
    "class weight": (
        lambda: F.cross_entropy(X, T, weight=np.ones(4)),
        ValueError,
        "cross_entropy: weight has shape (4,); it needs one for each of the 3 classes",
    ),
    "smoothing": (
        lambda: F.cross_entropy(X, T, label_smoothing=1.5),
        ValueError,
        "cross_entropy: label_smoothing is a fraction from 0 to 1, got 1.5",
    ),
    "0-d": (
        lambda: F.cross_entropy(Tensor(1.0), np.array(0)),
        ValueError,
        "cross_entropy: the input has shape () and so no axis of classes",
    ),
    "one_hot floats": (
        lambda: F.one_hot(np.zeros(2)),
        TypeError,
        "one_hot: classes are ints, not float64",
    ),
    "one_hot range": (
        lambda: F.one_hot(np.array([0, 3]), 3),
        ValueError,
        "one_hot: classes go from 0 to 2, these from 0 to 3",
    ),
    "one_hot negative": (
        lambda: F.one_hot(np.array([-1, 1])),
        ValueError,
        "one_hot: classes go from 0 to 1, these from -1 to 1",
    ),
    "one_hot empty": (
        lambda: F.one_hot(np.zeros(0, int)),
        ValueError,
        "one_hot: no classes to count; give num_classes",
    ),
    "pad mode": (
        lambda: F.pad(X, (1, 1), mode="mirror"),
        ValueError,
        "pad: the modes are constant, reflect, replicate, circular, got 'mirror'",
    ),
    "pad odd": (lambda: F.pad(X, (1, 1, 1)), ValueError, "pad: (1, 1, 1) are not pairs for at mo"),
    "pad many": (
        lambda: F.pad(X, (1,) * 6),
        ValueError,
        "are not pairs for at most 2 axes of (4, 3)",
    ),
    "layer_norm": (
        lambda: F.layer_norm(X, (4,)),
        ValueError,
        "layer_norm: the last axes of shape (4, 3) are not (4,), which normalized_shape asks for",
    ),
    "layer_norm of nothing": (lambda: F.layer_norm(X, ()), ValueError, "are not ()"),
    "batch_norm one": (  # without eval(), which would help nothing here
        lambda: F.batch_norm(Tensor(np.zeros((1, 3))), None, None, training=True),
        ValueError,
        "batch_norm: shape (1, 3) has 1 value(s) per channel, and the statistics of a batch need two or more",
    ),
    "batch_norm eval": (
        lambda: F.batch_norm(X, None, None),
        ValueError,
        "batch_norm: without training it needs running_mean and running_var",
    ),
    "batch_norm channels": (
        lambda: F.batch_norm(X, Tensor(np.zeros(2)), Tensor(np.ones(2))),
        ValueError,
        (
            "batch_norm: the input of shape (4, 3) has 3 channels (axis 1), and a statistic, weight "
            "or bias has shape (2,)"
        ),
    ),
    "batch_norm 1-d": (
        lambda: F.batch_norm(Tensor(np.zeros(3)), None, None, training=True),
        ValueError,
        "batch_norm: shape (3,) has no axis 1, the channels",
    ),
}


@pytest.mark.parametrize("case", ERRORS.values(), ids=ERRORS)
def test_errors_name_function_shapes_and_cause(
    case: tuple[Callable[[], Any], type[Exception], str],
) -> None:
    call, error, text = case
    with pytest.raises(error, match=re.escape(text)) as caught:
        call()
    assert type(caught.value) in (error, MisfitError)


@pytest.mark.parametrize("loss", [F.mse_loss, F.l1_loss, F.huber_loss, F.smooth_l1_loss])
def test_no_loss_broadcasts(loss: Callable[..., Any]) -> None:
    for a, b in (((4, 1), (4,)), ((4,), (4, 1)), ((4,), ()), ((4, 3), (3,))):
        with pytest.raises(ValueError, match="a loss does not broadcast"):
            loss(Tensor(np.zeros(a)), np.zeros(b))


def test_a_failed_batch_norm_leaves_the_running_statistics() -> None:
    mean, var = Tensor(np.zeros(3)), Tensor(np.ones(3))
    with pytest.raises(ValueError, match="two or more"):
        F.batch_norm(Tensor(np.ones((1, 3))), mean, var, training=True)
    assert mean.tolist() == [0, 0, 0]
    assert var.tolist() == [1, 1, 1]


def test_gumbel_softmax_draws_as_softmax_says_and_has_its_gradient() -> None:
    ag.manual_seed(0)
    logits = tensor(np.log(np.array([0.2, 0.5, 0.3])), requires_grad=True)
    rows = logits.expand(20_000, 3)
    hard = F.gumbel_softmax(rows, hard=True)
    assert set(np.unique(hard.detach().numpy().round(12))) == {0.0, 1.0}
    np.testing.assert_allclose(hard.detach().numpy().mean(0), [0.2, 0.5, 0.3], atol=0.01)
    ag.manual_seed(0)
    soft = F.gumbel_softmax(rows, tau=0.5, dim=-1)
    np.testing.assert_allclose(soft.detach().numpy().sum(-1), 1)
    ag.manual_seed(0)
    same = F.gumbel_softmax(rows, tau=0.5, hard=True)
    weights = np.arange(3.0)
    (first,) = ag.autograd.grad((soft * weights).sum(), [logits], retain_graph=True)
    (second,) = ag.autograd.grad((same * weights).sum(), [logits])
    np.testing.assert_allclose(first.numpy(), second.numpy())
    columns = F.gumbel_softmax(tensor(np.zeros((4, 5))), hard=True, dim=0)
    assert columns.sum(0).tolist() == [1.0] * 5


def test_distances_are_those_of_the_rows_of_a_matrix() -> None:
    assert F.pdist(ag.zeros(1, 3)).shape == (0,)
    with pytest.raises(MisfitError, match=r"pdist: the input has shape \(3,\); give a matrix"):
        F.pdist(ag.zeros(3))
