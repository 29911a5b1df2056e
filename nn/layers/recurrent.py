"""Recurrent layers and their cells: a step for each element of a sequence, with shared weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from autograd_lite import Tensor, concatenate, get_default_dtype, stack, zeros
from autograd_lite.conversion import require_cpu
from autograd_lite.engine.errors import MisfitError
from autograd_lite.engine.tensor import as_tensor

from .. import init
from ..functional.checks import check_probability
from ..functional.dropouts import dropout
from ..functional.recurrent import STEPS, State, recurrence
from ..module import Module, Parameter

__all__ = ["GRU", "GRUCell", "LSTM", "LSTMCell", "RNN", "RNNBase", "RNNCell", "RNNCellBase"]

TEXTBOOK = {
    "RNN_TANH": "Y[t] = tanh(X[t] Wᵀ + Y[t−1] Uᵀ + b)",
    "RNN_RELU": "Y[t] = relu(X[t] Wᵀ + Y[t−1] Uᵀ + b)",
    "LSTM": "C = f · C + i · g, Y[t] = o · tanh(C)",
    "GRU": "Y[t] = (1 − z) · n + z · Y[t−1]",
}
GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


def of_one_step(mode: str) -> str:
    """The textbook's formula of a cell: that of the layer without times."""
    return TEXTBOOK[mode].replace("Y[t−1]", "H").replace("[t]", "")


def mode_of(name: str, nonlinearity: str) -> str:
    if nonlinearity not in ("tanh", "relu"):
        raise MisfitError(f"{name}: nonlinearity is 'tanh' or 'relu', got {nonlinearity!r}")
    return f"RNN_{nonlinearity.upper()}"


class _Recurrent(Module):
    """What cells and layers share: their parameters, drawn between -1 and 1 over the root of
    hidden_size."""

    hidden_size: int

    def _add(self, name: str, *shape: int, dtype: Any) -> Parameter:
        # a weight lies in Fortran order, so that weight.mT is contiguous, as Linear's does
        p = Parameter(np.empty(shape, dtype or get_default_dtype(), order="F"))
        self.register_parameter(name, p)
        return p

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        r = 1 / math.sqrt(max(self.hidden_size, 1))
        for p in self.parameters():
            init.uniform_(p, -r, r)


class RNNCellBase(_Recurrent):
    """What the cells share: the parameters of one step, and how a step is called."""

    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None
    _mode = ""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        require_cpu(type(self).__name__, device)
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows = num_chunks * hidden_size
        self._add("weight_ih", rows, input_size, dtype=dtype)
        self._add("weight_hh", rows, hidden_size, dtype=dtype)
        for name in ("bias_ih", "bias_hh"):
            if bias:
                self._add(name, rows, dtype=dtype)
            else:
                self.register_parameter(name, None)
        self.reset_parameters()

    def _step(self, input: Tensor, state: State | None) -> State:
        name, x = f"{type(self).__name__}({self.extra_repr()})", as_tensor(input)
        if x.ndim not in (1, 2) or x.shape[-1] != self.input_size:
            raise MisfitError(
                f"{name}: the input has shape {x.shape}; it should be (batch, {self.input_size}) "
                f"or ({self.input_size},)"
            )
        shape = (*x.shape[:-1], self.hidden_size)
        if state is None:
            state = (zeros(shape, dtype=x.dtype),) * (2 if self._mode == "LSTM" else 1)
        if len(state) != (2 if self._mode == "LSTM" else 1):
            raise TypeError(f"{name}: the state is a pair (h, c), got {len(state)} elements")
        for s in state:
            if s.shape != shape:
                raise MisfitError(
                    f"{name}: for an input of shape {x.shape} a state has shape {shape}, this one "
                    f"has {s.shape}"
                )
        weights = self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh
        return STEPS[self._mode](x, state, *weights)

    def extra_repr(self) -> str:
        bias = "" if self.bias else ", bias=False"
        return f"{self.input_size}, {self.hidden_size}{bias}"


class RNNCell(RNNCellBase):
    """h' = tanh(x @ weight_ih.mT + bias_ih + h @ weight_hh.mT + bias_hh), or its relu.

    x (batch, input_size) and h (batch, hidden_size), zeros unless given, or both without the first
    axis. ValueError for other shapes.

    >>> RNNCell(3, 2)(Tensor([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        self._mode = mode_of("RNNCell", nonlinearity)
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    @property
    def textbook(self) -> str:
        return of_one_step(self._mode)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(input, None if hx is None else (hx,))[0]

    def extra_repr(self) -> str:
        word = "" if self._mode == "RNN_TANH" else ", nonlinearity=relu"
        return super().extra_repr() + word


class LSTMCell(RNNCellBase):
    """c' = f * c + i * g and h' = o * tanh(c'), with the gates i, f, o (sigmoids) and g (tanh) of
    x @ weight_ih.mT + bias_ih + h @ weight_hh.mT + bias_hh, whose rows hold i, f, g, o in this
    order.

    Returns (h', c'); the state (h, c) is zeros unless given. ValueError for other shapes.
    Hochreiter and Schmidhuber 1997, "Long short-term memory".

    >>> h, c = LSTMCell(3, 2)(Tensor([[1.0, 2.0, 3.0]]))
    >>> h.shape, c.shape
    ((1, 2), (1, 2))
    """

    _mode = "LSTM"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    @property
    def textbook(self) -> str:
        return of_one_step("LSTM")

    def forward(
        self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, Tensor]:
        h, c = self._step(input, hx)
        return h, c


class GRUCell(RNNCellBase):
    """h' = (1 - z) * n + z * h, with the gates r and z, sigmoids of x @ weight_ih.mT + bias_ih +
    h @ weight_hh.mT + bias_hh, and n, the tanh of the part of x plus r times that of h; the rows
    hold r, z, n in this order.

    ValueError for other shapes. Cho et al. 2014, https://arxiv.org/abs/1406.1078.

    >>> GRUCell(3, 2)(Tensor([[1.0, 2.0, 3.0]])).shape
    (1, 2)
    """

    _mode = "GRU"

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    @property
    def textbook(self) -> str:
        return of_one_step("GRU")

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(input, None if hx is None else (hx,))[0]


class RNNBase(_Recurrent):
    """What RNN, LSTM and GRU share: `num_layers` layers, in one or two directions.

    Input (length, batch, input_size), (batch, length, input_size) with `batch_first`,
    (length, input_size) for one sequence, or a PackedSequence. Output of the last layer for every
    step, and the states after the last step (layers * directions, batch, hidden_size).
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        require_cpu(name, device)
        check_probability(name, dropout)
        if mode not in GATES:
            raise MisfitError(f"{name}: mode is one of {', '.join(GATES)}, got {mode!r}")
        if hidden_size < 1 or num_layers < 1:
            raise MisfitError(
                f"{name}: hidden_size and num_layers are at least 1, got {hidden_size} and "
                f"{num_layers}"
            )
        if proj_size and (mode != "LSTM" or not 0 < proj_size < hidden_size):
            raise MisfitError(
                f"{name}: proj_size {proj_size} is for LSTM, and from 0 to less than hidden_size"
            )
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        directions, rows = 1 + bidirectional, GATES[mode] * hidden_size
        given = proj_size or hidden_size
        self._names: list[list[str]] = []
        for layer in range(num_layers):
            size = input_size if layer == 0 else given * directions
            for suffix in ("", "_reverse")[:directions]:
                names = [f"{kind}_l{layer}{suffix}" for kind in ("weight_ih", "weight_hh")]
                self._add(names[0], rows, size, dtype=dtype)
                self._add(names[1], rows, given, dtype=dtype)
                if bias:
                    names += [f"{kind}_l{layer}{suffix}" for kind in ("bias_ih", "bias_hh")]
                    for b in names[2:]:
                        self._add(b, rows, dtype=dtype)
                if proj_size:
                    names.append(f"weight_hr_l{layer}{suffix}")
                    self._add(names[-1], proj_size, hidden_size, dtype=dtype)
                self._names.append(names)
        self.reset_parameters()

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of every layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._names]

    def flatten_parameters(self) -> None:
        """Nothing: there is no memory to lay out anew."""

    def _weights(self, k: int) -> list[Parameter | None]:
        """weight_ih, weight_hh, bias_ih, bias_hh and weight_hr of one layer and direction."""
        found: list[Any] = [getattr(self, name) for name in self._names[k]]
        found[2:2] = [] if self.bias else [None, None]
        return found if self.proj_size else [*found, None]

    def _run(self, input: Any, hx: Any) -> tuple[Any, State]:
        """The output, in the form of the input, and the states, h or h and c."""
        if isinstance(input, tuple):
            return self._run_packed(input, hx)
        x = as_tensor(input)
        if x.ndim not in (2, 3):
            raise MisfitError(
                f"{self._title()}: the input has shape {x.shape}; it should have 3 axes, or 2 for "
                "one sequence without a batch"
            )
        self._check_size(x, f"shape {x.shape}")
        one = x.ndim == 2
        x = x.unsqueeze(1) if one else x.transpose(0, 1) if self.batch_first else x
        length, batch = x.shape[:2]
        if length == 0:
            raise MisfitError(f"{self._title()}: the input of shape {x.shape} has no steps")
        if one and hx is not None:
            hx = tuple(s.unsqueeze(1) for s in hx)
        y, last = self._layers(x, [batch] * length, self._first(hx, x, batch, None))
        if one:
            return y.squeeze(1), tuple(s.squeeze(1) for s in last)
        return y.transpose(0, 1) if self.batch_first else y, last

    def _run_packed(self, packed: Any, hx: Any) -> tuple[Any, State]:
        """The same of a PackedSequence."""
        sizes = [int(n) for n in packed.batch_sizes]
        x = packed.data
        self._check_size(x, f"data of shape {x.shape}")
        y, last = self._layers(x, sizes, self._first(hx, x, sizes[0], packed.sorted_indices))
        if packed.unsorted_indices is not None:
            last = tuple(s[:, packed.unsorted_indices] for s in last)
        return packed._replace(data=y), last

    def _layers(self, x: Tensor, sizes: list[int], first: State) -> tuple[Tensor, State]:
        """All layers, on (length, batch, size), or on the rows of a packed sequence."""
        directions = 1 + self.bidirectional
        ends: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                x = dropout(x, self.dropout, self.training)
            found = []
            for reverse in range(directions):
                k = layer * directions + reverse
                state = tuple(s[k] for s in first)
                y, last = recurrence(
                    self.mode, x, sizes, state, self._weights(k), reverse=bool(reverse)
                )
                found.append(y)
                ends.append(last)
            x = concatenate(found, -1) if self.bidirectional else found[0]
        return x, tuple(stack(s) for s in zip(*ends, strict=True))

    def _first(self, hx: Any, x: Tensor, batch: int, order: Any) -> State:
        """The states before the first step, zeros unless they are given."""
        layers = self.num_layers * (1 + self.bidirectional)
        sizes = [self.proj_size or self.hidden_size, self.hidden_size]
        sizes = sizes if self.mode == "LSTM" else sizes[:1]
        if hx is None:
            return tuple(zeros(layers, batch, n, dtype=x.dtype) for n in sizes)
        if len(hx) != len(sizes) or not all(isinstance(s, Tensor) for s in hx):
            raise TypeError(
                f"{self._title()}: the states before the first step are "
                + ("a pair (h_0, c_0)" if self.mode == "LSTM" else "one tensor h_0")
            )
        for name, s, n in zip(("h", "c")[: len(sizes)], hx, sizes, strict=True):
            if s.shape != (layers, batch, n):
                raise MisfitError(
                    f"{self._title()}: {name}_0 has shape {s.shape}; it should be ({layers}, "
                    f"{batch}, {n}): layers times directions, batch and size"
                )
        return tuple(hx) if order is None else tuple(s[:, order] for s in hx)

    def _check_size(self, x: Tensor, what: str) -> None:
        if x.shape[-1] != self.input_size:
            raise MisfitError(
                f"{self._title()}: the last axis of the input, {what}, should have "
                f"{self.input_size} elements; change input_size or reshape the input"
            )

    def _title(self) -> str:
        return f"{type(self).__name__}({self.extra_repr()})"

    def extra_repr(self) -> str:
        plain = {
            "proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0,
            "bidirectional": False,
        }  # fmt: skip
        told = [f"{k}={getattr(self, k)}" for k, v in plain.items() if getattr(self, k) != v]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *told])


class RNN(RNNBase):
    """h_t = tanh(x_t @ weight_ih.mT + bias_ih + h_{t-1} @ weight_hh.mT + bias_hh), or its relu, for
    the steps of a sequence.

    Takes (length, batch, input_size), (batch, length, input_size) with `batch_first`,
    (length, input_size) for one sequence, or a PackedSequence, and the states before the first
    step, zeros unless given: (num_layers * directions, batch, hidden_size). Returns the outputs of
    the last layer and the states after the last step. `dropout` is between layers; parameters are
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, with _reverse after them for the other
    direction, ... ValueError for other shapes.

    >>> y, h = RNN(3, 2)(Tensor(np.zeros((5, 1, 3))))
    >>> y.shape, h.shape
    ((5, 1, 2), (1, 1, 2))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            mode_of("RNN", nonlinearity), input_size, hidden_size, num_layers, bias, batch_first,
            dropout, bidirectional, 0, device, dtype,
        )  # fmt: skip
        self.nonlinearity = nonlinearity

    @property
    def textbook(self) -> str:
        return TEXTBOOK[self.mode]

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        y, (h,) = self._run(input, None if hx is None else (hx,))
        return y, h


class LSTM(RNNBase):
    """The steps of `LSTMCell` along a sequence; inputs, outputs and parameters are those of `RNN`,
    states are pairs (h, c).

    With `proj_size`, h is multiplied with weight_hr to that size. Sak et al. 2014,
    https://arxiv.org/abs/1402.1128.

    >>> y, (h, c) = LSTM(3, 2, num_layers=2, batch_first=True)(Tensor(np.zeros((4, 5, 3))))
    >>> y.shape, h.shape, c.shape
    ((4, 5, 2), (2, 4, 2), (2, 4, 2))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "LSTM", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            proj_size, device, dtype,
        )  # fmt: skip

    @property
    def textbook(self) -> str:
        return TEXTBOOK["LSTM"]

    def forward(
        self, input: Any, hx: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Any, tuple[Tensor, Tensor]]:
        y, (h, c) = self._run(input, hx)
        return y, (h, c)


class GRU(RNNBase):
    """The steps of `GRUCell` along a sequence; inputs, outputs and parameters are those of `RNN`.

    >>> y, h = GRU(3, 2, bidirectional=True)(Tensor(np.zeros((5, 3))))
    >>> y.shape, h.shape
    ((5, 4), (2, 2))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            "GRU", input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional,
            0, device, dtype,
        )  # fmt: skip

    @property
    def textbook(self) -> str:
        return TEXTBOOK["GRU"]

    def forward(self, input: Any, hx: Tensor | None = None) -> tuple[Any, Tensor]:
        y, (h,) = self._run(input, None if hx is None else (hx,))
        return y, h
