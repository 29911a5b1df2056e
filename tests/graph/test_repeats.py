"""Loops and equal modules are drawn once, what differs is not; names stay where modules open."""

import re

import numpy as np
import pytest

import nn
from autograd_lite import manual_seed, randn, zeros
from autograd_lite.graph import draw
from autograd_lite.graph.steps import steps
from tests.graph import gallery


@pytest.fixture(autouse=True)
def seeded():
    manual_seed(0)


def rnn(x, w_x, w_h, between=lambda i, h: h):
    h = zeros(2, 5)
    for i, step in enumerate(x):
        h = between(i, (step @ w_x + h @ w_h).tanh())
    return (h * h).sum()


@pytest.fixture
def weights():
    return randn(3, 5, requires_grad=True), randn(5, 5, requires_grad=True)


def boxes(g):
    return [box.title for box in g.drawing.modules.values()]


def test_a_loop_by_hand_is_one_step_that_begins_with_what_it_takes(weights):
    g = draw(lambda x: rnn(x, *weights), randn(50, 2, 3))
    assert boxes(g) == ["50 times"]
    inside = [n.title for n in g.drawing.nodes if n.path and n.kind == "op"]
    assert inside == ["getitem", "matmul", "matmul", "add", "tanh"]
    assert {n.times for n in g.drawing.nodes if n.path and n.kind == "op"} == {50}
    assert any("at first" in line for n in g.drawing.nodes for line in n.lines)  # h
    whole = draw(lambda x: rnn(x, *weights), randn(50, 2, 3), collapse=False)
    assert len(whole.drawing.nodes) > 250


def test_gradients_of_all_steps_are_there(weights):
    x = randn(50, 2, 3)
    loss = rnn(x, *weights)
    g = draw(loss)
    loss.backward()
    cards = {n.symbol: n for n in g.drawing.nodes if n.kind == "parameter"}
    norms = sorted(float(np.linalg.norm(w.grad.array)) for w in weights)
    told = sorted(float(n.grad.split()[-1]) for n in cards.values())
    assert told == pytest.approx(norms, rel=0.1)


def test_a_step_that_differs_ends_the_run(weights):
    def other(i, h):
        return h * 2 if i == 25 else h

    g = draw(lambda x: rnn(x, *weights, other), randn(50, 2, 3))
    assert boxes(g) == ["26 times", "24 times"]


def test_few_steps_are_drawn_one_by_one(weights):
    g = draw(lambda x: rnn(x, *weights), randn(3, 2, 3))
    assert boxes(g) == [] and len(g.drawing.nodes) < 40


def test_the_gates_of_a_cell_are_four():
    g = gallery.drawn("lstm_layer")
    inside = g.drawing.scenes["LSTM"]
    titles = [n.title for n in inside.nodes if n.kind == "op"]
    assert titles.count("sigmoid") == 3 and "49 times" not in titles and len(inside.nodes) < 40


def test_names_stay_where_a_module_is_opened():
    drawing = gallery.drawn("gpt").drawing
    symbols = {n.key: n.symbol for n in drawing.nodes if n.kind in ("op", "parameter")}
    for scene in drawing.scenes.values():
        for node in scene.nodes:
            if node.key in symbols:
                assert node.symbol == symbols[node.key]
        named = [n.symbol for n in scene.nodes if n.symbol and n.kind == "op"]
        assert len(set(named)) == len(named)
    for shown in (drawing, drawing.scenes["blocks.0.attn"]):
        assert "a3 = a1 + attn1" in [n.forward for n in shown.nodes]


def test_results_are_called_what_their_modules_are():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc1, self.fc2 = nn.Linear(3, 4), nn.Linear(4, 1)

        def forward(self, x):
            return self.fc2(self.fc1(x).tanh()).sum()

    g = draw(Net(), randn(2, 3))
    formulas = [n.forward for n in g.drawing.nodes if n.kind == "op"]
    assert formulas == [
        "m1 = x @ W_fc1.mT", "fc1 = m1 + b_fc1", "h = tanh(fc1)", "m2 = h @ W_fc2.mT",
        "fc2 = m2 + b_fc2", "loss = sum(fc2)",
    ]  # fmt: skip


def test_the_work_for_closed_modules_has_an_end():
    layers = (gallery.Block(8) for _ in range(12))
    mixed = [x for block in layers for x in (block, nn.Tanh())]
    model = nn.Sequential(*(m for i, m in enumerate(mixed) if i % 5 != 3))
    g = draw(model, randn(2, 4, 8))
    assert sum(len(scene.nodes) for scene in g.drawing.scenes.values()) < 1000


def test_what_joins_the_steps_of_a_loop_names_each():
    net = nn.RNN(3, 4, 2)
    hidden, _ = net(randn(30, 2, 3))
    g = draw(hidden.sum(), net)
    told = str(g)
    assert "v1 = stack(h1, h2, …, h30 along axis 0)" in told
    assert re.search(r"d_h1 = d_v1\[0\]\n *d_h2 = d_v1\[1\]\n *…\n *d_h30 = d_v1\[29\]\n", told)
    (said,) = [step["say"] for step in steps(g.drawing) if "; d_h1 of" in step["say"]]
    assert re.search(r"; d_h1 of norm [\d.e−]+, d_h2 of norm [\d.e−]+, … and d_h30 of", said)


def test_a_loop_that_only_picks_has_no_formula_of_the_module():
    net = nn.RNN(3, 4, 2)
    hidden, _ = net(randn(30, 2, 3))
    cards = [n for n in draw(hidden.sum(), net).drawing.nodes if n.kind == "module"]
    assert [bool(n.forward) for n in cards] == [True, False, True]
