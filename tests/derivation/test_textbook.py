"""Derivations in the form that textbooks give them, and names that say what a value is."""

import re

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, derive
from autograd_lite.derivation.latex import latex_code, latex_name
from autograd_lite.derivation.names import root
from autograd_lite.engine.tape import tape
from nn import functional as F
from tests.derivation.programs import PROGRAMS, named, normal
from tests.derivation.test_source import agrees


def formulas(loss, model=None):
    """The formulas of a derivation that holds, by name."""
    derivation = agrees_twice(loss, model)
    lines = str(derivation).split("Forward\n", 1)[1].splitlines()
    pairs = [re.split(r"  +", line.strip())[0].split(" = ", 1) for line in lines]
    return {p[0]: p[1] for p in pairs if len(p) == 2 and not p[0].startswith("through")}


def agrees_twice(loss, model=None):
    derivation = derive(loss, model)
    for t in tape(loss):
        t.grad = None
    assert derivation.check(), derivation.check()
    agrees(loss, model)
    return derivation


def given(derivation):
    """The lines of what is given, by name."""
    lines = str(derivation).split("Given\n", 1)[1].split("\n\n", 1)[0].splitlines()
    return {line.split()[0]: re.split(r"  +", line.strip())[-1] for line in lines}


def latex(loss):
    """The right-hand sides in LaTeX, by left-hand side."""
    lines = [line for line in derive(loss).to_latex().splitlines() if " &= " in line]
    return {n.split(" &= ")[0]: n.split(" &= ")[1].split(" &&")[0] for n in lines}


# ---- losses ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reduction", "gradient"),
    [("mean", "(exp(log_p) - eye(3)[t]) / 8"), ("sum", "exp(log_p) - eye(3)[t]")],
)
def test_softmax_and_cross_entropy_are_derived_together(reduction, gradient):
    z = named("z", 8, 3)
    loss = F.cross_entropy(z, np.array([0, 2, 1, 1, 0, 2, 2, 0]), reduction=reduction)
    assert formulas(loss)["d_z"] == gradient
    sides = latex(F.cross_entropy(named("z", 8, 3), np.zeros(8, int)))
    assert sides[r"\mathrm{d}z"] == (r"\frac{\mathrm{e}^{\log p} - \left[j = t_{i}\right]}{8}")
    assert sides[r"\mathit{loss}"] == r"-\frac{\sum \left(\log p\right)[i, t_{i}]}{8}"


def test_cross_entropy_of_probabilities_keeps_their_sum():
    z, y = named("z", 4, 3), Tensor(np.abs(normal(4, 3)), name="y")
    assert formulas(F.cross_entropy(z, y))["d_z"] == (
        "(exp(log_p) * y.sum(axis=1, keepdims=True) - y) / 4"
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_classes_that_count_are_an_argument_still(smoothing):
    z = named("z", 3, 3)
    derivation = derive(F.cross_entropy(z, np.arange(3), label_smoothing=smoothing))
    (name,) = {*derivation.arguments} - {"parameters"}
    other = np.array([2, 2, 0])
    value, gradients = derivation.function()(**(derivation.arguments | {name: other}))
    expected = F.cross_entropy(z, other, label_smoothing=smoothing)
    expected.backward()
    np.testing.assert_allclose(value, expected.array, rtol=1e-12)
    np.testing.assert_allclose(gradients["z"], z.grad.array, rtol=1e-12, atol=1e-15)
    E = named("E", 3, 2)
    assert "index" in derive((E[np.arange(2)] ** 2).sum()).arguments


def test_many_classes_make_no_large_identity_matrix():
    z = named("z", 2, 300)
    text = agrees_twice(F.cross_entropy(z, np.array([3, 299]))).source()
    assert "eye" not in text and "d_log_p[np.arange(2), t] = -1 / 2" in text


def test_the_target_of_a_binary_cross_entropy_stays_an_argument():
    z, y = named("z", 5, 1), Tensor((normal(5, 1) > 0).astype(float), name="y")
    loss = nn.BCEWithLogitsLoss()(z, y)
    derivation = derive(loss)
    assert [*derivation.arguments] == ["y", "parameters"]
    other = 1 - y.array
    value, gradients = derivation.function()(other, {"z": z.array})
    z.grad = None
    expected = nn.BCEWithLogitsLoss()(z, Tensor(other))
    expected.backward()
    np.testing.assert_allclose(value, expected.array, rtol=1e-12)
    np.testing.assert_allclose(gradients["z"], z.grad.array, rtol=1e-12)
    assert formulas(loss)["d_z"] == "(1 / (1 + exp(-z)) - y) / 5"


def test_batch_norm_in_evaluation_is_derived_from_its_buffers():
    norm = nn.BatchNorm1d(3).double()
    norm(Tensor(normal(9, 3)))
    norm.eval()
    x = named("x", 4, 3)
    derivation = agrees_twice((norm(x) * normal(4, 3)).sum(), norm)
    assert given(derivation)["running_var"].startswith("float64")
    assert "s = sqrt(running_var + 1e-05)" in str(derivation)
    assert "u1 = (x - running_mean) / s" in str(derivation)


def test_buffers_are_named_by_their_path():
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).double()
    x = Tensor(normal(9, 3))
    model(x)
    model.eval()
    found = given(derive((model(x) ** 2).sum(), model))
    assert [*found][1:3] == ["running_mean", "running_var"]
    loss = nn.BCEWithLogitsLoss(pos_weight=Tensor([1.0, 2.0, 3.0]))
    found = given(derive(loss(named("z", 4, 3), np.ones((4, 3)))))
    assert [*found] == ["t", "pos_weight", "z"]


def test_targets_of_0_and_1_and_ones_of_the_user_are_data():
    p, y = Tensor([0.3, 0.4], True, "p"), np.array([1.0, 0.0])
    loss = -(y * p.log() + (1 - y) * (1 - p).log()).mean()
    assert [*given(derive(loss))] == ["k1", "k2", "p"]
    assert [*given(derive((np.ones((1, 3)) @ named("w", 3, 2)).tanh().sum()))] == ["x", "w"]
    assert "mask" in given(derive((F.dropout(named("z", 20), 0.5) ** 2).sum()))


def test_names_that_mean_something_in_formulas():
    """d_x is the gradient of x, loss the loss: what is called so is written otherwise."""
    x = named("x", 3)
    found = formulas((named("d_x", 3) * x).tanh().sum())
    assert (found["d_x"], found["d_D_x"]) == ("d_u * D_x", "d_u * x")
    derivation = agrees_twice((named("loss", 3) * x).tanh().sum())
    assert given(derivation)["loss_2"] == "float64 parameter loss"
    assert {*derivation.arguments["parameters"]} == {"loss", "x"}
    assert "W_pow2" in given(derive((named("W^2", 3) * x).sum()))
    assert derive((named("θ", 3) * x).sum()).to_latex().isascii()


def test_a_mean_of_squares_of_two_numbers_keeps_its_first_steps():
    w, x, t = named("w", 2), named("x", 2, grad=False), named("t", 2, grad=False)
    z = w * x
    z.name = "z"
    derivation = derive(((z - t) ** 2).mean())
    text = str(derivation).split("Backward\n")[1]
    assert [re.split(r"  +", line.strip())[0] for line in text.splitlines()] == [
        "through loss = mean(r**2)", "d_r = r", "through r = z - t", "d_z = d_r",
        "through z = w * x", "d_w = d_z * x",
    ]  # fmt: skip
    assert [r.name for r in derivation.check().rows] == ["r", "z", "w"]
    agrees(((w * x - t) ** 2).mean())


def test_every_line_of_the_check_has_a_line_on_paper():
    for make in PROGRAMS.values():
        derivation = derive(*make())
        text = str(derivation).split("Backward\n")[1]
        for row in derivation.check().rows:
            assert re.search(rf"^ *d_{re.escape(row.name)}( =|\[|_)|add.at", text, re.MULTILINE), (
                row
            )


# ---- vectors, broadcasts, numbers -----------------------------------------------------------


def test_vectors_are_no_matrices_of_one_column():
    A, v, w, t = named("A", 3, 4), named("v", 3), named("w", 4), named("t", 3, grad=False)
    found = formulas(((A @ w - t) ** 2).sum())
    assert (found["d_w"], found["d_A"]) == ("A.T @ d_z", "outer(d_z, w)")
    found = formulas(((v @ A) ** 2).sum())
    assert (found["z"], found["d_v"], found["d_A"]) == ("v @ A", "d_z @ A.T", "outer(v, d_z)")
    found = formulas((w @ (2 * w)) ** 2)
    assert found["z"] == "w @ u" and found["d_u"] == "d_z * w"
    assert latex(((v @ A) ** 2).sum())["z"] == r"v^{\top}\, A"
    assert latex(((A @ w) ** 2).sum())[r"\mathrm{d}A"] == r"\mathrm{d}z\, w^{\top}"


def test_a_weight_of_a_batch_is_a_sum_of_products():
    layer, x = nn.Linear(3, 2, dtype="float64"), named("x", 4, 5, 3)
    found = formulas(layer(x).tanh().sum(), layer)
    assert found["d_W"] == "sum(d_z.mT @ x, axis=0)"


def test_a_new_axis_goes_back_by_reshape():
    v, A = named("v", 3), named("A", 3, 4)
    found = formulas((A * v[:, None]).sum() * 0.5)
    assert found["d_v"] == "d_v1.reshape((3,))"
    assert found["d_v1"] == "0.5 * A.sum(axis=1, keepdims=True)"
    assert latex((A * v[:, None]).sum())["v_{1}"] == r"\operatorname{col}(v)"


def test_a_sum_of_copies_is_a_sum_times_their_number():
    s, b = named("s", 3, 1), named("b", 4)
    assert formulas((s * b).sum())["d_b"] == "broadcast_to(s.sum(), (4,))"
    assert formulas(((s * 2 + b * 0) * 3).sum())["d_s"] == "full((3, 1), 24.0)"
    x = named("x", 3, 4, grad=False)
    assert formulas((s + x).sum(axis=1).tanh().sum())["d_s"] == "4 * d_s1.reshape((3, 1))"
    assert formulas((s + b).sum(axis=0).tanh().sum())["d_a"] == "broadcast_to(d_s1, (3, 4))"
    one = named("one", 1)
    assert formulas(((s + b) * one).sum())["d_one"] == "a.sum().reshape((1,))"


def test_numbers_and_signs_stand_before_what_they_multiply():
    a, b = named("a", 3, 4), named("b", 4)
    assert formulas((-(a * b) / 7).sum())["d_b"] == "-a.sum(axis=0) / 7"
    found = formulas((a.tanh() / (b * b)).sum())
    assert found["d_u1"] == "-sum(u2 / u1, axis=0)" and found["d_b"] == "2 * d_u1 * b", found
    assert formulas(((a / 5) / (a * a)).sum())["d_a"] == "2 * d_u2 * a + 1 / (5 * u2)"
    p, y = named("z", 4).sigmoid(), named("y", 4, grad=False)
    assert formulas(F.binary_cross_entropy(p, y))["d_h"] == "(h - y) / (4 * maximum(h * c, 1e-12))"
    assert formulas((3 * (a**2)).exp().sum())["d_a"] == "6 * d_u2 * a"


def test_a_base_that_is_a_number_needs_no_case():
    assert formulas((2.0 ** named("a", 3)).sum())["d_a"] == "u * log(2.0)"


def test_a_path_that_a_mask_chooses():
    a, b = named("a", 3, 4), named("b", 3, 4)
    assert formulas(ag.where(a > 0, a * b, a * 0.5).sum())["d_u1"] == "where(mask, 1.0, 0)"
    found = given(derive(ag.where(a > 0, a * b, a * 0.5).sum()))
    assert found["mask"] == "bool computed by greater before the record"
    assert latex(ag.where(a > 0, a * b, a * 0.5).sum())[r"\mathrm{d}u_{1}"] == (
        r"\begin{cases} 1 & \text{where } \mathit{mask} \\ 0 & \text{else} \end{cases}"
    )


# ---- what was computed before the record ----------------------------------------------------


def test_a_value_computed_before_the_record_says_so():
    a, y = named("a", 3, 4), Tensor(normal(3, 4), name="y")
    found = given(derive(((1 - y) * a).sum()))
    assert found == {"a1": "float64 computed by sub before the record", "a": "float64 parameter"}
    loss = F.cross_entropy(named("z", 2, 3), np.array([0, 2]), label_smoothing=0.1)
    assert set(given(derive(loss))) == {"t", "z"}
    loss = F.cross_entropy(named("z", 2, 3), np.array([0, -100]))
    assert set(given(derive(loss))) == {"t", "mask", "s1", "z"}


def test_a_transpose_of_an_argument_is_none_of_its_own():
    w, x = named("w", 3, 2), named("x", 4, 3, grad=False)
    derivation = derive(((x.T @ (x @ w)) ** 2).sum())
    assert [*derivation.arguments] == ["x", "parameters"]
    agrees(((x.T @ (x @ w)) ** 2).sum())
    other = Tensor(x.array.T, name="other")  # which has a name of its own
    assert [*derive(((other @ (x @ w)) ** 2).sum()).arguments] == ["x", "other", "parameters"]


def test_a_second_derivative_has_no_argument_for_its_seed():
    x = named("x", 3)
    (g,) = ag.grad((x**3).sum(), x, create_graph=True)
    loss = (g * g).sum()
    assert [*derive(loss).arguments] == ["parameters"]
    assert formulas(loss) == {
        "u2": "3 * x**2", "loss": "sum(u2 * u2)", "d_u2": "2 * u2", "d_x": "6 * d_u2 * x",
    }  # fmt: skip
    found = derive(*PROGRAMS["second_derivative"]())
    assert [*found.arguments] == ["x", "mask", "ones", "parameters"]


def test_an_unnamed_bias_is_called_b():
    x, w, b = named("x", 2, 3, grad=False), Tensor(normal(3, 4), True), Tensor(normal(4), True)
    loss = (x @ w + b).tanh().sum()
    assert [*derive(loss).arguments["parameters"]] == ["W", "b"]
    assert {n.symbol for n in ag.draw(loss).drawing.nodes} >= {"x", "W", "b"}


# ---- arguments ------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["tensor", "array", "buffer"])
def test_a_run_that_cannot_be_repeated_is_an_error(what):
    w, x, array = named("w", 3), named("x", 2, 3, grad=False), normal(2, 3)
    derivation = derive((w * x * array).sum())
    before = derivation.function()(**derivation.arguments)
    with ag.no_grad():
        if what == "tensor":
            w += 1
        elif what == "array":
            array[0] = 0
        else:
            x.array[:] = 1
    name = {"tensor": "parameter w", "array": "constant k", "buffer": "input x"}[what]
    with pytest.raises(RuntimeError, match=rf"derive: {name} of shape .* changed since the loss"):
        _ = derivation.arguments
    with pytest.raises(RuntimeError, match="changed since the loss was derived"):
        derivation.check()
    assert str(derivation).startswith(f"loss = {before[0]:.6f}"[:10])


def test_parameters_of_another_shape_and_missing_ones_are_refused():
    derivation = derive((named("w", 4, 1) + named("b", 4)).sum())
    arguments = derivation.arguments["parameters"]
    function = derivation.function()
    with pytest.raises(AssertionError, match=r"^b.shape=\(1,\), recorded for \(4,\)$"):
        function(arguments | {"b": np.ones(1)})
    with pytest.raises(TypeError, match=r"^backprop: parameters has no 'b'$"):
        function({"w": arguments["w"]})
    function(arguments | {"more": np.ones(2)})


def test_a_model_in_place_of_a_loss_is_told_how_to_call_it():
    with pytest.raises(TypeError, match=r"not a Linear; call it, derive\(loss\(model\(x\), y\)"):
        derive(nn.Linear(2, 2))


# ---- the check ------------------------------------------------------------------------------


def test_a_check_says_what_its_columns_are():
    lines = str(derive(named("w", 3).tanh().sum()).check()).splitlines()
    assert lines[0] == "The slope of loss when a value moves in a random direction:"
    assert lines[1].split("   ")[-1].split("  ")[-1].strip() == "finite difference"
    r = ag.tensor([0.0, 1.0], requires_grad=True, name="r")
    lines = str(derive(r.relu().sum()).check()).splitlines()
    assert lines[-1].startswith("kink: loss bends there")


@pytest.mark.parametrize("value", [-1.0, 0.0, np.nan])
def test_a_loss_that_is_not_finite_cannot_be_compared(value):
    a = ag.tensor([value, 2.0], requires_grad=True, name="a")
    with np.errstate(all="ignore"):
        check = derive(a.log().sum()).check()
    assert not check and "differs" not in str(check) and "They part" not in str(check)
    assert str(check).splitlines()[-1] == ("undefined: loss is not finite, so it has no slope.")
    a = ag.tensor([0.0, 2.0], requires_grad=True, name="a")
    with np.errstate(all="ignore"):
        check = derive(a.sqrt().sum()).check()
    assert str(check).splitlines()[-1].endswith("loss is not finite beside a, so it has no slope.")


# ---- LaTeX and Markdown ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("lambda_", r"\lambda"), ("W_q", "W_{q}"), ("log_p2", r"\log p_{2}"), ("sum_", r"\mathit{sum}"),
        ("d_A_part", r"\mathrm{d}A_{\mathrm{part}}"), ("d_A_part_2", r"\mathrm{d}A_{\mathrm{part},2}"),
        ("fc1_weight_2", r"W_{\mathrm{fc1},2}"), ("a_b_c", r"a_{\mathrm{b\_c}}"), ("θ", r"\theta"), ("λ_2", r"\lambda_{2}"), ("dθ", r"\mathit{d\theta }"),
        ("d_a_from_u1", r"\mathrm{d}a_{\mathrm{from}\,u_{1}}"), ("theta_0", r"\theta_{0}"),
    ],
)  # fmt: skip
def test_names_in_latex(name, text):
    assert latex_name(name) == text


def test_powers_in_latex_are_elementwise_unless_the_base_is_a_number():
    W, v = named("W", 3, 3), Tensor(2.0, True, "v")
    assert latex((W**2).sum())[r"\mathit{loss}"] == r"\sum W^{\odot 2}"
    assert latex(v**2)[r"\mathit{loss}"] == "v^{2}"
    assert latex((2.0**W).sum())["u"] == "2^{W}"


def test_numbers_are_written_as_by_hand():
    a, b = named("a", 3), named("b", 3)
    assert formulas(a.mean() * 3 + a.exp().sum())["d_a"] == "u2 + 1"
    assert formulas((a * 2.0 + a * 3.0).tanh().sum())["d_a"] == "5 * d_a1"
    found = formulas(F.smooth_l1_loss(named("z", 4, 3), named("t", 4, 3, grad=False)))
    assert found["d_r2"] == "h / 12"
    assert formulas(sum((x**2).sum() for x in (a, b)))["loss"] == "sum(a**2) + sum(b**2)"
    found = formulas(((a @ named("A", 4, 3).T) ** 2).sum())
    assert found["d_A"] == "outer(d_z, a)"
    found = formulas(F.gelu(a).sum())
    assert found["u1"] == "a / sqrt(2)" and found["d_a"] == "u2 + d_u1 / sqrt(2)"
    assert found["d_u1"] == "2 / sqrt(pi) * d_h * exp(-u1 * u1)"
    assert latex(F.gelu(a).sum())[r"\mathrm{d}u_{1}"].startswith(r"\frac{2}{\sqrt{\pi}}\, ")


def test_equal_paths_are_counted_though_they_are_one_term():
    a = named("a", 3)
    text = str(derive((a * 2 + a * 3 + a).tanh().sum()))
    assert "d_a = 6 * d_a2" in text.replace("  ", " ") and "3 paths lead from a to the loss" in text


def test_long_lines_go_on_below():
    p, y = named("z", 4, 3).sigmoid(), named("y", 4, 3, grad=False)
    lines = str(derive(F.binary_cross_entropy(p, y))).splitlines()
    (place,) = (i for i, line in enumerate(lines) if "through u = " in line)
    assert lines[place].endswith(" binary_cross_entropy") and lines[place + 1] == "      -100))"
    ends = {line.index("binary") for line in lines[place:] if "binary" in line}
    assert ends == {lines[place - 1].index("mean", 40)}


@pytest.mark.parametrize("weight", [None, np.array([1.0, 2.0, 3.0])])
def test_classes_of_every_cross_entropy_are_called_t(weight):
    z, t = named("z", 4, 3), np.array([0, 2, 1, 1])
    assert "t" in given(derive(F.cross_entropy(z, t, weight, label_smoothing=0.1)))
    assert "t" in given(derive(F.nll_loss(F.log_softmax(z, 1), t, weight)))


def test_roots_are_written_as_such():
    assert root(np.sqrt(3).item()) == (3, True) and root(2.0) is None and root(1.5) is None
    q, k = named("q", 4, 3), named("k", 4, 3)
    loss = (F.softmax(q @ k.mT / np.sqrt(3), dim=1) ** 2).sum()
    assert latex(loss)["z"] == r"\frac{m}{\sqrt{3}}"
    assert "1.7320508075688772" in derive(loss).source()
    assert formulas(loss)["z"] == "m / sqrt(3)"
    assert latex((q * 0.123456789).sum())[r"\mathit{loss}"] == r"\sum 0.123457\ldots\, q"


def test_formulas_in_latex_do_not_read_two_ways():
    a, b = named("a", 3, 4), named("b", 3, 4)
    side = latex(((a.sum(axis=1, keepdims=True) * b.detach()) ** 2).sum())["u_{1}"]
    assert side == r"\left(\sum_{\text{axis }1} a\right) \odot x"
    assert latex(a.exp().log1p().sum())[r"\mathit{loss}"] == r"\sum \log(1 + u_{1})"
    assert latex((a - b.expm1()).sum())["u"] == r"\mathrm{e}^{b} - 1"
    assert latex(a.max(dim=1).values.sum())[r"\mathit{loss}"] == r"\sum a[i, \mathit{index}_{i}]"
    assert latex((a.mT.reshape(2, 6) ** 2).sum())["v"] == (
        r"\operatorname{reshape}_{2 \times 6}(a^{\top})"
    )


def test_what_is_given_stands_in_latex_and_markdown():
    model = nn.Sequential(nn.Linear(3, 2, dtype="float64"))
    derivation = derive(model(named("x_1", 4, 3, grad=False)).sum(), model)
    assert r"W & \mathtt{0.weight} & (2, 3) & \text{float64 parameter}" in (derivation.to_latex())
    text = derivation.to_markdown()
    assert r"| $W$ | `0.weight` | (2, 3) | float64 parameter |" in text
    assert r"$b$: summed over axis 0, along which $b$" not in text
    assert "along which $b$ was broadcast" in text
    assert latex_code("a_b c") == r"\mathtt{a\_b\ c}"


def test_a_hook_is_named_once():
    w = named("w", 3)
    w.register_hook(lambda g: g * 2)
    assert "through hook, a hook of w" in str(derive((w * w).sum()))


@pytest.mark.parametrize("n", [1, 2])
def test_a_batch_of_any_size_is_that_of_the_textbook(n):
    rng = np.random.default_rng(n)
    z = Tensor(rng.standard_normal((n, 3)), True, "z")
    text = str(agrees_twice(F.cross_entropy(z, Tensor(np.arange(n), name="t"))))
    assert f"log_p[arange({n}), t]" in text
    assert "eye(3)[t]" in text
