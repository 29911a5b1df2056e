"""`draw(loss, compare=...)`: verdicts and named mistakes on the cards."""

from dataclasses import replace

import numpy as np
import pytest

import nn
from autograd_lite import manual_seed, no_grad, rand, randn, tensor
from autograd_lite.comparison import Diagnosis, compare
from autograd_lite.comparison.answers.judge import VERDICTS
from autograd_lite.comparison.answers.report import COLOURS
from autograd_lite.graph import draw
from autograd_lite.graph.theme import DARK, LIGHT
from nn import functional as F
from nn.diagnosis import diagnose

EXACT = Diagnosis("mean-for-sum", "yours × 4 is autodiff's: mean for sum", True)
GUESS = Diagnosis("sign", "the sign & <b>more</b>", False, 1)


@pytest.fixture
def setting():
    """A network, its loss, and its gradients, which are right."""
    manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh(), nn.Linear(2, 1)).double()
    loss = (model(rand(4, 3, dtype="float64")) ** 2).mean()
    loss.backward(retain_graph=True)
    return model, loss, {name: p.grad.array.copy() for name, p in model.named_parameters()}


def card(g, title):
    (node,) = [n for n in g.drawing.nodes if n.title == title]
    return node


def test_every_verdict_has_a_sign_a_colour_and_a_rank():
    assert set(VERDICTS) == set(COLOURS)
    assert len({(sign, verdict) for verdict, (sign, _) in VERDICTS.items()}) == 6
    for _, tone in VERDICTS.values():
        assert tone in LIGHT and tone in DARK


def test_cards_say_what_compare_says(setting):
    model, loss, grads = setting
    grads["2.bias"] = grads["2.bias"] / 2
    del grads["0.bias"]
    g = draw(loss, compare=grads)
    report = compare(loss, grads, model)
    assert {row.name: row.verdict for row in report.rows} == {
        n.title: n.verdict for n in g.drawing.nodes if n.verdict
    }
    assert card(g, "2.bias").verdict == "wrong here"
    one, other = (d.sentence for row in report.rows if row.name == "2.bias" for d in row.diagnoses)
    assert card(g, "2.bias").mistakes == ["rel err 5.0e-01", f"{one}, or {other}"]
    assert card(g, "0.weight").mistakes == ["rel err 0.0e+00"]
    assert card(g, "0.bias").verdict == "not handed in" and card(g, "0.bias").mistakes == []
    assert g.drawing.judgement == report.summary
    for text in (g.to_dot(), g.to_text(), g.to_mermaid()):
        assert "wrong here" in text and one[:40] in text
    assert report.summary in g.to_dot() and report.summary in g.to_text()
    assert draw(loss, compare=report).to_dot() == g.to_dot()


def test_the_mistakes_that_were_found_are_named(setting):
    model, loss, grads = setting
    grads["2.bias"] = grads["2.bias"] / 4
    report = compare(loss, grads, model)
    rows = tuple(
        replace(row, diagnoses=(EXACT, GUESS)) if row.verdict == "wrong here" else row
        for row in report.rows
    )
    none = tuple(replace(row, diagnoses=()) for row in report.rows)
    bare = draw(loss, compare=replace(report, rows=none))
    assert card(bare, "2.bias").mistakes[1:] == ["yours is 0.25 times the right one"]
    g = draw(loss, compare=replace(report, rows=rows))
    assert card(g, "2.bias").mistakes[1:] == [EXACT.sentence, f"or perhaps {GUESS.sentence}"]
    assert "the sign &amp; &lt;b&gt;more&lt;/b&gt;" in g.to_dot()
    assert EXACT.sentence in g.to_text() and EXACT.sentence in g.to_mermaid()


def test_what_is_inherited_and_what_is_an_operation_is_judged_too():
    x = tensor([[1.0, 2.0]], dtype="float64")
    w = tensor([[3.0], [4.0]], dtype="float64", requires_grad=True, name="w")
    z = x @ w
    z.name = "z"
    loss = (z * z).sum()
    g = draw(loss, compare={"z": z.array, "w": x.array.T @ z.array})
    verdicts = {n.symbol: n.verdict for n in g.drawing.nodes if n.verdict}
    assert verdicts == {"z": "wrong here", "w": "inherited"}
    assert "from z" in card(g, "w").mistakes
    assert LIGHT["wrong"] in g.to_dot() and LIGHT["doubt"] in g.to_dot()
    assert "classDef wrong" in g.to_mermaid() and "classDef doubt" in g.to_mermaid()


def test_the_first_wrong_card_has_both_formulas():
    x = tensor([[0.5, -1.0]], dtype="float64")
    w = tensor([[1.0], [2.0]], dtype="float64", requires_grad=True, name="w")
    z = x @ w
    z.name = "z"
    y = z.tanh()
    loss = (y * y).sum()
    report = compare(loss, {"z": 2 * y.array * (1 - y.array)})
    assert report.formula == "z: yours g * (1 - y), right g * (1 - y * y)."
    g = draw(loss, compare=report)
    (z_card,) = [n for n in g.drawing.nodes if n.symbol == "z"]
    assert z_card.mistakes[-1] == "yours g * (1 - y), right g * (1 - y * y)."
    assert "yours g * (1 - y), right g * (1 - y * y)." in g.to_text()
    dz = 2 * y.array * (1 - y.array)
    below = card(draw(loss, compare={"z": dz, "w": x.array.T @ dz}), "w")
    assert below.verdict == "inherited" and not any("yours g" in said for said in below.mistakes)
    scaled = compare(loss, {"z": 6 * y.array * (1 - y.array)}, scale=3)
    assert scaled.remarks == ("Yours are divided by scale, 3.",)
    (z_card,) = [n for n in draw(loss, compare=scaled).drawing.nodes if n.symbol == "z"]
    assert z_card.mistakes[-1] == "yours g * (1 - y), right g * (1 - y * y)."


def test_a_folded_module_has_the_worst_verdict_inside(setting):
    model, loss, grads = setting
    grads["0.weight"] = grads["0.weight"] * 2
    g = draw(loss, model, compare=grads, depth=0)
    assert card(g, "0").verdict == "wrong here" and card(g, "0").mistakes[0] == "0.weight"
    assert card(g, "2").verdict == "ok" and card(g, "1").verdict == ""


def test_rows_about_tensors_of_another_graph_are_a_note(setting):
    model, loss, grads = setting
    report = compare(loss, grads, model)
    other = tensor(1.0, requires_grad=True, name="other")
    g = draw(other * 2, compare=report)
    assert g.drawing.notes == [
        "Compared, but not in this graph: 2.bias, 2.weight, 0.bias and 1 more."
    ]


def test_what_compare_is_not(setting):
    _, loss, _ = setting
    with pytest.raises(TypeError, match="compare is a ndarray; give a dictionary of gradients"):
        draw(loss, compare=np.ones(3))
    with pytest.raises(ValueError, match=r"no tensor is called '2\.wieght'"):
        draw(loss, compare={"2.wieght": np.ones(3)})


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mistake_stands_at_its_operation_and_points_to_what_shows_it(dtype):
    manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3)).to(dtype)
    x, t = rand(5, 4, dtype=dtype), np.arange(5) % 3
    criterion = nn.CrossEntropyLoss()
    loss = criterion(model(x), t)
    h = (x @ model[0].weight.mT + model[0].bias).relu().array
    d = (model(x).softmax(1).array - np.eye(3, dtype=dtype)[t]) / 5
    dh = d @ model[2].weight.array  # without the mask
    hand = {
        "0.weight": dh.T @ x.array,
        "0.bias": dh.sum(0),
        "2.weight": d.T @ h,
        "2.bias": d.sum(0),
    }
    g = draw(loss, model, compare=hand)
    relu = card(g, "relu")
    assert (relu.verdict, relu.tone) == ("the mistake is here", "wrong")
    assert relu.mistakes == ["seen in 0.bias, 0.weight", "the mask of relu left out"]
    marked = [n.title for n in g.drawing.nodes if n.kind == "op" and n.verdict]
    assert marked == ["relu"]
    assert card(g, "0.bias").verdict == "wrong here"  # as compare says
    for text in (g.to_text(), g.to_mermaid(), g.to_html()):
        assert "the mistake is here" in text
    folded = draw(loss, model, compare=hand, depth=0)
    assert card(folded, "1").mistakes[-1] == "in relu: the mask of relu left out"
    report = compare(loss, hand, model)
    assert "the mistake is here" in draw(loss, model, compare=report).to_text()
    told = [d for row in report.to_dict()["rows"] for d in row["diagnoses"]]
    assert told and not any("at" in d for d in told)
    hand["0.weight"], hand["0.bias"] = -dh.T @ x.array * (h > 0).sum(), dh.sum(0) * 7.3
    assert "the mistake is here" not in draw(loss, model, compare=hand).to_text()  # none is known


def test_compare_takes_the_names_that_draw_and_derive_give():
    manual_seed(0)
    x, w1, w2 = (rand(*s, dtype="float64") for s in ((5, 4), (4, 3), (3, 1)))
    w1.requires_grad_()
    w2.requires_grad_()
    z = x @ w1
    h = z.tanh()
    loss = (h @ w2).sum()
    ones = np.ones((5, 1))
    dh = ones @ w2.array.T
    dz = dh * (1 - h.array**2)
    hand = {"W2": h.array.T @ ones, "h": dh, "z1": dz, "dW1": 2 * x.array.T @ dz}
    report = compare(loss, hand)
    assert {row.name: row.verdict for row in report.rows} == {
        "W2": "ok", "h": "ok", "z1": "ok", "W1": "wrong here",
    }  # fmt: skip
    g = draw(loss, compare=report)
    assert {n.symbol: n.verdict for n in g.drawing.nodes if n.verdict} == {
        row.name: row.verdict for row in report.rows
    }
    assert not g.drawing.notes
    with pytest.raises(ValueError, match=r"no tensor is called 'z9'"):
        compare(loss, {"z9": dz})


def test_a_finding_is_told_in_full_beside_what_compare_says():
    manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    with no_grad():
        model[0].bias[:] = -100
    x, t = randn(5, 4), randn(5, 2)
    found = diagnose(model, F.mse_loss, x, t)
    by_hand = {"0.weight": np.ones((8, 4), "float32")}
    g = draw(F.mse_loss(model(x), t), model, compare=by_hand, findings=found)
    absent, judged = card(g, "0.bias"), card(g, "0.weight")
    assert (absent.judge, absent.verdict, absent.tone) == ("found", "zero gradient", "doubt")
    assert "Look at what comes after it" in absent.mistakes[-2]
    assert absent.mistakes[-1] == "(not handed in)"
    assert judged.judge == "compared" and judged.tone == "wrong"
    assert "zero gradient: its gradient is 0" in judged.mistakes
    assert "Look at what comes after it" in judged.mistakes[-1]
