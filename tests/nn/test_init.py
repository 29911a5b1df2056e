"""Initial weights: the right distribution, in place, in the same layout; gains equal PyTorch's."""

import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, manual_seed
from nn import Parameter, init

BIG = (300, 200)
RANDOM: dict[str, Callable[..., Any]] = {
    name: getattr(init, name)
    for name in (
        "uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_",
        "kaiming_uniform_", "kaiming_normal_", "orthogonal_",
    )
} | {"sparse_": lambda t, generator=None: init.sparse_(t, 0.3, generator=generator)}  # fmt: skip


def filled(name: str, shape: tuple[int, ...] = BIG, **kw: Any) -> np.ndarray:
    t = Tensor(np.full(shape, math.nan))
    assert getattr(init, name)(t, **kw) is t
    return t.array


# ---- distributions --------------------------------------------------------------------------

FANS = 200, 300  # what a weight of shape (300, 200) has


@pytest.mark.parametrize(
    ("name", "kw", "bound"),
    [
        ("uniform_", {"a": -3.0, "b": 3.0}, 3.0),
        ("xavier_uniform_", {}, math.sqrt(6 / sum(FANS))),
        ("xavier_uniform_", {"gain": 2.0}, 2 * math.sqrt(6 / sum(FANS))),
        ("kaiming_uniform_", {}, math.sqrt(6 / FANS[0])),
        ("kaiming_uniform_", {"a": math.sqrt(5)}, 1 / math.sqrt(FANS[0])),
        ("kaiming_uniform_", {"mode": "fan_out"}, math.sqrt(6 / FANS[1])),
        ("kaiming_uniform_", {"nonlinearity": "linear"}, math.sqrt(3 / FANS[0])),
    ],
)
def test_uniform_weights_fill_their_bounds(name: str, kw: dict[str, Any], bound: float) -> None:
    manual_seed(0)
    w = filled(name, **kw)
    assert bound * 0.999 < np.abs(w).max() <= bound
    assert w.std() == pytest.approx(bound / math.sqrt(3), rel=0.02)
    assert abs(w.mean()) < 0.02 * bound


@pytest.mark.parametrize(
    ("name", "kw", "std"),
    [
        ("normal_", {}, 1.0),
        ("normal_", {"std": 0.2}, 0.2),
        ("xavier_normal_", {}, math.sqrt(2 / sum(FANS))),
        ("kaiming_normal_", {}, math.sqrt(2 / FANS[0])),
        (
            "kaiming_normal_",
            {"mode": "fan_out", "nonlinearity": "tanh"},
            5 / 3 / math.sqrt(FANS[1]),
        ),
    ],
)
def test_normal_weights_have_their_std(name: str, kw: dict[str, Any], std: float) -> None:
    manual_seed(0)
    w = filled(name, **kw) / std
    assert w.std() == pytest.approx(1, rel=0.02)
    assert abs(w.mean()) < 0.02
    assert (w**4).mean() == pytest.approx(3, rel=0.1)  # a uniform one has 1.8


def test_normal_has_a_mean() -> None:
    assert filled("normal_", mean=5.0, std=0.1).mean() == pytest.approx(5, abs=0.01)


def test_convolution_like_weights_count_the_receptive_field() -> None:
    manual_seed(0)
    assert filled("kaiming_normal_", (64, 8, 5, 5)).std() == pytest.approx(
        math.sqrt(2 / 200), rel=0.02
    )


@pytest.mark.parametrize(
    ("mean", "std", "a", "b"),
    [
        (0, 1, -2, 2), (0, 1, 0.5, 0.6), (0, 1, 4, math.inf), (1, 3, -math.inf, -8),
        (0, 0.02, -2, 2), (2, 1, -math.inf, math.inf),
    ],
)  # fmt: skip
def test_truncated_normal_has_the_right_moments(mean: Any, std: Any, a: Any, b: Any) -> None:
    stats = pytest.importorskip("scipy.stats")
    manual_seed(0)
    w = filled("trunc_normal_", mean=mean, std=std, a=a, b=b)
    law = stats.truncnorm((a - mean) / std, (b - mean) / std, mean, std)
    assert w.min() >= a
    assert w.max() <= b
    assert w.mean() == pytest.approx(law.mean(), abs=4 * law.std() / math.sqrt(w.size))
    assert w.std() == pytest.approx(law.std(), rel=0.02)
    assert stats.kstest(w.ravel(), law.cdf).pvalue > 1e-4


def test_truncated_normal_stays_inside_in_float32_too() -> None:
    t = Tensor(np.zeros(1000, np.float32))
    init.trunc_normal_(t, mean=0.1, std=5, a=-0.1, b=0.3)
    assert np.float32(-0.1) <= t.array.min()
    assert t.array.max() <= np.float32(0.3)
    assert init.trunc_normal_(Tensor(np.zeros(0))).shape == (0,)


@pytest.mark.parametrize("shape", [(5, 5), (3, 7), (7, 3), (4, 2, 3)])
def test_orthogonal_rows_or_columns(shape: tuple[int, ...]) -> None:
    w = filled("orthogonal_", shape, gain=2).reshape(shape[0], -1)
    w = w if w.shape[0] <= w.shape[1] else w.T
    np.testing.assert_allclose(w @ w.T, 4 * np.eye(len(w)), atol=1e-12)


def test_orthogonal_signs_are_random() -> None:
    manual_seed(0)
    corners = [filled("orthogonal_", (3, 3))[0, 0] for _ in range(200)]
    assert 60 < np.sum(np.array(corners) > 0) < 140


def test_sparse_columns() -> None:
    manual_seed(0)
    w = filled("sparse_", (1000, 10), sparsity=0.25, std=2.0)
    assert ((w == 0).sum(axis=0) == 250).all()
    assert w[w != 0].std() == pytest.approx(2, rel=0.03)


def test_constants() -> None:
    assert (filled("constant_", val=3) == 3).all()
    assert (filled("ones_") == 1).all()
    assert (filled("zeros_") == 0).all()
    np.testing.assert_array_equal(filled("eye_", (2, 3)), np.eye(2, 3))


# ---- in place -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", RANDOM)
def test_filling_keeps_memory_layout_and_dtype(name: str) -> None:
    p = Parameter(np.zeros((4, 3), np.float32, order="F"))
    data = p.array
    assert RANDOM[name](p) is p
    assert p.array is data
    assert data.flags.fnc
    assert p.is_leaf
    assert p.requires_grad


@pytest.mark.parametrize("name", RANDOM)
def test_numbers_come_from_the_generator(name: str) -> None:
    fill = RANDOM[name]
    a, b = Tensor(np.zeros((4, 3))), Tensor(np.zeros((4, 3)))
    fill(a, generator=np.random.default_rng(7))
    fill(b, generator=np.random.default_rng(7))
    np.testing.assert_array_equal(a.array, b.array)
    manual_seed(7)
    fill(b)
    np.testing.assert_array_equal(a.array, b.array)
    fill(b)
    assert not (a.array == b.array).all()


def test_filling_is_detected_by_a_backward_that_needs_the_old_values() -> None:
    w = Parameter([1.0, 2.0])
    loss = (w * w).sum()
    init.zeros_(w)
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


# ---- gains and errors -----------------------------------------------------------------------


def test_gains_equal_torch(torch: Any) -> None:
    theirs = torch.nn.init.calculate_gain
    for name in ("linear", "conv1d", "conv2d", "conv3d", "sigmoid", "tanh", "relu", "selu"):
        assert init.calculate_gain(name) == pytest.approx(theirs(name), rel=1e-15)
    for slope in (None, 0, 0.2, math.sqrt(5)):
        ours = init.calculate_gain("leaky_relu", slope)
        assert ours == pytest.approx(theirs("leaky_relu", slope), rel=1e-15)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda t: init.calculate_gain("swish"), "calculate_gain: 'swish' is not known; use 'lea"),
        (
            lambda t: init.xavier_uniform_(t),
            "xavier_uniform_: a tensor of shape (3,) has no fan in",
        ),
        (lambda t: init.xavier_normal_(t), "xavier_normal_: a tensor of shape (3,) has no fan in"),
        (
            lambda t: init.kaiming_normal_(t),
            "kaiming_normal_: a tensor of shape (3,) has no fan in",
        ),
        (lambda t: init.orthogonal_(t), "orthogonal_: a tensor of shape (3,) has no fan in"),
        (lambda t: init.eye_(t), "eye_: only for matrices, this tensor has shape (3,)"),
        (lambda t: init.sparse_(t, 0.1), "sparse_: only for matrices, this tensor has shape (3,)"),
        (
            lambda t: init.sparse_(t.reshape(1, 3), 1.1),
            "sparse_: sparsity is a fraction from 0 to 1, got 1.1",
        ),
        (
            lambda t: init.kaiming_uniform_(t.reshape(1, 3), mode="fan"),
            "kaiming_uniform_: mode is 'fan_in' or 'fan_out', got 'fan'",
        ),
        (
            lambda t: init.trunc_normal_(t, a=2, b=2),
            "trunc_normal_: needs std > 0 and a < b, got std=1.0, a=2, b=2",
        ),
        (lambda t: init.trunc_normal_(t, std=0), "trunc_normal_: needs std > 0"),
    ],
)
def test_errors_leave_the_tensor(call: Callable[[Tensor], Any], text: str) -> None:
    t = Tensor(np.array([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match=re.escape(text)):
        call(t)
    assert t.tolist() == [1, 2, 3]


def test_empty_weights_are_fine() -> None:
    for name in ("xavier_uniform_", "xavier_normal_", "kaiming_uniform_", "kaiming_normal_"):
        assert getattr(init, name)(Tensor(np.zeros((0, 0)))).shape == (0, 0)
    assert nn.Linear(0, 3).bias.shape == (3,)
