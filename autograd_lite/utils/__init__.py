"""PyTorch's `utils`: `utils.data` is `nn.data`; `utils.checkpoint`, `utils.tensorboard`."""

from importlib import import_module
from typing import Any

from ..absent import missing


def __getattr__(name: str) -> Any:
    if name in ("data", "checkpoint", "tensorboard"):
        return import_module(f"{__name__}.{name}")
    raise missing(__name__, name)
