"""`check_backward`: one backward by hand, alone, on random inputs of all different sizes."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import check_backward, tensor
from autograd_lite.comparison.learners.probing import Function

Array = Any


def linear(x: Any, w: Any, b: Any) -> Any:
    return x @ w.T + b


def linear_backward(g: Array, x: Array, w: Array, b: Array) -> Any:
    return g @ w, g.T @ x, g.sum(0)


def softmax_backward(g: Array, x: Array) -> Array:
    p = np.exp(x) / np.exp(x).sum(1, keepdims=True)
    return p * (g - (g * p).sum(1, keepdims=True))


def two_layers(x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
    return np.tanh(x @ w1.T + b1) @ w2.T + b2


def two_layers_backward(g: Array, x: Array, w1: Array, b1: Array, w2: Array, b2: Array) -> Any:
    h = np.tanh(x @ w1.T + b1)
    d = (g @ w2) * (1 - h * h)
    return d @ w1, d.T @ x, d.sum(0), g.T @ h, g.sum(0)


def verdicts(report: Any) -> dict[str, str]:
    return {row.name: row.verdict for row in report.rows}


def note_of(report: Any, name: str) -> str:
    return next(row.note for row in report.rows if row.name == name)


# ---- right and wrong -------------------------------------------------------------------------

RIGHT: list[tuple[Callable[..., Any], Callable[..., Any]]] = [
    (linear, linear_backward),
    (two_layers, two_layers_backward),
    (lambda x, W, b: x @ W + b, lambda g, x, W, b: (g @ W.T, x.T @ g, g.sum(0))),
    (
        lambda W, a, b: W @ a + b,  # columns
        lambda g, W, a, b: (g @ a.T, W.T @ g, g.sum(1, keepdims=True)),
    ),
    (lambda a, b: a @ b, lambda g, a, b: (g @ b.T, a.T @ g)),
    (lambda a, b: a * b, lambda g, a, b: (g * b, g * a)),
    (lambda x: ag.softmax(x, 1), softmax_backward),
    (lambda x: np.log(x), lambda g, x: g / x),
    (np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2)),
    (lambda x: x, lambda g, x: g),
    (lambda x, y: ((x - y) ** 2).mean(), lambda g, x, y: (2 * g * (x - y) / 15, 2 * g * (y - x) / 15)),
    (lambda x, eps=1e-5: x / (x * x + eps), lambda g, x: g * (1e-5 - x * x) / (x * x + 1e-5) ** 2),
    (
        lambda x, gamma, beta: x * gamma + beta,
        lambda g, x, gamma, beta: (g * gamma, (g * x).sum(0), g.sum(0)),
    ),
    (nn.Tanh(), lambda g, x: g * (1 - np.tanh(x) ** 2)),
    (nn.Linear(3, 4), linear_backward),
]  # fmt: skip


@pytest.mark.parametrize("i", range(len(RIGHT)))
def test_a_right_backward_is_ok(i: int) -> None:
    report = check_backward(*RIGHT[i])
    assert report.ok
    assert set(verdicts(report).values()) == {"ok"}


@pytest.mark.parametrize("i", range(len(RIGHT)))
def test_each_gradient_with_a_planted_error_is_wrong(i: int) -> None:
    forward, backward = RIGHT[i]
    for k in range(check_backward(forward, backward).to_dict()["rows"].__len__()):

        def planted(g: Array, *xs: Array, k: int = k) -> Any:
            found = backward(g, *xs)
            found = list(found) if isinstance(found, tuple) else [found]
            found[k] = found[k] * 1.001
            return found

        report = check_backward(forward, planted)
        assert sorted(verdicts(report).values()).count("wrong here") == 1
        assert not report.ok


def test_the_rows_have_the_names_of_the_parameters() -> None:
    assert list(verdicts(check_backward(linear, linear_backward))) == ["b", "x", "w"]
    found = verdicts(check_backward(nn.Linear(3, 4), linear_backward))
    assert sorted(found) == ["bias", "input", "weight"]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda g, x: g * np.exp(x) / np.exp(x).sum(1, keepdims=True),  # diagonal only
        lambda g, x: x * (g - (g * x).sum(1, keepdims=True)),  # from the logits
        lambda g, x: np.zeros_like(g),  # right for an upstream of ones
    ],
)
def test_the_upstream_is_random_so_that_a_wrong_softmax_shows(wrong: Any) -> None:
    assert not check_backward(lambda x: ag.softmax(x, 1), wrong).ok


def test_shapes_are_not_broadcast() -> None:
    def summed_by_nobody(g: Array, x: Array, w: Array, b: Array) -> Any:
        return g @ w, x.T @ g, g

    report = check_backward(linear, summed_by_nobody)
    assert verdicts(report) == {"b": "wrong here", "x": "ok", "w": "wrong here"}
    assert note_of(report, "b") == "yours has shape (5, 4)"


def test_results_by_name_and_not_handed_in() -> None:
    report = check_backward(linear, lambda g, x, w, b: {"w": g.T @ x, "b": None})
    assert verdicts(report) == {"w": "ok", "b": "not handed in", "x": "not handed in"}
    assert report.ok
    report = check_backward(linear, lambda g, x, w, b: (g @ w, None, g.sum(0)))
    assert verdicts(report) == {"b": "ok", "x": "ok", "w": "not handed in"}


def test_nothing_handed_in_is_not_ok() -> None:
    report = check_backward(linear, lambda g, x, w, b: {})
    assert set(verdicts(report).values()) == {"not handed in"}
    assert not report.ok


# ---- shapes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forward", "shapes"),
    [
        (linear, [(5, 3), (4, 3), (4,)]),
        (lambda x, w: x @ w, [(5, 3), (3, 4)]),
        (lambda W, a, b: W @ a + b, [(4, 3), (3, 5), (4, 1)]),
        (lambda q, k, v: ag.softmax(q @ k.T, 1) @ v, [(4, 3), (5, 3), (5, 3)]),
        (lambda x: x.T @ x, [(5, 3)]),
        (lambda x: ag.transpose(x, 1, 2), [(5, 3, 4)]),
        (lambda x: np.log(x), [(5, 3)]),
    ],
)
def test_shapes_are_found_by_trying(forward: Any, shapes: Any) -> None:
    function = Function(forward)
    assert [a.shape for a in function.fitting(function.given(None)).values()] == shapes


def test_inputs_may_be_given_in_order_or_by_name_as_arrays_or_shapes() -> None:
    seen: list[Any] = []

    def spy(g: Array, x: Array, w: Array, b: Array) -> Any:
        seen.append((x.shape, w.shape, b.shape))
        assert x.dtype == w.dtype == g.dtype == np.float64
        return linear_backward(g, x, w, b)

    x = np.full((7, 6), 2.0, np.float32)
    assert check_backward(linear, spy, inputs=(x, (8, 6), (8,))).ok
    assert check_backward(linear, spy, inputs={"w": tensor(np.ones((8, 3)))}).ok
    assert seen[0] == ((7, 6), (8, 6), (8,))
    assert seen[1] == ((5, 3), (8, 3), (8,))
    assert x.max() == 2


def test_integers_are_indices_and_have_no_gradient() -> None:
    index = np.array([0, 2, 2])

    def take_backward(g: Array, t: Array, i: Array) -> Array:
        d = np.zeros_like(t)
        np.add.at(d, i, g)
        return d

    def overwriting(g: Array, t: Array, i: Array) -> Any:
        d = np.zeros_like(t)
        d[i] = g
        return d, None

    inputs = {"i": index}
    assert verdicts(check_backward(lambda t, i: t[i], take_backward, inputs)) == {"t": "ok"}
    assert not check_backward(lambda t, i: t[i], overwriting, inputs).ok
    report = check_backward(lambda t, i: t[i], lambda g, t, i: (take_backward(g, t, i), i), inputs)
    assert "returns a gradient of 'i', which holds integers" in report.rows[0].note


HIDING: list[tuple[Any, Any]] = [
    ([(1, 3), (4, 3), (4,)], lambda g, x, w, b: (g @ w, g.T @ x, g.mean(0))),
    ([(1, 3), (1, 3), (1,)], lambda g, x, w, b: (g @ w, g.T @ x, g.mean(0))),
    ([(5, 3), (4, 3), np.zeros(4)], lambda g, x, w, b: (g @ w, g.T @ x, g.sum(0) + b)),
]


@pytest.mark.parametrize(("inputs", "wrong"), HIDING)
def test_a_mistake_that_the_inputs_hide_is_found_on_other_sizes(inputs: Any, wrong: Any) -> None:
    report = check_backward(linear, wrong, inputs)
    assert verdicts(report)["b"] == "wrong here"
    assert "hidden by the inputs given; seen with x (5, 3), w (4, 3), b (4,)" in note_of(
        report, "b"
    )
    assert check_backward(linear, linear_backward, inputs).ok


def doubled_mean(g: Array, x: Array) -> Array:
    return np.ones(x.shape) * g[..., None] / 2


def test_what_is_right_on_the_inputs_given_has_no_fix_that_is_wrong_on_them() -> None:
    report = check_backward(lambda x: x.mean(axis=-1), doubled_mean, [(3, 2)])
    assert "hidden by the inputs given; seen with x (5, 3)" in report.headline
    assert report.fixes == ()


def share(q: Any, k: Any) -> Any:
    e = np.exp(q @ k.T / 2)
    return e / e.sum(axis=-1, keepdims=True)


def attention_backward(g: Array, q: Array, k: Array, v: Array) -> Any:
    p = share(q, k)
    dp = g @ v.T
    ds = p * (dp - (dp * p).sum(axis=-1, keepdims=True))
    return ds @ k, ds.T @ q, p.T @ g


def test_images_are_tried() -> None:
    def forward(x: Any) -> Any:
        n, c, h, w = x.shape
        return x * (n + c + h + w)

    assert check_backward(forward, lambda g, x: g * sum(x.shape)).rows[0].shape == (5, 3, 4, 6)


def into_its_input(g: Array, x: Array, w: Array) -> Any:
    dx = np.multiply(g, w, out=x)
    return dx, g * x


def test_a_result_written_into_an_input_is_given_an_array_of_its_own() -> None:
    report = check_backward(lambda x, w: x * w, into_its_input, [(3, 4), (3, 4)])
    assert [fix.new for fix in report.fixes][:1] == ["dx = np.multiply(g, w)"]


def test_scores_of_attention_are_no_hidden_layer() -> None:
    shapes = [(4, 3), (5, 3), (5, 6)]
    report = check_backward(lambda q, k, v: share(q, k) @ v, attention_backward, shapes)
    assert "(at q @ k.T)" in report.headline


def test_a_mistake_that_the_inputs_show_is_shown_on_them() -> None:
    report = check_backward(linear, lambda g, x, w, b: (-g @ w, g.T @ x, g.sum(0)), [(1, 2)])
    assert [row.shape for row in report.rows if row.name == "x"] == [(1, 2)]
    assert "hidden" not in str(report)


def test_a_backward_for_one_size_only_is_judged_on_that_size() -> None:
    def fixed(g: Array, x: Array) -> Array:
        return g * 2 * x.reshape(1, 2)

    assert check_backward(lambda x: x * x, fixed, [(1, 2)]).ok


def test_a_modules_own_parameters_are_used_and_left_alone() -> None:
    layer = nn.Linear(3, 4)
    layer.bias.array[:] = 0  # zeros hide that the bias is added to its own gradient
    before = [p.array.copy() for p in layer.parameters()]
    report = check_backward(layer, lambda g, x, w, b: (g @ w, g.T @ x, g.sum(0) + b))
    assert verdicts(report)["bias"] == "wrong here"
    assert all((p.array == b).all() for p, b in zip(layer.parameters(), before, strict=True))
    assert [p.dtype for p in layer.parameters()] == [np.float32] * 2


# ---- a backward that does something else -----------------------------------------------------


def test_a_backward_that_raises_is_a_row_with_its_message() -> None:
    def broken(g: Array, x: Array, w: Array, b: Array) -> Any:
        raise KeyError("cache\nis gone")

    report = check_backward(linear, broken)
    assert verdicts(report) == {"broken()": "wrong here"} | dict.fromkeys("xwb", "not handed in")
    assert report.first_wrong is not None
    assert report.first_wrong.note == r"raised KeyError: 'cache\nis gone'"
    assert not report.ok
    assert json.loads(json.dumps(report.to_dict()))["first_wrong"] == "broken()"
    assert max(map(len, str(report).splitlines())) <= 100
    report = check_backward(linear, lambda g, x, w, b: g @ w.T)
    assert "raised ValueError: matmul" in note_of(report, "backward()")


@pytest.mark.parametrize(
    ("result", "text"),
    [
        ((1.0, 2.0), r"returns 2 gradients for 3 inputs (x, w, b)"),
        (np.ones(3), r"returns 1 gradient for 3 inputs (x, w, b)"),
        (None, r"returns None for 3 inputs (x, w, b)"),
        ({"q": 1.0}, r"returns a gradient of 'q', which is no input"),
    ],
)
def test_a_wrong_number_of_gradients_is_a_row(result: Any, text: str) -> None:
    report = check_backward(linear, lambda g, x, w, b: result)
    assert note_of(report, "backward()") == text
    assert not report.ok


def test_what_is_no_array_is_a_row_and_the_others_are_compared() -> None:
    report = check_backward(linear, lambda g, x, w, b: (g @ w, "dw", [[1.0], [2.0, 3.0]]))
    assert verdicts(report) == {"w": "wrong here", "b": "wrong here", "x": "ok"}
    assert note_of(report, "w").startswith("the gradient of 'w' is a str, not an array")
    assert note_of(report, "b").startswith("the gradient of 'b' is not an array")


def test_changes_in_place_are_detected() -> None:
    def in_place(g: Array, x: Array) -> Array:
        g[x < 0] = 0
        return g

    report = check_backward(lambda x: ag.relu(x), in_place)
    assert verdicts(report) == {"in_place()": "wrong here", "x": "ok"}
    assert note_of(report, "in_place()") == "changes g in place: work on a copy"

    def updates(g: Array, x: Array, w: Array, b: Array) -> Any:
        w -= 0.1 * g.T @ x
        return g @ w, g.T @ x, g.sum(0)

    assert (
        note_of(check_backward(linear, updates), "updates()")
        == "changes w in place: work on a copy"
    )


# ---- bad calls -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("forward", "inputs", "error", "text"),
    [
        (lambda x: 1.0, None, ValueError, "the output of the forward does not depend on its inputs"),
        (lambda x: "x", None, TypeError, "the forward returned a str; it must return one Tensor"),
        (lambda x: x.detach() * 2, None, ValueError, "does not depend on its inputs"),
        (lambda x: x @ np.ones((17, 2)), None, ValueError, r"runs with no shapes that were tried.*17"),
        (lambda *a: a[0], None, ValueError, "the inputs of the forward are not known by name"),
        (linear, [(5, 3)] * 4, ValueError, r"4 inputs, but the forward takes 3 \(x, w, b\)"),
        (linear, {"z": (3,)}, ValueError, "has no input called 'z'; it has x, w, b"),
        (linear, [object()], TypeError, "an input is a object; give arrays of numbers, or shapes"),
        (lambda a, b, c, d, e, f: a, None, ValueError, "the shapes of 6 inputs are too many to try"),
    ],
)  # fmt: skip
def test_bad_calls(forward: Any, inputs: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        check_backward(forward, lambda g, *xs: xs, inputs)


def test_inputs_without_names_are_numbered() -> None:
    report = check_backward(lambda *a: a[0] * a[1], lambda g, a, b: (g * b, g * a), [(2, 3), (3,)])
    assert verdicts(report) == {"x0": "ok", "x1": "wrong here"}


# ---- forwards that are NumPy code ------------------------------------------------------------


def standardised(x: Any) -> Any:
    return (x - x.mean(axis=0)) / x.std(axis=0)


def standardised_backward(g: Array, x: Array) -> Array:
    s = x.std(axis=0)
    z = (x - x.mean(axis=0)) / s
    return (g - g.mean(axis=0) - z * (g * z).mean(axis=0)) / s


def shifted_softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def book_relu(x: Any) -> Any:
    out = x.copy()
    out[x <= 0] = 0
    return out


GENERATOR = np.random.default_rng(5)
OLDER = np.random.RandomState(5)


def kept_mask(draw: Callable[..., Array]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    kept = {}

    def forward(x: Any) -> Any:
        kept["mask"] = draw(x.shape) > 0.5
        return x * kept["mask"]

    return forward, lambda g, x: g * kept["mask"]


NUMPY_CODE: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "std": (standardised, standardised_backward),
    "max with keepdims": (shifted_softmax, softmax_backward),
    "copy and a boolean assignment": (book_relu, lambda g, x: g * (x > 0)),
    "size": (lambda x: (x * x).sum() / x.size, lambda g, x: 2 * g * x / x.size),
    "a domain between -1 and 1": (
        lambda x: np.sqrt(1 - x * x) * np.log((1 + x) / (1 - x)),
        lambda g, x: (
            g * (2 / np.sqrt(1 - x * x) - x / np.sqrt(1 - x * x) * np.log((1 + x) / (1 - x)))
        ),
    ),
    "a mask from np.random": kept_mask(lambda shape: np.random.random(shape)),
    "a mask from a generator": kept_mask(lambda shape: GENERATOR.random(shape)),
    "a mask from a RandomState": kept_mask(lambda shape: OLDER.random(shape)),
    "a mask of ours": kept_mask(lambda shape: ag.default_generator().random(shape)),
}


@pytest.mark.parametrize("name", NUMPY_CODE)
def test_numpy_code_means_on_tensors_what_it_means_on_arrays(name: str) -> None:
    report = check_backward(*NUMPY_CODE[name])
    assert report.ok, report


def test_torch_code_keeps_its_meaning() -> None:
    def forward(x: Any) -> Any:
        return x.max(1).values * x.var(0).sum()

    def backward(g: Array, x: Array) -> Array:
        hot = (x == x.max(1, keepdims=True)) * 1.0
        spread = 2 * (x - x.mean(0)) / (len(x) - 1)
        return hot * g[:, None] * x.var(0, ddof=1).sum() + (g * x.max(1)).sum() * spread

    assert check_backward(forward, backward).ok


def test_a_forward_that_differs_on_tensors_is_the_one_thing_wrong() -> None:
    def forward(x: Any) -> Any:
        return x * (2 if isinstance(x, np.ndarray) else 3)

    report = check_backward(forward, lambda g, x: 2 * g)
    (row,) = report.rows
    assert (row.name, row.verdict) == ("forward()", "wrong here")
    assert row.note == (
        "gives -1.89091 on arrays and -2.83637 on Tensors at element (0, 0); no gradient is judged "
        "before they agree: use NumPy functions, np.f(x) for x.f(), and make generators of random "
        "numbers once"
    )
    other = check_backward(lambda x: x[:2] if isinstance(x, np.ndarray) else x, lambda g, x: g)
    assert other.rows[0].note.startswith("gives shape (2, 3) on arrays and (5, 3) on Tensors;")


def test_an_error_of_its_own_ends_the_search() -> None:
    calls = []

    def forward(x: Any, w1: Any, b1: Any, w2: Any, b2: Any) -> Any:
        calls.append(1)
        return 1 / 0

    with pytest.raises(ValueError, match="ZeroDivisionError"):
        check_backward(forward, linear_backward)
    assert len(calls) == 2 * 200  # on arrays and on Tensors


def test_random_states_are_left_as_they_were() -> None:
    np.random.seed(3)
    expected = np.random.random(2)
    np.random.seed(3)
    check_backward(*NUMPY_CODE["a mask from np.random"])
    np.testing.assert_array_equal(np.random.random(2), expected)


SAID: dict[str, tuple[Any, type[Exception], str]] = {
    "no function": (lambda: check_backward(3, 4), TypeError, "the forward is a int; give a function"),  # type: ignore[arg-type]
    "no backward": (lambda: check_backward(np.exp, 4), TypeError, "the backward is a int; give a function"),  # type: ignore[arg-type]
    "NaN": (
        lambda: check_backward(np.exp, np.exp, (np.array([1.0, np.nan]),)),
        ValueError,
        "an input has NaN or infinities; give finite numbers",
    ),
    "one shape": (
        lambda: check_backward(np.exp, np.exp, (5, 3)),
        ValueError,
        "inputs=(5, 3) is one shape; one for each input is inputs=((5, 3),)",
    ),
    "one array": (
        lambda: check_backward(np.exp, np.exp, np.ones((5, 3))),  # type: ignore[arg-type]
        TypeError,
        "inputs is one array; write inputs=(array,)",
    ),
    "no domain": (
        lambda: check_backward(lambda x: np.log(-x * x), np.exp),
        ValueError,
        ("the forward gives infinities or NaN for all inputs that were tried, normal, from 0.5 to 2 "
        "and from -0.9 to 0.9; give arrays that it is made for, as in inputs=(np.full((5, 3), 0.1),)"),
    ),
    "an error of its own": (
        lambda: check_backward(lambda a, b: (a @ b) * (1 / 0), np.exp),
        ValueError,
        ("the forward runs with no shapes that were tried. With a (5, 3), b (3, 5) it raised "
        "ZeroDivisionError: division by zero. Mend that, or give other shapes, in "
        "the form inputs=((5, 3), (3, 5))"),
    ),
    "no rule": (
        lambda: check_backward(lambda x: np.spacing(x.relu()), np.exp),
        ValueError,
        ("the forward runs with no shapes that were tried. With x (5, 3) it raised TypeError: "
        "np.spacing: there is no derivative rule for it, so it does not take a Tensor; use "
        "t.detach().numpy() for plain values, or make it an Op (docs/how/add.md). Mend that, or "
        "give other shapes, in the form inputs=((5, 3),)"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_errors_tell_the_cause(name: str) -> None:
    call, error, text = SAID[name]
    with pytest.raises(error) as caught:
        call()
    assert str(caught.value) == f"check_backward: {text}"


@pytest.mark.parametrize(
    ("forward", "backward", "inputs", "sentence"),
    [
        (
            lambda x, t: ((x - t) ** 2).mean(),
            lambda g, x, t: (2 * g * (x - t), -2 * g * (x - t)),
            ((5, 3), (5, 3)),
            "not divided by the 15 elements of the mean",
        ),
        (
            lambda x, t: ((x - t) ** 2).sum() / len(x),
            lambda g, x, t: (2 * g * (x - t), -2 * g * (x - t)),
            ((5, 3), (5, 3)),
            "not divided by the batch size 5",
        ),
        (  # the gradient is a multiple of x: no penalty on it
            lambda x: (x * x).mean(),
            lambda g, x: 2 * g * x,
            ((7,),),
            "not divided by the 7 elements of a mean",
        ),
        (
            nn.functional.cross_entropy,
            lambda g, x, t: (g * (np.exp(x).T / np.exp(x).sum(1) - np.eye(3)[t].T).T, None),
            ((5, 3), np.array([0, 1, 2, 1, 0])),
            "not divided by the batch size 5",
        ),
    ],
)
def test_a_loss_without_its_mean_is_named(
    forward: Any, backward: Any, inputs: Any, sentence: str
) -> None:
    """The upstream of a loss is a number, so that the mean is not the last operation."""
    first = check_backward(forward, backward, inputs).first_wrong
    assert first is not None and first.diagnoses[0].sentence.startswith(sentence)
