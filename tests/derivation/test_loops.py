"""Steps that repeat are a loop in the source, which gives what the unrolled lines give."""

import numpy as np
import pytest

import nn
from autograd_lite import cat, derive, manual_seed, randn, stack, tensor, zeros
from autograd_lite.derivation.source import Source, execute
from nn import functional as F


def last(kind, steps, **options):
    """The loss of a layer of recurrence, read out at its last step."""

    def build():
        both = 1 + options.get("bidirectional", False)
        model = nn.ModuleDict(
            {"rnn": getattr(nn, kind)(3, 4, **options), "fc": nn.Linear(4 * both, 2)}
        )
        first = options.get("batch_first")
        y, _ = model["rnn"](randn(*((2, steps) if first else (steps, 2)), 3))
        return F.cross_entropy(model["fc"](y[:, -1] if first else y[-1]), tensor([1, 0])), model

    return build


def by_hand(cell, x_needs=False, each=False):
    """A cell called for every step, as courses write it, with a loss at each step or the last."""

    def build():
        model = nn.ModuleDict({"cell": getattr(nn, cell)(3, 4), "out": nn.Linear(4, 3)})
        x = randn(6, 2, 3, requires_grad=x_needs)
        state = zeros(2, 4)
        if cell == "LSTMCell":
            state = state, state
        losses = []
        for t in range(6):
            state = model["cell"](x[t], state)
            h = state[0] if cell == "LSTMCell" else state
            losses.append(F.cross_entropy(model["out"](h), tensor([t % 3, 1])))
        return (stack(losses).mean() if each else losses[-1]), model

    return build


def karpathy():
    """Products with bare weights and no state at first."""
    wx, wh = (randn(3, 4, requires_grad=True), randn(4, 4, requires_grad=True))
    x, h, total = randn(2, 5, 3), None, 0.0
    for t in range(5):
        a = x[:, t] @ wx
        h = (a if h is None else a + h @ wh).tanh()
        total = total + (h * h).mean()
    return total, None


NETS = {
    "RNN": last("RNN", 5), "LSTM": last("LSTM", 4), "GRU": last("GRU", 5), "three": last("LSTM", 3),
    "relu": last("RNN", 7, nonlinearity="relu", bias=False),
    "both ways": last("GRU", 5, bidirectional=True), "two layers": last("LSTM", 5, num_layers=2),
    "batch first": last("RNN", 5, batch_first=True),
    "cell": by_hand("RNNCell"), "cells of LSTM": by_hand("LSTMCell", each=True),
    "input with a gradient": by_hand("GRUCell", x_needs=True), "karpathy": karpathy,
}  # fmt: skip


def run(d, loops):
    names = {}
    execute(compile(Source(d.program, loops).text, "<loops>", "exec"), names)
    return names["backprop"](**d.arguments)


@pytest.mark.parametrize("name", NETS)
def test_a_loop_gives_the_gradients_of_the_unrolled_lines(name):
    manual_seed(0)
    loss, model = NETS[name]()
    d = derive(loss, model)
    text = d.source()
    assert "in range(" in text and "in reversed(range(" in text
    assert max(map(len, text.split("\n"))) <= 88
    (a, found), (b, plain) = run(d, True), run(d, False)
    assert a == b and found.keys() == plain.keys()
    for key in plain:
        assert found[key].dtype == plain[key].dtype
        np.testing.assert_array_equal(found[key], plain[key], err_msg=key)
    loss.backward()


def test_the_loop_is_the_one_of_a_textbook():
    manual_seed(0)
    loss, model = last("RNN", 5)()
    text = derive(loss, model).source()
    for line in (
        "for k in range(1, 6):",
        "        h[k] = np.tanh(z)  # (2, 4)",
        "    for k in reversed(range(1, 5)):",
        "        d_h = d_rnn[k - 1] + d_z[k + 1] @ weight_hh_l0  # (2, 4)",
        "sum(d_z[k].T @ h[k - 1] for k in reversed(range(1, 6)))",
    ):
        assert line in text, text


def test_a_loop_is_as_long_for_any_number_of_steps():
    manual_seed(0)
    lines = {}
    for steps in (6, 12):
        text = derive(*last("GRU", steps)()).source()
        lines[steps] = len([line for line in text.split("\n") if "x" not in line])
    assert lines[12] - lines[6] <= 4 and lines[12] < 90


def test_a_gru_has_one_letter_for_each_part_of_a_step():
    """The gates are r and z, and not also 1 - z and the products."""
    manual_seed(0)
    text = derive(*last("GRU", 5)()).source()
    for line in (
        "p = x[k] @ weight_ih_l0.T + bias_ih_l0",
        "g[k] = 1 - z[k]",
        "h[k] = g[k] * n[k] + z[k] * h[k - 1]",
    ):
        assert f"        {line}  #" in text


def test_check_runs_the_loop():
    manual_seed(0)
    d = derive(*last("RNN", 4)())
    assert d.check()
    names = [r.name for r in d.check().rows]
    assert "weight_hh_l0" in names and "h4" in names
    d.program.statements[-1].expr = d.program.statements[-1].expr * 2
    assert not d.check()


@pytest.mark.parametrize(
    ("number", "line"),
    [
        (lambda k: 2 * k + 3, "a[t - 1] * 0.1 * (2 * t + 1)"),
        (lambda k: 9 - k, "a[t - 1] * 0.1 * (10 - t)"),
        (lambda k: k + 1, "a[t - 1] * 0.1 * t"),
        (lambda k: 10.0 ** -(k + 5), "a4 * 0.1 * 1e-09"),  # an exponent does not count steps
    ],
)
def test_numbers_that_count_steps_are_numbers_in_the_loop(number, line):
    manual_seed(0)
    w = randn(2, 2, requires_grad=True)
    h = randn(1, 2, requires_grad=True)
    for k in range(5):
        h = (h @ w).tanh() + h * 0.1 * number(k)
    d = derive(h.sum())
    text = d.source()
    assert line in text, text
    assert d.check()


def test_what_shares_nothing_stays_as_it_is():
    model = nn.Sequential(*[layer for _ in range(5) for layer in (nn.Linear(3, 3), nn.Tanh())])
    assert "range(" not in derive(model(randn(2, 3)).sum(), model).source()
    x = tensor([2.0], requires_grad=True, name="x")
    y = cat([x, x, x, x]).sum()
    assert "range(" not in derive(y).source()
