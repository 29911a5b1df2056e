"""The optimisers themselves: each is its options, its state and one update rule.

`t`, `u` are scratch arrays. The order of operations is chosen to need few of them; results agree
with PyTorch's to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .optimizer import Array, Group, Optimizer, check_number, given

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "RMSprop"]


def direction(p: Array, g: Array, t: Array, decay: float, maximize: bool) -> Array:
    """The gradient to go down: `g + decay * p`, with `-g` for `g` to maximize; in `t` or `g`."""
    if decay:
        np.multiply(p, decay, out=t)
        return (np.subtract if maximize else np.add)(t, g, out=t)
    return np.negative(g, out=t) if maximize else g


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum, Nesterov momentum and weight decay.

    d = g + weight_decay * p;  m = momentum * m + (1 - dampening) * d, at first m = d;
    p -= lr * m, or lr * (d + momentum * m) with nesterov, or lr * d without momentum.
    (Sutskever et al., "On the importance of initialization and momentum in deep learning", 2013.)

    ValueError for negative or NaN options, and for nesterov without momentum or with dampening.

    >>> p = tensor([1.0], requires_grad=True)
    >>> (3 * p).backward()
    >>> SGD([p], lr=0.5).step()
    >>> p.tolist()
    [-0.5]
    """

    knows = ("momentum_buffer",)
    numbers = ("lr", "momentum", "weight_decay")
    counts = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _check(self, options: Group) -> None:
        super()._check(options)
        dampening = options["dampening"]
        if not math.isfinite(dampening):
            raise ValueError(f"SGD: dampening is {dampening!r}; it must be a finite number")
        if options["nesterov"] and (options["momentum"] <= 0 or dampening != 0):
            raise ValueError(
                f"SGD: nesterov needs momentum above 0 and no dampening, got momentum="
                f"{options['momentum']} and dampening={dampening}"
            )

    def _buffers(self, group: Group) -> tuple[str, ...]:
        return self.knows if group["momentum"] else ()

    def _passes_zeros(self, group: Group) -> bool:
        return not (group["momentum"] or group["weight_decay"])

    def _constants(self, group: Group) -> tuple[Any, ...]:  # of a step's 9.5 us it saves 0.6
        decay = float(group["weight_decay"])
        momentum, dampening = float(group["momentum"]), float(group["dampening"])
        maximize = group["maximize"]
        return float(group["lr"]), decay, maximize, momentum, dampening, group["nesterov"]

    def _update(self, p: Array, g: Array, t: list[Array], state: Any, k: Any, n: int) -> None:
        lr, decay, maximize, momentum, dampening, nesterov = k
        (t0,) = t
        d = direction(p, g, t0, decay, maximize) if decay or maximize else g
        if state:
            (m,) = state
            if n == 1:
                m[...] = d
            else:
                np.multiply(m, momentum, out=m)
                np.add(m, np.multiply(d, 1 - dampening, out=t0) if dampening else d, out=m)
            if nesterov:
                np.multiply(d, lr, out=t0)
                np.subtract(p, t0, out=p)
                lr, d = lr * momentum, m
            else:
                d = m
        np.multiply(d, lr, out=t0)
        np.subtract(p, t0, out=p)


class Means(Optimizer):
    """What Adam and its kin share: options of running means of the gradient and of its square."""

    knows: tuple[str, ...] = ("exp_avg", "exp_avg_sq")
    numbers: tuple[str, ...] = ("lr", "eps", "weight_decay")

    def _check(self, options: Group) -> None:
        super()._check(options)
        try:
            b1, b2 = options["betas"]
        except (TypeError, ValueError):
            raise ValueError(
                f"{self._name}: betas is {options['betas']!r}; give two numbers"
            ) from None
        check_number(self._name, "betas[0]", b1, below=1)
        check_number(self._name, "betas[1]", b2, below=1)

    def _constants(self, group: Group) -> tuple[Any, ...]:
        b1, b2 = group["betas"]
        if not (b1 < 1 and b2 < 1):  # a scheduler may have set them
            raise ValueError(f"{self._name}: betas is {group['betas']!r}; both are below 1")
        lr, decay = float(group["lr"]), float(group["weight_decay"])
        shrink = 1.0
        if group.get("decoupled_weight_decay"):
            shrink, decay = 1 - lr * decay, 0.0
        return lr, float(b1), float(b2), float(group["eps"]), decay, shrink, group["maximize"]


def means(m: Array, v: Array, d: Array, t: Array, b1: float, b2: float) -> None:
    """Running means of `d` and of its square; `t` is scratch, and may be what holds `d`."""
    # m = (m * b1 / (1 - b1) + d) * (1 - b1) needs no scratch, which holds d
    np.multiply(m, b1 / (1 - b1), out=m)
    np.add(m, d, out=m)
    np.multiply(m, 1 - b1, out=m)
    np.multiply(v, b2, out=v)
    np.multiply(d, d, out=t)
    np.multiply(t, 1 - b2, out=t)
    np.add(v, t, out=v)


class Adam(Means):
    """Adam: steps scaled by running means of the gradient and of its square.

    d = g + weight_decay * p;  m = b1 * m + (1 - b1) * d;  v = b2 * v + (1 - b2) * d**2;
    p -= lr * (m / (1 - b1**n)) / (sqrt(v / (1 - b2**n)) + eps)  in the n-th step of p.
    `amsgrad` uses the largest v so far; `decoupled_weight_decay` is AdamW.
    (Kingma and Ba, arXiv:1412.6980, with eps as in PyTorch; Reddi et al., arXiv:1904.09237.)

    ValueError for negative or NaN options, and for betas not in [0, 1).

    >>> p = tensor([1.0], requires_grad=True)
    >>> (3 * p).backward()
    >>> Adam([p], lr=0.5).step()
    >>> p.tolist()
    [0.5]
    """

    knows = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _buffers(self, group: Group) -> tuple[str, ...]:
        return self.knows if group["amsgrad"] else self.knows[:2]

    def _update(self, p: Array, g: Array, t: list[Array], state: Any, k: Any, n: int) -> None:
        lr, b1, b2, eps, decay, shrink, maximize = k
        (t0,) = t
        m, v, *largest = state
        if shrink != 1:
            np.multiply(p, shrink, out=p)
        d = direction(p, g, t0, decay, maximize) if decay or maximize else g
        means(m, v, d, t0, b1, b2)
        if largest:
            v = np.maximum(v, largest[0], out=largest[0])
        # with c = sqrt(1 - b2**n): m / (sqrt(v) / c + eps) = c * m / (sqrt(v) + c * eps)
        c = (1 - b2**n) ** 0.5
        np.sqrt(v, out=t0)
        np.add(t0, c * eps, out=t0)
        np.divide(m, t0, out=t0)
        np.multiply(t0, lr * c / (1 - b1**n), out=t0)
        np.subtract(p, t0, out=p)


class AdamW(Adam):
    """Adam with decoupled weight decay: first p *= 1 - lr * weight_decay, then Adam without decay.

    (Loshchilov and Hutter, arXiv:1711.05101.) Errors as `Adam`.

    >>> p = tensor([2.0], requires_grad=True)
    >>> (3 * p).backward()
    >>> AdamW([p], lr=0.5, weight_decay=1.0).step()
    >>> p.tolist()
    [0.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, **given(locals()), decoupled_weight_decay=True)


class RMSprop(Optimizer):
    """RMSprop: steps divided by the root of a running mean of the squared gradient.

    d = g + weight_decay * p;  s = alpha * s + (1 - alpha) * d**2;  q = d / (sqrt(s) + eps);
    p -= lr * q, or lr * b with b = momentum * b + q. `centered` takes the square of a running mean
    of d from s. (Hinton, Coursera "Neural networks for machine learning", lecture 6; centered:
    Graves, arXiv:1308.0850.)

    ValueError for negative or NaN options.

    >>> p = tensor([1.0], requires_grad=True)
    >>> (3 * p).backward()
    >>> RMSprop([p], lr=0.5, alpha=0.75).step()
    >>> p.tolist()
    [0.0]
    """

    knows = ("square_avg", "momentum_buffer", "grad_avg")
    numbers = ("lr", "alpha", "eps", "weight_decay", "momentum")
    constants = (*numbers, "centered", "maximize")
    scratch = 2

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _buffers(self, group: Group) -> tuple[str, ...]:
        names: tuple[str, ...] = ("square_avg",)
        if group["momentum"]:
            names += ("momentum_buffer",)
        return (*names, "grad_avg") if group["centered"] else names

    def _update(self, p: Array, g: Array, t: list[Array], state: Any, k: Any, n: int) -> None:
        lr, alpha, eps, decay, momentum, centered, maximize = k
        t0, u = t
        s = state[0]
        d = direction(p, g, t0, decay, maximize)
        np.multiply(s, alpha, out=s)
        np.multiply(d, d, out=u)
        np.multiply(u, 1 - alpha, out=u)
        np.add(s, u, out=s)
        if centered:
            mean = state[-1]
            np.multiply(mean, alpha, out=mean)
            np.multiply(d, 1 - alpha, out=u)
            np.add(mean, u, out=mean)
            np.multiply(mean, mean, out=u)
            s = np.subtract(s, u, out=u)
        np.sqrt(s, out=u)
        np.add(u, eps, out=u)
        np.divide(d, u, out=u)
        if momentum:
            b = state[1]
            np.multiply(b, momentum, out=b)
            u = np.add(b, u, out=b)
        np.multiply(u, lr, out=t[1])
        np.subtract(p, t[1], out=p)


class Adagrad(Optimizer):
    """Adagrad: steps divided by the root of the sum of all squared gradients.

    d = g + weight_decay * p;  s += d**2, at first initial_accumulator_value;
    p -= lr / (1 + (n - 1) * lr_decay) * d / (sqrt(s) + eps)  in the n-th step of p.
    (Duchi, Hazan and Singer, Journal of Machine Learning Research 12 (2011) 2121-2159.)

    ValueError for negative or NaN options.

    >>> p = tensor([1.0], requires_grad=True)
    >>> (3 * p).backward()
    >>> Adagrad([p], lr=0.5).step()
    >>> p.tolist()
    [0.5]
    """

    knows = ("sum",)
    numbers = ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps")
    constants = ("lr", "lr_decay", "eps", "weight_decay", "maximize")
    scratch = 2

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _initial(self, group: Group, name: str) -> float:
        return float(group["initial_accumulator_value"])

    def _passes_zeros(self, group: Group) -> bool:
        return not group["weight_decay"]

    def _update(self, p: Array, g: Array, t: list[Array], state: Any, k: Any, n: int) -> None:
        lr, lr_decay, eps, decay, maximize = k
        t0, u = t
        (s,) = state
        d = direction(p, g, t0, decay, maximize)
        np.multiply(d, d, out=u)
        np.add(s, u, out=s)
        np.sqrt(s, out=u)
        np.add(u, eps, out=u)
        np.divide(d, u, out=u)
        np.multiply(u, lr / (1 + (n - 1) * lr_decay), out=u)
        np.subtract(p, u, out=p)
