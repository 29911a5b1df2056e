"""The optimisers agree with PyTorch step by step, refuse what is wrong, and fail without traces."""

import copy
import gc
import tracemalloc
import warnings
from typing import Any

import numpy as np
import pytest

import nn.optim.optimizer
from autograd_lite import Tensor, tensor
from nn import optim
from nn.optim import SGD, Adagrad, Adam, AdamW, Optimizer, RMSprop

SHAPES: list[tuple[int, ...]] = [(), (1,), (5,), (3, 4), (2, 3, 4), (0, 3), (1, 1)]

CASES: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "maximize": True, "weight_decay": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.1, "maximize": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    ("Adam", {}),
    ("Adam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3}),
    ("Adam", {"lr": 0.1, "betas": (0.0, 0.0), "eps": 1e-3}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "maximize": True}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True, "betas": (0.9, 0.5)}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    ("AdamW", {"lr": 0.1}),
    ("AdamW", {"lr": 0.1, "weight_decay": 0.5, "maximize": True}),
    ("RMSprop", {}),
    ("RMSprop", {"lr": 0.1, "alpha": 0.5, "weight_decay": 0.1}),
    ("RMSprop", {"momentum": 0.9, "maximize": True}),
    ("RMSprop", {"centered": True, "eps": 1e-2}),
    ("RMSprop", {"centered": True, "momentum": 0.9, "weight_decay": 0.1, "eps": 1e-2}),
    ("Adagrad", {"lr": 0.1}),
    ("Adagrad", {"lr_decay": 0.1, "weight_decay": 0.1, "initial_accumulator_value": 0.5}),
    ("Adagrad", {"lr": 0.1, "maximize": True, "eps": 0.1}),
    ("NAdam", {}),
    ("NAdam", {"lr": 0.1, "betas": (0.5, 0.9), "momentum_decay": 0.1, "weight_decay": 0.1}),
    ("NAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("RAdam", {}),
    ("RAdam", {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    ("RAdam", {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    ("Adamax", {}),
    ("Adamax", {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.1, "maximize": True}),
    ("Adadelta", {}),
    ("Adadelta", {"lr": 0.5, "rho": 0.5, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    ("Rprop", {}),
    ("Rprop", {"lr": 0.1, "etas": (0.3, 2.0), "step_sizes": (0.01, 0.5), "maximize": True}),
    ("ASGD", {}),
    ("ASGD", {"lr": 0.1, "lambd": 0.1, "alpha": 0.5, "t0": 5, "weight_decay": 0.1}),
    ("ASGD", {"lr": 0.1, "t0": 0, "maximize": True}),
]
IDS = [f"{name}-{'-'.join(kw)}" for name, kw in CASES]
NAMES = [
    "SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "NAdam", "RAdam", "Adamax", "Adadelta", "Rprop",
    "ASGD",
]  # fmt: skip
DECAYS = [name for name in NAMES if name != "Rprop"]  # which has no weight_decay


def make(name: str, params: Any, **kw: Any) -> Optimizer:
    optimizer: Optimizer = getattr(optim, name)(params, **kw)
    return optimizer


def leaf(a: Any, dtype: Any = np.float64) -> Tensor:
    return Tensor(np.asarray(a, dtype), requires_grad=True)


def with_grad(a: Any, g: Any, dtype: Any = np.float64) -> Tensor:
    p = leaf(a, dtype)
    p.grad = Tensor(np.asarray(g, dtype))
    return p


def snapshot(optimizer: Optimizer) -> Any:
    """Everything that a failed step must leave alone."""
    params = [p.array.tobytes() for group in optimizer.param_groups for p in group["params"]]
    state = optimizer.state_dict()
    arrays = {i: {k: a.tobytes() for k, a in s.items()} for i, s in state["state"].items()}
    return params, arrays, state["param_groups"]


# Parity with PyTorch


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 1e-6)])
@pytest.mark.parametrize(("name", "kw"), CASES, ids=IDS)
def test_twenty_steps_equal_pytorch(name: str, kw: Any, dtype: Any, tolerance: float) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    start = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    ours = [tensor(a, requires_grad=True) for a in start]
    theirs = [torch.tensor(a, requires_grad=True) for a in start]
    mine, judge = make(name, ours, **kw), getattr(torch.optim, name)(theirs, **kw)
    for step in range(20):
        for i, (p, q) in enumerate(zip(ours, theirs, strict=True)):
            g = rng.standard_normal(p.shape).astype(dtype)
            skipped = (step + i) % 7 == 3
            p.grad = None if skipped else Tensor(g)
            q.grad = None if skipped else torch.tensor(g)
        assert mine.step() is None
        judge.step()
        for p, q in zip(ours, theirs, strict=True):
            assert p.dtype == dtype
            np.testing.assert_allclose(
                p.array, q.detach().numpy(), rtol=tolerance, atol=tolerance, strict=True
            )
    saved, theirs_saved = mine.state_dict(), judge.state_dict()
    assert saved["state"].keys() == theirs_saved["state"].keys()
    for i, state in saved["state"].items():
        expected = {k: v for k, v in theirs_saved["state"][i].items() if v is not None}
        assert state.keys() == expected.keys()
        for key, value in expected.items():
            np.testing.assert_allclose(state[key], value.numpy(), rtol=1e-5, atol=tolerance)
            assert state[key].dtype == value.numpy().dtype
    for group, theirs_group in zip(
        saved["param_groups"], theirs_saved["param_groups"], strict=True
    ):
        kept = nn.optim.optimizer.TORCH_ONLY
        assert group == {k: v for k, v in theirs_group.items() if k not in kept}


@pytest.mark.parametrize("name", NAMES)
def test_defaults_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = getattr(torch.optim, name)([torch.zeros(1)]).defaults
    kept = nn.optim.optimizer.TORCH_ONLY
    mine = make(name, [leaf([0.0])])
    assert mine.defaults == {k: v for k, v in theirs.items() if k not in kept}
    text = repr(getattr(torch.optim, name)([torch.zeros(1)]))
    lines = [line for line in text.splitlines() if line.split(":")[0].strip() not in kept]
    assert repr(mine) == "\n".join(lines)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size", [(700, 500), (500, 2, 350), (1, 300_000)])
def test_large_arrays_in_blocks_and_any_layout(
    name: str, size: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    kw = {"weight_decay": 0.1} if name in DECAYS else {}
    kw |= {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    rng = np.random.default_rng(0)
    start, grads = rng.standard_normal(size), [rng.standard_normal(size) for _ in range(3)]

    def run(layout: Any, grad_layout: Any) -> Any:
        p = Tensor(layout(start.copy()), requires_grad=True)
        optimizer = make(name, [p], **kw)
        for g in grads:
            p.grad = Tensor(grad_layout(g))
            optimizer.step()
        return p, optimizer

    def strided(a: Any) -> Any:
        wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]))
        wide[..., ::2] = a
        return wide[..., ::2]

    monkeypatch.setattr(nn.optim.optimizer, "BLOCK", 10**9)
    expected = run(np.ascontiguousarray, np.ascontiguousarray)[0].array
    monkeypatch.setattr(nn.optim.optimizer, "BLOCK", 2**16)
    for layout in (np.ascontiguousarray, np.asfortranarray, strided):
        for grad_layout in (np.ascontiguousarray, np.asfortranarray, strided):
            p, optimizer = run(layout, grad_layout)
            assert np.array_equal(p.array, expected)
            assert len(optimizer._plans[p].parts) > 1
            for key, a in optimizer.state[p].items():
                one = key == "step" or key in optimizer.scalars
                assert one or a.strides == np.empty_like(p.array).strides


def test_fortran_scratch_and_state_follow_the_parameter() -> None:
    p = Tensor(np.asfortranarray(np.ones((3, 4))), requires_grad=True)
    optimizer = Adam([p])
    p.grad = Tensor(np.ones((3, 4)))
    optimizer.step()
    (_, scratch), *_ = optimizer._plans[p].parts
    assert scratch[0].flags.f_contiguous
    assert optimizer.state[p]["exp_avg"].flags.f_contiguous


def test_real_gradients_through_a_network() -> None:
    torch = pytest.importorskip("torch")
    from nn import Linear, ReLU, Sequential

    model = Sequential(Linear(3, 4), ReLU(), Linear(4, 2))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    pairs = list(zip(model.parameters(), theirs.parameters(), strict=True))
    for p, q in pairs:
        q.data = torch.tensor(p.array)
    x = np.random.default_rng(0).standard_normal((5, 3)).astype(np.float32)
    mine, judge = Adam(model.parameters(), lr=0.05), torch.optim.Adam(theirs.parameters(), lr=0.05)
    for _ in range(20):
        mine.zero_grad()
        (model(Tensor(x)) ** 2).sum().backward()
        mine.step()
        judge.zero_grad()
        (theirs(torch.tensor(x)) ** 2).sum().backward()
        judge.step()
    for p, q in pairs:
        np.testing.assert_allclose(p.array, q.detach().numpy(), rtol=1e-4, atol=1e-5)


# What a step does and does not


@pytest.mark.parametrize(("name", "kw"), CASES, ids=IDS)
def test_gradient_none_is_skipped_also_with_weight_decay(name: str, kw: Any) -> None:
    a, b = leaf([1.0, 2.0]), with_grad([1.0, 2.0], [1.0, 1.0])
    optimizer = make(name, [a, b], **kw | ({"weight_decay": 0.5} if name in DECAYS else {}))
    optimizer.step()
    assert a.tolist() == [1.0, 2.0]
    assert b.tolist() != [1.0, 2.0]
    assert a not in optimizer.state


@pytest.mark.parametrize("name", NAMES)
def test_step_is_in_place_and_makes_no_arrays(name: str) -> None:
    kw = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    kw |= {"weight_decay": 0.1} if name in DECAYS else {}
    params = [with_grad(np.ones(s), np.ones(s), np.float32) for s in [(300, 400), (400,), (50, 7)]]
    optimizer = make(name, params, **kw)
    arrays = [p.array for p in params]
    grads = [p.grad.array.copy() for p in params if p.grad is not None]
    for _ in range(2):
        optimizer.step()
    gc.collect()
    tracemalloc.start()
    try:
        optimizer.step()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 6000  # the smallest array has 1400 bytes, the largest 480,000
    for p, a, g in zip(params, arrays, grads, strict=True):
        assert p.array is a
        assert a.dtype == np.float32
        assert p.grad is not None
        assert np.array_equal(p.grad.array, g)


def test_scratch_is_one_array_at_most() -> None:
    params = [with_grad(np.ones(s), np.ones(s)) for s in [(3, 4), (200,), (1000, 400)]]
    optimizer = Adam(params)
    optimizer.step()
    largest_block = max(part[0].nbytes for p in params for _, part in optimizer._plans[p].parts)
    assert optimizer._pool.nbytes == largest_block
    assert largest_block <= 8 * nn.optim.optimizer.BLOCK


def test_python_and_numpy_scalars_keep_float32() -> None:
    for lr in (np.float64(0.5), np.array(0.5), tensor(0.5), 1):
        p = with_grad([1.0], [1.0], np.float32)
        SGD([p], lr=lr).step()  # type: ignore[arg-type]
        assert p.dtype == np.float32
        assert p.item() == 1 - float(lr)


def test_stale_backward_is_an_error_after_a_step() -> None:
    p = leaf([2.0])
    y = (p * p).sum()
    p.grad = tensor([1.0], dtype=np.float64)
    SGD([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="changed in place"):
        y.backward()


def test_closure_is_called_once_with_gradients_on() -> None:
    from autograd_lite import no_grad

    p = leaf([2.0])
    optimizer, calls = SGD([p], lr=0.25), []

    def closure() -> Tensor:
        calls.append(1)
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    with no_grad():
        loss = optimizer.step(closure)
    assert (loss.item(), p.tolist(), calls) == (4.0, [1.0], [1])


def test_zero_grad() -> None:
    a, b = with_grad([1.0], [3.0]), leaf([1.0])
    optimizer = SGD([a, b])
    array = a.grad.array  # type: ignore[union-attr]
    optimizer.zero_grad(set_to_none=False)
    assert a.grad is not None and a.grad.array is array and array.tolist() == [0.0]
    assert b.grad is None
    optimizer.zero_grad()
    assert a.grad is None
    (a**3).sum().backward(create_graph=True)
    optimizer.zero_grad(set_to_none=False)
    assert a.grad is not None and a.grad.tolist() == [0.0] and not a.grad.requires_grad


def test_parameter_groups_have_their_own_options() -> None:
    a, b, c = (with_grad([1.0], [1.0]) for _ in range(3))
    optimizer = SGD([{"params": [a]}, {"params": b, "lr": 0.5}], lr=0.25)
    optimizer.add_param_group({"params": (q for q in [c]), "momentum": 0.5})
    optimizer.step()
    optimizer.step()
    assert [p.item() for p in (a, b, c)] == [0.5, 0.0, 1 - 0.25 - 0.375]
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.5, 0.25]
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    assert a.item() == 0.5


def test_named_parameters_are_taken() -> None:
    p = with_grad([1.0], [1.0])
    optimizer = SGD([("w", p)], lr=1.0)
    optimizer.step()
    assert p.item() == 0
    assert optimizer.param_groups[0]["param_names"] == ["w"]


def test_a_parameter_whose_array_is_replaced() -> None:
    p = with_grad(np.ones(3), np.ones(3))
    optimizer = SGD([p], lr=0.5)
    optimizer.step()
    p.array = np.zeros((2, 2))
    p.grad = Tensor(np.ones((2, 2)))
    optimizer.step()
    assert p.tolist() == [[-0.5, -0.5], [-0.5, -0.5]]
    q = with_grad(np.ones(3), np.ones(3))
    optimizer = SGD([q], lr=0.5, momentum=0.5)
    optimizer.step()
    q.array, q.grad = np.zeros((2, 2)), Tensor(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"shape \(2, 2\) now and had \(3,\).*new optimiser"):
        optimizer.step()
    assert q.tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_a_larger_group_added_later_gets_enough_scratch() -> None:
    a = with_grad(np.ones(3), np.ones(3))
    optimizer = SGD([a], lr=0.5)
    optimizer.step()
    b = with_grad(np.ones((40, 50)), np.ones((40, 50)))
    optimizer.add_param_group({"params": b})
    optimizer.step()
    assert a.tolist() == [0.0] * 3
    assert (b.array == 0.5).all()
    optimizer.step()
    for plan in optimizer._plans.values():
        assert plan.parts[0][1][0].base is optimizer._pool  # the smaller one is gone


def test_overflow_is_silent_and_the_step_whole() -> None:
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        a, b = with_grad([1e200], [1e200]), with_grad([1.0], [1.0])
        Adam([a, b], lr=0.5).step()
        with pytest.raises(FloatingPointError):  # the user's setting is back
            np.array([1e200]) * 1e200
    assert b.item() == pytest.approx(0.5)


def test_deepcopy_goes_on_alone() -> None:
    p = with_grad([1.0], [1.0])
    optimizer = SGD([p], lr=0.25, momentum=0.5)
    optimizer.step()
    other_p, other = copy.deepcopy((p, optimizer))
    other_p.grad = Tensor(np.ones(1))
    other.step()
    assert (p.item(), other_p.item()) == (0.75, 0.75 - 0.375)


# A failed step changes nothing


def bad_gradients() -> list[tuple[str, Any, type[Exception], str]]:
    return [
        (
            "shape",
            Tensor(np.ones((2, 1))),
            ValueError,
            r"shape \(2, 1\).*parameter of shape \(2,\)",
        ),
        ("broadcasts", Tensor(np.ones(())), ValueError, r"shape \(\) .*nothing was updated"),
        ("dtype", Tensor(np.ones(2, np.float32)), TypeError, "float32 does not fit.*float64"),
        ("array", np.ones(2), TypeError, "is a ndarray, not a Tensor"),
        ("number", 1.0, TypeError, "is a float, not a Tensor"),
    ]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("what", "grad", "error", "text"), bad_gradients())
@pytest.mark.parametrize("steps", [0, 2])
def test_a_wrong_gradient_leaves_all_as_it_was(
    name: str, what: str, grad: Any, error: type[Exception], text: str, steps: int
) -> None:
    kw = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    a, b = with_grad([1.0, 2.0], [1.0, 1.0]), with_grad([1.0, 2.0], [1.0, 1.0])
    optimizer = make(name, [{"params": a}, {"params": b}], **kw)
    for _ in range(steps):
        optimizer.step()
    before = snapshot(optimizer)
    b.grad = grad
    with pytest.raises(error, match=rf"{name}\.step: .*{text}"):
        optimizer.step()
    assert snapshot(optimizer) == before


def test_a_read_only_parameter_and_a_bad_option_leave_all_as_it_was() -> None:
    a, b = with_grad([1.0, 2.0], [1.0, 1.0]), with_grad([1.0, 2.0], [1.0, 1.0])
    b.array.flags.writeable = False
    optimizer = Adam([a, b])
    before = snapshot(optimizer)
    with pytest.raises(ValueError, match="read-only"):
        optimizer.step()
    assert snapshot(optimizer) == before
    optimizer = Adam([{"params": a}, {"params": with_grad([1.0], [1.0])}])
    optimizer.param_groups[1]["lr"] = "fast"
    before = snapshot(optimizer)
    with pytest.raises(ValueError, match="fast"):
        optimizer.step()
    assert snapshot(optimizer) == before


# Errors of the constructor


def test_parameters_that_are_refused() -> None:
    p = leaf([1.0])
    generator = (q for q in [p])
    SGD(generator)
    refused: list[tuple[Any, type[Exception], str]] = [
        ([], ValueError, "SGD: no parameters; is params a generator that was used up"),
        (generator, ValueError, "SGD: no parameters"),
        ([{"params": generator}], ValueError, "group is empty; was its generator used up"),
        (p, TypeError, r"params is a Tensor; give a list of tensors, model.parameters\(\)"),
        ({"params": p}, TypeError, "params is a dict"),
        ([np.ones(2)], TypeError, "parameter 0 is a ndarray, not a Tensor"),
        ([p, None], TypeError, "parameter 1 is a NoneType"),
        ({p}, TypeError, "a set of parameters has no order; give a list"),
        ([{"params": {p}}], TypeError, "a set of parameters has no order"),
        ([{"lr": 1}], TypeError, "key 'params', got {'lr': 1}"),
        ([{"params": p}, p], TypeError, "a parameter group is a dictionary"),
        ([p * 2], ValueError, r"parameter 0, of shape \(1,\), is the result of an operation"),
        ([p, p], ValueError, r"parameter 1, of shape \(1,\), is given twice"),
        ([{"params": p}, {"params": [p]}], ValueError, "is given twice; a parameter belongs"),
    ]
    for params, error, text in refused:
        with pytest.raises(error, match=text):
            SGD(params)


NAN, INF = float("nan"), float("inf")
BAD_OPTIONS: list[tuple[str, dict[str, Any], str]] = [
    *[
        (name, {option: value}, rf"{name}: {option} is {value}; it must be a finite number from 0")
        for name, options in {
            "SGD": ["lr", "momentum", "weight_decay"],
            "Adam": ["lr", "eps", "weight_decay"],
            "AdamW": ["lr", "eps", "weight_decay"],
            "RMSprop": ["lr", "alpha", "eps", "weight_decay", "momentum"],
            "Adagrad": ["lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"],
            "NAdam": ["lr", "eps", "weight_decay", "momentum_decay"],
            "RAdam": ["lr", "eps", "weight_decay"],
            "Adamax": ["lr", "eps", "weight_decay"],
            "Adadelta": ["lr", "rho", "eps", "weight_decay"],
            "Rprop": ["lr"],
            "ASGD": ["lr", "weight_decay"],
        }.items()
        for option in options
        for value in (-0.1, NAN, INF)
    ],
    ("SGD", {"dampening": NAN, "momentum": 0.9}, "dampening is nan"),
    ("Adadelta", {"rho": 1.5}, "rho is 1.5; it must be from 0 to 1"),
    ("Rprop", {"etas": (1.5, 1.2)}, "0 < etas"),
    ("Rprop", {"step_sizes": (-1, 1)}, "step_sizes"),
    ("ASGD", {"lambd": NAN}, "lambd is nan; it must be a finite number"),
    ("ASGD", {"t0": INF}, "t0 is inf; it must be a finite number"),
    ("SGD", {"nesterov": True}, "nesterov needs momentum above 0 and no dampening"),
    ("SGD", {"nesterov": True, "momentum": 0.9, "dampening": 0.1}, "dampening=0.1"),
    *[
        (name, {"betas": betas}, text)
        for name in ("Adam", "AdamW", "NAdam", "RAdam", "Adamax")
        for betas, text in [
            ((1.0, 0.9), r"betas\[0\] is 1.0; .* below 1"),
            ((0.9, 1.0), r"betas\[1\] is 1.0"),
            ((-0.1, 0.9), r"betas\[0\]"),
            ((0.9, NAN), r"betas\[1\]"),
            (0.9, "betas is 0.9; give two numbers"),
            ((0.9,), "give two numbers"),
        ]
    ],
]


@pytest.mark.parametrize(("name", "kw", "text"), BAD_OPTIONS)
def test_options_out_of_range(name: str, kw: Any, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        make(name, [leaf([1.0])], **kw)
    optimizer = make(name, [leaf([1.0])])
    before = snapshot(optimizer)
    with pytest.raises(ValueError, match=text):
        optimizer.add_param_group({"params": leaf([1.0]), **kw})
    assert snapshot(optimizer) == before
    with pytest.raises(TypeError, match="not a number"):
        make(name, [leaf([1.0])], lr="fast")


# state_dict


def train(optimizer: Optimizer, params: list[Tensor], steps: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        for p in params:
            p.grad = Tensor(rng.standard_normal(p.shape).astype(p.dtype))
        optimizer.step()


@pytest.mark.parametrize(("name", "kw"), CASES, ids=IDS)
def test_training_goes_on_from_a_saved_state(name: str, kw: Any) -> None:
    a, b = [leaf(np.ones((2, 3)))], [leaf(np.zeros((2, 3)))]
    first, second = make(name, a, **kw), make(name, b)
    train(first, a, 3, seed=0)
    saved = first.state_dict()
    frozen = copy.deepcopy(saved)
    second.load_state_dict(saved)
    b[0].array[...] = a[0].array
    train(first, a, 3, seed=1)
    assert repr(saved) == repr(frozen)  # a copy, not the state itself
    train(second, b, 3, seed=1)
    assert repr(saved) == repr(frozen)  # and copied on the way in
    assert np.array_equal(a[0].array, b[0].array)


@pytest.mark.parametrize(("name", "kw"), CASES, ids=IDS)
def test_states_go_to_pytorch_and_come_back(name: str, kw: Any) -> None:
    torch = pytest.importorskip("torch")
    theirs = [torch.ones(2, 3, dtype=torch.float64, requires_grad=True)]
    judge = getattr(torch.optim, name)(theirs, **kw)
    rng = np.random.default_rng(0)

    def their_steps(count: int) -> None:
        for _ in range(count):
            theirs[0].grad = torch.tensor(rng.standard_normal((2, 3)))
            judge.step()

    their_steps(3)
    state = judge.state_dict()
    arrays = {
        i: {k: None if v is None else v.numpy() for k, v in s.items()}
        for i, s in state["state"].items()
    }
    ours = [leaf(theirs[0].detach().numpy().copy())]
    mine = make(name, ours)
    mine.load_state_dict({**state, "state": arrays})
    train(mine, ours, 3, seed=1)
    back = mine.state_dict()
    rng = np.random.default_rng(1)
    their_steps(3)
    np.testing.assert_allclose(ours[0].array, theirs[0].detach().numpy(), rtol=1e-12, atol=1e-12)
    tensors = {i: {k: torch.tensor(v) for k, v in s.items()} for i, s in back["state"].items()}
    judge.load_state_dict({**back, "state": tensors})
    train(mine, ours, 2, seed=2)
    rng = np.random.default_rng(2)
    their_steps(2)
    # PyTorch loads the product of NAdam's momenta in float64, which it rounds to float32 elsewhere
    tolerance = 1e-12 if name != "NAdam" else 1e-9
    np.testing.assert_allclose(
        ours[0].array, theirs[0].detach().numpy(), rtol=tolerance, atol=tolerance
    )


def test_load_state_dict_refuses_another_structure() -> None:
    params = [leaf(np.ones(3)), leaf(np.ones((2, 2)))]
    optimizer = Adam(params, lr=0.1)
    train(optimizer, params, 2, seed=0)
    good = optimizer.state_dict()

    def changed(path: list[Any], value: Any) -> Any:
        new = copy.deepcopy(good)
        spot: Any = new
        for key in path[:-1]:
            spot = spot[key]
        spot[path[-1]] = value
        return new

    group = good["param_groups"][0]
    refused: list[tuple[Any, str]] = [
        ({}, "keys 'state' and 'param_groups' are needed"),
        (None, "keys 'state' and 'param_groups' are needed"),
        (changed(["param_groups"], [group, group]), "2 parameter groups are saved, .* has 1"),
        (changed(["param_groups", 0, "params"], [0]), "group 0 has 1 parameters .* 2 in this"),
        (SGD(params).state_dict(), "group 0 lacks the options amsgrad, betas.*another optimiser"),
        (changed(["state", 1, "exp_avg"], np.ones(3)), r"'exp_avg' of shape \(3,\).*parameter 1"),
        (changed(["state", 1, "sum"], np.ones((2, 2))), "'sum' .* this optimiser keeps exp_avg"),
        (changed(["state", 5], good["state"][1]), r"state for \[5\], which no group lists"),
        (changed(["param_groups", 0, "lr"], -1.0), "lr is -1.0"),
    ]
    before = snapshot(optimizer)
    for state, text in refused:
        with pytest.raises(ValueError, match=text):
            optimizer.load_state_dict(state)
        assert snapshot(optimizer) == before
    optimizer.load_state_dict(good)


def test_loaded_state_takes_the_dtype_and_layout_of_the_parameter() -> None:
    source = [leaf(np.ones((2, 3)))]
    first = Adam(source)
    train(first, source, 1, seed=0)
    p = Tensor(np.asfortranarray(np.ones((2, 3), np.float32)), requires_grad=True)
    second = Adam([p])
    second.load_state_dict(first.state_dict())
    a = second.state[p]["exp_avg"]
    assert a.dtype == np.float32
    assert a.flags.f_contiguous


# Clipping


@pytest.mark.parametrize("norm_type", [2, 1, 3.5, float("inf")])
@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e18, 1e-25, 0.0, float("inf"), float("nan")])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clip_grad_norm_equals_pytorch(norm_type: float, scale: float, dtype: Any) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    params = [leaf(np.ones(s), dtype) for s in [(), (3,), (4, 5)]]
    theirs = [torch.tensor(p.array, requires_grad=True) for p in params]
    for p, q in zip(params, theirs, strict=True):
        g = np.asarray(rng.standard_normal(p.shape) * scale, dtype)
        p.grad, q.grad = Tensor(np.asfortranarray(g)), torch.tensor(g)
    array = params[2].grad.array  # type: ignore[union-attr]
    others = [leaf([1.0]), with_grad(np.ones(0), np.ones(0))]
    norm = optim.clip_grad_norm_(iter([*params, *others]), 1.5, norm_type)
    expected = torch.nn.utils.clip_grad_norm_(theirs, 1.5, norm_type)
    assert norm.dtype == dtype
    if not 0 < expected < float("inf") and 0 < scale < float("inf"):  # PyTorch loses it, we do not
        assert dtype == np.float32
        assert scale / 10 < norm.item() < scale * 100
        return
    np.testing.assert_allclose(norm.item(), expected.item(), rtol=1e-5)
    for p, q in zip(params, theirs, strict=True):
        np.testing.assert_allclose(p.grad.array, q.grad.numpy(), rtol=1e-5)  # type: ignore
    assert params[2].grad.array is array  # type: ignore[union-attr]


def test_clip_grad_norm_errors_change_nothing() -> None:
    p = with_grad([1.0, 1.0], [NAN, 3.0])
    with pytest.raises(RuntimeError, match="norm of the gradients is nan; nothing was scaled"):
        optim.clip_grad_norm_(p, 1.0, error_if_nonfinite=True)
    for kw, text in [
        ({"max_norm": -1.0}, "max_norm is -1.0"),
        ({"max_norm": NAN}, "max_norm is nan"),
        ({"max_norm": 1.0, "norm_type": 0}, "norm_type is 0.0"),
    ]:
        with pytest.raises(ValueError, match=text):
            optim.clip_grad_norm_([p], **kw)  # type: ignore[arg-type]
    assert p.grad is not None
    np.testing.assert_array_equal(p.grad.array, [NAN, 3.0])
    assert optim.clip_grad_norm_([], 1.0).item() == 0


def test_one_nan_spoils_all_gradients_as_in_pytorch() -> None:
    a, b = with_grad([1.0], [NAN]), with_grad([1.0], [3.0])
    optim.clip_grad_norm_([a, b], 1.0)
    assert b.grad is not None and np.isnan(b.grad.item())


def test_clip_grad_value() -> None:
    p = with_grad([1.0, 1.0, 1.0], [-5.0, 0.5, 5.0])
    array = p.grad.array  # type: ignore[union-attr]
    optim.clip_grad_value_([p, leaf([1.0])], 2)
    assert array.tolist() == [-2.0, 0.5, 2.0]
    with pytest.raises(ValueError, match=r"clip_value is -1\.0"):
        optim.clip_grad_value_(p, -1)


def test_clip_in_float16_without_overflow() -> None:
    p = with_grad(np.ones(4), np.full(4, 1e4), np.float16)
    assert optim.clip_grad_norm_(p, 2.0).item() == 2e4
    assert p.grad is not None
    assert p.grad.tolist() == [1.0, 1.0, 1.0, 1.0]


def test_all_names_are_there() -> None:
    assert {*NAMES, "LBFGS"} <= set(optim.__all__)
    assert {SGD, Adam, AdamW, RMSprop, Adagrad} <= {getattr(optim, n) for n in optim.__all__}


def test_empty_groups_are_taken_as_pytorch_does() -> None:
    p = with_grad([1.0], [1.0])
    optimizer = SGD([{"params": []}, {"params": p}, {"params": ()}], lr=0.5)
    optimizer.step()
    assert p.item() == 0.5
    optimizer.load_state_dict(optimizer.state_dict())
    assert [len(group["params"]) for group in optimizer.param_groups] == [0, 1, 0]


def test_betas_that_a_scheduler_made_one_are_refused_before_the_step() -> None:
    p = tensor([1.0], requires_grad=True)
    p.grad = tensor([1.0])
    optimizer = optim.Adam([p])
    optimizer.param_groups[0]["betas"] = (1.0, 0.999)
    with pytest.raises(ValueError, match=r"betas is .* below 1"):
        optimizer.step()
    assert p.tolist() == [1.0] and not optimizer.state
