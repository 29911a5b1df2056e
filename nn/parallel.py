"""PyTorch's `nn.parallel`: a model on every rank, and what runs on several GPUs on the one CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd_lite import Tensor, default_generator, distributed
from autograd_lite.absent import missing
from autograd_lite.engine import backward
from autograd_lite.engine.versions import changed
from autograd_lite.interrupts import whole

from .layers import BatchNorm1d
from .module import Module

__all__ = ["DataParallel", "DistributedDataParallel"]


def __getattr__(name: str) -> Any:
    raise missing(__name__, name)


class DataParallel(Module):
    """Calls `module`, which is all that PyTorch's does without a GPU; the names of parameters begin
    with "module.".

    >>> model = DataParallel(nn.Linear(2, 1))
    >>> [name for name, _ in model.named_parameters()]
    ['module.weight', 'module.bias']
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0
    ) -> None:
        super().__init__()
        self.module = module

    def forward(self, *inputs: Any, **kw: Any) -> Any:
        return self.module(*inputs, **kw)


class DistributedDataParallel(Module):
    """A model that every rank has: its parameters are those of rank 0, and each `backward()` ends
    with the mean over the ranks in place of the gradients of this one.

    Each rank gives it its own part of a batch. Where the parts have different sizes, set `weight`
    to that size before the backward, so that the mean over ranks is that over samples: the gradient
    is sum(weight * g) / sum(weight). A parameter that no rank has used keeps `grad` None. Every
    rank has to make the same number of backwards. The random numbers of the ranks part here, so
    that each has dropout of its own.

    It works in `nn.train.fit`, with `compile`, and with gradients added up in `no_sync()`. Names of
    parameters begin with "module."; PyTorch's further words are taken and change nothing.
    RuntimeError where the ranks have different models; ValueError without `init_process_group()`,
    and for BatchNorm, whose statistics would be those of a part.

    >>> from autograd_lite import distributed
    >>> distributed.init_process_group()                         # doctest: +SKIP
    >>> model = DistributedDataParallel(nn.Linear(2, 1))         # doctest: +SKIP
    """

    def __init__(self, module: Module, weight: float = 1.0, **torchs: Any) -> None:
        super().__init__()
        size = distributed.get_world_size()
        if unknown := torchs.keys() - TORCHS:
            raise TypeError(f"DistributedDataParallel: it has no option {min(unknown)!r}")
        for name, part in module.named_modules() if size > 1 else ():
            tracks = getattr(part, "running_mean", None) is not None
            if tracks or isinstance(part, BatchNorm1d):
                raise ValueError(
                    f"DistributedDataParallel: {name or 'the module'!r} is a "
                    f"{type(part).__name__}, whose statistics would be those of one rank's part of "
                    "the batch; use LayerNorm or GroupNorm"
                )
        self.module, self.weight, self.synced = module, weight, True
        trained: list[Tensor] = [p for p in module.parameters() if p.requires_grad]
        self._begin()
        means = [
            Mean(self, [p for p in trained if p.dtype == dtype])
            for dtype in sorted({p.dtype for p in trained}, key=str)
        ]

        def arrived(p: Tensor) -> None:
            if self.synced and means[0].take not in backward.ended:
                backward.ended.extend(mean.take for mean in means)

        for p in trained:
            p.register_post_accumulate_grad_hook(arrived)

    def _begin(self) -> None:
        """The same parameters and buffers on every rank, and random numbers of its own."""
        state = self.module.state_dict()
        made = [(name, t.shape, t.dtype.name) for name, t in state.items()]
        if any(other != made for other in distributed.gathered(made)):
            raise RuntimeError(
                "DistributedDataParallel: the ranks have different models; names, shapes and "
                "dtypes have to agree"
            )
        for t in state.values():
            distributed.broadcast(t)
        generator = default_generator()
        seed = distributed.gathered(int(generator.integers(2**63)))[0]
        bits = type(generator.bit_generator)(np.random.SeedSequence([seed, distributed.get_rank()]))
        generator.bit_generator.state = bits.state

    def forward(self, *inputs: Any, **kw: Any) -> Any:
        backward.ended.clear()  # of a backward that has failed
        return self.module(*inputs, **kw)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Backwards inside add up the gradients of this rank; the next one gives the mean."""
        before = self.synced
        try:
            self.synced = False
            yield
        finally:
            self.synced = before


class Mean:
    """The mean over ranks of the gradients of parameters of one dtype, in memory of its own."""

    def __init__(self, model: DistributedDataParallel, params: list[Tensor]) -> None:
        self.model, self.params = model, params
        # their elements, then how many ranks have each gradient, then the sum of the weights
        size = sum(p.array.size for p in params)
        self.flat = np.empty(size + len(params) + 1, params[0].dtype)
        self.counts = self.flat[size:-1]
        ends = np.cumsum([p.array.size for p in params])[:-1]
        parts = np.split(self.flat[:size], ends)
        self.parts = [a.reshape(p.shape) for a, p in zip(parts, params, strict=True)]

    def take(self) -> None:
        """Put the mean into the gradients, by one all_reduce in place."""
        for i, (p, part) in enumerate(zip(self.params, self.parts, strict=True)):
            self.counts[i] = p.grad is not None
            if p.grad is None:
                part[...] = 0
            else:
                np.multiply(p.grad.array, self.model.weight, out=part)
        self.flat[-1] = self.model.weight
        distributed.all_reduce(self.flat)
        whole(self.place)

    def place(self) -> None:
        for p, part, count in zip(self.params, self.parts, self.counts, strict=True):
            if count:
                grad = Tensor(np.empty_like(p.array)) if p.grad is None else p.grad
                np.divide(part, self.flat[-1], out=grad.array)
                changed(grad)
                p.grad = grad


# of PyTorch's: devices and buckets, and what the mean over all parameters makes needless
TORCHS = {
    "device_ids", "output_device", "dim", "broadcast_buffers", "process_group", "bucket_cap_mb",
    "find_unused_parameters", "gradient_as_bucket_view", "static_graph", "init_sync",
}  # fmt: skip
