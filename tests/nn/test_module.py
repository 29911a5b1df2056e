"""Module registers, finds, names, saves and loads what PyTorch's does, and its errors are clear."""

import copy
import gc
import pickle
import re
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, no_grad, zeros
from nn import Linear, Module, ModuleDict, ModuleList, Parameter, ReLU, Sequential


class Block(Module):
    """A module with everything: parameters, buffers of both kinds, modules, a None of each."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = Parameter(np.ones(2, np.float32))
        self.inner = Sequential(Linear(2, 3), ReLU(), Linear(3, 2))
        self.register_buffer("seen", Tensor(np.zeros(2, np.float32)))
        self.register_buffer("scratch", Tensor(np.zeros(1, np.float32)), persistent=False)
        self.register_buffer("count", Tensor(np.array(0)))
        self.register_parameter("nothing", None)
        self.register_buffer("no_buffer", None)
        self.register_module("no_module", None)

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) * self.scale


def torch_block(torch: Any) -> Any:
    class Block(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(2))
            linear = torch.nn.Linear
            self.inner = torch.nn.Sequential(linear(2, 3), torch.nn.ReLU(), linear(3, 2))
            self.register_buffer("seen", torch.zeros(2))
            self.register_buffer("scratch", torch.zeros(1), persistent=False)
            self.register_buffer("count", torch.tensor(0))
            self.register_parameter("nothing", None)
            self.register_buffer("no_buffer", None)
            self.register_module("no_module", None)

    return Block()


NAMES = [
    "scale", "inner.0.weight", "inner.0.bias", "inner.2.weight", "inner.2.bias",
]  # fmt: skip


# ---- registering ----------------------------------------------------------------------------


def test_names_and_order_are_those_of_torch(torch: Any) -> None:
    ours, theirs = Block(), torch_block(torch)
    for what in ("named_parameters", "named_buffers", "named_modules", "named_children"):
        names = [name for name, _ in getattr(ours, what)()]
        assert names == [name for name, _ in getattr(theirs, what)()], what
    for what in ("named_parameters", "named_buffers"):
        for kw in ({"prefix": "p"}, {"recurse": False}, {"remove_duplicate": False}):
            names = [name for name, _ in getattr(ours, what)(**kw)]
            assert names == [name for name, _ in getattr(theirs, what)(**kw)]
    names = [name for name, _ in ours.named_modules(prefix="p")]
    assert names == [name for name, _ in theirs.named_modules(prefix="p")]
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert list(ours.state_dict(prefix="p.")) == list(theirs.state_dict(prefix="p."))


def test_attributes_are_registered() -> None:
    block = Block()
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert list(block.parameters()) == [p for _, p in block.named_parameters()]
    assert list(block.buffers()) == [block.seen, block.scratch, block.count]
    assert list(block.children()) == [block.inner]
    assert list(block.modules()) == [block, block.inner, *block.inner]
    assert block.nothing is None
    assert all(p.requires_grad for p in block.parameters())
    assert "scale" in dir(block)


def test_a_plain_list_of_layers_is_not_registered() -> None:
    class Lost(Module):
        def __init__(self, layers: Any) -> None:
            super().__init__()
            self.layers = layers

    layers = [Linear(2, 2), Linear(2, 2)]
    assert list(Lost(layers).parameters()) == []
    assert len(list(Lost(ModuleList(layers)).parameters())) == 4


def test_what_is_shared_counts_once_but_is_saved_under_every_name(torch: Any) -> None:
    shared = Linear(2, 2)
    model = Sequential(shared, ReLU(), shared)
    model.tied = Linear(2, 2)
    model.tied.weight = shared.weight
    names = [name for name, _ in model.named_parameters()]
    assert names == ["0.weight", "0.bias", "tied.bias"]
    assert len(list(model.modules())) == 4
    assert [name for name, _ in model.named_children()] == ["0", "1", "tied"]
    assert "# 8 parameters" in repr(model).splitlines()[0]
    theirs = torch.nn.Linear(2, 2)
    their_model = torch.nn.Sequential(theirs, torch.nn.ReLU(), theirs)
    their_model.tied = torch.nn.Linear(2, 2)
    their_model.tied.weight = theirs.weight
    assert names == [name for name, _ in their_model.named_parameters()]
    assert list(model.state_dict()) == list(their_model.state_dict())
    assert len(list(model.named_parameters(remove_duplicate=False))) == 6


def test_assigning_moves_a_name_between_the_registries() -> None:
    block = Block()
    block.scale = None  # None keeps the place
    assert [name for name, _ in block.named_parameters()] == NAMES[1:]
    block.scale = Parameter([3.0, 3.0])
    assert [name for name, _ in block.named_parameters()] == NAMES
    block.scale = Linear(1, 1)
    assert "scale.weight" in dict(block.named_parameters())
    assert "scale" not in dict(block.named_parameters())
    block.seen = Parameter([1.0])
    assert "seen" in dict(block.named_parameters())
    assert "seen" not in dict(block.named_buffers())
    block.plain = 3
    block.plain = Parameter([1.0])
    assert "plain" in dict(block.named_parameters())
    block.count = Tensor([5.0])
    assert dict(block.named_buffers())["count"].tolist() == [5]


def test_deleting_forgets() -> None:
    block = Block()
    for name in ("scale", "seen", "inner"):
        delattr(block, name)
        assert not hasattr(block, name)
    assert list(block.parameters()) == []
    assert list(block.state_dict()) == ["count"]
    with pytest.raises(AttributeError, match="scale"):
        del block.scale


@pytest.mark.parametrize("value", [Tensor([1.0]), np.zeros(2), 3, "x"])
def test_a_parameter_is_not_replaced_by_something_else(value: Any) -> None:
    block = Block()
    scale = block.scale
    text = re.escape(
        f"Block.scale is registered as a Parameter and takes a Parameter or None, not a "
        f"{type(value).__name__}; del the attribute first, or change its values inside no_grad()"
    )
    with pytest.raises(TypeError, match=text):
        block.scale = value
    with pytest.raises(TypeError, match=r"Block.inner is registered as a Module and takes a Mod"):
        block.inner = value
    assert block.scale is scale
    if not isinstance(value, Tensor):
        with pytest.raises(TypeError, match=r"Block.seen is a buffer and takes a Tensor or None"):
            block.seen = value


def test_a_missing_attribute_is_named() -> None:
    with pytest.raises(AttributeError, match="'Block' object has no attribute 'wieght'"):
        _ = Block().wieght


@pytest.mark.parametrize("kind", ["parameter", "module", "buffer", "call", "parameters", "del"])
def test_before_init_the_error_says_so(kind: str) -> None:
    class Hasty(Module):
        def __init__(self) -> None:
            if kind == "parameter":
                self.w = Parameter([1.0])
            elif kind == "module":
                self.w = Linear(1, 1)
            elif kind == "buffer":
                self.register_buffer("w", Tensor([1.0]))
            elif kind == "call":
                self(1)
            elif kind == "parameters":
                list(self.parameters())
            else:
                self.x = 1  # plain attributes do no harm
                self.x = 2
                del self.x

    with pytest.raises(AttributeError, match=r"Hasty\.\w+: Module.__init__\(\) has not run; call"):
        Hasty()


@pytest.mark.parametrize("method", ["register_parameter", "register_buffer", "register_module"])
def test_names_and_values_are_checked(method: str) -> None:
    block = Block()
    register = getattr(block, method)
    with pytest.raises(KeyError, match=r"'a\.b' cannot be a name"):
        register("a.b", None)
    with pytest.raises(KeyError, match="'' cannot be a name"):
        register("", None)
    with pytest.raises(KeyError, match="there is an attribute 'training' already"):
        register("training", None)
    with pytest.raises(TypeError, match="a name is a str, not 3"):
        register(3, None)
    with pytest.raises(TypeError, match=r"Block\.new"):
        register("new", 3.0)
    assert not hasattr(block, "new")
    register("new", None)
    assert block.new is None


def test_register_parameter_wants_a_parameter() -> None:
    with pytest.raises(TypeError, match=r"is a Parameter or None, not a Tensor; wrap it"):
        Block().register_parameter("w", Tensor([1.0]))


def test_a_parameter_shares_memory_and_requires_grad() -> None:
    a = np.zeros(3)
    p = Parameter(a)
    assert p.array is a
    assert p.requires_grad
    assert isinstance(p, Tensor)
    assert not Parameter(a, requires_grad=False).requires_grad
    assert (p * 2).__class__ is Tensor
    with pytest.raises(TypeError, match="only floating tensors have gradients"):
        Parameter(np.zeros(3, int))


# ---- calling and hooks ----------------------------------------------------------------------


def test_calls_run_forward_with_all_arguments() -> None:
    class Add(Module):
        def forward(self, a: int, b: int = 0, *, c: int = 0) -> int:
            return a + 10 * b + 100 * c

    assert Add()(1, 2, c=3) == 321
    with pytest.raises(NotImplementedError, match=r"Module: a call runs forward\(\), which"):
        Module()(1)


def test_hooks_run_in_order_and_may_replace() -> None:
    class Double(Module):
        def forward(self, x: float, plus: float = 0) -> float:
            return 2 * x + plus

    log: list[Any] = []
    m = Double()
    first = m.register_forward_pre_hook(lambda mod, args: log.append(("pre", mod, args)))
    second = m.register_forward_pre_hook(lambda mod, args: args[0] + 1)
    third = m.register_forward_pre_hook(lambda mod, args: (args[0] * 10, 5))
    after = m.register_forward_hook(lambda mod, args, out: log.append(("post", args, out)))
    change = m.register_forward_hook(lambda mod, args, out: -out)
    assert m(1) == -45
    assert log == [("pre", m, (1,)), ("post", (20, 5), 45)]
    for handle in (first, second, third, after):
        handle.remove()
        handle.remove()
    assert m(1, plus=1) == -3
    change.remove()
    assert m(1, plus=1) == 3


def test_a_hook_may_remove_itself() -> None:
    m = ReLU()
    calls = []

    def once(mod: Any, args: Any, out: Any) -> None:
        calls.append(1)
        handle.remove()

    handle = m.register_forward_hook(once)
    m(Tensor([1.0]))
    m(Tensor([1.0]))
    assert calls == [1]


# ---- finding --------------------------------------------------------------------------------


def test_get_by_dotted_name() -> None:
    block = Block()
    assert block.get_submodule("") is block
    assert block.get_submodule("inner.2") is block.inner[2]
    assert block.get_parameter("inner.2.bias") is block.inner[2].bias
    assert block.get_parameter("scale") is block.scale
    assert block.get_buffer("seen") is block.seen
    with pytest.raises(
        AttributeError,
        match=r"Block: 'inner.7' is not a module: Sequential has '0', '1', '2', not '7'",
    ):
        block.get_submodule("inner.7")
    with pytest.raises(AttributeError, match=r"'no_module.x' is not a module"):
        block.get_submodule("no_module.x")
    with pytest.raises(
        AttributeError, match=r"'inner.0.w' is not among the parameters, which are 'weight', 'bias'"
    ):
        block.get_parameter("inner.0.w")
    with pytest.raises(AttributeError, match=r"'scale' is not among the buffers"):
        block.get_buffer("scale")


def test_apply_visits_children_first() -> None:
    block = Block()
    visited: list[Module] = []
    assert block.apply(visited.append) is block
    assert visited == [*block.inner, block.inner, block]


# ---- modes, gradients, dtypes ---------------------------------------------------------------


def test_train_and_eval_reach_everything() -> None:
    block = Block()
    assert block.training
    assert block.eval() is block
    assert not any(m.training for m in block.modules())
    block.train()
    assert all(m.training for m in block.modules())
    with pytest.raises(ValueError, match="train: mode is True or False, got 1"):
        block.train(1)  # type: ignore[arg-type]


def test_zero_grad_and_requires_grad() -> None:
    block = Block()
    block(zeros(4, 2) + 1).sum().backward()
    assert all(p.grad is not None for p in block.parameters())
    kept = block.scale.grad
    block.zero_grad(set_to_none=False)
    assert block.scale.grad.array is kept.array
    assert all(not p.grad.array.any() for p in block.parameters())
    block.zero_grad()
    assert all(p.grad is None for p in block.parameters())
    block.zero_grad(set_to_none=False)
    assert block.scale.grad is None
    assert block.requires_grad_(False) is block
    assert not block(zeros(4, 2)).requires_grad
    block.requires_grad_()
    assert block(zeros(4, 2)).requires_grad


def test_zero_grad_of_a_recorded_gradient() -> None:
    p = Sequential(Linear(1, 1))
    p(zeros(2, 1) + 1).sum().backward(create_graph=True)
    (p[0].weight * p[0].weight).sum().backward(create_graph=True)
    p.zero_grad(set_to_none=False)
    assert not p[0].weight.grad.requires_grad
    assert p[0].weight.grad.tolist() == [[0.0]]


def test_to_casts_floats_in_place_and_keeps_layout() -> None:
    block = Block()
    block(zeros(4, 2) + 1).sum().backward()
    parameters = list(block.parameters())
    assert block.to("float64") is block
    assert list(block.parameters()) == parameters
    for t in (*parameters, *(p.grad for p in parameters), block.seen):
        assert t.dtype == np.float64
    assert block.count.dtype == np.int64
    assert block.inner[0].weight.array.flags.fnc
    assert {p.dtype for p in block.float().parameters()} == {np.dtype("float32")}
    assert {p.dtype for p in block.double().parameters()} == {np.dtype("float64")}
    data = block.scale.array
    assert block.double().scale.array is data
    for bad in (int, "int64", bool):
        with pytest.raises(TypeError, match=r"Block.to: .* is not a floating dtype; give np.float"):
            block.to(bad)


def test_a_cast_after_the_forward_is_detected() -> None:
    layer = Linear(2, 2)
    loss = layer(Tensor([[1.0, 2.0]], requires_grad=True)).sum()
    layer.double()
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


# ---- state ----------------------------------------------------------------------------------


def filled(block: Module, value: float) -> dict[str, np.ndarray]:
    return {key: np.full(t.shape, value, t.dtype) for key, t in block.state_dict().items()}


def test_state_is_shared_and_detached_and_loads_in_place() -> None:
    block = Block()
    state = block.state_dict()
    assert not any(t.requires_grad for t in state.values())
    assert state["scale"].array is block.scale.array
    assert block.state_dict(keep_vars=True)["scale"] is block.scale
    assert "scratch" not in state
    before = {name: p.array for name, p in block.named_parameters()}
    result = block.load_state_dict(filled(block, 7))
    assert result == ([], [])
    assert result.missing_keys == []
    for name, p in block.named_parameters():
        assert p.array is before[name]
        assert (p.array == 7).all()
        assert p.requires_grad
    assert block.inner[0].weight.array.flags.fnc
    assert block.count.tolist() == 7
    other = Block()
    other.load_state_dict(block.state_dict())
    assert other.seen.tolist() == [7, 7]
    assert other.seen.array is not block.seen.array


def test_loading_keeps_dtype_and_takes_any_layout() -> None:
    layer = Linear(3, 2)
    w = np.arange(6.0).reshape(2, 3)
    for given in (w, np.asfortranarray(w), w.T.copy().T, Tensor(w)):
        layer.load_state_dict({"weight": given, "bias": np.zeros(2, int)})
        assert layer.weight.dtype == np.float32
        assert layer.weight.array.flags.fnc
        np.testing.assert_array_equal(layer.weight.array, w)


def test_loading_bumps_the_version() -> None:
    layer = Linear(2, 2)
    loss = layer(Tensor([[1.0, 2.0]], requires_grad=True)).sum()
    layer.load_state_dict(filled(layer, 1))
    with pytest.raises(RuntimeError, match="changed in place"):
        loss.backward()


def test_a_state_that_does_not_fit_changes_nothing_and_lists_every_fault() -> None:
    block = Block()
    before = {key: t.array.copy() for key, t in block.state_dict().items()}
    state: dict[str, Any] = filled(block, 7)
    del state["inner.0.bias"], state["count"]
    state["inner.0.weight"] = np.zeros((2, 3))
    state["inner.2.bias"] = np.zeros(1)
    state["seen"] = "zeros"
    state["scale"] = np.array(["a", "b"])
    state["extra"] = np.zeros(1)
    with pytest.raises(RuntimeError) as caught:
        block.load_state_dict(state)
    text = str(caught.value)
    for line in (
        "load_state_dict: this state does not fit Block, and nothing was changed",
        "missing: 'count', 'inner.0.bias'",
        "unexpected: 'extra'",
        "shape: 'inner.0.weight' is (3, 2) here, (2, 3) in the state",
        "shape: 'inner.2.bias' is (2,) here, (1,) in the state",
        "not a tensor: 'seen' is a str",
        "not numbers: 'scale' has dtype <U1",
    ):
        assert line in text
    with pytest.raises(RuntimeError) as caught:
        block.load_state_dict(state, strict=False)
    assert "missing" not in str(caught.value).splitlines()[1]
    for key, t in block.state_dict().items():
        np.testing.assert_array_equal(t.array, before[key])


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "net."])
def test_a_prefix_before_all_names_is_explained(prefix: str) -> None:
    block = Block()
    state = {f"{prefix}{key}": a for key, a in filled(block, 7).items()}
    with pytest.raises(RuntimeError) as caught:
        block.load_state_dict(state)
    line = str(caught.value).splitlines()[-1]
    assert line.startswith(f"  prefix: all names begin with '{prefix}'")
    assert ("put" in line) == (prefix in ("module.", "_orig_mod."))
    remedy = line.split("take it off: ")[1]
    block.load_state_dict(eval(remedy, {"state": state}))
    assert block.seen.tolist() == [7, 7]
    state["other"] = np.zeros(1)
    with pytest.raises(RuntimeError) as caught:
        block.load_state_dict(state)
    assert "prefix" not in str(caught.value)


def test_a_checkpoint_in_place_of_a_state_is_explained() -> None:
    block = Block()
    with pytest.raises(RuntimeError, match=r"nested: 'model' are dict.*load one: state\['model'\]"):
        block.load_state_dict({"model": filled(block, 7), "epoch": 1})


def test_without_strict_what_fits_is_loaded() -> None:
    block = Block()
    state = filled(block, 7)
    del state["scale"]
    state["extra"] = np.zeros(1)
    result = block.load_state_dict(state, strict=False)
    assert result == (["scale"], ["extra"])
    assert block.scale.tolist() == [1, 1]
    assert block.seen.tolist() == [7, 7]
    with pytest.raises(TypeError, match="a state is a dict of tensors, not a list"):
        block.load_state_dict([1])  # type: ignore[arg-type]


def test_a_state_loads_from_torch(torch: Any) -> None:
    ours, theirs = Block(), torch_block(torch)
    ours.load_state_dict({key: t.numpy() for key, t in theirs.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((5, 2)).astype(np.float32)
    expected = (theirs.inner(torch.tensor(x)) * theirs.scale).detach().numpy()
    np.testing.assert_allclose(ours(Tensor(x)).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


# ---- copies ---------------------------------------------------------------------------------


def test_deepcopy_is_independent_and_keeps_sharing() -> None:
    model = Sequential(Linear(2, 2), Linear(2, 2))
    model[1].weight = model[0].weight
    model(zeros(1, 2)).sum().backward()
    twin = copy.deepcopy(model)
    assert twin[1].weight is twin[0].weight
    assert twin[0].weight is not model[0].weight
    assert isinstance(twin[0].weight, Parameter)
    with no_grad():
        twin[0].weight += 1
    assert not (twin[0].weight.array == model[0].weight.array).any()
    assert [n for n, _ in twin.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    twin.new = Linear(1, 1)
    assert "new.weight" not in dict(model.named_parameters())


def test_a_shallow_copy_shares_parameters_but_not_registries() -> None:
    block = Block()
    twin = copy.copy(block)
    assert twin.scale is block.scale
    twin.new = Parameter([1.0])
    del twin.inner
    twin.register_forward_hook(lambda *args: 1 / 0)
    assert [name for name, _ in block.named_parameters()] == NAMES
    assert [name for name, _ in twin.named_parameters()] == ["scale", "new"]
    assert block(zeros(1, 2)).shape == (1, 2)


def test_deepcopy_keeps_layout() -> None:
    assert copy.deepcopy(Linear(3, 4)).weight.array.flags.fnc


def test_pickle_keeps_everything() -> None:
    block = Block().eval()
    twin = pickle.loads(pickle.dumps(block))
    assert repr(twin) == repr(block)
    assert not twin.inner[0].training
    for (name, a), (twin_name, b) in zip(
        block.state_dict().items(), twin.state_dict().items(), strict=True
    ):
        assert name == twin_name
        np.testing.assert_array_equal(a.array, b.array)
    assert twin.inner[0].weight.array.flags.fnc
    assert isinstance(twin.scale, Parameter)
    x = Tensor([[1.0, 2.0]])
    assert twin(x).tolist() == block(x).tolist()


def test_a_module_is_freed_without_the_collector() -> None:
    gc.disable()
    try:
        block = Block()
        block(zeros(1, 2)).sum().backward()
        gone = weakref.ref(block)
        del block
        assert gone() is None
    finally:
        gc.enable()


# ---- containers -----------------------------------------------------------------------------


def test_sequential_is_a_list_of_modules() -> None:
    a, b, c = Linear(2, 3), ReLU(), Linear(3, 1)
    model = Sequential(a, b, c)
    assert len(model) == 3
    assert list(model) == [a, b, c]
    assert model[-1] is c
    assert list(model[:2]) == [a, b]
    assert isinstance(model[1:], Sequential)
    assert [n for n, _ in model[1:].named_children()] == ["1", "2"]
    part = model[1:].append(a)
    assert list(part) == [b, c, a]
    x = Tensor([[1.0, 2.0]])
    assert model(x).tolist() == c(b(a(x))).tolist()
    assert Sequential()(x) is x
    d = ReLU()
    assert model.append(d) is model
    assert model.insert(1, d) is model
    assert list(model) == [a, d, b, c, d]
    assert [n for n, _ in model.named_children()] == ["0", "1", "2", "3"]
    assert model.pop(0) is a
    assert model.pop() is d
    model[0] = a
    assert list(model) == [a, b, c]
    del model[0]
    assert [n for n, _ in model.named_children()] == ["0", "1"]
    del model[:1]
    assert list(model) == [c]
    longer = model + ModuleList([d, d])
    assert isinstance(longer, Sequential)
    assert list(longer) == [c, d, d]
    assert list(model.extend([d])) == [c, d]


def test_sequential_takes_names(torch: Any) -> None:
    model = Sequential({"first": Linear(2, 2), "second": ReLU()})
    assert list(model.state_dict()) == ["first.weight", "first.bias"]
    assert model.first is model[0]
    model.append(Linear(2, 1))
    named = OrderedDict(first=torch.nn.Linear(2, 2), second=torch.nn.ReLU())
    theirs = torch.nn.Sequential(named)
    theirs.append(torch.nn.Linear(2, 1))
    assert list(model.state_dict()) == list(theirs.state_dict())


@pytest.mark.parametrize("kind", [Sequential, ModuleList])
def test_rows_refuse_what_is_not_a_module_and_stay_as_they_were(kind: Any) -> None:
    row = kind() if kind is ModuleList else kind(ReLU())
    row.extend([ReLU()] * (2 - len(row)))
    before = list(row)
    text = rf"{kind.__name__}: .* is a function, not a Module"
    for change in (
        lambda: row.append(lambda x: x),
        lambda: row.extend([ReLU(), lambda x: x]),
        lambda: row.insert(0, lambda x: x),
        lambda: row.__setitem__(0, lambda x: x),
    ):
        with pytest.raises(TypeError, match=text):
            change()
    with pytest.raises(TypeError, match=text):
        kind([lambda x: x]) if kind is ModuleList else kind(lambda x: x)
    for act in (lambda: row[2], lambda: row.pop(5), lambda: row.__setitem__(2, ReLU())):
        with pytest.raises(IndexError, match=r"index \d is out of range; it holds 2"):
            act()
    with pytest.raises(IndexError, match="index -3 is out of range"):
        del row[-3]
    assert list(row) == before


def test_common_slips_are_explained() -> None:
    with pytest.raises(TypeError, match=r"is a list, not a Module; unpack it with \*, as in Seq"):
        Sequential([ReLU()])
    with pytest.raises(TypeError, match=r"is a type, not a Module; call it to make one: ReLU\("):
        Sequential(ReLU)


def test_module_list_is_a_list_of_modules() -> None:
    a, b = Linear(2, 2), Linear(2, 2)
    layers = ModuleList([a])
    assert layers.append(b) is layers
    assert list(layers) == [a, b]
    assert layers[1] is b
    assert isinstance(layers[:1], ModuleList)
    assert [n for n, _ in layers[1:].named_children()] == ["0"]
    assert list(layers + ModuleList([a])) == [a, b, a]
    with pytest.raises(NotImplementedError, match="ModuleList: a call runs"):
        layers(1)


def test_parameter_dict_is_a_dict_of_parameters() -> None:
    a, b = Parameter(np.ones(2)), Parameter(np.zeros(1))
    d = nn.ParameterDict({"a": a})
    assert d.setdefault("b", b) is b is d.setdefault("b", a) is d.get("b", a)
    assert d.get("c") is None and d.get("c", a) is a
    twin = d.copy()
    assert d.pop("a") is a and list(d) == ["b"]
    with pytest.raises(KeyError, match="ParameterDict: no parameter 'a'; it has b"):
        d.pop("a")
    d.clear()
    assert not list(d.parameters()) and dict(twin.items()) == {"a": a, "b": b}
    assert repr(twin).splitlines()[1] == "  (a): Parameter containing: [float64 of size 2]"


def test_module_dict_is_a_dict_of_modules() -> None:
    a, b = Linear(2, 2), ReLU()
    d = ModuleDict({"a": a})
    d["b"] = b
    assert list(d) == list(d.keys()) == ["a", "b"]
    assert list(d.values()) == [a, b]
    assert list(d.items()) == [("a", a), ("b", b)]
    assert len(d) == 2
    assert "a" in d
    assert "c" not in d
    assert list(d.state_dict()) == ["a.weight", "a.bias"]
    assert d.pop("a") is a
    d.update([("c", a)])
    del d["b"]
    assert list(d) == ["c"]
    with pytest.raises(KeyError, match="ModuleDict: no module 'x'; it holds 'c'"):
        d["x"]
    with pytest.raises(KeyError, match="there is an attribute 'keys' already"):
        d["keys"] = a
    with pytest.raises(TypeError, match="a module is a Module or None, not a int"):
        d["n"] = 3  # type: ignore[assignment]
    d.clear()
    assert not len(d)
    assert list(d.parameters()) == []


# ---- text -----------------------------------------------------------------------------------


def test_repr_is_a_tree_with_counts() -> None:
    model = Sequential(
        Linear(784, 64),
        ReLU(),
        ModuleDict({"drop": nn.Dropout(0.1), "out": Linear(64, 1, bias=False)}),
    )
    assert repr(model) == (
        "Sequential(  # 50,304 parameters\n"
        "  (0): Linear(in_features=784, out_features=64, bias=True)  # 50,240 parameters\n"
        "  (1): ReLU()\n"
        "  (2): ModuleDict(  # 64 parameters\n"
        "    (drop): Dropout(p=0.1, inplace=False)\n"
        "    (out): Linear(in_features=64, out_features=1, bias=False)  # 64 parameters\n"
        "  )\n"
        ")"
    )
    assert repr(Module()) == "Module()"
    assert repr(Linear(1, 1, bias=False)).endswith("# 1 parameter")


def test_deep_nesting_is_walked_without_recursion() -> None:
    model: Module = Linear(1, 1)
    for _ in range(3000):
        model = Sequential(model)
    assert len(list(model.modules())) == 3001
    assert len(model.state_dict()) == 2
    model.eval()


def test_a_state_with_numbers_too_large_changes_all_or_nothing() -> None:
    layer = nn.Linear(2, 1)
    state = {"weight": np.ones((1, 2)), "bias": np.array([1e300])}
    layer.load_state_dict(state)  # float64 into float32, with warnings as errors
    assert layer.weight.tolist() == [[1.0, 1.0]] and layer.bias.tolist() == [np.inf]


def test_a_parameter_has_plain_values() -> None:
    weight = nn.Parameter(np.array([[1.0, 5.0], [7.0, 2.0]]))
    values, indices = weight.max(dim=1)
    assert values.tolist() == [5.0, 7.0] and indices.tolist() == [1, 0]
    assert type(weight.argmax()).__name__ == "Tensor"


def test_what_load_state_dict_gives_says_that_all_was_found() -> None:
    layer = nn.Linear(2, 1)
    assert repr(layer.load_state_dict(layer.state_dict())) == "<All keys matched successfully>"
    found = layer.load_state_dict({"weight": zeros(1, 2)}, strict=False)
    assert repr(found) == "Keys(missing_keys=['bias'], unexpected_keys=[])"


def test_a_repr_has_settings_above_the_inner_modules() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.ReLU()

        def extra_repr(self) -> str:
            return "a=1, b=2"

    assert repr(Gate()) == "Gate(\n  a=1, b=2\n  (inner): ReLU()\n)"


def test_states_from_before_batches_were_counted_are_whole() -> None:
    norm = nn.BatchNorm1d(2)
    state = {k: v for k, v in norm.state_dict().items() if k != "num_batches_tracked"}
    assert norm.load_state_dict(state).missing_keys == []


def test_modules_are_put_into_places_and_walked_as_in_pytorch() -> None:
    shared = Linear(2, 2)
    model = Sequential(shared, Sequential(shared, Linear(2, 2)))
    assert len([*model.modules()]) == 4 and len([*model.modules(remove_duplicate=False)]) == 5
    assert [name for name, _ in model.named_modules({shared}, "net")] == ["net", "net.1", "net.1.1"]
    model.set_submodule("1.1", Sequential())
    assert isinstance(model.get_submodule("1.1"), Sequential)
    with pytest.raises(AttributeError, match=r"'1\.7' is not a module"):
        model.set_submodule("1.7", shared)
    with pytest.raises(TypeError, match="bfloat16: NumPy has no numbers as short as that"):
        model.bfloat16()
