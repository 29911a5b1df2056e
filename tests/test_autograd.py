"""`autograd.Function`, hooks, `autograd.functional`: every test of behaviour runs with PyTorch too."""

from __future__ import annotations

import copy
import gc
import warnings
from typing import Any
from weakref import ref

import numpy as np
import pytest

import autograd_lite
from autograd_lite import autograd, compare, compile, derive, draw, tensor


class Ours:
    """Our names where PyTorch has them."""

    tensor, autograd, nn = staticmethod(tensor), autograd, __import__("nn")
    no_grad, zeros, ones = autograd_lite.no_grad, autograd_lite.zeros, autograd_lite.ones


@pytest.fixture(params=["ours", "torch"])
def t(request: pytest.FixtureRequest) -> Any:
    """The library under test, and the judge."""
    return Ours if request.param == "ours" else pytest.importorskip("torch")


def near(x: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.array(x.tolist()), expected, rtol=1e-5, atol=1e-6)


# ---- Function -------------------------------------------------------------------------------------


def exponential(t: Any) -> Any:
    class Exp(t.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any, k: int) -> Any:
            y = x.exp()
            ctx.save_for_backward(x, y)
            ctx.k = k
            return y * 1 if k else y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, y = ctx.saved_tensors
            assert ctx.needs_input_grad == (True, False)
            return g * y + 0 * x, None

    return Exp


def test_saved_inputs_and_outputs_can_be_differentiated_again(t: Any) -> None:
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y = exponential(t).apply(x, 0)
    assert y.requires_grad and "Exp" in y.grad_fn.name()
    (g,) = t.autograd.grad(y.sum(), x, create_graph=True)
    near(g, np.exp([1, 2]))
    (g * g).sum().backward()
    near(x.grad, 2 * np.exp([2, 4]))


def product(t: Any) -> Any:
    class Product(t.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            ctx.save_for_backward(a, b)
            larger = a > b
            places = t.tensor([0.5])
            ctx.mark_non_differentiable(larger, places)
            return a * b, (a + b).sum(), larger, places

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any, *others: Any) -> Any:
            a, b = ctx.saved_tensors
            return g * b + h, g * a + h if ctx.needs_input_grad[1] else None

    return Product


def test_several_outputs_some_without_a_gradient(t: Any) -> None:
    a = t.tensor([1.0, 2.0], requires_grad=True)
    b = t.tensor([3.0, 1.0], requires_grad=True)
    p, s, larger, places = product(t).apply(a, b)
    assert larger.tolist() == [False, True]
    assert not larger.requires_grad and not places.requires_grad and s.requires_grad
    (p.sum() * s).backward()
    near(a.grad, [26, 12])
    near(b.grad, [12, 19])
    p, s, *_ = product(t).apply(a.detach(), b.detach())
    assert not p.requires_grad
    with t.no_grad():
        assert not product(t).apply(a, b)[0].requires_grad


def test_two_outputs_are_differentiated_twice(t: Any) -> None:
    a = t.tensor([1.0, 2.0], requires_grad=True)
    b = t.tensor([3.0, 1.0], requires_grad=True)
    p, s, *_ = product(t).apply(a, b)
    (g,) = t.autograd.grad((p * p).sum() * s, a, create_graph=True)
    near(g, [13 + 6 * 7 * 3, 13 + 4 * 7])
    found = t.autograd.grad(g.sum(), [a, b])
    q = a.detach(), b.detach()
    x, y = (Ours.tensor(np.array(v.tolist()), dtype="float64").requires_grad_() for v in q)
    (h,) = autograd.grad((x * y * x * y).sum() * (x + y).sum(), x, create_graph=True)
    for one, other in zip(found, autograd.grad(h.sum(), [x, y]), strict=True):
        near(one, other.numpy())


def test_none_is_no_gradient(t: Any) -> None:
    class First(t.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None, None  # more than the arguments, but None

    a = t.tensor([1.0, 2.0], requires_grad=True)
    b = t.tensor([3.0, 1.0], requires_grad=True)
    First.apply(a, b * 2).sum().backward()
    near(a.grad, [1, 1])
    assert b.grad is None
    (First.apply(a, b) + b).sum().backward()
    near(b.grad, [1, 1])
    assert t.autograd.grad(First.apply(a, b).sum(), b, allow_unused=True) == (None,)


def test_setup_context_and_gradients_that_are_not_made(t: Any) -> None:
    seen = []

    class Powers(t.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(a: Any, n: int) -> Any:
            return a**n, a.exp()

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            a, ctx.n = inputs
            ctx.save_for_backward(a, output[1], None)
            ctx.set_materialize_grads(False)

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            a, e, nothing = ctx.saved_tensors
            seen.append((g is None, h is None, nothing))
            found = 0 if g is None else g * ctx.n * a ** (ctx.n - 1)
            return found if h is None else found + h * e, None

    a = t.tensor([1.0, 2.0], requires_grad=True)
    Powers.apply(a, 3)[0].sum().backward()
    near(a.grad, [3, 12])
    a.grad = None
    y, e = Powers.apply(a, 3)
    (y + e).sum().backward()
    near(a.grad, [3 + np.e, 12 + np.e**2])
    assert seen == [(False, True, None), (False, False, None)]


def test_once_differentiable(t: Any) -> None:
    class Square(t.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @t.autograd.function.once_differentiable
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 2 * x

    x = t.tensor([1.0, 2.0], requires_grad=True)
    (g,) = t.autograd.grad((Square.apply(x) ** 2).sum(), x, create_graph=True)
    near(g, [4, 32])
    with pytest.raises(RuntimeError):
        (g * x).sum().backward()
    Square.apply(x).sum().backward()
    near(x.grad, [2, 4])


def test_one_backward_for_all_inputs_and_each_pass_anew(t: Any) -> None:
    calls = []

    class Sum(t.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, *xs: Any) -> Any:
            return sum(xs)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            calls.append(1)
            return g, g * 2, g * 3

    xs = [t.tensor(1.0, requires_grad=True) for _ in range(3)]
    y = Sum.apply(*xs)
    seed = t.tensor(1.0)
    y.backward(seed, retain_graph=True)
    assert calls == [1] and [x.grad.item() for x in xs] == [1, 2, 3]
    assert t.autograd.grad(y, xs[1], seed, retain_graph=True)[0].item() == 2
    seed.fill_(2.0)
    assert t.autograd.grad(y, xs[2], seed)[0].item() == 6
    assert calls == [1, 1, 1]


def test_a_saved_tensor_that_was_changed_is_an_error(t: Any) -> None:
    class Saved(t.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(ctx: Any, x: Any, keep: Any) -> Any:
            ctx.save_for_backward(x if keep is None else keep)
            return x * 2

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[0], None

    x = t.tensor([1.0, 2.0], requires_grad=True)
    for keep in (None, t.tensor([5.0, 6.0])):
        h = x * 1
        y = Saved.apply(h, keep)
        (h if keep is None else keep).mul_(2)
        with pytest.raises(RuntimeError, match=r"in.?place"):
            y.sum().backward()
    h = x * 1
    keep = t.tensor([5.0, 6.0])
    y = Saved.apply(h, keep)
    h.mul_(2)  # which backward does not need
    y.sum().backward()
    near(x.grad, [5, 6])


def test_wrong_answers_are_told() -> None:
    def of(answer: Any) -> Any:
        class Wrong(autograd.Function):
            @staticmethod
            def forward(ctx: Any, a: Any, b: Any) -> Any:
                return a * b

            @staticmethod
            def backward(ctx: Any, g: Any) -> Any:
                return answer(g)

        x = tensor([1.0, 2.0], requires_grad=True)
        return Wrong.apply(x, x).sum().backward

    with pytest.raises(
        RuntimeError, match=r"Wrong.backward: it returned 1 gradients for the 2 arg"
    ):
        of(lambda g: g)()
    with pytest.raises(
        TypeError, match=r"Wrong.backward: gradient 1 is a ndarray; return a Tensor"
    ):
        of(lambda g: (g, g.numpy()))()
    with pytest.raises(ValueError, match="gave a gradient of shape"):
        of(lambda g: (g, g[:1]))()

    class Dirty(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.mark_dirty(x)

    with pytest.raises(RuntimeError, match=r"mark_dirty: .* compute a new tensor and return it"):
        Dirty.apply(tensor([1.0]))
    with pytest.raises(TypeError, match=r"Dirty.apply\(...\)"):
        Dirty()
    with pytest.raises(NotImplementedError, match="static method forward"):
        autograd.Function.apply(tensor([1.0]))

    class Keeps(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(3)

    with pytest.raises(
        TypeError, match="argument 0 is a int, not a Tensor; keep it as an attribute"
    ):
        Keeps.apply(tensor([1.0]))


class Cube(autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class Clamp(autograd.Function):
    """Its rule has no formula: it keeps a mask and assigns."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mask = x > 0
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        found = g.clone()
        found[~ctx.mask] = 0
        return found


def test_the_output_does_not_share_memory_with_an_input() -> None:
    class Same(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g

    x = tensor([1.0, 2.0], requires_grad=True)
    y = Same.apply(x)
    assert y is not x and not np.shares_memory(y.array, x.array)
    y.sum().backward()
    near(x.grad, [1, 1])


def test_readers_of_the_tape_read_a_function() -> None:
    x = tensor([1.0, 2.0], requires_grad=True, name="x")
    loss = Cube.apply(x).sum()
    text = str(draw(loss))
    assert "Cube" in text and "u = x * x * x" in text and "d_x = d_u * 3 * x * x" in text
    derivation = derive(loss)
    assert "d_x = 3 * x * x" in derivation.source()
    _, gradients = derivation.function()(**derivation.arguments)
    assert gradients["x"].tolist() == [3, 12]
    assert compare(loss, {"x": np.array([3, 12], "float32")})
    assert not compare(loss, {"x": np.array([3, 11], "float32")})
    assert autograd.gradcheck(Cube.apply, (np.array([1.0, 2.0]),))
    assert autograd.gradgradcheck(Cube.apply, (np.array([1.0, 2.0]),))
    loss = Clamp.apply(x - 1.5).sum()
    assert "Clamp" in str(draw(loss))
    with pytest.raises(RuntimeError, match="derive: Clamp cannot be written in NumPy"):
        derive(loss)
    assert compare(loss, {"x": np.array([0, 1], "float32")})
    assert autograd.gradcheck(Clamp.apply, (np.array([1.0, -2.0]),))


def test_readers_fill_in_zeros_for_none() -> None:
    class First(autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any, b: Any) -> Any:
            return a + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g, None

    a, b = (tensor([1.0, 2.0], requires_grad=True, name=n) for n in "ab")
    loss = First.apply(a, b).sum()
    assert "d_b = zeros_like(b)" in str(draw(loss))
    assert compare(loss, {"a": np.ones(2, "float32"), "b": np.zeros(2, "float32")})
    assert derive(loss).function()(**derive(loss).arguments)[1]["b"].tolist() == [0, 0]


def test_a_compiled_function_with_one_runs_as_it_is() -> None:
    x = tensor([1.0, -2.0], requires_grad=True)
    step = compile(lambda t: Clamp.apply(x * t).sum())
    with pytest.warns(UserWarning, match="it calls Clamp, an autograd.Function"):
        step(tensor([1.0, 1.0])).backward()
    step(tensor([-1.0, -1.0])).backward()
    near(x.grad, [1, -1])


def test_what_a_function_keeps_is_freed_without_the_collector() -> None:
    class Kept(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x * 2
            ctx.save_for_backward(x, y, y + 1)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, y, z = ctx.saved_tensors
            return g * (x + y + z)

    gc.collect()
    gc.disable()
    try:
        x = tensor([1.0], requires_grad=True)
        y = Kept.apply(x)
        autograd.grad(y * 2, x, create_graph=True)
        gone = ref(y.array)
        del y
        assert gone() is None
    finally:
        gc.enable()


# ---- hooks ----------------------------------------------------------------------------------------


def test_a_hook_after_a_leaf_got_its_gradient(t: Any) -> None:
    seen = []
    w = t.tensor([1.0, 2.0], requires_grad=True)
    handle = w.register_post_accumulate_grad_hook(lambda p: seen.append(p.grad.tolist()))
    (w * w).sum().backward()
    (w * w).sum().backward()
    handle.remove()
    (w * w).sum().backward()
    assert seen == [[2.0, 4.0], [4.0, 8.0]]
    t.autograd.grad((w * w).sum(), w)
    with pytest.raises(RuntimeError, match="leaf"):
        (w * 2).register_post_accumulate_grad_hook(print)


def test_an_optimizer_in_the_backward_pass(t: Any) -> None:
    w = t.tensor([1.0], requires_grad=True)
    optimizer = t.nn.optim.SGD([w], lr=0.5) if t is Ours else t.optim.SGD([w], lr=0.5)

    def update(p: Any) -> None:
        optimizer.step()
        optimizer.zero_grad()

    w.register_post_accumulate_grad_hook(update)
    (3 * w).sum().backward()
    near(w.detach(), [-0.5])
    assert w.grad is None


def numbers(found: Any) -> Any:
    return [None if g is None else np.round(np.array(g.tolist()), 4).tolist() for g in found]


def test_hooks_on_the_backward_pass_of_modules(t: Any) -> None:
    log: list[Any] = []
    model = t.nn.Sequential(t.nn.Linear(3, 2), t.nn.Tanh())
    with t.no_grad():
        model[0].weight.copy_(t.tensor([[0.1, 0.2, 0.3], [-0.3, 0.4, 0.1]]))
        model[0].bias.copy_(t.tensor([0.1, -0.2]))

    def hook(module: Any, into: Any, out: Any) -> Any:
        log.append((type(module).__name__, numbers(into), numbers(out)))
        return (into[0] * 2,) if isinstance(module, t.nn.Tanh) else None

    for module in model:
        module.register_full_backward_hook(hook)
    handle = model[1].register_full_backward_pre_hook(lambda module, out: (out[0] * 3,))
    x = t.tensor([[1.0, 2.0, 3.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says that no input needs a gradient
        model(x).sum().backward()
    assert log == [
        ("Tanh", [[[0.5421, 2.1347]]], [[[3.0, 3.0]]]),
        ("Linear", [None], [[[1.0842, 4.2695]]]),
    ]
    near(model[0].bias.grad, [1.084238, 4.269467])
    handle.remove()
    log.clear()
    x.requires_grad_()
    model(x).sum().backward()
    near(x.grad, [[-0.390805, 0.641545, 0.250740]])
    assert [name for name, *_ in log] == ["Tanh", "Linear"]
    with t.no_grad():
        model(x)
    assert len(log) == 2


def test_hooks_see_every_input_output_and_keyword(t: Any) -> None:
    log: list[Any] = []

    class Two(t.nn.Module):  # type: ignore[misc]
        def forward(self, a: Any, k: int, b: Any = None) -> Any:
            return a * b, a + b

    def before(module: Any, args: Any, words: Any) -> Any:
        return args, {"b": words["b"] * 2}

    two = Two()
    two.register_full_backward_hook(lambda m, i, o: log.append((numbers(i), numbers(o))))
    two.register_forward_pre_hook(before, with_kwargs=True)
    two.register_forward_hook(lambda m, a, k, y: log.append(k["b"].tolist()), with_kwargs=True)
    two.register_forward_hook(lambda m, a, y: log.append("first"), prepend=True)
    a = t.tensor([1.0, 2.0], requires_grad=True)
    p, q = two(a, 3, b=t.tensor([2.0, 5.0]))
    (p * q).sum().backward()
    near(a.grad, [24, 140])
    assert log == [
        "first",
        [4.0, 10.0],
        ([[24.0, 140.0], None], [[5.0, 12.0], [4.0, 20.0]]),
    ]


def test_a_picture_shows_where_the_hooks_are_and_compile_says_so() -> None:
    model = Ours.nn.Sequential(Ours.nn.Linear(2, 3), Ours.nn.Tanh())
    model[1].register_full_backward_hook(lambda *_: None)
    x = tensor(np.ones((4, 2)), dtype="float32")
    assert "u: BackwardHook" in str(draw(model, x)).replace("U1", "U")
    step = compile(lambda: model(x).sum())
    with pytest.warns(UserWarning, match="it calls BackwardHook, an autograd.Function"):
        step()


def test_a_hooked_module_that_returns_no_tensor_is_an_error() -> None:
    class Dictionary(Ours.nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return {"x": x}

    module = Dictionary()
    module.register_full_backward_hook(lambda *_: None)
    with pytest.raises(TypeError, match="returns a Tensor or a tuple of them, got dict"):
        module(tensor([1.0]))
    linear = Ours.nn.Linear(2, 1)
    linear.register_full_backward_hook(lambda *_: (None, None))
    with pytest.raises(RuntimeError, match="returned 2 gradients in place of 1"):
        linear(tensor([[1.0, 2.0]])).sum().backward()


# ---- functional, backward, Variable ---------------------------------------------------------------


def shapes(x: Any) -> Any:
    return [shapes(p) for p in x] if isinstance(x, tuple) else np.array(x.tolist())


def same(x: Any, y: Any) -> None:
    if isinstance(y, list):
        assert len(x) == len(y)
        for a, b in zip(x, y, strict=True):
            same(a, b)
    else:
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


A, B = [[0.5, -1.0], [1.5, 2.0]], [0.3, -0.7]
CALLS: dict[str, Any] = {
    "jacobian": lambda f, a, b, t: f.jacobian(lambda x, y: (x @ y, (x * y).sum()), (a, b)),
    "jacobian vectorize": lambda f, a, b, t: f.jacobian(lambda x: x.exp(), b, vectorize=True),
    "hessian": lambda f, a, b, t: f.hessian(lambda x, y: ((x @ y) ** 3).sum(), (a, b)),
    "vjp": lambda f, a, b, t: f.vjp(lambda x, y: (x @ y, y.exp()), (a, b), (b, b)),
    "vjp of one number": lambda f, a, b, t: f.vjp(lambda y: (y * y).sum(), b),
    "jvp": lambda f, a, b, t: f.jvp(lambda x, y: (x @ y, y.exp()), (a, b), (a, b)),
    "hvp": lambda f, a, b, t: f.hvp(lambda x, y: ((x @ y) ** 3).sum(), (a, b), (a, b)),
    "vhp": lambda f, a, b, t: f.vhp(lambda y: (y**4).sum(), b, b),
    "without influence": lambda f, a, b, t: f.vjp(lambda x, y: y * 2, (a, b), b),
}


@pytest.mark.parametrize("name", CALLS)
def test_functional_is_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    found = CALLS[name](autograd.functional, tensor(A), tensor(B), tensor)
    judge = CALLS[name](torch.autograd.functional, torch.tensor(A), torch.tensor(B), torch.tensor)
    same(shapes(found), shapes(judge))


def test_functional_with_create_graph_and_strict(t: Any) -> None:
    f = t.autograd.functional
    x = t.tensor([1.0, 2.0], requires_grad=True)
    y, g = f.vjp(lambda x: (x**3).sum(), x, create_graph=True)
    assert y.requires_grad
    g.sum().backward()
    near(x.grad, [6, 12])
    x.grad = None
    f.hvp(lambda x: (x**3).sum(), x, t.tensor([1.0, 1.0]), create_graph=True)[1].sum().backward()
    near(x.grad, [6, 6])
    x.grad = None
    f.jvp(lambda x: x**3, x, t.tensor([1.0, 1.0]), create_graph=True)[1].sum().backward()
    near(x.grad, [6, 12])
    for call in (f.vjp, f.jvp, f.hvp):
        assert not call(lambda x: (x**3).sum(), x, t.ones(2) if call is not f.vjp else None)[
            1
        ].requires_grad
    one = t.tensor(1.0)
    for call in (f.vjp, f.jvp, f.hvp, f.jacobian, f.hessian):
        with pytest.raises(RuntimeError):
            call(lambda x, y: x**2, (one, one), strict=True) if call in (
                f.jacobian,
                f.hessian,
            ) else call(lambda x, y: x**2, (one, one), None, strict=True)
    with pytest.raises(RuntimeError):
        f.jvp(lambda x: x, t.ones(2))
    with pytest.raises(RuntimeError):
        f.vjp(lambda x: x, t.ones(2), t.ones(3))


def test_backward_of_several_tensors(t: Any) -> None:
    x = t.tensor([1.0, 2.0], requires_grad=True)
    t.autograd.backward([x.sum(), x * x], [None, t.tensor([1.0, 1.0])])
    near(x.grad, [3, 5])
    t.autograd.backward((x * x).sum(), retain_graph=True)
    near(x.grad, [5, 9])
    y = t.tensor([1.0, 2.0], requires_grad=True)
    t.autograd.backward([(x * y).sum(), y.sum()], inputs=[y])
    near(x.grad, [5, 9])
    near(y.grad, [2, 3])


def test_variable() -> None:
    x = autograd.Variable(tensor([1.0]), requires_grad=True)
    (x * 2).backward()
    near(x.grad, [2])
    with pytest.raises(ValueError, match="backward: 2 tensors, but 1 grad_tensors"):
        autograd.backward([x, x], [None])


def test_the_search_for_nan_is_switched(t: Any) -> None:
    def fails() -> bool:
        x = t.tensor([0.0], requires_grad=True)
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ((x * 0) / x).sum().backward()
        except (RuntimeError, ArithmeticError):
            return True
        return False

    assert not fails()
    t.autograd.set_detect_anomaly(True)
    assert fails()
    with t.autograd.set_detect_anomaly(False):
        assert not fails()
    assert fails()
    t.autograd.set_detect_anomaly(False)
    assert not fails()


def test_gradcheck_takes_pytorchs_words(t: Any) -> None:
    x = t.tensor(np.array([1.0, 2.0]), requires_grad=True)
    words = {"eps": 1e-6, "atol": 1e-4, "rtol": 1e-3, "nondet_tol": 0.0, "fast_mode": False}
    assert t.autograd.gradcheck(lambda x: x * x, (x,), **words)
    assert t.autograd.gradgradcheck(lambda x: x * x, (x,), None, eps=1e-6)


def test_a_copy_of_a_model_has_no_gradients(t: Any) -> None:
    model = t.nn.Linear(2, 1)
    model(t.ones(3, 2)).sum().backward()
    assert copy.deepcopy(model).weight.grad is None and model.weight.grad is not None


def test_check_backward_takes_a_function_in_pytorchs_words() -> None:
    class Linear(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, w: Any, b: Any) -> Any:
            ctx.save_for_backward(x, w)
            return x.mm(w.t()) + b

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            x, w = ctx.saved_tensors
            return g.mm(w), g.t().mm(x), g.mean(0)

    report = autograd_lite.check_backward(Linear, inputs=[(4, 3), (2, 3), (2,)])
    assert [row.verdict for row in report.rows if row.name != "b"] == ["ok", "ok"]
    assert report.first_wrong is not None and report.first_wrong.name == "b"
    assert "mean over the batch" in report.headline

    class Relu(autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            found = g.clone()
            found[x <= 0] = 0
            return found

    assert autograd_lite.check_backward(Relu).ok


def test_inputs_come_from_a_generator_too() -> None:
    x = tensor([1.0, 2.0], requires_grad=True)
    (g,) = autograd.grad((x * x).sum(), (t for t in [x]))
    assert g.tolist() == [2.0, 4.0]


def test_a_saved_view_that_did_not_change_is_there(t: Any) -> None:
    class Kept(t.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(t.tensor([3.0, 4.0]).view(2))
            return x * 1

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (kept,) = ctx.saved_tensors
            return g * kept

    x = t.tensor([1.0, 2.0], requires_grad=True)
    Kept.apply(x).sum().backward()
    assert x.grad.tolist() == [3.0, 4.0]
