"""`amp` in the place that PyTorch's had first."""

from __future__ import annotations

from typing import Any

from .. import amp

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd"]

custom_fwd = custom_bwd = lambda function=None, **options: function or (lambda f: f)


class autocast(amp.autocast):
    """`amp.autocast` without the name of the device."""

    def __init__(self, enabled: bool = True, dtype: Any = None, cache_enabled: bool = True) -> None:
        super().__init__("cuda", dtype, enabled, cache_enabled)


class GradScaler(amp.GradScaler):
    """`amp.GradScaler` of a GPU, which does nothing here."""

    def __init__(self, *options: Any, **named: Any) -> None:
        super().__init__("cuda", *options, **named)
