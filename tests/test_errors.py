"""Every error: its type, its text (operation, shapes, cause, remedy), and that nothing changed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Op, Tensor, ops, tensor
from autograd_lite.engine import declare
from autograd_lite.engine import rules as F
from autograd_lite.engine.methods import Methods
from autograd_lite.engine.op import table


class World:
    """The tensors that bad calls are tried on."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.x = Tensor(rng.standard_normal((32, 10)), requires_grad=True)
        self.w = Tensor(rng.standard_normal((20, 5)), requires_grad=True)
        self.v = Tensor(rng.standard_normal(3), requires_grad=True)
        self.c = Tensor(rng.standard_normal((2, 3, 4)), requires_grad=True)
        self.s = Tensor(np.array(2.0), requires_grad=True)
        self.i = Tensor(np.array([0, 2, 1]))
        self.p = Tensor(rng.standard_normal((3, 4)), requires_grad=True)
        self.y = self.v * 2
        self.z = self.y * self.y

    def state(self) -> list[Any]:
        return [
            (
                k,
                t.array.tobytes(),
                t.shape,
                t.dtype,
                t.requires_grad,
                t._grad is None,
                t.serial,
                t.op,
            )
            for k, t in vars(self).items()
        ]


Call = Callable[[World], Any]
BAD: dict[str, tuple[Call, type[Exception], str]] = {}


def bad(name: str, call: Call, error: type[Exception], text: str, *, whole: bool = False) -> None:
    assert name not in BAD
    BAD[name] = call, error, f"^{text}$" if whole else text


def iadd(a: Any, b: Any) -> Any:
    a += b
    return a


def assign(a: Any, index: Any, value: Any) -> None:
    a[index] = value


# shapes that do not broadcast
for name in ("add", "sub", "mul", "div", "pow"):
    bad(
        f"{name} of shapes that do not broadcast",
        lambda o, n=name: table[n](o.x, o.w),
        ValueError,
        rf"{name}: shapes \(32, 10\) and \(20, 5\) do not broadcast; axes are matched from the last and must "
        r"agree or be 1 \(reshape or unsqueeze one of them\)",
        whole=True,
    )
bad(
    "x + v", lambda o: o.x + o.v, ValueError, r"^add: shapes \(32, 10\) and \(3,\) do not broadcast"
)
bad(
    "array * x",
    lambda o: np.ones(3) * o.x,
    ValueError,
    r"^mul: shapes \(3,\) and \(32, 10\) do not broadcast",
)
bad(
    "x * list", lambda o: o.x * [1.0, 2.0], ValueError, r"^mul: shapes \(32, 10\) and \(2,\) do not"
)
bad(
    "maximum",
    lambda o: F.maximum(o.x, o.w),
    ValueError,
    r"^maximum: shapes \(32, 10\) and \(20, 5\) do not",
)
bad(
    "where",
    lambda o: F.where(o.v > 0, o.x, o.w),
    ValueError,
    r"^where: shapes \(3,\) and \(32, 10\) and \(20, 5\)",
)
bad(
    "expand",
    lambda o: F.expand(o.v, 2, 5),
    ValueError,
    r"^expand: shape \(3,\) does not go into \(2, 5\)",
)

bad(
    "comparison",
    lambda o: o.x > o.w,
    ValueError,
    r"^greater: shapes \(32, 10\) and \(20, 5\) do not broadcast",
)

# matmul
bad(
    "matmul",
    lambda o: o.x @ o.w,
    ValueError,
    r"matmul: inputs \(32, 10\) and \(20, 5\) do not agree on the inner size \(10 and 20\)",
    whole=True,
)
bad(
    "matmul function",
    lambda o: F.matmul(o.x, o.w),
    ValueError,
    r"^matmul: inputs \(32, 10\) and \(20, 5\) do not agree on the inner size \(10 and 20\)",
)
bad(
    "matmul with an array",
    lambda o: np.ones((2, 3)) @ o.x,
    ValueError,
    r"^matmul: inputs \(2, 3\) and \(32, 10\) do not agree on the inner size \(3 and 32\)",
)
bad(
    "vector @ matrix",
    lambda o: o.v @ o.x,
    ValueError,
    r"^matmul: inputs \(3,\) and \(32, 10\) do not agree on the inner size \(3 and 32\)",
)
bad(
    "matrix @ vector",
    lambda o: o.x @ o.v,
    ValueError,
    r"^matmul: inputs \(32, 10\) and \(3,\) do not agree on the inner size \(10 and 3\)",
)
bad(
    "matmul 0-d",
    lambda o: o.x @ o.s,
    ValueError,
    r"^matmul: inputs \(32, 10\) and \(\): a 0-d tensor is a number; use \* to scale",
)
bad(
    "matmul batches",
    lambda o: F.matmul(o.c, ag.zeros(3, 4, 2)),
    ValueError,
    r"^matmul: the batch axes of \(2, 3, 4\) and \(3, 4, 2\) do not broadcast",
)

# dtypes and things that are not numbers
INTEGER = r"^requires_grad: only floating tensors have gradients, this one is int64; make it with dtype='float32'"
bad("integer with requires_grad", lambda o: tensor([1, 2], requires_grad=True), TypeError, INTEGER)
bad(
    "integer array with requires_grad",
    lambda o: Tensor(np.arange(3), requires_grad=True),
    TypeError,
    INTEGER,
)
bad("requires_grad_ of an integer", lambda o: o.i.requires_grad_(), TypeError, INTEGER)
bad(
    "bool with requires_grad",
    lambda o: tensor([True], requires_grad=True),
    TypeError,
    r"this one is bool",
)
for name, thing, found in [
    ("object array", np.array([None, 1]), "object"), ("strings", np.array(["a"]), "<U1"), ("a string", "abc", "<U3"),
    ("a list of strings", ["a", "b"], "<U1"), ("None", None, "object"), ("complex", np.array([1j]), "complex128"),
    ("a dict", {"a": 1}, "object"), ("dates", np.array(["2020-01-01"], "datetime64[D]"), r"datetime64\[D\]"), ("a function", len, "object"),
]:  # fmt: skip
    kind = type(thing).__name__
    for maker in (Tensor, tensor):
        bad(
            f"{maker.__name__} of {name}",
            lambda o, m=maker, t=thing: m(t),
            TypeError,
            rf"tensor: cannot hold dtype {found} \(from a {kind}\); give floats, ints or bools",
            whole=True,
        )
bad(
    "object array on the right",
    lambda o: o.v * np.array([None, 1, 2]),
    TypeError,
    r"mul: .*dtype object.* give floats, ints or bools",
)
bad("string on the right", lambda o: o.v + "abc", TypeError, r"give floats, ints or bools")
bad("None on the right", lambda o: o.v * None, TypeError, r"give floats, ints or bools")
bad(
    "strings on the left", lambda o: np.array(["a"]) * o.v, TypeError, r"give floats, ints or bools"
)
bad("complex number", lambda o: o.v * 1j, TypeError, r"complex128.*give floats, ints or bools")
bad(
    "ragged lists",
    lambda o: tensor([[1.0, 2.0], [3.0]]),
    ValueError,
    r"^tensor: these nested lists are not rectangular",
)
bad(
    "default dtype",
    lambda o: ag.set_default_dtype("int32"),
    TypeError,
    r"^set_default_dtype: int32 is not a floating type",
)

# backward
bad(
    "backward of a matrix",
    lambda o: o.x.backward(),
    RuntimeError,
    r"backward\(\) needs a scalar, or a gradient of the same shape; this tensor has shape \(32, 10\)",
    whole=True,
)
bad(
    "backward of nothing",
    lambda o: (o.v[:0] * 2).backward(),
    RuntimeError,
    r"needs a scalar, or .* this tensor has shape \(0,\)",
)
bad(
    "wrong seed",
    lambda o: o.z.backward(np.ones(4)),
    RuntimeError,
    r"^backward\(\): the gradient has shape \(4,\), this tensor has shape \(3,\)$",
)
bad(
    "seed that would broadcast",
    lambda o: o.z.backward(np.ones(1)),
    RuntimeError,
    r"the gradient has shape \(1,\), this tensor has shape \(3,\)",
)
bad(
    "scalar seed",
    lambda o: o.z.backward(1.0),
    RuntimeError,
    r"the gradient has shape \(\), this tensor has shape \(3,\)",
)
bad(
    "seed for a scalar",
    lambda o: o.z.sum().backward(np.ones(3)),
    RuntimeError,
    r"the gradient has shape \(3,\), this tensor has shape \(\)",
)
bad("seed of strings", lambda o: o.z.backward("abc"), TypeError, r"give floats, ints or bools")
NO_GRAD = r"^backward\(\): this tensor does not require grad: nothing that it was computed from has requires_grad=True, or it was computed inside no_grad\(\)$"
bad("backward of a constant", lambda o: tensor(1.0).backward(), RuntimeError, NO_GRAD)
bad("backward of integers", lambda o: o.i.sum().backward(), RuntimeError, NO_GRAD)
bad("backward of detached", lambda o: o.z.detach().sum().backward(), RuntimeError, NO_GRAD)
bad(
    "retain_grad",
    lambda o: o.i.retain_grad(),
    RuntimeError,
    r"^retain_grad\(\): this tensor does not require grad",
)
bad(
    "register_hook",
    lambda o: o.i.register_hook(print),
    RuntimeError,
    r"^register_hook\(\): this tensor does not",
)
bad(
    "requires_grad_ of a result",
    lambda o: o.z.requires_grad_(False),
    RuntimeError,
    r"only a leaf can stop requiring grad; use detach\(\)",
)

# axes and indices
for name in (
    "sum",
    "mean",
    "var",
    "std",
    "norm",
    "amax",
    "amin",
    "logsumexp",
    "softmax",
    "log_softmax",
    "cumsum",
    "cumprod",
    "prod",
    "argmax",
    "squeeze",
    "max",
):
    bad(
        f"{name} axis 3",
        lambda o, n=name: getattr(F, n)(o.c, axis=3),
        IndexError,
        rf"^{name}: axis 3 is out of range for shape \(2, 3, 4\); use -3 to 2$",
    )
    bad(
        f"{name} dim -4",
        lambda o, n=name: getattr(F, n)(o.c, dim=-4),
        IndexError,
        rf"^{name}: axis -4 is out of range for shape \(2, 3, 4\); use -3 to 2$",
    )
bad(
    "sum of one axis of two", lambda o: o.c.sum((0, 5)), IndexError, r"^sum: axis 5 is out of range"
)
bad(
    "sum over an axis twice",
    lambda o: o.c.sum((0, -3)),
    ValueError,
    r"^sum: axis \(0, -3\) names one axis of \(2, 3, 4\) twice$",
)
bad(
    "axis of 0-d",
    lambda o: o.s.sum(1),
    IndexError,
    r"^sum: axis 1 is out of range for shape \(\); ",
)
bad("axis that is a string", lambda o: o.c.sum(axis="rows"), TypeError, r"^sum: ")
bad("axis that is a float", lambda o: o.c.sum(1.5), TypeError, r"^sum: an axis is an int, got 1.5$")
bad(
    "transpose",
    lambda o: o.c.transpose(0, 3),
    IndexError,
    r"^transpose: axis 3 is out of range for shape \(2, 3, 4\)",
)
bad("movedim", lambda o: F.movedim(o.c, 0, 3), IndexError, r"^movedim: axis 3 is out of range")
bad(
    "unsqueeze",
    lambda o: o.c.unsqueeze(5),
    IndexError,
    r"^unsqueeze: 5 is out of range; use -4 to 3$",
)
bad(
    "stack axis",
    lambda o: F.stack([o.v, o.v], 2),
    IndexError,
    r"^stack: axis 2 is out of range; use -2 to 1$",
)
bad(
    "cat axis",
    lambda o: F.concatenate([o.v, o.v], 1),
    IndexError,
    r"^concatenate: axis 1 is out of range for shape \(3,\)",
)
bad(
    "permute twice",
    lambda o: o.c.permute(0, 0, 1),
    ValueError,
    r"^permute: axis \(0, 0, 1\) names one axis of \(2, 3, 4\) twice",
)
bad(
    "permute too few",
    lambda o: o.c.permute(0, 1),
    ValueError,
    r"^permute: \(0, 1\) does not name each axis of shape \(2, 3, 4\) once$",
)
bad("size", lambda o: o.c.size(3), IndexError, r"^size: axis 3 is out of range")
bad(
    "flatten",
    lambda o: o.c.flatten(2, 1),
    ValueError,
    r"^flatten: start_dim 2 comes after end_dim 1$",
)
bad(
    "index out of range",
    lambda o: o.v[3],
    IndexError,
    r"^getitem: index \[3\] does not fit shape \(3,\)",
)
bad(
    "negative index",
    lambda o: o.v[-4],
    IndexError,
    r"^getitem: index \[-4\] does not fit shape \(3,\)",
)
bad(
    "too many indices",
    lambda o: o.v[0, 0],
    IndexError,
    r"^getitem: index \[0, 0\] does not fit shape \(3,\)",
)
bad(
    "index list out of range",
    lambda o: o.v[[0, 7]],
    IndexError,
    r"^getitem: index \[array of shape \(2,\)\] does not fit shape \(3,\): .*7",
)
bad(
    "mask of another shape",
    lambda o: o.v[np.array([True, False])],
    IndexError,
    r"^getitem: .*does not fit shape \(3,\)",
)
bad(
    "float index",
    lambda o: o.v[np.array([0.5])],
    IndexError,
    r"^getitem: an index is ints, bools or slices, not float64$",
)
bad(
    "float tensor index",
    lambda o: o.v[o.v],
    IndexError,
    r"^getitem: an index is ints, bools or slices, not float64$",
)
bad("float number index", lambda o: o.v[1.5], IndexError, r"^getitem: index \[1.5\] does not fit")
bad("string index", lambda o: o.v["a"], IndexError, r"^getitem: ")
bad("index of 0-d", lambda o: o.s[0], IndexError, r"^getitem: index \[0\] does not fit shape \(\)")
bad("assigning out of range", lambda o: assign(o.y, 5, 1.0), IndexError, r"^put: .*5.*")
bad(
    "assigning another shape",
    lambda o: assign(o.y, slice(0, 2), [1.0, 2.0, 3.0]),
    ValueError,
    r"^put: .*\(3,\)",
)

# shapes
bad(
    "reshape",
    lambda o: o.v.reshape(2, 2),
    ValueError,
    r"^reshape: shape \(3,\) does not go into \(2, 2\)$",
)
bad(
    "reshape -1",
    lambda o: o.v.reshape(2, -1),
    ValueError,
    r"^reshape: shape \(3,\) does not go into \(2, -1\)$",
)
bad("view", lambda o: o.v.view(4), ValueError, r"^reshape: shape \(3,\) does not go into \(4,\)$")
bad(
    "cat shapes",
    lambda o: F.concatenate([o.x, o.w]),
    ValueError,
    r"^concatenate: shapes \(32, 10\) and \(20, 5\) do not fit along axis 0; all other axes must agree$",
)
bad(
    "cat of other ndim",
    lambda o: F.concatenate([o.x, o.v]),
    ValueError,
    r"^concatenate: shapes \(32, 10\) and \(3,\) do not fit along axis 0",
)
bad(
    "stack shapes",
    lambda o: F.stack([o.x, o.w]),
    ValueError,
    r"^stack: shapes \(32, 10\) and \(20, 5\) do not fit along axis 0; all axes must agree$",
)
bad(
    "cat of nothing",
    lambda o: F.concatenate([]),
    ValueError,
    r"^concatenate: got no tensors; give at least one$",
)
bad(
    "stack of nothing",
    lambda o: F.stack([]),
    ValueError,
    r"^stack: got no tensors; give at least one$",
)
bad("split size", lambda o: o.v.split(0), ValueError, r"^split: split_size is at least 1, got 0$")
bad(
    "split sizes",
    lambda o: o.v.split([1, 1]),
    ValueError,
    r"^split: sizes \[1, 1\] do not add up to 3, axis 0 of \(3,\)$",
)
bad("chunk", lambda o: o.v.chunk(0), ValueError, r"^chunk: chunks is at least 1, got 0$")
bad(
    "einsum operands",
    lambda o: F.einsum("ij,jk->ik", o.x),
    ValueError,
    r"^einsum: 'ij,jk->ik' names 2 operands, got 1$",
)
bad(
    "einsum axes",
    lambda o: F.einsum("ijk", o.x),
    ValueError,
    r"^einsum: 'ijk' does not fit operand 0 of shape \(32, 10\)$",
)
bad(
    "einsum sizes",
    lambda o: F.einsum("ij,jk->ik", o.x, o.w),
    ValueError,
    r"^einsum: .*\(32, 10\) and \(20, 5\)",
)
bad("einsum output", lambda o: F.einsum("ij->iz", o.x), ValueError, r"^einsum: ")
bad("einsum repeated output", lambda o: F.einsum("ij->ii", o.x), ValueError, r"^einsum: ")
bad(
    "outer",
    lambda o: F.outer(o.x, o.v),
    ValueError,
    r"^einsum: 'i' does not fit operand 0 of shape \(32, 10\)",
)
bad(
    "gather",
    lambda o: F.gather(o.p, 1, np.array([[9]])),
    IndexError,
    r"^getitem: .*does not fit shape \(3, 4\)",
)

# values
for name in ("amax", "amin", "max", "min", "argmax", "argmin"):
    bad(
        f"{name} of nothing",
        lambda o, n=name: getattr(F, n)(o.v[:0]),
        ValueError,
        rf"^{name}: shape \(0,\) has no element to choose$",
    )
bad(
    "max of two axes",
    lambda o: o.c.max((0, 1)),
    TypeError,
    r"^max: dim is one int, as indices are returned; use amax for several$",
)
bad(
    "prod of two axes",
    lambda o: o.c.prod((0, 1)),
    TypeError,
    r"^prod: one axis or none, got \(0, 1\)$",
)
bad(
    "norm p",
    lambda o: F.norm(o.v, "two"),
    TypeError,
    r"^norm: p is a number, 'fro', or 'nuc' of a matrix, got 'two'$",
)
bad(
    "gelu",
    lambda o: F.gelu(o.v, "x"),
    ValueError,
    r"^gelu: approximate is 'none' or 'tanh', got 'x'$",
)
bad("clip", lambda o: F.clip(o.v), ValueError, r"^clip: give min, max or both$")
bad(
    "class out of range",
    lambda o: ops.nll(o.p, tensor([0, 4, 1]), n=3),
    IndexError,
    r"^nll: class 4 is out of range; there are 4 classes, from 0$",
)
bad(
    "negative class",
    lambda o: ops.nll(o.p, tensor([0, -1, 1]), n=3),
    IndexError,
    r"^nll: class -1 is out of range; there are 4 classes, from 0$",
)
bad(
    "class far below",
    lambda o: ops.nll(o.p, tensor([0, -9, 1]), n=3),
    IndexError,
    r"^nll: class -9 is out of range; there are 4 classes, from 0$",
)
bad("float classes", lambda o: ops.nll(o.p, tensor([0.0, 1.0, 1.0]), n=3), IndexError, r"^nll: ")
bad(
    "too many classes",
    lambda o: ops.nll(o.p, tensor([0, 1, 1, 2]), n=3),
    (IndexError, ValueError),
    r"^nll: ",
)  # type: ignore[arg-type]
bad("too few classes", lambda o: ops.nll(o.p, tensor([0, 1]), n=3), ValueError, r"^nll: ")
bad("item", lambda o: o.v.item(), ValueError, r"^item: this tensor has 3 elements, not 1$")
bad("float", lambda o: float(o.v), ValueError, r"^item: this tensor has 3 elements, not 1$")
bad(
    "bool",
    lambda o: bool(o.v),
    ValueError,
    r"^bool: a tensor of shape \(3,\) has no single truth value; use \.any\(\) or \.all\(\) of its data$",
)
bad("if", lambda o: 1 if o.v > 0 else 0, ValueError, r"^bool: a tensor of shape \(3,\)")
bad("chained comparison", lambda o: 0 < o.v < 1, ValueError, r"^bool: ")
bad("range", lambda o: range(o.s), TypeError, r"^index: only an integer tensor of one element")
bad("len of 0-d", lambda o: len(o.s), TypeError, r"^len: a 0-d tensor has no length$")
bad("iter of 0-d", lambda o: list(o.s), TypeError, r"^iter: a 0-d tensor has no axis to go along$")
bad(
    "numpy",
    lambda o: o.v.numpy(),
    RuntimeError,
    r"^numpy\(\): this tensor requires grad; use detach\(\)\.numpy\(\)$",
)

# in place
LEAF = r": a leaf that requires grad cannot be changed in place; do it inside no_grad\(\), or write x = x \+ \.\.\. instead of x \+= \.\.\.$"
bad("leaf += 1", lambda o: iadd(o.v, 1), RuntimeError, "^add" + LEAF)
bad("leaf[0] = 1", lambda o: assign(o.v, 0, 1.0), RuntimeError, "^put" + LEAF)
bad("leaf.zero_", lambda o: o.v.zero_(), RuntimeError, "^put" + LEAF)
bad(
    "+= that would grow",
    lambda o: iadd(o.y, np.ones((2, 3))),
    ValueError,
    r"^add: in place, the result of shape \(2, 3\) does not fit into this tensor of shape \(3,\)$",
)
bad(
    "+= that does not broadcast",
    lambda o: iadd(o.y, np.ones(2)),
    ValueError,
    r"^add: shapes \(3,\) and \(2,\) do not broadcast",
)
bad(
    "int += float",
    lambda o: iadd(o.i, 1.5),
    TypeError,
    r"^add: float32 cannot be put into a tensor of int64$",
)
bad(
    "int /= int",
    lambda o: o.i.div_(2),
    TypeError,
    r"^div: float32 cannot be put into a tensor of int64$",
)
bad("int[0] = w that requires grad", lambda o: assign(o.i, 0, o.v[0]), TypeError, r"put: .*int64")
bad("copy_ of another shape", lambda o: o.y.copy_(np.ones(4)), ValueError, r"^put: .*\(4,\)")
bad("+= a string", lambda o: iadd(o.y, "a"), TypeError, r"give floats, ints or bools")


@pytest.mark.parametrize("name", BAD)
def test_error_says_what_is_wrong_and_changes_nothing(name: str) -> None:
    call, error, text = BAD[name]
    world = World()
    before = world.state()
    with pytest.raises(error) as caught:
        call(world)
    message = str(caught.value)
    assert re.search(text, message), message
    assert caught.type in (ValueError, ag.MisfitError, TypeError, IndexError, RuntimeError)
    assert "\n" not in message
    assert world.state() == before
    world.z.sum().backward()  # everything that was recorded still works
    assert world.v.grad is not None
    np.testing.assert_allclose(world.v.grad.array, 8 * world.v.array)


@pytest.mark.parametrize("name", BAD)
def test_error_is_the_same_in_no_grad(name: str) -> None:
    call, error, _ = BAD[name]
    if "leaf" in name or re.search("backward|grad", name) or "seed" in name:
        return
    world = World()
    with ag.no_grad(), pytest.raises(error):
        call(world)
    assert ag.is_grad_enabled()


def test_second_backward() -> None:
    x = Tensor(np.ones(3), requires_grad=True)
    y = x.exp().sum()
    y.backward()
    with pytest.raises(
        RuntimeError,
        match=r"^sum: the record of this operation was released by an earlier backward\(\); "
        r"call that one with retain_graph=True to go through it again$",
    ):
        y.backward()
    assert x.grad is not None and x.grad.tolist() == [np.e] * 3


def test_backward_after_a_change_in_place() -> None:
    x = Tensor(np.ones((2, 3)), requires_grad=True)
    h = x * 2
    y = h * h
    h += 1
    with pytest.raises(
        RuntimeError,
        match=r"^mul: input 0, of shape \(2, 3\), was changed in place after it was recorded, and "
        r"the derivative needs the old value; change a clone\(\) instead, or change it after backward\(\)$",
    ):
        y.sum().backward()
    assert x.grad is None


def test_error_inside_a_rule_leaves_leaves_alone() -> None:
    """A backward that fails half way adds to no gradient."""
    x, w = (Tensor(np.ones(2), requires_grad=True) for _ in range(2))
    x.grad = Tensor(np.array([5.0, 5.0]))
    h = w * 2
    y = x * 3 + h * h
    with ag.no_grad():
        h += 1
    with pytest.raises(RuntimeError, match="changed in place"):
        y.sum().backward()
    assert x.grad.tolist() == [5.0, 5.0] and w.grad is None


TORCH_RAISES: dict[str, tuple[Call, type[Exception]]] = {
    "sum axis": (lambda t: t.zeros(2, 3).sum(2), IndexError),
    "softmax axis": (lambda t: t.softmax(t.zeros(2, 3), -3), IndexError),
    "index": (lambda t: t.zeros(3)[3], IndexError),
    "too many indices": (lambda t: t.zeros(3)[0, 0], IndexError),
    "0-d index": (lambda t: t.zeros(())[0], IndexError),
    "transpose": (lambda t: t.zeros(2, 3).transpose(0, 2), IndexError),
    "unsqueeze": (lambda t: t.zeros(3).unsqueeze(3), IndexError),
    "backward of a vector": (lambda t: t.ones(3, requires_grad=True).backward(), RuntimeError),
    "backward of a constant": (lambda t: t.ones(()).backward(), RuntimeError),
    "leaf in place": (lambda t: iadd(t.ones(3, requires_grad=True), 1), RuntimeError),
    "len": (lambda t: len(t.zeros(())), TypeError),
    "iter": (lambda t: list(t.zeros(())), TypeError),
    "numpy": (lambda t: t.ones(2, requires_grad=True).numpy(), RuntimeError),
    "string": (lambda t: t.ones(2) + "a", TypeError),
    "range": (lambda t: range(t.ones(())), TypeError),
}


@pytest.mark.parametrize("name", TORCH_RAISES)
def test_error_types_are_those_of_pytorch(name: str, torch: Any) -> None:
    call, error = TORCH_RAISES[name]
    for lib in (ag, torch):
        with pytest.raises(error):
            call(lib)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ag.concatenate([[1.0], [2.0]]), "concatenate: item 0 is a list, not a tensor"),
        (lambda: ag.stack([1.0, 2.0]), "stack: item 0 is a float, not a tensor"),
        (lambda: ag.cat(tensor([1.0]), tensor([2.0])), "the tensors come in one list or tuple"),
        (lambda: tensor([1.0]) & tensor([2.0]), "^bitwise_and: "),
        (lambda: ag.einsum(tensor([1.0]), [0]), "einsum: the first argument is a text"),
        (lambda: tensor(np.ma.array([1.0, 2.0], mask=[0, 1])), "tensor: a masked array has elem"),
    ],
)
def test_wrong_kinds_are_type_errors(call: Any, text: str) -> None:
    with pytest.raises(TypeError, match=text):
        call()


class Mine(ValueError):
    """An error of a user that takes two arguments."""

    def __init__(self, what: str, code: int) -> None:
        super().__init__(f"{what} {code}")


def test_an_error_of_somebody_else_is_raised_as_it_is() -> None:
    def forward(x: Any) -> Any:
        raise Mine("broken", 7)

    op = Op("mine", forward, lambda g, y, x: g)
    with pytest.raises(Mine, match="broken 7") as caught:
        op(tensor([1.0, 2.0]))
    assert caught.value.__cause__ is None
    assert caught.value.__notes__ == ["mine: broken 7 (inputs of shape (2,))"]


def test_an_operation_of_three_inputs_or_any_number_is_declared() -> None:
    def joined(*arrays: Any) -> Any:
        return np.stack(arrays)

    try:
        call = declare.differentiable(each=lambda g, y, *xs, i: g[i], kind="pick")(joined)
        a, b, c = (tensor([float(i)], requires_grad=True) for i in range(3))
        (call(a, b, c) * np.array([[1.0], [2.0], [3.0]], "float32")).sum().backward()
        assert [t.grad.item() for t in (a, b, c) if t.grad is not None] == [1.0, 2.0, 3.0]
    finally:
        for names in (table, declare.public):
            names.pop("joined", None)
        del Methods.joined  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", [ValueError, RuntimeError])
def test_what_does_not_fit_is_numpys_error_and_pytorchs(kind: type[Exception]) -> None:
    calls: list[Callable[[], Any]] = [
        lambda: ag.ones(2, 3) @ ag.ones(2, 3),  # NumPy's error, explained
        lambda: ag.ones(2).item(),  # our own
        lambda: ops.nll(ag.ones(2, 3), np.array([1]), n=1),  # a row's own
        lambda: ag.linalg.inv(ag.zeros(2, 2)),
    ]
    for call in calls:
        with pytest.raises(kind) as caught:
            call()
        assert isinstance(caught.value, ag.MisfitError)
        assert isinstance(caught.value, np.linalg.LinAlgError) is (call is calls[-1])
