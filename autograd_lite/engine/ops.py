"""The rows: one per operation, with the forward function and one derivative rule per input.

A rule uses only operators, methods, ufuncs and other rows, so the same rule runs on arrays
(gradients), on Tensors (higher derivatives) and on Symbols (formulas).

No rule mentions broadcasting or dtypes: the edge that carries a gradient back to an input sums it
to that input's shape and casts it to its dtype (`tape.unbroadcast`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from .axes import axes_of, count, from_zero, is_basic, kept
from .op import Op, row, table

__all__ = ["Op", "table"]

expand: Op
prod_others: Op
put: Op
scatter_add: Op

# ---- arithmetic -----------------------------------------------------------------------------
add = row("add", np.add, lambda g, y, a, b: g, lambda g, y, a, b: g)
sub = row("sub", np.subtract, lambda g, y, a, b: g, lambda g, y, a, b: -g)
mul = row("mul", np.multiply, lambda g, y, a, b: g * b, lambda g, y, a, b: g * a)
div = row("div", np.divide, lambda g, y, a, b: g / b, lambda g, y, a, b: -g * y / b)
neg = row("neg", np.negative, lambda g, y, x: -g)
pow = row(
    "pow",
    np.power,
    lambda g, y, a, b: g * (b * a ** np.where(b == 0, 0, b - 1)),
    # 0 ** b has slope 0 in b where b >= 0: log(1) takes the place of log(0)
    lambda g, y, a, b: g * y * np.log(np.where((a == 0) & (b >= 0), 1, a)),
)


def _power_slope(x: Any, p: float) -> Any:
    if p == 2:
        return 2 * x
    return p if p in (0, 1) else p * x ** (p - 1)


power = row(
    "power",
    lambda x, p: x**p,
    lambda g, y, x, p: g * _power_slope(x, p),
    doc="`x ** p` with a number `p`, which float32 arrays survive as float32.",
)

# ---- elementwise ----------------------------------------------------------------------------


def _sigmoid(x: Any) -> Any:
    with np.errstate(over="ignore"):  # exp(1000) = inf gives the exact limit 1 / inf = 0
        return 1 / (1 + np.exp(-x))


def _erf(x: Any) -> Any:
    try:
        from scipy.special import erf
    except ImportError:
        erf = np.frompyfunc(math.erf, 1, 1)
    return np.asarray(erf(x)).astype(x.dtype)


abs = row("abs", np.absolute, lambda g, y, x: g * np.sign(x))
sqrt = row("sqrt", np.sqrt, lambda g, y, x: g / (2 * y))
exp = row("exp", np.exp, lambda g, y, x: g * y)
log = row("log", np.log, lambda g, y, x: g / x)
log1p = row("log1p", np.log1p, lambda g, y, x: g / (1 + x))
expm1 = row("expm1", np.expm1, lambda g, y, x: g * (y + 1))
sin = row("sin", np.sin, lambda g, y, x: g * np.cos(x))
cos = row("cos", np.cos, lambda g, y, x: -g * np.sin(x))
tan = row("tan", np.tan, lambda g, y, x: g * (1 + y * y))
sinh = row("sinh", np.sinh, lambda g, y, x: g * np.cosh(x))
cosh = row("cosh", np.cosh, lambda g, y, x: g * np.sinh(x))
tanh = row("tanh", np.tanh, lambda g, y, x: g * (1 - y * y))
arctan = row("arctan", np.arctan, lambda g, y, x: g / (1 + x * x))
sigmoid = row("sigmoid", _sigmoid, lambda g, y, x: g * y * (1 - y))
relu = row("relu", lambda x: np.maximum(x, 0), lambda g, y, x: g * (y > 0))
leaky_relu = row(
    "leaky_relu",
    lambda x, slope: np.where(x > 0, x, slope * x),
    lambda g, y, x, slope: np.where(x > 0, g, slope * g),
)
elu = row(
    "elu",
    lambda x, alpha: np.maximum(x, 0) + alpha * np.expm1(np.minimum(x, 0)),
    lambda g, y, x, alpha: np.where(x > 0, g, g * alpha * np.exp(np.minimum(x, 0))),
)
logaddexp = row(
    "logaddexp",
    np.logaddexp,
    lambda g, y, a, b: g * np.exp(a - y),
    lambda g, y, a, b: g * np.exp(b - y),
)
softplus = row("softplus", lambda x: np.logaddexp(x, 0), lambda g, y, x: g * -np.expm1(-y))
erf = row("erf", _erf, lambda g, y, x: g * (2 / math.sqrt(math.pi)) * np.exp(-x * x), named=True)


def _clip(x: Any, low: float, high: float) -> Any:
    return np.minimum(np.maximum(x, low), high)


clip = row("clip", _clip, lambda g, y, x, low, high: g * ((x >= low) & (x <= high)))
hardtanh = row("hardtanh", _clip, lambda g, y, x, low, high: g * ((x > low) & (x < high)))


def _if_a_is_larger(g: Any, y: Any, a: Any, b: Any) -> Any:
    return np.where(a == b, g / 2, np.where(a < b, 0, g))


def _if_b_is_larger(g: Any, y: Any, a: Any, b: Any) -> Any:
    return np.where(a == b, g / 2, np.where(a > b, 0, g))


maximum = row("maximum", np.maximum, _if_a_is_larger, _if_b_is_larger)
minimum = row("minimum", np.minimum, _if_b_is_larger, _if_a_is_larger)
where = row(
    "where",
    np.where,
    None,  # a condition has no gradient
    lambda g, y, c, a, b: np.where(c, g, 0),
    lambda g, y, c, a, b: np.where(c, 0, g),
)

# ---- reductions: `axis` is None, an int or a tuple of ints, none of them negative ------------


def _first(x: Any, axis: Any) -> Any:
    axes = axes_of(x, axis)
    return x[tuple([slice(0, 1) if i in axes else slice(None) for i in range(x.ndim)])]


def _var(x: Any, axis: Any, keepdims: Any, correction: int) -> Any:
    d = _centred(x - _first(x, axis), axis)  # shifted: a constant has variance exactly 0
    return np.add.reduce(d * d, axis=axis, keepdims=keepdims) / (count(x, axis) - correction)


def _centred(x: Any, axis: Any) -> Any:
    return x - np.add.reduce(x, axis=axis, keepdims=True) / count(x, axis)


def _largest(x: Any, y: Any) -> Any:
    return (x == y) | (x != x)  # noqa: PLR0124  where the maximum is NaN, it is the NaNs that made it


def _share(g: Any, y: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    chosen = _largest(x, kept(y, x, axis, keepdims))
    count = np.add.reduce(chosen, axis=axis, keepdims=True)
    return kept(g, x, axis, keepdims) * chosen / count.astype(x.dtype)


sum = row(
    "sum",
    lambda x, axis, keepdims: np.add.reduce(x, axis=axis, keepdims=keepdims),
    lambda g, y, x, axis, keepdims: expand(kept(g, x, axis, keepdims), shape=x.shape),
)
mean = row(
    "mean",
    lambda x, axis, keepdims: np.add.reduce(x, axis=axis, keepdims=keepdims) / count(x, axis),
    lambda g, y, x, axis, keepdims: expand(
        kept(g, x, axis, keepdims) / count(x, axis), shape=x.shape
    ),
)
max = row(
    "max", lambda x, axis, keepdims: np.maximum.reduce(x, axis=axis, keepdims=keepdims), _share
)
min = row(
    "min", lambda x, axis, keepdims: np.minimum.reduce(x, axis=axis, keepdims=keepdims), _share
)
var = row(
    "var",
    _var,
    lambda g, y, x, axis, keepdims, correction: (
        kept(g, x, axis, keepdims) * 2 * _centred(x, axis) / (count(x, axis) - correction)
    ),
    named=True,
)
std = row(
    "std",
    lambda x, **kw: np.sqrt(_var(x, **kw)),
    lambda g, y, x, axis, keepdims, correction: (
        kept(g / np.where(y == 0, np.inf, y), x, axis, keepdims)
        * _centred(x, axis)
        / (count(x, axis) - correction)
    ),
    named=True,
)
norm = row(
    "norm",
    lambda x, axis, keepdims: np.sqrt(np.add.reduce(x * x, axis=axis, keepdims=keepdims)),
    lambda g, y, x, axis, keepdims: kept(g / np.where(y == 0, np.inf, y), x, axis, keepdims) * x,
)


def _peak(x: Any, axis: Any) -> Any:
    if 0 in x.shape:  # nothing to choose from, and nothing to shift
        return np.zeros([1 if i in axes_of(x, axis) else n for i, n in enumerate(x.shape)], x.dtype)
    return np.maximum.reduce(x, axis=axis, keepdims=True)


def _logsumexp(x: Any, axis: Any, keepdims: bool) -> Any:
    top = _peak(x, axis)
    top = np.where(np.isfinite(top), top, 0)
    with np.errstate(divide="ignore"):  # the logarithm of an empty or all -inf sum is -inf
        y = np.log(np.add.reduce(np.exp(x - top), axis=axis, keepdims=True)) + top
    return (
        y
        if keepdims
        else y.reshape([n for i, n in enumerate(x.shape) if i not in axes_of(x, axis)])
    )


def _softmax(x: Any, axis: int) -> Any:
    e = np.exp(x - _peak(x, axis))
    return e / np.add.reduce(e, axis=axis, keepdims=True)


def _log_softmax(x: Any, axis: int) -> Any:
    if 0 in x.shape:
        return x.copy()
    d = x - _peak(x, axis)
    return d - np.log(np.add.reduce(np.exp(d), axis=axis, keepdims=True))


logsumexp = row(
    "logsumexp",
    _logsumexp,
    lambda g, y, x, axis, keepdims: (
        kept(g, x, axis, keepdims) * np.exp(x - kept(y, x, axis, keepdims))
    ),
    named=True,
)
softmax = row(
    "softmax",
    _softmax,
    lambda g, y, x, axis: y * (g - np.add.reduce(g * y, axis=axis, keepdims=True)),
)
log_softmax = row(
    "log_softmax",
    _log_softmax,
    lambda g, y, x, axis: g - np.exp(y) * np.add.reduce(g, axis=axis, keepdims=True),
)
cumsum = row(
    "cumsum",
    lambda x, axis: np.add.accumulate(x, axis=axis),
    lambda g, y, x, axis: np.flip(np.flip(g, axis).cumsum(axis), axis),
)

# ---- products along the last axis, right where factors are 0 --------------------------------


def _prod_others(x: Any) -> Any:
    ones = np.ones((*x.shape[:-1], 1), x.dtype)
    before = np.multiply.accumulate(np.concatenate([ones, x[..., :-1]], -1), axis=-1)
    after = np.multiply.accumulate(np.concatenate([ones, x[..., :0:-1]], -1), axis=-1)
    return before * after[..., ::-1]


def _prod_others_rule(g: Any, y: Any, x: Any) -> Any:
    one = np.eye(x.shape[-1], dtype=bool)  # row i is the product without factor i
    rest = np.where(one, 1, x.reshape((*x.shape[:-1], 1, x.shape[-1])))
    slope = prod_others(rest) * g.reshape((*g.shape, 1))
    return np.add.reduce(np.where(one, 0, slope), axis=x.ndim - 1)


prod = row(
    "prod",
    lambda x: np.multiply.reduce(x, axis=-1),
    lambda g, y, x: g.reshape((*g.shape, 1)) * prod_others(x),
)
prod_others = row(
    "prod_others",
    lambda x: _prod_others(x) if x.shape[-1] else x,
    _prod_others_rule,
    named=True,
    doc="For each element, the product of the others along the last axis.",
)

# ---- linear algebra -------------------------------------------------------------------------


def _product(a: Any, b: Any, like: Any) -> Any:
    if like.__class__ is np.ndarray and like.flags.fnc:
        # laid out like the weight: a step of Linear(784, 64) takes 46 us, with the other layout 90
        return (b.mT @ a.mT).mT
    return a @ b


matmul = row(
    "matmul",
    np.matmul,
    lambda g, y, a, b: g @ b.mT,
    lambda g, y, a, b: _product(a.mT, g, like=b),
)


def _einsum_rule(g: Any, y: Any, *arrays: Any, spec: str, i: int) -> Any:
    left, out = spec.split("->")
    terms = left.split(",")
    mine = terms.pop(i)
    factors = [g, *arrays[:i], *arrays[i + 1 :]]
    terms.insert(0, out)
    spare = iter(set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") - set(spec))
    wanted = ""
    for letter, n in zip(mine, arrays[i].shape, strict=True):
        if letter in wanted:  # a diagonal: its second index is tied to the first by an identity
            twin = next(spare)
            terms.append(letter + twin)
            factors.append(np.eye(n, dtype=arrays[i].dtype))
            wanted += twin
        else:
            sizes = [
                f.shape[t.index(letter)] for t, f in zip(terms, factors, strict=True) if letter in t
            ]
            if n not in sizes:  # it was summed in this operand alone, or broadcast elsewhere
                terms.append(letter)
                factors.append(np.ones(n, dtype=arrays[i].dtype))
            wanted += letter
    return np.einsum(",".join(terms) + "->" + wanted, *factors)


einsum = row("einsum", lambda *arrays, spec: np.einsum(spec, *arrays), each=_einsum_rule, view=True)

# ---- shape, order and choice: the linear rows, in adjoint pairs ------------------------------


def _expand(x: Any, shape: tuple[int, ...]) -> Any:
    y = np.empty(shape, x.dtype)  # 0.25 us where np.broadcast_to takes 1.9; BLAS can use it
    y[...] = x
    return y


def _scatter_add(x: Any, shape: tuple[int, ...], index: Any) -> Any:
    y = np.zeros(shape, x.dtype)
    if is_basic(index):
        y[index] = x
    else:
        np.add.at(y, index, x)  # an element that was read twice gets both gradients
    return y


def _put(x: Any, v: Any, index: Any) -> Any:
    y = np.array(x)
    y[index] = v
    return y


def _led(g: Any, like: Any) -> Any:
    """`g` with the leading axes of size 1 that an assignment lets `like` have."""
    extra = like.ndim - g.ndim
    return g.reshape((1,) * extra + g.shape) if extra > 0 else g


def _nll(x: Any, t: Any, n: float) -> Any:
    if t.shape != x.shape[:1]:
        raise ValueError(f"needs one class for each of the {x.shape[0]} rows, got {t.shape}")
    if t.__class__ is np.ndarray and not from_zero(t):
        raise IndexError("a class is negative")  # which NumPy would count from the end
    return -np.add.reduce(x[np.arange(t.shape[0]), t]) / n


def _part(arrays: Sequence[Any], i: int, axis: int) -> tuple[slice, ...]:
    start = int(np.add.reduce([a.shape[axis] for a in arrays[:i]], dtype=int))
    return (slice(None),) * axis + (slice(start, start + arrays[i].shape[axis]),)


reshape = row(
    "reshape",
    lambda x, shape: x.reshape(shape),
    lambda g, y, x, shape: g.reshape(x.shape),
    view=True,
)
permute = row(
    "permute",
    lambda x, axes: x.transpose(axes),
    lambda g, y, x, axes: g.transpose(tuple(np.argsort(axes).tolist())),
    view=True,
)
mT = row("mT", lambda x: x.mT, lambda g, y, x: g.mT, view=True)
flip = row(
    "flip", lambda x, axis: np.flip(x, axis), lambda g, y, x, axis: np.flip(g, axis), view=True
)
expand = row("expand", _expand, lambda g, y, x, shape: g, named=True)
copy = row("copy", lambda x: x.copy(), lambda g, y, x: g)
cast = row("cast", lambda x, dtype: x.astype(dtype), lambda g, y, x, dtype: g)
getitem = row(
    "getitem",
    lambda x, index: x[index],
    lambda g, y, x, index: scatter_add(g, shape=x.shape, index=index),
    view=True,
)
scatter_add = row(
    "scatter_add",
    _scatter_add,
    lambda g, y, x, shape, index: g[index],
    named=True,
    doc="Zeros of `shape` with `x` added at `index`.",
)
put = row(
    "put",
    _put,
    lambda g, y, x, v, index: put(g, 0, index=index),
    lambda g, y, x, v, index: _led(g[index], v),
    named=True,
    doc="`x` with `v` at `index`: what `x[index] = v` records. Where an index repeats, v's gradient is "
    "undefined, as in PyTorch.",
)
nll = row(
    "nll",
    _nll,
    lambda g, y, x, t, n: scatter_add(-g / n, shape=x.shape, index=(np.arange(t.shape[0]), t)),
    doc="The sum of `x` at the class `t` of each row, by -n: one node where getitem, sum and div "
    "take three: 9 us instead of 15 forward and backward on (16, 10).",
)
pad = row(
    "pad",
    lambda x, width, value: np.pad(x, width or 0, constant_values=value),
    lambda g, y, x, width, value: g[
        tuple([slice(low, low + n) for (low, _), n in zip(width, x.shape, strict=True)])
    ],
)
concatenate = row(
    "concatenate",
    lambda *arrays, axis: np.concatenate(arrays, axis),
    each=lambda g, y, *arrays, axis, i: g[_part(arrays, i, axis)],
)
stack = row(
    "stack",
    lambda *arrays, axis: np.stack(arrays, axis),
    each=lambda g, y, *arrays, axis, i: g[(slice(None),) * axis + (i,)],
)


for kind, names in {
    "arithmetic": "add sub mul div neg pow power maximum minimum where logaddexp",
    "curve": "abs sqrt exp log log1p expm1 sin cos tan sinh cosh tanh arctan sigmoid relu leaky_relu "
    "elu softplus erf clip hardtanh",
    "reduction": "sum mean max min var std norm logsumexp prod",
    "along": "softmax log_softmax cumsum prod_others",
    "product": "matmul einsum",
    "view": "reshape permute mT flip expand copy cast",
    "pick": "getitem scatter_add put pad concatenate stack",
    "loss": "nll",
}.items():
    for name in names.split():
        table[name].kind = kind
for name in ("relu", "leaky_relu", "elu", "softplus", "sigmoid", "tanh", "erf", "hardtanh"):
    table[name].activation = True
for name in ("relu", "leaky_relu"):
    table[name].mask = True
for name, sign in {
    "add": "+",
    "sub": "-",
    "mul": "*",
    "div": "/",
    "matmul": "@",
    "pow": "**",
}.items():
    table[name].sign = sign
table["sigmoid"].quiet = "over"
table["logsumexp"].quiet = "divide"


def _examples() -> None:
    """What rows are shown on whose kind does not tell (for now here; rows will say it themselves)."""
    x = np.linspace(0.2, 0.9, 6).reshape(2, 3)
    v = x[0]
    for op, inputs, kw in (
        (power, (v,), {"p": 3}),
        (leaky_relu, (v,), {"slope": 0.01}),
        (elu, (v,), {"alpha": 1.0}),
        (clip, (v,), {"low": 0.0, "high": 1.0}),
        (hardtanh, (v,), {"low": -1.0, "high": 1.0}),
        (where, (v > 0.3, v, v), {}),
        (cumsum, (v,), {"axis": 0}),
        (prod, (v,), {}),
        (prod_others, (v,), {}),
        (einsum, (x, x.T), {"spec": "ij,jk->ik"}),
        (reshape, (x,), {"shape": (3, 2)}),
        (permute, (x,), {"axes": (1, 0)}),
        (mT, (x,), {}),
        (flip, (v,), {"axis": (0,)}),
        (expand, (v,), {"shape": (2, 3)}),
        (cast, (v,), {"dtype": "float64"}),
        (getitem, (v,), {"index": slice(0, 2)}),
        (scatter_add, (v,), {"shape": (4,), "index": slice(0, 3)}),
        (put, (v, v[:2]), {"index": slice(0, 2)}),
        (nll, (x, np.array([0, 2])), {"n": 2}),
        (pad, (v,), {"width": ((1, 1),), "value": 0.0}),
        (concatenate, (v, v), {"axis": 0}),
        (stack, (v, v), {"axis": 0}),
    ):
        op.example = lambda inputs=inputs, kw=kw: (inputs, kw)
    for op in (var, std):
        op.example = lambda: ((v,), {"axis": None, "keepdims": False, "correction": 1})


_examples()
