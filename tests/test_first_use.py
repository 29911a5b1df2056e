"""What those met who used the comparison for the first time: code as they wrote it."""

import math
from typing import Any

import numpy as np
import pytest

from autograd_lite import check, check_backward, compare, compare_layers, tensor

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
    said = "states[t - 2] used instead of states[t - 1]: another item or time step"
    assert report.headline == f"w is wrong: {said} (line {report.fixes[0].line}). Fix w first."
    news = ["".join(fix.new.split()) for fix in report.fixes]
    assert "dw+=np.outer(back,states[t-1])" in news
    assert len({*news}) == len(news)


def squares(w: Array, x: Array, y: Array) -> Array:
    return ((x @ w - y) ** 2).mean()


def slopes_of_squares(w: Array, x: Array, y: Array) -> dict[str, Array]:
    return {"dw": 2 * x.T @ (x @ w - y) / len(y)}


def test_a_derivative_without_an_upstream_may_return_a_dictionary():
    w, x, y = np.cos(np.arange(3.0)), np.sin(np.arange(24.0)).reshape(8, 3), np.arange(8.0)
    report = check_backward(squares, slopes_of_squares, (w, x, y))
    assert report.ok, report
    assert next(row for row in report.rows if row.name == "w").verdict == "ok"


class Softmax:
    """A net whose loss changes its probabilities in place to have their gradient."""

    def __init__(self) -> None:
        self.params = {"W": np.cos(np.arange(8.0)).reshape(2, 4), "b": np.zeros(4)}

    def loss(self, x: Array, y: Array | None = None) -> Any:
        s = x @ self.params["W"] + self.params["b"]
        if y is None:
            return s
        p = np.exp(s) / np.exp(s).sum(axis=1, keepdims=True)
        rows = np.arange(len(x))
        loss = -np.log(p[rows, y]).mean()
        d = p
        d[rows, y] -= 1
        d /= len(x)
        return loss, {"W": x.T @ d, "b": d.mean(axis=0)}


def test_probabilities_that_are_changed_in_place_are_no_crash():
    x = np.sin(np.arange(12.0)).reshape(6, 2)
    report = compare_layers(Softmax(), None, None, x, np.array([0, 1, 2, 3, 1, 1]))
    assert {row.name.split(".")[-1]: row.verdict for row in report.rows} == {
        "W": "ok",
        "b": "wrong here",
    }


W, DATA, TARGETS = np.cos(np.arange(3.0)), np.sin(np.arange(24.0)).reshape(8, 3), np.arange(8.0)


def propagate(w: Array, x: Array, y: Array) -> tuple[dict[str, Array], Array]:
    return slopes_of_squares(w, x, y), squares(w, x, y)


def test_gradients_may_be_returned_before_the_loss():
    assert check(propagate, (W, DATA, TARGETS)).ok
    assert check_backward(propagate, None, (W, DATA, TARGETS)).ok
    wrong = check(
        lambda w: (3 * propagate(w, DATA, TARGETS)[0]["dw"], squares(w, DATA, TARGETS)), W
    )
    assert "yours is 3 times" in wrong.headline or "factor" in wrong.headline, wrong.headline


def test_gradients_that_raise_are_a_row_with_a_fix():
    def slopes(w: Array) -> Array:
        return 2 * DATA @ (DATA @ w - TARGETS) / 8

    report = check(lambda w: squares(w, DATA, TARGETS), W, slopes)
    assert report.first_wrong.name == "slopes()" and "raised ValueError" in report.headline
    assert "return 2 * DATA.T @ (DATA @ w - TARGETS) / 8" in [fix.new for fix in report.fixes]


def test_a_loss_that_makes_no_tape_is_told_of_check():
    w = tensor(W, requires_grad=True, name="w")
    with pytest.raises(RuntimeError) as raised:
        compare(lambda: float(squares(w, DATA, TARGETS)), {"w": W})
    assert raised.value.__notes__ == [
        "compare: check(f, params, grads) takes code that makes no tape as it is."
    ]


def softmax_loss(x: Array, y: Array) -> tuple[Array, Array]:
    p = np.exp(x - x.max(axis=1, keepdims=True))
    p = p / p.sum(axis=1, keepdims=True)
    loss = -np.log(p[np.arange(len(y)), y]).mean()
    d = p.copy() if isinstance(p, np.ndarray) else p.numpy().copy()
    d[np.arange(len(y)), y] -= 1
    return loss, d / len(y)


def test_labels_are_tried_and_a_dictionary_is_asked_for():
    assert check_backward(softmax_loss).ok
    with pytest.raises(ValueError, match=r"inputs=\{'bn_param': \{\.\.\.\}\}"):
        check_backward(lambda x, bn_param: x * bn_param.get("eps", 1), lambda g, x, bn_param: (g,))


def test_a_backward_of_a_loss_that_does_not_use_its_upstream():
    shapes = ((5,), (5,))

    def loss(w: Array, b: Array) -> Array:
        return ((w * b) ** 2).sum()

    report = check_backward(loss, lambda g, w, b: (2 * w * b * b, 2 * w * w * b), shapes)
    said = "g is not used: it is right where 1 arrives"
    assert [row.explanations for row in report.rows] == [[said], [said]]
    report = check_backward(loss, lambda g, w, b: (2 * w * b * b, w * w * b), shapes)
    by_name = {row.name: row for row in report.rows}
    assert by_name["w"].explanations == [said]
    assert "2 of a square" in by_name["b"].explanations[0]
    assert check_backward(loss, lambda g, w, b: (g * 2 * w * b * b, g * 2 * w * w * b), shapes).ok


def step_backward(dh: Array, cache: tuple[Array, ...]) -> tuple[Array, ...]:
    x, last, w, h = cache
    d = dh * (1 - h * h)
    return x.T @ d, last.T @ d, d @ w.T


def recurrent(x: Array, u: Array, w: Array) -> tuple[Array, list[Any]]:
    last, caches, states = np.zeros((len(x), len(w))), [], []
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ u + last @ w)
        caches.append((x[:, t], last, w, h))
        states.append(h)
        last = h
    return np.stack(states, axis=1), caches


def recurrent_backward(dh: Array, caches: list[Any]) -> dict[str, Array]:
    du, dw, back = 0, 0, np.zeros_like(dh[:, 0])
    for t in reversed(range(len(caches))):
        one, other, back = step_backward(dh[:, t], caches[t])  # noqa: RUF059
        du, dw = du + one, dw + other
    return {"u": du, "w": dw}


def attention(q: Array, k: Array, v: Array) -> Array:
    z = q @ k.T / np.sqrt(q.shape[1])
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return (e / e.sum(axis=1, keepdims=True)) @ v


def attention_backward(g: Array, q: Array, k: Array, v: Array) -> tuple[Array, ...]:
    d = q.shape[1]
    z = q @ k.T / np.sqrt(d)
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    dp = g @ v.T
    ds = p * (dp - (dp * p).sum(axis=1, keepdims=True))
    return ds @ k / np.sqrt(d), ds.T @ q, p.T @ g


def centred(x: Array) -> Array:
    return (x - x.mean(axis=0)) ** 3


def centred_backward(g: Array, x: Array) -> Array:
    dxc = 3 * g * (x - x.mean(axis=0)) ** 2
    return dxc


def test_edits_of_arguments_of_numbers_and_of_means():
    report = check_backward(recurrent, recurrent_backward, ((2, 3, 4), (4, 5), (5, 5)))
    assert "one, other, back = step_backward(dh[:, t] + back, caches[t])" in [
        fix.new for fix in report.fixes
    ]
    report = check_backward(attention, attention_backward, ((4, 3), (5, 3), (5, 6)))
    assert report.fixes[0].new == "return ds @ k / np.sqrt(d), ds.T @ q / np.sqrt(d), p.T @ g"
    report = check_backward(centred, centred_backward)
    assert report.fixes[0].new == "return dxc - dxc.mean(axis=0)"


def means(w: Array, x: Array, y: Array) -> tuple[Array, Array]:
    n = len(y)
    e = x @ w - y
    return (e**2).sum() / n, 2 * x.T @ e


def branched(w: Array, x: Array, y: Array) -> tuple[Array, Array]:
    e, square = x @ w - y, 2
    dw = e @ x if square == 2 else 2 * e @ x
    return (e**2).sum(), dw


def test_one_way_to_write_a_fix_is_shown_and_conditions_come_last():
    (fix,) = check(means, (W, DATA, TARGETS)).fixes
    assert fix.new.endswith("2 * x.T @ e / n") and fix.more >= 3
    assert "more ways to write it)" in str(fix)
    fixes = check(branched, (W, DATA, TARGETS)).fixes
    assert fixes and all("if square == 2 else" in fix.new or "if" not in fix.new for fix in fixes)


class Scaled:
    def __init__(self) -> None:
        self.w = np.linspace(1, 2, 3)

    def forward(self, x: Array) -> Array:
        return x * self.w

    def backward(self, g: Array) -> Array:
        self.dw = -2 * g.sum(axis=0)
        return g * self.w


def test_every_door_looks_as_long_as_it_is_told() -> None:
    said = "The search for the mistake was cut off; effort=10 tries more."
    x, y = np.arange(12.0).reshape(4, 3), np.zeros((4, 3))
    for effort in (0, 1):
        reports = [
            check(lambda w: (w**3).sum(), W, -3 * W**2, effort=effort),
            check_backward(lambda x: x**3, lambda g, x: -6 * g * x**2, effort=effort),
            compare_layers(
                [Scaled()],
                lambda p, y: ((p - y) ** 2).sum() / 2,
                lambda p, y: p - y,
                x,
                y,
                effort=effort,
            ),
        ]
        assert [said in report.remarks for report in reports] == [effort == 0] * 3
    for door in (check, check_backward, compare_layers):
        with pytest.raises(ValueError, match="effort is -1; give a number"):
            door(lambda w: w, None, effort=-1)


def test_of_one_number_no_angle_is_said():
    w = tensor(np.array(2.0), requires_grad=True, name="w")
    report = compare(w**3 + 0 * w.sin(), {"w": 1.3717 * 12})
    assert report.first_wrong.note == "yours is 1.372 times the right one"
    assert "cosine" not in str(report)


def two_outputs(a: Array, b: Array) -> tuple[Array, Array]:
    c = a * b
    h = np.tanh(c)
    return h, c


def of_the_first(dh: Array, dc: Array, a: Array, b: Array) -> tuple[Array, Array]:
    d = dh * (1 - np.tanh(a * b) ** 2)
    return d * b, d * a


def test_what_is_said_has_the_names_of_the_learners_variables():
    report = check_backward(two_outputs, of_the_first, ((5, 3), (5, 3)))
    assert "1 of 2 contributions is left (at c)" in report.headline
    x, w = tensor(DATA), tensor(W[:, None], requires_grad=True, name="w")
    hidden = x @ w + 0.5
    state = hidden.tanh()
    loss = (state * state).sum()
    report = compare(loss, {"w": DATA.T @ (2 * state.array)})
    assert "the derivative of tanh left out (in state)" in report.headline
