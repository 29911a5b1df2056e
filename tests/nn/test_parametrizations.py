"""Weights that are kept in some form: the same as PyTorch's, value by value and key by key."""

from __future__ import annotations

import copy
import warnings
from importlib import import_module
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite import Tensor, nn
from nn.utils import parametrizations, parametrize, prune

LAYERS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (lambda nn: nn.Linear(3, 4), (2, 3)),
    "conv": (lambda nn: nn.Conv2d(2, 3, 2), (2, 2, 4, 4)),
    "transposed": (lambda nn: nn.ConvTranspose1d(2, 3, 2), (2, 2, 4)),
}
FORMS: dict[str, Any] = {
    "weight_norm": lambda nn, m: nn.utils.weight_norm(m),
    "weight_norm of all": lambda nn, m: nn.utils.weight_norm(m, dim=None),
    "weight_norm along 1": lambda nn, m: nn.utils.weight_norm(m, dim=1),
    "spectral_norm": lambda nn, m: nn.utils.spectral_norm(m, n_power_iterations=2),
    "new weight_norm": lambda nn, m: nn.utils.parametrizations.weight_norm(m, dim=1),
    "new weight_norm of all": lambda nn, m: nn.utils.parametrizations.weight_norm(m, dim=None),
    "new spectral_norm": lambda nn, m: nn.utils.parametrizations.spectral_norm(m),
    "l1": lambda nn, m: nn.utils.prune.l1_unstructured(m, "weight", 0.3),
    "l1 twice": lambda nn, m: nn.utils.prune.l1_unstructured(
        nn.utils.prune.l1_unstructured(m, "weight", 4), "weight", 0.5
    ),
    "rows": lambda nn, m: nn.utils.prune.ln_structured(m, "weight", 1, n=2, dim=1),
    "rows, then l1": lambda nn, m: nn.utils.prune.l1_unstructured(
        nn.utils.prune.ln_structured(m, "weight", 1, n=1, dim=0), "weight", 0.4
    ),
}


@pytest.fixture(name="torch")
def torch_and_its_pruning(torch: Any) -> Any:
    import_module("torch.nn.utils.prune")
    return torch


def pair(torch: Any, layer: str, form: str) -> tuple[Any, Any]:
    """The same layer in the same form, there and here."""
    make = LAYERS[layer][0]
    there, here = make(torch.nn), make(nn)
    here.load_state_dict(there.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the older names are deprecated
        FORMS[form](torch.nn, there)
    FORMS[form](nn, here)
    assert list(here.state_dict()) == list(there.state_dict())
    assert [n for n, _ in here.named_parameters()] == [n for n, _ in there.named_parameters()]
    here.load_state_dict(there.state_dict())  # what was drawn at random
    return there, here


def same(a: Any, b: Any) -> None:
    x, y = b.detach().numpy(), a.detach().numpy()  # as exact as the largest elements of a sum are
    np.testing.assert_allclose(x, y, 2e-5, 2e-6 * max(1.0, np.abs(y).max(initial=0)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layer", LAYERS)
def test_values_gradients_and_states_are_pytorchs(torch: Any, layer: str, form: str) -> None:
    there, here = pair(torch, layer, form)
    x = np.random.default_rng(0).standard_normal(LAYERS[layer][1]).astype("float32")
    for training in (True, True, False):
        there.train(training)
        here.train(training)
        there.zero_grad()
        here.zero_grad()
        y = here(Tensor(x))
        theirs = there(torch.tensor(x))
        same(theirs, y)
        (theirs**2).sum().backward()
        (y**2).sum().backward()
        for p, q in zip(there.parameters(), here.parameters(), strict=True):
            same(p.grad, q.grad)
        for key, value in there.state_dict().items():
            same(value, here.state_dict()[key])
    same(there.weight, here.weight)
    same(there.weight, copy.deepcopy(here).weight)


@pytest.mark.parametrize("form", ["weight_norm", "spectral_norm", "new weight_norm", "l1"])
def test_what_is_undone_is_as_before(torch: Any, form: str) -> None:
    there, here = pair(torch, "linear", form)
    for library, layer in ((torch.nn, there), (nn, here)):
        layer.eval()
        utils = library.utils
        if form.startswith("new"):
            utils.parametrize.remove_parametrizations(layer, "weight")
        elif form == "l1":
            utils.prune.remove(layer, "weight")
        else:
            getattr(utils, f"remove_{form}")(layer)
    assert list(here.state_dict()) == list(there.state_dict())
    assert type(here) is nn.Linear and not here._forward_pre_hooks
    same(there.weight, here.weight)


def test_parametrizations_follow_one_another_and_take_values(torch: Any) -> None:
    def layer(nn: Any, utils: Any) -> Any:
        class Half(nn.Module):  # type: ignore[misc]
            def forward(self, x: Any) -> Any:
                return x / 2

            def right_inverse(self, y: Any) -> Any:
                return y * 2

        class Skew(nn.Module):  # type: ignore[misc]
            def forward(self, x: Any) -> Any:
                return x.triu(1) - x.triu(1).transpose(0, 1)

        m = nn.Linear(2, 2)
        m.weight.data.copy_(m.weight.data * 0 + 3)
        utils.register_parametrization(m, "weight", Half())
        assert utils.is_parametrized(m, "weight") and not utils.is_parametrized(m, "bias")
        m.weight = m.weight.data + 1
        utils.register_parametrization(m, "weight", Skew())
        return m

    there = layer(torch.nn, torch.nn.utils.parametrize)
    here = layer(nn, parametrize)
    same(there.weight, here.weight)
    same(there.parametrizations.weight.original, here.parametrizations.weight.original)
    assert parametrize.type_before_parametrizations(here) is nn.Linear


class Itself(nn.Module):
    def forward(self, x: Any) -> Any:
        return x


def test_what_is_done_to_a_copy_is_done_to_it_alone() -> None:
    layer = parametrize.register_parametrization(nn.Linear(2, 2), "weight", Itself())
    plain, more = copy.deepcopy(layer), copy.deepcopy(layer)
    parametrize.remove_parametrizations(plain, "weight")
    parametrize.register_parametrization(more, "bias", Itself())
    x = Tensor(np.ones((1, 2)))
    assert layer(x).tolist() == plain(x).tolist() == more(x).tolist()
    assert type(plain) is nn.Linear and not parametrize.is_parametrized(layer, "bias")
    parametrize.remove_parametrizations(more, "weight")
    assert parametrize.is_parametrized(more, "bias") and layer(x).tolist() == more(x).tolist()


def test_a_parametrization_that_is_refused_changes_nothing() -> None:
    class Cut(nn.Module):
        def forward(self, x: Any) -> Any:
            return x[:1]

        def right_inverse(self, x: Any) -> Any:
            return x * 2

    layer = nn.Linear(2, 2)
    before = layer.weight.tolist()
    for _ in range(2):  # the second time it would follow another
        with pytest.raises(ag.MisfitError, match=r"shape \(1, 2\) of weight"):
            parametrize.register_parametrization(layer, "weight", Cut())
        assert layer.weight.tolist() == before
        parametrize.register_parametrization(layer, "weight", Itself())
    parametrize.register_parametrization(layer, "weight", Cut(), unsafe=True)
    assert layer.weight.shape == (1, 2)


def test_amounts_of_numpy() -> None:
    for amount in (np.int64(2), np.float32(0.5)):
        assert int(prune.l1_unstructured(nn.Linear(2, 2), "weight", amount).weight_mask.sum()) == 2


def test_pruning_several_as_one(torch: Any) -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 2))
    mine = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    mine.load_state_dict(net.state_dict())
    for library, model in ((torch.nn.utils.prune, net), (prune, mine)):
        both = [(model[0], "weight"), (model[1], "weight"), (model[1], "bias")]
        library.global_unstructured(both, library.L1Unstructured, amount=0.4)
        assert library.is_pruned(model) and not library.is_pruned(
            torch.nn.Linear(1, 1) if model is net else nn.Linear(1, 1)
        )
    assert list(mine.state_dict()) == list(net.state_dict())
    for key, value in net.state_dict().items():
        same(value, mine.state_dict()[key])


def test_an_optimizer_goes_on_with_what_was_pruned() -> None:
    layer = nn.Linear(2, 2)
    weight = layer.weight
    prune.random_unstructured(layer, "weight", 2)
    assert int((layer.weight == 0).sum()) == 2
    assert prune.remove(layer, "weight").weight is weight
    assert parametrizations.spectral_norm(nn.Linear(2, 2)).weight.shape == (2, 2)


def test_spectral_norms_are_one() -> None:
    layer = nn.Conv2d(3, 4, 2)
    parametrizations.spectral_norm(layer, n_power_iterations=200)
    largest = ag.linalg.matrix_norm(layer.weight.flatten(1), 2)
    assert largest.item() == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (lambda m: prune.l1_unstructured(m, "weight", 5), ValueError, "an int up to 4 or a float"),
        (lambda m: prune.l1_unstructured(m, "w", 1), ValueError, "no parameter 'w'"),
        (lambda m: prune.custom_from_mask(m, "weight", [1, 0]), ValueError, r"mask of \(2,\)"),
        (lambda m: prune.remove(m, "weight"), ValueError, "prune.remove: 'weight' of Linear has"),
        (lambda m: prune.ln_structured(m, "weight", 1, 2, dim=2), IndexError, "prune: axis 2 is"),
        (lambda m: prune.random_structured(m, "weight", 1, dim=2), IndexError, "axis 2 is out"),
        (lambda m: prune.ln_structured(m, "w", 1, 2, dim=0), ValueError, "no parameter 'w'"),
        (lambda m: prune.random_structured(m, "w", 1, dim=0), ValueError, "no parameter 'w'"),
        (lambda m: nn.utils.weight_norm(m, dim=2), IndexError, "weight_norm: axis 2 is out"),
        (lambda m: parametrizations.weight_norm(m, dim=2), IndexError, "axis 2 is out of range"),
        (lambda m: nn.utils.weight_norm(m, "w"), ValueError, "no parameter 'w'"),
        (
            lambda m: nn.utils.weight_norm(nn.utils.weight_norm(m)),
            RuntimeError,
            "has it already",
        ),
        (lambda m: parametrizations.spectral_norm(m, "w"), ValueError, "no parameter 'w'"),
        (lambda m: parametrizations.orthogonal(m), AttributeError, "orthogonal"),
        (
            lambda m: parametrize.register_parametrization(m, "weight", nn.Flatten(0)),
            ValueError,
            r"shape \(4,\) of weight, which is float32 of \(2, 2\)",
        ),
        (lambda m: parametrize.remove_parametrizations(m, "weight"), ValueError, "not parametr"),
    ],
)
def test_errors_change_nothing(call: Any, kind: type[Exception], text: str) -> None:
    layer = nn.Linear(2, 2)
    with pytest.raises(kind, match=text):
        call(layer)
    if "already" not in text:
        assert list(layer.state_dict()) == ["weight", "bias"] and not layer._forward_pre_hooks
