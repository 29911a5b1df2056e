"""PyTorch's names that the package gives without exporting them, so that a star import leaves
Python's `int` and `bool` alone; and why there is no such name."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache, wraps
from importlib import import_module
from inspect import Parameter, Signature
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import creation, cuda, dtypes, random, settings
from .absent import missing
from .conversion import Layout, strided
from .engine.axes import Shape
from .engine.tensor import Tensor


def embedding(
    weight: Tensor,
    indices: Any,
    padding_idx: int = -1,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Any:
    """`nn.functional.embedding` with the arguments of `torch.embedding`, whose `padding_idx` of -1
    is none.

    >>> embedding(zeros(3, 2), tensor([0, 2])).shape
    (2, 2)
    """
    rows = import_module(f"{__package__}.nn.functional").embedding
    row = None if padding_idx < 0 else padding_idx
    return rows(indices, weight, row, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


NO_GPU = {"is_available": cuda.is_available, "device_count": cuda.device_count}
NAMES: dict[str, Any] = {
    **dtypes.DTYPES,
    **dtypes.TYPES,
    **{name: getattr(random, name) for name in random.__all__},
    **{name: getattr(settings, name) for name in settings.__all__},
    "set_default_tensor_type": dtypes.set_default_tensor_type,
    "Size": Shape,
    "asarray": creation.asarray,
    "embedding": embedding,
    "initial_seed": creation.initial_seed,
    "scalar_tensor": creation.tensor,
    "dtype": np.dtype,
    "finfo": dtypes.finfo,
    "layout": Layout,
    "strided": strided,
    "iinfo": np.iinfo,
    "e": math.e,
    "inf": math.inf,
    "nan": math.nan,
    "newaxis": None,
    "preserve_format": None,  # whatever the order in memory is, NumPy follows it
    "contiguous_format": None,
    "channels_last": None,
    "accelerator": SimpleNamespace(current_accelerator=cuda.nothing, **NO_GPU),
    "xpu": SimpleNamespace(**NO_GPU),
    "version": SimpleNamespace(cuda=None, hip=None, xpu=None),
    "pi": math.pi,
}


# PyTorch has these twice, with their arguments in another order, or by other names, than F's
ORDERS = {
    **dict.fromkeys(
        ("dropout", "alpha_dropout", "feature_alpha_dropout"), "input p train=training"
    ),
    "batch_norm": "input weight bias running_mean running_var training momentum eps cudnn_enabled=",
}


@cache
def in_order(f: Callable[..., Any], order: str) -> Callable[..., Any]:
    """`f` with its arguments in this order; `name=other` is what `f` calls other, `name=` nothing.

    >>> in_order(lambda a, b: a - b, "b first=a unused=")(1, first=3)
    2
    """
    names = dict(
        word.partition("=")[::2] if "=" in word else (word, word) for word in order.split()
    )

    @wraps(f)
    def call(*args: Any, **words: Any) -> Any:
        if len(args) > len(names) or words.keys() & [*names][: len(args)]:
            raise TypeError(f"{f.__name__}: the arguments are {', '.join(names)}, each once")
        given = {**dict(zip(names, args, strict=False)), **words}
        return f(**{names.get(k, k): v for k, v in given.items() if names.get(k, k)})

    call.__module__ = str(__package__)  # where a pickle looks for it
    call.__signature__ = Signature([Parameter(k, Parameter.POSITIONAL_OR_KEYWORD) for k in names])  # type: ignore[attr-defined]
    return call


def find(name: str) -> Any:
    """What PyTorch has under this name; an AttributeError that says what to use instead."""
    if name in NAMES:
        return NAMES[name]
    if name.endswith("_") and not name.startswith("_") and hasattr(Tensor, name):
        return getattr(Tensor, name)  # what PyTorch also has as a function
    functional = import_module(f"{__package__}.nn.functional")
    if callable(found := getattr(functional, name, None)):  # no file of it
        return in_order(found, ORDERS[name]) if name in ORDERS else found
    raise missing(str(__package__), name)
