"""Code that was made for arrays, run on Tensors: NumPy's words, methods and functions."""

import re
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor, gradcheck, tensor
from autograd_lite.engine.modes import like_numpy, mode

DATA = np.random.default_rng(0).standard_normal((3, 4))

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
    "size": lambda x: x.sum() / x.size,
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
    "size not called": (
        lambda x: x / x.size,
        TypeError,
        "div: an input is a function, size; call it, as in size()",
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
