"""Every law of the rewriter does what its docstring says, on random arrays."""

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
