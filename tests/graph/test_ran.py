"""All that ran is drawn, what needs no gradient in grey; what was not recorded is said."""

import gc
import weakref

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, derive, manual_seed, no_grad, rand, randn, tensor, zeros
from autograd_lite.graph import draw


@pytest.fixture(autouse=True)
def seeded():
    manual_seed(0)


def ops_of(g):
    return [(n.title, n.family == "untracked") for n in g.drawing.nodes if n.kind == "op"]


def test_what_comes_before_the_first_parameter_is_drawn_in_grey():
    g = draw(nn.Sequential(nn.LayerNorm(3), nn.Linear(3, 2)), rand(4, 3))
    grey = [title for title, untracked in ops_of(g) if untracked]
    assert grey == ["mean", "sub", "power", "mean", "add", "sqrt", "div", "mul"]
    assert [t for t, untracked in ops_of(g) if not untracked] == ["mul", "add", "matmul", "add"]
    cards = {n.title: n for n in g.drawing.nodes}
    assert cards["sqrt"].path == "0" and cards["sqrt"].forward and not cards["sqrt"].backward
    assert [n.title for n in g.drawing.nodes if n.kind == "input"] == ["x"]
    assert "grey: needs no gradient" in g.to_dot()
    arrows = [e for e in g.drawing.edges if e.source == cards["x"].key]
    assert len(arrows) == 2 and not any(e.tracked or e.grads for e in arrows)


class PreNorm(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.fc = nn.LayerNorm(3), nn.Linear(3, 3)

    def forward(self, x):
        return x + self.fc(self.norm(x))


@pytest.mark.parametrize("model", [PreNorm(), nn.Sequential(nn.BatchNorm1d(3), nn.Linear(3, 1))])
def test_there_is_one_card_for_the_input(model):
    g = draw(model, rand(4, 3))
    assert [n.title for n in g.drawing.nodes if n.kind == "input"] == ["x"]


def test_a_function_is_called_as_a_model_is():
    w = tensor(np.ones((2, 3)), requires_grad=True, name="w")
    g = draw(lambda x: (x * 0.5) @ w.mT, rand(4, 3, dtype="float64"))
    assert ops_of(g) == [("mul", True), ("matmul", False)]
    g = draw(lambda a, b: (a - b) / 2, (rand(2), rand(2)))
    assert ops_of(g) == [("sub", True), ("div", True)]
    assert [n.title for n in g.drawing.nodes if n.kind == "input"] == ["x", "t"]
    assert g.drawing.notes == []
    with pytest.raises(TypeError, match=r"needs an input to call relu with: draw\(model, x\)"):
        draw(nn.functional.relu)


def test_what_is_detached_or_ran_in_no_grad_is_drawn():
    w = tensor([1.0, 2.0], requires_grad=True, name="w")

    def f(x):
        h = w * x
        with no_grad():
            k = h.exp()
        return (h * k * h.detach()).sum()

    g = draw(f, rand(2))
    assert ops_of(g) == [
        ("mul", False), ("exp", True), ("mul", False), ("detach", True), ("mul", False),
        ("sum", False),
    ]  # fmt: skip
    text = g.to_text()
    assert "forward   v = detach(a)" in text or "= detach(" in text


def test_tensors_are_as_they_were_when_it_is_drawn():
    kept = []

    def f(x):
        kept.append(x * 2)
        kept.append(kept[0].detach())
        return kept[0] + kept[1]

    draw(f, rand(2))
    for t in kept:
        assert t.op is None and t.is_leaf and not t.requires_grad and t.sources == ()
    a = rand(2)
    seen = weakref.ref(a.array)
    g = draw(lambda x: x + 1, a)
    del a
    gc.collect()
    assert seen() is None and g.to_text()


def test_a_result_says_what_was_computed_before_the_record():
    w = tensor([1.0, 2.0], requires_grad=True)
    g = draw((rand(2) * 0.5) * w)
    (card,) = [n for n in g.drawing.nodes if n.kind == "input"]
    assert card.lines == ["computed by mul before the record · float32 · needs no gradient"]


def test_after_backward_it_says_what_to_do():
    w = tensor([1.0, 2.0], requires_grad=True)
    y = (w * w).sum()
    y.backward()
    (note,) = draw(y).drawing.notes
    assert note == (
        "The record of 1 operation was released by backward(), so that what lies before is not "
        "drawn: draw first, or call backward(retain_graph=True), or let draw compute it again, "
        "draw(model, x)."
    )


def test_comparisons_are_drawn():
    w = tensor([1.0, -2.0], requires_grad=True, name="w")
    g = draw(lambda x: (w * x * (x > 0.5)).sum(), tensor([1.0, 0.0]))
    assert ops_of(g) == [("mul", False), ("greater", True), ("mul", False), ("sum", False)]
    (mask,) = [n for n in g.drawing.nodes if n.title == "greater"]
    assert mask.forward.endswith("x > 0.5")


def test_a_change_in_place_of_what_needs_no_gradient_is_told():
    w = tensor(np.ones((3, 3), "float32"), requires_grad=True, name="w")

    def f(x):
        y = zeros(2, 3)
        y[0] = x[0]
        return y @ w

    (card,) = [n for n in draw(f, rand(2, 3)).drawing.nodes if n.kind == "input"]
    assert card.lines[0].startswith("filled in place, which is not drawn")


def test_what_is_padded_has_one_name_and_is_not_x():
    layer, x = nn.Conv2d(1, 2, 3, padding=1), randn(2, 1, 4, 4)
    before, whole = draw(layer(x), layer).drawing, draw(layer, x).drawing
    for drawing in (before, whole):
        assert next(n for n in drawing.nodes if n.shape == "(2, 1, 6, 6)").symbol == "v"
    assert [n.shape for d in (before, whole) for n in d.nodes if n.symbol == "x"] == [
        "(2, 1, 4, 4)"
    ]


@pytest.mark.parametrize("embedded", [False, True])
def test_a_first_state_of_zeros_is_not_called_x(embedded):
    cell, words = nn.RNNCell(3, 2), nn.Embedding(4, 3)
    h = Tensor(np.zeros((5, 2), "float32"))
    for i in range(2):
        h = cell(words(tensor([0, 1, 2, 3, i])) if embedded else randn(5, 3), h)
    symbols = {n.symbol for n in draw(h, cell, collapse=False).drawing.nodes if n.kind == "input"}
    assert symbols >= {"h0", *(set() if embedded else {"x1", "x2"})} and "x" not in symbols
    assert "h0 (5, 2)" in " ".join(str(derive(h.sum(), cell)).split())
