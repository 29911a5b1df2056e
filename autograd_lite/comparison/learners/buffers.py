"""Arrays that a forward fills place by place, as `out[:, t] = h`, recorded as Tensors.

NumPy's arrays take no Tensors, and so what loops write into `np.zeros(shape)` would make no tape.
Meanwhile the learner's code finds another `zeros` under the name that it has for NumPy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from ...engine.arrays import unboxed
from ...engine.rules import ops
from ...engine.tensor import Tensor
from ..source.places import is_own, reachable
from .seats import exchanged, refilled

MAKERS = ("zeros", "empty", "ones", "full", "zeros_like", "empty_like", "ones_like")


class Buffer(Tensor):
    """A Tensor that is written to. What is read from it has memory of its own, so that the record
    holds what was read whatever is written later."""

    def __getitem__(self, index: Any) -> Tensor:
        return super().__getitem__(index).clone()


def writable(make: Callable[..., Any]) -> Callable[..., Any]:
    """A maker of arrays that makes buffers of those of floats."""

    def made(*args: Any, **kw: Any) -> Any:
        a = make(*map(unboxed, args), **kw)
        return Buffer(a) if a.dtype.kind == "f" and a.ndim else a

    return made


class NumPy(ModuleType):
    """NumPy, with other makers of arrays."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)


NUMPY = NumPy("numpy")
vars(NUMPY).update({name: writable(getattr(np, name)) for name in MAKERS})
STANDINS = {id(np): NUMPY} | {id(getattr(np, name)): getattr(NUMPY, name) for name in MAKERS}


@contextmanager
def buffers(owners: Iterable[Any]) -> Iterator[None]:
    """What these functions and objects, and all that they reach, make with `np.zeros` and the like
    are buffers meanwhile."""
    own = [f for f in reachable(owners) if isinstance(f, FunctionType) and is_own(f.__code__)]
    with ExitStack() as stack:
        for names in {id(f.__globals__): f.__globals__ for f in own}.values():
            stack.enter_context(exchanged(names, STANDINS))
        for cell in {id(c): c for f in own for c in f.__closure__ or ()}.values():
            stack.enter_context(refilled(cell, STANDINS))
        yield


def named_throughout(words: dict[Tensor, str]) -> None:
    """Let buffers have their names before every change too."""
    for t, name in [*words.items()]:
        while isinstance(t, Buffer) or t.op is ops.put:
            words.setdefault(t, name)
            if t.op is not ops.put or t.parents[0] is None:
                break
            t = t.parents[0]
