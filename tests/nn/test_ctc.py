"""CTC against all alignments, PyTorch and finite differences."""

import itertools
import re

import numpy as np
import pytest

import nn
from autograd_lite import MisfitError, Tensor, compile, gradcheck, gradgradcheck, tensor
from nn import functional as F

RNG = np.random.default_rng(0)
NAN = np.nan


def by_hand(p, letters, blank):
    """The probability of all alignments that spell the letters."""
    total = 0.0
    for path in itertools.product(range(p.shape[1]), repeat=len(p)):
        text = [k for k, _ in itertools.groupby(path) if k != blank]
        total += np.prod(p[range(len(p)), path]) * (text == list(letters))
    return total


@pytest.mark.parametrize("letters", [[], [1], [2, 1], [1, 1], [1, 2, 1]])
@pytest.mark.parametrize("blank", [0, 3])
def test_it_is_the_sum_over_all_alignments(letters, blank):
    p = RNG.dirichlet(np.ones(4), 4)
    if blank == 3:
        letters = [k - 1 for k in letters]
    found = F.ctc_loss(Tensor(np.log(p)), np.array(letters, int), 4, len(letters), blank, "sum")
    np.testing.assert_allclose(np.exp(-found.item()), by_hand(p, letters, blank), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(6, 3, 5, 3), (4, 2, 3, 4), (1, 2, 3, 1), (5, 1, 4, 0)])
def test_it_is_pytorchs_behind_a_log_softmax(shape, dtype):
    torch = pytest.importorskip("torch")
    time, n, classes, longest = shape
    close = {"rtol": 1e-4, "atol": 1e-5} if dtype == "float32" else {"rtol": 1e-9, "atol": 1e-12}
    rng = np.random.default_rng(time)
    for reduction, zero, in_a_row in itertools.product(("mean", "sum", "none"), (0, 1), (0, 1)):
        logits = rng.standard_normal((time, n, classes)).astype(dtype)
        steps, size = rng.integers(max(time - 2, 0), time + 1, n), rng.integers(0, longest + 1, n)
        letters = rng.integers(1, classes, (n, longest))
        if in_a_row:
            letters = letters[np.arange(longest) < size[:, None]]
        ours, theirs = tensor(logits, requires_grad=True), torch.tensor(logits, requires_grad=True)
        rest = (letters, steps, size)
        found = F.ctc_loss(ours.log_softmax(-1), *rest, 0, reduction, bool(zero))
        right = torch.nn.functional.ctc_loss(
            theirs.log_softmax(-1), *map(torch.tensor, rest), 0, reduction, bool(zero)
        )
        assert found.dtype == dtype and found.shape == tuple(right.shape)
        np.testing.assert_allclose(found.array, right.detach().numpy(), **close)
        g = np.where(np.isfinite(found.array), rng.standard_normal(found.shape), 0).astype(dtype)
        found.backward(tensor(g))
        right.backward(torch.tensor(g))
        there = np.isfinite(theirs.grad.numpy())  # of what cannot be spelled it has NaN
        np.testing.assert_allclose(ours.grad.array[there], theirs.grad.numpy()[there], **close)
        assert np.isfinite(ours.grad.array).all()


def test_gradients_to_second_order():
    x = Tensor(RNG.standard_normal((4, 2, 3)), requires_grad=True)

    def loss(x):
        return F.ctc_loss(x.log_softmax(-1), np.array([[1, 1], [2, 0]]), [4, 3], [2, 1])

    assert gradcheck(loss, (x,)) and gradgradcheck(loss, (x,))
    y = tensor(np.log(RNG.dirichlet(np.ones(3), (4, 1))), requires_grad=True)
    assert gradcheck(lambda y: F.ctc_loss(y, np.array([[1, 2]]), [4], [2]), (y,))


def test_lengths_of_few_bits_are_lengths():
    x, t = Tensor(RNG.standard_normal((127, 1, 5))).log_softmax(-1), RNG.integers(1, 5, (1, 70))
    small = F.ctc_loss(x, t, np.array([127], np.int8), np.array([70], np.int8))
    assert small.item() == F.ctc_loss(x, t, [127], [70]).item() < np.inf


def test_a_step_that_cannot_be_has_no_slopes():
    x = np.log(np.full((4, 1, 3), 1 / 3))
    x[1] = -np.inf
    x = tensor(x, requires_grad=True)
    loss = F.ctc_loss(x, np.array([[1, 2]]), [4], [2], zero_infinity=True)
    loss.backward()
    assert loss.item() == 0 and not x.grad.array.any()


@pytest.mark.filterwarnings("error")
def test_float16_has_the_range_of_float32():
    x = np.log(RNG.dirichlet(np.ones(3), (4, 1))).astype(np.float16)
    half, whole = (Tensor(x.astype(kind), requires_grad=True) for kind in (np.float16, np.float32))
    losses = [F.ctc_loss(x, np.array([[1, 2]]), [4], [2]) for x in (half, whole)]
    for loss in losses:
        loss.backward()
    assert losses[0].dtype == half.grad.dtype == np.float16
    np.testing.assert_allclose(losses[0].item(), losses[1].item(), rtol=1e-3)
    np.testing.assert_allclose(half.grad.array, whole.grad.array, atol=1e-3)


def test_the_module_keeps_its_settings():
    loss = nn.CTCLoss(blank=2, reduction="sum", zero_infinity=True)
    assert repr(loss) == "CTCLoss()" and not loss.state_dict()
    x = Tensor(np.zeros((2, 1, 3)))
    assert loss(x, np.array([[0, 0]]), [2], [2]).item() == 0  # a blank would be between
    assert F.ctc_loss(x, np.array([[0, 0]]), [2], [2], 2).item() == np.inf


@pytest.mark.parametrize(
    ("shape", "rest", "words"),
    [
        ((2, 3), ([[1]], [2], [1], 3), "classes from 0 to 2"),
        ((2, 1, 3), ([[5]], [2], [1]), "classes from 0 to 2"),
        ((2, 1, 3), ([[1]], [3], [1]), "input_lengths are [3]; they are 1 ints"),
        ((2, 1, 3), ([[1]], [2], [2]), "target_lengths are [2]"),
        ((2, 2, 3), ([1, 1, 1], [2, 2], [1, 1]), "targets have shape (3,)"),
        ((2, 2, 3), ([1, 1], [2, 2], [3, -1]), "they are 2 ints, one for each sample, from 0"),
        ((2, 2, 3), ([1, 1], [2, 2], [1.0, 1.0]), "they are 2 ints"),
        ((2, 0, 3), ([[1]], [2], [1]), "float64 of shape (2, 0, 3)"),
        ((2, 1, 3), ([[0.5]], [2], [1]), "targets are float"),
    ],
)
def test_errors_name_shapes_and_lengths(shape, rest, words):
    with pytest.raises(MisfitError, match=re.escape(words)):
        F.ctc_loss(Tensor(np.zeros(shape)), np.array(rest[0]), *rest[1:])


@pytest.mark.parametrize("given", [Tensor, np.asarray, lambda a: a.tolist()])
def test_compiled_it_keeps_no_targets_and_no_lengths(given):
    """It depends on their values, which no code could follow, so compile runs it as it is."""
    held = {}

    def loss(x, *given):
        return F.ctc_loss(x.log_softmax(-1), *(given or held.values()))

    step, captured = compile(loss), compile(loss)
    for i in range(3):
        rng = np.random.default_rng(i)
        x = tensor(rng.standard_normal((7, 2, 4)), requires_grad=True)
        targets, size = rng.integers(1, 4, (2, 3)), rng.integers(1, 4, 2)
        held = dict(enumerate(map(given, (targets, rng.integers(6, 8, 2), size))))
        expected = loss(x)
        for f, args in ((step, held.values()), (captured, ())):
            if i:
                found = f(x, *args)
            else:
                with pytest.warns(UserWarning, match="runs as it is: it reads the values"):
                    found = f(x, *args)
            assert found.item() == expected.item()
