"""A learner's pair as a function of named arrays, and inputs that it runs on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from copy import deepcopy
from itertools import islice
from typing import Any

import numpy as np

from ...engine.arrays import unboxed
from ...engine.modes import enable_grad, like_numpy
from ...engine.tape import Array, tape
from ...engine.tensor import Tensor
from ...engine.user import quiet
from ..answers.naming import own_words
from ..source.places import is_own
from .buffers import buffers, named_throughout
from .execution import N, Shape, generators, same_numbers
from .pairs import Run, pair_of
from .shapes import Failure, choices_for, drawn, in_order, unfit
from .torch_code import Torch, numbers, uses_torch

MOST_OTHERS = 200  # errors that are not about shapes, until it is said that these are the cause
MOST_TRIALS = 1_000  # x, w1, b1, w2, b2 can have 26,244 shapes: the 13th fits
MOST_INPUTS = 5  # whose shapes are looked for together
PASSED_ON = (str, bool, int)  # options of a forward: no arrays


class Function:
    """What a pair computes, as a function of named arrays."""

    def __init__(self, forward: Any, backward: Any = None, effort: float = 1.0) -> None:
        self.effort = effort
        self.words: dict[Tensor, str] = {}  # what the last run calls its Tensors
        self.parameters: dict[str, Any] = {}
        self.torch = Torch.of(forward)
        if hasattr(forward, "named_parameters") and self.torch is None:
            forward = deepcopy(forward)  # its parameters get other values
            self.parameters = dict(forward.named_parameters())
        self.pair = pair_of(forward, backward)
        self.names = list(self.pair.names)
        self.parameters = {
            f"parameter {name}" if name in self.names else name: p
            for name, p in self.parameters.items()
        }
        self.options: dict[str, Any] = {}  # inputs that are passed on as they are
        self.groups: dict[str, dict[str, str]] = {}  # of dictionaries: the names of their arrays
        self.generators = generators(self.pair.owners)
        self.also: Callable[[], bool] = lambda: True  # what an edit that mends it has to leave so

    def given(self, inputs: Sequence[Any] | Mapping[str, Any] | None) -> dict[str, Any]:
        """For every name an array, a shape, or None."""
        by_name = self.in_names({} if inputs is None else inputs)
        found: dict[str, Any] = {}
        for name in self.names:
            value = by_name.get(name)
            if isinstance(value, Mapping):
                self.options[name], self.groups[name] = value, {}
                for key, array in value.items():
                    if np.asarray(unboxed(array)).dtype.kind == "f" and np.ndim(unboxed(array)):
                        leaf = str(key) if key not in (*self.names, *found) else f"{name}.{key}"
                        self.groups[name][key] = leaf
                        found[leaf] = as_input(array)
            elif isinstance(value, PASSED_ON) or (
                callable(value) and not isinstance(value, Tensor)
            ):
                self.options[name] = value
            else:
                found[name] = as_input(value)
        parameters = self.parameters if self.torch is None else self.torch.parameters()
        return found | {name: as_input(p) for name, p in parameters.items() if name not in found}

    def in_names(self, inputs: Any) -> Mapping[str, Any]:
        """The inputs by name; those that have a default are inputs only where they are given."""
        if isinstance(inputs, tuple) and inputs and all(type(n) is int for n in inputs):
            raise ValueError(
                f"check_backward: inputs={inputs} is one shape; one for each input is "
                f"inputs=({inputs},)"
            )
        if isinstance(inputs, np.ndarray | Tensor):
            raise TypeError("check_backward: inputs is one array; write inputs=(array,)")
        if not isinstance(inputs, Mapping):
            if not self.names:
                self.names = self.pair.names = [f"x{i}" for i in range(len(inputs))]
            self.names += self.pair.optional[: max(len(inputs) - len(self.names), 0)]
            if len(inputs) > len(self.names):
                raise ValueError(
                    f"check_backward: {len(inputs)} inputs, but the forward takes "
                    f"{len(self.names)} ({', '.join(self.names)})"
                )
            inputs = dict(zip(self.names, inputs, strict=False))
        if not self.names:
            raise ValueError(
                "check_backward: the inputs of the forward are not known by name; write it as "
                "lambda x, w: ..., or give inputs=(...) in order"
            )
        self.names += [name for name in self.pair.optional if name in inputs]
        self.names = list(dict.fromkeys(self.names))
        for name in inputs:
            if name not in self.names:
                raise ValueError(
                    f"check_backward: the forward has no input called {name!r}; it has "
                    f"{', '.join(self.names)}"
                )
        return inputs

    def again(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        """What takes the place of what was given: shapes are looked for, zeros are drawn; None if
        there is nothing to change."""
        if all(v is None for v in given.values()):
            return None
        fresh: dict[str, Any] = {}
        all_given = all(isinstance(v, np.ndarray) for v in given.values())
        for name, v in given.items():
            if isinstance(v, np.ndarray) and v.dtype.kind == "f":
                own = name in self.parameters or name not in self.names
                shape = tuple(n or N for n in v.shape)
                fresh[name] = shape if own or (all_given and not v.any()) else v
                if not all_given and not own:
                    fresh[name] = None
            else:
                fresh[name] = v if isinstance(v, np.ndarray) else None
        same = all(a is b for a, b in zip(fresh.values(), given.values(), strict=True))
        return None if same else fresh

    def values(self, leaves: Mapping[str, Any]) -> list[Any]:
        """The arguments of the forward, with these in the place of its arrays."""
        found = []
        for name in self.names:
            if name in self.groups:
                own = {key: leaves[leaf] for key, leaf in self.groups[name].items()}
                rest = {k: deepcopy(v) for k, v in self.options[name].items() if k not in own}
                found.append({k: own[k] if k in own else rest[k] for k in self.options[name]})
            elif name in self.options:
                found.append(self.options[name])
            else:
                found.append(leaves[name])
        return found

    def on_tensors(
        self, arrays: Mapping[str, Array], numpy_code: bool, written: bool = False
    ) -> tuple[Run, dict[str, Tensor]]:
        """The run on Tensors with copies, and these by name; `written` says that arrays which the
        forward makes to write into are Tensors too."""
        tensors = {
            name: Tensor(a.copy(), requires_grad=a.dtype.kind == "f", name=name)
            for name, a in arrays.items()
            if name not in self.parameters
        }
        for name, p in self.parameters.items():
            p.array = arrays[name].copy()
        words = like_numpy() if numpy_code else quiet()
        still = np.errstate(all="ignore")
        filled = buffers(self.pair.owners) if written else nullcontext()
        random = same_numbers(self.generators)
        with words, enable_grad(), still, random, filled, own_words(is_own) as own:
            run = self.pair.run(self.values(tensors))
        if written:
            named_throughout(own)
        self.words = own
        return run, tensors | self.parameters

    def on_arrays(self, arrays: Mapping[str, Array]) -> Run | None:
        """The run on arrays; None if the forward is not made for them."""
        if self.parameters or self.torch is not None:
            return None
        try:
            with np.errstate(all="ignore"), same_numbers(self.generators):
                run = self.pair.run(self.values({n: a.copy() for n, a in arrays.items()}))
        except Exception:  # noqa: BLE001  (methods that arrays have not, other shapes)
            return None
        return run if all(map(is_array, run.outputs)) else None

    def fitting(self, given: Mapping[str, Any]) -> dict[str, Array]:
        """An array for every name: those given, and random ones of the first shapes that run."""
        unknown = [name for name, v in given.items() if v is None]
        choices = choices_for(given)
        if len(unknown) > MOST_INPUTS:
            raise ValueError(
                f"check_backward: the shapes of {len(choices)} inputs are too many to try; give "
                "them, as in inputs=((5, 3), (4, 3), (4,))"
            )
        misfits: list[Failure] = []  # the first that is about shapes
        others: list[Failure] = []
        square = None  # inputs that give an array of equal sizes, such as x.T @ x
        for picked in islice(in_order(choices), MOST_TRIALS):
            arrays, result = self.finite(dict(zip(given, picked, strict=True)))
            if isinstance(result, ValueError | IndexError):  # as arrays of wrong shapes raise
                misfits = misfits or [(result, arrays)]
            elif isinstance(result, Exception):
                others.append((result, arrays))
                if len(others) == MOST_OTHERS:
                    break
            elif result is not None:
                if not unknown or not has_square(result):
                    return arrays
                square = square or arrays
        if square is None:
            failure = next(iter(others + misfits), None)
            error = failure[0] if failure else None
            raise ValueError(f"check_backward: {unfit(choices, failure)}") from error
        return square

    def finite(
        self, given: Mapping[str, Any]
    ) -> tuple[dict[str, Array], list[Any] | Exception | None]:
        """Arrays, random ones for shapes, and the outputs if they are finite; or the exception."""
        arrays: dict[str, Array] = {}
        for arrays in drawn(given):
            try:
                outputs = self.tried(arrays)
            except Exception as error:  # noqa: BLE001  (shapes that do not fit fail in any way)
                if isinstance(error, NoTensor):
                    raise error.told from None
                if "math domain" in str(error):
                    continue
                return arrays, error
            if all(np.isfinite(array_of(y)).all() for y in outputs):
                return arrays, outputs
        return arrays, None

    def tried(self, arrays: Mapping[str, Array]) -> list[Any]:
        """The outputs, recorded if they can be."""
        plain = self.on_arrays(arrays)
        if self.torch is not None:
            return self.torch.run(self, arrays).outputs
        try:
            run, _ = self.on_tensors(arrays, plain is not None)
            check_outputs(run.outputs)
        except Exception:
            if plain is not None:
                return plain.outputs
            if uses_torch(self.pair.forward):
                try:
                    self.torch = Torch(None)
                    return self.torch.run(self, arrays).outputs
                except Exception:  # noqa: BLE001  (it is no torch code)
                    self.torch = None
            raise
        return run.outputs


class NoTensor(Exception):
    """A forward that runs, and gives what has no gradient: other shapes will not mend that."""

    def __init__(self, told: Exception) -> None:
        self.told = told


def is_array(y: Any) -> bool:
    return isinstance(y, np.ndarray | np.generic | float)


def array_of(y: Any) -> Array:
    """A Tensor's array, torch's too."""
    if hasattr(y, "detach") and not isinstance(y, Tensor):
        return numbers(y)
    return np.asarray(unboxed(y))


def has_square(outputs: Sequence[Any]) -> bool:
    """Whether an array of equal sizes is met: it lets a transpose pass."""
    recorded = [y for y in outputs if isinstance(y, Tensor)]
    met = tape(*recorded) if recorded else outputs
    return any(len(set(np.shape(t))) < np.ndim(array_of(t)) for t in met)


def as_input(value: Any) -> Array | Shape | None:
    """A float64 or integer array, a shape, or None for what is to be found."""
    if value is None:
        return None
    if isinstance(value, tuple) and all(isinstance(n, int) for n in value):
        return value
    a = np.array(array_of(value))
    if a.dtype.kind not in "fiub":
        raise TypeError(
            f"check_backward: an input is a {type(value).__name__}; give arrays of numbers, or "
            "shapes as tuples of ints"
        )
    if not np.isfinite(a).all():
        raise ValueError("check_backward: an input has NaN or infinities; give finite numbers")
    return a.astype(np.float64) if a.dtype.kind == "f" else a


def check_outputs(outputs: Sequence[Any]) -> None:
    """Raise unless the forward gave Tensors, and at least one that was recorded."""
    for y in outputs:
        if not isinstance(y, Tensor):
            raise NoTensor(
                TypeError(
                    f"check_backward: the forward returned a {type(y).__name__}; it must return "
                    "one Tensor: use operators and NumPy functions, no float() or np.asarray()"
                )
            )
    if not any(y.requires_grad for y in outputs):
        raise NoTensor(
            ValueError(
                "check_backward: the output of the forward does not depend on its inputs by "
                "recorded operations; give floats, and use no detach() or no_grad()"
            )
        )
