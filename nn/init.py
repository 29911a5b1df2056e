"""Initial weights, with PyTorch's names: each function fills a tensor in place and returns it.

Nothing is recorded, and the tensor keeps its memory, its layout and its dtype. Random numbers come
from `generator`, else from the generator that `autograd_lite.manual_seed` seeds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from autograd_lite import Tensor, default_generator
from autograd_lite.absent import missing
from autograd_lite.engine.versions import changed

__all__ = [
    "calculate_gain", "constant_", "eye_", "kaiming_normal_", "kaiming_uniform_", "normal_",
    "ones_", "orthogonal_", "sparse_", "trunc_normal_", "uniform_", "xavier_normal_",
    "xavier_uniform_", "zeros_",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if f"{name}_" in __all__:  # as PyTorch named it before 0.4
        return globals()[f"{name}_"]
    raise missing(__name__, name)


if TYPE_CHECKING:  # numpy.random takes 8 ms to import
    Generator = np.random.Generator | None

GAINS = {  # PyTorch's words for what follows a layer, which are not all rows
    "linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "sigmoid": 1.0,
    "tanh": 5 / 3, "relu": math.sqrt(2), "selu": 3 / 4,
}  # fmt: skip


def _fill(tensor: Tensor, values: Any) -> Tensor:
    tensor.array[...] = values
    changed(tensor)
    return tensor


def _fans(name: str, tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output sees, and how many outputs an input reaches."""
    if tensor.ndim < 2:
        raise ValueError(
            f"{name}: a tensor of shape {tensor.shape} has no fan in and fan out; it needs two axes"
        )
    receptive = math.prod(tensor.shape[2:])
    return tensor.shape[1] * receptive, tensor.shape[0] * receptive


def _matrix(name: str, tensor: Tensor) -> None:
    if tensor.ndim != 2:
        raise ValueError(f"{name}: only for matrices, this tensor has shape {tensor.shape}")


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights make up for what a nonlinearity does to the variance.

    "linear", "sigmoid", "tanh", "relu", "selu", or "leaky_relu" with its slope as `param` (0.01).
    ValueError for another word.

    >>> calculate_gain("leaky_relu", 1.0)
    1.0
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2 / (1 + slope**2))
    if nonlinearity not in GAINS:
        raise ValueError(
            f"calculate_gain: {nonlinearity!r} is not known; use 'leaky_relu' or one of "
            f"{', '.join(map(repr, GAINS))}"
        )
    return GAINS[nonlinearity]


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill with random numbers, uniform on [a, b).

    >>> bool((uniform_(Tensor([0.0, 0.0]), 2, 3) >= 2).array.all())
    True
    """
    return _fill(tensor, (generator or default_generator()).uniform(a, b, tensor.shape))


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator = None
) -> Tensor:
    """Fill with random numbers from a normal distribution.

    >>> normal_(Tensor([0.0, 0.0]), mean=5, std=0).tolist()
    [5.0, 5.0]
    """
    return _fill(tensor, (generator or default_generator()).normal(mean, std, tensor.shape))


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator = None,
) -> Tensor:
    """Fill with random numbers from a normal distribution, none below a or above b.

    ValueError unless std > 0 and a < b.

    >>> values = trunc_normal_(Tensor(np.zeros(100)), std=10).array
    >>> bool((values >= -2).all() and (values <= 2).all())
    True
    """
    if not (std > 0 and a < b):
        raise ValueError(f"trunc_normal_: needs std > 0 and a < b, got std={std}, a={a}, b={b}")
    draw = generator or default_generator()
    low, high = (a - mean) / std, (b - mean) / std
    likeliest = min(max(0.0, low), high)
    reach = math.sqrt(likeliest**2 + 74)  # beyond it the density is e**-37 of the highest
    low, high = max(low, -reach), min(high, reach)
    n = tensor.array.size
    chosen = np.empty(0)
    while chosen.size < n:  # rejection; it keeps 60 % at the defaults, 3 % at the worst
        z = draw.uniform(low, high, 2 * n)
        keep = draw.random(2 * n) < np.exp((likeliest**2 - z * z) / 2)
        chosen = np.concatenate([chosen, z[keep]])
    values = np.clip(mean + std * chosen[:n], a, b)
    return _fill(tensor, values.reshape(tensor.shape))


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one number.

    >>> constant_(Tensor([0.0, 0.0]), 7).tolist()
    [7.0, 7.0]
    """
    return _fill(tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with 1.

    >>> ones_(Tensor([0.0, 0.0])).tolist()
    [1.0, 1.0]
    """
    return _fill(tensor, 1)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with 0.

    >>> zeros_(Tensor([1.0, 2.0])).tolist()
    [0.0, 0.0]
    """
    return _fill(tensor, 0)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with the identity. ValueError unless it has two axes.

    >>> eye_(Tensor([[5.0, 5.0], [5.0, 5.0]])).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    _matrix("eye_", tensor)
    return _fill(tensor, np.eye(*tensor.shape))


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill from U(-r, r) with r = gain * sqrt(6 / (fan in + fan out)).

    Glorot and Bengio 2010. ValueError for fewer than two axes.

    >>> bool((xavier_uniform_(Tensor(np.zeros((3, 3)))) < 1).array.all())
    True
    """
    r = gain * math.sqrt(6 / max(sum(_fans("xavier_uniform_", tensor)), 1))
    return uniform_(tensor, -r, r, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator = None) -> Tensor:
    """Fill from a normal distribution with std = gain * sqrt(2 / (fan in + fan out)).

    Glorot and Bengio 2010. ValueError for fewer than two axes.

    >>> xavier_normal_(Tensor(np.zeros((3, 3)))).shape
    (3, 3)
    """
    std = gain * math.sqrt(2 / max(sum(_fans("xavier_normal_", tensor)), 1))
    return normal_(tensor, 0, std, generator)


def _kaiming_std(name: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    fans = dict(zip(("fan_in", "fan_out"), _fans(name, tensor), strict=True))
    if mode not in fans:
        raise ValueError(f"{name}: mode is 'fan_in' or 'fan_out', got {mode!r}")
    return calculate_gain(nonlinearity, a) / math.sqrt(max(fans[mode], 1))


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Fill from U(-r, r) with r = gain * sqrt(3 / fan); `a` is the slope of a leaky relu.

    He et al. 2015, https://arxiv.org/abs/1502.01852. ValueError for fewer than two axes.

    >>> bool((kaiming_uniform_(Tensor(np.zeros((2, 6)))) < 1).array.all())
    True
    """
    r = math.sqrt(3) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return uniform_(tensor, -r, r, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator = None,
) -> Tensor:
    """Fill from a normal distribution with std = gain / sqrt(fan); `a` as in kaiming_uniform_.

    He et al. 2015, https://arxiv.org/abs/1502.01852. ValueError for fewer than two axes.

    >>> kaiming_normal_(Tensor(np.zeros((2, 6)))).shape
    (2, 6)
    """
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return normal_(tensor, 0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator = None) -> Tensor:
    """Fill with a random matrix whose rows, or columns if they are fewer, are orthonormal.

    Further axes count as columns. Saxe et al. 2013, https://arxiv.org/abs/1312.6120. ValueError
    for fewer than two axes.

    >>> w = orthogonal_(Tensor(np.zeros((2, 3)))).array
    >>> np.allclose(w @ w.T, np.eye(2))
    True
    """
    _fans("orthogonal_", tensor)
    rows, columns = tensor.shape[0], math.prod(tensor.shape[1:])
    draw = (generator or default_generator()).standard_normal((rows, columns))
    q, r = np.linalg.qr(draw if rows >= columns else draw.T)
    q *= np.copysign(1, np.diagonal(r))  # without it the distribution is not uniform
    return _fill(tensor, gain * (q if rows >= columns else q.T).reshape(tensor.shape))


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator = None
) -> Tensor:
    """Fill a matrix from N(0, std) and set a fraction of each column to 0.

    Martens 2010, "Deep learning via Hessian-free optimization". ValueError unless it has two axes
    and sparsity is from 0 to 1.

    >>> int((sparse_(Tensor(np.ones((10, 4))), 0.3) == 0).array.sum())
    12
    """
    _matrix("sparse_", tensor)
    if not 0 <= sparsity <= 1:
        raise ValueError(f"sparse_: sparsity is a fraction from 0 to 1, got {sparsity}")
    draw = generator or default_generator()
    rank = draw.random(tensor.shape).argsort(axis=0)
    values = draw.normal(0, std, tensor.shape)
    return _fill(tensor, np.where(rank < math.ceil(sparsity * len(rank)), 0, values))
