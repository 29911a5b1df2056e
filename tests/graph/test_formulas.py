"""Formulas on cards: the code that runs, and what a textbook writes for it."""

import re

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, concatenate, derive, manual_seed, rand, randn, stack, tensor
from autograd_lite.graph import draw
from autograd_lite.graph.facts import size_of
from autograd_lite.program.naming import Names
from autograd_lite.program.notation import namespace
from nn import functional as F
from tests.graph import gallery


def lines(g):
    """Every formula of a drawing as pictures have it."""
    return [
        node.said(code)
        for node in g.drawing.nodes
        if node.kind == "op"
        for code in (node.forward, *node.backward)
    ]


@pytest.fixture(autouse=True)
def seeded():
    manual_seed(0)


@pytest.mark.parametrize("net", gallery.NETS)
def test_no_formula_shows_what_only_code_needs(net):
    for line in lines(gallery.drawn(net)):
        for word in ("keepdims", "slice(", "None", "scatter_add", "broadcast_to", "astype", ".mT"):
            assert word not in line
        assert "((" not in line.replace("log((", "") or ".reshape" not in line


def test_the_code_of_every_card_gives_the_recorded_values_and_gradients():
    names, ran = namespace(), 0
    for net in gallery.NETS:
        drawing = gallery.drawn(net).drawing
        for node in drawing.nodes:
            panel = drawing.panels.get(node.key)
            if node.kind != "op" or panel is None or net == "names":
                continue
            facts = {name: f.values for name, f in panel.arrays.items()}
            if any(v is None for v in facts.values()) or panel.total is None:
                continue
            known = names | facts | {f"d_{node.symbol}": panel.total.values}
            with np.errstate(all="ignore"):
                found = eval(node.forward.partition(" = ")[2], known)
                assert np.allclose(found, facts[node.symbol], 1e-5, 1e-6, equal_nan=True), net
                for code, gift in zip(node.backward, panel.leaving, strict=True):
                    found = eval(code.partition("= ")[2], known)
                    recorded = gift.facts and gift.facts.values
                    if recorded is not None:
                        if code.partition(" ")[0].endswith(".mT"):
                            recorded = recorded.mT
                        assert np.allclose(found, recorded, 1e-4, 1e-6, equal_nan=True), code
                        ran += 1
    assert ran > 150


def test_slices_are_written_as_slices_in_the_backward_too():
    x = randn(2, 3, 64, requires_grad=True)
    x.name = "x"
    g = draw(x[:, :, 0:32].sum())
    assert lines(g)[:2] == ["v = x[:, :, 0:32]", "dx[:, :, 0:32] += dv"]
    y = x[[0, 0, 1], 1] * 2
    assert "dx[index, 1] += dv" in lines(draw(y.sum()))


def test_the_gradient_of_cross_entropy_is_p_minus_t():
    x = tensor(rand(4, 3, dtype="float64"), requires_grad=True, name="x")
    t = np.array([0, 2, 1, 1])
    loss = nn.CrossEntropyLoss()(x, t)
    g = draw(loss)
    assert "dx = (softmax(x) − onehot(t)) × dloss / 4" in lines(g)
    loss.backward()
    assert np.allclose((x.softmax(-1).array - np.eye(3)[t]) / 4, x.grad.array)
    log_p = x.log_softmax(-1)  # which is used twice
    both = nn.NLLLoss()(log_p, t) + log_p.sum()
    assert not any("onehot" in line for line in lines(draw(both)))


def test_axes_are_told_in_words():
    x = randn(4, 3, requires_grad=True)
    x.name = "x"
    a = randn(2, 4, 3, requires_grad=True)
    a.name = "a"
    assert lines(draw(x.sum(0))) == ["y = Σ(x over rows)", "dx = dy, for every row"]
    assert lines(draw(x.mean(1))) == ["y = mean(x over columns)", "dx = dy / 3, for every column"]
    assert any("mean(a over the last axis)" in line for line in lines(draw(a.mean(-1))))
    assert any("Σ(a over axes 0, 1)" in line for line in lines(draw(a.sum((0, 1)))))
    assert any(line.endswith(", for every element") for line in lines(draw(x.sum())))


def test_the_gradient_of_a_weight_that_is_read_turned_is_its_own():
    g = draw(nn.Linear(3, 2), rand(4, 3))
    assert "dW = dmᵀ · x" in lines(g)
    assert "d_W = d_m.T @ x" in g.to_text()
    assert "d_W.mT = x.mT @ d_m" in [c for n in g.drawing.nodes for c in n.backward]  # what is run


def test_targets_and_constants_are_named_alike():
    x = Tensor(np.ones((4, 3)), requires_grad=True)
    t = np.array([0, 1, 2, 0])
    for target in (t, Tensor(t)):
        assert "loss = −mean(log_p[i, t])" in lines(draw(nn.CrossEntropyLoss()(x, target)))
    y = np.zeros((4, 3))
    for target in (y, Tensor(y)):
        assert any("− t" in line for line in lines(draw(((x - target) ** 2).mean())))


LARGE = {"gpt", "resnet", "lstm"}


@pytest.mark.parametrize(
    "net", [pytest.param(n, marks=[pytest.mark.slow] * (n in LARGE)) for n in gallery.NETS]
)
def test_a_name_means_the_same_in_every_view(net, monkeypatch):
    asked = []
    draw = gallery.draw
    monkeypatch.setattr(gallery, "draw", lambda *a, **kw: asked.append(a) or draw(*a, **kw))
    drawing = gallery.drawn(net).drawing
    loss, model = asked[0][0], [*asked[0], None][1]
    drawn = {name: f for panel in drawing.panels.values() for name, f in panel.arrays.items()}
    assert all(node.symbol in drawn for node in drawing.nodes if node.kind == "op")
    if not isinstance(loss, Tensor):
        return
    program = derive(loss, model).program
    known = Names(loss, model).found.values()
    derived = {s.target.name: s.target for s in program.statements if s.kind == "forward"}
    derived |= {a.symbol.name: a.symbol for a in program.arguments}
    assert drawn.keys() <= set(known) and derived.keys() <= set(known)
    both = drawn.keys() & derived.keys()
    assert len(both) >= min(3, len(derived)) or net == "mlp_folded"
    for name in both:
        assert drawn[name].shape == derived[name].shape
        assert drawn[name].size == pytest.approx(
            size_of(np.asarray(derived[name].value)), nan_ok=True
        )
    parameters = {a.symbol.name: a.key for a in program.of_kind("parameter")}
    for node in drawing.nodes:
        if node.kind == "parameter" and node.symbol in parameters and model is not None:
            assert node.title == parameters[node.symbol]  # which is what compare calls it


def data(*shape):
    return randn(*shape, requires_grad=True)


def halves(a):
    return a[..., :4] @ a[..., 4:8].mT


def leaky(a):
    return a.where(a > 0, a * 0.1)


X, T = np.arange(30.0, dtype="float32").reshape(6, 5) / 30, np.arange(6) % 3
FRESH = {  # a net, and lines that are on its cards
    "mean": (
        lambda: F.cross_entropy(X @ data(5, 3) + data(3), T),
        ["z = m + b", "dz = (softmax(z) − onehot(t)) × dloss / 6", "loss = −mean(log_p[i, t])"],
    ),
    "sum": (
        lambda: F.cross_entropy(X @ data(5, 3), T, reduction="sum"),
        ["dz = (softmax(z) − onehot(t)) × dloss", "loss = −Σ(log_p[i, t])"],
    ),
    "smooth": (lambda: F.cross_entropy(X @ data(5, 3), T, label_smoothing=0.1), ["v3 = v2[i, t]"]),
    "logits": (
        lambda: F.binary_cross_entropy_with_logits(X @ data(5, 1), Tensor(T[:, None] > 0).float()),
        ["dz = du × (sigmoid(z) − t)"],
    ),
    "thirds": (
        lambda: halves(randn(2, 3, 5) @ data(5, 8)).sum(),
        ["v1 = z1[..., :4]", "dz1[..., 4:8] += dv2"],
    ),
    "norm": (lambda: data(4, 3).norm(), ["loss = norm(w)", "dw = dloss / loss × w"]),
    "std": (lambda: data(4, 3).std(1).mean(), ["sd = std(w over columns)"]),
    "largest": (lambda: data(4, 3).max(1).values.sum(), ["v1 = w[i, index]"]),
    "gather": (lambda: data(4, 3).gather(1, T[:4, None]).sum(), ["v = w[i, index]"]),
    "joined": (
        lambda: (concatenate([data(2, 3), data(2, 3)]) ** 2).sum(),
        ["v = concatenate(w1, w2 along axis 0)", "dw2 = dv[2:4]"],
    ),
    "stacked": (lambda: (stack([data(2), data(2)]) ** 3).sum(), ["dw1 = dv[0]"]),
    "conv": (
        lambda: F.conv1d(randn(1, 2, 8), data(3, 2, 3), data(3), padding=1).relu().mean(),
        ["z = v ⋆ W + b; z[i] = Σ(v[i + k] · W[k]) + b"],
    ),
    "running": (lambda: data(3, 4).cumsum(1).tanh().sum(), ["s = cumsum(w)"]),
    "angle": (lambda: F.cosine_similarity(data(3, 4), data(3, 4)).mean(), ["u1 = max(s1, 1e-8)"]),
    "divergence": (
        lambda: F.kl_div(F.log_softmax(data(3, 4), 1), np.full((3, 4), 0.25, "float32")),
        ["log_p = log_softmax(w)"],
    ),
    "huber": (lambda: F.huber_loss(data(3, 4), randn(3, 4)), ["h = min(max(r1, −1), 1)"]),
    "gelu": (lambda: F.gelu(data(3, 4)).sum(), ["a = 1 + h"]),
    "never": (lambda: (data(3, 4) - 1e30).sum(), ["r = w − 1e30"]),
    "pool": (lambda: F.avg_pool2d(data(1, 1, 4, 4), 2).sum(), ["u2 = u1 / 4"]),
    "picked": (lambda: F.embedding(T, data(4, 3)).mean(1).sum(), ["v = w[index]"]),
    "chosen": (lambda: leaky(data(3, 4)).mean(), ["u1 = w × 0.1"]),
}


@pytest.mark.parametrize("net", FRESH)
def test_fresh_nets_read_as_a_textbook(net):
    build, expected = FRESH[net]
    loss = build()
    found = lines(draw(loss))
    for line in found:
        for word in (
            "keepdims",
            "slice(",
            "None",
            "no text",
            "scatter_add",
            "array(",
            "axis=",
            ",]",
        ):
            assert word not in line, line
        assert not re.search(r"\be\b|/ 1$", line)
    assert not set(expected) - set(found), found
    assert not re.search(r"slice\(|None|scatter_add|array\(|\be\b", str(derive(loss)))
