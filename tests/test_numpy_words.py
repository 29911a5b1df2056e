"""Code that was made for arrays, run on Tensors: NumPy's words, methods and functions."""

import contextlib
import math
import re
from typing import Any

import numpy as np
import pytest
import scipy.special

from autograd_lite import Tensor, check_backward, gradcheck, no_grad, tensor
from autograd_lite.engine.modes import like_numpy, mode

DATA = np.random.default_rng(0).standard_normal((3, 4))


def holes(x: Any) -> Any:
    """`x` with NaN in places, at least one number left in each row."""
    return np.where(DATA > 0.6, np.nan, x)


CALLS: dict[str, Any] = {
    "hstack": lambda x: np.hstack([x, 2 * x]),
    "hstack of vectors": lambda x: np.hstack([x[0], x[1]]),
    "vstack": lambda x: np.vstack([x, x[0]]),
    "tile": lambda x: np.tile(x, 2),
    "tile, more axes": lambda x: np.tile(x, (2, 1, 3)),
    "tile, fewer numbers": lambda x: np.tile(x[0], (2, 1)),
    "repeat": lambda x: np.repeat(x, 2),
    "repeat along": lambda x: np.repeat(x, [1, 2, 0], axis=0),
    "repeat method": lambda x: x.repeat(2, axis=1),
    "roll": lambda x: np.roll(x, 1),
    "roll along": lambda x: np.roll(x, -1, axis=1),
    "inner": lambda x: np.inner(x, x),
    "inner of vectors": lambda x: np.inner(x[0], x[1]),
    "diag of a vector": lambda x: np.diag(x[0]),
    "diag above": lambda x: np.diag(x[0], 2),
    "diag below": lambda x: np.diag(x[0], k=-1),
    "diag of a matrix": lambda x: np.diag(x),
    "diag of a matrix, above": lambda x: np.diag(x, 1),
    "tril": lambda x: np.tril(x, 1),
    "triu": lambda x: np.triu(x, k=-1),
    "atleast_1d": lambda x: np.atleast_1d(x.sum()),
    "swapaxes": lambda x: x.swapaxes(0, 1),
    "copy": lambda x: x.copy() * x,
    "max along": lambda x: x.max(axis=1),
    "max along, kept": lambda x: x - x.max(axis=1, keepdims=True),
    "min of two axes": lambda x: x.min(axis=(0, 1)),
    "std ddof": lambda x: x.std(axis=0, ddof=1),
    "var ddof": lambda x: x.var(ddof=0),
    "size": lambda x: x.sum() / x.size + 1.0 * x.size,
    "astype": lambda x: x.astype(np.float64, copy=False) * 2,
    "dtype of a sum": lambda x: np.sum(x, axis=0, dtype=np.float64),
    "dtype of a mean": lambda x: x.mean(axis=1, dtype=float),
    "dtype of a ufunc": lambda x: np.exp(x, dtype=np.float64),
    "nansum": lambda x: np.nansum(holes(x), axis=1),
    "nanmean": lambda x: np.nanmean(holes(x), axis=0, keepdims=True),
    "nanmax": lambda x: np.nanmax(holes(x), axis=1),
    "nanmin": lambda x: np.nanmin(holes(x)),
    "ptp": lambda x: np.ptp(x, axis=0),
    "dot of an array first": lambda x: np.dot(DATA.T, x),
    "dot of a tensor": lambda x: x.dot(DATA.T),
    "multi_dot": lambda x: np.linalg.multi_dot([x, DATA.T, x]),
    "outer of a ufunc": lambda x: np.subtract.outer(x[0], DATA[1]),
    "outer of a ufunc, array first": lambda x: np.multiply.outer(DATA, x[1]),
    "einsum optimised": lambda x: np.einsum("ij,kj->ik", x, DATA, optimize=True),
    "where with places": lambda x: x[np.where(DATA > 0)],
    "where with places of a tensor": lambda x: x[np.where(x > 0)],
    "heaviside": lambda x: x * np.heaviside(x, 0.5),
    "fabs": lambda x: np.fabs(x),
    "reshape, Fortran's order": lambda x: x.reshape((4, 3), order="F") * DATA.T,
    "np.reshape, Fortran's order": lambda x: np.reshape(x, (2, -1), order="F"),
    "flatten, Fortran's order": lambda x: x.flatten("F") * np.arange(12),
    "ravel": lambda x: x.ravel(order="C") * np.arange(12),
    "append": lambda x: np.append(np.ones((3, 1)), x, axis=1),
    "append, flat": lambda x: np.append(x, 1.0),
    "concatenate, flat": lambda x: np.concatenate([x, DATA[0][None]], axis=None),
    "column_stack": lambda x: np.column_stack((np.ones(3), x)),
    "dstack": lambda x: np.dstack((x, DATA)),
    "dstack of vectors": lambda x: np.dstack((x[0], x[1])),
    "insert": lambda x: np.insert(x, 0, 1.0, axis=1),
    "insert of tensors": lambda x: np.insert(x, [1, 3], x[:, :2], axis=1),
    "insert, flat": lambda x: np.insert(x, 5, 2.0),
    "delete": lambda x: np.delete(x, [0, 2], axis=1),
    "delete, flat": lambda x: np.delete(x, 3),
    "take": lambda x: np.take(x, [0, 2, 2], axis=0),
    "take, flat": lambda x: np.take(x, [[0, 5], [5, 7]]),
    "split": lambda x: np.split(x, 2, axis=1)[1],
    "split at": lambda x: np.split(x, [1], axis=1)[1],
    "array_split": lambda x: np.array_split(x, 3, axis=-1)[0],
    "hsplit": lambda x: np.hsplit(x, 4)[2],
    "vsplit": lambda x: np.vsplit(x, 3)[2],
    "flipud": lambda x: np.flipud(x) * DATA,
    "fliplr": lambda x: np.fliplr(x) * DATA,
    "rot90": lambda x: np.rot90(x, 2) * DATA,
    "diagonal": lambda x: np.diagonal(x, 1),
    "rollaxis": lambda x: np.rollaxis(x, 1) * DATA.T,
    "windows": lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 2)).sum(axis=(2, 3)),
    "sum, NumPy's order": lambda x: np.sum(x, 1, None, None, True) * x,
    "sum where": lambda x: np.sum(x, where=DATA > 0),
    "sum where, along": lambda x: np.sum(x * x, axis=0, where=DATA > 0, keepdims=True),
    "sum from": lambda x: np.sum(x, axis=1, initial=2.0),
    "mean where": lambda x: np.mean(x * x, axis=1, where=DATA[0] > -0.6),
    "fmax": lambda x: np.fmax(holes(x), 0.0),
    "fmin": lambda x: np.fmin(0.1, holes(x)),
    "select": lambda x: np.select([DATA > 0.5, DATA > 0], [x, x * x], -x),
    "block": lambda x: np.block([[x, DATA], [DATA, 2 * x]]),
    "block of vectors": lambda x: np.block([x[0], DATA[0]]),
    "convolve": lambda x: np.convolve(x[0], DATA[1, :3]),
    "convolve, valid": lambda x: np.convolve(DATA.ravel(), x[0], "valid"),
    "convolve, same": lambda x: np.convolve(x[0], x[1, :3], mode="same"),
    "convolve, longer second": lambda x: np.convolve(x[0, :2], x[1]),
    "correlate": lambda x: np.correlate(x[0], DATA[1, :2]),
    "correlate, full": lambda x: np.correlate(x[0], x[1, :3], "full"),
    "correlate, longer second": lambda x: np.correlate(x[0, :2], x[1], "full"),
    "expit": lambda x: scipy.special.expit(x),
    "log_expit": lambda x: scipy.special.log_expit(x),
    "erf": lambda x: scipy.special.erf(x),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_value_is_numpys_and_the_gradient_that_of_a_finite_difference(name: str) -> None:
    x = Tensor(DATA.copy(), requires_grad=True)
    y = CALLS[name](x)
    np.testing.assert_allclose(y.array, CALLS[name](DATA), rtol=1e-13)
    assert y.shape == np.shape(CALLS[name](DATA))
    assert gradcheck(CALLS[name], (x,))


MEANT: dict[str, Any] = {
    "var": lambda x: x.var(axis=0),
    "std": lambda x: x.std(),
    "max, positional": lambda x: x.max(1),
    "min, positional": lambda x: x - x.min(1, keepdims=True),
    "repeat": lambda x: x.repeat(2),
}


@pytest.mark.parametrize("name", MEANT)
def test_like_numpy_methods_mean_what_numpys_do(name: str) -> None:
    with like_numpy():
        y = MEANT[name](Tensor(DATA.copy()))
    np.testing.assert_allclose(y.array, MEANT[name](DATA), rtol=1e-13)
    assert not mode.numpy


def test_without_it_methods_mean_what_pytorchs_do() -> None:
    x = Tensor(DATA.copy())
    np.testing.assert_allclose(x.var(0).array, DATA.var(0, ddof=1))
    for pair in (x.max(1), x.max(dim=1), x.max(1, keepdim=True)):
        np.testing.assert_array_equal(pair.indices.array.ravel(), DATA.argmax(1))
    assert (x.size(), x.size(1), x.repeat(2, 1).shape) == ((3, 4), 4, (6, 4))


def test_the_mode_ends_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), like_numpy():
        _ = 1 / 0
    assert not mode.numpy


PAIR = (
    "an input is the pair (values, indices) of max(dim) or min(dim); "
    "use its .values, or axis= in place of dim="
)

ARRAY = (
    "numpy: as an array, this tensor of {} loses its gradient; write np.exp for math.exp, "
    "X @ t for X.dot(t), np.stack for out[i] = t, np.array([t, ...]) and np.c_; or use detach().numpy()"
)

WRITTEN = (
    "np.add: cannot write a Tensor that requires grad into an array; "
    "use x = x + t, or t.detach().numpy()"
)

BAD: dict[str, tuple[Any, type[Exception], str]] = {
    "a pair": (
        lambda x: x - x.max(1),
        TypeError,
        f"sub: {PAIR}",
    ),
    "a pair first": (
        lambda x: x.min(0) / x,
        TypeError,
        f"div: {PAIR}",
    ),
    "numel not called": (
        lambda x: x / x.numel,
        TypeError,
        "div: an input is a function, numel; call it, as in numel()",
    ),
    "dot of an array": (
        lambda x: DATA.T.dot(x),
        RuntimeError,
        ARRAY.format("(3, 4)"),
    ),
    "array of tensors": (
        lambda x: np.array([x[0], x[1]]),
        RuntimeError,
        ARRAY.format("(4,)"),
    ),
    "put into an array": (
        lambda x: np.zeros((2, 4)).__setitem__(0, x[0]),
        RuntimeError,
        ARRAY.format("(4,)"),
    ),
    "added to an array in place": (
        lambda x: DATA.copy().__iadd__(x),
        TypeError,
        WRITTEN,
    ),
    "added to places of an array": (
        lambda x: np.add.at(DATA.copy(), [0, 1, 1], x),
        TypeError,
        WRITTEN,
    ),
    "ddof and correction": (
        lambda x: x.std(ddof=1, correction=0),
        TypeError,
        "std: correction, unbiased and ddof are one argument; give one",
    ),
    "axis and dim": (
        lambda x: x.max(axis=0, dim=0),
        TypeError,
        "max: axis and dim are two names of one argument; give one",
    ),
    "diag": (
        lambda x: np.diag(x.reshape(1, 3, 4)),
        ValueError,
        "diag: shape (1, 3, 4) is neither a vector nor a matrix",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_errors_say_what_to_do(name: str) -> None:
    call, error, text = BAD[name]
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        call(tensor(DATA, requires_grad=True))


def test_size_is_a_number_and_a_method() -> None:
    size = Tensor(DATA.copy(), requires_grad=True).size
    assert size == 12 and isinstance(size, int) and (DATA / size).dtype == DATA.dtype
    assert (size(), size(0), size(-1)) == ((3, 4), 3, 4)
    assert (Tensor(np.ones(3, np.float32)) / size).dtype == np.float32
    assert type((tensor(1.0, requires_grad=True) * size).args[1]) is int
    with pytest.raises(IndexError, match=r"^size: axis 2 is out of range for shape \(3, 4\)"):
        size(2)


def test_plain_tensors_are_added_to_arrays_in_place() -> None:
    """As `grads["W"] += np.outer(e, h)` does where h came out of a Tensor without gradient."""
    t, same = Tensor(DATA.copy()), DATA.copy()
    total = same
    total += np.outer(t[0], DATA[0])[:3]
    assert total is same and isinstance(total, np.ndarray)
    np.testing.assert_array_equal(same, DATA + np.outer(DATA[0], DATA[0])[:3])
    np.add.at(same, [0, 0], t[:2])
    np.testing.assert_allclose(same[0], DATA[0] + DATA[0] * DATA[0][0] + DATA[0] + DATA[1])
    weight = Tensor(DATA.copy(), requires_grad=True)
    with no_grad():
        same -= 0.1 * weight
        same -= weight
    assert np.multiply(t, 2, out=np.zeros((3, 4))).tolist() == (2 * DATA).tolist()


def test_a_row_read_twice_gets_both_gradients() -> None:
    x = Tensor(DATA.copy(), requires_grad=True)
    np.take(x, [0, 2, 2], axis=0).sum().backward()
    assert x.grad.array[:, 0].tolist() == [1, 0, 2]


LEAVING = {
    "put": lambda x: np.zeros((3, 4)).__setitem__((0, 1), x[0, 0]),
    "math": lambda x: math.exp(x[0, 0]),
    "float": lambda x: float(x.sum()),
    "round": lambda x: round(x.sum()),
    "item": lambda x: x.max().item(),
}


@pytest.mark.parametrize("name", LEAVING)
def test_like_numpy_no_gradient_is_lost_without_a_word(name: str) -> None:
    x = Tensor(DATA.copy(), requires_grad=True)
    with like_numpy(), pytest.raises((RuntimeError, ValueError)) as caught:
        LEAVING[name](x)
    told = caught.value.__cause__ or caught.value  # NumPy raises an error of its own
    assert str(told).startswith("item: as a number, this tensor of () loses its gradient; write")
    with contextlib.ExitStack() as stack:
        if name not in ("item", "round"):  # as PyTorch's do
            stack.enter_context(pytest.warns(UserWarning, match="loses its record"))
        LEAVING[name](x)
    with like_numpy(), no_grad():
        LEAVING[name](x)
    with like_numpy():
        LEAVING[name](x.detach())
        assert f"{x.sum():.3f}" == f"{DATA.sum():.3f}"


def filled(x: Any) -> Any:
    out = np.zeros(3)
    for i in range(3):
        out[i] = np.sum(x[i] ** 2)
    return out * np.sum(x)


def filled_back(g: Any, x: Any) -> Any:
    out = (x**2).sum(1)
    return (g * out).sum() * np.ones_like(x) + 2 * x * (g * x.sum())[:, None]


def test_a_forward_that_leaves_the_tape_is_never_judged_by_what_is_left_of_it() -> None:
    try:
        report = check_backward(filled, filled_back, (DATA,))
    except (RuntimeError, TypeError, ValueError):
        return
    assert report.ok
