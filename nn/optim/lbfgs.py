"""L-BFGS: steps along a direction that the last gradients give, found by calling the closure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import Tensor, enable_grad
from autograd_lite.engine.versions import changed
from autograd_lite.interrupts import whole

from .optimizer import Array, Group, Optimizer, given, quiet

__all__ = ["LBFGS"]

LISTS = ("old_dirs", "old_stps", "ro")
LOWER, FLATTER = 1e-4, 0.9  # of the strong Wolfe conditions: how much lower, how much flatter


class Point(NamedTuple):
    """A place along the direction: how far, the loss, its gradient and its slope there."""

    t: float
    f: float
    g: Array
    slope: float


class LBFGS(Optimizer):
    """L-BFGS: Newton's direction, from the last `history_size` differences of gradients.

    d = -H g with the two-loop recursion; p += t * d, where t is lr (in the first step min(1, 1 /
    sum|g|) * lr), or found by a search with `line_search_fn="strong_wolfe"`. One step goes on for
    `max_iter` iterations or `max_eval` calls of the closure, by default 1.25 times as many, until
    no gradient is above `tolerance_grad` or nothing moves by `tolerance_change`.
    (Nocedal and Wright, Numerical Optimization, algorithms 3.5, 3.6, 7.4 and 7.5.)

    ValueError for several groups of parameters, and for another line search.

    >>> p = tensor([1.0, 5.0], requires_grad=True)
    >>> optimizer = LBFGS([p], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = ((p - tensor([3.0, 4.0])) ** 2).sum()
    ...     loss.backward()
    ...     return loss
    >>> optimizer.step(closure).item()
    5.0
    >>> p.round().tolist()
    [3.0, 4.0]
    """

    numbers = ("lr", "tolerance_grad", "tolerance_change")

    asks_again = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        if max_eval is None:
            max_eval = max_iter * 5 // 4
        super().__init__(params, given(locals()))

    def _check(self, options: Group) -> None:
        super()._check(options)
        if options["line_search_fn"] not in (None, "strong_wolfe"):
            raise ValueError(
                f"LBFGS: line_search_fn is {options['line_search_fn']!r}; give 'strong_wolfe' or "
                "None"
            )

    def add_param_group(self, param_group: Group) -> None:
        """ValueError for a second group: the direction is one for all parameters."""
        if self.param_groups:
            raise ValueError("LBFGS: one group of parameters, without options of their own")
        super().add_param_group(param_group)

    # ---- the parameters as one vector

    def _gradient(self) -> Array:
        """The gradients in a row; 0 where there is none."""
        for p in self.param_groups[0]["params"]:
            if p.grad is not None and (not isinstance(p.grad, Tensor) or p.grad.shape != p.shape):
                raise self._misfit(p)
        return np.concatenate(
            [
                np.zeros(p.array.size, p.dtype) if p.grad is None else p.grad.array.ravel()
                for p in self.param_groups[0]["params"]
            ]
        )

    def _place(self, start: list[Array], d: Array, t: float) -> None:
        """Put the parameters where they were at the start, and t * d further."""
        done = 0
        for p, a in zip(self.param_groups[0]["params"], start, strict=True):
            p.array[...] = a + d[done : done + a.size].reshape(a.shape) * t
            changed(p)
            done += a.size

    # ---- the step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move the parameters; returns the loss before. `closure`, which is called several times,
        computes the loss and its gradients. If it raises, the parameters are where they were.

        TypeError without a closure.
        """
        if closure is None:
            raise TypeError(
                "LBFGS.step: a closure is needed, a function that calls zero_grad() and backward() "
                "and returns the loss; it is called several times"
            )
        params = self.param_groups[0]["params"]
        for p in params:
            if not p.array.flags.writeable:
                self._plan(p)  # which says so
        before = [p.array.copy() for p in params]

        def evaluate() -> Any:
            with enable_grad():
                return closure()

        state = {"func_evals": 0, "n_iter": 0, **self.state.get(params[0], {})}
        state |= {name: list(state.get(name, ())) for name in LISTS}
        self.stepped = True
        try:
            loss = quiet.context.copy().run(self._minimize, evaluate, state)
            self.state[params[0]] = state
        except BaseException:
            whole(self._place, before, np.zeros(sum(a.size for a in before)), 0.0)
            raise
        return loss

    def _minimize(self, closure: Callable[[], Any], state: dict[str, Any]) -> Any:
        group = self.param_groups[0]
        lr, least = float(group["lr"]), group["tolerance_change"]
        first = closure()
        loss, g, evals = number(first), self._gradient(), 1
        state["func_evals"] += 1
        if largest(g) <= group["tolerance_grad"]:
            return first
        for i in range(1, group["max_iter"] + 1):
            state["n_iter"] += 1
            if state["n_iter"] == 1:
                d, t = -g, min(1.0, 1.0 / float(np.abs(g).sum())) * lr
                state["H_diag"] = 1
            else:
                self._remember(state, g, group["history_size"])
                d, t = direction(state, g), lr
            state |= {"d": d, "t": t, "prev_flat_grad": g, "prev_loss": loss}
            slope = float(g @ d)
            if slope > -least:
                break
            before, done = loss, False
            start = [p.array.copy() for p in group["params"]]
            if group["line_search_fn"]:

                def at(t: float) -> Point:
                    self._place(start, d, t)  # noqa: B023  called in this round alone
                    f, g = number(closure()), self._gradient()
                    return Point(t, f, g, float(g @ d))  # noqa: B023

                point = Point(0.0, loss, g, slope)
                found, calls = search(at, t, point, largest(d), least, group["max_eval"] - evals)
                t, loss, g = found.t, found.f, found.g
                self._place(start, d, t)
                state["t"] = t
            else:
                self._place(start, d, t)
                calls = 0
                if i != group["max_iter"]:  # after the last one nobody asks
                    loss, g, calls = number(closure()), self._gradient(), 1
            evals += calls
            state["func_evals"] += calls
            done = calls > 0 and largest(g) <= group["tolerance_grad"]
            still = largest(d * t) <= least or abs(loss - before) < least
            if evals >= group["max_eval"] or done or still:
                break
        return first

    def _remember(self, state: dict[str, Any], g: Array, size: int) -> None:
        """Keep the last step and what it did to the gradient, where the curvature is positive."""
        y, s = g - state["prev_flat_grad"], state["d"] * state["t"]
        ys = y @ s
        if ys > 1e-10:
            for name, value in zip(LISTS, (y, s, 1.0 / ys), strict=True):
                state[name] = [*state[name], value][-size:]
            state["H_diag"] = ys / (y @ y)

    # ---- saving

    def state_dict(self) -> dict[str, Any]:
        """A copy of the state and the options, with PyTorch's structure and NumPy arrays."""
        params = self.param_groups[0]["params"]
        state = {k: copied(v) for k, v in self.state.get(params[0], {}).items()}
        group = {**self.param_groups[0], "params": list(range(len(params)))}
        return {"state": {0: state} if state else {}, "param_groups": [group]}

    def _loaded(
        self, where: str, number: int, saved: dict[str, Any], p: Tensor, options: Group
    ) -> dict[str, Any]:
        size = sum(q.array.size for q in self.param_groups[0]["params"])
        state = {k: copied(v) for k, v in saved.items() if k != "al"}  # which is scratch
        for name in ("d", "prev_flat_grad"):
            if name in state and state[name].shape != (size,):
                raise ValueError(
                    f"{where}: {name!r} of shape {state[name].shape} does not fit parameters of "
                    f"{size} elements"
                )
        return state


def number(loss: Any) -> float:
    return float(loss.item() if isinstance(loss, Tensor) else loss)


def largest(x: Array) -> float:
    return float(np.abs(x).max(initial=0))


def copied(x: Any) -> Any:
    """A copy; arrays of tensors, numbers of arrays of one."""
    if isinstance(x, list):
        return [copied(v) for v in x]
    a = np.array(x)
    return a if a.ndim else a[()] if isinstance(x, np.generic | np.ndarray) else x


def direction(state: dict[str, Any], g: Array) -> Array:
    """-H g by the two-loop recursion."""
    steps = list(zip(*(state[name] for name in LISTS), strict=True))
    q, factors = -g, []
    for y, s, ro in reversed(steps):
        factors.append((s @ q) * ro)
        q = q - y * factors[-1]
    r = q * state["H_diag"]
    for (y, s, ro), a in zip(steps, reversed(factors), strict=True):
        r = r + s * (a - (y @ r) * ro)
    return r


def search(
    at: Callable[[float], Point], t: float, start: Point, far: float, least: float, calls: int
) -> tuple[Point, int]:
    """A point that satisfies the strong Wolfe conditions, and how often the loss was computed: at
    most `calls` times more after the first. `far` is the longest way of a parameter for t = 1."""

    def is_low(p: Point) -> bool:
        return p.f <= start.f + LOWER * p.t * start.slope

    def is_flat(p: Point) -> bool:
        return abs(p.slope) <= -FLATTER * start.slope

    last, new, n = start, at(t), 0
    while n < calls:  # go further until a minimum lies behind
        if not is_low(new) or (n > 1 and new.f >= last.f):
            break
        if is_flat(new):
            return new, n + 1
        if new.slope >= 0:
            break
        further = cubic(last, new, new.t + 0.01 * (new.t - last.t), 10 * new.t)
        last, new, n = new, at(further), n + 1
    ends = [last if n < calls else start, new]
    low = int(ends[0].f > ends[1].f)
    stuck = False
    while n < calls and abs(ends[1].t - ends[0].t) * far >= least:
        left, right = sorted(p.t for p in ends)
        t, margin = cubic(ends[0], ends[1], left, right), 0.1 * (right - left)
        close = min(right - t, t - left) < margin
        if close and (stuck or t >= right or t <= left):
            t = right - margin if abs(t - right) < abs(t - left) else left + margin
            close = False
        stuck = close
        new, n = at(t), n + 1
        if not is_low(new) or new.f >= ends[low].f:
            ends[1 - low] = new
            low = int(ends[0].f > ends[1].f)
            continue
        if is_flat(new):
            return new, n + 1
        if new.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = new
    return ends[low], n + 1


def cubic(a: Point, b: Point, low: float, high: float) -> float:
    """Where the cubic through two points with their slopes is least, within bounds."""
    near, far = (a, b) if a.t <= b.t else (b, a)
    width = far.t - near.t
    if not width:
        return (low + high) / 2
    bend = near.slope + far.slope - 3 * (near.f - far.f) / (near.t - far.t)
    square = bend * bend - near.slope * far.slope
    if not square >= 0:
        return (low + high) / 2
    root = math.sqrt(square)
    below = far.slope - near.slope + 2 * root
    t = far.t - width * ((far.slope + root - bend) / below) if below else math.inf
    return min(max(t, low), high)
