"""PyTorch's `nn.parallel` where there is one CPU: what runs on several GPUs runs the module."""

from __future__ import annotations

from typing import Any

from autograd_lite.absent import missing

from .module import Module

__all__ = ["DataParallel"]


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
