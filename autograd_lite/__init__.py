"""autograd_lite: reverse-mode automatic differentiation on NumPy, to build, see and compare."""

from . import functions, ops
from .creation import (
    arange,
    default_generator,
    eye,
    full,
    linspace,
    manual_seed,
    ones,
    ones_like,
    rand,
    randint,
    randn,
    randperm,
    zeros,
    zeros_like,
)
from .functions import *  # noqa: F403
from .tape import tape
from .tensor import (
    Tensor,
    as_tensor,
    enable_grad,
    get_default_dtype,
    is_grad_enabled,
    no_grad,
    set_default_dtype,
    set_grad_enabled,
    tensor,
)

concat = cat = functions.concatenate
