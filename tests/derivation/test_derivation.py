"""The derivation on paper: text, LaTeX, Markdown, names, the check, and what is refused."""

import keyword
import re
import warnings

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, derive
from autograd_lite.derivation.latex import latex_line
from autograd_lite.derivation.names import identifier
from autograd_lite.engine.op import Op
from tests.cases import CASES_OF
from tests.derivation.programs import PROGRAMS, RNN, named, normal


def steps(derivation):
    """The lines of the backward part, without shapes and notes."""
    text = str(derivation).split("Backward\n", 1)[1]
    return [re.split(r"  +", line.strip())[0] for line in text.splitlines()]


def test_the_steps_of_a_network_are_those_of_the_textbook():
    assert steps(derive(*PROGRAMS["digits"]())) == [
        "through loss = -sum(log_p[arange(16), t]) / 16",
        "through log_p = c - log(sum(exp(c), axis=1, keepdims=True))",
        "d_fc2 = (exp(log_p) - eye(10)[t]) / 16",
        "through fc2 = h @ W_fc2.T + b_fc2",
        "d_b_fc2 = d_fc2.sum(axis=0)",
        "d_h = d_fc2 @ W_fc2",
        "d_W_fc2 = d_fc2.T @ h",
        "through h = maximum(fc1, 0)",
        "d_fc1 = d_h * (h > 0)",
        "through fc1 = x @ W_fc1.T + b_fc1",
        "d_b_fc1 = d_fc1.sum(axis=0)",
        "d_W_fc1 = d_fc1.T @ x",
    ]


def test_shapes_broadcasts_and_paths_are_told():
    text = str(derive(*PROGRAMS["digits"]()))
    assert re.search(r"d_W_fc1 = d_fc1.T @ x +\(64, 784\)\n", text + "\n")
    assert "(64,)      summed over axis 0, along which b_fc1 was broadcast" in text
    text = str(derive(*PROGRAMS["recurrent"]()))
    assert "4 paths lead from W_rec to the loss: they add up\n" in text
    a, b = named("a", 2, 1), named("b", 3)
    text = str(derive((a * b).sum()))
    assert "d_a = broadcast_to(b.sum(), (2, 1))" in text, text
    assert "summed over axis 1, along which a was broadcast" in text


@pytest.mark.parametrize("loss", ["6e-07", "4.5e-09", "0.0123457", "0.0", "370370.375"])
def test_a_loss_has_six_digits_that_count(loss):
    w = ag.tensor(float(loss), requires_grad=True, dtype="float64")
    assert str(derive(w * 1.0)).startswith(f"loss = {loss}, float64")


def test_a_shared_weight_adds_its_paths_in_one_line():
    lines = steps(derive(*PROGRAMS["recurrent"]()))
    assert "d_W_rec = sum of d_z[t].T @ h[t-1] over t = 1, ..., 4" in lines


def test_batch_norm_is_derived_through_mean_and_variance():
    lines = steps(derive(*PROGRAMS["batch_norm"]()))
    assert "d_c = d_norm * u2 + 2 * d_a * c / 8" in lines
    assert "d_fc1 = d_c - d_c.sum(axis=0, keepdims=True) / 8" in lines
    assert "d_b_norm = d_norm.sum(axis=0)" in lines


def test_parameters_without_influence_are_listed():
    model = RNN()
    loss = model.out(named("h", 2, 4, grad=False)).sum()
    derivation = derive(loss, model)
    assert derivation.unused == ["cell.bias", "cell.weight", "rec.weight"]
    assert str(derivation).endswith("  cell.bias\n  cell.weight\n  rec.weight")
    assert "- cell.bias\n" in derivation.source()
    assert "No influence on the loss: cell.bias" in str(derivation.check())
    assert set(derivation.function()(**derivation.arguments)[1]) == {"out.weight", "out.bias"}


# ---- names ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ("layers.0.weight", "layers_0_weight"), ("0.bias", "layer0_bias"), ("class", "class_"),
        ("θ", "θ"), ("ﬁ", "fi"), ("a b-c", "a_b_c"), ("np", "np_"), ("l", "l_"), ("sum", "sum_"),
        ("·", ""), ("e\u0301\u0301", "é"), ("", ""), ("parameters", "parameters_"), ("²", "layer2"), ("x²", "x2"), ("__w__", "w"),
        ("a" * 40, "a" * 28), ("🙂w", "w"),
    ],
)  # fmt: skip
def test_identifiers(given, made):
    assert identifier(given) == made
    assert made == "" or (made.isidentifier() and not keyword.iskeyword(made))


def test_names_that_clash_stay_apart():
    names = ["w", "d_w", "w", "lambda", "θ 1", "l", "np", "loss", "", ""]
    xs = [Tensor(normal(2), True, n) for n in names]
    y = xs[0]
    for x in xs[1:]:
        y = y * x
    derivation = derive(y.sum())
    made = re.findall(r"^ +(\w+) = ", derivation.source(), re.MULTILINE)
    assert len(made) == len(set(made))
    assert {"w", "d_w", "w_2", "lambda_", "θ_1", "l_", "np_", "d_D_w"} <= set(made)
    value, gradients = derivation.function()(**derivation.arguments)
    assert len(gradients) == len(names)
    product = np.prod([x.array for x in xs], axis=0)
    for g, x in zip(gradients.values(), xs, strict=True):
        np.testing.assert_allclose(g, product / x.array, rtol=1e-12)
    np.testing.assert_allclose(value, product.sum(), rtol=1e-12)


@pytest.mark.parametrize("name", ['a"b', "a\nb", "back\\slash", "it's", "both ' and \"", "tab\t"])
def test_any_text_is_a_name(name):
    derivation = derive((Tensor([1.0, 2.0], True, name) ** 2).sum())
    _, gradients = derivation.function()(**derivation.arguments)
    assert gradients[name].tolist() == [2.0, 4.0]
    assert str(derivation) and derivation.to_markdown()


def test_what_has_no_name_is_numbered():
    x = Tensor(normal(2, 3))
    w = named("w", 3, 3)
    h = ((x @ w).tanh() @ w).tanh()
    text = derive(h.sum()).source()
    assert re.findall(r"^ +(\w+) = ", text, re.MULTILINE)[:5] == ["w", "z1", "h1", "z2", "h2"]
    h.name = "top"
    assert "top = np.tanh(z2)" in derive(h.sum()).source()


# ---- LaTeX and Markdown ---------------------------------------------------------------------


@pytest.mark.parametrize("row", CASES_OF)
def test_formulas_in_latex_can_be_typeset(row):
    mathtext = pytest.importorskip("matplotlib.mathtext").MathTextParser("path")
    for case in CASES_OF[row][:4]:
        xs = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in case.arrays()]
        with np.errstate(all="ignore"):
            y = case(*xs)
            derivation = derive(y if y.shape == () else y.sum())
        for s in derivation.program.statements:
            text = re.sub(r"\\(begin|end)\{cases\}|\\\\|&", "", latex_line(s))
            mathtext.parse(f"${text}$")


def test_latex_of_a_network():
    derivation = derive(*PROGRAMS["digits"]())
    assert r"\mathit{fc}_{1} &= x\, W_{\mathrm{fc1}}^{\top} + b_{\mathrm{fc1}} && (16, 64)" in (
        derivation.to_latex()
    )
    assert r"\mathrm{d}W_{\mathrm{fc1}} &= \mathrm{d}\mathit{fc}_{1}^{\top}\, x && (64, 784)" in (
        derivation.to_latex()
    )
    assert derivation._repr_latex_() == f"$$\n{derivation.to_latex()}\n$$"
    text = derivation.to_latex()
    assert len(re.findall(r"\\begin", text)) == len(re.findall(r"\\end", text)) == 4


def formula_in_latex(y, name):
    """The right-hand side of a name in the LaTeX of y's derivation."""
    lines = derive(y).to_latex().splitlines()
    return next(n.split("&= ")[1].split(" &&")[0] for n in lines if n.startswith(f"{name} "))


def test_latex_of_a_product_with_ones_is_a_product_with_a_matrix():
    a = named("a", 3, 4)
    assert formula_in_latex((a.mT @ a).sum(), r"\mathrm{d}a") == (
        r"2\, \left(a\, \mathbf{1}_{4 \times 4}\right)"
    )


def test_no_value_is_called_e_as_the_number_is():
    y = (named("a", 3).exp() ** 2).sum()
    assert formula_in_latex(y, "u_{1}") == r"\mathrm{e}^{a}"
    assert not re.search(r"\be\b", str(derive(y)) + derive(y).source())


def test_latex_has_no_two_signs_and_no_factor_one():
    a, b = named("a", 3, 4), named("b", 4)
    loss = r"\mathit{loss}"
    assert formula_in_latex((a - -b).sum(), loss) == r"\sum \left(a + b\right)"
    assert formula_in_latex((a + -b).sum(), loss) == r"\sum \left(a - b\right)"
    assert formula_in_latex((a * 1e-7).sum(), loss) == r"\sum 10^{-7}\, a"
    mean_free = a - a.mean(dim=0, keepdim=True)
    assert r"\mathrm{d}c - \frac{\sum_{\text{axis }0} \mathrm{d}c}{3}" in (
        derive((mean_free**3).sum()).to_latex()
    )


def test_latex_brackets_what_a_function_takes():
    a, b = named("a", 3, 4), named("b", 4)
    loss = r"\mathit{loss}"
    assert formula_in_latex((a * b).mean(), loss) == r"\operatorname{mean} \left(a \odot b\right)"
    assert formula_in_latex((a / -b).sum(), r"\mathrm{d}u_{1}") == (
        r"-\sum_{\text{axis }0} \frac{u_{2}}{u_{1}}"
    )
    text = derive(a.log_softmax(dim=1)[0].sum()).to_latex()
    assert r"c - \log\left(\sum_{\text{axis }1} \mathrm{e}^{c}\right)" in text


@pytest.mark.parametrize("change", ["step", "data"])
def test_a_parameter_that_was_changed_since_is_an_error(change):
    w, x = named("w", 3), named("x", 3, grad=False)
    loss = (x + w).sum()  # whose derivative does not need w
    loss.backward(retain_graph=True)
    assert derive(loss).arguments["x"] is not None
    if change == "step":
        nn.optim.SGD([w], lr=0.1).step()
    else:
        with ag.no_grad():
            x += 1
    with pytest.raises(RuntimeError, match=r"derive: input . of add .* changed in place"):
        derive(loss)


def test_a_model_without_parameters_is_an_error():
    with pytest.raises(TypeError, match="derive: model is a int"):
        derive(named("a", 3).sum(), 3)


def test_the_check_leaves_infinite_values_where_they_are():
    a, mask = named("a", 3, 3), np.triu(np.ones((3, 3), bool), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check = derive((a.masked_fill(mask, -np.inf).softmax(dim=1) ** 2).sum()).check()
    assert "differs" not in str(check)
    assert all(np.isfinite(row.gradient) for row in check.rows)


def test_markdown_numbers_the_steps():
    text = derive(*PROGRAMS["digits"]()).to_markdown()
    assert re.findall(r"^\*\*(\d+)\.\*\* through .*\((.*)\)$", text, re.MULTILINE) == [
        ("1", "log_softmax"), ("2", "matmul, add"), ("3", "relu"), ("4", "matmul, add"),
    ]  # fmt: skip
    assert re.search(r"^\*\*1\.\*\* through .* \(nll\), then \$", text, re.MULTILINE)
    assert text.count("$$") == len(re.findall(r"^\$\$$", text, re.MULTILINE)) > 2  # not indented
    assert derive(*PROGRAMS["digits"]())._repr_markdown_().startswith("**Derivation.**")


# ---- the check ------------------------------------------------------------------------------


def test_the_check_names_the_operation_where_gradients_part():
    cube = Op("cube", lambda x: x * x * x, lambda g, y, x: g * 2 * x * x)
    w, x = named("w", 3, 2), named("x", 4, 3, grad=False)
    h = cube((x @ w).tanh())
    check = derive((h.exp() * 0.1).sum()).check()
    assert not check
    assert check.first.operations == "cube"
    assert [r.ok for r in check.rows] == [False, False, False]  # what follows inherits it
    assert "cube" in str(check).splitlines()[-1]


def test_the_check_agrees_with_correct_rules():
    cube = Op("cube", lambda x: x * x * x, lambda g, y, x: g * 3 * x * x)
    check = derive(cube(named("w", 3)).sum()).check()
    assert check and check.first is None
    assert "differs" not in str(check)


def test_the_check_leaves_hooks_out():
    w = named("w", 3)
    w.register_hook(lambda g: g * 2)
    assert derive((w * w).sum()).check()


# ---- what is refused ------------------------------------------------------------------------


def test_a_released_tape():
    loss = named("w", 3).exp().sum()
    loss.backward()
    with pytest.raises(RuntimeError, match=r"sum: the record .* released .* retain_graph=True"):
        derive(loss)


def test_no_scalar():
    with pytest.raises(RuntimeError, match=r"must be a scalar, this tensor has shape \(3,\)"):
        derive(named("w", 3) * 2)


def test_nothing_that_needs_a_gradient():
    with pytest.raises(RuntimeError, match="derive: the loss does not require grad"):
        derive(named("w", 3, grad=False).sum())


def test_an_operation_without_a_derivative():
    steps = Op("steps", np.floor, None)
    with pytest.raises(RuntimeError, match=r"steps has no derivative for its input 0, of shape"):
        derive(steps(named("w", 3)).sum())


def test_an_operation_that_numpy_cannot_say():
    odd = Op("odd", lambda x: np.asarray(x, float) * 2, lambda g, y, x: g * 2)
    odder = Op("odder", lambda x: x * 2, lambda g, y, x: np.asarray(g, float))
    with pytest.raises(RuntimeError, match="odder cannot be written in NumPy"):
        derive(odder(named("w", 3)).sum())
    with pytest.raises(RuntimeError, match="odd cannot be written in NumPy"):
        derive(odd(named("w", 3)).sum())


def test_a_users_seed_is_an_input():
    seed = Tensor(np.ones(3), name="seed")
    w = Tensor(np.arange(3.0), True, "w")
    text = derive((w * seed).sum()).source()
    assert "backprop(seed, parameters)" in text and "d_w = seed" in text
    (g,) = ag.grad((w**2).sum(), w, create_graph=True)  # starts from ones of that name
    assert "seed" not in derive((g * g).sum()).source()


def test_something_else_than_a_tensor():
    with pytest.raises(TypeError, match="derive: needs the Tensor that was computed, not a float"):
        derive(1.0)


def test_deriving_changes_nothing():
    loss, model = PROGRAMS["digits"]()
    derive(loss, model).check()
    assert all(p.grad is None for p in model.parameters())
    loss.backward()
    first = [p.grad.array.copy() for p in model.parameters()]
    assert all(np.isfinite(g).all() for g in first)


def test_a_leaf_is_its_own_derivation():
    derivation = derive(Tensor(2.0, True, "x"))
    value, gradients = derivation.function()(**derivation.arguments)
    assert (value, gradients["x"]) == (2.0, 1.0)
    assert ag.derive is derive and isinstance(derivation, ag.Derivation)
    assert "in 1 steps" in repr(derivation)


def test_two_models_of_one_loss_keep_their_names():
    a, b = nn.Linear(2, 2, dtype="float64"), nn.Linear(2, 2, dtype="float64")
    both = nn.ModuleList([a, b])
    x = named("x", 3, 2)
    text = derive(b(a(x)).sum(), both).source()
    assert 'parameters["0.weight"]' in text and 'parameters["1.bias"]' in text
    assert '"x": d_x' in text and "def backprop(x, parameters):" in text


def test_a_kink_is_no_mistake():
    r = ag.tensor([0.0, 1.0, -1.0], requires_grad=True, name="r")
    found = derive(r.relu().sum()).check()
    assert found and [row.kink for row in found.rows if row.name == "r"] == [True]
    assert "kink" in str(found)
