"""The functions of users behave as PyTorch's: values, gradients, shapes, kinks and extremes.

`SAME` holds one snippet per behaviour, which runs with either library. What PyTorch 2.13 gives is
stored in `golden.json` (written by `python -m tests.make_golden`), and compared live where PyTorch
is installed.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, tensor
from autograd_lite.engine import rules as F
from autograd_lite.engine.modes import like_numpy
from autograd_lite.engine.rules import ops

Snippet = Callable[..., Any]
SAME: dict[str, tuple[Snippet, list[Any]]] = {}
NOISY: set[str] = set()  # infinities or NaN appear on the way, of which NumPy warns
GOLDEN = Path(__file__).with_name("golden.json")
INF, NAN = math.inf, math.nan


def same(name: str, function: Snippet, *arrays: Any, noisy: bool = False) -> None:
    assert name not in SAME, name
    SAME[name] = function, [np.array(a) for a in arrays]
    if noisy:
        NOISY.add(name)


def run(lib: Any, make: Callable[[Any], Any], name: str) -> dict[str, Any]:
    """Outputs, their shapes, and gradients under a fixed upstream gradient."""
    function, arrays = SAME[name]
    xs = [make(a) for a in arrays]
    out = function(lib, *xs)
    outs = list(out) if isinstance(out, tuple | list) else [out]
    loss: Any = 0
    for o in outs:
        if o.requires_grad:
            g = np.cos(np.arange(math.prod(o.shape)) + 1.0).reshape(tuple(o.shape))
            loss = loss + (o * make(g).detach()).sum()
    if outs and any(o.requires_grad for o in outs):
        loss.backward()
    return {
        "shapes": [list(o.shape) for o in outs],
        "values": [o.tolist() for o in outs],
        "grads": [None if x.grad is None else x.grad.tolist() for x in xs],
    }


OURS = SimpleNamespace(**{**vars(ag), "logaddexp": ag.ops.logaddexp})


def ours(name: str) -> dict[str, Any]:
    make = lambda a: Tensor(a.copy(), requires_grad=a.dtype.kind == "f")
    if name in NOISY:
        with np.errstate(all="ignore"):
            return run(OURS, make, name)
    return run(OURS, make, name)


def theirs(torch: Any, name: str) -> dict[str, Any]:
    lib = SimpleNamespace(**{**vars(torch.nn.functional), **vars(torch)})
    make = lambda a: torch.tensor(a, requires_grad=a.dtype.kind == "f")
    return run(lib, make, name)


def agree(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a["shapes"] == b["shapes"]
    for kind in ("values", "grads"):
        for x, y in zip(a[kind], b[kind], strict=True):
            assert (x is None) == (y is None), kind
            if x is not None:
                np.testing.assert_allclose(
                    np.array(x, float), np.array(y, float), rtol=1e-9, atol=1e-12, err_msg=kind
                )


# ---- elementwise: kinks, zeros, extremes -----------------------------------------------------

EDGE = [-1000.0, -30.0, -1.0, -0.0, 0.0, 1e-8, 0.5, 1.0, 30.0, 1000.0]
QUIET = {
    "abs": lambda t, x: t.abs(x),
    "relu": lambda t, x: t.relu(x),
    "leaky_relu": lambda t, x: t.leaky_relu(x),
    "leaky_relu 0.3": lambda t, x: t.leaky_relu(x, 0.3),
    "leaky_relu negative slope": lambda t, x: t.leaky_relu(x, -0.5),
    "elu": lambda t, x: t.elu(x),
    "elu 2": lambda t, x: t.elu(x, 2.0),
    "sigmoid": lambda t, x: t.sigmoid(x),
    "tanh": lambda t, x: t.tanh(x),
    "softplus": lambda t, x: t.softplus(x),
    "softplus beta": lambda t, x: t.softplus(x, 3.0),
    "logsigmoid": lambda t, x: t.logsigmoid(x),
    "silu": lambda t, x: t.silu(x),
    "gelu": lambda t, x: t.gelu(x),
    "gelu tanh": lambda t, x: t.gelu(x, approximate="tanh"),
    "hardtanh": lambda t, x: t.hardtanh(x),
    "hardtanh 0.5": lambda t, x: t.hardtanh(x, -0.5, 0.5),
    "erf": lambda t, x: t.erf(x),
    "sin": lambda t, x: t.sin(x),
    "cos": lambda t, x: t.cos(x),
    "tan": lambda t, x: t.tan(x),
    "arctan": lambda t, x: t.arctan(x),
    "square": lambda t, x: t.square(x),
    "neg": lambda t, x: t.neg(x),
    "x ** 3": lambda t, x: x**3,
    "x ** 2.0": lambda t, x: x**2.0,
    "x ** 1": lambda t, x: x**1,
    "x ** 0": lambda t, x: x**0,
    "clamp": lambda t, x: t.clamp(x, -1.0, 0.5),
    "clamp min": lambda t, x: t.clamp(x, min=0.0),
    "clamp max": lambda t, x: t.clamp(x, max=1.0),
    "clamp method": lambda t, x: x.clamp(0, 1),
    "clip": lambda t, x: t.clip(x, -1, 1),
    "where": lambda t, x: t.where(x > 0, x, -2 * x),
    "masked_fill": lambda t, x: x.masked_fill(x > 0.5, 7.0),
    "maximum": lambda t, x: t.maximum(x, t.zeros_like(x)),
    "minimum with itself": lambda t, x: t.minimum(x, x),
    "logaddexp": lambda t, x: t.logaddexp(x, -x),
    "arithmetic": lambda t, x: (2 - x) * 3 + x / 4 - (-x) * 0.5,
}
LOUD = {
    "exp": lambda t, x: t.exp(x),
    "expm1": lambda t, x: t.expm1(x),
    "sinh": lambda t, x: t.sinh(x),
    "cosh": lambda t, x: t.cosh(x),
    "log": lambda t, x: t.log(x),
    "log1p": lambda t, x: t.log1p(x),
    "sqrt": lambda t, x: t.sqrt(x),
    "reciprocal": lambda t, x: t.reciprocal(x),
    "1 / x": lambda t, x: 1 / x,
    "x ** -1": lambda t, x: x**-1,
    "2 ** x": lambda t, x: 2**x,
    "0 ** x": lambda t, x: 0**x,
}
for name, f in (QUIET | LOUD).items():
    same(f"{name} at edges", f, EDGE, noisy=name in LOUD)
    same(f"{name} of 0-d", f, 0.7)
    same(f"{name} of nothing", f, np.zeros((0, 2)))
    if name != "logaddexp":  # exp(inf - inf)
        same(f"{name} at infinity", f, [INF, -INF], noisy=True)
    # PyTorch picks a branch for the gradient at NaN; here it is what the rule gives: 0 or NaN
    piecewise = name.startswith(("relu", "abs", "elu", "hardtanh"))
    of_nan = f if not piecewise else lambda t, x, f=f: f(t, x.detach())
    same(f"{name} of NaN", of_nan, [NAN, 1.0], noisy=True)

same("x / x", lambda t, x: x / x, [0.0, 2.0, -3.0], noisy=True)
same("x / 0", lambda t, x, y: x / y, [1.0, -1.0, 0.0], [0.0, 0.0, 1.0], noisy=True)
same("x ** 0.5", lambda t, x: x**0.5, [0.0, 4.0, -4.0, INF], noisy=True)
same("x ** -0.5", lambda t, x: x**-0.5, [0.0, 4.0, -4.0, INF], noisy=True)
same("maximum ties", lambda t, a, b: t.maximum(a, b), [1.0, 2.0, 3.0], [1.0, 3.0, 2.0])
same("minimum ties", lambda t, a, b: t.minimum(a, b), [1.0, 2.0, 3.0], [1.0, 3.0, 2.0])
same("maximum ties, broadcast", lambda t, a, b: t.maximum(a, b), [[1.0], [2.0]], [1.0, 2.0])
same(
    "maximum of NaN in either",
    lambda t, a, b: t.maximum(a, b).detach(),
    [NAN, 1.0, NAN],
    [1.0, NAN, NAN],
    noisy=True,
)
same(
    "maximum of infinities",
    lambda t, a, b: t.maximum(a, b),
    [INF, -INF, INF],
    [INF, -INF, -INF],
    noisy=True,
)
same("logaddexp of -inf", lambda t, a, b: t.logaddexp(a, b), [-INF, 1.0], [0.0, -INF])
same("max of two tensors", lambda t, a, b: t.max(a, b), [1.0, 2.0], [2.0, 2.0])
same("min of two tensors", lambda t, a, b: t.min(a, b), [1.0, 2.0], [2.0, 2.0])
same(
    "clamp by tensors",
    lambda t, x, a, b: t.clamp(x, a, b),
    [-2.0, 0.5, 3.0, 1.0],
    [-1.0] * 4,
    [1.0] * 4,
)
same("clamp low above high", lambda t, x: t.clamp(x, 1.0, -1.0), [-2.0, 0.0, 2.0])
same("where broadcasts", lambda t, x, y: t.where(x > 0, x, y), [[1.0], [-1.0]], [3.0, 4.0, 5.0])
same("where with a number", lambda t, x: t.where(x > 0, x, 0.0), [1.0, -1.0])
same("where is no shield", lambda t, x: t.where(x > 0, t.sqrt(x), 0.0 * x), [4.0, 0.0], noisy=True)

POWERS = (
    [0.0, 0.0, 0.0, 2.0, 2.0, -2.0, -2.0, -2.0, 1.0],
    [0.0, 2.0, 1.0, 0.0, 0.5, 2.0, 3.0, 0.0, -1.0],
)
same("pow of two tensors", lambda t, a, b: t.pow(a, b.detach()), *POWERS)
same(
    "pow, exponents",
    lambda t, a, b: t.pow(a.detach(), b),
    [0.0, 0.0, 2.0, 3.0, 1.0],
    [0.0, 2.0, 0.0, 2.0, 5.0],
)
same("pow broadcasts", lambda t, a, b: a**b, [[1.0], [2.0]], [0.5, 1.0, 2.0])
same("pow of a negative base by a fraction", lambda t, a: a**0.5, [-2.0], noisy=True)
same("pow with 0 below 0", lambda t, a, b: a**b, [0.0], [-1.0], noisy=True)
for p in (0, 1, 2, 3, -1, 0.5, 1.5, -2.0):
    same(f"x ** {p} of positives", lambda t, x, p=p: x**p, [0.3, 1.0, 2.5])
    same(f"{p} ** x", lambda t, x, p=p: p**x, [0.0, 1.0, 2.0, 3.0], noisy=p <= 0)

# ---- reductions ------------------------------------------------------------------------------

M = np.random.default_rng(1).standard_normal((3, 3))
C = np.random.default_rng(2).standard_normal((2, 3, 4))
TIES = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [-1.0, -1.0, 3.0]]
for name in ("sum", "mean", "amax", "amin", "norm", "logsumexp", "var", "std"):
    f = lambda t, x, n=name, **kw: getattr(t, n)(x, **kw)
    for dim in (0, 1, -1, -2, (0, 1), (1, -2)):
        for keep in (False, True):
            same(
                f"{name} dim={dim} keepdim={keep}",
                lambda t, x, f=f, d=dim, k=keep: f(t, x, dim=d, keepdim=k),
                M,
            )
    same(f"{name} dim=(0, 2)", lambda t, x, f=f: f(t, x, dim=(0, 2)), C)
    same(f"{name} dim=1 of three", lambda t, x, f=f: f(t, x, dim=1), C)
    if name not in ("amax", "amin"):
        same(f"{name} of ties", lambda t, x, f=f: f(t, x, dim=1), TIES)
    if name not in ("var", "std"):
        same(f"{name} of 0-d", lambda t, x, f=f: f(t, x, dim=0), 1.5)
        same(f"{name} of an empty batch", lambda t, x, f=f: f(t, x, dim=1), np.zeros((0, 3)))
    if name != "logsumexp":
        same(f"{name} of all", lambda t, x, f=f: f(t, x), C)
for name in ("amax", "amin"):
    same(f"{name} ties", lambda t, x, n=name: getattr(t, n)(x, dim=1), TIES)
    same(f"{name} ties of all", lambda t, x, n=name: getattr(t, n)(x), TIES)
    same(f"{name} ties of two axes", lambda t, x, n=name: getattr(t, n)(x, dim=(0, 1)), TIES)
for name in ("max", "min"):
    same(f"{name} of all ties", lambda t, x, n=name: getattr(t, n)(x), TIES)
    same(f"{name} method", lambda t, x, n=name: getattr(x, n)(), C)
    same(f"{name} of NaN", lambda t, x, n=name: getattr(t, n)(x), [1.0, NAN, 2.0], noisy=True)
    same(f"{name} of infinities", lambda t, x, n=name: getattr(t, n)(x), [INF, 1.0, INF, -INF])
    for dim in (0, 1, -1):
        for keep in (False, True):
            same(
                f"{name} dim={dim} keepdim={keep}",
                lambda t, x, n=name, d=dim, k=keep: tuple(getattr(t, n)(x, dim=d, keepdim=k)),
                TIES,
            )
    same(f"{name} dim of 0-d", lambda t, x, n=name: tuple(getattr(t, n)(x, dim=0)), 2.0)
    same(
        f"{name} dim of NaN",
        lambda t, x, n=name: tuple(getattr(t, n)(x, dim=0)),
        [1.0, NAN, NAN],
        noisy=True,
    )
    same(
        f"{name} dim of an empty batch",
        lambda t, x, n=name: tuple(getattr(t, n)(x, dim=1)),
        np.zeros((0, 2)),
    )
    arg = "arg" + name
    same(f"{arg} of all", lambda t, x, n=arg: getattr(t, n)(x), TIES)
    for dim in (0, -1):
        same(f"{arg} dim={dim}", lambda t, x, n=arg, d=dim: getattr(t, n)(x, dim=d), TIES)
    same(f"{arg} keepdim", lambda t, x, n=arg: getattr(t, n)(x, dim=1, keepdim=True), TIES)
    same(f"{arg} of 0-d", lambda t, x, n=arg: getattr(t, n)(x), 1.0)
for name in ("sum", "prod", "mean", "norm"):
    f = lambda t, x, n=name, **kw: getattr(t, n)(x, **kw)
    same(f"{name} of nothing", lambda t, x, f=f: f(t, x), np.zeros(0), noisy=name == "mean")
    same(
        f"{name} of nothing, dim=0",
        lambda t, x, f=f: f(t, x, dim=0),
        np.zeros((0, 3)),
        noisy=name == "mean",
    )
same("logsumexp of nothing", lambda t, x: t.logsumexp(x, 1).detach(), np.zeros((2, 0)))
same("softmax of nothing", lambda t, x: t.softmax(x, 1), np.zeros((2, 0)))
same("log_softmax of nothing", lambda t, x: t.log_softmax(x, 1), np.zeros((2, 0)))
for name in ("var", "std"):
    f = lambda t, x, n=name, **kw: getattr(t, n)(x, **kw)
    for c in (0, 1, 2):
        same(f"{name} correction={c}", lambda t, x, f=f, c=c: f(t, x, dim=0, correction=c), M)
    for u in (False, True):
        same(f"{name} unbiased={u}", lambda t, x, f=f, u=u: f(t, x, unbiased=u), M)
        same(
            f"{name} method unbiased={u}", lambda t, x, n=name, u=u: getattr(x, n)(1, unbiased=u), M
        )
    same(f"{name} of a constant", lambda t, x, f=f: f(t, x), [3.0, 3.0, 3.0])
    same(f"{name} of constant rows", lambda t, x, f=f: f(t, x, dim=1), [[2.0, 2.0], [1.0, 5.0]])
    same(f"{name} of one, biased", lambda t, x, f=f: f(t, x, correction=0), [3.0])
    same(f"{name} far from zero", lambda t, x, f=f: f(t, x), [1e8, 1e8 + 1, 1e8 + 2])
for p in (1, 2, 3, 0.5, INF, "fro"):
    same(f"norm {p}", lambda t, x, p=p: t.norm(x, p), M)
    same(f"norm {p} of zeros", lambda t, x, p=p: t.norm(x, p), [0.0, 0.0], noisy=p == 0.5)
    same(f"norm {p} with a zero", lambda t, x, p=p: t.norm(x, p), [0.0, -3.0, 4.0])
    if p != "fro":
        same(f"norm {p} dim=1", lambda t, x, p=p: t.norm(x, p, dim=1), M)
        same(f"norm {p} dim=1 keepdim", lambda t, x, p=p: x.norm(p, dim=1, keepdim=True), M)

PRODUCTS = [[2.0, 3.0, 4.0], [2.0, 0.0, 4.0], [0.0, 0.0, 4.0], [0.0, 0.0, 0.0], [-1.0, 2.0, -3.0]]
for i, row in enumerate(PRODUCTS):
    same(f"prod {i}", lambda t, x: t.prod(x), row)
    same(f"cumprod {i}", lambda t, x: t.cumprod(x, 0), row)
same("prod dim=0", lambda t, x: t.prod(x, 0), PRODUCTS)
same("prod dim=-1 keepdim", lambda t, x: t.prod(x, -1, keepdim=True), PRODUCTS)
same("cumprod dim=0", lambda t, x: t.cumprod(x, 0), PRODUCTS)
same("cumprod dim=-1", lambda t, x: t.cumprod(x, dim=-1), PRODUCTS)
same("cumprod of nothing", lambda t, x: t.cumprod(x, 0), np.zeros((0, 2)))
same("cumprod of 0-d", lambda t, x: t.cumprod(x, 0), 3.0)
same("prod of 0-d", lambda t, x: t.prod(x), 3.0)
same("prod of 0-d dim=0", lambda t, x: t.prod(x, 0), 3.0)
for dim in (0, 1, -1, -3):
    same(f"cumsum dim={dim}", lambda t, x, d=dim: t.cumsum(x, d), C)
    same(f"softmax dim={dim}", lambda t, x, d=dim: t.softmax(x, d), C)
    same(f"log_softmax dim={dim}", lambda t, x, d=dim: t.log_softmax(x, d), C)
for name in ("softmax", "log_softmax", "cumsum"):
    same(f"{name} of 0-d", lambda t, x, n=name: getattr(t, n)(x, 0), 2.0)
    same(f"{name} of an empty batch", lambda t, x, n=name: getattr(t, n)(x, 1), np.zeros((0, 3)))
BIG = [[1000.0, -1000.0, 0.0], [1000.0, 1000.0, 999.0], [-1e30, 0.0, 1e30]]
for name in ("softmax", "log_softmax", "logsumexp"):
    same(f"{name} of large", lambda t, x, n=name: getattr(t, n)(x, 1), BIG)
    same(
        f"{name} with -inf",
        lambda t, x, n=name: getattr(t, n)(x, 1),
        [[-INF, 0.0, 1.0], [2.0, -INF, -INF]],
    )
same("logsumexp of -inf alone", lambda t, x: t.logsumexp(x, 0).detach(), [-INF, -INF])
same("logsumexp with inf", lambda t, x: t.logsumexp(x, 0).detach(), [INF, 1.0])
same("cross entropy by hand", lambda t, x: -t.log_softmax(x, 1)[[0, 1, 2], [1, 0, 2]].mean(), BIG)

# ---- linear algebra --------------------------------------------------------------------------

R = np.random.default_rng(3).standard_normal
for a, b in [((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 4)), ((2, 3), (3,)), ((5, 2, 3), (3,)), ((3,), (5, 3, 4)),
             ((5, 2, 3), (3, 4)), ((2, 3), (5, 3, 4)), ((4, 1, 2, 3), (5, 3, 2)), ((0, 3), (3, 2)), ((2, 0), (0, 3)), ((0,), (0,))]:  # fmt: skip
    same(f"matmul {a} {b}", lambda t, x, y: t.matmul(x, y), R(a), R(b))
    same(f"@ {a} {b}", lambda t, x, y: x @ y, R(a), R(b))
same("matmul transposed", lambda t, x, w: x @ w.T, R((4, 3)), R((2, 3)))
same("mm", lambda t, x, w: x.mm(w.mT), R((4, 3)), R((2, 3)))
same("outer", lambda t, x, w: t.outer(x, w), R(4), R(3))
for spec, shapes in [
    ("ij,jk->ik", [(2, 3), (3, 4)]), ("ij,jk", [(2, 3), (3, 4)]), ("ii", [(3, 3)]), ("ii->i", [(3, 3)]), ("ba", [(2, 3)]),
    ("iij->j", [(2, 2, 3)]), ("iii->i", [(2, 2, 2)]), ("ij->", [(2, 3)]), ("i,j->ij", [(2,), (3,)]), ("i,j->", [(2,), (3,)]),
    ("ij,k->i", [(2, 3), (4,)]), ("...ij,...jk->...ik", [(5, 2, 3), (3, 4)]), ("...i,i", [(2, 4, 3), (3,)]), ("i...->...", [(2, 3)]),
    ("...,...->...", [(2, 1), (3,)]), ("b...i,bi->b...", [(2, 3, 4), (2, 4)]), ("ij,ij,ij->j", [(2, 3)] * 3), ("...ii->...i", [(2, 3, 3)]),
    ("i,ij,j", [(2,), (2, 3), (3,)]), ("ij , jk -> ik", [(2, 3), (3, 4)]), ("...->", [(2, 3)]), ("ij,jk->ik", [(0, 3), (3, 4)]),
    ("ij,j", [(2, 1), (3,)]), ("Ab,bC->AC", [(2, 3), (3, 4)]), ("ca,bc", [(2, 3), (4, 2)]), ("i...,i...->i", [(2, 3), (2, 3)]),
    ("ij,jk->ik", [(2, 3), (1, 4)]), ("i,i", [(1,), (3,)]), ("bi,bi->b", [(1, 3), (2, 3)]), ("bij,bjk->bik", [(1, 2, 3), (4, 3, 2)]), ("...ij->...", [(2, 3, 4)]), ("ijk,ijl->", [(2, 3, 2), (2, 3, 2)]),
]:  # fmt: skip
    same(f"einsum {spec} {shapes}", lambda t, *xs, s=spec: t.einsum(s, *xs), *map(R, shapes))

# ---- shapes and choice -----------------------------------------------------------------------


def _unpacked(a: Any, b: Any) -> Any:
    return a * b, b


SHAPES: dict[str, Snippet] = {
    "reshape": lambda t, x: x.reshape(4, 6), "reshape -1": lambda t, x: t.reshape(x, (-1, 2)), "view": lambda t, x: x.view(24),
    "flatten": lambda t, x: t.flatten(x), "flatten from 1": lambda t, x: x.flatten(1), "flatten 0 to 1": lambda t, x: t.flatten(x, 0, 1),
    "flatten -2": lambda t, x: x.flatten(start_dim=-2), "permute": lambda t, x: x.permute(2, 0, 1), "permute tuple": lambda t, x: t.permute(x, (1, 2, 0)),
    "permute negative": lambda t, x: x.permute(-1, 0, -2), "transpose": lambda t, x: t.transpose(x, 0, 2), "transpose -1": lambda t, x: x.transpose(-1, -2),
    "mT": lambda t, x: x.mT, "movedim": lambda t, x: t.movedim(x, 0, -1), "movedim back": lambda t, x: x.movedim(-1, 1),
    "unsqueeze": lambda t, x: x.unsqueeze(0), "unsqueeze -1": lambda t, x: t.unsqueeze(x, -1), "unsqueeze -2": lambda t, x: x.unsqueeze(-2),
    "squeeze nothing": lambda t, x: x.squeeze(), "squeeze": lambda t, x: x[:, :1].squeeze(), "squeeze dim": lambda t, x: x[:, :1].squeeze(1),
    "squeeze other dim": lambda t, x: x[:, :1].squeeze(0), "squeeze -1": lambda t, x: t.squeeze(x[..., :1], -1), "squeeze two": lambda t, x: x[:1, :1].squeeze((0, 1)),
    "expand": lambda t, x: x[:, :1].expand(2, 3, 4), "expand -1": lambda t, x: x[:, :1].expand(-1, 5, -1), "expand new": lambda t, x: x.expand(2, 2, 3, 4),
    "flip": lambda t, x: t.flip(x, (0, 2)), "flip -1": lambda t, x: x.flip(-1), "clone": lambda t, x: x.clone(),
    "cat": lambda t, x: t.cat([x, x * 2]), "cat dim": lambda t, x: t.cat((x, x[:, :1]), dim=1), "cat -1": lambda t, x: t.cat([x, x[..., :2]], -1),
    "concat": lambda t, x: t.concat([x, x], 0), "stack": lambda t, x: t.stack([x, x * 3]), "stack dim": lambda t, x: t.stack([x, x * 3], dim=1),
    "stack -1": lambda t, x: t.stack((x, x * 3), -1), "split": lambda t, x: x.split(2, 1), "split uneven": lambda t, x: t.split(x, 3, dim=-1),
    "split sizes": lambda t, x: t.split(x, [1, 0, 3], 2), "chunk": lambda t, x: x.chunk(2, dim=2), "chunk uneven": lambda t, x: t.chunk(x, 3, 2),
    "chunk too many": lambda t, x: t.chunk(x, 5, 1), "chunk of 2 in 3": lambda t, x: t.chunk(x, 2, 1),
    "iterate": lambda t, x: tuple(x), "unpack": lambda t, x: _unpacked(*x),
    "T of 2-d": lambda t, x: x[0].T, "cast": lambda t, x: x.float() * 2, "double": lambda t, x: x.float().double(),
}  # fmt: skip
for name, f in SHAPES.items():
    same(name, f, C)
same("flatten of 0-d", lambda t, x: t.flatten(x), 2.0)
same("unsqueeze of 0-d", lambda t, x: x.unsqueeze(0), 2.0)
same("squeeze to 0-d", lambda t, x: x.squeeze(), [[2.0]])
same("squeeze of 0-d", lambda t, x: x.squeeze(0), 2.0)
same("expand of 0-d", lambda t, x: x.expand(2, 3), 2.0)
same("stack of 0-d", lambda t, x: t.stack([x, x * 2, x]), 2.0)
same("cat with nothing", lambda t, x, y: t.cat([x, y]), np.zeros((0, 2)), [[1.0, 2.0]])
same("gather", lambda t, x, i: t.gather(x, 1, i), M, [[0, 0, 2], [1, 1, 1], [2, 0, 2]])
same("gather dim=0", lambda t, x, i: x.gather(0, i), M, [[0, 0, 2], [1, 1, 1]])
same("gather once each", lambda t, x, i: x.gather(-1, i.unsqueeze(1)).squeeze(1), M, [2, 0, 2])

# ---- what NumPy has and a first version lacked

SMALL = [[-0.7, -0.2, 0.1], [0.3, 0.5, 0.8]]
for name in [
    "arcsin",
    "asin",
    "arccos",
    "acos",
    "arctanh",
    "atanh",
    "arcsinh",
    "asinh",
    "exp2",
    "sinc",
]:
    same(name, lambda t, x, n=name: getattr(t, n)(x), SMALL)
for name in ["log2", "log10", "rsqrt", "arccosh", "acosh"]:
    same(name, lambda t, x, n=name: getattr(t, n)(x), [[1.5, 2.0], [3.0, 9.0]])
same("sinc at 0", lambda t, x: t.sinc(x), [0.0, -0.0, 1.0])
same("arctan2", lambda t, a, b: t.arctan2(a, b), [1.0, -1.0, 2.0, -2.0], [0.5, -0.5, -3.0, 1.0])
same("arctan2 on an axis", lambda t, a, b: t.atan2(a, b), [1.0, 0.0, -1.0], [0.0, 2.0, 0.0])
same("hypot", lambda t, a, b: t.hypot(a, b), [[3.0], [-1.0]], [4.0, 0.5])
same("hypot of large", lambda t, a, b: t.hypot(a, b), [1e200, 0.0], [1e200, 2.0])
same("remainder", lambda t, a: t.remainder(a, -2.0), [7.0, -7.0, 7.5])
same("percent", lambda t, a: a % 3.0, [7.0, -7.0, 0.5])
same("fmod", lambda t, a: t.fmod(a, 3.0), [7.0, -7.0, 7.5])
same("logcumsumexp", lambda t, x: t.logcumsumexp(x, 1), M)
same("logcumsumexp far apart", lambda t, x: t.logcumsumexp(x, dim=0), [-1000.0, 0.0, 1000.0, 3.0])
same("diff", lambda t, x: t.diff(x), M)
same("diff twice", lambda t, x: t.diff(x, n=2, dim=0), [[1.0, 2.0], [4.0, 1.0], [9.0, 0.0]])
same(
    "tensordot", lambda t, a, b: t.tensordot(a, b, dims=1), M, [[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]]
)
same("tensordot of pairs", lambda t, a, b: t.tensordot(a, b, dims=([0, 1], [0, 1])), M, M)
same("vdot", lambda t, a, b: t.vdot(a, b), [1.0, 2.0], [3.0, 4.0])
same("inner", lambda t, a, b: t.inner(a, b), M, [[1.0, 0.0, 2.0]])
same("kron", lambda t, a, b: t.kron(a, b), [[1.0, 2.0]], [[1.0], [3.0]])
same("kron of other ranks", lambda t, a, b: t.kron(a, b), [2.0, 3.0], M)
same("trace", lambda t, x: t.trace(x), [[1.0, 2.0], [3.0, 4.0]])
same("nan_to_num", lambda t, x: t.nan_to_num(x, 1.0, 2.0, -2.0), [NAN, INF, -INF, 3.0])
same("sort", lambda t, x: t.sort(x), [[3.0, 1.0, 2.0], [0.5, 9.0, -1.0]])
same("sort down", lambda t, x: t.sort(x, dim=0, descending=True), [[3.0, 1.0], [0.5, 9.0]])
same("argsort", lambda t, x: [t.argsort(x, dim=-1)], [[3.0, 1.0, 2.0], [0.5, 9.0, -1.0]])
same("topk", lambda t, x: t.topk(x, 2), [[3.0, 1.0, 2.0], [0.5, 9.0, -1.0]])
same("topk smallest", lambda t, x: t.topk(x, 1, dim=0, largest=False), [[3.0, 1.0], [0.5, 9.0]])
same("quantile", lambda t, x: t.quantile(x, 0.3), [3.0, 1.0, 2.0, 10.0])
same("quantile dim", lambda t, x: t.quantile(x, 0.25, dim=1, keepdim=True), M)
same("cummax", lambda t, x: t.cummax(x, 0), [1.0, 3.0, 2.0, 3.0, -1.0])
same("cummin", lambda t, x: t.cummin(x, dim=1), M)

INDEXING: dict[str, Snippet] = {
    "int": lambda t, x: x[1], "negative": lambda t, x: x[-1], "two ints": lambda t, x: x[1, -2], "all ints": lambda t, x: x[1, 2, 3],
    "slice": lambda t, x: x[:, 1:], "step": lambda t, x: x[..., ::2], "None": lambda t, x: x[None], "Nones": lambda t, x: x[:, None, ..., None],
    "Ellipsis": lambda t, x: x[..., 0], "Ellipsis first": lambda t, x: x[0, ...], "empty slice": lambda t, x: x[:, 3:], "beyond": lambda t, x: x[:, 1:100],
    "list": lambda t, x: x[[0, 1, 0]], "list in tuple": lambda t, x: x[:, [2, 2]], "lists": lambda t, x: x[[0, 1], [2, 2]],
    "lists apart": lambda t, x: x[[0, 1], :, [3, 3]], "mask": lambda t, x: x[x > 0], "mask of rows": lambda t, x: x[:, x[0, :, 0] > -9],
    "2-d mask": lambda t, x: x[x[..., 0] > 0], "tensor": lambda t, x: x[:, t.argmax(x[0], 1)], "broadcast lists": lambda t, x: x[[[0], [1]], [0, 2]],
    "0-d tensor": lambda t, x: x[t.argmax(x[0, :2, 0])], "list and None": lambda t, x: x[[0, 0], None], "list and Ellipsis": lambda t, x: x[..., [3, 0, 3]],
    "chained": lambda t, x: x[1][2][[0, 0]], "False mask": lambda t, x: x[x > 99], "mask twice": lambda t, x: x[x > 0][:3],
}  # fmt: skip
for name, f in INDEXING.items():
    same(f"index {name}", f, C)


# ---- the judge -------------------------------------------------------------------------------


def golden() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text())


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return golden()


def test_golden_data_cover_every_snippet(stored: dict[str, Any]) -> None:
    assert set(stored) == set(SAME), "run: python -m tests.make_golden"


@pytest.mark.parametrize("name", SAME)
def test_equals_stored_pytorch(name: str, stored: dict[str, Any]) -> None:
    agree(ours(name), stored[name])


def test_stored_values_are_those_of_the_installed_pytorch(
    torch: Any, stored: dict[str, Any]
) -> None:
    for name in SAME:
        try:
            agree(theirs(torch, name), stored[name])
        except AssertionError as error:
            raise AssertionError(f"{name}: {error}") from error


# ---- what PyTorch has not, or does otherwise -------------------------------------------------


def test_accepted_names_of_arguments() -> None:
    x = tensor(C)
    for name in ("sum", "mean", "var", "std", "norm", "amax", "amin", "logsumexp", "prod"):
        f = getattr(F, name)
        values = [
            f(x, axis=1, keepdims=True),
            f(x, dim=1, keepdim=True),
            f(x, axis=1, keepdim=True),
        ]
        assert all(np.array_equal(v.array, values[0].array) for v in values)
        assert values[0].shape == (2, 1, 4)
        with pytest.raises(TypeError, match="axis and dim are two names of one argument"):
            f(x, axis=1, dim=1)


def test_negative_steps_and_mixed_indices_are_numpys() -> None:
    a = np.arange(24.0).reshape(2, 3, 4)
    indices: list[Any] = [
        slice(None, None, -1), (..., slice(None, None, -2)), (slice(None), 0, [0, 1]), (slice(2, 0, -1),),
        ([0, 1], None, slice(None), 2), (np.array([True, False]), ..., [3, 3]),
    ]  # fmt: skip
    for index in indices:
        x = Tensor(a.copy(), requires_grad=True)
        y = x[index]
        np.testing.assert_array_equal(y.array, a[index])
        g = np.arange(y.numel()) + 1.0
        y.backward(g.reshape(y.shape))
        expected = np.zeros(24)
        np.add.at(expected, np.arange(24).reshape(2, 3, 4)[index].ravel(), g)
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.array.ravel(), expected)


NUMPYS: dict[str, tuple[Callable[..., Any], list[Any]]] = {
    "cbrt": (np.cbrt, [[-8.0, 27.0]]),
    "average": (np.average, [[1.0, 3.0]]),
    "average of rows": (lambda x, w: np.average(x, axis=1, weights=w), [M, [1.0, 2.0, 3.0]]),
    "median": (np.median, [[3.0, 1.0, 2.0, 10.0]]),
    "median of rows": (lambda x: np.median(x, axis=1), [[[3.0, 1.0, 2.0], [0.0, 9.0, 4.0]]]),
    "quantile": (lambda x: np.quantile(x, 0.9, axis=0), [[[3.0, 1.0], [0.0, 9.0], [5.0, 5.0]]]),
    "sort": (lambda x: np.sort(x, axis=0), [[[3.0, 1.0], [0.0, 9.0]]]),
    "argsort": (np.argsort, [[3.0, 1.0, 2.0]]),
    "trace": (lambda x: np.trace(x, offset=1), [[[1.0, 2.0], [3.0, 4.0]]]),
    "vdot of matrices": (np.vdot, [M, M]),
    "inner of a number": (np.inner, [2.0, M]),
    "kron": (np.kron, [[1.0, 2.0], M]),
    "tensordot": (np.tensordot, [M, M]),
    "diff": (lambda x: np.diff(x, n=2), [M]),
    "sort by NumPy's words": (lambda x: np.sort(x, -1, "stable"), [[3.0, 1.0, 2.0]]),
    "sort of all": (lambda x: np.sort(x, axis=None), [M]),
    "nan_to_num by NumPy's words": (lambda x: np.nan_to_num(x, True, 5.0), [[1.0, NAN]]),
    "average with a list": (lambda x: np.average(x, 1, [1.0, 2.0, 3.0]), [M]),
    "median with an infinity": (np.median, [[1.0, 2.0, INF]]),
    "median with NaN": (np.median, [[1.0, 2.0, 3.0, NAN]]),
    "median of rows with NaN": (
        lambda x: np.median(x, axis=1),
        [[[1.0, NAN, 0.0], [3.0, 1.0, 2.0]]],
    ),
    "trace of a wide matrix": (np.trace, [M]),
    "running largest": (np.maximum.accumulate, [[1.0, 3.0, 2.0]]),
    "running logaddexp": (np.logaddexp.accumulate, [[1.0, 3.0, 2.0]]),
    "nan_to_num": (np.nan_to_num, [[1.0, NAN]]),
    "floor_divide": (lambda x: np.floor_divide(x, 2), [[5.0, -5.0]]),
}


@pytest.mark.parametrize("name", NUMPYS)
def test_numpys_functions_give_on_tensors_what_they_give_on_arrays(name: str) -> None:
    function, arrays = NUMPYS[name]
    arrays = [np.array(a) for a in arrays]
    found = function(*(Tensor(a) for a in arrays))
    assert isinstance(found, Tensor)
    np.testing.assert_allclose(found.array, function(*arrays), rtol=1e-15)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ag.sort(x).values,
        lambda x: ag.topk(x, 2, dim=1, largest=False).values,
        lambda x: ag.quantile(x, 0.4, dim=1),
        ag.median,
        lambda x: ag.cummax(x, 1).values,
        lambda x: ag.cummin(x, 0).values,
        lambda x: ag.average(x, 1, weights=np.array([1.0, 2.0, 3.0])),
        lambda x: ag.tensordot(x, x, 2),
        lambda x: ag.kron(x, x),
        lambda x: ag.diff(x, 2),
        lambda x: ag.trace(x @ x.T, 1),
    ],
)
def test_what_is_composed_has_both_derivatives(function: Callable[..., Any]) -> None:
    x = tensor([[0.3, -0.7, 1.1], [2.0, 0.9, -0.4]], dtype="float64")
    assert ag.gradcheck(function, x) and ag.gradgradcheck(function, x)


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ag.sort(x).values,
        lambda x: ag.sort(x, descending=True).values,
        lambda x: ag.topk(x, 1).values,
        lambda x: ag.cummax(x, 0).values,
        lambda x: ag.quantile(x, 0.5),
        ag.median,
    ],
)
def test_a_number_is_its_own_order(function: Callable[..., Any]) -> None:
    x = tensor(3.0, requires_grad=True)
    y = function(x)
    assert y.shape == () and y.item() == 3.0
    y.backward()
    assert x.grad is not None and x.grad.item() == 1.0


@pytest.mark.parametrize(
    "function",
    [
        lambda x: ag.sort(x, descending=True).values,
        lambda x: ag.topk(x, 2).values,
        lambda x: ag.cummax(x, 0).values,
        lambda x: ag.quantile(x, 0.3),
    ],
)
def test_what_orders_is_compiled_and_asks_the_data_of_each_call(
    function: Callable[..., Any],
) -> None:
    w = tensor([3.0, 1.0, 2.0, 2.0], requires_grad=True)
    step = ag.compile(lambda x: (function(w * x) ** 2).sum())
    for values in ([1.0, 2.0, 3.0, 4.0], [4.0, -2.0, 1.0, 0.5]):
        found = []
        for run in (step, step.function):
            w.grad = None
            loss = run(tensor(values))
            loss.backward()
            assert w.grad is not None
            found.append((loss.item(), w.grad.tolist()))
        assert found[0] == found[1]
    assert "traced 1 times" in repr(step)


def test_a_quantile_that_is_an_element_is_that_element() -> None:
    assert ag.quantile(tensor([1.0, INF, 3.0]), 1.0).item() == INF  # NumPy's own is NaN


def test_arctan2_neither_over_nor_underflows() -> None:
    for size in (1e-30, 1.0, 1e25, 0.0):
        a, b = (tensor(size, requires_grad=True) for _ in range(2))
        ag.arctan2(a, b).backward()
        assert a.grad is not None and b.grad is not None
        slope = 0.5 / size if size else 0.0
        np.testing.assert_allclose([a.grad.item(), b.grad.item()], [slope, -slope], rtol=1e-6)


def test_equal_elements_keep_their_order() -> None:
    x = tensor([1.0, 2.0, 1.0, 2.0])
    assert ag.argsort(x).tolist() == [0, 2, 1, 3]
    assert ag.argsort(x, descending=True).tolist() == [1, 3, 0, 2]
    assert ag.argsort(np.array([1.0, 2.0, 1.0]), descending=True).tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: ag.topk(x, 9), "topk: k is 9, axis 0 of shape \\(3,\\) has 3 elements"),
        (lambda x: ag.quantile(x, 1.5), "quantile: q is one share from 0 to 1, got 1.5"),
        (lambda x: ag.median(x[:0]), "median: shape \\(0,\\) has no element to choose"),
        (lambda x: ag.trace(x), "trace: a matrix is needed, got shape \\(3,\\)"),
        (lambda x: ag.tensordot(x, x, ([0], [])), "tensordot: axes .* are not pairs"),
    ],
)
def test_what_is_asked_wrongly_is_explained(call: Callable[..., Any], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        call(tensor([1.0, 2.0, 3.0]))


def test_pad_is_numpys() -> None:
    a = np.arange(6.0).reshape(2, 3)
    for width in (1, (1, 2), ((0, 1), (2, 0)), 0):
        x = Tensor(a.copy(), requires_grad=True)
        y = F.pad(x, width, 7.0)
        np.testing.assert_array_equal(y.array, np.pad(a, width, constant_values=7.0))
        (y * y).sum().backward()
        assert x.grad is not None
        np.testing.assert_array_equal(x.grad.array, 2 * a)


def test_take_along_axis_broadcasts_and_repeats() -> None:
    x = Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True)
    y = F.take_along_axis(x, np.array([[2, 2, 0, 2]]), axis=1)
    np.testing.assert_array_equal(y.array, np.take_along_axis(x.array, np.array([[2, 2, 0, 2]]), 1))
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[1, 0, 3], [1, 0, 3]]


def test_cumsum_without_an_axis_is_of_the_flattened() -> None:
    x = Tensor(np.arange(4.0).reshape(2, 2), requires_grad=True)
    y = F.cumsum(x)
    assert y.tolist() == [0, 1, 3, 6]
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [[4, 3], [2, 1]]


def test_functions_work_on_plain_arrays_as_on_tensors() -> None:
    a = np.abs(M) + 0.1
    for name in (
        "sum",
        "mean",
        "var",
        "norm",
        "softmax",
        "exp",
        "log",
        "relu",
        "gelu",
        "flatten",
        "prod",
    ):
        plain, boxed = getattr(F, name)(a), getattr(F, name)(tensor(a))
        assert not isinstance(plain, Tensor)
        np.testing.assert_array_equal(plain, boxed.array)


def test_gelu_and_clip_reject_what_they_do_not_know() -> None:
    with pytest.raises(ValueError, match="gelu: approximate is 'none' or 'tanh', got 'x'"):
        F.gelu(tensor(1.0), "x")
    with pytest.raises(ValueError, match="clip: give min, max or both"):
        F.clip(tensor(1.0))


def test_erf_without_scipy(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "scipy.special", None)
    for dtype in (np.float32, np.float64):
        y = F.erf(Tensor(np.array([-2.0, 0.0, 0.5], dtype)))
        assert y.dtype == dtype
        np.testing.assert_allclose(y.array, [math.erf(v) for v in (-2.0, 0.0, 0.5)], rtol=1e-6)
        assert F.erf(Tensor(np.array(0.5, dtype))).dtype == dtype


# ---- dtypes ----------------------------------------------------------------------------------

ARRAYS: dict[str, Any] = {
    name: np.ones(2, name)
    for name in ("float16", "float32", "float64", "uint8", "int32", "int64", "bool")
}
NUMBERS: dict[str, Any] = {"2": 2, "2.5": 2.5, "True": True}


@pytest.mark.parametrize("right", ARRAYS | NUMBERS)
@pytest.mark.parametrize("left", ARRAYS)
def test_promotion_is_pytorchs_and_for_learners_numpys(left: str, right: str, torch: Any) -> None:
    a, b = ARRAYS[left], (ARRAYS | NUMBERS)[right]
    x, y = Tensor(a), b if right in NUMBERS else Tensor(b)
    p, q = torch.tensor(a), b if right in NUMBERS else torch.tensor(b)
    for ours, theirs in ((x * y, p * q), (y * x, q * p), (x + y, p + q), (x / y, p / q)):
        assert f"torch.{ours.dtype}" == str(theirs.dtype)
    with like_numpy():
        for ours, numpys in ((x * y, a * b), (y * x, b * a), (x + y, a + b), (x / y, a / b)):
            assert ours.dtype == numpys.dtype


INTEGERS: dict[str, Any] = {
    "a number": lambda lib: lib.arange(6) / 10,
    "a factor": lambda lib: lib.tensor([1, 2]) * 0.5,
    "a curve": lambda lib: lib.tensor([4]).sqrt(),
    "an exponent": lambda lib: lib.tensor([1.5, 2.0]).pow(lib.tensor([2, 3])),
    "a power": lambda lib: lib.tensor([1, 2]) ** 0.5,
    "a mean of bools": lambda lib: (lib.tensor([1, 2]) == 1) * 0.5,
    "joined": lambda lib: lib.cat([lib.tensor([1, 2]), lib.tensor([0.5])]),
    "chosen": lambda lib: lib.where(lib.tensor([True]), lib.tensor([1]), lib.tensor([0.5])),
    "asked for": lambda lib: lib.tensor([1, 2]).double() * lib.tensor([1, 2]),
    "in place": lambda lib: lib.tensor([1.0, 2.0]).mul_(lib.tensor([1, 2])),
}


@pytest.mark.parametrize("name", INTEGERS)
def test_integers_become_the_default_float_type(name: str, torch: Any) -> None:
    ours, theirs = INTEGERS[name](ag), INTEGERS[name](torch)
    assert f"torch.{ours.dtype}" == str(theirs.dtype)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-6)


def test_the_conversion_of_integers_is_recorded() -> None:
    x, n = tensor([1.0, 2.0], requires_grad=True), tensor([3, 4])
    y = x * n
    assert y.parents[1].kw is ops.cast and y.dtype == np.float32
    y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [3.0, 4.0]
    ag.set_default_dtype("float64")
    try:
        assert (n * 0.5).dtype == np.float64 and (x * n).dtype == np.float32
    finally:
        ag.set_default_dtype("float32")


def test_a_pair_that_axis_does_not_give_is_told() -> None:
    x = tensor([[1.0, 5.0], [7.0, 2.0]])
    with pytest.warns(UserWarning, match=r"^max: with axis= .*; write dim=1 for PyTorch's pair"):
        assert x.max(axis=1)[0].item() == 5.0
    with pytest.warns(UserWarning, match=r"^min: .* or amin\(axis=1\) for the values"):
        assert ag.min(x, axis=1)[1].item() == 2.0
    with pytest.warns(UserWarning, match="pair"):
        values, indices = x.max(axis=1)
    assert (values.item(), indices.item()) == (5.0, 7.0)
    most = x.max(axis=1)
    assert most[0].item() == 5.0 and x.max(dim=1)[0].tolist() == x.amax(axis=1).tolist()
    assert x.max(axis=1)[1:].tolist() == [7.0] and [x.max(axis=1), 0][1] == 0
    with like_numpy():
        assert x.max(axis=1)[0].item() == 5.0


def test_ints_that_are_clipped_on_one_side_stay_ints() -> None:
    x = tensor([3, -1])
    assert x.clip(min=0).tolist() == [3, 0] and x.clip(min=0).dtype == "int64"
    assert x.clip(max=2).tolist() == [2, -1] and x.clip(max=2.5).dtype == "float32"


@pytest.mark.parametrize(
    "call",
    [
        lambda out: F.exp(tensor([1.0, 2.0]), out=out),
        lambda out: F.maximum(tensor([1.0, 2.0]), tensor([2.0, 1.0]), out=out),
        lambda out: F.cumsum(tensor([1.0, 2.0]), 0, out=out),
        lambda out: F.concatenate([tensor([1.0]), tensor([2.0])], out=out),
        lambda out: F.clip(tensor([1.0, 2.0]), 0.0, 1.5, out=out),
    ],
)
def test_out_takes_the_values(call: Any) -> None:
    wanted = call(None)
    for out in (tensor([0.0, 0.0]), tensor(np.zeros(0, "float32"))):
        assert call(out) is out
        np.testing.assert_array_equal(out.array, wanted.array)
