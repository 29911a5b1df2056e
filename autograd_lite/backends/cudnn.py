"""PyTorch's `backends.cudnn`: switches, which may be set and do nothing."""

from ..cuda import is_available

__all__ = ["benchmark", "deterministic", "enabled", "is_available"]

enabled, benchmark, deterministic = False, False, True
