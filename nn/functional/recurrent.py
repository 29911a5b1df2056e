"""The steps of recurrent layers, and a layer's steps along a sequence.

PyTorch has no functions of these names in `nn.functional`; the layers and cells call them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from autograd_lite import Tensor, chunk, concatenate, split, stack, tanh, unbind
from autograd_lite.engine.rules import sigmoid

from .activations import relu
from .affine import linear

State = tuple[Tensor, ...]
Step = Callable[..., State]


def rnn(activation: Callable[[Tensor], Tensor]) -> Step:
    """The step of a plain recurrent layer with an activation."""

    def step(x: Tensor, state: State, w: Any, u: Any, b: Any, bh: Any, r: Any = None) -> State:
        return (activation(linear(x, w, b) + linear(state[0], u, bh)),)

    return step


def lstm(x: Tensor, state: State, w: Any, u: Any, b: Any, bh: Any, r: Any = None) -> State:
    """The step of an LSTM: h and c."""
    h, c = state
    i, f, g, o = chunk(linear(x, w, b) + linear(h, u, bh), 4, -1)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    return h if r is None else linear(h, r), c


def gru(x: Tensor, state: State, w: Any, u: Any, b: Any, bh: Any, r: Any = None) -> State:
    """The step of a GRU."""
    (h,) = state
    xr, xz, xn = chunk(linear(x, w, b), 3, -1)
    hr, hz, hn = chunk(linear(h, u, bh), 3, -1)
    z = sigmoid(xz + hz)
    n = tanh(xn + sigmoid(xr + hr) * hn)
    return ((1 - z) * n + z * h,)


STEPS: dict[str, Step] = {"RNN_TANH": rnn(tanh), "RNN_RELU": rnn(relu), "LSTM": lstm, "GRU": gru}


def recurrence(
    mode: str,
    x: Tensor,
    sizes: Sequence[int],
    first: State,
    weights: Sequence[Any],
    reverse: bool = False,
) -> tuple[Tensor, State]:
    """The steps of a layer along a sequence: the output of every step, and the last state.

    `sizes` are how many sequences each step has: of x (length, batch, size) all of them, of the
    rows of a packed sequence fewer and fewer.
    """
    packed = x.ndim == 2
    xs = split(x, list(sizes)) if packed else unbind(x)
    ys, last = stepped(STEPS[mode], xs, sizes, first, weights, reverse)
    return concatenate(ys) if packed else stack(ys), last


def stepped(
    step: Step,
    xs: Sequence[Tensor],
    sizes: Sequence[int],
    first: State,
    weights: Sequence[Any],
    reverse: bool,
) -> tuple[list[Tensor], State]:
    """`step` for every x, the last first in `reverse`: the outputs and the last state. The first
    sequences are the longest: those that end are put aside forwards, and begin late in reverse."""
    n = sizes[-1] if reverse else sizes[0]
    state = tuple(s[:n] for s in first) if n < len(first[0]) else first
    ended: list[State] = []
    ys = []
    for k in reversed(range(len(xs))) if reverse else range(len(xs)):
        if sizes[k] < n:
            ended.append(tuple(s[sizes[k] :] for s in state))
            state = tuple(s[: sizes[k]] for s in state)
        elif sizes[k] > n:
            begun = [s[n : sizes[k]] for s in first]
            state = tuple(concatenate(pair) for pair in zip(state, begun, strict=True))
        n = sizes[k]
        state = step(xs[k], state, *weights)
        ys.append(state[0])
    if ended:
        state = tuple(concatenate(parts[::-1]) for parts in zip(*ended, state, strict=True))
    return ys[::-1] if reverse else ys, state
