"""Loss modules keep their settings, check them at construction and equal PyTorch's modules."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor

R = np.random.default_rng(0)
LOGITS, CLASSES = R.standard_normal((6, 3)), np.array([0, 1, 2, 1, 0, 2])
ODDS, TARGETS = R.uniform(0.05, 0.95, (2, 6, 3))
WEIGHT = np.array([0.5, 1.0, 3.0])
CASES: list[tuple[str, np.ndarray, np.ndarray, dict[str, Any]]] = [
    ("MSELoss", LOGITS, TARGETS, {}),
    ("L1Loss", LOGITS, TARGETS, {}),
    ("HuberLoss", LOGITS, TARGETS, {}),
    ("HuberLoss", LOGITS, TARGETS, {"delta": 0.2}),
    ("SmoothL1Loss", LOGITS, TARGETS, {}),
    ("SmoothL1Loss", LOGITS, TARGETS, {"beta": 0.2}),
    ("CrossEntropyLoss", LOGITS, CLASSES, {}),
    ("CrossEntropyLoss", LOGITS, CLASSES, {"weight": WEIGHT, "label_smoothing": 0.2}),
    ("CrossEntropyLoss", LOGITS, CLASSES, {"ignore_index": 1}),
    ("CrossEntropyLoss", LOGITS, TARGETS, {}),
    ("NLLLoss", LOGITS, CLASSES, {}),
    ("NLLLoss", LOGITS, CLASSES, {"weight": WEIGHT, "ignore_index": 1}),
    ("BCELoss", ODDS, TARGETS, {}),
    ("BCELoss", ODDS, TARGETS, {"weight": WEIGHT}),
    ("BCEWithLogitsLoss", LOGITS, TARGETS, {}),
    ("BCEWithLogitsLoss", LOGITS, TARGETS, {"weight": WEIGHT, "pos_weight": WEIGHT + 1}),
]
NAMES = sorted({name for name, *_ in CASES})


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]} {list(case[3])}")
def test_losses_equal_torch(case: Any, reduction: str, torch: Any) -> None:
    name, input, target, kw = case
    theirs = {k: torch.tensor(v) if isinstance(v, np.ndarray) else v for k, v in kw.items()}
    x, tx = Tensor(input, requires_grad=True), torch.tensor(input, requires_grad=True)
    loss = getattr(nn, name)(**kw, reduction=reduction)(x, Tensor(target))
    their_loss = getattr(torch.nn, name)(**theirs, reduction=reduction)(tx, torch.tensor(target))
    np.testing.assert_allclose(loss.detach().numpy(), their_loss.detach().numpy(), rtol=1e-10)
    loss.sum().backward()
    their_loss.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), tx.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
def test_the_reduction_is_checked_at_construction(name: str) -> None:
    text = f"{name}: reduction is 'mean', 'sum' or 'none', got 'average'"
    with pytest.raises(ValueError, match=text):
        getattr(nn, name)(reduction="average")
    assert getattr(nn, name)().reduction == "mean"


@pytest.mark.parametrize(
    "name", ["MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss", "BCELoss", "BCEWithLogitsLoss"]
)
def test_a_column_against_a_vector_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match=r"has shape \(4, 1\) and the target \(4,\)"):
        getattr(nn, name)()(Tensor(np.full((4, 1), 0.5)), Tensor(np.zeros(4)))


def test_weights_are_buffers() -> None:
    loss = nn.BCEWithLogitsLoss(weight=WEIGHT, pos_weight=[1.0, 2.0, 3.0])
    assert list(loss.state_dict()) == ["weight", "pos_weight"]
    assert loss.pos_weight.dtype == np.float32
    assert list(loss.parameters()) == []
    assert loss.float().weight.dtype == np.float32
    assert nn.CrossEntropyLoss(weight=Tensor(WEIGHT)).weight.array is WEIGHT
    assert list(nn.CrossEntropyLoss().state_dict()) == []
    for twin in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        x, t = Tensor(LOGITS), Tensor(TARGETS)
        assert twin(x, t).item() == loss(x, t).item()


def test_losses_without_a_target_for_one_input_say_what_is_missing() -> None:
    with pytest.raises(TypeError, match="target"):
        nn.MSELoss()(Tensor([1.0]))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"size_average": False}, "sum"),
        ({"reduce": False}, "none"),
        ({"size_average": True}, "mean"),
        ({"size_average": False, "reduce": False}, "none"),
    ],
)
@pytest.mark.parametrize("name", ["mse_loss", "cross_entropy", "binary_cross_entropy_with_logits"])
def test_the_words_before_0_4_1_are_followed_with_a_warning(
    old: dict[str, Any], new: str, name: str
) -> None:
    kind = {"mse_loss": nn.MSELoss, "cross_entropy": nn.CrossEntropyLoss}.get(
        name, nn.BCEWithLogitsLoss
    )
    loss = getattr(nn.functional, name)
    x, t = Tensor(LOGITS), Tensor(TARGETS)
    wanted = loss(x, t, reduction=new)
    with pytest.warns(UserWarning, match=f"write reduction='{new}'"):
        given = loss(x, t, **old)
    with pytest.warns(UserWarning, match=f"write reduction='{new}'"):
        module = kind(**old)
    for found in (given, module(x, t)):
        np.testing.assert_array_equal(found.array, wanted.array)
    assert module.reduction == new


def test_a_variance_for_each_row_goes_with_the_rows() -> None:
    x, var = Tensor([[1.0, 3.0], [2.0, 5.0]]), Tensor([1.0, 4.0])
    loss = nn.functional.gaussian_nll_loss(x, x * 0, var, reduction="none")
    expected = 0.5 * (np.log([[1.0], [4.0]]) + x.array**2 / [[1.0], [4.0]])
    assert np.allclose(loss.array, expected)
    with pytest.raises(ValueError, match=r"gaussian_nll_loss: var has shape \(3,\)"):
        nn.functional.gaussian_nll_loss(x, x, Tensor([1.0, 1.0, 1.0]))
