"""Corners of values and gradients: infinities, overflow, what is empty, constant or not ours."""

from __future__ import annotations

import contextlib
import io
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, grad, tensor
from nn import functional as F
from tests.structure import ROOT

INF, NAN = np.inf, np.nan


def made(*values: Any, dtype: str = "f8") -> Tensor:
    return Tensor(np.array(values, dtype), requires_grad=True)


def slopes(f: Callable[..., Tensor], *xs: Tensor) -> list[Any]:
    return [g.tolist() for g in grad(f(*xs).sum(), xs)]


def second(f: Callable[..., Tensor], *xs: Tensor) -> list[Any]:
    first = grad(f(*xs).sum(), xs, create_graph=True)
    return [g.tolist() for g in grad(sum(g.sum() for g in first), xs)]


# ---- losses -------------------------------------------------------------------------------------


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, [1.0, 2.0]])
def test_an_ignored_row_may_hold_infinities(smoothing: float, weight: Any) -> None:
    def loss(x: Tensor, t: Any, reduction: str = "mean") -> Tensor:
        w = None if weight is None else np.array(weight)
        return F.cross_entropy(x, np.array(t), w, label_smoothing=smoothing, reduction=reduction)

    masked, alone = made([-INF, 1.0], [1.0, 2.0]), made([1.0, 2.0])
    assert loss(masked, [-100, 0]).item() == loss(alone, [0]).item()
    assert loss(masked, [-100, 0], "none").tolist()[0] == 0
    (g,) = slopes(lambda x: loss(x, [-100, 0]), masked)
    assert g == [[0, 0], slopes(lambda x: loss(x, [0]), alone)[0][0]]


def test_nll_of_an_ignored_row_of_infinities() -> None:
    x = made([-INF, -INF], [-1.0, -2.0])
    assert F.nll_loss(x, np.array([-100, 1])).item() == 2
    assert slopes(lambda x: F.nll_loss(x, np.array([-100, 1])), x) == [[[0, 0], [0, -1]]]


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_binary_cross_entropy_of_certainty_as_pytorch(p: float) -> None:
    sign = 1 - 2 * p
    (_, dt) = slopes(F.binary_cross_entropy, made(p), made(p))
    assert dt == [sign * INF]
    with np.errstate(divide="ignore"):
        dx, _ = second(F.binary_cross_entropy, made(p), made(p))
    assert dx == [-INF]


# ---- powers, sums, products ---------------------------------------------------------------------


def test_the_second_derivative_of_a_power_is_symmetric_at_zero() -> None:
    h = ag.hessian(lambda a, b: (a**b).sum(), (made(2.0), made(0.0)))
    assert h[0][1].item() == h[1][0].item() == 0.5
    assert h[0][0].item() == 0


def test_a_power_of_zero_is_flat_where_an_infinite_gradient_arrives() -> None:
    x = made(0.0, 2.0)
    (x**0).backward(np.array([INF, INF]))
    assert x.grad is not None and x.grad.tolist() == [0, 0]
    assert second(lambda x: x**0, x) == [[0, 0]]


def test_logaddexp_of_infinities() -> None:
    a, b = made(INF, 1.0, -INF, 2.0), made(1.0, INF, -INF, -INF)
    da, db = grad(ag.logaddexp(a, b), (a, b), np.ones(4))
    assert da.tolist() == [1, 0, 1, 1] and db.tolist() == [0, 1, 1, 0]


def test_a_product_that_overflows_beside_zeros() -> None:
    x = made(1e30, 1e30, 0.0, 0.0, dtype="f4")
    with np.errstate(all="ignore"):
        assert slopes(ag.prod, x) == [[0, 0, 0, 0]]
        (g,) = slopes(ag.prod, made(INF, 0.0, 2.0))
    assert np.isnan(g[2]) and g[0] == 0  # what was infinite before stays so


@pytest.mark.parametrize("name", ["var", "std"])
def test_the_correction_of_a_variance(name: str) -> None:
    f = getattr(ag, name)
    x = made(1.0, 3.0)
    power = 1 if name == "var" else 0.5
    assert f(x, correction=0.5).item() == pytest.approx((2 / 1.5) ** power)
    assert f(x, correction=-1).item() == pytest.approx((2 / 3) ** power)
    with np.errstate(all="ignore"):
        assert f(x, correction=2).item() == f(x, correction=3).item() == INF
        assert np.isnan(f(made()).item()) and np.isnan(f(made(1.0)).item())


def test_float16_is_averaged_in_float32() -> None:
    ones = made(*[1.0] * 70_000, dtype="f2")
    y = ones.mean()
    y.backward()
    assert y.item() == 1 and y.dtype == np.float16
    assert ones.grad is not None and ones.grad.dtype == np.float16
    assert ones.grad.array[0] == np.float16(1 / 70_000)
    large = made(*[300.0, -300.0] * 500, dtype="f2")
    assert large.norm().item() == np.float16(300 * 1000**0.5)
    assert large.std(correction=0).item() == 300
    with np.errstate(over="ignore"):
        assert large.var(correction=0).item() == INF


# ---- steps, and derivatives that are constant ---------------------------------------------------


@pytest.mark.parametrize(
    "f", [ag.floor, ag.ceil, ag.round, ag.sign, ag.trunc, np.floor, np.rint, np.sign, np.round]
)
def test_a_step_is_recorded_and_flat(f: Any) -> None:
    x = made(1.5, -2.5)
    y = f(x)
    plain = getattr(np, f.__name__)(x.array)
    assert y.requires_grad and y.tolist() == plain.tolist()
    y.backward(np.array([INF, 1.0]))
    assert x.grad is not None and x.grad.tolist() == [0, 0]
    assert second(lambda x: f(x), x) == [[0, 0]]


@pytest.mark.parametrize(
    "f",
    [
        ag.abs, ag.relu, F.leaky_relu, F.hardtanh, lambda x: x.clamp(-1, 1), lambda x: x * 2,
        lambda x: x.sum(), lambda x: ag.maximum(x, 0.5), lambda x: x[:1], lambda x: x.reshape(2, 1),
    ],
)  # fmt: skip
def test_a_constant_derivative_has_a_derivative(f: Any) -> None:
    assert second(f, made(1.5, -2.5)) == [[0, 0]]


def test_a_gradient_penalty_of_a_piecewise_linear_net() -> None:
    ag.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
    x = made([0.1, 0.2, 0.3], dtype="f4")
    (g,) = grad(model(x).sum(), x, create_graph=True)
    ((g.norm() - 1) ** 2).backward()
    weights = [p for name, p in model.named_parameters() if "weight" in name]
    assert all(p.grad is not None and p.grad.array.any() for p in weights)


def test_a_penalty_on_the_gradient_of_a_sum_runs() -> None:
    x = made(1.0, 2.0)
    x.sum().backward(create_graph=True)
    assert x.grad is not None
    penalty, x.grad = (x.grad**2).sum(), None
    penalty.backward()
    assert x.grad.tolist() == [0, 0]


def test_the_second_slope_of_elu_at_zero_is_zero_as_in_pytorch() -> None:
    assert second(F.elu, made(0.0, -0.0, 1.0))[0] == [0, 0, 0]


# ---- what needs no gradient ---------------------------------------------------------------------


def test_numpys_functions_take_tensors_that_need_no_gradient() -> None:
    t = tensor([3.0, 1.0, 1.0])
    file = io.BytesIO()
    np.save(file, t)
    file.seek(0)
    assert np.load(file).tolist() == [3, 1, 1]
    np.savetxt(io.StringIO(), t)
    np.savez(io.BytesIO(), t=t)
    assert np.unique(t).tolist() == [1, 3]
    assert np.histogram(t, bins=2)[0].tolist() == [2, 1]
    assert np.bincount(t.long()).tolist() == [0, 2, 0, 1]
    assert np.nextafter(t, t + 1).shape == (3,)
    assert isinstance(np.cov(t, tensor([1.0, 2.0, 4.0])), Tensor)


@pytest.mark.parametrize("f", [np.unique, lambda t: np.save(io.BytesIO(), t), np.spacing])
def test_with_a_gradient_they_say_that_there_is_no_rule(f: Any) -> None:
    with pytest.raises(TypeError, match="no derivative rule"):
        f(made(1.0, 2.0))


@pytest.mark.parametrize("f", [lambda t: np.copyto(t, 1.0), lambda t: np.fill_diagonal(t, 0)])
def test_none_of_them_writes_into_a_tensor(f: Any) -> None:
    t = tensor([[1.0, 2.0], [3.0, 4.0]])
    with pytest.raises(TypeError):
        f(t)
    assert t.tolist() == [[1, 2], [3, 4]]


# ---- errors -------------------------------------------------------------------------------------


class Elsewhere:
    """Named like a tensor of torch."""

    def detach(self) -> None: ...


Elsewhere.__name__, Elsewhere.__module__ = "Tensor", "torch"
ACROSS = r"torch\.Tensor \(Tensor\(t\.detach\(\)\.numpy\(\)\) shares its memory\)"
OTHERS: dict[str, Callable[[Any], Any]] = {
    "a parameter": lambda t: setattr(nn.Linear(1, 1), "weight", t),
    "a buffer": lambda t: nn.Linear(1, 1).register_buffer("b", t),
    "an optimiser": lambda t: nn.optim.SGD([t], lr=0.1),
    "derive": ag.derive,
    "draw": ag.draw,
    "a function": lambda t: grad(lambda x: t)(tensor(1.0)),
    "a compiled function": lambda t: ag.compile(lambda: t, nn.optim.SGD([made(1.0)], 0.1))(),
    "compare": lambda t: ag.compare(t, {}),
}


@pytest.mark.parametrize("what", OTHERS)
def test_a_tensor_of_torch_is_called_so(what: str) -> None:
    with pytest.raises((TypeError, RuntimeError), match=ACROSS):
        OTHERS[what](Elsewhere())


def test_the_gradient_of_a_leaf_may_not_be_torchs() -> None:
    x = made(1.0)
    x.grad = Elsewhere()  # type: ignore[assignment]
    with pytest.raises(TypeError, match=ACROSS):
        x.sum().backward()


@pytest.mark.parametrize("f", [lambda t: t * None, lambda t: None - t, lambda t: t**None])
def test_none_is_called_none(f: Any) -> None:
    with pytest.raises(TypeError, match=r"an input is None, not a tensor.*before backward"):
        f(made(1.0))


def test_axes_of_what_has_none_and_several_at_once() -> None:
    assert tensor(1.0).transpose(0, 0).shape == tensor(1.0).transpose(0, -1).shape == ()
    m = np.arange(6.0).reshape(2, 3)
    t = tensor(m)
    for shifts, axes in (((1, 1), (0, 1)), (1, (0, 1)), ((2,), 1), ((1,), (0,))):
        assert t.roll(shifts, axes).tolist() == np.roll(m, shifts, axes).tolist()
        assert np.roll(t, shifts, axes).tolist() == np.roll(m, shifts, axes).tolist()
    with pytest.raises(ValueError, match=r"roll: shifts \(1, 2\) for the axes"):
        t.roll((1, 2), 0)


def test_decorators_without_brackets() -> None:
    @ag.no_grad
    def f(x: Tensor) -> Tensor:
        """Twice."""
        return x * 2

    assert not f(made(1.0)).requires_grad and f.__doc__ == "Twice."
    with ag.no_grad():
        assert ag.enable_grad(lambda x: x * 2)(made(1.0)).requires_grad
    with ag.set_grad_enabled(False):
        assert not ag.is_grad_enabled()


def test_batch_norm_that_keeps_no_statistics_does_not_recommend_eval() -> None:
    layer = nn.BatchNorm1d(3, track_running_stats=False).eval()
    with pytest.raises(ValueError, match="need two or more") as caught:
        layer(tensor(np.ones((1, 3))))
    assert "eval" not in str(caught.value)


def test_clipping_a_generator_that_was_used_up_warns() -> None:
    model = nn.Linear(2, 1)
    parameters = model.parameters()
    list(parameters)
    with pytest.warns(UserWarning, match=r"gives no parameters.*model\.parameters\(\)"):
        nn.optim.clip_grad_norm_(parameters, 1.0)
    with warnings.catch_warnings(action="error"):
        nn.optim.clip_grad_norm_([], 1.0)
        nn.optim.clip_grad_norm_(model.parameters(), 1.0)


@pytest.mark.parametrize("f", [ag.hessian, ag.jacobian])
def test_a_second_input_is_no_option(f: Any) -> None:
    x = made(1.0, 2.0)
    with pytest.raises(TypeError, match=rf"{f.__name__}\(f, \(x, y\)\)"):
        f(lambda x, y: (x * y).sum(), x, x)


def test_an_anomaly_comes_before_numpys_warning() -> None:
    x = made(4.0, 0.0)
    with warnings.catch_warnings(action="error"):
        with ag.detect_anomaly(), pytest.raises(ag.AnomalyError, match="sqrt, backward: inf"):
            x.sqrt().sum().backward()
        with ag.detect_anomaly(), pytest.raises(ag.AnomalyError, match="log, forward: -inf"):
            x.log()
        with pytest.raises(RuntimeWarning):  # as before
            np.log(np.zeros(1))


# ---- modules by file ----------------------------------------------------------------------------


def test_an_nn_of_the_user_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "nn.py").write_text("SCALE = 3\n\ndef scaled(x):\n    return (x * SCALE).sum()\n")
    code = (
        "import numpy as np, autograd_lite as ag, nn\n"
        "w = ag.tensor(np.ones(2), requires_grad=True)\n"
        "step = ag.compile(lambda: nn.scaled(w))\n"
        "print(step().item(), step().item())\n"
        "nn.SCALE = 15\n"
        "print(step().item())\n"
        "with ag.origin.record_lines():\n"
        "    y = nn.scaled(w)\n"
        "print(ag.origin.origin_of(y))\n"
    )
    command = [sys.executable, "-W", "error", "-c", code]
    env = {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    done = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert done.stdout.startswith("6.0 6.0\n30.0\n"), done.stdout + done.stderr
    assert "nn.py:4 in scaled" in done.stdout


# ---- keywords of PyTorch's samples --------------------------------------------------------------

M = np.array([[3.0, 1.0, 2.0, 5.0], [0.5, -1.0, 4.0, 2.5]])


@pytest.mark.parametrize("n", [0, 1, 2])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_diff_with_what_is_put_before_and_after(n: int, axis: int) -> None:
    ends = {"prepend": 7.0, "append": M[:1] if axis == 0 else M[:, :2]}
    x = made(*M.tolist())
    y = ag.diff(x, n, axis, ends["prepend"], Tensor(ends["append"]))
    assert y.tolist() == np.diff(M, n, axis, **ends if n else {}).tolist()
    assert ag.gradcheck(lambda a, b: ag.diff(a, n, axis, append=b), (x, Tensor(ends["append"])))


@pytest.mark.parametrize("way", ["linear", "lower", "higher", "midpoint", "nearest"])
@pytest.mark.parametrize("q", [0.0, 0.3, 1.0, [0.25, 0.75]])
def test_quantiles_between_elements(way: str, q: Any) -> None:
    for axis in (None, 0, 1):
        y = ag.quantile(made(*M.tolist()), q, axis, interpolation=way)
        assert np.allclose(y.array, np.quantile(M, q, axis, method=way))
    share = made(0.25, 0.7)
    assert ag.gradcheck(lambda x, q: ag.quantile(x, q, 1), (made(*M.tolist()), share))


@pytest.mark.parametrize(
    ("mode", "word"), [("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap")]
)
def test_frames_of_elements(mode: str, word: str) -> None:
    x = made(*M.tolist())
    y = F.pad(x, (1, 2), mode)
    assert y.tolist() == np.pad(M, ((0, 0), (1, 2)), word).tolist()
    assert ag.gradcheck(lambda x: F.pad(x, (2, 1), mode), x)
    with (
        pytest.raises(ValueError, match="is too wide for axis 1 of 4")
        if mode != "replicate"
        else (contextlib.nullcontext())
    ):
        F.pad(x, (5, 0), mode)


def test_functions_that_give_floats_of_integers() -> None:
    assert ag.erf(tensor([0, 1])).tolist() == pytest.approx([0, 0.8427008])
    assert ag.erf(tensor([1])).dtype == np.float32
    assert ag.copysign(tensor([2]), tensor([-1])).tolist() == [-2]
    assert ag.copysign(tensor([2]), tensor([-1])).dtype == np.float32
    assert ag.heaviside(tensor([-1, 0, 3]), tensor([7])).tolist() == [0, 7, 1]
    assert ag.heaviside(tensor([-1, 0, 3]), tensor([7])).dtype == np.int64


def test_0_d_and_empty_tensors_where_pytorch_takes_them() -> None:
    t = made(2.0).reshape(())
    assert ag.gather(t, 0, tensor([0])).tolist() == [2]
    assert ag.gather(made(1.0), 0, np.zeros((2, 0), int)).shape == (2, 0)
    assert t.logcumsumexp(0).item() == t.logsumexp((0,)).item() == 2
    assert ag.cat([made(), made([1.0], [2.0])], 1).tolist() == [[1], [2]]
    assert t.index_add(0, tensor([0]), made(3.0)).item() == 5
    assert (
        t.index_fill(0, tensor([0]), 4.0).item() == t.index_copy(0, tensor([0]), made(4.0)).item()
    )
    assert grad(t.logcumsumexp(0), t)[0].item() == 1
