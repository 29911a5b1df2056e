"""What type checkers know of the installed wheel: mypy --strict typed.py, away from the clone."""

from typing import assert_type

import autograd_lite as torch
from autograd_lite import nn
from autograd_lite.nn import Linear, Module
from autograd_lite.nn import functional as F


class Net(Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.layer(x))


assert_type(torch.nn.Linear(1, 2), Linear)
assert_type(F.relu(torch.ones(2)), torch.Tensor)
