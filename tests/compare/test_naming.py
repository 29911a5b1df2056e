"""The learner's own words for tensors, or plain words for a place."""

from __future__ import annotations

import re
import sys
from types import SimpleNamespace

import numpy as np

import nn
from autograd_lite import Tensor, tensor
from autograd_lite.comparison.answers.naming import Layers, frame_names, identity, place_name
from autograd_lite.program.chain import Tape


def weights(*shapes: tuple[int, ...]) -> list[Tensor]:
    return [tensor(np.ones(shape), requires_grad=True) for shape in shapes]


def test_variables_of_a_frame() -> None:
    d2, hpreact = np.ones((2, 3)), tensor(np.ones(4))
    view = np.zeros((3, 2)).T
    grads, nabla_w = {"W1": np.ones(2), 3: np.ones(2)}, [np.ones(2), np.ones(3)]
    net = SimpleNamespace(W=np.ones(5), _hidden=np.ones(6))
    other, text = d2.T, "no array"
    names = frame_names(sys._getframe())
    assert names[identity(d2)] == names[identity(other)] == names[identity(d2[0])] == "d2"
    assert names[identity(hpreact)] == names[identity(hpreact.array)] == "hpreact"
    assert names[identity(view)] == "view"
    assert names[identity(grads["W1"])] == 'grads["W1"]' and names[identity(grads[3])] == "grads[3]"
    assert names[identity(nabla_w[1])] == "nabla_w[1]"
    assert names[identity(net.W)] == "net.W" and identity(net._hidden) not in names
    assert identity(text) == 0 and 0 not in names and identity(np.ones(2)) not in names


def test_a_variable_is_said_before_what_is_inside_another() -> None:
    cache = {"A1": np.ones(3)}
    A1 = cache["A1"]
    assert frame_names(sys._getframe())[identity(A1)] == "A1"


def test_names_come_first_keys_before_the_tensors_own() -> None:
    (w,) = weights((3, 2))
    z = tensor(np.ones((4, 3))) @ w
    z.name = "own"
    tape = Tape(z.sum())
    assert place_name(z, {}, tape) == "own" and place_name(z, {z: "key"}, tape) == "key"


def test_two_layers_are_the_hidden_and_the_last_one() -> None:
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double()
    out = net(tensor(np.ones((6, 4))))
    tape = Tape(nn.functional.cross_entropy(out, tensor(np.zeros(6, int))))
    words = {t.op.name: place_name(t, {}, tape) for t in tape.nodes if t.op is not None}
    assert words["relu"] == "the hidden layer's relu"
    assert words["log_softmax"] == "the last layer's log softmax"
    assert place_name(out, {}, tape) == "the output of the last layer"
    assert place_name(tape.nodes[-1], {}, tape) == "the loss"


def test_more_layers_are_numbered() -> None:
    a, made = tensor(np.ones((6, 4))), []
    for w in weights((4, 4), (4, 4), (4, 4)):
        made += [a @ w]
        a = 1 / (1 + (-made[-1]).exp())
    layers = Layers(Tape(((a - 1.0) ** 2).mean()), {})
    assert [layers.of(z) for z in made] == [f"the output of layer {i}" for i in (1, 2, 3)]
    assert layers.of(a) == "the quotient after layer 3"


def test_a_weight_that_is_used_again_makes_steps_of_one_layer() -> None:
    wx, wh, b = weights((5, 4), (5, 5), (5, 1))
    h, steps = tensor(np.zeros((5, 1))), []
    for _ in range(2):
        z = wx @ tensor(np.ones((4, 1))) + wh @ h + b
        h = z.tanh()
        steps += [z, h]
    layers = Layers(Tape(h.sum()), {})
    assert [layers.of(t) for t in steps] == [
        "the output of the last layer in step 1", "the tanh of the last layer in step 1",
        "the output of the last layer in step 2", "the tanh of the last layer in step 2",
    ]  # fmt: skip


def test_without_layers_it_is_said_what_it_is_made_from() -> None:
    x = tensor([1.0, 2.0], requires_grad=True, name="x")
    y = x.exp()
    loss = ((y + 3.0) * y).sum()
    tape = Tape(loss)
    assert place_name(y, {}, tape) == "the exp of x"
    assert place_name(tape.nodes[-2], {y: "y"}, tape) == "the product of the sum of y"


def test_no_row_with_a_shape_is_ever_said() -> None:
    """Whatever a net looks like."""
    (q, k), x = weights((3, 2), (3, 2)), tensor(np.ones((4, 3)))
    scores = ((x @ q) @ (x @ k).mT / 2.0).softmax(axis=-1)
    tape = Tape((scores[0] * scores[1].reshape((1, 4))).mean())
    for t in tape.nodes:
        words = place_name(t, {}, tape)
        assert re.fullmatch(r"[\w' ]+", words) and len(words) < 60, words
