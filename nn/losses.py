"""The losses of `nn.functional` as modules, which keep their settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from autograd_lite import Tensor
from autograd_lite.engine.tensor import as_tensor

from . import functional
from .functional.checks import check_reduction, in_old_words
from .module import FunctionModule

__all__ = [
    "BCELoss", "BCEWithLogitsLoss", "CTCLoss", "CosineEmbeddingLoss", "CrossEntropyLoss",
    "GaussianNLLLoss", "HingeEmbeddingLoss", "HuberLoss", "KLDivLoss", "L1Loss", "MSELoss",
    "MarginRankingLoss", "MultiLabelMarginLoss", "MultiLabelSoftMarginLoss", "MultiMarginLoss",
    "NLLLoss", "PoissonNLLLoss", "SmoothL1Loss", "SoftMarginLoss", "TripletMarginLoss",
    "TripletMarginWithDistanceLoss",
]  # fmt: skip


class _Loss(FunctionModule):
    """A loss with a `reduction`: "mean", "sum" or "none"; ValueError for another word."""

    _each = ""  # the textbook's loss of one element

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        check_reduction(type(self).__name__, reduction)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return self._of(input, target, *[getattr(self, name) for name in self._settings])

    @property
    def textbook(self) -> str:
        buffers = any(True for _ in self.buffers())  # the weights of classes or elements
        if not self._each or buffers or vars(self).get("label_smoothing"):
            return f"L = {self._of.__name__}(Y, T)"
        return (
            f"L = {self._each if self.reduction == 'none' else f'{self.reduction}({self._each})'}"
        )

    def _keep(self, name: str, weight: Any) -> None:
        self.register_buffer(name, None if weight is None else as_tensor(weight))


class MSELoss(_Loss, of=functional.mse_loss):
    """The squared difference of input and target of one shape (ValueError); see `mse_loss`."""

    _each = "(Y − T)²"


class L1Loss(_Loss, of=functional.l1_loss):
    """The absolute difference of input and target of one shape (ValueError); see `l1_loss`."""

    _each = "|Y − T|"


class HuberLoss(_Loss, of=functional.huber_loss):
    """Half the square of a difference up to `delta`, linear beyond; see `huber_loss`."""

    def __init__(self, reduction: str = "mean", delta: float = 1.0) -> None:
        super().__init__(reduction)
        self.delta = delta


class SmoothL1Loss(_Loss, of=functional.smooth_l1_loss):
    """The Huber loss divided by its delta, here called `beta`; see `smooth_l1_loss`."""

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        self.beta = beta


class CrossEntropyLoss(_Loss, of=functional.cross_entropy):
    """-log_softmax(input) at the target's classes; see `cross_entropy` for shapes and settings.

    `weight` (C,) is a buffer.
    """

    _each = "−log softmax(Y)[T]"

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


class NLLLoss(_Loss, of=functional.nll_loss):
    """-input at the target's classes, for log-probabilities; see `nll_loss`.

    `weight` (C,) is a buffer.
    """

    _each = "−Y[T]"

    def __init__(
        self, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self._keep("weight", weight)
        self.ignore_index = ignore_index


class BCELoss(_Loss, of=functional.binary_cross_entropy):
    """The cross-entropy of probabilities against targets from 0 to 1; see
    `binary_cross_entropy`. `weight`, which broadcasts, is a buffer."""

    _each = "−T log Y − (1 − T) log(1 − Y)"

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep("weight", weight)


class BCEWithLogitsLoss(_Loss, of=functional.binary_cross_entropy_with_logits):
    """The cross-entropy of sigmoid(input) against targets from 0 to 1, without overflow; see
    `binary_cross_entropy_with_logits`. `weight` and `pos_weight`, which broadcast, are buffers."""

    _each = "log(1 + exp(Y)) − T · Y"

    def __init__(self, weight: Any = None, reduction: str = "mean", pos_weight: Any = None) -> None:
        super().__init__(reduction)
        self._keep("weight", weight)
        self._keep("pos_weight", pos_weight)


class SoftMarginLoss(_Loss, of=functional.soft_margin_loss):
    """log(1 + exp(-target * input)), for targets 1 or -1; see `soft_margin_loss`."""

    _each = "log(1 + exp(−T · Y))"


class KLDivLoss(_Loss, of=functional.kl_div):
    """target * (log(target) - input), for logarithms of probabilities as input; see `kl_div`."""

    def __init__(self, reduction: str = "mean", log_target: bool = False) -> None:
        super().__init__("mean" if reduction == "batchmean" else reduction)
        self.reduction = reduction
        self.log_target = log_target


class HingeEmbeddingLoss(FunctionModule, of=functional.hinge_embedding_loss):
    """input where the target is 1, max(0, margin - input) where it is -1."""

    def __init__(self, margin: float = 1.0, reduction: str = "mean") -> None:
        super().__init__()
        self.margin = margin
        self.reduction = reduction

    def forward(self, *inputs: Any) -> Tensor:
        return self._of(*inputs, *[getattr(self, name) for name in self._settings])


class MarginRankingLoss(HingeEmbeddingLoss, of=functional.margin_ranking_loss):
    """max(0, margin - target * (input1 - input2)), for targets 1 or -1."""

    def __init__(self, margin: float = 0.0, reduction: str = "mean") -> None:
        super().__init__(margin, reduction)


class CosineEmbeddingLoss(MarginRankingLoss, of=functional.cosine_embedding_loss):
    """1 - cos of two inputs where the target is 1, max(0, cos - margin) where it is -1."""


class TripletMarginLoss(HingeEmbeddingLoss, of=functional.triplet_margin_loss):
    """max(0, the distance to the second - that to the third + margin); see
    `triplet_margin_loss`."""

    def __init__(
        self,
        margin: float = 1.0,
        p: float = 2.0,
        eps: float = 1e-6,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__(margin, reduction)
        self.p = p
        self.eps = eps
        self.swap = swap


class TripletMarginWithDistanceLoss(
    FunctionModule, of=functional.triplet_margin_with_distance_loss
):
    """`TripletMarginLoss` of any distance; see `triplet_margin_with_distance_loss`."""

    def __init__(
        self,
        *,
        distance_function: Callable[[Tensor, Tensor], Tensor] | None = None,
        margin: float = 1.0,
        swap: bool = False,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.distance_function = distance_function
        self.margin = margin
        self.swap = swap
        self.reduction = reduction

    def forward(self, anchor: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        settings = {name: getattr(self, name) for name in self._settings}
        return self._of(anchor, positive, negative, **settings)


class PoissonNLLLoss(FunctionModule, of=functional.poisson_nll_loss):
    """exp(input) - target * input; see `poisson_nll_loss`."""

    def __init__(
        self,
        log_input: bool = True,
        full: bool = False,
        eps: float = 1e-8,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.log_input = log_input
        self.full = full
        self.eps = eps
        self.reduction = reduction

    def forward(self, input: Tensor, target: Any) -> Tensor:
        return self._of(input, target, *[getattr(self, name) for name in self._settings])


class GaussianNLLLoss(FunctionModule, of=functional.gaussian_nll_loss):
    """(log(var) + (input - target) ** 2 / var) / 2; see `gaussian_nll_loss`."""

    def __init__(self, *, full: bool = False, eps: float = 1e-6, reduction: str = "mean") -> None:
        super().__init__()
        self.full = full
        self.eps = eps
        self.reduction = reduction

    def forward(self, input: Tensor, target: Any, var: Any) -> Tensor:
        return self._of(input, target, var, *[getattr(self, name) for name in self._settings])


class CTCLoss(FunctionModule, of=functional.ctc_loss):
    """-log of the probability of texts over all their alignments in time; see `ctc_loss`."""

    textbook = "L = −log Σ(P of every alignment of T with Y)"

    def __init__(
        self, blank: int = 0, reduction: str = "mean", zero_infinity: bool = False
    ) -> None:
        super().__init__()
        check_reduction("CTCLoss", reduction)
        self.blank = blank
        self.reduction = reduction
        self.zero_infinity = zero_infinity

    def forward(
        self, log_probs: Tensor, targets: Any, input_lengths: Any, target_lengths: Any
    ) -> Tensor:
        rest = [getattr(self, name) for name in self._settings]
        return self._of(log_probs, targets, input_lengths, target_lengths, *rest)


class MultiLabelMarginLoss(_Loss, of=functional.multilabel_margin_loss):
    """Margins between classes that are targets and that are not; see `multilabel_margin_loss`."""


class MultiLabelSoftMarginLoss(_Loss, of=functional.multilabel_soft_margin_loss):
    """The binary cross-entropy of the logits of each class; see `multilabel_soft_margin_loss`.
    `weight` (C,) is a buffer."""

    def __init__(self, weight: Any = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self._keep("weight", weight)


class MultiMarginLoss(_Loss, of=functional.multi_margin_loss):
    """Margins between the target and the other classes; see `multi_margin_loss`. `weight` (C,) is a
    buffer."""

    def __init__(
        self, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: str = "mean"
    ) -> None:
        super().__init__(reduction)
        self.p = p
        self.margin = margin
        self._keep("weight", weight)


for _name in __all__:
    globals()[_name].__init__ = in_old_words(globals()[_name].__init__)
