"""autograd_lite: reverse-mode automatic differentiation on NumPy, to build, see and compare.

>>> import autograd_lite as torch  # names, defaults and behaviour are PyTorch's
>>> from autograd_lite import check_backward, compare, compile, derive, draw, formula, nn, ops
>>> x, model = torch.ones(2, 3), nn.Linear(3, 1)
>>> loss = (model(x) ** 2).mean()
>>> loss.backward()

Then `help` of any of these says how it is called, and has an example:

    draw(loss, model)                  the graph, with formulas and gradients; a film, slides
    derive(loss, model)                the backward pass as on paper, as LaTeX, as NumPy code
    compile(step)                      the same as fast code
    compare(loss, {"weight": dW})      gradients by hand: which is wrong, and which mistake it is
    check_backward(forward, backward)  a backward by hand: the line with the mistake, and the fix
    grad, jacobian, hessian, gradcheck derivatives of functions, to any order
    formula(ops.tanh)                  the derivative of an operation; `dir(ops)` lists them all
    nn, nn.functional, nn.optim, nn.data, nn.train, nn.diagnosis
                                       layers, losses, optimisers, data, a training loop, its faults

On the command line: `python -m autograd_lite doctor`, `grade` (homework) and `playground`.
"""

from __future__ import annotations

import builtins
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from . import linalg, numpy_words  # what NumPy's functions do with Tensors
from .conversion import device
from .creation import (
    arange,
    bernoulli,
    default_generator,
    empty,
    empty_like,
    eye,
    full,
    full_like,
    linspace,
    logspace,
    manual_seed,
    multinomial,
    normal,
    ones,
    ones_like,
    rand,
    rand_like,
    randint,
    randint_like,
    randn,
    randn_like,
    randperm,
    tensor,
    zeros,
    zeros_like,
)
from .engine import backward, copying, inplace, operators, protocol, versions  # methods of Tensor
from .engine import rules as functions
from .engine.arrays import get_default_dtype, set_default_dtype
from .engine.declare import public
from .engine.errors import MisfitError
from .engine.modes import enable_grad, inference_mode, is_grad_enabled, no_grad, set_grad_enabled
from .engine.op import Op, row_of
from .engine.rules import *
from .engine.rules import ops
from .engine.tape import tape
from .engine.tensor import Tensor, as_tensor
from .exchange import from_dlpack, from_numpy
from .places import Places
from .torch_words import *

# where files that 0.1.0 pickled look for Tensors and rows, and code that was written for it for Op
for place, kept in (("tensor", {"Tensor": Tensor}), ("ops", {"_row": row_of, "Op": Op})):
    vars(sys.modules.setdefault(f"{__name__}.{place}", ModuleType(place))).update(kept)
del place, kept


from . import special as special

# imported where they are first used, to keep `import autograd_lite` fast
LATER = {
    **dict.fromkeys(["AnomalyError", "detect_anomaly"], "anomaly"),
    **dict.fromkeys(
        ["grad", "hessian", "hvp", "jacobian", "jvp", "value_and_grad", "vjp"], "calculus"
    ),
    **dict.fromkeys(["GradcheckError", "gradcheck", "gradgradcheck"], "differences"),
    **dict.fromkeys(["Place", "origin_of", "record_lines"], "origin"),
    "formula": "program.expr",
    "assert_same": "comparison",
    "check": "comparison",
    "check_backward": "comparison",
    "compare": "comparison",
    "compare_layers": "comparison",
    "compile": "compilation",
    "Derivation": "derivation",
    "derive": "derivation",
    "Graph": "graph",
    "GraphRenderError": "graph",
    "draw": "graph",
    "autocast": "amp",
    "load": "files",
    "save": "files",
    "vmap": "func",
}
# in PyTorch's places
MODULES = {
    "amp", "autograd", "backends", "cuda", "distributed", "distributions", "func", "nn", "optim",
    "random", "testing", "utils",
}  # fmt: skip


def _reads(*about: Any) -> bool:  # who changes nothing in place needs no reader of rules
    return import_module(".program.expr", __name__).reads(*about)


versions.reads = _reads


def __getattr__(name: str) -> Any:
    if name in LATER:
        found = globals()[name] = getattr(import_module(f".{LATER[name]}", __name__), name)
        return found
    if name in MODULES:
        return import_module(f".{name}", __name__)
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module(".names", __name__).find(name)


def __dir__() -> list[str]:
    special = [name for name in globals() if name.startswith("__")]
    return sorted({*special, *NAMES, *MODULES, *import_module(".names", __name__).NAMES})


__version__ = "1.0.0rc1"
NAMES = [
    *public,
    *LATER,
    "MisfitError",
    "Op",
    "Tensor",
    "arange",
    "as_tensor",
    "bernoulli",
    "default_generator",
    "device",
    "empty",
    "empty_like",
    "enable_grad",
    "eye",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "get_default_dtype",
    "inference_mode",
    "is_grad_enabled",
    "linspace",
    "logspace",
    "manual_seed",
    "multinomial",
    "no_grad",
    "normal",
    "ones",
    "ones_like",
    "ops",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "set_default_dtype",
    "set_grad_enabled",
    "tape",
    "tensor",
    "zeros",
    "zeros_like",
]
__all__ = [
    name for name in NAMES if name not in vars(builtins)
]  # a star import leaves Python's sum alone
