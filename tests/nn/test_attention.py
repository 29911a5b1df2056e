"""Attention and transformers: every option as PyTorch has it, derivatives, float32, errors."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
import nn
from autograd_lite import Tensor, compile, derive, gradcheck, gradgradcheck
from nn import functional as F
from nn.functional.attention import attention_weights

Array = np.ndarray[Any, Any]
attend = F.scaled_dot_product_attention


def rand(*shape: int, seed: int = 0) -> Array:
    return np.random.default_rng([seed, *shape]).standard_normal(shape)


def near(ours: Any, theirs: Any, what: Any = "") -> None:
    np.testing.assert_allclose(
        ours.detach().numpy(), theirs.detach().numpy(), 1e-9, 1e-12, err_msg=str(what)
    )


def same(torch: Any, ours: Any, theirs: Any, call: Any, inputs: list[Array], what: Any) -> None:
    """Outputs, gradients of inputs and of parameters of two modules with one state are the same."""
    if isinstance(ours, nn.Module):
        assert list(ours.state_dict()) == list(theirs.state_dict())
        assert [n for n, _ in ours.named_modules()] == [n for n, _ in theirs.named_modules()]
        ours.load_state_dict(theirs.state_dict())
    x, y = ([f(a, requires_grad=True) for a in inputs] for f in (ag.tensor, torch.tensor))
    total_x: Any = 0
    total_y: Any = 0
    found = [
        r if isinstance(r, tuple) else (r,) for r in (call(ag, ours, *x), call(torch, theirs, *y))
    ]
    for a, b in zip(*found, strict=True):
        assert (a is None) == (b is None), what
        if a is not None:
            assert a.shape == tuple(b.shape), what
            near(a, b, what)
            weights = np.cos(np.arange(a.array.size)).reshape(a.shape)
            total_x = total_x + (a * weights).sum()
            total_y = total_y + (b * torch.tensor(weights)).sum()
    total_x.backward()
    total_y.backward()
    if isinstance(ours, nn.Module):
        x, y = x + list(ours.parameters()), y + list(theirs.parameters())
    for a, b in zip(x, y, strict=True):
        assert (a.grad is None) == (b.grad is None), what
        if a.grad is not None:
            near(a.grad, b.grad, what)


def sampled(*options: Any, one_in: int) -> list[Any]:
    every = list(itertools.product(*options))
    return every[:: max(1, len(every) // max(1, len(every) // one_in))]


BOTH = (True, False)


@pytest.mark.filterwarnings("ignore:Support for mismatched")
@pytest.mark.parametrize("kdim", [None, 3])
@pytest.mark.parametrize("batched", BOTH)
def test_every_option_of_attention_is_that_of_pytorch(kdim: Any, batched: bool) -> None:
    torch = pytest.importorskip("torch")
    n, length, keys, e, h = 3 if batched else 1, 4, 5, 8, 2
    vdim = None if kdim is None else 5
    blocked = np.random.default_rng(1).random((length, keys)) < 0.3
    blocked[:, 0] = False
    masks = {
        "bools": blocked,
        "floats": np.where(blocked, -np.inf, rand(length, keys)),
        "for each head": np.stack([blocked] * n * h),
    }
    padding = np.zeros((n, keys) if batched else keys, bool)
    padding[..., -2:] = [True, False]
    paddings = {"bools": padding, "floats": np.where(padding, -np.inf, 0.0)}
    options = sampled(
        BOTH, BOTH, BOTH, BOTH, BOTH, BOTH, [None, *masks], [None, *paddings], one_in=7
    )
    for what in options:
        bias, bias_kv, zero, first, *_ = what
        words: Any = {"bias": bias, "add_bias_kv": bias_kv, "add_zero_attn": zero, "kdim": kdim}
        words |= {"vdim": vdim, "batch_first": first}
        shapes = [(length, e), (keys, kdim or e), (keys, vdim or e)]
        if batched:
            shapes = [(n, *s) if first else (s[0], n, s[1]) for s in shapes]

        def call(lib: Any, module: Any, q: Any, k: Any, v: Any, what: Any = what) -> Any:
            *_, weights, average, mask, pad = what
            return module(
                q, k, v, None if pad is None else lib.tensor(paddings[pad]), weights,
                None if mask is None else lib.tensor(masks[mask]), average,
            )  # fmt: skip

        pair = (
            m(e, h, **words).double() for m in (nn.MultiheadAttention, torch.nn.MultiheadAttention)
        )
        same(torch, *pair, call, [rand(*s) for s in shapes], what)


@pytest.mark.filterwarnings("ignore:enable_nested_tensor")
@pytest.mark.parametrize(
    "kind", ["TransformerEncoderLayer", "TransformerDecoderLayer", "Transformer"]
)
def test_every_option_of_transformers_is_that_of_pytorch(kind: str) -> None:
    torch = pytest.importorskip("torch")
    for what in itertools.product(BOTH, BOTH, ("relu", "gelu"), BOTH, BOTH, BOTH):
        first, norm_first, activation, bias, causal, batched = what
        words = {"dim_feedforward": 6, "dropout": 0.0, "activation": activation, "bias": bias}
        words |= {"batch_first": first, "norm_first": norm_first}
        args = (8, 2, 1, 2) if kind == "Transformer" else (8, 2)

        def call(lib: Any, module: Any, x: Any, y: Any, causal: bool = causal) -> Any:
            layers = nn if lib is ag else torch.nn
            mask = layers.Transformer.generate_square_subsequent_mask(4).double()
            if kind == "Transformer":
                return module(y, x, tgt_mask=mask if causal else None)
            args = (x,) if kind == "TransformerEncoderLayer" else (x, y)
            mask = {"src_mask" if len(args) == 1 else "tgt_mask": mask} if causal else {}
            hint = {"is_causal" if len(args) == 1 else "tgt_is_causal": causal}
            return module(*args, **mask, **hint)

        shapes = [(length, 8) for length in (4, 5)]
        if batched:
            shapes = [(3, *s) if first else (s[0], 3, s[1]) for s in shapes]
        pair = (getattr(lib, kind)(*args, **words).double() for lib in (nn, torch.nn))
        same(torch, *pair, call, [rand(*s) for s in shapes], what)


LOOKS = np.tri(3, dtype=bool) | (rand(3, 3) > 0.5)
NOTHING = LOOKS & [[True], [False], [True]]
ATTENTIONS: dict[str, dict[str, Any]] = {
    "plain": {}, "scaled": {"scale": 0.3}, "causal": {"is_causal": True}, "bools": {"mask": LOOKS},
    "floats": {"mask": np.where(LOOKS, rand(3, 3), -np.inf)}, "a row of nothing": {"mask": NOTHING},
    "a row of -inf": {"mask": np.where(NOTHING, rand(3, 3), -np.inf)},
}  # fmt: skip


def attended(lib: Any, words: dict[str, Any], *inputs: Any) -> Any:
    function = attend if lib is ag else lib.nn.functional.scaled_dot_product_attention
    more = {k: v for k, v in words.items() if k != "mask"}
    if "mask" in words:
        more["attn_mask"] = lib.tensor(words["mask"])
    return function(*inputs, **more)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_attention_is_that_of_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    for batch in ((), (2,), (2, 4)):
        shared = [(*batch, 3, 5)] * 2 + [(*batch, 3, 2)]
        for shapes, more in [
            (shared, {}), ([(2, 4, 3, 5), (2, 2, 3, 5), (2, 2, 3, 2)], {"enable_gqa": True}),
        ]:  # fmt: skip
            call = lambda lib, _, *x, more=more: attended(lib, ATTENTIONS[name] | more, *x)
            same(torch, None, None, call, [rand(*s) for s in shapes], shapes)


@pytest.mark.parametrize("name", ATTENTIONS)
def test_derivatives_of_attention_to_second_order(name: str) -> None:
    inputs = (rand(2, 3, 4), rand(2, 3, 4, seed=1), rand(2, 3, 2))
    function = lambda *x: attended(ag, ATTENTIONS[name], *x)
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 1, 4), (1, 1, 1)])
def test_batches_of_none_and_sizes_of_one(shape: tuple[int, ...]) -> None:
    x = Tensor(rand(*shape), requires_grad=True)
    y = attend(x, x, x, is_causal=True)
    y.sum().backward()
    assert y.shape == shape == x.grad.shape and np.isfinite(x.grad.array).all()


LAYERS: dict[str, Any] = {
    "attention": lambda **kw: (nn.MultiheadAttention(4, 2, batch_first=True, **kw), lambda m, x: m(x, x, x)[0]),
    "more keys": lambda **kw: (
        nn.MultiheadAttention(4, 2, add_bias_kv=True, add_zero_attn=True, **kw),
        lambda m, x: m(x, x, x, attn_mask=CAUSAL, need_weights=False)[0],
    ),
    "encoder": lambda **kw: (
        nn.TransformerEncoderLayer(4, 2, 6, activation="gelu", batch_first=True, **kw),
        lambda m, x: m(x, CAUSAL),
    ),
    "decoder": lambda **kw: (nn.TransformerDecoderLayer(4, 2, 6, norm_first=True, batch_first=True, **kw), lambda m, x: m(x, x * x)),
    "stack": lambda **kw: (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 1, 6, batch_first=True, **kw), 2),
        lambda m, x: m(x, src_key_padding_mask=LAST),
    ),
    "transformer": lambda **kw: (
        nn.Transformer(4, 2, 1, 1, 6, batch_first=True, **kw),
        lambda m, x: m(x, x * x, tgt_mask=m.generate_square_subsequent_mask(3)),
    ),
}  # fmt: skip
CAUSAL = ag.tensor(~np.tri(3, dtype=bool))
LAST = ag.tensor(np.array([[False, False, True], [False, False, False]]))


def made(name: str, dropout: float) -> Any:
    ag.manual_seed(3)
    return LAYERS[name](dropout=dropout)


@pytest.mark.parametrize("name", LAYERS)
def test_float32_stays(name: str) -> None:
    layer, call = made(name, 0.1)
    x = Tensor(
        rand(2, 3, 4).astype("float32")[: 3 if name == "more keys" else 2], requires_grad=True
    )
    if name == "more keys":
        x = Tensor(rand(3, 2, 4).astype("float32"), requires_grad=True)
    y = call(layer, x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == np.float32
    assert all(p.grad is None or p.grad.dtype == np.float32 for p in layer.parameters())


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("dropout", [0.0, 0.3])
def test_layers_are_compiled(name: str, dropout: float) -> None:
    layer, call = made(name, dropout)
    shape = (3, 2, 4) if name == "more keys" else (2, 3, 4)
    step = compile(lambda x: (call(layer, x) ** 2).sum())
    for seed in range(3):
        x = ag.tensor(rand(*shape, seed=seed).astype("float32"))
        results = []
        for f in (step, lambda x: (call(layer, x) ** 2).sum()):
            ag.manual_seed(seed)
            layer.zero_grad()
            loss = f(x)
            loss.backward()
            results.append([loss.item(), *(p.grad.array.copy() for p in layer.parameters())])
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, 1e-4, 1e-4)
    assert step.traces == 1 and not step.why


@pytest.mark.parametrize("name", ["causal", "bools", "a row of nothing"])
def test_masks_are_compiled_and_may_change(name: str) -> None:
    x = ag.tensor(rand(2, 3, 4), requires_grad=True)
    step = compile(lambda mask: (attend(x, x, x, mask) ** 2).sum())
    for mask in (LOOKS, NOTHING, LOOKS, np.ones((3, 3), bool)):
        found = step(ag.tensor(mask)).item()
        assert found == pytest.approx((attend(x, x, x, ag.tensor(mask)) ** 2).sum().item())
    assert step.traces == 2 and not step.why


@pytest.mark.parametrize("dropout", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("batch", [(), (2,), (1,)], ids=str)
def test_one_record_gives_what_it_is_made_of(dropout: float, batch: tuple[int, ...]) -> None:
    """Also for keys shared by a batch, and for a mask that is learnt."""
    shapes = [(2, 3, 4), (*batch, 5, 4), (*batch, 5, 2), (3, 5)]
    found = []
    for whole in BOTH:
        q, k, v, mask = (ag.tensor(rand(*s), requires_grad=True) for s in shapes)
        ag.manual_seed(5)
        if whole:
            y = attend(q, k, v, mask, dropout)
            # inputs, what drops, the record, its output
            assert len(ag.engine.tape.tape(y)) == 5 + (dropout > 0)
        else:
            y = attention_weights(q, k, mask, dropout) @ v
        (y**3).sum().backward()
        found.append([y.detach(), q.grad, k.grad, v.grad, mask.grad])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a.array, b.array, 1e-9, 1e-12)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("far", [0.0, 80.0, -120.0, 1e4, -1e4, math.inf, math.nan])
def test_scores_of_any_size_have_their_softmax(far: float, dtype: str) -> None:
    """As exp of those far out is 0 or infinite, the largest of each row is taken away there."""
    q, k, v, mask = (
        ag.tensor(rand(*s).astype(dtype)) for s in [(2, 3, 4), (2, 5, 4), (2, 5, 2), (3, 5)]
    )
    mask.array[1] += far  # all keys of one query
    with np.errstate(invalid="ignore"):  # inf - inf
        found, plain = attend(q, k, v, mask), attention_weights(q, k, mask, 0.0) @ v
    assert found.dtype == dtype
    np.testing.assert_allclose(found.array, plain.array, 0, 8 * float(np.finfo(dtype).eps))


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_a_gelu_is_one_record_with_its_gradients(approximate: str) -> None:
    gelu = lambda x: F.gelu(x, approximate)
    for x in (
        rand(3, 4),
        3 * rand(7),
        np.array(0.3),
        np.array([0.0, -30.0, 30.0, 1e3]),
        rand(0, 2),
    ):
        t = ag.tensor(x, requires_grad=True)
        y = gelu(t)
        assert len(ag.engine.tape.tape(y)) == 2
        y.sum().backward()
        u = ag.tensor(x, requires_grad=True)
        z = ag.engine.rules.gelu(u, approximate)
        z.sum().backward()
        np.testing.assert_allclose(y.detach().array, z.detach().array, 1e-12, 1e-14)
        np.testing.assert_allclose(t.grad.array, u.grad.array, 1e-9, 1e-12)
    assert gradgradcheck(gelu, (rand(3, 4),))
    assert gelu(ag.tensor([1, 2])).dtype == np.float32
    assert gelu(ag.tensor([1.0])).dtype == np.float32


def test_a_layer_norm_is_one_record_with_its_gradients() -> None:
    inputs = (rand(2, 3, 4), rand(3, 4), rand(3, 4, seed=1))
    for args in (inputs, inputs[:2], inputs[:1]):
        layer_norm = lambda x, w=None, b=None: F.layer_norm(x, (3, 4), w, b)
        assert (
            len(ag.engine.tape.tape(layer_norm(*(ag.tensor(a, requires_grad=True) for a in args))))
            == len(args) + 1
        )
        assert gradcheck(layer_norm, args)
        assert gradgradcheck(layer_norm, args)
    wide = ag.tensor(rand(4, 3, 2), requires_grad=True)
    layer = nn.LayerNorm((3, 4), dtype="float64")
    (layer(wide.permute(2, 1, 0)) ** 3).sum().backward()  # rows that are no view
    t = ag.tensor(rand(4, 3, 2), requires_grad=True)
    rows = t.permute(2, 1, 0).flatten(1)
    z = (rows - rows.mean(1, keepdim=True)) / (rows.var(1, 0, keepdim=True) + 1e-5).sqrt()
    (z**3).sum().backward()
    np.testing.assert_allclose(wide.grad.array, t.grad.array, 1e-9, 1e-12)
    np.testing.assert_allclose(
        layer.bias.grad.array.ravel(), 3 * (z.detach().array ** 2).sum(0), 1e-9, 1e-12
    )
    large = F.layer_norm(ag.tensor(np.linspace(-30, 30, 2000, dtype="float16")), 2000)
    assert large.dtype == "float16" and abs(large.array[-1] - 1.73) < 0.01  # of a sum of 6e5
    assert F.layer_norm(ag.ones(0, 4), 4).shape == (0, 4)
    assert F.layer_norm(ag.ones(3, 4), 4, ag.ones(3, 1), ag.ones(1)).tolist() == [[1.0] * 4] * 3
    assert F.layer_norm(ag.ones(4), 4, ag.ones(4, 1)).shape == (4, 4)
    x = ag.tensor(rand(2, 4), requires_grad=True)
    F.layer_norm(x, 4).mul_(2).sum().backward()  # a change of the result harms nothing
    assert np.allclose(x.grad.array, 0, atol=1e-9)


def test_the_backward_is_derived_as_papers_have_it() -> None:
    q, k, v = (
        ag.tensor(rand(3, 4, seed=i), requires_grad=True, name=n) for i, n in enumerate("QKV")
    )
    loss = (attend(q, k, v, is_causal=True) ** 2).sum()
    derivation = derive(loss)
    text = str(derivation)
    for line in (
        "d_V = P.T @ d_z2", "d_P = d_z2 @ V.T",
        "d_S = P * (d_P - sum(d_P * P, axis=1, keepdims=True))",
        "d_m = 0.5 * d_S",
        "d_Q = d_m @ K", "d_K = d_m.T @ Q",
    ):  # fmt: skip
        assert line in text, text
    assert r"\mathrm{d}V &= P^{\top}\, \mathrm{d}z_{2}" in derivation.to_latex()
    value, gradients = derivation.function()(**derivation.arguments)
    loss.backward()
    assert value == pytest.approx(loss.item())
    assert all(np.allclose(gradients[t.name], t.grad.array) for t in (q, k, v))
    assert "softmax" not in derivation.source().replace("# softmax", "")


X = Tensor(np.zeros((2, 3, 4)))
ERRORS: list[tuple[Any, Any, str]] = [
    (lambda: attend(X, X[..., :3], X), ValueError, r"query \(2, 3, 4\), key \(2, 3, 3\)"),
    (lambda: attend(X, X, X[:, :2]), ValueError, r"value \(2, 2, 4\) are \(\.\.\., L, E\)"),
    (lambda: attend(X, X, X, LOOKS, is_causal=True), RuntimeError, "not both"),
    (lambda: attend(X, X, X, np.ones((2, 2), bool)), ValueError, r"mask of shape \(2, 2\)"),
    (lambda: attend(X, X, X, np.ones((5, 2, 3, 3), bool)), ValueError, "does not broadcast"),
    (lambda: attend(X, X, X, np.ones((3, 3), int)), TypeError, "of bools or floats, not of int64"),
    (lambda: attend(X, X, X, enable_gqa=True), ValueError, None),
    (lambda: nn.MultiheadAttention(5, 2), ValueError, "embed_dim 5 is no multiple of the 2 heads"),
    (lambda: nn.MultiheadAttention(4, 2)(X, X, X, is_causal=True), RuntimeError, "give attn_mask"),
    (
        lambda: nn.MultiheadAttention(4, 2)(X, X[:, :2], X[:, :2]),
        ValueError,
        r"key \(2, 2, 4\) and value \(2, 2, 4\) should be \(L, N, 4\), \(S, N, 4\)",
    ),
    (
        lambda: nn.MultiheadAttention(4, 2)(X, X, X, attn_mask=LOOKS),
        ValueError,
        r"attn_mask has shape \(3, 3\); it should be \(L, S\) = \(2, 2\)",
    ),
    (
        lambda: nn.MultiheadAttention(4, 2)(X, X, X, key_padding_mask=LOOKS),
        ValueError,
        r"key_padding_mask has shape \(3, 3\); it should be \(N, S\) = \(3, 2\)",
    ),
    (lambda: nn.TransformerEncoderLayer(4, 2, activation="silu"), RuntimeError, "got 'silu'"),
    (lambda: nn.Transformer(4, 2, 1, 1)(X, X[:, :2]), RuntimeError, "of one batch, axis 1"),
    (lambda: nn.Transformer(8, 2, 1, 1)(X, X), RuntimeError, "d_model = 8"),
]


@pytest.mark.parametrize(("call", "kind", "words"), [e for e in ERRORS if e[2]])
def test_errors_name_shapes(call: Any, kind: Any, words: str) -> None:
    with pytest.raises(kind, match=words):
        call()


def test_heads_that_do_not_divide_are_named() -> None:
    with pytest.raises(ValueError, match=r"heads \(axis -3\) of \(3, 2, 4\)"):
        attend(Tensor(np.zeros((3, 2, 4))), X, X, enable_gqa=True)


def test_dropout_of_one_leaves_nothing_and_eval_all() -> None:
    layer = nn.MultiheadAttention(4, 2, dropout=1.0, bias=False)
    x = Tensor(rand(3, 2, 4).astype("float32"))
    y, weights = layer(x, x, x)
    assert not y.array.any() and not weights.array.any()
    weights = layer.eval()(x, x, x)[1]
    np.testing.assert_allclose(weights.array.sum(-1), 1, 1e-6)


def test_a_query_that_may_look_at_nothing_gets_0() -> None:
    layer = nn.MultiheadAttention(4, 2)
    x = Tensor(rand(3, 2, 4).astype("float32"), requires_grad=True)
    nothing = np.array([[False] * 3, [True] * 3, [False] * 3])
    y, weights = layer(x, x, x, attn_mask=nothing)
    y.sum().backward()
    assert not weights.array[:, 1].any() and not y.array[1].any()
    assert np.isfinite(x.grad.array).all()
