"""What a row prints is what it runs: every formula is evaluated with NumPy and compared."""

import numpy as np
import pytest

from autograd_lite import ops
from autograd_lite.engine.op import Op, table
from autograd_lite.engine.tape import unbroadcast
from autograd_lite.program.expr import NUMPY, Symbol, example, formula, formulas, gradients, reads
from autograd_lite.program.notation import namespace
from autograd_lite.program.rewrite import KEPT, PRIMITIVE
from tests.cases import CASES

NAMES = namespace()


def run(op, args, kw):
    """The forward text and the backward texts of one call, evaluated, beside the executed rules."""
    names = [f"x{i}" for i in range(len(args))]
    y = np.asarray(op.forward(*args, **kw))
    forward, back = formulas(op, y, args, kw, names)
    g = np.random.default_rng(0).standard_normal(y.shape)
    values = dict(zip(names, args, strict=True)) | {"y": y, "g": g}
    written, executed = [eval(forward, NAMES, values)], [y]
    for text, rule, x in zip(back, op.rules, args):  # noqa: B905  (`each` has no end)
        if text is not None:
            written.append(eval(text, NAMES, values))
            executed.append(unbroadcast(rule(g, y, *args, **kw), x))
    return written, executed


def recorded(case):
    """The arrays and metadata that the case hands to its row."""
    if case.call is None:
        return case.arrays(), case.kw
    seen = []
    op = case.op
    forward = op.forward
    op.forward = lambda *a, **kw: seen.append((a, kw)) or forward(*a, **kw)
    try:
        case(*case.arrays())
    finally:
        op.forward = forward
    return [np.asarray(a) for a in seen[0][0]], seen[0][1]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.id)
def test_the_printed_text_is_what_runs(case):
    args, kw = recorded(case)
    with np.errstate(all="ignore"):
        written, executed = run(case.op, args, kw)
    for text, result in zip(written, executed, strict=True):
        # a product may be one of all rows, which rounds in another order
        near = {"rtol": 1e-13, "atol": 1e-15} if case.op.kind == "product" else {"rtol": 0}
        np.testing.assert_allclose(text, result, **near)
        assert np.shape(text) == np.shape(result)


def test_every_row_prints_a_formula():
    for name, op in table.items():
        text = formula(op)
        assert text.startswith(f"{name}: y = ")
        assert "; d" in text


def test_a_rule_that_prints_what_it_does_not_do_is_found():
    lying = Op(
        "lying", np.tanh, lambda g, y, x: g * (1 - y * y if isinstance(x, Symbol) else 1 + y)
    )
    written, executed = run(lying, [np.array([0.3, 0.7])], {})
    assert not np.allclose(written[1], executed[1])


@pytest.mark.parametrize(
    ("op", "text"),
    [
        (ops.tanh, "tanh: y = tanh(x); dx = g * (1 - y * y)"),
        (ops.matmul, "matmul: y = a @ b; da = g @ b.mT; db = a.mT @ g"),
        (ops.div, "div: y = a / b; da = g / b; db = -g * y / b"),
        (ops.sigmoid, "sigmoid: y = 1 / (1 + exp(-x)); dx = g * y * (1 - y)"),
        (ops.relu, "relu: y = maximum(x, 0); dx = g * (y > 0)"),
    ],
)
def test_formulas_read_like_the_textbook(op, text):
    assert formula(op) == text


def test_broadcasting_is_summed_back_in_the_text():
    _, back = formulas(
        ops.add, np.ones((2, 3)), [np.ones((2, 3)), np.ones(3)], {}, ["z", "b"], g="d_a"
    )
    assert back == ["d_a", "sum(d_a, axis=0)"]


@pytest.mark.parametrize(
    "text",
    [
        "a - (b - c)", "a - b - c", "(a - b) * c", "a / (b * c)", "a / b * c", "-a * b", "-(a + b)",
        "a ** b ** c", "(a ** b) ** c", "(-a) ** 2", "-a ** 2", "a @ b @ c", "a @ (b @ c)",
        "(a > b) * c", "a * (b == c)", "(a > 0) & (b > 0)", "(a + b)[0]", "(a @ b).mT", "a.mT @ b",
        "2 - a", "a * -1.0", "(a == b) == c", "exp(-a)", "~(a > b)", "a ** -1.0", "(a * b).mT",
    ],
)  # fmt: skip
def test_brackets_are_kept_where_they_matter(text):
    rng = np.random.default_rng(1)
    values = {n: rng.uniform(0.5, 2, (3, 3)) for n in "abc"}
    symbols = {n: Symbol(n, v) for n, v in values.items()}
    printed = str(eval(text, NAMES, symbols))
    np.testing.assert_array_equal(eval(printed, NAMES, values), eval(text, NAMES, values))


@pytest.mark.parametrize(
    ("op", "args", "kw", "needs"),
    [
        (ops.add, 2, {}, set()),
        (ops.mul, 2, {}, {0, 1}),
        (ops.exp, 1, {}, {-1}),
        (ops.log, 1, {}, {0}),
        (ops.sum, 1, {"axis": None, "keepdims": False}, set()),
        (ops.div, 2, {}, {-1, 1}),
        (ops.relu, 1, {}, {-1}),
    ],
)
def test_reads_tells_which_values_a_rule_needs(op, args, kw, needs):
    arrays = [np.ones(3) * 2] * args
    y = op.forward(*arrays, **kw)
    found = {i for i in range(-1, args) if reads(op, y, arrays, kw, [True] * args, i)}
    assert found == needs


def test_only_the_rules_that_run_count_in_reads():
    a = np.ones(3)
    assert reads(ops.mul, a, [a, a], {}, [True, False], 1)
    assert not reads(ops.mul, a, [a, a], {}, [True, False], 0)


def test_formula_of_an_own_operation():
    cube = Op("cube", lambda x: x * x * x, lambda g, y, x: g * 3 * x * x)
    assert formula(cube) == "cube: y = x * x * x; dx = g * 3 * x * x"


@pytest.mark.parametrize(
    ("forward", "n", "text"),
    [
        (np.floor, 1, "y = floor(x)"),
        (np.fmod, 2, "y = fmod(x1, x2)"),
        (lambda p, q: p > q, 2, "y = p > q"),
        (lambda *p: p[0] > p[1], 2, "y = a > b"),
        (lambda p, /, by=1: p // by, 1, "y = p // 1"),
    ],
)
def test_an_operation_without_rules_has_a_formula(forward, n, text):
    op = Op("whole", forward)
    assert formula(op, *[np.ones(2)] * n) == f"whole: {text}"


def test_formula_says_what_is_missing():
    scaled = Op("scaled", lambda x, by: x * by, lambda g, y, x, by: g * by)
    with pytest.raises(TypeError, match="scaled needs sample inputs or metadata"):
        formula(scaled)
    assert formula(scaled, np.ones(2), by=3.0) == "scaled: y = x * 3.0; dx = g * 3.0"


W = np.ones((2, 3))


@pytest.mark.parametrize(
    ("op", "like", "samples", "text"),
    [
        (
            Op("three", lambda *xs: xs[0] * xs[2], each=lambda g, y, *xs, i: g * xs[2 - i]),
            "a, b",
            (W, W, W),
            "three: y = a * c; da = g * c; db = g * b; dc = g * a",
        ),
        (
            Op("proj", lambda x: x @ W, lambda g, y, x: g @ W.T),
            "x",
            (W.T,),
            "proj: y = x @ ones((2, 3)",
        ),
        (
            Op("rows", lambda a, b: a @ b.T, lambda g, y, a, b: g @ b, lambda g, y, a, b: g.T @ a),
            "a, b",
            (W, W),
            "rows: y = a @ b.transpose((1, 0)); da = g @ b; db = g.transpose((1, 0)) @ a",
        ),
        (
            Op("inverse", np.linalg.inv, lambda g, y, x: -(y.mT @ g @ y.mT)),
            "x",
            (np.eye(2),),
            "inv",
        ),
    ],
    ids=lambda x: getattr(x, "name", None),
)
def test_formula_asks_for_samples(op, like, samples, text):
    asks = rf"{op.name} needs sample inputs .* give sample inputs, as in formula\(op, {like}\): "
    with pytest.raises(TypeError, match=asks):
        formula(op)
    assert formula(op, *samples).startswith(text)


def test_an_integer_input_has_no_formula():
    x, t = np.zeros((2, 3)), np.array([0, 2])
    symbols = [Symbol("x", x), Symbol("t", t)]
    assert gradients(ops.nll, np.array(0.0), symbols, {"n": 2})[1] is None


def numpy_calls():
    """Every ufunc of NumPy that takes floats or integers, element by element."""
    for name in sorted(dir(np)):
        f = getattr(np, name)
        if isinstance(f, np.ufunc) and f.signature is None:
            kinds = [t.partition("->")[0] for t in f.types]
            for letter in "dl":
                if letter * f.nin in kinds:
                    yield name, f, letter
                    break


@pytest.mark.parametrize(("name", "ufunc", "kind"), [*numpy_calls()], ids=lambda x: str(x))
def test_every_ufunc_takes_symbols_and_prints_what_it_computes(name, ufunc, kind):
    rng = np.random.default_rng(2)
    arrays = [rng.uniform(0.2, 0.9, 3) if kind == "d" else rng.integers(1, 4, 3) for _ in range(2)]
    values = dict(zip("ab", arrays, strict=True))
    symbols = [Symbol(n, v) for n, v in values.items()][: ufunc.nin]
    with np.errstate(all="ignore"):
        found, wanted = ufunc(*symbols), ufunc(*arrays[: ufunc.nin])
        texts = [str(s) for s in (found if ufunc.nout > 1 else [found])]
        written = [eval(text, NAMES, values) for text in texts]
    if ufunc.nout == 1:
        found, wanted = (found,), (wanted,)
    for s, a, w in zip(found, wanted, written, strict=True):
        assert isinstance(s, Symbol)
        np.testing.assert_array_equal(s.value, a)
        np.testing.assert_allclose(w, a, rtol=1e-14)


@pytest.mark.parametrize(
    "text",
    [
        "arcsinh(a)", "cbrt(a) * 2", "divmod(a, b)[1]", "a % b", "a // b", "logaddexp.accumulate(a)",
        "multiply.outer(a, b)", "sort(a)", "add(a, b, dtype='float32')", "linalg.det(a)", "tril(a)",
        "maximum.accumulate(a, axis=1)", "argsort(a, axis=0)",
    ],
)  # fmt: skip
def test_numpy_without_a_row_becomes_an_expression(text):
    rng = np.random.default_rng(3)
    values = {n: rng.uniform(0.5, 2, (3, 3)) for n in "ab"}
    printed = str(eval(text, NAMES, {n: Symbol(n, v) for n, v in values.items()}))
    np.testing.assert_array_equal(eval(printed, NAMES, values), eval(text, NAMES, values))


def test_an_operation_of_a_symbol_is_the_row_itself():
    x = Symbol("x", np.ones(2))
    assert x.op is None and x.name == "x"
    assert (x + 1).op is ops.add and np.exp(x).op is ops.exp and (x > 0).op.sign == ">"
    assert np.cbrt(x).op is np.cbrt(x).op and np.cbrt(x).op.ufunc is np.cbrt
    mine = Op("mine", np.arcsinh, lambda g, y, x: g / np.sqrt(1 + x * x))
    assert mine(x).op is mine and str(mine(x)) == "arcsinh(x)"


def test_ufuncs_of_users_are_not_kept():
    x = Symbol("x", np.ones(2))
    before = len(NUMPY)
    for _ in range(3):
        made = np.frompyfunc(abs, 1, 1)
        assert made(x).op is made(x).op  # while there is one
    del made
    assert len(NUMPY) == before


def test_a_symbol_is_not_written_into_an_array():
    with pytest.raises(TypeError, match="cannot write a Symbol into an array"):
        np.exp(Symbol("x", np.ones(2)), out=np.ones(2))


def test_indices_of_no_and_one_element_are_ranges():
    for n in (0, 1, 2):
        text = formula(ops.nll, np.ones((n, 3)), np.arange(n), n=9)
        assert f"x[arange({n}), t]" in text
    one = Symbol("x", np.ones(3))[np.array([[0]])]
    assert str(one) == "x[zeros((1, 1), dtype='int64')]"


def test_what_is_not_written_out_is_what_its_forward_function_does():
    for op in PRIMITIVE - KEPT - {ops.getitem}:
        inputs, kw = example(op)
        x = [Symbol("x", np.asarray(a)) for a in inputs[: op.ufunc.nin if op.ufunc else None]]
        assert op.forward(*x, **kw).op is op
