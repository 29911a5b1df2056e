"""What all optimisers share: parameter groups, state, and a step that happens wholly or not at all.

A step first looks at every gradient and makes what state is missing, which may fail; then it
updates, which may not. Updates run in place, and large arrays in blocks that stay in the cache:
one block of scratch memory serves all parameters. An optimizer that goes on for long has the same
updates done in C (`compilation/native/descent.py`), bit for bit, where there is a compiler.
"""

from __future__ import annotations

import copy
import functools
import math
import os
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextvars import Context
from itertools import chain
from typing import Any

import numpy as np

from autograd_lite import Tensor, enable_grad
from autograd_lite.engine.errors import kind_of
from autograd_lite.engine.rows import Rows
from autograd_lite.engine.versions import changed
from autograd_lite.interrupts import whole

__all__ = ["Optimizer"]

Array = np.ndarray[Any, Any]
Group = dict[str, Any]

# elements; measured for SGD and Adam from 2**12 to 2**16: at (1024, 1024) blocks of 2**16 take
# 0.55 of the time of the whole array at once
BLOCK = 2**16


PATIENCE = 100  # steps in NumPy, then the next in C: a rule is compiled once on a machine

# options that PyTorch saves and that mean nothing here
TORCH_ONLY = frozenset({"foreach", "fused", "capturable", "differentiable"})


class Quiet(threading.local):
    """A context of this thread in which NumPy neither warns nor raises.

    Running in it costs 0.1 us, `with np.errstate(...)` 0.7 us.
    """

    def __init__(self) -> None:
        self.context = Context()
        self.context.run(np.seterr, all="ignore")


quiet = Quiet()


class Plan:
    """How one array is updated: which parts, each with its scratch memory."""

    __slots__ = ("array", "shape", "dtype", "parts")

    def __init__(self, data: Array, parts: Iterable[tuple[Any, list[Array]]]) -> None:
        self.array, self.shape, self.dtype = data, data.shape, data.dtype
        self.parts = parts  # (index, scratch); one index None is the whole array


class Optimizer:
    """Base of the optimisers: a subclass says which options and state it has, and how to update.

    `params` is an iterable of tensors, of (name, tensor) pairs, or of dictionaries with "params"
    and options of their own; `defaults` are the options of groups that do not give them. `state`
    maps a parameter to a dictionary of arrays. Gradients that are None are skipped, with weight
    decay too. Overflow and NaN in an update are silent, as in PyTorch.

    ValueError for no parameters, a parameter given twice (PyTorch only warns within one group),
    one that is not a leaf, and options out of range; TypeError for what is not a tensor.

    As in PyTorch, a class of your own may also define `step` alone and keep in `self.state[p]`, a
    dictionary that is there when it is asked for, whatever it likes.

    >>> class Halving(Optimizer):
    ...     @no_grad()
    ...     def step(self, closure=None):
    ...         for p in self.param_groups[0]["params"]:
    ...             p.sub_(p.grad, alpha=self.defaults["lr"])
    ...             self.state[p]["last"] = p.grad.clone()
    >>> w = Tensor([3.0], requires_grad=True)
    >>> optimizer = Halving([w], {"lr": 0.5})
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist(), optimizer.state[w]["last"].tolist()
    ([0.0], [6.0])
    """

    knows: tuple[str, ...] = ()  # the names of the arrays that the state may have
    numbers: tuple[str, ...] = ()  # the options that are finite numbers from 0
    constants: tuple[str, ...] = ()  # the options that `_update` takes, in its order
    scratch = 1  # how many scratch arrays `_update` is given
    scalars: tuple[str, ...] = ()  # the names of the numbers in the state of a parameter
    asks_again = False  # whether a step needs the loss at several places, and so a closure
    counts = True  # whether PyTorch's state of this optimiser has "step"; ours always has it
    _turns = 0  # steps so far, up to PATIENCE
    _printed: Any = None  # the step in C

    def __init_subclass__(cls, **kw: Any) -> None:
        super().__init_subclass__(**kw)
        if "__init__" in vars(cls) and cls.__module__.startswith(__package__):
            setattr(cls, "__init__", with_switches(cls.__init__))  # noqa: B010  as mypy wants it

    def __init__(self, params: Iterable[Any], defaults: Group) -> None:
        self.defaults = dict(defaults)
        self.state: dict[Tensor, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[Group] = []
        self.stepped = self._steps_itself  # whose calls nobody counts
        self._plans: dict[Tensor, Plan] = {}
        self._pool = np.empty(0, np.uint8)
        if isinstance(params, Tensor | dict | str) or hasattr(params, "parameters"):
            raise TypeError(
                f"{self._name}: params is a {type(params).__name__}; give a list of tensors, "
                "model.parameters(), or a list of dictionaries"
            )
        groups = list(params)
        if not groups:
            raise ValueError(
                f"{self._name}: no parameters; is params a generator that was used up before, "
                "or a model without parameters?"
            )
        if not isinstance(groups[0], dict):
            groups = [{"params": params if isinstance(params, set | frozenset) else groups}]
        for group in groups:
            self.add_param_group(group)

    @property
    def _name(self) -> str:
        return type(self).__name__

    @property
    def _steps_itself(self) -> bool:
        """Whether `step` is a user's, and with it what is in the state."""
        cls = type(self)
        return cls.step is not Optimizer.step and cls.state_dict is Optimizer.state_dict

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)

    # ---- what a subclass says

    def _check(self, options: Group) -> None:
        """Raise ValueError for options out of range."""
        for name in self.numbers:
            check_number(self._name, name, options[name])

    def _buffers(self, group: Group) -> tuple[str, ...]:
        """The names of the arrays in the state of a parameter."""
        return self.knows

    def _passes_zeros(self, group: Group) -> bool:
        """Whether a step leaves what it updates as it is where the gradient is 0."""
        return False

    def _constants(self, group: Group) -> tuple[Any, ...]:
        """The options as `_update` wants them: Python numbers, which keep float32 arrays float32.

        Called before anything is changed.
        """
        values = [group[name] for name in self.constants]
        return tuple([value if isinstance(value, bool) else float(value) for value in values])

    def _initial(self, group: Group, name: str) -> float:
        """The first value of one of the state's arrays or numbers."""
        return 0.0

    def _advance(self, state: Group, k: tuple[Any, ...], n: int) -> tuple[Group, tuple[Any, ...]]:
        """The numbers in the state after a step, and what `_update` takes in place of `k`."""
        return {}, k

    def _first_numbers(self, group: Group) -> Group:
        """The numbers in a new state, which PyTorch rounds so."""
        return {name: np.array(self._initial(group, name), np.float32) for name in self.scalars}

    def _update(
        self, p: Array, g: Array, t: list[Array], state: list[Array], k: tuple[Any, ...], n: int
    ) -> None:
        """Change `p` and the state's arrays in place; `g` is not written to.

        Elementwise functions with `out=` alone, so that `compile` can write down what it does. `t`
        are scratch arrays, `k` the constants, and `n` counts the steps of this parameter that used
        its state, from 1.
        """
        raise NotImplementedError

    # ---- groups

    def add_param_group(self, param_group: Group) -> None:
        """Add parameters with options of their own: {"params": [...], "lr": 0.1}.

        >>> a, b = Tensor([1.0], requires_grad=True), Tensor([2.0], requires_grad=True)
        >>> optimizer = nn.optim.SGD([a], lr=0.1)
        >>> optimizer.add_param_group({"params": b, "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise TypeError(
                f"{self._name}: a parameter group is a dictionary with the key 'params', "
                f"got {_short(param_group)}"
            )
        group = {**param_group}
        params = group["params"]
        if isinstance(params, set | frozenset):
            raise TypeError(f"{self._name}: a set of parameters has no order; give a list")
        known_empty = hasattr(params, "__len__")
        params = [params] if isinstance(params, Tensor) else list(params)
        if params and all(isinstance(p, tuple) and len(p) == 2 for p in params):
            group["param_names"] = [name for name, _ in params]
            params = [p for _, p in params]
        if not params and not known_empty:
            raise ValueError(
                f"{self._name}: a parameter group is empty; was its generator used up before?"
            )
        for i, p in enumerate(params):
            if not isinstance(p, Tensor):
                raise TypeError(f"{self._name}: parameter {i} is a {kind_of(p)}, not a Tensor")
            if not p.is_leaf:
                raise ValueError(
                    f"{self._name}: parameter {i}, of shape {p.shape}, is the result of an "
                    "operation, not a leaf; give the tensor it was computed from, or detach() it"
                )
        given = {id(p) for group in self.param_groups for p in group["params"]}
        for i, p in enumerate(params):
            if id(p) in given:
                raise ValueError(
                    f"{self._name}: parameter {i}, of shape {p.shape}, is given twice; "
                    "a parameter belongs to one group, once"
                )
            given.add(id(p))
        group = {**self.defaults, **group}
        self._check(group)
        group["params"] = params
        self.param_groups.append(group)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget all gradients, or set them to 0 with `set_to_none=False`.

        A tensor whose gradient is None is skipped by `step`, one with zeros is not.
        """
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None  # 6 ns, where the property takes 71
                elif p.grad is not None:
                    if p.grad.op is not None:  # recorded by create_graph
                        p.grad = p.grad.detach()
                    p.grad.array.fill(0)
                    changed(p.grad)

    # ---- the step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update all parameters that have a gradient; returns what `closure()` returned, or None.

        `closure` computes the loss and its gradients; it is called once, before the update.
        ValueError or TypeError if a gradient does not have the shape and dtype of its parameter:
        then no parameter and no state has changed. Ctrl-C waits for the end of the update.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        work = self._work()
        self.stepped = True
        printed = self._printed
        if printed is None:
            whole(quiet.context.run, self._apply, work)
            self._turns += 1
            if self._turns == PATIENCE:
                self._printed = in_c()
        else:
            printed.prepare(self)
            whole(quiet.context.run, printed.apply, self, work)
        return loss

    def _apply(self, work: list[list[tuple[Any, ...]]]) -> None:
        """Do it; nothing here may raise, or half a step would remain."""
        update = self._update
        for p, g, plan, state, buffers, k in chain.from_iterable(work):
            data = plan.array
            n = 0
            if buffers:
                n = state["step"] = state["step"] + 1
                if self.scalars:
                    numbers, k = self._advance(state, k, n)
                    for name, x in numbers.items():
                        state[name][...] = x
            for index, t in plan.parts:
                if index is None:
                    update(data, g, t, buffers, k, n)
                else:
                    update(data[index], g[index], t, [b[index] for b in buffers], k, n)
            changed(p)

    def _work(self) -> list[list[tuple[Any, ...]]]:
        """What a step has to do to each group, with all checks made and all memory there."""
        work: list[list[tuple[Any, ...]]] = []
        new_states: dict[Tensor, dict[str, Any]] = {}
        nothing: dict[str, Any] = {}
        plans = self._plans
        few = False
        for group in self.param_groups:
            k = self._constants(group)
            names = self._buffers(group)
            items: list[tuple[Any, ...]] = []
            work.append(items)
            for p in group["params"]:
                grad = p._grad
                if grad is None:
                    continue
                plan = plans.get(p)
                if plan is None or plan.array is not p.array:
                    plan = self._plan(p)
                if grad.__class__ is Tensor:
                    g = grad.array
                else:
                    g = self._given(group, p, grad)
                    few |= g.__class__ is Rows
                if g.shape != plan.shape or (g.dtype is not plan.dtype and g.dtype != plan.dtype):
                    raise self._misfit(p)
                if not names:
                    items.append((p, g, plan, nothing, (), k))
                    continue
                state = self.state.get(p, nothing)
                if not state.keys() >= set(names):
                    new = {
                        name: np.full_like(p.array, self._initial(group, name))
                        for name in names
                        if name not in state
                    }
                    numbers = self._first_numbers(group)
                    state = new_states[p] = {"step": 0, **numbers, **state, **new}
                items.append((p, g, plan, state, [state[name] for name in names], k))
        if new_states:
            self.state.update(new_states)
        if few:
            return [
                [self._of_rows(*w) if w[1].__class__ is Rows else w for w in items]
                for items in work
            ]
        return work

    def _given(self, group: Group, p: Tensor, grad: Any) -> Any:
        """The gradient of `p`: its array, or the few rows that alone the step has to update."""
        if not isinstance(grad, Tensor):
            raise self._misfit(p)
        rows = getattr(grad, "rows", None)
        return grad.array if rows is None or not self._passes_zeros(group) else rows

    def _of_rows(self, p: Tensor, g: Rows, plan: Plan, state: Any, buffers: Any, k: Any) -> Any:
        """The work on the rows of `p` that `g` has."""
        index, values = g.merged()
        arrays = [plan.array, *buffers]
        parts = [a[index] for a in arrays]
        scratch = [np.empty_like(values) for _ in range(self.scratch)]

        def one_part() -> Iterator[Any]:
            yield None, scratch
            for array, part in zip(arrays, parts, strict=True):  # which are updated by now
                array[index] = part

        return p, values, Plan(parts[0], one_part()), state, parts[1:], k

    def _plan(self, p: Tensor) -> Plan:
        """How the array of `p` is updated; made when it is new, then kept."""
        data = p.array
        if not data.flags.writeable:
            raise ValueError(
                f"{self._name}.step: the array of a parameter of shape {p.shape} is read-only; "
                "make the parameter with tensor(array), which copies"
            )
        for name, a in self.state.get(p, {}).items():
            if name in self.knows and a.shape != data.shape:
                raise ValueError(
                    f"{self._name}.step: a parameter has shape {data.shape} now and had {a.shape} "
                    f"when its {name} was made; make a new optimiser"
                )
        indices = _blocks(data)
        if self._pool.nbytes < self.scratch * data[indices[0]].nbytes:
            arrays = [q.array for group in self.param_groups for q in group["params"]]
            self._pool = np.empty(self.scratch * max(a[_blocks(a)[0]].nbytes for a in arrays), "u1")
            self._plans.clear()
        parts = []
        for index in indices:
            t = [self._scratch(data[index], i) for i in range(self.scratch)]
            parts.append((None if index == ... else index, t))
        plan = self._plans[p] = Plan(data, parts)
        return plan

    def _scratch(self, like: Array, i: int) -> Array:
        """Scratch memory number `i` in the layout of `like`."""
        start = i * (self._pool.nbytes // self.scratch)
        strides = np.empty_like(like).strides
        return np.ndarray(like.shape, like.dtype, self._pool, start, strides)

    def _misfit(self, p: Tensor) -> Exception:
        """The error for a gradient that does not fit its parameter."""
        grad: Any = p._grad
        if not isinstance(grad, Tensor):
            return TypeError(
                f"{self._name}.step: the gradient of a parameter of shape {p.shape} is a "
                f"{kind_of(grad)}, not a Tensor; assign p.grad = Tensor(array)"
            )
        return (TypeError if grad.shape == p.shape else ValueError)(
            f"{self._name}.step: a gradient of shape {grad.shape} and dtype {grad.dtype} does not "
            f"fit its parameter of shape {p.shape} and dtype {p.dtype}; nothing was updated"
        )

    # ---- saving

    def state_dict(self) -> dict[str, Any]:
        """A copy of the state and the options, with PyTorch's structure and NumPy arrays.

        {"state": {i: {"step": ..., name: array}}, "param_groups": [{"lr": ..., "params": [i]}]},
        where i counts the parameters of all groups.
        """
        numbers: dict[Tensor, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers[p] = len(numbers)
            groups.append({**group, "params": [numbers[p] for p in group["params"]]})
        state = {}
        for p, number in numbers.items():
            if p in self.state and self._steps_itself:
                state[number] = copy.deepcopy(self.state[p])
            elif p in self.state:
                state[number] = {k: a.copy() for k, a in self.state[p].items() if k != "step"}
                if self.counts:
                    state[number]["step"] = np.array(self.state[p]["step"], np.float32)
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state and the options of `state_dict`, which is copied.

        PyTorch's are understood once their tensors are arrays. The parameters stay. ValueError,
        and nothing changes, if it has other groups, options or shapes than this optimiser.
        """
        where = f"{self._name}.load_state_dict"
        try:
            groups, states = state_dict["param_groups"], state_dict["state"]
        except (TypeError, KeyError):
            raise ValueError(f"{where}: the keys 'state' and 'param_groups' are needed") from None
        if len(groups) != len(self.param_groups):
            raise ValueError(
                f"{where}: {len(groups)} parameter groups are saved, "
                f"this optimiser has {len(self.param_groups)}"
            )
        new_groups, new_states = [], {}
        for i, (saved, group) in enumerate(zip(groups, self.param_groups, strict=True)):
            if len(saved["params"]) != len(group["params"]):
                raise ValueError(
                    f"{where}: group {i} has {len(saved['params'])} parameters in the file, "
                    f"{len(group['params'])} in this optimiser"
                )
            missing = sorted(self.defaults.keys() - saved.keys())
            if missing:
                raise ValueError(
                    f"{where}: group {i} lacks the options {', '.join(missing)}; "
                    "was it saved by another optimiser?"
                )
            options = {k: v for k, v in saved.items() if k not in TORCH_ONLY}
            self._check(options)
            new_groups.append({**copy.deepcopy(options), "params": group["params"]})
            for number, p in zip(saved["params"], group["params"], strict=True):
                if number in states:
                    new_states[p] = self._loaded(where, number, states[number], p, options)
        unknown = sorted(states.keys() - {n for saved in groups for n in saved["params"]})
        if unknown:
            raise ValueError(f"{where}: there is state for {unknown}, which no group lists")
        state = defaultdict(dict, {p: state for p, state in new_states.items() if state})
        whole(self.__dict__.update, {"param_groups": new_groups, "state": state, "_plans": {}})

    def _loaded(
        self, where: str, number: int, saved: dict[str, Any], p: Tensor, options: Group
    ) -> dict[str, Any]:
        """The state of one parameter, in its dtype and layout."""
        if self._steps_itself:
            return copy.deepcopy(saved)
        state: dict[str, Any] = {}
        for name, value in saved.items():
            if name == "step" or value is None:  # PyTorch saves a missing momentum as None
                continue
            a = np.asarray(value)
            if name in self.scalars and not a.ndim:
                state[name] = a.astype(np.float32)
                continue
            if name not in self.knows or a.shape != p.shape:
                raise ValueError(
                    f"{where}: {name!r} of shape {a.shape} does not fit parameter {number} of "
                    f"shape {p.shape}; this optimiser keeps {', '.join(self.knows)}"
                )
            state[name] = np.empty_like(p.array)
            state[name][...] = a
        if state:
            state["step"] = int(saved.get("step", 1))
        return state

    def __repr__(self) -> str:
        lines = [f"{self._name} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            options = sorted(k for k in group if k not in ("params", "param_names"))
            lines += [f"    {key}: {group[key]}" for key in options]
        return "\n".join([*lines, ")"])


# how PyTorch computes, not what: there is one way here
SWITCHES = {"foreach", "fused", "capturable", "differentiable"}


def with_switches(init: Callable[..., None]) -> Callable[..., None]:
    """An `__init__` that takes PyTorch's switches, which change nothing; RuntimeError for
    `differentiable=True`, which would."""

    @functools.wraps(init)
    def call(self: Any, *args: Any, **kw: Any) -> None:
        if kw.get("differentiable"):
            raise RuntimeError(
                f"{type(self).__name__}: steps are not recorded; for derivatives through one, "
                "write p - lr * g, as with torch.func"
            )
        init(self, *args, **{k: v for k, v in kw.items() if k not in SWITCHES})

    return call


def in_c() -> Any:
    """What makes steps in C where it can; None where NumPy code is asked for."""
    try:
        from autograd_lite.compilation.backend import VARIABLE
        from autograd_lite.compilation.native.descent import Printed
    except ImportError:  # which a sandbox bars
        return None
    return None if os.environ.get(VARIABLE) == "numpy" else Printed()


def given(arguments: Group) -> Group:
    """The options among the `locals()` of an `__init__`, whose signature declares them once."""
    return {k: v for k, v in arguments.items() if k not in ("self", "params", "__class__")}


def check_number(where: str, name: str, value: Any, below: float = math.inf) -> None:
    """ValueError unless `value` is a number from 0 to below `below`."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{where}: {name} is {value!r}, not a number") from None
    if not 0 <= number < below:
        upper = "" if below == math.inf else f" and below {below:g}"
        raise ValueError(f"{where}: {name} is {value!r}; it must be a finite number from 0{upper}")


def _blocks(a: Array) -> list[Any]:
    """Indices of parts of about BLOCK elements along the outermost axis; [...] for a small one."""
    if a.size <= 2 * BLOCK:
        return [...]
    axis = int(np.argmax([abs(s) if n > 1 else 0 for s, n in zip(a.strides, a.shape, strict=True)]))
    length = a.shape[axis]
    count = max(1, BLOCK * length // a.size)
    return [
        (slice(None),) * axis + (slice(start, start + count),) for start in range(0, length, count)
    ]


def _short(x: Any) -> str:
    text = repr(x)
    return text if len(text) < 60 else text[:57] + "..."
