"""Five hand-derived networks, in plain NumPy and float64, for autodiff to be compared with.

Each system keeps the convention of its write-up: which way the weights lie, whether samples are
rows or columns, how the loss is scaled, and at which point of the backward pass 1/n enters. All
five share one interface, and none keeps any state:

    init(sizes, rng, ...)                    parameters by name: W1, b1, W2, b2, ...
    forward(params, x, ..., nudge)           every value by name, the input and the output included
    loss(params, x, y, ..., nudge)           the loss as a float
    gradients(params, x, y, ..., every)      the loss, and the gradient of `name` under "d" + name
    factor(name, n)                          gradients(...)["d" + name] = factor * d loss / d name
    recipe(...)                              the training run of the write-up, epoch by epoch

`nudge` adds an array to an intermediate as it is computed, so that the loss becomes a function of
that intermediate, which finite differences can probe. `every=False` leaves out what an update of
the parameters does not need, such as the gradient of the input. A recipe takes `step`, a function
with the signature of `gradients`: pass one made with autodiff and the run is otherwise the same.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Arrays = dict[str, Array]
Labels = NDArray[np.int64]
Pixels = NDArray[np.uint8]
Nudge = Mapping[str, Array]
Step = Callable[[Arrays, Array, Array], tuple[float, Arrays]]

STILL: Nudge = MappingProxyType({})


def nudged(nudge: Nudge, name: str, value: Array) -> Array:
    """`value`, moved by the nudge of that name if there is one."""
    return value + nudge[name] if name in nudge else value


def depth(params: Mapping[str, object]) -> int:
    """The number of linear layers: each has one weight and one bias."""
    return len(params) // 2


def descend(params: Arrays, grads: Arrays, lr: float) -> Arrays:
    """The parameters after one step of gradient descent, as new arrays."""
    return {name: p - lr * grads["d" + name] for name, p in params.items()}


def same_shape(prediction: Array, target: Array) -> None:
    """Refuse a target that would broadcast: (n,) against (n, 1) would make (n, n) differences."""
    if prediction.shape != target.shape:
        raise ValueError(
            f"loss: prediction {prediction.shape} and target {target.shape} differ in shape; "
            f"reshape the target to {prediction.shape}"
        )
