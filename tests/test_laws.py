"""Every law of the rewriter does what its docstring says, on random arrays."""

import contextlib
import math
from functools import reduce

import numpy as np
import pytest

from autograd_lite.derivation.textbook import TEXTBOOK, Textbook
from autograd_lite.engine.rules import ops
from autograd_lite.program import expr
from autograd_lite.program.expr import Symbol, is_op
from autograd_lite.program.laws import LAWS
from autograd_lite.program.notation import namespace
from autograd_lite.program.rewrite import Laws, Rewriter

RNG = np.random.default_rng(0)
n = 2.5
ARRAYS = {name: RNG.uniform(0.2, 2, (3, 3)) for name in "xab"}
ARRAYS |= {name: RNG.uniform(0.2, 2, 3) for name in "uv"}
ARRAYS |= {name: RNG.uniform(0.2, 2, (2, 3, 3)) for name in "AB"}
ARRAYS |= {"X": ARRAYS["x"].astype("float32"), "k": np.array([2, 0, 2])}
SYMBOLS = {name: Symbol(name, a) for name, a in ARRAYS.items()}
NUMPY = namespace()


def written(op):
    """How the operations that no rule and no NumPy function makes are called in a docstring."""
    return lambda *inputs: Symbol(op, op.forward(*expr.values(inputs)), inputs)


def full(n, shape=(3, 3), by=1):
    kw = {"shape": shape, "n": n, "by": by, "dtype": "float64"}
    return Symbol(expr.full, np.full(shape, n / by), (), kw)


class Eye:
    """An array that a Symbol may index."""

    def __init__(self, n):
        self.array = np.eye(n)

    def __getitem__(self, k):
        return Symbol(ops.getitem, self.array[k.value], (self.array,), {"index": k})


ON_ARRAYS = NUMPY | ARRAYS | {
    "n": n, "full": lambda n, shape=(3, 3), by=1, dtype="f8": np.full(shape, n / by, dtype), "outer": np.multiply.outer,
    "total": lambda *terms: reduce(np.add, terms), "erf": lambda x: np.vectorize(math.erf)(x).astype(x.dtype),
}  # fmt: skip
ON_SYMBOLS = NUMPY | SYMBOLS | {
    "n": n, "full": full, "outer": written(expr.outer), "total": written(expr.total),
    "erf": ops.erf, "eye": Eye, "broadcast_to": lambda x, shape: ops.expand(x, shape=shape),
}  # fmt: skip


def sides(law):
    """The two sides of each law in a docstring; "x != x = isnan(x)" is one."""
    for line in law.__doc__.strip().splitlines():
        left, _, right = line.partition(" = ")
        yield left.strip(), right


def evaluated(text):
    return eval(text, dict(ON_ARRAYS))


def holds(law, left, right):
    """Raise unless both sides are equal, and the law makes the right one of the left one."""
    wanted = evaluated(left)
    np.testing.assert_allclose(evaluated(right), wanted, rtol=1e-6)
    r = Textbook() if law in [law for _, law in TEXTBOOK] else Rewriter(LAWS)
    e = eval(left, dict(ON_SYMBOLS))
    made = r.make(e.op, e.value, expr_of(r, e.inputs), e.kw)
    found = law(r, made)
    assert found is not None, f"{law.__name__} says nothing about {left}"
    text = str(found)
    np.testing.assert_allclose(evaluated(text), wanted, rtol=1e-6)
    if isinstance(found, Symbol) and found.op is not None:
        assert found.shape == np.shape(wanted) and found.dtype == np.asarray(wanted).dtype
    expected = eval(right, dict(ON_SYMBOLS))
    assert str(r.simple(found)) == str(r.simple(expected))


def expr_of(r, inputs):
    """The inputs of the left side, equal ones as one object, no law asked."""
    plain = Rewriter()
    plain.make = r.make
    return tuple(plain.simple(i) for i in inputs)


EVERY = [(law, *pair) for table in (LAWS, TEXTBOOK) for _, law in table for pair in sides(law)]


@pytest.mark.parametrize(
    ("law", "left", "right"), EVERY, ids=[f"{e[0].__name__}: {e[1]}" for e in EVERY]
)
def test_every_law_holds(law, left, right):
    holds(law, left, right)


def test_a_false_law_is_found():
    false = Laws()

    @false.about(ops.mT)
    def wrong_docstring(r, e):
        """(a @ b.mT).mT = b.mT @ a"""
        return

    @false.about(ops.neg)
    def wrong_result(r, e):
        """--x = x"""
        return e.inputs[0] if is_op(e.inputs[0], ops.neg) else None

    @false.about(ops.neg)
    def silent(r, e):
        """--x = x"""
        return

    for _, law in false:
        with pytest.raises(AssertionError):
            holds(law, *next(sides(law)))


def test_equal_expressions_are_one_object():
    r, x = Rewriter(LAWS), SYMBOLS["x"]
    assert r.simple(np.exp(x) + 1) is r.simple(np.exp(x) + 1)
    assert r.simple(x.mT.mT) is x and r.simple(np.exp(x).mT.mT) is r.simple(np.exp(x))


def test_tables_are_asked_in_order():
    first = Laws()

    @first.about(ops.neg)
    def positive(r, e):
        return e.inputs[0]

    x = SYMBOLS["x"]
    assert Rewriter(first, LAWS).simple(-x) is x
    assert str(Rewriter(LAWS).simple(-x)) == "-x"


def everywhere(e, n):
    like = {"shape": e.shape, "n": n, "by": 1, "dtype": "float64"}
    return Symbol(expr.full, np.full(e.shape, float(n)), (), like)


def same(e, f):
    return e.shape == f.shape and e.dtype == f.dtype


STEPS = [  # of two expressions and a number; those of one axis or two leave others as they are
    lambda e, f, n: e + f, lambda e, f, n: e * f, lambda e, f, n: e - f, lambda e, f, n: -e,
    lambda e, f, n: e / (2 + abs(f)), lambda e, f, n: n * e, lambda e, f, n: e / 2,
    lambda e, f, n: e + n, lambda e, f, n: e * 1, lambda e, f, n: e**2, lambda e, f, n: e.sum(),
    lambda e, f, n: e.mT if e.ndim > 1 else e, lambda e, f, n: e @ f if e.ndim and f.ndim else e,
    lambda e, f, n: e.sum(0) if e.ndim else e, lambda e, f, n: e.mean(-1) if e.ndim else e,
    lambda e, f, n: e.sum(-1, keepdims=True) if e.ndim else e, lambda e, f, n: e.copy(),
    lambda e, f, n: e.reshape((e.size, 1)), lambda e, f, n: e.reshape((1, e.size)),
    lambda e, f, n: e.reshape((-1,)), lambda e, f, n: e[None], lambda e, f, n: e[..., None],
    lambda e, f, n: ops.expand(e, shape=(2, *e.shape)), lambda e, f, n: e.astype("float64"),
    lambda e, f, n: e.transpose(tuple(range(e.ndim))[::-1]), lambda e, f, n: e.astype("float32"),
    lambda e, f, n: written(expr.total)(e, e), lambda e, f, n: everywhere(e, n),
    lambda e, f, n: written(expr.total)(e, f) if same(e, f) else e, lambda e, f, n: (e > 1) * f,
    lambda e, f, n: np.where(e > f, e, f), lambda e, f, n: np.maximum(e, f),
    lambda e, f, n: np.where(f == f, e, n), lambda e, f, n: np.exp(-abs(e)),  # noqa: PLR0124
    lambda e, f, n: ops.softmax(e, axis=e.ndim - 1) if e.ndim else e,
]  # fmt: skip


def everything(rng):
    """A random expression, most of whose parts some law is about; and its arrays."""
    arrays = {name: ARRAYS[name] for name in "xavk"} | {"s": np.array(1.5), "B": ARRAYS["B"]}
    pool = [Symbol(name, a) for name, a in arrays.items()]
    for _ in range(rng.integers(3, 12)):
        e, f = (pool[i] for i in rng.integers(len(pool), size=2))
        with contextlib.suppress(ValueError):  # shapes that do not fit
            pool.append(STEPS[rng.integers(len(STEPS))](e, f, [0, 1, 2, -1, 0.5][rng.integers(5)]))
        if pool[-1].size > 5000:
            pool.pop()
    return pool[-1], arrays


def test_laws_change_no_value_shape_or_dtype():
    rng = np.random.default_rng(0)
    for _ in range(500):
        e, arrays = everything(rng)
        textbook = Textbook()
        with np.errstate(all="ignore"):
            simple = textbook.simple(e)
            for found in (Rewriter(LAWS).simple(e), simple, textbook.gathered(simple)):
                value = eval(str(found), ON_ARRAYS | arrays)
                near = 1e-4 if "float32" in str(e) else 1e-9
                np.testing.assert_allclose(value, e.value, near, near, err_msg=f"{e}: {found}")
                assert np.shape(value) == e.shape, f"{e}: {found}"
                assert np.asarray(value).dtype == e.dtype, f"{e}: {found}"


def test_numbers_in_front_change_no_dtype():
    k, x = SYMBOLS["k"], SYMBOLS["X"]
    twice = written(expr.total)
    masked = (x > 1) * x.reshape((9,))[0]
    for e in (twice(k / 2, k / 2), 0.5 * (2 * k), twice(masked, masked)):
        r = Textbook()
        found = r.gathered(r.simple(e))
        value = eval(str(found), dict(ON_ARRAYS))
        assert found.dtype == np.asarray(value).dtype == e.dtype, f"{e}: {found}"
