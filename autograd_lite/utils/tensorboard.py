"""PyTorch's place of `SummaryWriter`, which is that of the package tensorboardX here."""

from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name != "SummaryWriter":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return import_module("tensorboardX").SummaryWriter
    except ImportError as error:
        raise ImportError(
            "utils.tensorboard: SummaryWriter is that of the package tensorboardX, which is not "
            "here; pip install tensorboardX"
        ) from error
