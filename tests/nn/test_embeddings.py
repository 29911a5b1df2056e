"""Embeddings: every option as PyTorch has it, gradients of the rows that were read, errors."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compile, derive, gradcheck, gradgradcheck
from autograd_lite.engine.rows import Rows, RowsGrad
from nn import functional as F

Array = np.ndarray[Any, Any]
RNG = np.random.default_rng(5)
WORDS = RNG.integers(0, 6, (4, 5))
LINE = np.array([1, 2, 2, 2, 2, 5, 0, 1, 5, 5, 3, 4])
BOTH = (False, True)


def rand(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def near(ours: Any, theirs: Any, what: Any = "") -> None:
    theirs = theirs.detach()
    theirs = theirs.to_dense() if theirs.is_sparse else theirs
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.numpy(), 1e-9, 1e-12, err_msg=str(what)
    )


@pytest.mark.parametrize(
    "kw",
    [
        dict(zip(("padding_idx", "max_norm", "scale_grad_by_freq", "sparse"), values, strict=True))
        for values in itertools.product((None, 2, -1), (None, 1.0), BOTH, BOTH)
        if not (values[2] and values[3])  # which PyTorch does not have
    ],
    ids=str,
)
def test_every_option_of_embedding_is_that_of_pytorch(kw: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = nn.Embedding(6, 3, **kw).double(), torch.nn.Embedding(6, 3, **kw).double()
    assert str(theirs) in repr(ours)
    ours.load_state_dict(theirs.state_dict())
    a, b = ours(ag.tensor(WORDS)), theirs(torch.tensor(WORDS))
    near(a, b)
    (a**3).sum().backward()
    (b**3).sum().backward()
    near(ours.weight, theirs.weight)
    near(ours.weight.grad, theirs.weight.grad)


BAGS = [
    v
    for v in itertools.product(
        ("sum", "mean", "max"), (None, 2), (None, 1.0), BOTH, BOTH, BOTH, BOTH
    )
    if not (v[0] == "max" and v[3]) and not (v[4] and v[0] != "sum") and not (v[5] and v[6])
]


@pytest.mark.parametrize("what", BAGS, ids=str)
def test_every_option_of_bags_is_that_of_pytorch(what: Any) -> None:
    torch = pytest.importorskip("torch")
    mode, padding, max_norm, sparse, weighted, last, table = what
    kw = {"mode": mode, "padding_idx": padding, "max_norm": max_norm, "sparse": sparse}
    kw["include_last_offset"] = last
    ours, theirs = nn.EmbeddingBag(6, 3, **kw).double(), torch.nn.EmbeddingBag(6, 3, **kw).double()
    ours.load_state_dict(theirs.state_dict())
    words = WORDS if table else LINE
    offsets = None if table else np.array([0, 3, 5, 5, 9] + [12] * last)
    share = rand(*words.shape) if weighted else None

    def run(lib: Any, bag: Any) -> Any:
        shares = None if share is None else lib.tensor(share, requires_grad=True)
        y = bag(lib.tensor(words), None if table else lib.tensor(offsets), shares)
        (y**3).sum().backward()
        return y, bag.weight.grad, None if share is None else shares.grad

    for a, b in zip(run(ag, ours), run(torch, theirs), strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            near(a, b, what)


def test_the_gradient_of_a_frequent_row_is_shared() -> None:
    for bag in (
        lambda w: F.embedding(ag.tensor([1, 1, 0]), w, scale_grad_by_freq=True).sum(),
        lambda w: F.embedding_bag(
            ag.tensor([[1, 1, 0]]), w, scale_grad_by_freq=True, mode="sum"
        ).sum(),
    ):
        w = Tensor(rand(3, 2), requires_grad=True)
        bag(w).backward()
        assert w.grad.tolist() == [[1, 1], [1, 1], [0, 0]]


@pytest.mark.parametrize(
    "call",
    [
        lambda w: F.embedding(WORDS, w),
        lambda w: F.embedding(WORDS, w, sparse=True),
        lambda w: F.embedding_bag(WORDS, w),
        lambda w: F.embedding_bag(WORDS, w, mode="max"),
        lambda w: F.embedding_bag(LINE, w, np.array([0, 3, 3]), mode="sum"),
        lambda w: F.embedding_bag(WORDS, w, mode="sum", per_sample_weights=(w @ w.mT)[:4, :5]),
    ],
)
def test_derivatives_to_second_order(call: Any) -> None:
    w = rand(6, 3)
    assert gradcheck(lambda w: call(w) ** 2, (w,))
    assert gradgradcheck(lambda w: call(w) ** 2, (w,))


@pytest.mark.parametrize(
    "kw", [{}, {"padding_idx": 2}, {"scale_grad_by_freq": True}, {"sparse": True}]
)
def test_float32_stays_and_numbers_may_be_few_or_none(kw: dict[str, Any]) -> None:
    layer = nn.Embedding(6, 3, **kw)
    for words in (WORDS, np.zeros((0, 2), int), np.array(3), WORDS.astype("int32")):
        layer.zero_grad()
        y = layer(ag.tensor(words))
        y.sum().backward()
        assert y.shape == (*words.shape, 3) and y.dtype == layer.weight.grad.dtype == np.float32


def test_as_scatter_add_does_it_in_parts_of_rows() -> None:
    index, x = RNG.integers(-40, 40, (70, 30)), rand(70, 30, 70).astype("float32")
    right = np.zeros((40, 70), "float32")
    np.add.at(right, index, x)
    w = Tensor(np.zeros((40, 70), "float32"), requires_grad=True)
    (w[index] * x).sum().backward()
    assert (w.grad.array == right).all()


# ---- few rows ------------------------------------------------------------------------------------

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {}, "SGD, maximize": {"maximize": True}, "Adagrad": {"initial_accumulator_value": 0.1},
    "SparseAdam": {},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Sparse invariant checks")
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_updates_the_rows_that_were_read_as_pytorch_does(name: str) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = (m.Embedding(50, 3, sparse=True).double() for m in (nn, torch.nn))
    ours.load_state_dict(theirs.state_dict())
    kind = name.split(",")[0]
    pairs = [
        (ag, ours, getattr(nn.optim, kind)(ours.parameters(), lr=0.1, **OPTIMIZERS[name])),
        (
            torch,
            theirs,
            getattr(torch.optim, kind)(theirs.parameters(), lr=0.1, **OPTIMIZERS[name]),
        ),
    ]
    for seed in range(5):
        words = np.random.default_rng(seed).integers(0, 50, (2, 4))
        for lib, layer, optimizer in pairs:
            optimizer.zero_grad()
            (layer(lib.tensor(words)) ** 2).sum().backward()
            optimizer.step()
        assert ours.weight._grad.rows is not None  # nobody made it whole
        near(ours.weight, theirs.weight)


DENSE = {"SGD": {"momentum": 0.5}, "Adam": {}, "RMSprop": {}, "Adagrad": {"weight_decay": 0.1}}


@pytest.mark.parametrize("name", [*DENSE, "SGD, plain"])
def test_a_step_is_the_same_with_and_without_sparse(name: str) -> None:
    results = []
    for sparse in BOTH:
        layer = nn.Embedding(50, 3, sparse=sparse, _weight=Tensor(rand(50, 3)))
        kind = name.split(",")[0]
        optimizer = getattr(nn.optim, kind)(layer.parameters(), lr=0.1, **DENSE.get(name, {}))
        for seed in range(3):
            optimizer.zero_grad()
            words = np.random.default_rng(seed).integers(0, 50, (2, 4))
            (layer(ag.tensor(words)) ** 2).sum().backward()
            optimizer.step()
        results.append(layer.weight.array)
    np.testing.assert_allclose(*results, 1e-12)


def read(layer: Any) -> Any:
    return (layer(ag.tensor([3, 3, 1])) ** 2).sum()


def test_the_gradient_is_whole_for_who_reads_it() -> None:
    layers = [nn.Embedding(6, 2, sparse=sparse, _weight=Tensor(rand(6, 2))) for sparse in BOTH]
    for layer in layers:
        read(layer).backward()
        read(layer).backward()  # they add up
    whole, rows = (layer.weight.grad for layer in layers)
    assert isinstance(rows, RowsGrad) and np.allclose(rows.array, whole.array)
    assert rows.shape == (6, 2) and rows.dtype == whole.dtype and rows.rows is None
    (g,) = ag.autograd.grad(read(layers[1]), [layers[1].weight])
    assert np.allclose(g.array * 2, whole.array) and type(g) is Tensor
    rows *= 0
    assert not layers[1].weight.grad.array.any()


def test_a_change_of_the_gradient_is_what_the_step_takes() -> None:
    layer = nn.Embedding(6, 2, sparse=True, _weight=Tensor(rand(6, 2)))
    optimizer = nn.optim.SGD(layer.parameters(), lr=1.0)
    before = layer.weight.array.copy()
    read(layer).backward()
    nn.utils.clip_grad_norm_(layer.parameters(), 1e-3)
    optimizer.step()
    assert 0 < np.linalg.norm(layer.weight.array - before) < 1.1e-3


def test_two_layers_on_one_weight_and_a_tied_one_add_up() -> None:
    for tied in BOTH:
        found = []
        for sparse in BOTH:
            layer = nn.Embedding(6, 2, sparse=sparse, _weight=Tensor(rand(6, 2)))
            loss = read(layer) + (layer(ag.tensor([5, 3])) ** 3).sum()
            if tied:
                loss = loss + (Tensor(rand(4, 2)) @ layer.weight.mT).sum()
            loss.backward()
            found.append(layer.weight.grad.array)
        np.testing.assert_allclose(*found, 1e-12)


def test_rows_are_those_that_were_read_once_each() -> None:
    rows = Rows(np.array([[4, 1], [4, 4]]), rand(2, 2, 3), (6, 3))
    index, values = rows.merged()
    assert index.tolist() == [1, 4] and np.allclose(np.asarray(rows)[index], values)
    assert (np.ones((6, 3)) + rows).shape == (6, 3) == (rows + np.ones((6, 3))).shape
    assert np.allclose(np.asarray(rows + rows), 2 * np.asarray(rows))


def test_hooks_and_second_derivatives_see_all_rows() -> None:
    layer = nn.Embedding(6, 2, sparse=True)
    seen: list[Any] = []
    layer.weight.register_hook(lambda g: seen.append(g.shape))
    read(layer).backward()
    assert seen == [(6, 2)] and type(layer.weight.grad) is Tensor
    layer = nn.Embedding(6, 2, sparse=True)
    read(layer).backward(create_graph=True)
    assert layer.weight.grad.requires_grad


def test_sparse_adam_says_why_it_does_not_take_a_whole_gradient() -> None:
    layer = nn.Embedding(6, 2)
    optimizer = nn.optim.SparseAdam(layer.parameters())
    read(layer).backward()
    with pytest.raises(RuntimeError, match=r"shape \(6, 2\) is whole.*use Adam"):
        optimizer.step()


def test_a_weight_in_another_layout_is_updated_in_place() -> None:
    weight = np.asfortranarray(rand(6, 2))
    layer = nn.Embedding(6, 2, sparse=True, _weight=weight)
    read(layer).backward()
    nn.optim.SGD(layer.parameters(), lr=1.0).step()
    assert layer.weight.array is weight and not np.allclose(weight, rand(6, 2))


# ---- readers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kw", [{}, {"padding_idx": 2}, {"scale_grad_by_freq": True}, {"sparse": True}], ids=str
)
def test_derived_and_drawn(kw: dict[str, Any]) -> None:
    layer = nn.Embedding(6, 3, **kw).double()
    loss = (layer(ag.tensor(WORDS)) ** 2).sum()
    derivation = derive(loss)
    assert "add.at(d_" in str(derivation) and r"\mathrm{d}" in derivation.to_latex()
    _, gradients = derivation.function()(**derivation.arguments)
    text = str(ag.draw(loss))
    loss.backward()
    (g,) = gradients.values()
    np.testing.assert_allclose(g, layer.weight.grad.array, 1e-12)
    assert "rows" in text or "getitem" in text


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Embedding(6, 3, padding_idx=2),
        lambda: nn.Embedding(6, 3, scale_grad_by_freq=True),
        lambda: nn.Embedding(6, 3, sparse=True),
        lambda: nn.EmbeddingBag(6, 3, padding_idx=2),
        lambda: nn.EmbeddingBag(6, 3, mode="max", padding_idx=2),
        lambda: nn.EmbeddingBag(6, 3, mode="sum", scale_grad_by_freq=True),
    ],
)
def test_compiled(make: Any) -> None:
    layer = make()
    step = compile(lambda words: (layer(words) ** 2).sum())
    for seed in range(3):
        words = ag.tensor(np.random.default_rng(seed).integers(0, 6, (4, 5)))
        grads = []
        for f in (step, lambda words: (layer(words) ** 2).sum()):
            layer.zero_grad()
            f(words).backward()
            grads.append(layer.weight.grad.array.copy())
        np.testing.assert_allclose(*grads, 1e-5, 1e-6)
    assert step.traces == 1 and not step.why


def test_bags_of_any_offsets_are_compiled_once() -> None:
    bag = nn.EmbeddingBag(6, 3)
    step = compile(lambda offsets: (bag(ag.tensor(LINE), offsets) ** 2).sum())
    for offsets in ([0, 3, 5], [0, 0, 11], [0, 6, 6]):
        found = step(ag.tensor(offsets)).item()
        assert found == pytest.approx((bag(LINE, ag.tensor(offsets)) ** 2).sum().item(), rel=1e-5)
    assert step.traces == 1 and not step.why


# ---- the rest ------------------------------------------------------------------------------------


def test_from_pretrained_shares_memory_and_is_frozen_unless_told() -> None:
    given = ag.tensor(rand(6, 3))
    for kind in (nn.Embedding, nn.EmbeddingBag):
        layer = kind.from_pretrained(given)
        assert not layer.weight.requires_grad and layer.weight.array is given.array
        assert kind.from_pretrained(given, freeze=False, padding_idx=-1).padding_idx == 5
        with pytest.raises(ValueError, match=r"shape \(3,\) is not"):
            kind.from_pretrained(given[0])


W = Tensor(np.zeros((6, 3)))
ERRORS: list[tuple[Any, Any, str]] = [
    (lambda: F.embedding([7], W), IndexError, "from 0 to 5, these from 7 to 7"),
    (lambda: F.embedding([-1], W), IndexError, "these from -1"),
    (lambda: F.embedding(np.array([0.5]), W), TypeError, "are ints, not float64"),
    (lambda: F.embedding([1], W[0]), ValueError, r"weight has shape \(3,\)"),
    (lambda: F.embedding([1], W, padding_idx=6), ValueError, "padding_idx 6 is none of the 6"),
    (lambda: nn.Embedding(6, 3, padding_idx=-7), ValueError, "Embedding: padding_idx -7"),
    (lambda: nn.Embedding(6, 3, _weight=W.mT), ValueError, r"\(3, 6\) is not \(6, 3\)"),
    (lambda: F.embedding_bag([1, 2], W), ValueError, r"\(2,\) without offsets"),
    (lambda: F.embedding_bag(WORDS, W, [0]), ValueError, "have their bags"),
    (lambda: F.embedding_bag([1, 2], W, [1]), ValueError, "offsets rise from 0 to at most 2"),
    (lambda: F.embedding_bag([1, 2], W, [0, 3]), ValueError, "at most 2"),
    (lambda: F.embedding_bag([1, 2], W, [[0]]), ValueError, r"got int64 \(1, 1\)"),
    (lambda: F.embedding_bag(WORDS, W, mode="min"), ValueError, "got 'min'"),
    (lambda: F.embedding_bag(WORDS, W, mode="max", sparse=True), ValueError, "no sparse"),
    (
        lambda: F.embedding_bag(WORDS, W, per_sample_weights=Tensor(rand(4, 5))),
        ValueError,
        "are for mode 'sum', here 'mean'",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "words"), ERRORS)
def test_errors_name_shapes(call: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        call()
