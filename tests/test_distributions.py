"""`distributions`: PyTorch's values and gradients; samples have the moments that they should."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor, allclose, compile, distributions, manual_seed, tensor, where
from autograd_lite.autograd import grad as grad_of

RNG = np.random.default_rng(0)
LOC, SCALE = RNG.standard_normal((2, 3)), RNG.uniform(0.5, 2, (2, 3))
COUNTS = np.array([[0.0, 3, 5], [2, 1, 0]])
PROBS, LOGITS = RNG.uniform(0.1, 0.9, (2, 3)), RNG.standard_normal((2, 3))
FACTOR = np.tril(RNG.standard_normal((2, 3, 3)), -1) + np.eye(3) * 1.5
COVARIANCE = FACTOR @ FACTOR.mT

MAKE: dict[str, tuple[Any, tuple[Any, ...], Any]] = {
    "Normal": (lambda d, a, b: d.Normal(a, b), (LOC, SCALE), LOC + 0.3),
    "Normal broadcast": (lambda d, a, b: d.Normal(a, b), (LOC, SCALE[0]), RNG.random((4, 2, 3))),
    "Normal number": (lambda d, a: d.Normal(a, 2.0), (LOC,), LOC),
    "Uniform": (lambda d, a, b: d.Uniform(a, a + b), (LOC, SCALE), LOC + 0.3),
    "Laplace": (lambda d, a, b: d.Laplace(a, b), (LOC, SCALE), LOC + 0.3),
    "Exponential": (lambda d, b: d.Exponential(b), (SCALE,), SCALE + 0.3),
    "LogNormal": (lambda d, a, b: d.LogNormal(a, b), (LOC, SCALE / 4), SCALE),
    "OneHot": (lambda d, p: d.OneHotCategorical(p), (PROBS,), np.eye(3)[[2, 0]]),
    "Bernoulli": (lambda d, p: d.Bernoulli(p), (PROBS,), (PROBS > 0.5) * 1.0),
    "Bernoulli logits": (lambda d, x: d.Bernoulli(logits=x), (LOGITS,), (LOGITS > 0) * 1.0),
    "Categorical": (lambda d, p: d.Categorical(p), (PROBS,), np.array([2, 0])),
    "Categorical logits": (
        lambda d, x: d.Categorical(logits=x),
        (LOGITS,),
        RNG.integers(0, 3, (4, 2)),
    ),
    "MultivariateNormal": (
        lambda d, a, b: d.MultivariateNormal(a, b),
        (LOC, COVARIANCE),
        RNG.standard_normal((4, 2, 3)),
    ),
    "MultivariateNormal factor": (
        lambda d, a, b: d.MultivariateNormal(a, scale_tril=b),
        (LOC[0], FACTOR),
        LOC,
    ),
    "MultivariateNormal precision": (
        lambda d, a, b: d.MultivariateNormal(a, precision_matrix=b),
        (LOC, COVARIANCE[0]),
        LOC + 1,
    ),
    "Independent": (
        lambda d, a, b: d.Independent(d.Normal(a, b), 1),
        (LOC, SCALE),
        RNG.random((4, 2, 3)),
    ),
    "Gamma": (lambda d, a, b: d.Gamma(a, b), (SCALE * 2, SCALE), SCALE + 0.3),
    "Chi2": (lambda d, a: d.Chi2(a), (SCALE * 5,), SCALE + 0.3),
    "Beta": (lambda d, a, b: d.Beta(a, b), (SCALE, SCALE[0] + 0.1), PROBS),
    "Dirichlet": (lambda d, a: d.Dirichlet(a), (SCALE,), PROBS / PROBS.sum(-1, keepdims=True)),
    "StudentT": (lambda d, n, a, b: d.StudentT(n, a, b), (SCALE + 4, LOC, SCALE), LOC + 0.3),
    "Cauchy": (lambda d, a, b: d.Cauchy(a, b), (LOC, SCALE), LOC + 0.3),
    "HalfNormal": (lambda d, b: d.HalfNormal(b), (SCALE,), SCALE + 0.3),
    "HalfCauchy": (lambda d, b: d.HalfCauchy(b), (SCALE,), SCALE + 0.3),
    "Gumbel": (lambda d, a, b: d.Gumbel(a, b), (LOC, SCALE), LOC + 0.3),
    "Geometric": (lambda d, p: d.Geometric(p), (PROBS,), COUNTS),
    "Binomial": (lambda d, p: d.Binomial(9, p), (PROBS,), COUNTS),
    "Binomial logits": (lambda d, x: d.Binomial(9, logits=x), (LOGITS,), COUNTS),
    "Multinomial": (lambda d, p: d.Multinomial(5, p), (PROBS,), np.array([[1.0, 4, 0], [2, 2, 1]])),
    "Poisson": (lambda d, b: d.Poisson(b), (SCALE,), COUNTS),
}
ENDLESS = {"Cauchy", "HalfCauchy"}  # have no moments


def both(name: str, dtype: str = "float64") -> tuple[Any, Any, list[Any], list[Any]]:
    torch = pytest.importorskip("torch")
    make, arrays, _ = MAKE[name]
    ours = [tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    return make(distributions, *ours), make(torch.distributions, *theirs), ours, theirs


def same(
    mine: Any, judge: Any, ours: list[Any], theirs: list[Any], tolerance: float = 1e-9
) -> None:
    """Equal values, and equal gradients of a sum."""
    np.testing.assert_allclose(
        mine.detach().numpy(), judge.detach().numpy(), rtol=tolerance, atol=tolerance
    )
    assert str(mine.dtype) == str(judge.dtype).removeprefix("torch.")
    if not judge.requires_grad:
        assert not mine.requires_grad
        return
    for x in (*ours, *theirs):
        x.grad = None
    weights = np.random.default_rng(1).standard_normal(mine.shape).astype(mine.dtype)
    weights[~np.isfinite(mine.detach().numpy())] = 0
    import torch

    (where(np.isfinite(mine.detach().numpy()), mine, 0) * weights).sum().backward(retain_graph=True)
    kept = torch.where(judge.isfinite(), judge, 0)
    (kept * torch.tensor(weights)).sum().backward(retain_graph=True)
    for x, z in zip(ours, theirs, strict=True):
        if z.grad is None:
            assert x.grad is None or not x.grad.array.any()
        else:
            found = np.zeros(x.shape) if x.grad is None else x.grad.numpy()
            np.testing.assert_allclose(found, z.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", MAKE)
def test_log_prob_and_entropy_are_pytorchs(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")

    mine, judge, ours, theirs = both(name, dtype)
    value = MAKE[name][2]
    value = value.astype(dtype) if value.dtype.kind == "f" else value
    exact = 1e-9 if name != "Multinomial" else 1e-7  # PyTorch has log(n!) in float32
    tolerance = exact if dtype == "float64" else 2e-4
    assert mine.batch_shape == tuple(judge.batch_shape)
    assert mine.event_shape == tuple(judge.event_shape)
    assert mine.has_rsample == judge.has_rsample
    same(mine.log_prob(tensor(value)), judge.log_prob(torch.tensor(value)), ours, theirs, tolerance)
    if name == "Poisson":  # which has none there either
        return
    same(mine.entropy(), judge.entropy(), ours, theirs, tolerance)
    if name != "Independent":
        same(mine.perplexity(), judge.perplexity(), ours, theirs, tolerance * 10)


@pytest.mark.parametrize("name", MAKE)
def test_moments_are_pytorchs(name: str) -> None:
    mine, judge, ours, theirs = both(name)
    for what in ("mean", "variance", "stddev"):
        found, expected = getattr(mine, what), getattr(judge, what)
        if "Categorical" in name:
            assert np.isnan(found.numpy()).all() and found.shape == tuple(expected.shape)
        else:
            same(found, expected, ours, theirs)


@pytest.mark.parametrize("what", ["cdf", "probs", "logits", "mode", "matrices"])
def test_the_rest_is_pytorchs(what: str) -> None:
    torch = pytest.importorskip("torch")

    if what == "cdf":
        for name in ("Normal", "Uniform", "Cauchy", "HalfNormal", "HalfCauchy"):
            mine, judge, ours, theirs = both(name)
            value = np.abs(LOC + 0.2)
            same(mine.cdf(tensor(value)), judge.cdf(torch.tensor(value)), ours, theirs)
    elif what == "matrices":
        for name in MAKE:
            if name.startswith("Multiv"):
                mine, judge, ours, theirs = both(name)
                same(mine.covariance_matrix, judge.covariance_matrix, ours, theirs)
                same(mine.precision_matrix, judge.precision_matrix, ours, theirs, 1e-7)
    else:
        for name in ("Bernoulli", "Bernoulli logits", "Categorical", "Categorical logits"):
            mine, judge, ours, theirs = both(name)
            if what != "mode" or name.startswith("Cat"):
                same(getattr(mine, what), getattr(judge, what), ours, theirs)


def pairs() -> dict[str, Any]:
    return {
        "Normal": lambda d, a, b: (d.Normal(a, b), d.Normal(b, b + 1)),
        "Uniform": lambda d, a, b: (d.Uniform(a, a + b), d.Uniform(a - 1, a + b + 1)),
        "Uniform outside": lambda d, a, b: (d.Uniform(a, a + b), d.Uniform(a + 0.1, a + b + 1)),
        "Bernoulli": lambda d, a, b: (d.Bernoulli(b / 3), d.Bernoulli(logits=a)),
        "Categorical": lambda d, a, b: (d.Categorical(b), d.Categorical(logits=a)),
        "MultivariateNormal": lambda d, a, b: (
            d.MultivariateNormal(a, b[..., None] * b[..., None, :] * 0.1 + EYE(d)),
            d.MultivariateNormal(b, EYE(d) * 2),
        ),
        "Laplace": lambda d, a, b: (d.Laplace(a, b), d.Laplace(b, b + 1)),
        "Exponential": lambda d, a, b: (d.Exponential(b), d.Exponential(b + 1)),
        "Gamma": lambda d, a, b: (d.Gamma(b, b + 1), d.Gamma(b + 1, b)),
        "Beta": lambda d, a, b: (d.Beta(b, b + 1), d.Beta(b + 2, b)),
        "Dirichlet": lambda d, a, b: (d.Dirichlet(b), d.Dirichlet(b * 2 + 1)),
        "Poisson": lambda d, a, b: (d.Poisson(b), d.Poisson(b + 1)),
        "Geometric": lambda d, a, b: (d.Geometric(b / 3), d.Geometric(logits=a)),
        "Binomial": lambda d, a, b: (d.Binomial(4, b / 3), d.Binomial(4, logits=a)),
        "HalfNormal": lambda d, a, b: (d.HalfNormal(b), d.HalfNormal(b + 1)),
        "Independent": lambda d, a, b: (
            d.Independent(d.Normal(a, b), 1),
            d.Independent(d.Normal(b, b + 1), 1),
        ),
    }


def EYE(d: Any) -> Any:
    if d is distributions:
        return Tensor(np.eye(3))
    import torch

    return torch.eye(3, dtype=torch.float64)


@pytest.mark.parametrize("name", pairs())
def test_divergences_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours = [tensor(a, requires_grad=True) for a in (LOC, SCALE)]
    theirs = [torch.tensor(a, requires_grad=True) for a in (LOC, SCALE)]
    mine = distributions.kl_divergence(*pairs()[name](distributions, *ours))
    judge = torch.distributions.kl_divergence(*pairs()[name](torch.distributions, *theirs))
    same(mine, judge, ours, theirs, 1e-7)


@pytest.mark.parametrize("kind", ["Bernoulli", "Categorical"])
def test_divergences_where_a_probability_is_0(kind: str) -> None:
    torch = pytest.importorskip("torch")
    p = np.array([[0.0, 1.0], [1.0, 0.0], [0.5, 0.5]])
    for q in (np.full((3, 2), 0.5), np.array([[0.0, 1.0]] * 3)):
        mine = distributions.kl_divergence(
            *(getattr(distributions, kind)(tensor(a)) for a in (p, q))
        )
        judge = torch.distributions.kl_divergence(
            *(getattr(torch.distributions, kind)(torch.tensor(a)) for a in (p, q))
        )
        np.testing.assert_allclose(mine.numpy(), judge.numpy(), rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("name", MAKE)
def test_samples_have_the_moments(name: str) -> None:
    manual_seed(0)
    make, arrays, _ = MAKE[name]
    d = make(distributions, *[tensor(a, requires_grad=True) for a in arrays])
    x = d.sample((20_000,))
    assert x.shape == (20_000, *d.batch_shape, *d.event_shape)
    assert not x.requires_grad
    if name in ENDLESS:
        below = np.median(x.numpy(), 0)  # half of all
        np.testing.assert_allclose(d.cdf(tensor(below)).detach().numpy(), 0.5, atol=0.02)
    elif "Categorical" in name:
        shares = np.stack([(x.numpy() == k).mean(0) for k in range(3)], -1)
        np.testing.assert_allclose(shares, d.probs.detach().numpy(), atol=0.02)
        assert x.dtype == np.int64
    else:
        np.testing.assert_allclose(x.numpy().mean(0), d.mean.detach().numpy(), atol=0.08)
        np.testing.assert_allclose(x.numpy().var(0), d.variance.detach().numpy(), rtol=0.15)
    if "MultiV" in name:
        covariance = np.cov(x.numpy()[:, 0].T)
        np.testing.assert_allclose(covariance, d.covariance_matrix.detach().numpy()[0], atol=0.25)
    assert d.sample().shape == (*d.batch_shape, *d.event_shape)
    assert d.sample((2, 0)).shape == (2, 0, *d.batch_shape, *d.event_shape)


@pytest.mark.parametrize(
    "name", [n for n in MAKE if MAKE[n][0](distributions, *MAKE[n][1]).has_rsample]
)
def test_rsample_has_gradients(name: str) -> None:
    make, arrays, _ = MAKE[name]
    xs = [tensor(a, requires_grad=True) for a in arrays]
    make(distributions, *xs).rsample((5,)).sum().backward()
    assert all(x.grad is not None and x.grad.array.any() for x in xs[:1])


def test_a_policy_learns_and_a_compiled_loss_draws_anew() -> None:
    manual_seed(0)
    logits = tensor(np.zeros(3), requires_grad=True)
    for _ in range(200):
        policy = distributions.Categorical(logits=logits)
        action = policy.sample()
        reward = 1.0 if action.item() == 2 else 0.0
        logits.grad = None
        (-policy.log_prob(action) * (reward - 0.3)).backward()
        assert logits.grad is not None
        logits.data -= 0.5 * logits.grad
    assert logits.argmax().item() == 2
    loc = tensor(np.zeros(2), requires_grad=True)
    step = compile(lambda: distributions.Normal(loc, 1.0).rsample().sum())
    assert step().item() != step().item() and not step.why


def test_errors() -> None:
    d = distributions
    for call, text in [
        (lambda: d.Normal(0.0, -1.0), "Normal: scale needs numbers above 0, got"),
        (lambda: d.Normal(0.0, math.nan), "scale needs numbers above 0"),
        (lambda: d.Uniform(1.0, 1.0), "Uniform: high - low needs numbers above 0"),
        (lambda: d.Uniform(0.0, 1.0).log_prob(tensor(2.0)), "its value needs numbers from low"),
        (lambda: d.Bernoulli(1.5), "Bernoulli: probs needs numbers from 0 to 1"),
        (lambda: d.Bernoulli(0.5).log_prob(tensor(0.5)), "its value needs 0 or 1"),
        (lambda: d.Bernoulli(), "Bernoulli: give probs or logits, one of them"),
        (lambda: d.Bernoulli(0.5, 0.5), "give probs or logits"),
        (lambda: d.Categorical(tensor([-1.0, 2.0])), "Categorical: probs needs numbers from 0"),
        (lambda: d.Categorical(tensor([0.0, 0.0])), "the sum of probs needs to be above 0"),
        (lambda: d.Categorical(1.0), "one number for each class is needed"),
        (lambda: d.Categorical(tensor([0.5, 0.5])).log_prob(tensor(2)), "ints from 0 to 1"),
        (lambda: d.MultivariateNormal(tensor([0.0])), "give covariance_matrix, precision_matrix"),
        (
            lambda: d.MultivariateNormal(tensor([0.0]), Tensor(np.eye(2))),
            r"loc of shape \(1,\) and",
        ),
        (lambda: d.Independent(d.Normal(0.0, 1.0), 1), "Independent: 1 axes of an event"),
    ]:
        with pytest.raises(ValueError, match=text):
            call()
    assert d.Normal(0.0, -1.0, validate_args=False).scale.item() == -1
    with pytest.raises(NotImplementedError, match="rsample: values that are chosen have no grad"):
        d.Categorical(tensor([1.0])).rsample()
    with pytest.raises(NotImplementedError, match="no formula for Normal and Uniform; declare one"):
        d.kl_divergence(d.Normal(0.0, 1.0), d.Uniform(0.0, 1.0))
    shown = "MixtureSameFamily(\n  Categorical(probs: (2,)),\n  Normal(loc: (2,), scale: (2,)))"
    parts = d.Categorical(tensor([1.0, 1.0])), d.Normal(tensor([0.0, 1.0]), 1.0)
    assert repr(d.MixtureSameFamily(*parts)) == shown
    assert repr(d.Independent(d.Bernoulli(0.5), 0)) == "Independent(Bernoulli(probs: 0.5), 0)"


@pytest.mark.parametrize("name", MAKE)
def test_a_larger_batch_shape_has_pytorchs_values_and_gradients(name: str) -> None:
    torch = pytest.importorskip("torch")
    mine, judge, ours, theirs = both(name, "float64")
    more = (3, *mine.batch_shape)
    mine, judge = mine.expand(more), judge.expand(more)
    value = mine.sample((2,))
    assert mine.batch_shape == more and value.shape == tuple(judge.sample((2,)).shape)
    same(mine.log_prob(value), judge.log_prob(torch.tensor(value.array)), ours, theirs, 1e-7)


FEW = {
    "Bernoulli": [[0, 0], [1, 1]], "Categorical": [[0], [1]], "OneHotCategorical": [[[1, 0]], [[0, 1]]],
    "Binomial": [[0, 0], [1, 1], [2, 2]],
}  # fmt: skip


@pytest.mark.parametrize("name", FEW)
def test_few_values_are_listed(name: str) -> None:
    counts = (2,) if name == "Binomial" else ()
    p = tensor([0.2, 0.8]) if name in ("Bernoulli", "Binomial") else tensor([[0.2, 0.8]])
    one = getattr(distributions, name)(*counts, p)
    values = one.enumerate_support()
    assert values.tolist() == FEW[name] and one.has_enumerate_support
    assert values.dtype == ("int64" if name == "Categorical" else "float32")
    assert allclose(one.log_prob(values).exp().sum(0), np.ones(one.batch_shape, "float32"))
    assert one.enumerate_support(expand=False).shape[1:2] == (1,)
    for endless in (distributions.Geometric(0.5), distributions.Multinomial(2, p)):
        assert not endless.has_enumerate_support
        with pytest.raises(NotImplementedError, match="enumerate_support: its values are not so"):
            endless.enumerate_support()


MIXTURES: dict[str, tuple[Any, Any]] = {
    "Normal": (lambda d, a, b: d.Normal(a, b), RNG.standard_normal((4, 2))),
    "Independent": (lambda d, a, b: d.Independent(d.Normal(a, b), 1), RNG.standard_normal((4, 3))),
}


@pytest.mark.parametrize("name", MIXTURES)
def test_mixtures_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    make, value = MIXTURES[name]
    n = 3 if name == "Normal" else 2
    arrays = (LOGITS if name == "Normal" else LOGITS[:, 0], LOC, SCALE)
    ours = [tensor(a, requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a, requires_grad=True) for a in arrays]
    mine, judge = (
        d.MixtureSameFamily(d.Categorical(logits=logits), make(d, loc, scale))
        for d, (logits, loc, scale) in ((distributions, ours), (torch.distributions, theirs))
    )
    assert (mine.batch_shape, mine.event_shape) == (judge.batch_shape, judge.event_shape)
    for what in ("mean", "variance", "stddev"):
        same(getattr(mine, what), getattr(judge, what), ours, theirs)
    same(mine.log_prob(tensor(value)), judge.log_prob(torch.tensor(value)), ours, theirs)
    manual_seed(0)
    drawn = mine.sample((20_000,))
    assert drawn.shape == tuple(judge.sample((20_000,)).shape) and not drawn.requires_grad
    np.testing.assert_allclose(drawn.mean(0).numpy(), mine.mean.detach().numpy(), atol=0.06)
    with pytest.raises(ValueError, match=r"^MixtureSameFamily: parts of batch shape .*number of"):
        distributions.MixtureSameFamily(
            distributions.Categorical(logits=np.zeros(n + 1)), make(distributions, LOC, SCALE)
        )


# ---- transforms ----------------------------------------------------------------------------------

TRANSFORMS: dict[str, tuple[Any, Any]] = {
    "affine": (lambda d, b: [d.AffineTransform(0.5, -b)], LOC),
    "affine of vectors": (lambda d, b: [d.AffineTransform(b, 2.0, event_dim=1)], LOC),
    "exp": (lambda d, b: d.ExpTransform(), SCALE),
    "tanh": (lambda d, b: [d.TanhTransform(cache_size=1)], np.tanh(LOC)),
    "sigmoid": (lambda d, b: [d.AffineTransform(0.0, b), d.SigmoidTransform()], PROBS),
    "softplus": (lambda d, b: [d.transforms.SoftplusTransform()], SCALE),
    "power": (lambda d, b: [d.ExpTransform(), d.PowerTransform(2.0)], SCALE),
    "inverse": (lambda d, b: [d.ExpTransform(), d.ExpTransform().inv], LOC),
    "composed": (
        lambda d, b: [d.ComposeTransform([d.AffineTransform(b, 0.5), d.TanhTransform()])],
        np.tanh(LOC) / 2,
    ),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transformed_distributions_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    make, value = TRANSFORMS[name]
    found = []
    for d, t in ((distributions, tensor), (torch.distributions, torch.tensor)):
        a, b = t(LOC, requires_grad=True), t(SCALE, requires_grad=True)
        found.append((d.TransformedDistribution(d.Normal(a, b), make(d, b)), [a, b]))
    (mine, ours), (judge, theirs) = found
    assert (mine.batch_shape, mine.event_shape) == (judge.batch_shape, judge.event_shape)
    same(mine.log_prob(tensor(value)), judge.log_prob(torch.tensor(value)), ours, theirs)
    if name != "affine of vectors":
        same(mine.cdf(tensor(value)), judge.cdf(torch.tensor(value)), ours, theirs)
    drawn = mine.rsample((3,))
    assert mine.has_rsample and drawn.shape == (3, *mine.batch_shape, *mine.event_shape)
    (mine.log_prob(drawn.detach()) + drawn.sum()).sum().backward()
    assert not mine.sample().requires_grad


def test_a_transform_of_ones_own_and_a_cache() -> None:
    class Cube(distributions.transforms.Transform):
        domain = codomain = distributions.constraints.real

        def _call(self, x: Any) -> Any:
            return x**3

        def _inverse(self, y: Any) -> Any:
            return y.sign() * y.abs() ** (1 / 3)

        def log_abs_det_jacobian(self, x: Any, y: Any) -> Any:
            return math.log(3) + 2 * x.abs().log()

    cube, x = Cube(cache_size=1), tensor(np.array(2.0))
    y = cube(x)
    assert cube.inv(y) is x and cube(x) is y and cube.inv.inv is cube
    assert cube.inv.log_abs_det_jacobian(y, x).item() == pytest.approx(-math.log(12))
    with pytest.raises(ValueError, match="cache_size is 0 or 1"):
        Cube(cache_size=2)
    with pytest.raises(NotImplementedError, match=r"Transform\.log_abs_det_jacobian"):
        distributions.transforms.Transform().log_abs_det_jacobian(x, y)


@pytest.mark.parametrize("name", ["real", "positive", "unit_interval", "simplex", "boolean"])
def test_constraints_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    a = np.array([[0.25, 0.75], [1.0, 0.0], [-1.0, 2.0], [math.nan, 1.0]])
    mine = getattr(distributions.constraints, name).check(tensor(a))
    judge = getattr(torch.distributions.constraints, name).check(torch.tensor(a))
    np.testing.assert_array_equal(mine.numpy(), judge.numpy())


# ---- what gamma draws move with ------------------------------------------------------------------


def test_draws_of_gamma_move_as_their_distribution_function_says() -> None:
    special = pytest.importorskip("scipy.special")
    from autograd_lite.distributions.gammas import gamma_slope

    a = np.repeat([0.05, 0.4, 1.0, 3.0, 20.0, 1000.0], 40)
    z = np.maximum(np.random.default_rng(0).standard_gamma(a), 1e-30)
    h = a * 1e-5
    one, two = (special.gammainc(a + k * h, z) - special.gammainc(a - k * h, z) for k in (1, 2))
    density = np.exp((a - 1) * np.log(z) - z - special.gammaln(a))
    wanted = -(8 * one - two) / (12 * h) / density
    np.testing.assert_allclose(gamma_slope(a, z), wanted, rtol=1e-7)
    assert gamma_slope(a.astype("float32"), z.astype("float32")).dtype == np.float32


@pytest.mark.parametrize(
    ("make", "mean"),
    [
        (lambda d, a: d.Gamma(a, 2.0), lambda a: a / 2),
        (lambda d, a: d.Beta(a, 2.0), lambda a: a / (a + 2)),
        (lambda d, a: d.Chi2(a), lambda a: a),
    ],
)
def test_the_gradient_of_a_mean_of_draws_is_that_of_the_mean(make: Any, mean: Any) -> None:
    manual_seed(0)
    a = tensor(np.array([0.7, 3.0]), requires_grad=True)
    make(distributions, a).rsample((40_000,)).mean(0).sum().backward()
    found, a.grad = a.grad, None
    mean(a).sum().backward()
    assert found is not None and a.grad is not None
    np.testing.assert_allclose(found.numpy(), a.grad.numpy(), rtol=0.03)


def test_second_derivatives_of_draws_are_an_error() -> None:
    a = tensor(np.array([2.0]), requires_grad=True)
    (slope,) = grad_of(distributions.Gamma(a, 1.0).rsample().sum(), [a], create_graph=True)
    with pytest.raises(RuntimeError, match="gamma_slope"):
        slope.sum().backward()


def test_pytorchs_files_are_places() -> None:
    from autograd_lite.distributions.categorical import Categorical
    from autograd_lite.distributions.kl import kl_divergence
    from autograd_lite.distributions.normal import Normal

    assert Normal is distributions.Normal and Categorical is distributions.Categorical
    assert kl_divergence is distributions.kl_divergence
    with pytest.raises(AttributeError, match=r"distributions\.Wishart: PyTorch has it"):
        _ = distributions.Wishart


def test_icdf_undoes_cdf() -> None:
    normal = distributions.Normal(tensor([1.0, -2.0]), tensor([2.0, 0.5]))
    x = tensor([0.5, -1.0])
    assert np.allclose(normal.icdf(normal.cdf(x)).array, x.array, atol=1e-5)


def test_gammas_are_drawn_of_numbers_too() -> None:
    assert distributions.Gamma(2.0, 1.0).sample().shape == ()
    assert 0 <= distributions.Beta(0.4, 0.4).rsample().item() <= 1


@pytest.mark.parametrize(
    "law",
    [
        distributions.Normal(0.5, 2.0), distributions.LogNormal(0.5, 0.7), distributions.Laplace(0.5, 2.0), distributions.Exponential(2.0),
        distributions.Uniform(-1.0, 2.0), distributions.Cauchy(0.5, 2.0), distributions.Gumbel(0.5, 2.0), distributions.HalfNormal(2.0),
        distributions.HalfCauchy(2.0),
        distributions.MixtureSameFamily(distributions.Categorical(tensor([1.0, 3.0])), distributions.Normal(tensor([0.0, 1.0]), 1.0)),
    ],
    ids=lambda law: type(law).__name__,
)  # fmt: skip
def test_the_density_is_the_slope_of_the_probability(law: Any) -> None:
    x = tensor([0.2, 0.9, 1.6], requires_grad=True)
    p = law.cdf(x)
    p.sum().backward()
    assert x.grad is not None and allclose(x.grad, law.log_prob(x).exp(), rtol=1e-4)
    if type(law) is not distributions.MixtureSameFamily:  # which has none
        assert allclose(law.icdf(p), x, rtol=1e-4)
