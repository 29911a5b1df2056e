"""PyTorch's `backends`: switches of GPUs, which may be set and do nothing."""

from types import SimpleNamespace

from ..cuda import is_available
from . import cudnn

mps = SimpleNamespace(is_available=is_available, is_built=is_available)
cuda = SimpleNamespace(is_built=is_available, matmul=SimpleNamespace(allow_tf32=False))
mkldnn = SimpleNamespace(is_available=is_available)
