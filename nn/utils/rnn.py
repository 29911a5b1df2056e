"""Sequences of different lengths in one tensor."""

from __future__ import annotations

from collections.abc import Sequence

from autograd_lite import Tensor, stack

from ..functional import pad


def pad_sequence(
    sequences: Sequence[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Sequences along axis 0 padded to the longest and stacked: (length, batch, ...), or
    (batch, length, ...) with `batch_first`.

    ValueError for no sequences or another side than "right" and "left".

    >>> pad_sequence([tensor([1.0, 2.0]), tensor([3.0])], batch_first=True).tolist()
    [[1.0, 2.0], [3.0, 0.0]]
    """
    if len(sequences) == 0 or padding_side not in ("right", "left"):
        raise ValueError(
            f"pad_sequence: {len(sequences)} sequences and padding_side {padding_side!r}; give at "
            "least one, and 'right' or 'left'"
        )
    longest = max(len(s) for s in sequences)
    padded = []
    for s in sequences:
        width = (longest - len(s), 0) if padding_side == "left" else (0, longest - len(s))
        padded.append(pad(s, (0, 0) * (s.ndim - 1) + width, value=padding_value))
    return stack(padded, 0 if batch_first else 1)


def unpad_sequence(
    padded_sequences: Tensor, lengths: Sequence[int], batch_first: bool = False
) -> list[Tensor]:
    """The sequences that `pad_sequence` has padded on the right, of these lengths.

    >>> [s.tolist() for s in unpad_sequence(tensor([[1.0, 2.0], [3.0, 0.0]]), [2, 1], True)]
    [[1.0, 2.0], [3.0]]
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(n)] for row, n in zip(rows, lengths, strict=True)]
