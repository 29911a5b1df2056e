"""Recurrent layers: every option as PyTorch's, packed sequences, second derivatives, errors."""

import copy
import itertools
import pickle
import re
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, tensor
from nn.utils.rnn import (
    pack_padded_sequence,
    pack_sequence,
    pad_packed_sequence,
    unpack_sequence,
)

R = np.random.default_rng(0)
KINDS = ("RNN", "LSTM", "GRU")
LENGTHS = {"padded": None, "one": None, "sorted": [4, 2, 1], "unsorted": [2, 4, 1]}


def listed(states: Any) -> tuple[Any, ...]:
    return states if isinstance(states, tuple) else (states,)


def run(lib: Any, layer: Any, x: Any, states: tuple[Any, ...], form: str) -> list[Any]:
    """Outputs, states and gradients of a layer, of PyTorch or ours, as arrays."""
    given, first = x, layer.batch_first
    if LENGTHS[form] is not None:
        n = lib.tensor(LENGTHS[form])
        given = lib.nn.utils.rnn.pack_padded_sequence(x, n, first, form == "sorted")
    start = () if not states else (states if len(states) == 2 else states[0],)
    y, last = layer(given, *start)
    if LENGTHS[form] is not None:
        y, _ = lib.nn.utils.rnn.pad_packed_sequence(y, first, -1.0, 5)
    outputs = (y, *listed(last))
    total = sum(((k + 1) * t * t.cos()).sum() for k, t in enumerate(outputs))
    total.backward()
    grads = [t.grad for t in (x, *states, *layer.parameters())]
    return [t.detach().numpy() for t in (*outputs, *grads)]


@pytest.mark.parametrize("form", LENGTHS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_option_is_as_in_pytorch(torch: Any, kind: str, form: str) -> None:
    options = itertools.product((1, 2), (True, False), (False, True), (False, True), (False, True))
    for k, (layers, bias, first, both, given) in enumerate(options):
        kw: dict[str, Any] = {
            "num_layers": layers, "bias": bias, "batch_first": first, "bidirectional": both
        }  # fmt: skip
        size = 4
        if kind == "RNN":
            kw["nonlinearity"] = ("tanh", "relu")[k % 2]
        elif kind == "LSTM" and k % 3 == 0:
            kw["proj_size"] = size = 2
        theirs = getattr(torch.nn, kind)(3, 4, **kw).double()
        ours = getattr(nn, kind)(3, 4, **kw).double()
        assert list(ours.state_dict()) == list(theirs.state_dict())
        assert repr(ours).split("  #")[0] == repr(theirs)
        ours.load_state_dict({k: tensor(v.numpy()) for k, v in theirs.state_dict().items()})
        x = R.standard_normal((4, 3) if form == "one" else (3, 4, 3) if first else (4, 3, 3))
        batch = () if form == "one" else (3,)
        sizes = (size, 4)[: 2 if kind == "LSTM" else 1] if given else ()
        states = [R.standard_normal((layers * (1 + both), *batch, n)) for n in sizes]
        results = []
        for lib, layer in ((ag, ours), (torch, theirs)):
            leaves = [lib.tensor(a, requires_grad=True) for a in (x, *states)]
            results.append(run(lib, layer, leaves[0], tuple(leaves[1:]), form))
        for a, b in zip(*results, strict=True):
            assert a.shape == b.shape, kw
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12, err_msg=str(kw))


@pytest.mark.parametrize("kind", KINDS)
def test_starts_as_in_pytorch(kind: str) -> None:
    layer = getattr(nn, kind)(3, 25, num_layers=2, bidirectional=True)
    for p in layer.parameters():
        assert 0.15 < np.abs(p.array).max() <= 0.2  # 1 / sqrt(25), whatever the gates


def gradients_of(kind: str) -> Any:
    layer = getattr(nn, kind)(2, 3, num_layers=2, bidirectional=True).double()

    def total(x: Tensor, *parameters: Tensor) -> Tensor:
        names = [name for name, _ in layer.named_parameters()]
        y, last = ag.func.functional_call(layer, dict(zip(names, parameters, strict=True)), (x,))
        return (y * y).sum() + sum((s.sin()).sum() for s in listed(last))

    x = tensor(R.standard_normal((3, 2, 2)), requires_grad=True)
    return total, (x, *layer.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_second_derivatives(kind: str) -> None:
    total, inputs = gradients_of(kind)
    assert ag.gradcheck(total, inputs)
    assert ag.gradgradcheck(total, inputs)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_stays(kind: str) -> None:
    layer = getattr(nn, kind)(3, 4, num_layers=2)
    x = tensor(R.standard_normal((5, 2, 3)).astype("float32"), requires_grad=True)
    y, last = layer(x)
    assert {t.dtype for t in (y, *listed(last))} == {np.dtype("float32")}
    y.sum().backward()
    assert {p.grad.dtype for p in (x, *layer.parameters())} == {np.dtype("float32")}


@pytest.mark.parametrize("kind", KINDS)
def test_a_layer_is_its_cell_in_a_loop(kind: str) -> None:
    layer, cell = getattr(nn, kind)(3, 4), getattr(nn, f"{kind}Cell")(3, 4)
    cell.load_state_dict({k.removesuffix("_l0"): v for k, v in layer.state_dict().items()})
    x = tensor(R.standard_normal((5, 2, 3)))
    state: Any = None
    for t, y in enumerate(layer(x)[0]):
        state = cell(x[t], state)
        np.testing.assert_allclose(listed(state)[0].detach(), y.detach(), rtol=1e-6)


def test_dropout_is_between_layers_and_not_in_eval() -> None:
    layer = nn.GRU(3, 8, num_layers=2, dropout=0.5)
    x = tensor(R.standard_normal((4, 2, 3)).astype("float32"))
    assert not np.array_equal(layer(x)[0].detach(), layer(x)[0].detach())
    layer.eval()
    assert np.array_equal(layer(x)[0].detach(), layer(x)[0].detach())
    one = nn.GRU(3, 8, dropout=0.5)  # the last layer has none after it
    assert np.array_equal(one(x)[0].detach(), one(x)[0].detach())


def test_layers_are_copied_and_pickled() -> None:
    layer = nn.LSTM(3, 4, num_layers=2, batch_first=True)
    x = tensor(R.standard_normal((2, 5, 3)).astype("float32"))
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert np.array_equal(layer(x)[0].detach(), other(x)[0].detach())
        assert [len(w) for w in other.all_weights] == [4, 4]
        other.flatten_parameters()


def test_packed_sequences() -> None:
    sequences = [tensor(R.standard_normal((n, 2))) for n in (1, 3, 2)]
    packed = pack_sequence(sequences, enforce_sorted=False)
    assert packed.sorted_indices.tolist() == [1, 2, 0]
    assert [s.tolist() for s in unpack_sequence(packed)] == [s.tolist() for s in sequences]
    padded, lengths = pad_packed_sequence(packed, batch_first=True, total_length=4)
    assert padded.shape == (3, 4, 2)
    assert lengths.tolist() == [1, 3, 2]
    again = pack_padded_sequence(padded, lengths, batch_first=True, enforce_sorted=False)
    assert again.data.tolist() == packed.data.tolist()


ERRORS: dict[str, tuple[Any, str]] = {
    "size": (lambda: nn.LSTM(3, 4)(ag.zeros(5, 2, 2)), r"LSTM\(3, 4\): .* \(5, 2, 2\), .* 3 elem"),
    "axes": (lambda: nn.RNN(3, 4)(ag.zeros(3)), r"RNN\(3, 4\): .*shape \(3,\); .* 3 axes"),
    "steps": (lambda: nn.GRU(3, 4)(ag.zeros(0, 2, 3)), r"\(0, 2, 3\) has no steps"),
    "state": (
        lambda: nn.GRU(3, 4, 2)(ag.zeros(5, 2, 3), ag.zeros(1, 2, 4)),
        r"h_0 has shape \(1, 2, 4\); it should be \(2, 2, 4\)",
    ),
    "cell": (
        lambda: nn.LSTM(3, 4)(ag.zeros(5, 2, 3), (ag.zeros(1, 2, 4), ag.zeros(1, 2, 3))),
        r"c_0 has shape \(1, 2, 3\); it should be \(1, 2, 4\)",
    ),
    "input of a cell": (
        lambda: nn.GRUCell(3, 4)(ag.zeros(2, 4)), r"GRUCell\(3, 4\): .*\(2, 4\); .*\(batch, 3\)"
    ),
    "state of a cell": (
        lambda: nn.RNNCell(3, 4)(ag.zeros(2, 3), ag.zeros(3, 4)), r"state has shape \(2, 4\), .*\(3, 4"
    ),
    "nonlinearity": (lambda: nn.RNN(3, 4, nonlinearity="elu"), "'tanh' or 'relu', got 'elu'"),
    "proj_size": (lambda: nn.LSTM(3, 4, proj_size=4), "proj_size 4 is for LSTM"),
    "dropout": (lambda: nn.LSTM(3, 4, dropout=2.0), "p is a probability from 0 to 1, got 2.0"),
    "layers": (lambda: nn.LSTM(3, 4, 0), "at least 1, got 4 and 0"),
    "order": (
        lambda: pack_padded_sequence(ag.zeros(3, 2), [1, 3]), r"\[1, 3\] do not fall; .*enforce_so"
    ),
    "too long": (lambda: pack_padded_sequence(ag.zeros(3, 2), [4, 1]), r"from 1 to 3, got \[4, 1"),
    "lengths": (lambda: pack_padded_sequence(ag.zeros(3, 2), [3]), r"each of the 2 seq.*\(1,\)"),
    "total": (
        lambda: pad_packed_sequence(pack_sequence([ag.zeros(3)]), total_length=2),
        "total_length 2 is less than the longest sequence, which has 3",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_errors_name_the_shapes(name: str) -> None:
    call, words = ERRORS[name]
    with pytest.raises(ValueError, match=words):
        call()


def test_the_state_of_an_lstm_is_a_pair() -> None:
    with pytest.raises(TypeError, match=re.escape("LSTM(3, 4): the states before the first step")):
        nn.LSTM(3, 4)(ag.zeros(5, 2, 3), ag.zeros(1, 2, 4))
    with pytest.raises(TypeError, match="pair"):
        nn.LSTMCell(3, 4)(ag.zeros(1, 3), ag.zeros(1, 4))
