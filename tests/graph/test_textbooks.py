"""The formula that a module states about itself, on the card that it is folded to."""

import inspect
import re

import numpy as np
import pytest

import nn
from autograd_lite import manual_seed, ones, rand
from autograd_lite.graph import draw

SIGNS = set("αβγδεμσλπΣ√∞≈≠≤≥·×÷−‖∂→←²³¹ᵀ°½¼¾±…")  # beside ASCII, in every font of every Graphviz
SIGNS |= set("⋆")  # of correlations, which has no other sign, and another font where one lacks it
# of classes that cannot be made with a 4 for everything they require
ARGUMENTS = {kind: (nn.Identity(), 4) for kind in ("TransformerDecoder", "TransformerEncoder")}


def arguments(kind):
    """Sizes for all that a class requires."""
    required = inspect.signature(kind).parameters.values()
    return [4 for p in required if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]


def stating():
    """The layers and losses that state a formula."""
    for name in nn.__all__:
        kind = getattr(nn, name)
        if inspect.isclass(kind) and issubclass(kind, nn.Module) and hasattr(kind, "textbook"):
            yield name


@pytest.mark.parametrize("name", list(stating()))
def test_every_formula_is_a_line_in_signs_that_every_font_has(name):
    kind = getattr(nn, name)
    text = kind(*ARGUMENTS.get(name, arguments(kind))).textbook
    assert re.fullmatch(r"[A-Z](\[t\])? = \S.*", text) and len(text) <= 72
    assert set(text) - SIGNS <= set(map(chr, range(32, 127))), text


def folded(model, x):
    return {n.title: n for n in draw(model, x, depth=0).drawing.nodes if n.kind == "module"}


def test_a_folded_card_has_the_formula_and_the_shapes():
    manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.GELU(), nn.Linear(4, 2, bias=False))
    g = draw(model, rand(5, 3), depth=0)
    cards = {n.title: n for n in g.drawing.nodes if n.kind == "module"}
    assert [cards[k].forward for k in "0123"] == [
        "Y = X · Wᵀ + b", "Y = (X − μ) / √(σ² + ε) · γ + β", "Y = gelu(X)", "Y = X · Wᵀ",
    ]  # fmt: skip
    assert cards["0"].lines == ["(5, 3) → (5, 4)", "2 operations · 16 parameters"]
    for text in (g.to_text(), g.to_dot(), g.to_mermaid(), g.to_html()):
        assert "X · Wᵀ + b" in text and "(5, 3) → (5, 4)" in text
    assert "Y = X · Wᵀ + b" not in draw(model, rand(5, 3), depth=0, formulas=False).to_text()


class Sum(nn.Linear):
    def forward(self, input):
        return input + self.bias


class Bilinear(nn.Module):
    textbook = "Y = XᵀWX"

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(np.eye(3))

    def forward(self, x):
        return x @ self.weight @ x.mT


class Renamed(nn.Linear):
    """It computes what Linear does."""


def test_a_formula_holds_where_the_forward_is_that_of_the_class_that_states_it():
    model = nn.Sequential(Renamed(3, 3), Sum(3, 3), Bilinear())
    cards = folded(model, rand(3, 3))
    assert [cards[k].forward for k in "012"] == ["Y = X · Wᵀ + b", "", "Y = XᵀWX"]


def test_a_loss_says_how_it_is_reduced_and_only_what_it_computes():
    assert nn.MSELoss().textbook == "L = mean((Y − T)²)"
    assert nn.MSELoss(reduction="sum").textbook == "L = sum((Y − T)²)"
    assert nn.CrossEntropyLoss(reduction="none").textbook == "L = −log softmax(Y)[T]"
    assert nn.CrossEntropyLoss(ones(3)).textbook == "L = cross_entropy(Y, T)"
    dropout = nn.Dropout(0.2)
    assert dropout.textbook == "Y = X · mask / (1 − p)" and dropout.eval().textbook == "Y = X"


def test_cards_of_windows_say_what_an_element_sums():
    manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 3, stride=2), nn.MaxPool2d(2, 1), nn.Conv2d(2, 2, 1))
    drawing = draw(model, rand(2, 1, 9, 9)).drawing
    said = " ".join(n.said(code) for n in drawing.nodes for code in (n.forward, *n.backward))
    assert "[i, j] = Σ(x[2i + k, 2j + l] · W1[k, l]) + b1" in said.replace("X", "x")
    assert "= max(z[i + k, j + l])" in said and "over every 2×2 window" in said
    assert "to the max of its 2×2 window" in said and "= full(dy) ⋆ flip(W2)" in said
    folded = draw(model, rand(2, 1, 9, 9), depth=0).drawing
    assert [n.forward for n in folded.nodes if n.kind == "module"] == [
        "Y = X ⋆ W + b, at stride 2",
        "Y = max of every window of X, of 2, at stride 1",
        "Y = X ⋆ W + b",
    ]
