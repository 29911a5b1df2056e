"""The losses of `nn.functional` as modules, which keep their settings."""

from __future__ import annotations

from typing import Any

from autograd_lite import Tensor
from autograd_lite.engine.tensor import as_tensor

from . import functional
from .module import Module

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CrossEntropyLoss", "HuberLoss", "L1Loss", "MSELoss",
    "NLLLoss", "SmoothL1Loss",
]  # fmt: skip


class _Loss(Module):
    """A loss with a `reduction`: "mean", "sum" or "none"; ValueError for another word."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        functional.check_reduction(type(self).__name__, reduction)
        self.reduction = reduction

    def _keep(self, name: str, weight: Any) -> None:
        self.register_buffer(name, None if weight is None else as_tensor(weight))


class MSELoss(_Loss):
    """The squared difference of input and target, which have one shape (ValueError).

    >>> MSELoss()(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    2.0
    """

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return functional.mse_loss(input, target, self.reduction)


class L1Loss(_Loss):
    """The absolute difference of input and target, which have one shape (ValueError).

    >>> L1Loss()(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).item()
    1.0
    """

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return functional.l1_loss(input, target, self.reduction)


class HuberLoss(_Loss):
    """Half the square of a difference up to `delta`, linear beyond; see `huber_loss`.

    >>> HuberLoss(reduction="none")(Tensor([1.0, 2.0]), Tensor([1.0, 4.0])).tolist()
    [0.0, 1.5]
    """

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return functional.huber_loss(input, target, self.reduction, self.delta)


class SmoothL1Loss(_Loss):
    """The Huber loss divided by its delta, here called `beta`; see `smooth_l1_loss`.

    >>> SmoothL1Loss(beta=2.0)(Tensor([1.0]), Tensor([4.0])).item()
    2.0
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return functional.smooth_l1_loss(input, target, self.reduction, self.beta)


class CrossEntropyLoss(_Loss):
    """-log_softmax(input) at the target's classes; see `cross_entropy` for shapes and settings.

    `weight` (C,) is a buffer.

    >>> import numpy as np
    >>> CrossEntropyLoss()(Tensor([[1000.0, 0.0]]), np.array([1])).item()
    1000.0
    """

    def __init__(
        self,
        weight: Any = None,
        ignore_index: int = -100,
        reduction: str = "mean",
        label_smoothing: float = 0.0,
    ) -> None:
        super().__init__(reduction)
        self._keep("weight", weight)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return functional.cross_entropy(
            input, target, self.weight, self.ignore_index, self.reduction, self.label_smoothing
        )


class NLLLoss(_Loss):
    """-input at the target's classes, for log-probabilities; see `nll_loss`.

    `weight` (C,) is a buffer.

    >>> import numpy as np
    >>> NLLLoss()(Tensor([[-1.0, -2.0], [-3.0, -4.0]]), np.array([0, 1])).item()
    2.5
    """

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self._keep("weight", weight)
        self.ignore_index = ignore_index

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return functional.nll_loss(input, target, self.weight, self.ignore_index, self.reduction)


class BCELoss(_Loss):
    """The cross-entropy of probabilities against targets from 0 to 1; see
    `binary_cross_entropy`. `weight`, which broadcasts, is a buffer.

    >>> round(BCELoss()(Tensor([0.5]), Tensor([1.0])).item(), 4)
    0.6931
    """

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep("weight", weight)

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return functional.binary_cross_entropy(input, target, self.weight, self.reduction)


class BCEWithLogitsLoss(_Loss):
    """The cross-entropy of sigmoid(input) against targets from 0 to 1, without overflow; see
    `binary_cross_entropy_with_logits`. `weight` and `pos_weight`, which broadcast, are buffers.

    >>> BCEWithLogitsLoss()(Tensor([1000.0, -1000.0]), Tensor([1.0, 1.0])).item()
    500.0
    """

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self._keep("weight", weight)
        self._keep("pos_weight", pos_weight)

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return functional.binary_cross_entropy_with_logits(
            input, target, self.weight, self.reduction, self.pos_weight
        )
