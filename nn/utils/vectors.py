"""Parameters as one vector."""

from __future__ import annotations

from collections.abc import Iterable

from autograd_lite import Tensor, concatenate, no_grad

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters flattened into one vector, which is recorded.

    >>> parameters_to_vector(nn.Linear(2, 3).parameters()).shape
    (9,)
    """
    return concatenate([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy a vector into parameters, in the order of `parameters_to_vector`.

    ValueError, with nothing changed, if it does not have as many elements as they.

    >>> layer = nn.Linear(1, 1)
    >>> vector_to_parameters(tensor([3.0, 4.0]), layer.parameters())
    >>> layer.weight.item(), layer.bias.item()
    (3.0, 4.0)
    """
    params = list(parameters)
    if vec.shape != (total := sum(p.numel() for p in params),):
        raise ValueError(
            f"vector_to_parameters: the vector has shape {vec.shape}, and the parameters have "
            f"{total} elements"
        )
    start = 0
    with no_grad():
        for p in params:
            p.copy_(vec[start : start + p.numel()].reshape(p.shape))
            start += p.numel()
