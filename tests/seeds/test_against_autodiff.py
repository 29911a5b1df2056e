"""The hand-derived gradients against autodiff, to 1e-12, in all five conventions.

Every system is built twice: from Tensors, exactly as its write-up computes, and from modules of
`nn`, whose layout (rows, weight (out, in)) is translated. Compared are the gradients of every
parameter, every intermediate and the input, at the start and along several training steps. Each
check is also shown mistakes, which it has to catch.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor
from autograd_lite.comparison import compare

from . import (
    Array,
    Arrays,
    formulas,
    s0_univariate,
    s1_diabetes,
    s2_iris,
    s3_mnist,
    s4_columns,
)
from .autodiff import (
    ACTIVATIONS,
    TOLERANCE,
    Values,
    error,
    tensors_s0,
    tensors_s1,
    tensors_s2,
    tensors_s3,
    tensors_s4,
)

N, SIZES, LAYERS = 5, (3, 6, 4, 2), 3
STEPS = 4


def planted(g: Array) -> list[Array]:
    """What a check must not take for `g`."""
    one = g.copy()
    one.flat[np.abs(g).argmax()] *= 1 + 2e-11  # a single entry
    wrong = [-g, 2 * g, g / N, np.zeros_like(g), one, g[None]]
    return wrong if g.size == 1 else [*wrong, g.T if g.ndim == 2 else g[:-1]]


# ---- from modules ----------------------------------------------------------------------------

MODULES: dict[str, Callable[[], nn.Module]] = {
    "identity": nn.Identity,
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


@dataclass(frozen=True)
class System:
    module: ModuleType
    tensors: Callable[..., tuple[Tensor, Values]]
    hidden: Sequence[str]  # the activations of the hidden layers
    options: dict[str, Any] = field(default_factory=dict)
    pre: str = "U"  # the names of what goes into an activation and what comes out
    post: str = "H"
    bias: str = "b"
    classes: bool = False
    columns: bool = False
    in_out: bool = False  # the layout of the weights
    lr: float = 0.05

    def problem(self) -> tuple[Arrays, Array, Array]:
        """The start, inputs and targets."""
        rng = np.random.default_rng(3)
        legacy = self.module is s3_mnist
        params = self.module.init(SIZES, np.random.RandomState(3) if legacy else rng)
        x, y = rng.standard_normal((N, SIZES[0])), rng.standard_normal((N, SIZES[-1]))
        if self.classes:
            y = formulas.softmax(y)
        return (params, x.T, y.T) if self.columns else (params, x, y)

    def manual(self, params: Arrays, x: Array, y: Array) -> Arrays:
        """The gradients by hand, in the scale of the loss."""
        grads = self.module.gradients(params, x, y, **self.options)[1]
        return {
            name[1:]: g / self.module.factor(name[1:], N)  # "dW1": "W1"
            for name, g in grads.items()
        }

    def from_tensors(self, params: Arrays, x: Array, y: Array) -> Arrays:
        """The gradients of all that `manual` has, by autodiff."""
        p = {name: Tensor(a, requires_grad=True) for name, a in params.items()}
        loss, values = self.tensors(p, Tensor(x, requires_grad=True), y, **self.options)
        expected = self.module.loss(params, x, y, **self.options)
        assert loss.item() == pytest.approx(expected, rel=1e-12)
        for t in values.values():
            t.retain_grad()
        loss.backward()
        grads = {name: t.grad.array for name, t in (p | values).items()}
        for name in {name.partition("[")[0] for name in grads if "[" in name}:
            grads[name] = np.stack([grads.pop(f"{name}[{k}]") for k in range(N)])
        return grads

    def network(self, params: Arrays) -> nn.Sequential:
        """The same network of modules, with copies of the parameters."""
        layers: list[nn.Module] = []
        for i in range(1, LAYERS + 1):
            linear = nn.Linear(SIZES[i - 1], SIZES[i], dtype="float64")
            weight = params[f"W{i}"]
            linear.weight.array[...] = weight.T if self.in_out else weight
            linear.bias.array[...] = params[f"{self.bias}{i}"].ravel()
            layers.append(linear)
            if i < LAYERS:
                name = self.hidden[i - 1]
                slope = self.options.get("slope", 0.01)
                layers.append(nn.LeakyReLU(slope) if name == "leaky" else MODULES[name]())
        return nn.Sequential(*layers)

    def parameters(self, network: nn.Sequential) -> Arrays:
        """The parameters of a network in the layout of the write-up."""
        return self.laid_out({name: p.array for name, p in network.named_parameters()})

    def laid_out(self, arrays: Arrays) -> Arrays:
        """Arrays by dotted name, in the layout and with the names of the write-up."""
        found = {}
        for i in range(1, LAYERS + 1):
            w, b = (arrays[f"{2 * (i - 1)}.{kind}"] for kind in ("weight", "bias"))
            found[f"W{i}"] = w.T if self.in_out else w
            one = {"S0": b[None], "S3": b[None], "S4": b[:, None]}
            found[f"{self.bias}{i}"] = one.get(self.convention, b)
        return {name: a.copy() for name, a in found.items()}

    @property
    def convention(self) -> str:
        return self.module.__name__.rpartition(".")[2][:2].upper()

    def criterion(self, z: Tensor, y: Array) -> Tensor:
        """The loss from the last linear layer's rows."""
        if self.options.get("criterion") == "half_mse":
            return nn.MSELoss(reduction="sum")(z, y) / (2 * N)
        if self.options.get("criterion") == "squares":
            return nn.MSELoss(reduction="sum")(nn.Softmax(dim=1)(z), y)
        if not self.classes:
            whole = nn.MSELoss() if self.convention == "S0" else nn.MSELoss(reduction="sum")
            return whole(z, y) / (1 if self.convention == "S0" else N)
        reduction = "mean" if self.columns else "sum"
        return nn.CrossEntropyLoss(reduction=reduction)(z, y)

    def run(self, network: nn.Sequential, x: Array, y: Array) -> tuple[Tensor, Values]:
        """Forward and backward through a network; its loss and every intermediate."""
        rows, targets = (x.T, y.T) if self.columns else (x, y)
        h = Tensor(rows.copy(), requires_grad=True)
        values = {"X": h}
        for k, layer in enumerate(network):
            h = layer(h)
            if isinstance(layer, nn.Identity):
                h = h.clone()
            values[f"{self.post if k % 2 else self.pre}{k // 2 + 1}"] = h
        for t in values.values():
            t.retain_grad()
        loss = self.criterion(h, targets)
        loss.backward(retain_graph=True)
        return loss, values

    def from_modules(self, network: nn.Sequential, x: Array, y: Array) -> Arrays:
        """The gradients of all that `manual` has, but for the last activation's."""
        _, values = self.run(network, x, y)
        grads = self.laid_out({name: p.grad.array for name, p in network.named_parameters()})
        for name, t in values.items():
            grads[name] = t.grad.array.T if self.columns else t.grad.array
        return grads


def s0(activation: str) -> System:
    return System(
        s0_univariate, tensors_s0, (activation,) * 2, {"activation": activation},
        pre="Y", post="A", in_out=True,
    )  # fmt: skip


def s2(**options: Any) -> System:
    hidden = options.get("hidden", "sigmoid")
    return System(s2_iris, tensors_s2, (hidden,) * 2, options, pre="z", post="a", classes=True)


def s3(*activations: str, **options: Any) -> System:
    return System(
        s3_mnist, tensors_s3, activations, {"activations": activations, **options},
        classes="criterion" not in options, in_out=True, lr=0.01,
    )  # fmt: skip


SYSTEMS = {
    "S0 tanh": s0("tanh"),
    "S0 relu": s0("relu"),
    "S1": System(s1_diabetes, tensors_s1, ("leaky",) * 2, pre="z", post="a"),
    "S1 steep": System(
        s1_diabetes, tensors_s1, ("leaky",) * 2, {"slope": 0.3}, pre="z", post="a"
    ),
    "S2": s2(),
    "S2 tanh": s2(hidden="tanh"),
    "S2 squares": s2(criterion="squares"),
    "S3": s3("relu", "tanh"),
    "S3 toy a": s3("identity", "identity", criterion="half_mse"),
    "S3 toy b": s3("relu", "sigmoid", criterion="half_mse"),
    "S4": System(
        s4_columns, tensors_s4, ("relu",) * 2, pre="Z", post="A", bias="B", classes=True,
        columns=True,
    ),
}  # fmt: skip


@pytest.fixture(params=SYSTEMS)
def system(request: pytest.FixtureRequest) -> System:
    return SYSTEMS[request.param]


def test_tensors_give_the_gradients_by_hand(system: System) -> None:
    params, x, y = system.problem()
    for _ in range(STEPS + 1):
        grads, by_hand = system.from_tensors(params, x, y), system.manual(params, x, y)
        assert grads.keys() == by_hand.keys()
        errors = {name: error(g, by_hand[name]) for name, g in grads.items()}
        assert max(errors.values()) <= TOLERANCE, errors
        for name, g in grads.items():
            assert all(error(wrong, by_hand[name]) > TOLERANCE for wrong in planted(g)), name
        params = {name: p - system.lr * grads[name] for name, p in params.items()}


def test_modules_give_the_gradients_by_hand_along_a_training(system: System) -> None:
    """With the optimiser of `nn`; the parameters stay those of a descent by hand."""
    params, x, y = system.problem()
    network = system.network(params)
    optimizer = nn.optim.SGD(network.parameters(), lr=system.lr)
    for _ in range(STEPS + 1):
        optimizer.zero_grad()
        grads = system.from_modules(network, x, y)
        by_hand = system.manual(system.parameters(network), x, y)
        missing = by_hand.keys() - grads.keys()
        assert missing == ({f"{system.post}{LAYERS}"} & by_hand.keys())  # inside the loss
        errors = {name: error(g, by_hand[name]) for name, g in grads.items()}
        assert max(errors.values()) <= TOLERANCE, errors
        for name, g in grads.items():
            assert all(error(wrong, by_hand[name]) > TOLERANCE for wrong in planted(g)), name
        optimizer.step()
        params = system.module.descend(
            params, {"d" + k: g for k, g in system.manual(params, x, y).items()}, system.lr
        )
        trained = system.parameters(network)
        assert max(error(trained[name], p) for name, p in params.items()) <= TOLERANCE


def test_compare_says_the_same(system: System) -> None:
    """The gradients by hand through `compare`, in the layout of the modules; one is spoilt."""
    params, x, y = system.problem()
    network = system.network(params)
    loss, values = system.run(network, x, y)
    by_hand = system.manual(params, x, y)
    handed: dict[str, Array] = {}
    for name, t in values.items():
        t.name = name
        handed[name] = by_hand[name].T if system.columns else by_hand[name]
    for i in range(1, LAYERS + 1):
        w = by_hand[f"W{i}"]
        handed[f"{2 * (i - 1)}.weight"] = w.T if system.in_out else w
        handed[f"{2 * (i - 1)}.bias"] = by_hand[f"{system.bias}{i}"]
    report = compare(loss, handed, network)
    assert report.ok
    assert max(row.rel_err for row in report.rows) <= TOLERANCE
    others = {row.name for row in report.rows if row.verdict == "ok, other convention"}
    flat = system.convention in ("S1", "S2")
    assert others == (set() if flat else {f"{i}.bias" for i in (0, 2, 4)})
    for name, g in handed.items():
        report = compare(loss, handed | {name: 2 * g}, network)
        assert report.first_wrong.name == name


@pytest.mark.parametrize("name", ["S0 tanh", "S2 tanh", "S3", "S3 toy b"])
def test_a_wrong_derivative_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the slope of the second activation wrong, all that is behind it differs, and no more."""
    system = SYSTEMS[name]
    wrong = {
        "tanh": (formulas.tanh, lambda x: 1 - np.tanh(x)),
        "sigmoid": (formulas.sigmoid, lambda x: -formulas.sigmoid_prime(x)),
    }
    monkeypatch.setattr(system.module, "ACTIVATIONS", formulas.ACTIVATIONS | wrong)
    problem = system.problem()
    grads, by_hand = system.from_tensors(*problem), system.manual(*problem)
    bad = {k for k in grads if error(grads[k], by_hand[k]) > TOLERANCE}
    pre, post = system.pre, system.post
    fine = {f"{pre}3", "W3", f"{system.bias}3", f"{post}2"} | ({"a3"} & grads.keys())
    assert bad == grads.keys() - fine


# ---- the formulas, one by one ----------------------------------------------------------------

RNG = np.random.default_rng(5)
X, W_OI, W_IO, B = (RNG.standard_normal(s) for s in ((5, 3), (4, 3), (3, 4), (4,)))
G, U = RNG.standard_normal((5, 4)), RNG.standard_normal((5, 4))
WEIGHTS = RNG.random((5, 4))  # targets whose sums are not 1
ONE_HOT = np.eye(4)[[0, 2, 3, 1, 2]]


def pull(f: Callable[..., Tensor], g: Array | None, *arrays: Array) -> list[Array]:
    """The gradients that autodiff sends from `g` to each of the arrays."""
    tensors = [Tensor(a, requires_grad=True) for a in arrays]
    f(*tensors).backward(g)
    return [t.grad.array for t in tensors]


def pulled(*args: Any) -> Callable[[], list[Array]]:
    """`pull`, later."""
    return lambda: pull(*args)


FORMULAS: dict[str, tuple[Callable[[], list[Array]], Callable[[], Sequence[Array]]]] = {
    "linear, rows, (out, in)": (
        pulled(lambda x, w, b: x @ w.T + b, G, X, W_OI, B),
        lambda: formulas.linear_out_in_back(G, X, W_OI),
    ),
    "linear, rows, (in, out)": (
        pulled(lambda x, w, b: x @ w + b, G, X, W_IO, B[None]),
        lambda: formulas.linear_in_out_back(G, X, W_IO),
    ),
    "linear, columns": (
        pulled(lambda a, w, b: w @ a + b, G.T, X.T, W_OI, B[:, None]),
        lambda: formulas.linear_columns_back(G.T, X.T, W_OI),
    ),
    "nn.functional.linear": (
        pulled(nn.functional.linear, G, X, W_OI, B),
        lambda: formulas.linear_out_in_back(G, X, W_OI),
    ),
    **{
        name: (pulled(f, G, U), lambda name=name: [G * formulas.ACTIVATIONS[name][1](U)])
        for name, f in [*ACTIVATIONS.items(), ("leaky_relu", lambda x: ag.leaky_relu(x, 0.01))]
    },
    "mse": (
        pulled(lambda u: nn.functional.mse_loss(u, WEIGHTS), None, U),
        lambda: [formulas.mse_grad(U, WEIGHTS)],
    ),
    "half mse": (
        pulled(lambda u: ((u - WEIGHTS) ** 2).sum() / (2 * len(U)), None, U),
        lambda: [formulas.half_mse_grad(U, WEIGHTS)],
    ),
    **{
        f"softmax over {axis}": (
            pulled(lambda u, axis=axis: ag.softmax(u, axis), G, U),
            lambda axis=axis: [formulas.softmax_back(G, U, axis)],
        )
        for axis in (0, -1)
    },
    **{
        f"log_softmax over {axis}": (
            pulled(lambda u, axis=axis: ag.log_softmax(u, axis), G, U),
            lambda axis=axis: [formulas.log_softmax_back(G, U, axis)],
        )
        for axis in (0, -1)
    },
    "softmax Jacobian": (
        lambda: [ag.jacobian(lambda u: ag.softmax(u, 0), Tensor(row)).array for row in U],
        lambda: list(formulas.softmax_jacobian(U)),
    ),
    **{
        f"cross-entropy, {reduction}, {kind}": (
            pulled(
                lambda u, t=t, reduction=reduction: nn.functional.cross_entropy(
                    u, t, reduction=reduction
                ),
                None,
                U,
            ),
            lambda t=t, reduction=reduction: [
                formulas.cross_entropy_grad(
                    U, t if t.dtype.kind == "f" else np.eye(4)[t], reduction
                )
            ],
        )
        for reduction in ("sum", "mean")
        for kind, t in (
            ("any weights", WEIGHTS),
            ("one-hot", ONE_HOT),
            ("classes", ONE_HOT.argmax(axis=1)),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("name", FORMULAS)
def test_formula(name: str) -> None:
    found, by_hand = FORMULAS[name]
    for g, expected in zip(found(), by_hand(), strict=True):
        assert error(g, expected) <= TOLERANCE
        symmetric = name == "softmax Jacobian"
        for wrong in planted(g)[: -1 if symmetric else None]:
            assert error(wrong, expected) > TOLERANCE


@pytest.mark.parametrize(
    ("f", "prime"),
    [
        (ag.relu, formulas.relu_prime),
        (lambda x: ag.leaky_relu(x, 0.2), lambda x: formulas.leaky_relu_prime(x, 0.2)),
    ],
)
def test_kinks(f: Any, prime: Any) -> None:
    zero = np.zeros(1)
    assert pull(f, np.ones(1), zero)[0] == prime(zero)


@pytest.mark.parametrize("activation", ["relu", "tanh", "sigmoid", "leaky_relu"])
def test_hidden_layer(activation: str) -> None:
    """delta = (delta_next W_next^T) * f'(U), H_prev^T delta and 1^T delta."""
    f = ACTIVATIONS.get(activation, lambda x: ag.leaky_relu(x, 0.01))
    h, w, b, w_next = X, W_IO, B[None], RNG.standard_normal((4, 2))
    delta_next = RNG.standard_normal((5, 2))
    u = Tensor(h @ w + b, requires_grad=True)
    (f(u) @ w_next).backward(delta_next)
    delta = formulas.hidden_delta(delta_next, w_next, u.array, activation)
    assert error(u.grad.array, delta) <= TOLERANCE
    _, dw, db = pull(lambda h, w, b: f(h @ w + b) @ w_next, delta_next, h, w, b)
    assert error(dw, formulas.hidden_weight_grad(h, delta)) <= TOLERANCE
    assert error(db, formulas.hidden_bias_grad(delta)) <= TOLERANCE
    for wrong in (
        delta_next @ w_next.T,
        formulas.hidden_delta(-delta_next, w_next, u.array, "relu"),
    ):
        assert error(u.grad.array, wrong) > TOLERANCE


def test_a_linear_stack_is_one_layer() -> None:
    params, x, _ = SYSTEMS["S3 toy a"].problem()
    weights, biases = ([params[f"{c}{i}"] for i in (1, 2, 3)] for c in "Wb")
    network = SYSTEMS["S3 toy a"].network(params)
    t = Tensor(x, requires_grad=True)
    y = network(t)
    w, b = formulas.collapse(weights, biases)
    assert error(y.array, x @ w + b) <= TOLERANCE
    g = RNG.standard_normal(y.shape)
    y.backward(g)
    assert error(t.grad.array, formulas.linear_in_out_back(g, x, w)[0]) <= TOLERANCE
    assert error(y.array, x @ (w * (1 + 1e-11)) + b) > TOLERANCE
