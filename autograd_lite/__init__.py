"""autograd_lite: reverse-mode automatic differentiation on NumPy, to build, see and compare."""

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from .anomaly import AnomalyError, detect_anomaly
from .calculus import grad, hessian, hvp, jacobian, jvp, value_and_grad, vjp
from .check import GradcheckError, gradcheck, gradgradcheck
from .comparison import assert_same, check_backward, compare, compare_layers
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
from .engine import backward, copying, inplace, operators, protocol  # methods of Tensor
from .engine.arrays import get_default_dtype, set_default_dtype
from .engine.declare import public
from .engine.modes import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from .engine.op import Op, row_of
from .engine.rules import *
from .engine.rules import ops
from .engine.tape import tape
from .engine.tensor import Tensor, as_tensor, tensor
from .origin import Place, origin_of, record_lines
from .program.expr import formula

# where files that 0.1.0 pickled look for Tensors and rows
for place, kept in (("tensor", {"Tensor": Tensor}), ("ops", {"_row": row_of})):
    vars(sys.modules.setdefault(f"{__name__}.{place}", ModuleType(place))).update(kept)
del place, kept


def __getattr__(name: str) -> Any:
    """`draw`, `derive` and their like, imported at first use to keep `import autograd_lite` fast."""
    if name in ("Graph", "GraphRenderError", "draw"):
        from . import graph

        return getattr(graph, name)
    if name == "compile":
        from . import compilation

        return compilation.compile
    if name in ("Derivation", "derive"):
        from . import derivation

        return getattr(derivation, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *OWN})


if TYPE_CHECKING:
    from .compilation import compile
    from .derivation import Derivation, derive
    from .graph import Graph, GraphRenderError, draw

__version__ = "0.1.0"
OWN = [
    "AnomalyError",
    "Derivation",
    "GradcheckError",
    "Graph",
    "GraphRenderError",
    "Op",
    "Place",
    "Tensor",
    "arange",
    "as_tensor",
    "assert_same",
    "check_backward",
    "compare",
    "compare_layers",
    "compile",
    "default_generator",
    "derive",
    "detect_anomaly",
    "draw",
    "enable_grad",
    "eye",
    "formula",
    "full",
    "get_default_dtype",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "hessian",
    "hvp",
    "is_grad_enabled",
    "jacobian",
    "jvp",
    "linspace",
    "manual_seed",
    "no_grad",
    "ones",
    "ones_like",
    "ops",
    "origin_of",
    "rand",
    "randint",
    "randn",
    "randperm",
    "record_lines",
    "set_default_dtype",
    "set_grad_enabled",
    "tape",
    "tensor",
    "value_and_grad",
    "vjp",
    "zeros",
    "zeros_like",
]
if not TYPE_CHECKING:
    __all__ = [*OWN, *public]
