"""Findings about a training: each planted fault is found, and healthy nets have none."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import draw
from nn import datasets, optim
from nn.diagnosis import FOLLOWS, Finding, Findings, Watch, diagnose, of_history
from nn.train import fit
from tests.helpers import open_chromium

X = np.random.default_rng(0).standard_normal((64, 10)).astype("float32")
T = np.arange(64) % 3
LOSS = nn.CrossEntropyLoss()


def net(act: Callable[[], nn.Module] = nn.ReLU, depth: int = 2) -> nn.Sequential:
    ag.manual_seed(0)
    layers: list[nn.Module] = []
    for i in range(depth):
        layers += [nn.Linear(32 if i else 10, 32), act()]
    return nn.Sequential(*layers, nn.Linear(32, 3))


def filled(value: float) -> nn.Sequential:
    model = net()
    for p in model.parameters():
        nn.init.constant_(p, value)
    return model


def changed(**arrays: Any) -> nn.Sequential:
    model = net()
    for name, value in arrays.items():
        model.get_parameter(name.replace("_", ".")).data[...] = value
    return model


def scaled(model: nn.Sequential, factor: float) -> nn.Sequential:
    for p in model.parameters():
        p.data *= factor
    return model


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused = nn.Linear(10, 3), nn.Linear(10, 3)

    def forward(self, x: ag.Tensor) -> ag.Tensor:
        return self.used(x) + self.unused(x).detach()


def nan() -> nn.Sequential:
    model = net()
    model[0].weight.data[0, 0] = math.nan
    return model


FAULTS: dict[str, tuple[str, Callable[[], Any], Any]] = {
    "dead": ("1", lambda: changed(**{"0_bias": -50.0}), X),
    "saturated": ("1", lambda: scaled(net(nn.Tanh), 30.0), X),
    "softmax-twice": ("1", lambda: nn.Sequential(net(), nn.Softmax(-1)), X),
    "equal-units": ("0.weight", lambda: filled(0.1), X),
    "zero-gradient": ("0.weight", lambda: changed(**{"4_weight": 0.0}), X),
    "vanishing": ("1", lambda: net(nn.Sigmoid, 8), X),
    "exploding": ("1", lambda: scaled(net(depth=8), 8.0), X),
    "not-finite": ("0.weight", nan, X),
    "not-connected": ("unused.weight", Unused, X),
    "input-scale": ("the input", net, X * np.float32(300)),
}


@pytest.mark.parametrize("kind", FAULTS)
def test_a_planted_fault_is_found_where_it_is(kind: str) -> None:
    place, make, x = FAULTS[kind]
    found = diagnose(make(), LOSS, x, T)
    assert kind in found.kinds
    first = next(f for f in found if f.kind == kind)
    assert first.where == place and first.evidence and first.advice.endswith(".")
    assert str(first) in str(found)


@pytest.mark.parametrize(
    "lr, kind", [(1000.0, {"rate-too-high"}), (1e-8, {"rate-too-low"}), (0.1, set())]
)
def test_learning_rates_are_judged_by_a_step(lr: float, kind: set[str]) -> None:
    model = net()
    assert diagnose(model, LOSS, X, T, optimizer=optim.SGD(model.parameters(), lr=lr)).kinds == kind


def test_no_rate_is_called_low_where_no_gradient_comes() -> None:
    model = changed(**{"2_bias": -50.0})
    found = diagnose(model, LOSS, X, T, optimizer=optim.SGD(model.parameters(), lr=1.0))
    assert found.kinds == {"dead"}
    found = diagnose(model, LOSS, X, T, optimizer=optim.SGD(model.parameters(), lr=100.0))
    assert found.kinds == {"dead", "rate-too-high"} and "changes weights" not in str(found)


def test_a_sigmoid_before_its_loss_is_found() -> None:
    model = nn.Sequential(nn.Linear(10, 1), nn.Sigmoid())
    t = (T == 0).astype("float32")
    for last, weight in ((nn.Flatten(0), None), (nn.Identity(), ag.tensor(2.0))):
        loss = nn.BCEWithLogitsLoss(pos_weight=weight)
        target = t if weight is None else t[:, None]
        (found,) = diagnose(nn.Sequential(*model, last), loss, X, target)
        assert found.kind == "softmax-twice" and found.where == "1"
        assert found.advice.endswith("takes scores: leave the sigmoid out.")
    assert not diagnose(model[:1], loss, X, t[:, None])


def test_what_the_optimizer_does_not_have_is_named() -> None:
    model = net()
    (found,) = diagnose(model, LOSS, X, T, optimizer=optim.SGD(model[0].parameters(), lr=0.1))
    assert found.kind == "not-trained" and found.where == "2.weight"
    assert "so at 2.bias, 4.weight, 4.bias" in found.evidence


def test_what_follows_from_another_finding_is_left_out() -> None:
    for kind, causes in FOLLOWS.items():
        assert "dead" in causes
        assert kind not in diagnose(changed(**{"0_bias": -50.0}), LOSS, X, T).kinds


def test_nothing_is_changed() -> None:
    model = nn.Sequential(nn.Linear(10, 8), nn.BatchNorm1d(8), nn.Dropout(), nn.Linear(8, 3))
    optimizer = optim.Adam(model.parameters())
    LOSS(model(ag.tensor(X)), ag.tensor(T)).backward()
    optimizer.step()

    def everything() -> list[Any]:
        state = ag.default_generator().bit_generator.state["state"]
        tensors = [*model.parameters(), *model.buffers()]
        moments = [m for s in optimizer.state_dict()["state"].values() for m in s.values()]
        grads = [p.grad for p in model.parameters()]
        arrays = [t.array if isinstance(t, ag.Tensor) else t for t in [*tensors, *grads, *moments]]
        return [*map(np.array, arrays), np.array(str(state))]

    before = everything()
    held = [p.grad for p in model.parameters()]
    diagnose(model, LOSS, X, T, optimizer=optimizer)
    assert all(np.array_equal(a, b) for a, b in zip(before, everything(), strict=True))
    assert all(p.grad is g for p, g in zip(model.parameters(), held, strict=True))


def test_a_loss_of_another_kind_is_an_error() -> None:
    with pytest.raises(TypeError, match="not a scalar tensor"):
        diagnose(net(), lambda y, t: y, X, T)
    with ag.no_grad(), pytest.raises(ValueError, match="no_grad"):
        diagnose(net(), LOSS, X, T)


# ---- epochs --------------------------------------------------------------------------------------


def trained(model: Any, optimizer: Any, epochs: int, n: int = 64, **more: Any) -> Watch:
    watch = Watch(model, LOSS, X[:n], T[:n], optimizer=optimizer)
    fit(model, LOSS, optimizer, [(X[:n], T[:n])], epochs, callbacks=[watch], progress=False, **more)
    return watch


def test_a_net_that_learns_noise_by_heart_overfits() -> None:
    rng = np.random.default_rng(1)
    others = rng.standard_normal((64, 10)).astype("float32"), rng.integers(0, 3, 64)
    model = net()
    adam = optim.Adam(model.parameters(), lr=0.01)
    watch = trained(model, adam, 60, n=24, validation=[others])
    assert "overfitting" in watch.findings.kinds


def test_a_layer_that_never_changes_is_named() -> None:
    model = net()
    watch = trained(model, optim.SGD(model[4].parameters(), lr=0.1), 4)
    assert {f.where for f in watch.findings if f.kind == "not-trained"} >= {"0.weight"}


@pytest.mark.parametrize(
    "losses, kinds",
    [
        ([1.0, 0.5, 0.9, 0.45, 0.8, 0.4, 0.75], {"oscillating"}),
        ([1.0, 0.8, 0.7, 0.9, 1.6], {"diverging"}),
        ([1.0, 0.8, 0.7, 0.6, math.nan], {"diverging"}),
        ([1.0, 0.999, 1.001, 1.0, 0.998], {"no-progress"}),
        ([1.0, 0.8, 0.6, 0.5, 0.45, 0.46, 0.42], set()),
        ([1.0, 2.5], set()),
    ],
)
def test_the_course_of_the_loss_is_judged(losses: list[float], kinds: set[str]) -> None:
    assert {f.kind for f in of_history([{"loss": loss} for loss in losses])} == kinds


def test_a_rate_that_is_no_rate_makes_no_progress() -> None:
    model = net()
    found = trained(model, optim.SGD(model.parameters(), lr=1e-9), 6).findings
    assert found.kinds >= {"no-progress", "rate-too-low"}


def test_it_measures_every_epoch_and_goes_on_from_a_checkpoint() -> None:
    model = net()
    watch = trained(model, optim.SGD(model.parameters(), lr=0.1), 3)
    last = watch.epochs[-1]
    assert len(watch.epochs) == 3 and {*last["activations"]} == {"1", "3"}
    assert last["parameters"]["0.weight"]["change"] > 0
    assert sum(last["activations"]["1"]["values"]["counts"]) == 64 * 32
    again = Watch(model, LOSS, X, T)
    again.load_state_dict(watch.state_dict())
    assert again.epochs == watch.epochs


HEALTHY: dict[str, Callable[[], nn.Module]] = {
    "relu": lambda: nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10)),
    "tanh": lambda: nn.Sequential(nn.Linear(64, 50), nn.Tanh(), nn.Linear(50, 10)),
    "sigmoid": lambda: nn.Sequential(nn.Linear(64, 50), nn.Sigmoid(), nn.Linear(50, 10)),
    "normalised": lambda: nn.Sequential(
        nn.Linear(64, 50), nn.BatchNorm1d(50), nn.ReLU(), nn.Dropout(0.2), nn.LayerNorm(50),
        nn.Linear(50, 50), nn.GELU(), nn.Linear(50, 10),
    ),
    "convolution": lambda: nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(128, 10),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HEALTHY)
def test_healthy_nets_have_no_findings(name: str) -> None:
    ag.manual_seed(0)
    digits = datasets.digits()
    x, t = (digits.data[:256] / 16).astype("float32"), digits.target[:256]
    model = HEALTHY[name]()
    adam = optim.Adam(model.parameters(), lr=0.005)
    assert diagnose(model, LOSS, x, t, optimizer=adam) == []
    watch = Watch(model, LOSS, x, t, optimizer=adam)
    loader = nn.data.DataLoader(nn.data.TensorDataset(x, t), batch_size=32, shuffle=True)
    fit(model, LOSS, adam, loader, 8, callbacks=[watch], progress=False)
    assert watch.findings == [] and str(watch.findings) == "nothing was found"
    assert watch.findings._repr_html_() == "nothing was found"
    found = Findings([Finding("dead", "<fc1>", "is dead", "8 of 8", "start anew")])
    assert found._repr_html_() == "<ul><li>&lt;fc1&gt;: is dead (8 of 8). start anew</li></ul>"


# ---- the page ------------------------------------------------------------------------------------


def test_the_page_shows_every_epoch_in_a_browser(tmp_path: Path) -> None:
    driver = open_chromium()
    try:
        model = net()
        sgd = optim.SGD(model.parameters(), lr=0.1)
        watch = trained(model, sgd, 5, validation=[(X, T)])
        watch.epochs[1]["findings"] = ["</script><b id='planted'>1</b>"]
        watch.epochs[2]["loss"] = math.nan
        path = tmp_path / "training.html"
        watch.save(path)
        driver.get(path.as_uri())

        def one(selector: str) -> Any:
            return driver.find_element("css selector", selector)

        assert one("#shown").text.startswith("epoch 5: loss ")
        names = [h.text for h in driver.find_elements("css selector", ".card h2")]
        assert names == ["1", "3", *[name for name, _ in model.named_parameters()]]
        assert len(driver.find_elements("css selector", "#curve polyline")) == 2
        for _ in range(2):
            one("#epoch").send_keys("\ue012")  # the left arrow
        assert one("#shown").text.startswith("epoch 3: loss no number")
        one("#epoch").send_keys("\ue012")
        assert one("#found li").text == "</script><b id='planted'>1</b>"
        assert not driver.find_elements("css selector", "#planted")
        width = f"{watch.epochs[1]['parameters']['0.weight']['size']:.3g}"
        assert width in one("#parameters .card dl").text
        one("#play").click()
        assert one("#play").text == "pause"
        one("#play").click()
        assert one("#play").text == "play"
        assert not [line for line in driver.get_log("browser") if line["level"] == "SEVERE"]
    finally:
        driver.quit()


def test_a_page_without_epochs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no epoch yet"):
        Watch(net(), LOSS, X, T).save(tmp_path / "training.html")
    assert not [*tmp_path.iterdir()]


def test_findings_stand_on_the_cards_of_a_drawing() -> None:
    model = net()
    for i in (0, 2):
        model[i].bias.data.fill_(-100.0)
    found = diagnose(model, LOSS, ag.tensor(X), T)
    assert found.kinds == {"dead"}
    loss = LOSS(model(ag.tensor(X)), T)  # another record of the same model
    for depth in (None, 0):
        g = draw(loss, model, findings=found, depth=depth)
        marked = [n for n in g.drawing.nodes if n.verdict]
        assert [n.path or n.title for n in marked] == ["1", "3"]
        for node in marked:
            assert (node.judge, node.verdict, node.tone, node.sign) == (
                "found",
                "dead",
                "doubt",
                "▲",
            )
            assert "most units are dead" in node.mistakes[1] and "LeakyReLU" in node.mistakes[-1]
        for text in (g.to_text(), g.to_mermaid(), g.to_dot(), g.to_html()):
            assert "32 of 32 units" in text and "most units are dead" in text
    unused = Unused()
    loss = LOSS(unused(ag.tensor(X)), T)
    found = diagnose(unused, LOSS, ag.tensor(X), T)
    notes = draw(loss, unused, findings=found).drawing.notes
    assert any(note.startswith("Found: unused.weight: the loss does not depend") for note in notes)
    watch = Watch(model, LOSS, ag.tensor(X), T)
    fit(model, LOSS, optim.SGD(model.parameters(), lr=0.0), [(X, T)], 1, callbacks=[watch])
    assert "found     dead" in str(draw(LOSS(model(ag.tensor(X)), T), findings=watch.findings))
