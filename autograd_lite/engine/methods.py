"""The base of Tensor that operations put their methods on; `methods.pyi` tells type checkers."""

from __future__ import annotations


class Methods:
    """What rows, functions, operators and changes in place add to Tensor."""

    __slots__ = ()


def on_tensors(group: type) -> type:
    """Make the functions of a class methods of Tensors."""
    for name, value in vars(group).items():
        if callable(value) or isinstance(value, property | staticmethod):
            setattr(Methods, name, value)
    return group
