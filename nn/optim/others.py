"""Optimisers beside the most frequent five."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from .optimizer import Array, Group, Optimizer, check_number, given
from .rules import Means, direction, means

__all__ = ["ASGD", "Adadelta", "Adamax", "NAdam", "RAdam", "Rprop"]


class NAdam(Means):
    """Adam with Nesterov momentum.

    m and v as in Adam;  mu = b1 * (1 - 0.96**(n * momentum_decay) / 2), M the product of all mu;
    p -= lr * ((1 - mu) / (1 - M) * d + mu' / (1 - M * mu') * m) / (sqrt(v / (1 - b2**n)) + eps)
    with mu' the mu of the next step. `decoupled_weight_decay` as in AdamW.
    (Dozat, "Incorporating Nesterov momentum into Adam", 2016.) Errors as `Adam`.

    >>> p = tensor([1.0], requires_grad=True)
    >>> (3 * p).backward()
    >>> NAdam([p], lr=0.5).step()
    >>> round(p.item(), 3)
    0.472
    """

    numbers = ("lr", "eps", "weight_decay", "momentum_decay")
    scalars = ("mu_product",)
    scratch = 2

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _constants(self, group: Group) -> tuple[Any, ...]:
        return (*super()._constants(group), float(group["momentum_decay"]))

    def _initial(self, group: Group, name: str) -> float:
        return float(name == "mu_product")

    def _advance(self, state: Group, k: tuple[Any, ...], n: int) -> tuple[Group, tuple[Any, ...]]:
        lr, b1, *_, decay = k
        mu, following = (b1 * (1 - 0.5 * 0.96 ** (i * decay)) for i in (n, n + 1))
        rounded = state["mu_product"] * mu
        product = float(rounded)
        rates = lr * (1 - mu) / (1 - product), lr * following / (1 - product * following)
        return {"mu_product": rounded}, (*k[:-1], *rates)

    def _update(self, p: Array, g: Array, t: list[Array], state: Any, k: Any, n: int) -> None:
        _, b1, b2, eps, decay, shrink, maximize, of_gradient, of_mean = k
        t0, u = t
        m, v = state
        if shrink != 1:
            np.multiply(p, shrink, out=p)
        d = direction(p, g, t0, decay, maximize)
        means(m, v, d, u, b1, b2)
        np.divide(v, 1 - b2**n, out=u)
        np.sqrt(u, out=u)
        np.add(u, eps, out=u)
        np.multiply(d, of_gradient, out=t0)
        np.divide(t0, u, out=t0)
        np.subtract(p, t0, out=p)
        np.multiply(m, of_mean, out=t0)
        np.divide(t0, u, out=t0)
        np.subtract(p, t0, out=p)


class RAdam(Means):
    """Adam that waits until v can be trusted.

    m and v as in Adam;  r = 2 / (1 - b2) - 1, r' = r - 2 * n * b2**n / (1 - b2**n);
    p -= lr * m / (1 - b1**n), and from r' > 5 on times sqrt(1 - b2**n) / (sqrt(v) + eps) *
    sqrt((r' - 4) * (r' - 2) * r / ((r - 4) * (r - 2) * r')). `decoupled_weight_decay` as in AdamW.
    (Liu et al., arXiv:1908.03265.) Errors as `Adam`.

    >>> p = tensor([1.0], requires_grad=True)
    >>> (3 * p).backward()
    >>> RAdam([p], lr=0.5).step()
    >>> p.tolist()
    [-0.5]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _update(self, p: Array, g: Array, t: list[Array], state: Any, k: Any, n: int) -> None:
        lr, b1, b2, eps, decay, shrink, maximize = k
        (t0,) = t
        m, v = state
        if shrink != 1:
            np.multiply(p, shrink, out=p)
        means(m, v, direction(p, g, t0, decay, maximize), t0, b1, b2)
        rate, left = lr / (1 - b1**n), 1 - b2**n
        longest = 2 / (1 - b2) - 1
        length = longest - 2 * n * b2**n / left
        if length > 5:
            trust = (length - 4) * (length - 2) * longest
            trust = trust / ((longest - 4) * (longest - 2) * length)
            np.sqrt(v, out=t0)
            np.add(t0, eps, out=t0)
            np.divide(m, t0, out=t0)
            np.multiply(t0, rate * (left * trust) ** 0.5, out=t0)
        else:
            np.multiply(m, rate, out=t0)
        np.subtract(p, t0, out=p)


class Adamax(Means):
    """Adam with the largest gradient so far in place of the mean of squares.

    m = b1 * m + (1 - b1) * d;  u = max(b2 * u, abs(d) + eps);  p -= lr / (1 - b1**n) * m / u.
    (Kingma and Ba, arXiv:1412.6980.) Errors as `Adam`.

    >>> p = tensor([1.0], requires_grad=True)
    >>> (3 * p).backward()
    >>> Adamax([p], lr=0.5).step()
    >>> p.tolist()
    [0.5]
    """

    knows = ("exp_avg", "exp_inf")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _update(self, p: Array, g: Array, t: list[Array], state: Any, k: Any, n: int) -> None:
        lr, b1, b2, eps, decay, _, maximize = k
        (t0,) = t
        m, u = state
        d = direction(p, g, t0, decay, maximize)
        np.multiply(m, b1 / (1 - b1), out=m)
        np.add(m, d, out=m)
        np.multiply(m, 1 - b1, out=m)
        np.abs(d, out=t0)
        np.add(t0, eps, out=t0)
        np.multiply(u, b2, out=u)
        np.maximum(u, t0, out=u)
        np.divide(m, u, out=t0)
        np.multiply(t0, lr / (1 - b1**n), out=t0)
        np.subtract(p, t0, out=p)


class Adadelta(Optimizer):
    """Adadelta: steps as long as the last ones were, by the size of the gradient.

    s = rho * s + (1 - rho) * d**2;  u = sqrt(a + eps) / sqrt(s + eps) * d;
    a = rho * a + (1 - rho) * u**2;  p -= lr * u.
    (Zeiler, arXiv:1212.5701.) ValueError for negative or NaN options, and for rho above 1.

    >>> p = tensor([1.0], requires_grad=True)
    >>> (3 * p).backward()
    >>> Adadelta([p], eps=0.25, rho=0.0).step()
    >>> round(p.item(), 4)
    0.5068
    """

    knows = ("square_avg", "acc_delta")
    numbers = ("lr", "rho", "eps", "weight_decay")
    constants = (*numbers, "maximize")
    scratch = 3

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _check(self, options: Group) -> None:
        super()._check(options)
        if options["rho"] > 1:
            raise ValueError(f"Adadelta: rho is {options['rho']!r}; it must be from 0 to 1")

    def _update(self, p: Array, g: Array, t: list[Array], state: Any, k: Any, n: int) -> None:
        lr, rho, eps, decay, maximize = k
        t0, u, w = t
        s, a = state
        d = direction(p, g, t0, decay, maximize)
        np.multiply(s, rho, out=s)
        np.multiply(d, d, out=u)
        np.multiply(u, 1 - rho, out=u)
        np.add(s, u, out=s)
        np.add(s, eps, out=w)
        np.sqrt(w, out=w)
        np.add(a, eps, out=u)
        np.sqrt(u, out=u)
        np.divide(u, w, out=u)
        np.multiply(u, d, out=u)
        np.multiply(a, rho, out=a)
        np.multiply(u, u, out=w)
        np.multiply(w, 1 - rho, out=w)
        np.add(a, w, out=a)
        np.multiply(u, lr, out=u)
        np.subtract(p, u, out=p)


class Rprop(Optimizer):
    """Rprop: a step size for each element, which grows while the sign of its gradient stays.

    With s the sign of g times the g before: size *= etas[1] for s > 0, etas[0] for s < 0, kept
    within step_sizes; where s < 0 the gradient counts as 0; p -= size * sign(g).
    (Riedmiller and Braun, "A direct adaptive method for faster backpropagation learning", 1993.)

    ValueError unless 0 < etas[0] < 1 < etas[1].

    >>> p = tensor([1.0], requires_grad=True)
    >>> (3 * p).backward()
    >>> Rprop([p], lr=0.5).step()
    >>> p.tolist()
    [0.5]
    """

    knows = ("prev", "step_size")
    numbers = ("lr",)
    scratch = 2

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        etas: tuple[float, float] = (0.5, 1.2),
        step_sizes: tuple[float, float] = (1e-6, 50),
        *,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _check(self, options: Group) -> None:
        super()._check(options)
        less, more = options["etas"]
        if not 0 < less < 1 < more:
            raise ValueError(
                f"Rprop: etas is {options['etas']!r}; it must be 0 < etas[0] < 1 < etas[1]"
            )
        for i in (0, 1):
            check_number(self._name, f"step_sizes[{i}]", options["step_sizes"][i])

    def _constants(self, group: Group) -> tuple[Any, ...]:
        return (*map(float, (*group["etas"], *group["step_sizes"])), group["maximize"])

    def _initial(self, group: Group, name: str) -> float:
        return float(group["lr"]) if name == "step_size" else 0.0

    def _update(self, p: Array, g: Array, t: list[Array], state: Any, k: Any, n: int) -> None:
        less, more, least, most, maximize = k
        s, u = t
        before, size = state
        np.multiply(g, before, out=s)
        if maximize:
            np.negative(s, out=s)
        np.sign(s, out=s)  # from here on -1, 0 or 1
        np.maximum(s, 0, out=u)
        np.multiply(u, more - 1, out=u)
        np.minimum(s, 0, out=s)
        np.add(u, 1, out=u)
        np.multiply(size, u, out=size)  # 1 where the sign has changed
        np.multiply(s, 1 - less, out=u)
        np.add(u, 1, out=u)
        np.multiply(size, u, out=size)
        np.maximum(size, least, out=size)
        np.minimum(size, most, out=size)
        np.add(s, 1, out=s)  # 0 where the sign has changed
        np.multiply(s, g, out=before)
        if maximize:
            np.negative(before, out=before)
        np.sign(before, out=s)
        np.multiply(s, size, out=s)
        np.subtract(p, s, out=p)


class ASGD(Optimizer):
    """Averaged stochastic gradient descent: `ax` in the state is the mean of p from step t0 on.

    p *= 1 - lambd * eta;  p -= eta * d;  ax += mu * (p - ax), where the n-th step leaves
    eta = lr / (1 + lambd * lr * n)**alpha and mu = 1 / max(1, n - t0) for the next one.
    (Polyak and Juditsky, "Acceleration of stochastic approximation by averaging", 1992.)

    ValueError for a negative or NaN lr or weight_decay.

    >>> p = tensor([1.0], requires_grad=True)
    >>> (3 * p).backward()
    >>> ASGD([p], lr=0.5, lambd=0.0).step()
    >>> p.tolist()
    [-0.5]
    """

    knows = ("ax",)
    scalars = ("eta", "mu")
    numbers = ("lr", "weight_decay")
    constants = ("lr", "lambd", "alpha", "t0", "weight_decay", "maximize")

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lambd: float = 1e-4,
        alpha: float = 0.75,
        t0: float = 1e6,
        weight_decay: float = 0,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, given(locals()))

    def _check(self, options: Group) -> None:
        super()._check(options)
        for name in ("lambd", "alpha", "t0"):
            if not math.isfinite(options[name]):
                raise ValueError(f"ASGD: {name} is {options[name]!r}; it must be a finite number")

    def _initial(self, group: Group, name: str) -> float:
        return {"eta": float(group["lr"]), "mu": 1.0}.get(name, 0.0)

    def _advance(self, state: Group, k: tuple[Any, ...], n: int) -> tuple[Group, tuple[Any, ...]]:
        lr, lambd, alpha, t0, decay, maximize = k
        numbers = {"eta": lr / (1 + lambd * lr * n) ** alpha, "mu": 1 / max(1, n - t0)}
        return numbers, (float(state["eta"]), float(state["mu"]), lambd, decay, maximize)

    def _update(self, p: Array, g: Array, t: list[Array], state: Any, k: Any, n: int) -> None:
        eta, mu, lambd, decay, maximize = k
        (t0,) = t
        (ax,) = state
        d = direction(p, g, t0, decay, maximize)
        np.multiply(d, eta, out=t0)
        np.multiply(p, 1 - lambd * eta, out=p)
        np.subtract(p, t0, out=p)
        if mu == 1:
            ax[...] = p
        else:
            np.subtract(p, ax, out=t0)
            np.multiply(t0, mu, out=t0)
            np.add(ax, t0, out=ax)
