"""Which module every operation is framed by, repeated modules, and drawing a model by itself."""

import gc
import pickle
import subprocess
import sys
import threading
from collections import deque

import numpy as np
import pytest

import nn
from autograd_lite import (
    Tensor,
    cat,
    default_generator,
    manual_seed,
    no_grad,
    origin,
    rand,
    tensor,
    zeros,
)
from autograd_lite.graph import draw
from autograd_lite.graph.repeats import FEW as REPEATS
from autograd_lite.program.modules import Modules
from autograd_lite.program.reading import Reading
from tests.helpers import PATIENCE


@pytest.fixture(autouse=True)
def seeded():
    manual_seed(0)


class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.norm, self.fc = nn.LayerNorm(n), nn.Linear(n, n)

    def forward(self, x):
        return x + self.fc(self.norm(x)).relu()


class Net(nn.Module):
    def __init__(self, blocks=6):
        super().__init__()
        self.embed = nn.Linear(3, 4)
        self.blocks = nn.Sequential(*(Block(4) for _ in range(blocks)))
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        return self.head(self.blocks(self.embed(x))).mean()


class RNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(5, 2)

    def forward(self, x, h):
        for step in x:
            h = self.cell(cat([step, h], dim=1)).tanh()
        return h


def paths(g, kind="op"):
    return [(n.title, n.path) for n in g.drawing.nodes if n.kind == kind]


def titles(g):
    return [n.title for n in g.drawing.nodes]


# ---- frames


def test_every_operation_is_framed_by_the_module_it_ran_in():
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1))
    g = draw(model(rand(5, 3)).sum())
    found = paths(g)
    assert found[:2] == [("matmul", "0"), ("add", "0")]
    statistics = {"mean", "sub", "power", "sqrt", "div", "mul", "reshape"}
    assert {title for title, path in found if path == "1"} >= statistics
    assert ("relu", "2") in found and found[-1] == ("sum", "")
    assert {n.path for n in g.drawing.nodes if n.title.startswith("1.")} == {"1"}


def test_a_model_is_found_by_its_calls_and_so_are_the_names_of_its_parameters():
    model, loss_fn = nn.Sequential(nn.Linear(3, 2), nn.Tanh()), nn.MSELoss()
    loss = loss_fn(model(rand(4, 3)), rand(4, 2))
    g = draw(loss)
    assert g.drawing.title == "Sequential"
    assert "0.weight" in titles(g) and "0.bias" in titles(g)
    assert {p for _, p in paths(g)} == {"0", "1", "MSELoss"}
    assert draw(loss, model=model).to_dot() == g.to_dot()
    assert "Tanh()" in g.to_dot() and "Linear(3, 2)" in g.to_dot()


def test_a_module_that_lives_no_more_is_named_after_its_type():
    model = nn.Linear(3, 2)
    loss = nn.MSELoss()(nn.Tanh()(model(rand(4, 3))), rand(4, 2))
    gc.collect()
    assert {p for _, p in paths(draw(loss))} == {"", "Tanh", "MSELoss"}


def test_two_models_have_their_types_as_names():
    one, two = nn.Linear(3, 2), nn.Linear(2, 1)
    g = draw(two(one(rand(4, 3))).sum())
    assert {p for _, p in paths(g)} == {"Linear", "Linear2", ""}
    assert {n for n in titles(g) if "weight" in n} == {"Linear.weight", "Linear2.weight"}
    g = draw(two(one(rand(4, 3))).sum(), model=one)
    assert {n for n in titles(g) if "weight" in n} == {"weight", "Linear.weight"}


def test_a_module_that_is_called_again_gets_another_frame():
    g = draw(RNN(), (rand(3, 1, 3), zeros(1, 2)))
    assert [p for t, p in paths(g) if t == "matmul"] == ["cell", "cell#2", "cell#3"]
    assert [box.title for box in g.drawing.modules.values()] == [
        "cell", "cell, call 2", "cell, call 3",
    ]  # fmt: skip
    assert {n.path for n in g.drawing.nodes if n.title == "cell.weight"} == {""}


def test_calls_without_an_operation_of_this_tape_do_not_count():
    model = nn.Sequential(nn.Linear(3, 2), nn.Identity())
    start = rand(4, 3) * 1
    with no_grad():
        model(start)
    first = model(start)
    model(start)
    g = draw((first + model(start)).sum())
    assert [p for t, p in paths(g) if t == "matmul"] == ["0", "0#2"]


def test_a_shared_module_is_drawn_under_its_first_name():
    shared = nn.Linear(2, 2)
    model = nn.Sequential(nn.Sequential(shared, nn.Tanh()), nn.Sequential(nn.ReLU(), shared))
    found = paths(draw(model(rand(1, 2)).sum()))
    assert [p for t, p in found if t == "matmul"] == ["0.0", "0.0#2"]
    assert ("relu", "1.0") in found


def test_modules_called_at_once_in_two_threads_keep_their_frames():
    model, other = nn.Sequential(nn.Linear(3, 2), nn.Tanh()), nn.Linear(3, 3)
    ready, go = threading.Event(), threading.Event()

    class Waits(nn.Module):
        def forward(self, x):
            ready.set()
            assert go.wait(PATIENCE)
            return x * 1

    thread = threading.Thread(target=lambda: nn.Sequential(Waits(), other)(rand(1, 3)))

    class Meanwhile(nn.Module):
        def forward(self, x):
            thread.start()
            assert ready.wait(PATIENCE)
            return x

    try:
        y = nn.Sequential(Meanwhile(), model)(rand(1, 3)) * 2  # the other thread is in a module
    finally:
        go.set()
        thread.join()
    found = dict(paths(draw(y.sum(), model)))
    assert found["matmul"] == "0" and found["mul"] == ""


def test_a_model_that_is_no_module_with_a_loss_that_is():
    class Duck:
        layer = nn.Linear(3, 2)

        def named_parameters(self):
            return [("layer.weight", self.layer.weight), ("layer.bias", self.layer.bias)]

    model = Duck()
    y = rand(4, 3) @ model.layer.weight.mT + model.layer.bias
    found = paths(draw(nn.MSELoss()(y, rand(4, 2)), model))
    assert [p for _, p in found] == ["layer", "layer", "MSELoss", "MSELoss", "MSELoss"]


def test_forgotten_calls_are_no_frames(monkeypatch):
    model = nn.Sequential(nn.Linear(3, 2), nn.Tanh())
    y = model(rand(1, 3)).sum()
    tanh, _ = list(origin.calls.log)[-2:]
    monkeypatch.setattr(origin.calls, "log", deque([tanh], maxlen=1))
    assert paths(draw(y, model)) == [("matmul", "0"), ("add", "0"), ("tanh", ""), ("sum", "")]
    monkeypatch.setattr(origin.calls, "log", deque([tanh], maxlen=2))
    assert paths(draw(y, model))[2] == ("tanh", "1")


def test_a_call_keeps_no_module_and_no_trace_in_it():
    model = nn.Linear(2, 2)
    model(rand(1, 2))
    kept = origin.calls.log[-1][2]
    assert kept() is model
    assert "calls" not in model.__dict__ and pickle.loads(pickle.dumps(model)) is not model
    del model
    gc.collect()
    assert kept() is None


def test_calls_are_noted_only_where_draw_is_imported():
    code = """
import autograd_lite, nn
from autograd_lite import origin, rand
layer = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
y = layer(rand(1, 2)).sum()
assert len(origin.calls.log) == 0
from autograd_lite import draw
print(*(n.path for n in draw(y, layer).drawing.nodes if n.kind == "op"), sep=",")
layer(rand(1, 2))
assert len(origin.calls.log) == 3
"""
    command = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0,0,,"  # by the parameters that they use


def test_a_call_that_fails_leaves_no_trace():
    before = origin.calls.log[-1]
    with pytest.raises(ValueError, match="last axis should have 2 elements"):
        nn.Linear(2, 2)(rand(1, 3))
    assert origin.calls.log[-1] is before


# ---- repeats


def test_equal_modules_in_a_row_are_drawn_once():
    model, x = Net(), rand(2, 3)
    g = draw(model, x)
    (box,) = [b for b in g.drawing.modules.values() if b.what == "Block × 6"]
    assert box.title == "blocks.0 … blocks.5"
    assert "blocks.*.norm" in [b.title for b in g.drawing.modules.values()]
    whole = draw(model, x, collapse=False)
    assert len(whole.drawing.nodes) > 2 * len(g.drawing.nodes)
    per_block = [n for n in whole.drawing.nodes if n.title.endswith(".fc.weight")]
    (weight,) = [n for n in g.drawing.nodes if n.title == "blocks.*.fc.weight"]
    norms = sorted(float(n.grad.split()[-1]) for n in per_block)
    assert weight.grad == f"grad norm {norms[0]:g} to {norms[-1]:g}"
    assert weight.lines == ["6 × 16 numbers · float32"]
    relu = next(n for n in g.drawing.nodes if n.title == "relu")
    assert relu.times == 6 and "backward × 6" in g.to_dot()
    edges = [e.grads for e in whole.drawing.edges if e.target in keys(whole, "relu")]
    (folded,) = [e for e in g.drawing.edges if e.target == relu.key]
    assert sorted(folded.grads) == sorted(e[0] for e in edges) and len(folded.grads) == 6


def test_a_result_inside_the_last_of_them_is_connected():
    model = nn.Sequential(*(Block(4) for _ in range(5)))
    g = draw(model, Tensor(np.ones((2, 4), "float32"), requires_grad=True, name="x"))
    keys = {n.key for n in g.drawing.nodes}
    assert all(e.source in keys and e.target in keys for e in g.drawing.edges)
    assert "Block × 5" in g.to_text() and "Block × 5" in g.to_mermaid()


@pytest.mark.parametrize("n", [REPEATS - 1, REPEATS])
def test_a_few_are_drawn_one_by_one(n):
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(n)))
    assert (f"Linear × {n}" in draw(model, rand(2, 4)).to_text()) == (n == REPEATS)
    assert f"Block × {n}" in draw(Net(n), rand(2, 3)).to_text()  # of more than 40 cards


def test_modules_that_differ_are_not_drawn_as_one():
    linears = nn.Sequential(*(nn.Linear(2, 2 if i < 3 else 3) for i in range(4)))
    y = rand(1, 2)
    for layer in linears[:3]:
        y = layer(y)
    assert "×" not in draw(linears[3](y), linears).to_text()
    skip = nn.Sequential(*(Block(4) for _ in range(6)))
    h = start = rand(1, 4)
    for i, block in enumerate(skip):
        h = block(h if i != 3 else h + start)  # something between them
    text = draw(h.sum(), skip).to_text()
    assert "Block × 3" in text and not any(f"Block × {n}" in text for n in (4, 5, 6))


@pytest.mark.parametrize("broken", [None, 3])
def test_a_block_that_reads_from_elsewhere_ends_the_run(broken):
    class Far(nn.Module):
        def forward(self, x, far):
            return x * far

    layers = nn.ModuleList(Far() for _ in range(6))
    x = Tensor(np.ones(2), requires_grad=True)
    outputs = [x * 2]
    for i, layer in enumerate(layers):
        outputs.append(layer(outputs[-1], outputs[max(0, i - 1)] if i != broken else outputs[0]))
    text = draw(outputs[-1].sum(), nn.Sequential(layers)).to_text()
    assert ("Far × 5" in text) == (broken is None)  # the first squares, so it is not like them
    assert ("×" in text) == (broken is None)


@pytest.mark.parametrize("between", [False, True])
def test_modules_side_by_side_are_one_if_nothing_ran_between_them(between):
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter([[2.0, 1.0, 3.0]])

        def forward(self, x):
            return x * self.w

    heads = nn.ModuleList(Scale() for _ in range(4))
    x = rand(2, 3)
    outputs = [head(x).tanh() if between else head(x) for head in heads]
    g = draw(cat(outputs).sum(), nn.Sequential(heads))
    assert ("Scale × 4" in g.to_text()) != between
    assert len([e for e in g.drawing.edges if e.source in keys(g, "mul")]) == 4


def keys(g, title):
    return {n.key for n in g.drawing.nodes if n.title == title}


def test_modules_of_other_shapes_are_not_one():
    class View(nn.Module):
        def __init__(self, *shape):
            super().__init__()
            self.shape = shape

        def forward(self, x):
            return x.reshape(self.shape)

    views = nn.ModuleList([View(4), View(2, 2), View(4, 1), View(1, 4)])
    x = Tensor(np.ones((1, 1, 4)), requires_grad=True)
    total = [view(x) for view in views]
    assert "×" not in draw(total[0].sum() + sum(t.sum() for t in total), views).to_text()


def test_the_title_of_a_narrow_frame_leaves_room_for_the_arrow():
    dot = draw(RNN(), (rand(3, 1, 3), zeros(1, 2))).to_dot()
    first, second = (next(x for x in dot.splitlines() if f"<b>{t}</b>" in x) for t in
                     ("cell", "cell, call 2"))  # fmt: skip
    assert "Linear(5, 2)" in first and "Linear<" in second
    wide = draw(nn.Sequential(nn.Linear(10, 10)), rand(1, 10)).to_dot()
    assert "Linear(10, 10)" in wide


def test_depth_folds_the_folded():
    model, x = Net(), rand(2, 3)
    g = draw(model, x, depth=1)
    (card,) = [n for n in g.drawing.nodes if n.title == "blocks.0 … blocks.5"]
    assert card.kind == "module" and card.shape == "Block × 6"
    per_block = len([1 for _, path in paths(draw(model, x, collapse=False)) if "blocks.0" in path])
    assert card.lines == ["(2, 4) → (2, 4)", f"{6 * per_block} operations · {6 * 28} parameters"]
    assert " to " in card.grad
    one_by_one = draw(model, x, depth=1, collapse=False)
    assert len(titles(one_by_one)) == 5 + len(titles(g))


# ---- a model by itself


def test_a_model_is_drawn_before_any_training_step():
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU())
    g = draw(model, np.ones((4, 3), "float32"))
    assert titles(g)[0] == "x" and g.drawing.facts[-1] == "gradients of sum(y)"
    assert all(p.grad is None for p in model.parameters())
    with no_grad():
        assert draw(model, np.ones((4, 3), "float32")).to_dot() == g.to_dot()
    assert not any(e.grads for e in draw(model, rand(4, 3), grads=False).drawing.edges)
    assert "d_W" in draw(model, rand(4, 3), grads=False).to_text()


def test_the_numbers_of_an_input_have_the_default_dtype():
    model = nn.Linear(2, 1)
    assert draw(model, [[1.0, 2.0]]).drawing.facts[1] == "float32"
    assert draw(model, np.ones((1, 2))).drawing.facts[1] == "float64"


def test_drawing_a_model_leaves_buffers_and_random_numbers_alone():
    model = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5))
    before = {k: v.array.copy() for k, v in model.named_buffers()}
    state = default_generator().bit_generator.state
    draw(model, np.arange(6, dtype="float32").reshape(2, 3))
    assert default_generator().bit_generator.state == state
    for name, b in model.named_buffers():
        assert (b.array == before[name]).all()


def test_several_inputs_are_a_tuple():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter([2.0])

        def forward(self, a, b):
            return a * self.scale + b

    g = draw(Two(), (np.ones(1, "float32"), np.ones(1, "float32")))
    assert {"x1", "x2", "scale"} <= set(titles(g))


def test_errors_about_models():
    model = nn.Linear(2, 2)
    with pytest.raises(
        TypeError, match=r"needs an input to call the Linear with: draw\(model, x\)"
    ):
        draw(model)
    with pytest.raises(TypeError, match="a Tensor, which has no named_parameters"):
        draw(model(rand(1, 2)), rand(1, 2))

    class Pair(nn.Module):
        def forward(self, x):
            return x, x

    with pytest.raises(TypeError, match="the Pair gave a tuple; compute one Tensor from it"):
        draw(Pair(), rand(1, 2))


def test_constants_are_drawn_if_asked_for():
    x = Tensor(np.ones(2), requires_grad=True, name="x")
    y = ((x * np.arange(2.0)) + 3.0).sum()
    assert titles(draw(y)) == ["x", "mul", "add", "sum", "loss"]
    g = draw(y, constants=True)
    assert titles(g) == ["k", "x", "mul", "3", "add", "sum", "loss"]
    assert [(e.source, e.target) for e in g.drawing.edges if not e.tracked] == [
        ("c2_1", "n2"), ("c3_1", "n3"),
    ]  # fmt: skip
    assert "constant" in g.to_dot()


def test_a_second_derivative_is_drawn():
    from autograd_lite import grad, tensor

    x = tensor(2.0, requires_grad=True, name="x")
    slope = grad(lambda x: x**3, create_graph=True)(x)
    g = draw(slope)
    (card,) = [n for n in g.drawing.nodes if n.title == "x"]
    assert card.grad == "grad 12"
    assert g.drawing.facts[0].endswith(" 12")


def test_a_folded_card_sends_one_gradient_to_what_it_uses_twice():
    class Square(nn.Module):
        def __init__(self):
            super().__init__()
            self.factor = nn.Parameter(tensor(2.0))

        def forward(self, x):
            return x * x * self.factor

    class Whole(nn.Module):
        def __init__(self, n):
            super().__init__()
            self.parts = nn.Sequential(*(Square() for _ in range(n)))

        def forward(self, x):
            return self.parts(x * 1.0)

    def edge(g, kind):
        keys = {n.key for n in g.drawing.nodes if n.kind == kind}
        (found,) = [e for e in g.drawing.edges if e.target in keys and e.tracked]
        return found.grads

    x = tensor(3.0, requires_grad=True, name="x")
    assert edge(draw(Whole(1), x, depth=0), "module") == [12.0]
    assert edge(draw(Whole(1), x, depth=1), "module") == [12.0]
    # four in a row are one card: the gradient of the input of each, not of each use
    x = tensor(1.0, requires_grad=True, name="x")
    assert sorted(edge(draw(Whole(4), x, depth=1), "module")) == [
        512.0,
        16384.0,
        131072.0,
        524288.0,
    ]
    # the cut in the middle of a long graph is such a card, too
    y = x + 0.0
    z = y
    for i in range(500):
        z = z + y if i.bit_count() % 2 else y + z  # so that it is no loop
    hidden = [n.key for n in draw(z).drawing.nodes if n.kind == "hidden"]
    sent = [e.grads for e in draw(z).drawing.edges if e.target in hidden and e.grads]
    assert [421.0] in sent


def test_a_folded_card_sends_one_gradient_to_a_weight_that_it_uses_transposed():
    class Inner(nn.Module):
        def __init__(self):
            super().__init__()
            self.W = nn.Parameter(tensor(np.random.default_rng(0).standard_normal((3, 3))))

        def forward(self, x):
            return (x @ self.W.mT).tanh() @ self.W.mT @ self.W

    class Outer(nn.Module):
        def __init__(self, inner):
            super().__init__()
            self.inner = inner

        def forward(self, x):
            return self.inner(x) @ self.inner.W

    inner = Inner()
    x = tensor(np.random.default_rng(1).standard_normal((2, 3)), name="x")
    drawing = draw(Outer(inner)(x).sum(), depth=1).drawing
    (card,) = [n.key for n in drawing.nodes if n.kind == "module"]
    (weight,) = [n.key for n in drawing.nodes if n.kind == "parameter"]
    (sent,) = [e.grads for e in drawing.edges if (e.source, e.target) == (weight, card)]
    (inner(x) @ inner.W.detach()).sum().backward()
    assert sent == [pytest.approx(np.linalg.norm(inner.W.grad.array))]


def test_a_model_that_is_drawn_keeps_the_lines_that_made_it():
    g = draw(nn.Linear(2, 1), np.ones((1, 2)))
    places = {g.drawing.panels[n.key].place for n in g.drawing.nodes if n.kind == "op"}
    assert None not in places and {p.file for p in places} == {__file__}


STATED = {
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3), "Y = (X − μ) / √(σ² + ε) · γ + β"),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(3), "Y = (X − μ) / √(σ² + ε)"),
    "GroupNorm": (lambda: nn.GroupNorm(1, 3), "Y = (X − μ) / √(σ² + ε) · γ + β"),
    "Dropout2d": (lambda: nn.Dropout2d(0.2), "Y = X · mask / (1 − p)"),
    "RNN": (lambda: nn.RNN(3, 2), "Y[t] = tanh(X[t] Wᵀ + Y[t−1] Uᵀ + b)"),
    "LSTM": (lambda: nn.LSTM(3, 2), "C = f · C + i · g, Y[t] = o · tanh(C)"),
    "GRUCell": (lambda: nn.GRUCell(3, 2), "Y = (1 − z) · n + z · H"),
}


@pytest.mark.parametrize("name", STATED)
def test_layers_state_their_formula(name: str) -> None:
    make, formula = STATED[name]
    assert Modules(Reading(tensor(1.0)), make()).textbook("") == formula


def test_first_states_of_a_recurrence_have_the_names_of_textbooks():
    layer, x = nn.LSTM(3, 2), rand(4, 1, 3)
    told = str(draw(lambda x: layer(x)[0][-1], x))
    for name in ("h0  (1, 1, 2)", "c0  (1, 1, 2)"):
        assert f"{name}  input, float32, needs no gradient" in told
    told = str(draw(layer(x)[0][-1].sum()))  # where they were taken apart before the record
    assert "h0  (1, 2)  " in told and "c0  (1, 2)  " in told
    assert "before the record" not in told and "zeros" not in told
    layer = nn.GRU(3, 2)
    assert "h0  (1, 1, 2)  input" in str(draw(lambda x: layer(x)[0], x))
