"""The steps of recurrent layers, and a layer's steps along a sequence.

PyTorch has no functions of these names in `nn.functional`; the layers and cells call them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from autograd_lite import Tensor, chunk, concatenate, split, stack, tanh, unbind
from autograd_lite.engine.rules import sigmoid
from autograd_lite.fused import Fused

from .activations import relu
from .affine import linear
from .through_time import GRU, LSTM, Plain, Steps

State = tuple[Tensor, ...]
Step = Callable[..., State]


def names(t: int) -> dict[str, Any]:
    """The option of a step that names what it computes at time `t`."""

    def name(value: Tensor, letter: str) -> Tensor:
        value.name = f"{letter}{t}"
        return value

    return {"name": name}


def unnamed(t: Tensor, name: str) -> Tensor:
    """The tensor as it is, where nobody reads names."""
    return t


def rnn(activation: Callable[[Tensor], Tensor]) -> Step:
    """The step of a plain recurrent layer with an activation."""

    def step(
        x: Tensor, state: State, w: Any, u: Any, b: Any, bh: Any, r: Any = None, name: Any = unnamed
    ) -> State:
        z = name(linear(x, w, b) + linear(state[0], u, bh), "z")
        return (name(activation(z), "h"),)

    return step


def lstm(
    x: Tensor, state: State, w: Any, u: Any, b: Any, bh: Any, r: Any = None, name: Any = unnamed
) -> State:
    """The step of an LSTM: h and c."""
    h, c = state
    z = name(linear(x, w, b) + linear(h, u, bh), "z")
    i, f, g, o = chunk(z, 4, -1)
    i, f, g = name(sigmoid(i), "i"), name(sigmoid(f), "f"), name(tanh(g), "g")
    c = name(f * c + i * g, "c")
    h = name(name(sigmoid(o), "o") * name(tanh(c), "a"), "h")
    return h if r is None else linear(h, r), c


def gru(
    x: Tensor, state: State, w: Any, u: Any, b: Any, bh: Any, r: Any = None, name: Any = unnamed
) -> State:
    """The step of a GRU."""
    (h,) = state
    xr, xz, xn = chunk(name(linear(x, w, b), "p"), 3, -1)
    hr, hz, hn = chunk(name(linear(h, u, bh), "q"), 3, -1)
    reset, z = name(sigmoid(xr + hr), "r"), name(sigmoid(xz + hz), "z")
    n = name(tanh(xn + reset * hn), "n")
    return (name(name(1 - z, "g") * n + z * h, "h"),)


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
    *shared, projection = weights
    options: dict[str, Any] = {"sizes": tuple(sizes), "reverse": reverse}
    if projection is not None:
        y, *last = composed(mode, x, *shared, *first, **options, projection=projection)
    else:
        y, *last = FUSED[mode](x, *shared, *first, **options)
    return y, tuple(last)


def composed(
    mode: str,
    x: Tensor,
    w: Any,
    u: Any,
    b: Any,
    bh: Any,
    *first: Tensor,
    sizes: Sequence[int],
    reverse: bool,
    projection: Any = None,
    named: bool = False,
) -> State:
    """The outputs of all steps and the last states; `named` gives the values between names."""
    packed = x.ndim == 2
    xs = split(x, list(sizes)) if packed else unbind(x)
    weights = w, u, b, bh, projection
    ys, last = stepped(STEPS[mode], xs, sizes, first, weights, reverse, named)
    return concatenate(ys) if packed else stack(ys), *last


def stepped(
    step: Step,
    xs: Sequence[Tensor],
    sizes: Sequence[int],
    first: State,
    weights: Sequence[Any],
    reverse: bool,
    named: bool = False,
) -> tuple[list[Tensor], State]:
    """`step` for every x, the last first in `reverse`: the outputs and the last state. The first
    sequences are the longest: those that end are put aside forwards, and begin late in reverse."""
    if named:
        for name, s in zip("hc", first, strict=False):
            s.name = s.name or f"{name}0"
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
        state = step(xs[k], state, *weights, **(names(k + 1) if named else {}))
        ys.append(state[0])
    if ended:
        state = tuple(concatenate(parts[::-1]) for parts in zip(*ended, state, strict=True))
    return ys[::-1] if reverse else ys, state


def fused(mode: str, steps: Steps) -> Fused:
    """The steps of a layer as one record."""
    name = "rnn" if mode.startswith("RNN") else mode.lower()
    return Fused(name, partial(composed, mode), steps.forward, steps.shared, *steps.rules)


FUSED = {
    "RNN_TANH": fused("RNN_TANH", Plain("tanh")),
    "RNN_RELU": fused("RNN_RELU", Plain("relu")),
    "LSTM": fused("LSTM", LSTM()),
    "GRU": fused("GRU", GRU()),
}
