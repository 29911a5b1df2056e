"""Generators of random numbers with PyTorch's names; they are NumPy's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self

import numpy as np

from .conversion import device, require_cpu
from .creation import default_generator, manual_seed

__all__ = ["Generator", "fork_rng", "get_rng_state", "manual_seed", "seed", "set_rng_state"]


class Generator(np.random.Generator):
    """NumPy's generator with PyTorch's names, for every `generator=`; it begins with seed 0 or,
    after `seed()`, anywhere.

    >>> g = Generator().manual_seed(3)
    >>> a = rand(2, generator=g)
    >>> bool((a == rand(2, generator=Generator().manual_seed(3))).all())
    True
    """

    def __init__(self, device: Any = "cpu") -> None:
        require_cpu("Generator", device)
        super().__init__(np.random.PCG64(0))
        self._seed = 0

    @property
    def device(self) -> device:
        return device()

    def manual_seed(self, seed: int) -> Self:
        """Begin again with this seed; returns self."""
        self.bit_generator.state = np.random.PCG64(seed % 2**64).state
        self._seed = seed
        return self

    def seed(self) -> int:
        """Begin anywhere; returns the seed."""
        seed = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
        self.manual_seed(seed)
        return seed

    def initial_seed(self) -> int:
        """The seed it began with."""
        return self._seed

    def get_state(self) -> Any:
        """Where it is, for `set_state`."""
        return self.bit_generator.state

    def set_state(self, state: Any) -> None:
        """Go on from where `get_state` was called."""
        self.bit_generator.state = state


def seed() -> int:
    """Begin anywhere; returns the seed.

    >>> seed() == seed()
    False
    """
    number = int(np.random.SeedSequence().generate_state(1, np.uint64)[0])
    manual_seed(number)
    return number


def get_rng_state() -> Any:
    """Where the generator of all random functions is, for `set_rng_state`.

    >>> state = get_rng_state(); a = rand(1)
    >>> set_rng_state(state); bool(rand(1) == a)
    True
    """
    return default_generator().bit_generator.state


def set_rng_state(new_state: Any) -> None:
    """Let the generator of all random functions go on from where `get_rng_state` was called."""
    default_generator().bit_generator.state = new_state


@contextmanager
def fork_rng(devices: Any = (), enabled: bool = True) -> Iterator[None]:
    """What is drawn inside leaves no trace: afterwards the generator goes on as if it had not been.

    >>> state = get_rng_state()
    >>> with fork_rng():
    ...     _ = rand(3)
    >>> state == get_rng_state()
    True
    """
    state = get_rng_state()
    try:
        yield
    finally:
        if enabled:
            set_rng_state(state)
