"""gradcheck passes right gradients and fails planted errors."""

import itertools
import warnings

import numpy as np
import pytest

import autograd_lite as ag
import nn.functional as F
from autograd_lite import GradcheckError, Tensor, differences, gradcheck, gradgradcheck, tensor
from autograd_lite.differences import relative_error
from autograd_lite.engine.op import Op, table
from tests.cases import CASES_OF


def wrong(scale):
    return Op("wrong", np.tanh, lambda g, y, x: g * (1 - y * y) * scale)


X = tensor([0.3, -0.7, 1.1])


@pytest.mark.parametrize("scale", [1.01, -1.0, 2.0, 0.0, np.nan])
def test_a_planted_error_fails(scale):
    with pytest.raises(GradcheckError, match=r"input 0 of shape \(3,\): relative error"):
        gradcheck(wrong(scale), X)
    assert not gradcheck(wrong(scale), X, raise_exception=False)


def test_a_small_error_is_suspicious():
    with pytest.warns(UserWarning, match="suspicious: input 0"):
        assert gradcheck(wrong(1 + 1e-5), X)


def test_ones_upstream_would_hide_what_random_upstream_shows():
    half = Op(
        "half",
        lambda x: np.exp(x) / np.exp(x).sum(),
        lambda g, y, x: 0.5 * y * (g - np.add.reduce(g * y, axis=0, keepdims=True)),
    )
    assert not gradcheck(half, X, raise_exception=False)


def test_right_gradients_pass_and_float32_inputs_are_checked_in_float64():
    assert gradcheck(lambda x, w: (x @ w).log_softmax(1), (ag.randn(3, 4), ag.randn(4, 2)))


def test_integer_inputs_are_constants():
    assert gradcheck(lambda x, i: x[i] * 2, (X, tensor([0, 2, 2])))
    with pytest.raises(ValueError, match="no input is a floating tensor"):
        gradcheck(lambda i: i, tensor([1]))


def test_float32_results_are_refused():
    w = ag.randn(3)
    with pytest.raises(ValueError, match="returned float32"):
        gradcheck(lambda x: (x * 1).to("float32") + w, X)


C = 10.0 ** -np.random.default_rng(1).uniform(0, 9, 300)  # of gradients of all sizes


def sines(mistake=1.0, element=0):
    """C * sin(x), with one element of the gradient that is wrong."""
    factor = np.ones(300)
    factor[element] = mistake
    return Op("sines", lambda x: C * np.sin(x), lambda g, y, x: g * C * np.cos(x) * factor)


def calls(function, x, **kw):
    """How often a check calls a function."""
    count = itertools.count()
    assert gradcheck(lambda x: (next(count), function(x))[1], x, **kw)
    return next(count)


def test_many_elements_take_the_calls_of_a_few():
    x = Tensor(np.random.default_rng(0).normal(size=300))
    assert calls(sines(), x, fast_mode=True) == 5
    assert calls(sines(), x) < 40
    assert calls(lambda x: x.sin(), x[:8]) == 2 + 2 * 8


def verdict(function, x):
    """What a check says of a function."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            gradcheck(function, x)
        except GradcheckError as error:
            return str(error)
        return str(caught[0].message) if caught else ""


@pytest.mark.parametrize("mistake", [0.0, 1.01, 1.001])
def test_one_wrong_element_is_found_as_if_each_were_asked(mistake, monkeypatch):
    x = Tensor(np.random.default_rng(0).normal(size=300))
    largest = int(np.argmax(np.abs(C * np.cos(x.array))))
    by_directions = [verdict(sines(mistake, k), x) for k in (5, 150, largest)]
    assert f"element ({largest},)" in by_directions[2]
    monkeypatch.setattr(differences, "FEW", 300)
    assert by_directions == [verdict(sines(mistake, k), x) for k in (5, 150, largest)]


def test_a_fast_check_locates_what_its_direction_finds():
    x = Tensor(np.random.default_rng(0).normal(size=300))
    large = int(np.argmax(C))
    with pytest.raises(GradcheckError, match=rf"worst at element \({large},\)"):
        gradcheck(sines(2.0, large), x, fast_mode=True)
    assert gradcheck(sines(2.0, int(np.argmin(C))), x, fast_mode=True)  # too small for it


def test_one_kink_of_many_is_named():
    x = Tensor(np.random.default_rng(0).normal(size=300))
    x.array[200] = 0.0
    assert kinked(lambda t: t.relu(), x).startswith("relu at 0 in element (200,) (slopes ")


def test_a_kink_is_named():
    x = tensor([[1.0, 2.0], [3.0, 0.0]])
    with pytest.raises(GradcheckError, match=r"a kink: relu at 0 in element \(1, 1\) \(slopes"):
        gradcheck(lambda t: t.relu(), x)


def kinked(function, *inputs, check=gradcheck):
    """The text about kinks in the error of a check."""
    with pytest.raises(GradcheckError) as caught:
        check(function, inputs)
    return str(caught.value).partition("; a kink: ")[2]


def test_kinks_have_their_operation_its_value_and_both_slopes():
    x = tensor([[1.0, 2.0], [3.0, 0.0]])
    assert kinked(lambda t: (t.relu() * 2).sum(), x).startswith(
        "relu at 0 in element (1, 1) (slopes 0"
    )
    leaky = kinked(lambda t: ag.leaky_relu(t - 3), x)
    assert leaky.startswith("leaky_relu at 0 in element (1, 0) (slopes ")
    assert kinked(lambda t: ag.clip(t, 1.0, 5.0), x).startswith(
        "clip at 1 in element (0, 0) (slopes "
    )
    two = tensor([1.0, 1.0, 0.5])
    text = kinked(lambda t: t.max(0)[0] ** 2, two)
    assert text.startswith("getitem in element (0,) (slopes 0 and ") and "element (1,)" in text
    assert kinked(lambda t: ag.relu(t) * 3, tensor(0.0)).startswith("relu at 0 (slopes ")


def test_a_branch_of_the_code_is_a_kink():
    def f(t):
        return t * 2 if t.item() > 1 else t.sin() + 2 - np.sin(1)

    assert kinked(f, Tensor(np.array(1.0))).startswith("another branch of the code (slopes ")


def test_the_kink_of_a_gradient_is_found():
    x = tensor([1.0, 0.0])
    assert "in element (1,)" in kinked(lambda t: t.relu() * t, x, check=gradgradcheck)


def test_a_smooth_function_with_a_wrong_gradient_has_no_kink():
    """Where the slope is 0, those to the left and to the right have other signs."""
    square = Op("square", lambda x: x * x, lambda g, y, x: g * (2 * x + 1))
    for x in (0.0, 1e-7, 1.0, 100.0):
        assert kinked(square, tensor([x])) == ""
    assert kinked(lambda t: t.sin() * wrong(2.0)(t), X) == ""
    flat = Op("flat", lambda x: np.sin(x) ** 2 + np.cos(x) ** 2, lambda g, y, x: g)
    assert kinked(flat, Tensor(np.linspace(0, 1, 50))) == ""


def test_rounding_is_no_kink():
    """A sum may be small, and have the rounding of its terms."""
    near, far = (-1e-5, 1e-13, 1e-5), (-4e-5, 1e-13, 4e-5)
    assert not differences.kinked(near, far)
    assert differences.kinked((0.0, 1e-13, 1e-5), (0.0, 1e-13, 4e-5))


def test_a_function_that_is_random_is_an_error():
    rng = np.random.default_rng(0)
    with pytest.raises(GradcheckError, match="for the same inputs; make it the same each time"):
        gradcheck(lambda x: x * rng.standard_normal(3), X)


def test_what_rounding_hides_is_excused_with_a_warning_and_nothing_else_is():
    hidden = Op("hidden", lambda x: 1e6 + 1e-6 * x, lambda g, y, x: g * 2e-6)
    with pytest.warns(UserWarning, match="suspicious: .*too small to judge"):
        assert gradcheck(hidden, X)
    tiny = Op("tiny", lambda x: 1 + 1e-8 * x, lambda g, y, x: g * 1.1e-8)
    with pytest.raises(GradcheckError):
        gradcheck(tiny, X)


ZERO = {
    "sin² + cos²": lambda x: x.sin() ** 2 + x.cos() ** 2,
    "batch norm": lambda x: F.batch_norm(x, None, None, training=True).sum(),
    "layer norm": lambda x: F.layer_norm(x, (3,)).sum(),
    "batch norm by hand": lambda x: ((x - x.mean(0)) / (x.var(0) + 1e-5).sqrt()).sum(),
    "centred": lambda x: (x - x.mean()).sum(),
    "softmax": lambda x: (F.softmax(x, dim=1) - 1 / 3).sum(),
    "mean of batch norm": lambda x: F.batch_norm(x, None, None, training=True).mean(dim=0),
    "saturated": lambda x: (x + 40).sigmoid(),
    "saturated the other way": lambda x: 1 - (x + 40).sigmoid(),
}


@pytest.mark.parametrize("name", ZERO)
def test_a_gradient_of_0_passes_though_its_differences_are_rounding(name):
    x = Tensor(np.random.default_rng(0).normal(size=(4, 3)))
    assert gradcheck(ZERO[name], x)
    assert gradgradcheck(ZERO[name], x)
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: ZERO[name](x).sum() + wrong(1.01)(x).sum(), x)


@pytest.mark.parametrize("small", [1e-4, 1e-5])
def test_a_small_element_is_judged_by_itself(small):
    """PyTorch's gradcheck (2.13) refuses the first; what is below its atol of 1e-5 it lets pass."""
    x = np.array([1e3, 1e3, small])
    off = Op("off", lambda x: x * x, lambda g, y, x: 2 * x * g * np.array([1, 1, 1.5]))
    with pytest.raises(GradcheckError, match=r"3.3e-01 of an element; worst at element \(2,\)"):
        gradcheck(off, x)
    assert gradcheck(lambda x: x * x, x)


STEPS = {
    "tanh": lambda x: x.tanh(),
    "square": lambda x: x * x,
    "log": lambda x: (x * x + 0.1).log(),
    "softmax": lambda x: x.softmax(-1),
    "centred": lambda x: x - x.mean(-1, keepdim=True),
    "layer norm": lambda x: F.layer_norm(x, (3,)),
    "large": lambda x: x * 1e3,
    "far": lambda x: x + 1e4,
    "steep": lambda x: (x * 40).sigmoid(),
    "one minus": lambda x: 1 - (x * 20).sigmoid(),
}
ENDS = (lambda x: x, lambda x: x.sum(), lambda x: x.mean(0), lambda x: x.logsumexp(-1))


def test_one_wrong_element_is_an_error_at_any_size():
    """Also where it is between 1e-6 and 1e-3 of the norm, which alone would be suspicious."""

    class Square(ag.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g * np.where(np.arange(50) == 3, 0.5, 1.0)

    for size in (1e-1, 1e-3, 1e-6):
        x = np.where(np.arange(50) == 3, size, 1.0)
        with pytest.raises(GradcheckError, match=r"of an element; worst at element \(3,\)|e-02;"):
            gradcheck(Square.apply, tensor(x))


@pytest.mark.filterwarnings("ignore:gradcheck. suspicious")
@pytest.mark.parametrize("seed", range(40))
def test_programs_of_nasty_scales_are_judged_rightly(seed):
    rng = np.random.default_rng(seed)
    steps = [STEPS[str(name)] for name in rng.choice(list(STEPS), size=rng.integers(1, 5))]
    end = ENDS[rng.integers(len(ENDS))]
    x = rng.standard_normal((4, 3)) * 10 ** rng.uniform(-4, 1, size=(4, 3))

    def function(x):
        for step in steps:
            x = step(x)
        return end(x)

    assert gradcheck(function, x)
    spoilt = Op("spoilt", lambda x: x.copy(), lambda g, y, x: g * np.where(x == x.max(), 1.5, 1))
    with pytest.raises(GradcheckError):
        gradcheck(lambda x: function(x).sum() + spoilt(x * 1e3).sum(), x)


def by_size(name):
    """The cases that call the row itself, or where there are none all, large inputs first."""
    cases = [case for case in CASES_OF[name] if case.call is None]
    return sorted(cases or CASES_OF[name], key=lambda case: -sum(a.size for a in case.arrays()))


def checked(case, check=gradcheck, **options):
    return check(case, [Tensor(a) for a in case.arrays()], **options)


@pytest.mark.parametrize("name", table)
def test_every_row_passes(name):
    case = by_size(name)[0]
    assert checked(case)
    assert checked(case, gradgradcheck)


def slopes(case, i):
    xs = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in case.arrays()]
    return ag.grad(case(*xs).sum(), xs[i])[0].numpy() if xs[i].requires_grad else np.zeros(1)


@pytest.mark.parametrize("name", table)
def test_every_row_that_is_wrong_by_a_hundredth_fails(name, monkeypatch):
    cases = by_size(name)
    op, inputs = table[name], len(cases[0].arrays())
    right = list(itertools.islice(op.rules, inputs))
    for i, rule in enumerate(right):
        if rule is not None:

            def off(*args, rule=rule, **kw):
                return rule(*args, **kw) * 1.01

            monkeypatch.setattr(op, "rules", [*right[:i], off, *right[i + 1 :]])
            chosen = [case for case in cases if len(case.arrays()) == inputs]
            flat = not any(slopes(case, i).any() for case in chosen)  # as that of floor
            # the first, but where a gradient is 0, as that of x**0
            assert flat or any(not checked(case, raise_exception=False) for case in chosen)


def test_second_derivatives():
    assert gradgradcheck(lambda x, w: (x @ w).tanh(), (ag.randn(2, 3), ag.randn(3, 2)))
    first_right_second_wrong = Op("half_right", np.sin, lambda g, y, x: g * np.cos(_frozen(x)))
    assert gradcheck(first_right_second_wrong, X)
    with pytest.raises(GradcheckError):
        gradgradcheck(first_right_second_wrong, X)


def _frozen(x):
    return x.detach() if isinstance(x, Tensor) else x


def test_relative_error_never_calls_nan_equal():
    nan = np.array([np.nan])
    assert relative_error(nan, nan) == np.inf
    assert relative_error(np.zeros(2), np.zeros(2)) == 0
    assert relative_error(np.zeros(2), np.ones(2)) == 1


NEAR_POLES = {
    "log": (np.log, [1e-6, 1e-5, 1.0]),
    "sqrt": (np.sqrt, [1e-8, 1e-5, 1.0]),
    "arcsin": (np.arcsin, [-1 + 1e-6, 1 - 1e-5, 0.5]),
    "1 / x": (lambda x: 1 / x, [1e-3, 1e-2, -1.0]),
    "of what refuses": (
        lambda p: F.binary_cross_entropy(p, np.array([1.0, 0.0, 1.0])),
        [1e-6, 1 - 1e-6, 0.5],
    ),
}


@pytest.mark.filterwarnings("ignore:gradcheck. suspicious.*too small to judge")
@pytest.mark.parametrize("name", NEAR_POLES)
def test_steps_that_leave_the_domain_are_made_smaller(name):
    f, values = NEAR_POLES[name]
    assert gradcheck(f, Tensor(np.array(values)))


def test_what_rounding_leaves_of_large_gradients_is_no_mistake():
    sure = Tensor(np.eye(3) * 60)
    assert gradcheck(lambda x: F.cross_entropy(x, np.array([0, 1, 2])), sure)
    logits = Tensor(np.array([50.0, -50.0, 800.0]))
    t = np.array([1.0, 0.0, 1.0])
    assert gradcheck(lambda x: F.binary_cross_entropy_with_logits(x, t), logits)
    x = np.random.default_rng(0).standard_normal((3, 5))
    assert gradcheck(lambda x: F.layer_norm(x, (5,)), Tensor(x))  # without a warning


def test_a_number_in_a_rule_keeps_its_digits_where_tensors_are_recorded() -> None:
    a = tensor(np.array([1.0, 2.0]), requires_grad=True)
    (slope,) = ag.grad((0.1**a).sum(), a, create_graph=True)
    np.testing.assert_allclose(slope.array, np.log(0.1) * 0.1**a.array, rtol=1e-14)
