"""A recurrent layer of nn beside its backprop by hand: what it is made of is compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, compare, tensor

R = np.random.default_rng(0)
STEPS, BATCH = 5, 6
X, Y = R.standard_normal((STEPS, BATCH, 3)), R.integers(0, 2, (BATCH, STEPS))


class Net(nn.Module):
    """A class for every step."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.RNN(3, 4)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.rnn(x)[0])


def by_hand(net: Any, slip: str) -> dict[str, Any]:
    p = {name: a.array for name, a in net.named_parameters()}
    W, U, V = p["rnn.weight_ih_l0"], p["rnn.weight_hh_l0"], p["head.weight"]
    h = [np.zeros((BATCH, 4))]
    for t in range(STEPS):
        h.append(np.tanh(X[t] @ W.T + p["rnn.bias_ih_l0"] + h[t] @ U.T + p["rnn.bias_hh_l0"]))
    g = {name: np.zeros_like(a) for name, a in p.items()}
    later: Any = 0
    for t in reversed(range(STEPS)):
        e = np.exp(h[t + 1] @ V.T + p["head.bias"])
        d = e / e.sum(axis=1, keepdims=True)
        d[np.arange(BATCH), Y[:, t]] -= 1
        d /= BATCH * STEPS
        g["head.weight"] += d.T @ h[t + 1]
        g["head.bias"] += d.sum(axis=0)
        dz = (d @ V + (0 if slip == "next" else later)) * (1 - h[t + 1] ** 2)
        g["rnn.weight_ih_l0"] += dz.T @ X[t]
        g["rnn.weight_hh_l0"] += dz.T @ h[t + 1 if slip == "state" else t]
        for name in ("rnn.bias_ih_l0", "rnn.bias_hh_l0"):
            g[name] += dz.sum(axis=0)
        later = dz @ (U.T if slip == "transpose" else U)
    return g


SLIPS = {
    "": "",
    "state": "is made with the state after the step for the one before it",
    "next": "the contribution of the step after, through rnn.weight_hh_l0, is forgotten, in all 5",
    "transpose": "the weight not transposed on the way back to the input, in all 4 places",
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_mistake_in_its_backprop_is_named(slip: str) -> None:
    net: Any = Net().double()
    loss = nn.functional.cross_entropy(net(tensor(X)).permute(1, 2, 0), tensor(Y))
    report = compare(loss, by_hand(net, slip), model=net)
    assert report.ok == (not slip)
    if slip:
        assert SLIPS[slip] in report.first_wrong.explanations[0]
