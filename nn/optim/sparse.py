"""An optimiser of tables of which a step reads few rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .optimizer import Array, Group, given
from .rules import Adam

__all__ = ["SparseAdam"]


class SparseAdam(Adam):
    """Adam that leaves rows which were not read as they are, running means too: for the weights of
    `Embedding(..., sparse=True)`.

    p -= lr * c / (1 - b1**n) * m / (sqrt(v) + eps)  with c = sqrt(1 - b2**n), as in PyTorch.
    In a step it costs what was read, not what the table holds. RuntimeError for a gradient that is
    whole, such as one that was asked for or that a compiled function made; else errors as `Adam`.

    >>> words = nn.Embedding(50_000, 2, sparse=True)
    >>> before = words.weight.detach().clone()
    >>> words(tensor([7, 7])).sum().backward()
    >>> SparseAdam(words.parameters(), lr=0.5).step()
    >>> (words.weight != before).any(dim=1).nonzero().tolist()
    [[7]]
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        maximize: bool = False,
    ) -> None:
        super().__init__(params, **given(locals()))

    def _passes_zeros(self, group: Group) -> bool:
        return True

    def _work(self) -> list[list[tuple[Any, ...]]]:
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is not None and getattr(p._grad, "rows", None) is None:
                    raise RuntimeError(
                        f"SparseAdam.step: the gradient of a parameter of shape {p.shape} is "
                        "whole; it takes those of nn.Embedding(..., sparse=True) that nobody has "
                        "read: use Adam"
                    )
        return super()._work()

    def _update(
        self, p: Array, g: Array, t: list[Array], state: Any, k: tuple[Any, ...], n: int
    ) -> None:
        lr, b1, b2, eps, *others = k
        # that of Adam is added to the corrected root
        super()._update(p, g, t, state, (lr, b1, b2, eps / (1 - b2**n) ** 0.5, *others), n)
