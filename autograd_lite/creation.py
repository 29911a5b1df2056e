"""New tensors: of data, constants, ranges and random numbers, with PyTorch's names.

`dtype=None` is the default float type, but for `arange` and `full` of ints, which stay int64. The
only `device` is the CPU. Random numbers come from one generator, seeded by `manual_seed`, unless
`generator=` gives another.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .conversion import require_cpu
from .engine.arrays import as_array, get_default_dtype, number, unboxed
from .engine.axes import sizes
from .engine.errors import MisfitError
from .engine.modes import mode
from .engine.tensor import Tensor, as_tensor

Generator = Any  # np.random.Generator; named so, as the import of it takes 8 ms

_seed: int | None = None
_generator: np.random.Generator | None = None  # made at first use, as that takes 8 ms


def manual_seed(seed: int | None) -> np.random.Generator:
    """Seed the generator of all random tensors, initial weights, dropout masks and shuffling; None
    takes a seed from the operating system.

    >>> _ = manual_seed(0); a = rand(2)
    >>> _ = manual_seed(0); bool((a == rand(2)).array.all())
    True
    """
    global _generator, _seed
    _generator, _seed = np.random.default_rng(seed), seed
    if (seeded := getattr(mode.watcher, "seeded", None)) is not None:
        seeded()
    return _generator


def initial_seed() -> int | None:
    """What `manual_seed` was given last, None where it was not.

    >>> _ = manual_seed(3); initial_seed()
    3
    """
    return _seed


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


def _new(a: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    require_cpu("a new tensor", device)
    return Tensor(np.asarray(a, get_default_dtype() if dtype is None else dtype), requires_grad)


def _random(
    draw: Any, generator: Any, dtype: Any, device: Any = None, requires_grad: bool = False
) -> Tensor:
    require_cpu("random numbers", device)

    def array() -> Any:
        return np.asarray(draw(generator or default_generator()), dtype)

    return Tensor(drawn(array), requires_grad)


def _shape(size: Any, shape: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape that is given as numbers, or as one tuple, which may be named."""
    return sizes(shape if size is None else (size,))


def tensor(
    data: Any,
    dtype: Any = None,
    requires_grad: bool = False,
    name: str = "",
    *,
    device: Any = None,
) -> Tensor:
    """A tensor with its own copy of `data`: numbers, nested lists, an array or a tensor.

    Python floats get the default dtype, Python ints stay integers, arrays keep their dtype.

    >>> tensor([1, 2]).dtype, tensor([1.0, 2.0]).dtype
    (dtype('int64'), dtype('float32'))
    """
    require_cpu("tensor", device)
    a = as_array(data, dtype)
    return Tensor(a.astype(a.dtype if dtype is None else dtype), requires_grad, name)


def asarray(
    obj: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool = False,
) -> Tensor:
    """`as_tensor`, with memory of its own for copy=True, which may require grad. ValueError for
    copy=False where the memory cannot be shared.

    >>> asarray([1.5], requires_grad=True).requires_grad
    True
    """
    t = as_tensor(obj, dtype, device)
    if copy is False and t.size and not np.may_share_memory(t.array, unboxed(obj)):
        raise ValueError(
            f"asarray: a {type(obj).__name__} is copied to make a tensor of {t.dtype}; copy=False "
            "takes an array or a tensor of that dtype"
        )
    t = t.clone() if copy else t
    return t.requires_grad_() if requires_grad else t


def zeros(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of zeros.

    >>> zeros(2).tolist()
    [0.0, 0.0]
    """
    return _new(np.zeros(_shape(size, shape)), dtype, device, requires_grad)


def ones(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor of ones.

    >>> ones(2).tolist()
    [1.0, 1.0]
    """
    return _new(np.ones(_shape(size, shape)), dtype, device, requires_grad)


def empty(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor that is to be filled: zeros here, where PyTorch has what was in memory.

    >>> empty(2, 3).shape
    (2, 3)
    """
    return zeros(*shape, size=size, dtype=dtype, device=device, requires_grad=requires_grad)


def full(
    size: Any,
    fill_value: float,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """A tensor with one value everywhere; without a dtype that of the value, as in PyTorch.

    >>> full((2,), 7.0).tolist(), full((2,), 7).dtype
    ([7.0, 7.0], dtype('int64'))
    """
    if isinstance(fill_value, type):
        raise TypeError(
            f"full: fill_value is a number, got {fill_value.__name__}; the dtype is named: dtype="
        )
    value = as_array(number(fill_value))
    kind = value.dtype if dtype is None else dtype
    return _new(np.full(sizes((size,)), value, kind), kind, device, requires_grad)


def eye(
    n: int,
    m: int | None = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Ones on the diagonal of an (n, m) matrix; m is n unless given.

    >>> eye(2).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    return _new(np.eye(n, m), dtype, device, requires_grad)


def arange(
    *limits: Any,
    start: Any = 0,
    end: Any = None,
    step: Any = 1,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """Numbers from start to below end in steps: `arange(end)`, `arange(start, end, step)`.

    >>> arange(3).tolist(), arange(1, end=3).tolist()
    ([0, 1, 2], [1, 2])
    """
    if end is not None:
        limits = ((*limits, start)[0], end, step)
    elif len(limits) < 3:
        limits = (start, *limits, step) if len(limits) == 1 else (*limits, step)
    a = np.arange(*[x.item() if hasattr(x, "item") else x for x in limits])
    whole = dtype is None and a.dtype.kind == "i"
    return _new(a, a.dtype if whole else dtype, device, requires_grad)


def linspace(
    start: float,
    end: float,
    steps: int,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """`steps` numbers at equal distances from start to end, both included.

    >>> linspace(0, 1, 3).tolist()
    [0.0, 0.5, 1.0]
    """
    return _new(np.linspace(float(start), float(end), steps), dtype, device, requires_grad)


def logspace(
    start: float,
    end: float,
    steps: int,
    base: float = 10.0,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """The powers of `base` with the exponents `linspace(start, end, steps)`.

    >>> logspace(0, 2, 3).tolist()
    [1.0, 10.0, 100.0]
    """
    powers = np.logspace(float(start), float(end), steps, base=base)
    return _new(powers, dtype, device, requires_grad)


def zeros_like(
    input: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Zeros in the shape and dtype of input.

    >>> zeros_like(ones(2)).tolist()
    [0.0, 0.0]
    """
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


def ones_like(
    input: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Ones in the shape and dtype of input.

    >>> ones_like(zeros(2)).tolist()
    [1.0, 1.0]
    """
    return full_like(input, 1, dtype=dtype, device=device, requires_grad=requires_grad)


def empty_like(
    input: Any,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """A tensor in the shape and dtype of input that is to be filled: zeros here.

    >>> empty_like(ones(2)).shape
    (2,)
    """
    return full_like(input, 0, dtype=dtype, device=device, requires_grad=requires_grad)


def full_like(
    input: Any,
    fill_value: float,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
) -> Tensor:
    """One value everywhere in the shape and dtype of input.

    >>> full_like(ones(2), 7).tolist()
    [7.0, 7.0]
    """
    require_cpu("a new tensor", device)
    a = _empty_like(input, dtype)
    a[...] = fill_value
    return Tensor(a, requires_grad)


def _empty_like(x: Any, dtype: Any) -> Any:
    return np.empty_like(as_array(x), dtype)


def rand(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Random numbers, uniform on [0, 1).

    >>> rand(2, 3).shape
    (2, 3)
    """
    dtype = np.dtype(get_default_dtype() if dtype is None else dtype)
    kind = dtype if dtype in (np.float32, np.float64) else np.float64  # rounding could give 1
    n = _shape(size, shape)
    return _random(lambda g: g.random(n, dtype=kind), generator, dtype, device, requires_grad)


def randn(
    *shape: Any,
    size: Any = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Random numbers from the standard normal distribution.

    >>> randn(2, 3).shape
    (2, 3)
    """
    dtype = np.dtype(get_default_dtype() if dtype is None else dtype)
    n = _shape(size, shape)
    return _random(lambda g: g.standard_normal(n), generator, dtype, device, requires_grad)


def rand_like(input: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """`rand` in the shape and dtype of input.

    >>> rand_like(zeros(2)).shape
    (2,)
    """
    return rand(input.shape, dtype=input.dtype if dtype is None else dtype, **options)


def randn_like(input: Any, *, dtype: Any = None, **options: Any) -> Tensor:
    """`randn` in the shape and dtype of input.

    >>> randn_like(zeros(2)).shape
    (2,)
    """
    return randn(input.shape, dtype=input.dtype if dtype is None else dtype, **options)


def randint(
    *limits: Any,
    size: Any = None,
    low: int = 0,
    high: int | None = None,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Random ints from low, which is 0 unless given, to below high: `randint(low, high, size)`.

    >>> randint(0, 10, (2, 3)).shape, randint(10, (2,)).dtype
    ((2, 3), dtype('int64'))
    """
    given = list(limits)
    n = sizes((given.pop() if size is None else size,))
    top = given.pop() if high is None else high
    bottom = given.pop() if given else low
    kind = np.int64 if dtype is None else dtype
    return _random(lambda g: g.integers(bottom, top, n), generator, kind, device, requires_grad)


def randint_like(
    input: Any, *limits: Any, dtype: Any = None, generator: Generator | None = None, **options: Any
) -> Tensor:
    """`randint` in the shape and dtype of input.

    >>> randint_like(zeros(2), 5).dtype
    dtype('float32')
    """
    kind = input.dtype if dtype is None else dtype
    return randint(*limits, size=input.shape, dtype=kind, generator=generator, **options)


def randperm(
    n: int, *, dtype: Any = None, device: Any = None, generator: Generator | None = None
) -> Tensor:
    """The ints 0 to n - 1 in random order.

    >>> sorted(randperm(3).tolist())
    [0, 1, 2]
    """
    kind = np.int64 if dtype is None else dtype
    return _random(lambda g: g.permutation(n), generator, kind, device)


def normal(
    mean: Any,
    std: Any = 1.0,
    size: Any = None,
    *,
    dtype: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    generator: Generator | None = None,
) -> Tensor:
    """Random numbers from normal distributions: of one mean and std in a size, or in the shape of
    those, which broadcast. ValueError for a negative std.

    >>> normal(0.0, 1.0, (2,)).shape, normal(zeros(3), 0.1).shape
    ((2,), (3,))
    """
    m, s = as_array(mean), as_array(std)
    if s.size and s.min() < 0:
        raise MisfitError(f"normal: std is {s.min()}; it must not be negative")
    n = np.broadcast_shapes(m.shape, s.shape) if size is None else sizes((size,))
    kind = get_default_dtype() if dtype is None and size is not None else dtype
    kind = np.result_type(m, s) if kind is None else kind
    return _random(lambda g: m + s * g.standard_normal(n), generator, kind, device, requires_grad)


def bernoulli(input: Any, p: Any = None, *, generator: Generator | None = None) -> Tensor:
    """1 with the probability that each element of input is, or `p`, else 0, in the dtype of input.

    ValueError for what is no probability.

    >>> bernoulli(tensor([0.0, 1.0])).tolist()
    [0.0, 1.0]
    """
    chance = as_array(input if p is None else p)
    if chance.size and not (chance.min() >= 0 and chance.max() <= 1):
        raise MisfitError(
            f"bernoulli: probabilities are from 0 to 1, got {chance.min()} to {chance.max()}"
        )
    return _random(lambda g: g.random(input.shape) < chance, generator, input.dtype)


def multinomial(
    input: Any,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
) -> Tensor:
    """So many places of a vector, or of each row of a matrix, drawn with these weights, as int64.

    ValueError for negative weights, rows without any, or more places than there are to draw.

    >>> multinomial(tensor([0.0, 3.0]), 2, replacement=True).tolist()
    [1, 1]
    """
    a = as_array(input).astype(np.float64)
    if a.ndim not in (1, 2) or not np.all(a >= 0) or not np.all(a.sum(-1) > 0):
        raise MisfitError(
            "multinomial: weights are a vector or rows of numbers from 0 that are not all 0, "
            f"got shape {a.shape}"
        )
    if not replacement and (fewest := int((a > 0).sum(-1).min())) < num_samples:
        raise MisfitError(
            f"multinomial: {num_samples} places without replacement, and {fewest} have a weight; "
            "replacement=True draws them again"
        )

    def draw(g: Any) -> Any:
        rows = a.reshape(-1, a.shape[-1])
        if replacement:
            shares = np.cumsum(rows, -1)
            at = g.random((len(rows), num_samples)) * shares[:, -1:]
            at = np.minimum(at, np.nextafter(shares[:, -1:], 0))  # rounded, it could be all of it
            places: Any = [np.searchsorted(s, u, "right") for s, u in zip(shares, at, strict=True)]
        else:  # the first arrivals of exponential clocks that run at the rate of the weights
            with np.errstate(divide="ignore"):
                times = g.standard_exponential(rows.shape) / rows
            places = np.argsort(times, -1)[:, :num_samples]
        return np.reshape(places, (*a.shape[:-1], num_samples))

    return _random(draw, generator, np.int64)
