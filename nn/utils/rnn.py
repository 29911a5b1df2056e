"""Sequences of different lengths in one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from autograd_lite import Tensor, concatenate, full, stack
from autograd_lite.engine.arrays import as_array
from autograd_lite.engine.errors import MisfitError

from ..functional.padding import pad

__all__ = [
    "PackedSequence", "invert_permutation", "pack_padded_sequence", "pack_sequence",
    "pad_packed_sequence", "pad_sequence", "unpack_sequence", "unpad_sequence",
]  # fmt: skip


class PackedSequence(NamedTuple):
    """Sequences of different lengths without padding, for RNN, LSTM and GRU, from
    `pack_padded_sequence`: `data` has the first steps of all of them, then the second ones of those
    that have one, ..., the longest first; `batch_sizes` how many each step has. `sorted_indices`
    are the sequences in the order of their lengths, `unsorted_indices` leads back, None for both
    where they came in that order.
    """

    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None = None
    unsorted_indices: Tensor | None = None


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that undoes one; None for None.

    >>> invert_permutation(tensor([2, 0, 1])).tolist()
    [1, 2, 0]
    """
    return None if permutation is None else Tensor(np.argsort(permutation.array))


def _lengths(name: str, lengths: Any, batch: int, longest: int) -> Any:
    n = as_array(lengths)
    if n.dtype.kind not in "iu" or n.shape != (batch,):
        raise MisfitError(
            f"{name}: lengths are one int for each of the {batch} sequences, got {n.dtype} of "
            f"shape {n.shape}"
        )
    if batch == 0 or n.min() < 1 or n.max() > longest:
        raise MisfitError(f"{name}: lengths are from 1 to {longest}, got {n.tolist()}")
    return n


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Padded sequences (length, batch, ...), or (batch, length, ...) with `batch_first`, as a
    PackedSequence. ValueError unless lengths are from 1 to length and, with `enforce_sorted`, fall.

    >>> x = tensor([[1.0, 2.0], [3.0, 0.0]])
    >>> pack_padded_sequence(x, [2, 1], batch_first=True).data.tolist()
    [1.0, 3.0, 2.0]
    """
    rows, columns = input.shape[:2][:: -1 if batch_first else 1]
    n = _lengths("pack_padded_sequence", lengths, columns, rows)
    order = None
    if not enforce_sorted:
        order = np.argsort(-n, kind="stable")
        n = n[order]
    elif (n[1:] > n[:-1]).any():
        raise MisfitError(
            f"pack_padded_sequence: lengths {n.tolist()} do not fall; sort the sequences, or say "
            "enforce_sorted=False"
        )
    step, place = np.nonzero(np.arange(n[0])[:, None] < n)
    at = place if order is None else order[place]
    data = input[at, step] if batch_first else input[step, at]
    found = None if order is None else Tensor(order)
    sizes = Tensor(np.bincount(step))
    return PackedSequence(data, sizes, found, invert_permutation(found))


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """What `pack_padded_sequence` has packed, padded again, and the lengths.

    ValueError for a `total_length` that is less than the longest.

    >>> x = pack_sequence([tensor([1.0, 2.0]), tensor([3.0])])
    >>> [t.tolist() for t in pad_packed_sequence(x, batch_first=True)]
    [[[1.0, 2.0], [3.0, 0.0]], [2, 1]]
    """
    data, sizes = sequence.data, sequence.batch_sizes.array
    longest = len(sizes) if total_length is None else total_length
    if longest < len(sizes):
        raise MisfitError(
            f"pad_packed_sequence: total_length {total_length} is less than the longest sequence, "
            f"which has {len(sizes)} steps"
        )
    there = np.arange(sizes[0]) < sizes[:, None]
    rows = np.full((longest, sizes[0]), len(data))  # of each step and sequence; the last is padding
    rows[: len(sizes)][there] = np.arange(len(data))
    n = there.sum(0)
    if sequence.unsorted_indices is not None:
        back = sequence.unsorted_indices.array
        rows, n = rows[:, back], n[back]
    padding = full((1, *data.shape[1:]), padding_value, dtype=data.dtype)
    padded = concatenate([data, padding])[rows.T if batch_first else rows]
    return padded, Tensor(n)


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Sequences along axis 0 as a PackedSequence; the longest is the first one, unless
    `enforce_sorted` is false.

    >>> pack_sequence([tensor([1.0, 2.0]), tensor([3.0])]).batch_sizes.tolist()
    [2, 1]
    """
    lengths = [len(s) for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The sequences that `pack_sequence` has packed.

    >>> x = pack_sequence([tensor([3.0]), tensor([1.0, 2.0])], enforce_sorted=False)
    >>> [s.tolist() for s in unpack_sequence(x)]
    [[3.0], [1.0, 2.0]]
    """
    return unpad_sequence(*pad_packed_sequence(packed_sequences))


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
        raise MisfitError(
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
    padded_sequences: Tensor, lengths: Any, batch_first: bool = False
) -> list[Tensor]:
    """The sequences that `pad_sequence` has padded on the right, of these lengths.

    >>> [s.tolist() for s in unpad_sequence(tensor([[1.0, 2.0], [3.0, 0.0]]), [2, 1], True)]
    [[1.0, 2.0], [3.0]]
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(n)] for row, n in zip(rows, lengths, strict=True)]
