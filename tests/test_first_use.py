"""What those met who used the comparison for the first time: code as they wrote it."""

import math
from typing import Any

import numpy as np

from autograd_lite import check

Array = Any
X, Y = np.c_[np.ones(6), np.sin(np.arange(12.0)).reshape(6, 2)], np.eye(2)[[0, 1, 1, 0, 1, 0]]


def unrolled(theta: Array) -> tuple[float, Array]:
    """The cost of a net whose parameters are one array, with a penalty on the biases as well."""
    first, second, n = theta[:12].reshape(4, 3), theta[12:].reshape(2, 5), len(X)
    hidden = np.c_[np.ones(n), np.tanh(X @ first.T)]
    error = hidden @ second.T - Y
    cost = (error**2).sum() / (2 * n) + (first[:, 1:] ** 2).sum() / n
    back = (error @ second)[:, 1:] * (1 - hidden[:, 1:] ** 2)
    own = back.T @ X / n
    own += 2 * first / n
    return cost, np.r_[own.ravel(), (error.T @ hidden / n).ravel()]


def test_an_edit_that_returns_np_r_itself_does_not_go_on_for_ever():
    report = check(unrolled, np.cos(np.arange(22.0)))
    assert report.first_wrong.note == "only elements 0, 3, 6, 9 differ"


def steps(w: Array) -> tuple[float, Array]:
    """A recurrence, with the state of the wrong step in its gradient."""
    states, dw, back = [np.ones(2)], np.zeros((2, 2)), np.zeros(2)
    for _ in range(4):
        states.append(np.array([math.tanh(z) for z in w @ states[-1]]))
    for t in range(4, 0, -1):
        back = ((t == 4) + w.T @ back) * (1 - states[t] ** 2)
        dw += np.outer(back, states[t-2])  # fmt: skip
    return float(states[-1].sum()), dw


def test_the_first_sentence_names_the_line_where_the_mistake_has_no_name():
    report = check(steps, np.array([[0.7, -0.4], [0.2, 0.5]]))
    line = report.fixes[0].line
    assert report.headline == f"w is wrong: an edit of line {line} makes it right. Fix w first."
    news = ["".join(fix.new.split()) for fix in report.fixes]
    assert "dw+=np.outer(back,states[t-1])" in news
    assert len({*news}) == len(news)
