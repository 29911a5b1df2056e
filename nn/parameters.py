"""Lists and dictionaries of parameters that a module may hold."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Self

from autograd_lite import Tensor

from .module import Module, Parameter

__all__ = ["ParameterDict", "ParameterList"]


def trained(x: Any) -> Any:
    """A tensor as a parameter; anything else as it is."""
    return Parameter(x) if isinstance(x, Tensor) and not isinstance(x, Parameter) else x


class ParameterList(Module):
    """Parameters in a row, named 0, 1, 2, ... as in a list; tensors become parameters.

    >>> weights = ParameterList([tensor([1.0]), tensor([2.0])])
    >>> len(list(weights.parameters())), weights[-1].tolist()
    (2, [2.0])
    """

    def __init__(self, values: Iterable[Any] = ()) -> None:
        super().__init__()
        self._size = 0
        self.extend(values)

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self, str(i)) for i in range(self._size)])

    def _place(self, index: int) -> str:
        if not -self._size <= index < self._size:
            raise IndexError(f"ParameterList: index {index} is out of range; it has {self._size}")
        return str(index % self._size)

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return type(self)(list(self)[index])
        return getattr(self, self._place(index))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, self._place(index), trained(value))

    def __repr__(self) -> str:
        return listed(self, enumerate(self))

    def append(self, value: Any) -> Self:
        """Put a parameter at the end; returns self."""
        setattr(self, str(self._size), trained(value))
        self._size += 1
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Put parameters at the end; returns self."""
        for value in values:
            self.append(value)
        return self


def shown(x: Any) -> str:
    """A parameter or another value of a list, as its repr has it."""
    if not isinstance(x, Tensor):
        return f"Object of type: {type(x).__name__}"
    kind = "Parameter" if isinstance(x, Parameter) else "Tensor"
    return f"{kind} containing: [{x.dtype} of size {'x'.join(map(str, x.shape))}]"


def listed(parameters: Any, pairs: Iterable[tuple[Any, Any]]) -> str:
    """The repr of a list or a dict of parameters: a line for each."""
    lines = "".join(f"\n  ({key}): {shown(x)}" for key, x in pairs)
    return f"{type(parameters).__name__}({lines}" + "\n" * bool(lines) + ")"


class ParameterDict(Module):
    """Parameters by name, in the order in which they were put in; tensors become parameters.

    >>> weights = ParameterDict({"a": tensor([1.0])})
    >>> [name for name, _ in weights.named_parameters()], "a" in weights
    (['a'], True)
    """

    def __init__(self, parameters: Any = ()) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        self.update(parameters)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(f"ParameterDict: no parameter {key!r}; it has {', '.join(self._keys)}")
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        if hasattr(self, key) and key not in self._keys:
            raise KeyError(f"ParameterDict: there is an attribute {key!r} already")
        setattr(self, key, trained(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        delattr(self, key)
        del self._keys[key]

    def __repr__(self) -> str:
        return listed(self, self.items())

    get: Any = Mapping.get
    setdefault: Any = MutableMapping.setdefault

    def pop(self, key: str) -> Any:
        """Take a parameter out and return it. KeyError if there is none."""
        found = self[key]
        del self[key]
        return found

    def clear(self) -> None:
        """Take all parameters out."""
        for key in list(self):
            del self[key]

    def copy(self) -> Self:
        """Another dict of the same parameters."""
        return type(self)(self)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._keys.keys()

    def values(self) -> Iterable[Any]:
        """The parameters."""
        return [getattr(self, key) for key in self._keys]

    def items(self) -> Iterable[tuple[str, Any]]:
        """The pairs of name and parameter."""
        return [(key, getattr(self, key)) for key in self._keys]

    def update(self, parameters: Any) -> None:
        """Put in parameters from a mapping, or from pairs of name and parameter.

        A plain mapping is put in by the order of its names, as PyTorch does, an OrderedDict and
        another ParameterDict by their own.
        """
        pairs = parameters
        if isinstance(parameters, Mapping | ParameterDict):
            ordered = isinstance(parameters, OrderedDict | ParameterDict)
            pairs = parameters.items() if ordered else sorted(parameters.items())
        for key, value in pairs:
            self[key] = value
