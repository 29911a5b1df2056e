"""The NumPy function that derive writes computes what backward() computes, for everything."""

import inspect
import re
import subprocess
import sys
import traceback

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import autograd_lite as ag
import nn
from autograd_lite import Tensor, derive, origin_of, record_lines, tensor
from autograd_lite.engine.op import Op
from autograd_lite.engine.tape import tape
from nn import functional as F
from tests.cases import CASES
from tests.derivation.programs import PROGRAMS, losses, named, normal, random_program

TOLERANCE = {8: 1e-12, 4: 2e-6}


def close(a, b, what):
    """Equal shape, dtype and, to rounding, values."""
    a, b = np.asarray(a), np.asarray(b)
    assert (a.shape, a.dtype) == (b.shape, b.dtype), what
    largest = np.abs(b[np.isfinite(b)]).max(initial=0)
    tolerance = TOLERANCE[b.dtype.itemsize]
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance * largest, err_msg=what)


def agrees(loss, model=None):
    """Derive, run and compare with backward(); the derivation."""
    derivation = derive(loss, model)
    text = derivation.source()
    leaves = [t for t in tape(loss) if t.op is None and t.requires_grad]
    before = [t.array.copy() for t in leaves]
    with np.errstate(all="raise", under="ignore"):
        value, gradients = derivation.function()(**derivation.arguments)
    loss.backward()
    close(value, loss.array, text)
    names = {id(p): n for n, p in model.named_parameters()} if model is not None else {}
    found = dict(gradients)
    for t in leaves:
        label = names.get(id(t)) or t.name
        g = found.pop(label) if label else found.pop(next(iter(found)))
        close(g, t.grad.array, f"{label}\n{text}")
    assert not found
    arrays = [g for g in gradients.values() if isinstance(g, np.ndarray)]
    for i, g in enumerate(arrays):
        assert g.flags.writeable
        assert not any(np.shares_memory(g, h) for h in [*arrays[:i], *(t.array for t in leaves)])
    for t, a in zip(leaves, before, strict=True):
        np.testing.assert_array_equal(t.array, a)
    return derivation


def loss_of(case, dtype=np.float64):
    """A scalar that every element of the case's output goes into, differently."""
    xs = [Tensor(a, requires_grad=a.dtype.kind == "f") for a in case.arrays(dtype)]
    with np.errstate(all="ignore"):
        y = case(*xs)
        weights = np.random.default_rng(0).standard_normal(y.shape).astype(dtype)
        return y if y.shape == () else (y * weights).sum()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_every_case_of_the_table(case):
    agrees(loss_of(case))
    agrees(loss_of(case, np.float32))


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs(name):
    ag.manual_seed(0)
    loss, model = PROGRAMS[name]()
    derivation = agrees(loss, model)
    assert derivation.check(), derivation.check()


@pytest.mark.parametrize("name", losses())
def test_losses(name):
    w, x = named("w", 4, 3), named("x", 8, 4, grad=False)
    agrees(losses()[name](x @ w))


STEPS = st.lists(
    st.tuples(st.integers(0, 31), st.integers(0, 9), st.integers(0, 9), st.booleans()), max_size=16
)


@given(STEPS)
def test_random_programs(steps):
    loss = random_program(steps)
    derivation = derive(loss)
    value, gradients = derivation.function()(**derivation.arguments)
    leaves = [t for t in tape(loss) if t.is_leaf and t.requires_grad]
    agreed = derivation.check(rel=1e-4)
    loss.backward()
    np.testing.assert_allclose(value, loss.array, rtol=1e-12, atol=1e-12)
    for t in leaves:
        scale = 1 + np.abs(t.grad.array).max()
        np.testing.assert_allclose(gradients[t.name], t.grad.array, rtol=1e-11, atol=1e-11 * scale)
    assert agreed or any("relu" in r.operations for r in agreed.rows), f"{agreed}\n{derivation}"
    str(derivation)
    derivation.to_markdown()


def test_a_rule_that_is_read_wrong_is_found():
    wrong = Op(
        "wrong", np.tanh, lambda g, y, x: g * (1 - y * y if isinstance(y, np.ndarray) else 1 + y)
    )
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        agrees(wrong(named("x", 3)).sum())


# ---- the text -------------------------------------------------------------------------------


def test_every_text_is_formatted_and_clean(tmp_path):
    pytest.importorskip("ruff")
    for i, case in enumerate(CASES):
        (tmp_path / f"case{i}.py").write_text(derive(loss_of(case)).source(), encoding="utf-8")
    for name, make in PROGRAMS.items():
        (tmp_path / f"{name}.py").write_text(derive(*make()).source(), encoding="utf-8")
    rng = np.random.default_rng(0)
    for i in range(100):
        steps = [(*rng.integers(0, 32, 3).tolist(), rng.random() < 0.2) for _ in range(i // 4)]
        text = derive(random_program(steps)).source()
        (tmp_path / f"random{i}.py").write_text(text, encoding="utf-8")
    for command in (["format", "--diff"], ["check", "--extend-select", "I,B,UP"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--isolated", "--no-cache", tmp_path],
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr


def test_the_network_for_digits_reads_like_a_textbook():
    text = derive(*PROGRAMS["digits"]()).source()
    body = text.split("# backward", 1)[1].splitlines()[1:]
    assert (
        "\n".join(body[: body.index("")])
        == """\
    d_fc2 = (np.exp(log_p) - np.eye(10)[t]) / 16  # (16, 10)
    d_b_fc2 = d_fc2.sum(axis=0)  # (10,)
    d_h = d_fc2 @ W_fc2  # (16, 64)
    d_W_fc2 = d_fc2.T @ h  # (10, 64)
    d_fc1 = d_h * (h > 0)  # (16, 64)
    d_b_fc1 = d_fc1.sum(axis=0)  # (64,)
    d_W_fc1 = d_fc1.T @ x  # (64, 784)"""
    )
    function = text[text.index("def ") :]
    assert sum(1 for line in function.splitlines() if line and "# " not in line[:6]) <= 36
    assert text.count("def ") == 1
    assert re.findall(r"^import .*|^from .*", text, re.MULTILINE) == ["import numpy as np"]


def test_another_shape_than_the_recorded_one_is_refused():
    derivation = derive((named("w", 3) * named("x", 2, 3, grad=False)).mean())
    arguments = derivation.arguments | {"x": normal(4, 3)}
    with pytest.raises(AssertionError, match=r"^x.shape=\(4, 3\), recorded for \(2, 3\)$"):
        derivation.function()(**arguments)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": [[1.0, 2.0, 3.0]]}, r"x is a list, .* array of shape \(2, 3\); np.asarray\(x\)"),
        (
            {"parameters": np.ones(3)},
            "parameters is of type ndarray, .* a dictionary of arrays by name",
        ),
        ({"parameters": {"w": Tensor([1.0])}}, r"parameters\['w'\] is a Tensor, .* shape \(3,\)"),
        ({"parameters": {"v": 1}}, r"parameters has no 'w'"),
        ({"z": 1}, "unexpected keyword argument 'z'"),
    ],
)
def test_what_is_no_array_is_refused_by_name(given, message):
    derivation = derive((named("w", 3) * named("x", 2, 3, grad=False)).mean())
    with pytest.raises(TypeError, match=message):
        derivation.function()(**(derivation.arguments | given))
    with pytest.raises(TypeError, match="x is a list"):
        derivation.function()([1.0], {"w": np.ones(3)})


NAMES = [
    'u"""; raise SystemExit; """',
    'u"""v',
    "u\\",
    'u\\"',
    "u\nimport os",
    "u'\"",
    "\ud800",
    "\0",
]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("unused", [False, True])
def test_a_name_stays_text(name, unused):
    """Names of parameters can come from files: none of their text is code."""
    module = nn.Module()
    module.register_parameter("a", nn.Parameter(normal(3)))
    module.register_parameter(name, nn.Parameter(normal(2)))
    loss = (module.a * 2).sum()
    if not unused:
        loss = loss + (getattr(module, name) ** 2).sum()
    derivation = derive(loss, module)
    _, gradients = derivation.function()(**derivation.arguments)
    assert [*gradients] == (["a"] if unused else ["a", name])
    shown = name.encode("utf-8", "backslashreplace").decode()
    assert not unused or shown in (derivation.function().__doc__ or "")


def test_a_label_is_no_key_of_two_parameters():
    w, v, u = (
        Tensor(np.full(3, value), True, name)
        for value, name in ((1.0, "w"), (2.0, "w"), (5.0, "w_2"))
    )
    derivation = derive((w * v * u).sum())
    value, gradients = derivation.function()(**derivation.arguments)
    assert value == 30 and {n: g[0] for n, g in gradients.items()} == {"w": 10, "w_3": 5, "w_2": 2}


def test_exact_limits_come_without_warnings():
    x = Tensor([-1000.0, 0.0, 1000.0], True, "x")
    derivation = agrees(x.astype("float64").sigmoid().sum())
    assert '@np.errstate(over="ignore")\ndef backprop(' in derivation.source()
    x.grad = None
    agrees(nn.functional.binary_cross_entropy(x.astype("float64").sigmoid(), [0.0, 1.0, 1.0]))


def test_the_source_is_seen_by_inspect_and_in_tracebacks():
    derivation = derive(named("w", 3).exp().sum())
    function = derivation.function()
    assert inspect.getsource(function) in derivation.source()
    assert "d_w = " in inspect.getsource(function)
    with pytest.raises(TypeError) as error:
        function(parameters={"w": np.array(["a", "b", "c"])})
    assert "np.exp(w)" in "".join(traceback.format_exception(error.value))


# ---- where lines come from ------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_every_line_is_traced_to_its_operations_and_the_users_line(case):
    with record_lines():
        loss = loss_of(case)
    derivation = derive(loss)
    recorded = {t.op.name: t for t in tape(loss) if t.op is not None}
    lines = derivation.source().splitlines()
    found = derivation.source_map()
    for number, line in found.items():
        assert set(line.operations) <= set(recorded), lines[number - 1]
        places = {origin_of(t) for t in tape(loss) if t.op and t.op.name in line.operations}
        assert line.place in places
    seen = {name for line in found.values() for name in line.operations}
    assert case.row in seen or case.row in ("copy", "cast", "reshape", "permute", "expand", "mT")
    statements = re.compile(r"    \w+ = (?!parameters|np\.vectorize)(?!np\.(ones|full))")
    for number, text in enumerate(lines, 1):
        assert number in found or not statements.match(text), text


def test_lines_of_two_operations_are_told_apart():
    w = named("w", 3)
    with record_lines():
        a = w.exp()
        b = a.sin()
        loss = b.sum()
    derivation = derive(loss)
    texts = derivation.source().splitlines()
    by_text = {
        texts[n - 1].split("  #")[0].strip(): line for n, line in derivation.source_map().items()
    }
    assert by_text["u1 = np.exp(w)"].operations == ("exp",)
    assert by_text["d_u1 = np.cos(u1)"].operations == ("sin", "sum")  # the gradient of sum is 1
    assert by_text["d_w = d_u1 * u1"].operations == ("exp",)
    assert by_text["d_w = d_u1 * u1"].place.line == by_text["u1 = np.exp(w)"].place.line
    assert by_text["d_u1 = np.cos(u1)"].place.line == origin_of(a).line + 1


# ---- hooks ----------------------------------------------------------------------------------


def test_hooks_are_parameters_of_the_function():
    w, x = named("w", 3, 2), named("x", 4, 3, grad=False)
    seen = []

    def halved(g):
        return g * 0.5

    def log(g):
        seen.append(g.numpy().copy())

    h = (x @ w).tanh()
    h.name = "h"
    h.register_hook(halved)
    w.register_hook(log)
    w.register_hook(lambda g: g + 1)
    loss = (h * h).sum()
    derivation = derive(loss)
    assert seen == []  # no hook runs while the tape is read
    assert list(inspect.signature(derivation.function()).parameters)[-3:] == [
        "halved",
        "log",
        "hook",
    ]
    assert "d_h = halved(2 * h)" in derivation.source()
    assert "d_w = hook(log(x.T @ d_z))" in derivation.source()
    assert "through halved, a hook of h" in str(derivation)
    agrees(loss)
    np.testing.assert_allclose(*seen, rtol=1e-12)


def test_a_hook_that_is_left_out_is_missed():
    w = named("w", 3)
    w.register_hook(lambda g: g * 2)
    derivation = derive((w * w).sum())
    arguments = derivation.arguments | {"hook": lambda g: g}
    _, gradients = derivation.function()(**arguments)
    np.testing.assert_allclose(gradients["w"], 2 * w.array)


def test_a_check_of_a_float32_model_is_in_float64_where_the_source_casts() -> None:
    rng = np.random.default_rng(0)
    x = tensor(rng.standard_normal((8, 5)).astype(np.float32))
    w = tensor(rng.standard_normal((5, 6)).astype(np.float32), requires_grad=True, name="w")
    derivation = derive(F.gelu(x @ w).mean())
    assert ".astype(np.float32)" in derivation.source()
    check = derivation.check()
    assert check and not any(row.kink for row in check.rows), str(check)


def test_a_check_knows_what_was_added_up_in_a_loss_that_cancels() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        x = tensor(rng.standard_normal((8, 5)) * 3)
        w = tensor(rng.standard_normal((5, 6)), requires_grad=True, name="w")
        check = derive(F.layer_norm(F.gelu(x @ w), (6,)).sum()).check()
        assert check, str(check)


def test_the_slope_of_a_step_is_not_written_out() -> None:
    x = Tensor([[1.5, -2.5]], requires_grad=True, name="x")
    source = derive((x.floor() * x).sum()).source()
    assert "zeros" not in source and "d_x = u" in source
    assert "d_x = np.full((1, 2), 0.0" in derive(ag.trunc(x).sum()).source()
