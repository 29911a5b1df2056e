"""New tensors: constants, ranges and random numbers, with PyTorch's names.

`dtype=None` is the default float type, but for `arange` of ints, which stays int64. Random
numbers come from one generator, seeded by `manual_seed`, unless `generator=` gives another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .engine.arrays import as_array, get_default_dtype
from .engine.axes import sizes
from .engine.modes import mode
from .engine.tensor import Tensor

_generator: np.random.Generator | None = None  # made at first use, as that takes 8 ms


def manual_seed(seed: int | None) -> np.random.Generator:
    """Seed the generator of all random tensors, initial weights, dropout masks and shuffling; None
    takes a seed from the operating system.

    >>> _ = manual_seed(0); a = rand(2)
    >>> _ = manual_seed(0); bool((a == rand(2)).array.all())
    True
    """
    global _generator
    _generator = np.random.default_rng(seed)
    if (seeded := getattr(mode.watcher, "seeded", None)) is not None:
        seeded()
    return _generator


def default_generator() -> np.random.Generator:
    """The generator that random functions use unless they are given another.

    >>> default_generator().random() < 1
    True
    """
    global _generator
    if _generator is None:
        _generator = np.random.default_rng()
    if (reached := getattr(mode.watcher, "reached", None)) is not None:
        reached(_generator)
    return _generator


def drawn(draw: Callable[[], Any]) -> Any:
    """`draw()`, an array that a compiled function draws anew at every call."""
    recorder = getattr(mode.watcher, "drawn", None)
    return draw() if recorder is None else recorder(draw)


def _new(a: Any, dtype: Any, requires_grad: bool) -> Tensor:
    return Tensor(np.asarray(a, get_default_dtype() if dtype is None else dtype), requires_grad)


def _random(draw: Any, generator: Any, dtype: Any, requires_grad: bool = False) -> Tensor:
    def array() -> Any:
        return np.asarray(draw(generator or default_generator()), dtype)

    return Tensor(drawn(array), requires_grad)


def zeros(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of zeros.

    >>> zeros(2).tolist()
    [0.0, 0.0]
    """
    return _new(np.zeros(sizes(shape)), dtype, requires_grad)


def ones(*shape: Any, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """A tensor of ones.

    >>> ones(2).tolist()
    [1.0, 1.0]
    """
    return _new(np.ones(sizes(shape)), dtype, requires_grad)


def full(
    shape: Any, fill_value: float, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor with one value everywhere.

    >>> full((2,), 7.0).tolist()
    [7.0, 7.0]
    """
    return _new(np.full(sizes((shape,)), fill_value), dtype, requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones on the diagonal of an (n, m) matrix; m is n unless given.

    >>> eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return _new(np.eye(n, m), dtype, requires_grad)


def arange(*limits: float, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Numbers from start to below end in steps: `arange(end)`, `arange(start, end, step)`.

    >>> arange(3).tolist()
    [0, 1, 2]
    """
    a = np.arange(*limits)
    return _new(a, a.dtype if dtype is None and a.dtype.kind == "i" else dtype, requires_grad)


def linspace(
    start: float, end: float, steps: int, *, dtype: Any = None, requires_grad: bool = False
) -> Tensor:
    """`steps` numbers at equal distances from start to end, both included.

    >>> linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    return _new(np.linspace(start, end, steps), dtype, requires_grad)


def zeros_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Zeros in the shape and dtype of x.

    >>> zeros_like(ones(2)).tolist()
    [0.0, 0.0]
    """
    like = x.array if isinstance(x, Tensor) else as_array(x)
    return Tensor(np.zeros_like(like, dtype=dtype), requires_grad)


def ones_like(x: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Ones in the shape and dtype of x.

    >>> ones_like(zeros(2)).tolist()
    [1.0, 1.0]
    """
    like = x.array if isinstance(x, Tensor) else as_array(x)
    return Tensor(np.ones_like(like, dtype=dtype), requires_grad)


def rand(
    *shape: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Random numbers, uniform on [0, 1).

    >>> rand(2, 3).shape
    (2, 3)
    """
    dtype = np.dtype(get_default_dtype() if dtype is None else dtype)
    kind = dtype if dtype in (np.float32, np.float64) else np.float64  # rounding could give 1
    size = sizes(shape)
    return _random(lambda g: g.random(size, dtype=kind), generator, dtype, requires_grad)


def randn(
    *shape: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    generator: np.random.Generator | None = None,
) -> Tensor:
    """Random numbers from the standard normal distribution.

    >>> randn(2, 3).shape
    (2, 3)
    """
    dtype = np.dtype(get_default_dtype() if dtype is None else dtype)
    size = sizes(shape)
    return _random(lambda g: g.standard_normal(size), generator, dtype, requires_grad)


def randint(
    low: int, high: int, shape: Any, *, generator: np.random.Generator | None = None
) -> Tensor:
    """Random int64 from low to below high.

    >>> randint(0, 10, (2, 3)).shape
    (2, 3)
    """
    size = sizes((shape,))
    return _random(lambda g: g.integers(low, high, size), generator, np.int64)


def randperm(n: int, *, generator: np.random.Generator | None = None) -> Tensor:
    """The int64 numbers 0 to n - 1 in random order.

    >>> sorted(randperm(3).tolist())
    [0, 1, 2]
    """
    return _random(lambda g: g.permutation(n), generator, np.int64)
