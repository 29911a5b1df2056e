"""`linalg`: values and gradients of PyTorch, on matrices, batches and shapes of all kinds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import autograd_lite
from autograd_lite import Tensor, compile, derive, gradcheck, gradgradcheck, linalg, tensor

RNG = np.random.default_rng(0)
SQUARE, ONE = RNG.standard_normal((2, 3, 3)), RNG.standard_normal((3, 3))
TALL, WIDE = RNG.standard_normal((2, 4, 3)), RNG.standard_normal((2, 3, 4))
VECTOR, RIGHT = RNG.standard_normal(3), RNG.standard_normal((2, 3, 2))


def positive(x: Any) -> Any:
    return x @ x.mT + x.mT @ x * 0.5 + 1


def symmetric(x: Any) -> Any:
    return x + x.mT


CALLS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "inv": (lambda la, a: la.inv(a), (SQUARE,)),
    "det": (lambda la, a: la.det(a), (SQUARE,)),
    "det singular": (lambda la, a: la.det(a), (np.outer(VECTOR, VECTOR),)),
    "det of rank 1": (lambda la, a: la.det(a), (np.ones((2, 3, 3)),)),
    "slogdet": (lambda la, a: la.slogdet(a).logabsdet, (SQUARE,)),
    "solve": (lambda la, a, b: la.solve(a, b), (SQUARE, RIGHT)),
    "solve broadcast": (lambda la, a, b: la.solve(a, b), (ONE, RIGHT)),
    "solve vector": (lambda la, a, b: la.solve(a, b), (ONE, VECTOR)),
    "solve vectors": (lambda la, a, b: la.solve(a, b), (SQUARE, RIGHT[..., 0])),
    "solve right": (lambda la, a, b: la.solve(a, b, left=False), (SQUARE, RIGHT.mT)),
    "triangular": (lambda la, a, b: la.solve_triangular(a, b, upper=True), (SQUARE, RIGHT)),
    "unitriangular": (
        lambda la, a, b: la.solve_triangular(a, b, upper=False, unitriangular=True),
        (SQUARE, RIGHT),
    ),
    "triangular right": (
        lambda la, a, b: la.solve_triangular(a, b, upper=False, left=False),
        (SQUARE, RIGHT.mT),
    ),
    "cholesky": (lambda la, a: la.cholesky(positive(a)), (SQUARE,)),
    "cholesky itself": (lambda la, a: la.cholesky(a), (ONE @ ONE.T + np.eye(3),)),
    "cholesky upper": (lambda la, a: la.cholesky(positive(a), upper=True), (ONE,)),
    "qr": (lambda la, a: la.qr(a), (SQUARE,)),
    "qr tall": (lambda la, a: la.qr(a), (TALL,)),
    "qr wide": (lambda la, a: la.qr(a), (WIDE,)),
    "qr complete": (lambda la, a: la.qr(a, mode="complete"), (WIDE,)),
    "eigh": (lambda la, a: [f(la.eigh(symmetric(a))) for f in (lambda y: y[0],)], (SQUARE,)),
    "eigh vectors": (lambda la, a: la.eigh(symmetric(a)).eigenvectors ** 2, (SQUARE,)),
    "eigh upper": (lambda la, a: la.eigh(a, UPLO="U").eigenvalues, (SQUARE,)),
    "eigvalsh": (lambda la, a: la.eigvalsh(a), (SQUARE,)),
    "eigvalsh of equal ones": (lambda la, a: la.eigvalsh(a).sum(), (np.eye(3),)),
    "svd": (lambda la, a: [y**2 for y in la.svd(a)], (SQUARE,)),
    "svd tall": (lambda la, a: [y**2 for y in la.svd(a, full_matrices=False)], (TALL,)),
    "svd wide": (lambda la, a: [y**2 for y in la.svd(a, full_matrices=False)], (WIDE,)),
    "svd S of full": (lambda la, a: la.svd(a).S, (TALL,)),
    "svdvals": (lambda la, a: la.svdvals(a), (WIDE,)),
    "pinv": (lambda la, a: la.pinv(a), (TALL,)),
    "pinv wide": (lambda la, a: la.pinv(a), (WIDE,)),
    "pinv of low rank": (lambda la, a: la.pinv(a), (np.outer(VECTOR, VECTOR),)),
    "pinv with rtol": (lambda la, a: la.pinv(a, rtol=0.4), (TALL,)),
    "pinv with atol": (lambda la, a: la.pinv(a, atol=0.5), (TALL,)),
    "pinv hermitian": (lambda la, a: la.pinv(symmetric(a), hermitian=True), (SQUARE,)),
    "lstsq": (lambda la, a, b: la.lstsq(a, b).solution, (TALL, RNG.standard_normal((2, 4, 2)))),
    "matrix_power": (lambda la, a: la.matrix_power(a, 5), (SQUARE,)),
    "matrix_power 1": (lambda la, a: la.matrix_power(a, 1), (SQUARE,)),
    "matrix_power -2": (lambda la, a: la.matrix_power(a, -2), (SQUARE,)),
    "multi_dot": (
        lambda la, a, b, c: la.multi_dot([a, b, c]),
        (VECTOR, ONE, RNG.standard_normal((3, 4))),
    ),
    "norm": (lambda la, a: la.norm(a), (SQUARE,)),
    "norm of a vector": (lambda la, a: la.norm(a, 3), (VECTOR,)),
    "norm of a matrix": (lambda la, a: la.norm(a, 1), (ONE,)),
    "norm along an axis": (lambda la, a: la.norm(a, 1, dim=1, keepdim=True), (SQUARE,)),
    "vector_norm": (lambda la, a: la.vector_norm(a, math.inf, dim=(0, 2)), (SQUARE,)),
    **{
        f"matrix_norm {p}": (lambda la, a, p=p: la.matrix_norm(a, p), (TALL,))
        for p in ("fro", "nuc", 1, -1, 2, -2, math.inf, -math.inf)
    },
    "matrix_norm of axes": (
        lambda la, a: la.matrix_norm(a, 1, dim=(0, 2), keepdim=True),
        (RNG.standard_normal((2, 3, 4)),),
    ),
    "matrix_norm nuc of axes": (
        lambda la, a: la.matrix_norm(a, "nuc", dim=(2, 0)),
        (RNG.standard_normal((2, 3, 4)),),
    ),
    "cond": (lambda la, a: la.cond(a), (SQUARE,)),
    "cond fro": (lambda la, a: la.cond(a, "fro"), (SQUARE,)),
    "diagonal": (lambda la, a: la.diagonal(a, offset=1), (WIDE,)),
    "vecdot": (lambda la, a, b: la.vecdot(a, b), (SQUARE, ONE)),
}
ONCE = {
    "det singular",
    "det of rank 1",
    "pinv of low rank",
    "pinv with rtol",
    "pinv with atol",
}  # second derivatives do not exist there


def outputs(y: Any) -> list[Any]:
    return list(y) if isinstance(y, tuple | list) else [y]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", CALLS)
def test_values_and_gradients_are_pytorchs(name: str, dtype: str) -> None:
    torch = pytest.importorskip("torch")
    if name == "cond fro":
        pytest.skip("PyTorch 2.13 raises in its own backward")
    call, arrays = CALLS[name]
    ours = [tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    theirs = [torch.tensor(a.astype(dtype), requires_grad=True) for a in arrays]
    mine, judge = outputs(call(linalg, *ours)), outputs(call(torch.linalg, *theirs))
    assert len(mine) == len(judge)
    close = {"rtol": 1e-9, "atol": 1e-9} if dtype == "float64" else {"rtol": 2e-3, "atol": 2e-3}
    for y, z in zip(mine, judge, strict=True):
        assert y.dtype == dtype
        np.testing.assert_allclose(y.detach().numpy(), z.detach().numpy(), **close)
    weights = [RNG.standard_normal(y.shape).astype(dtype) for y in mine]
    sum((y * w).sum() for y, w in zip(mine, weights, strict=True)).backward()
    sum((y * torch.tensor(w)).sum() for y, w in zip(judge, weights, strict=True)).backward()
    for x, z in zip(ours, theirs, strict=True):
        assert x.grad is not None
        scale = max(1.0, float(np.abs(z.grad.numpy()).max()))
        np.testing.assert_allclose(x.grad.numpy() / scale, z.grad.numpy() / scale, **close)


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ONCE])
def test_gradients_to_second_order(name: str) -> None:
    call, arrays = CALLS[name]
    if name in ("cholesky itself", "eigh upper", "eigvalsh", "eigvalsh of equal ones"):
        call = lambda la, a, inner=call: inner(la, symmetric(a) / 2)
    if name == "eigvalsh of equal ones":
        assert gradcheck(lambda a: call(linalg, a), arrays)
        return

    def function(*inputs: Any) -> Any:
        return tuple(outputs(call(linalg, *inputs)))

    assert gradcheck(function, arrays)
    assert gradgradcheck(function, arrays)


NUMPY: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "inv": (np.linalg.inv, (SQUARE,)),
    "det": (np.linalg.det, (SQUARE,)),
    "slogdet": (np.linalg.slogdet, (SQUARE,)),
    "solve": (np.linalg.solve, (SQUARE, RIGHT)),
    "solve vector": (np.linalg.solve, (SQUARE, VECTOR)),
    "cholesky": (np.linalg.cholesky, (ONE @ ONE.T + np.eye(3),)),
    "qr": (np.linalg.qr, (TALL,)),
    "eigh": (np.linalg.eigh, (ONE + ONE.T,)),
    "eigvalsh": (np.linalg.eigvalsh, (ONE + ONE.T,)),
    "svd": (np.linalg.svd, (TALL,)),
    "svd values": (lambda a: np.linalg.svd(a, compute_uv=False), (TALL,)),
    "pinv": (np.linalg.pinv, (TALL,)),
    "matrix_power": (lambda a: np.linalg.matrix_power(a, 3), (SQUARE,)),
    "matrix_rank": (np.linalg.matrix_rank, (TALL,)),
    "norm": (np.linalg.norm, (SQUARE,)),
    "norm nuc": (lambda a: np.linalg.norm(a, "nuc"), (ONE,)),
    "norm 1": (lambda a: np.linalg.norm(a, 1, axis=-1), (ONE,)),
    "matrix_norm": (np.linalg.matrix_norm, (SQUARE,)),
    "vector_norm": (lambda a: np.linalg.vector_norm(a, axis=1), (SQUARE,)),
    "multi_dot": (lambda *xs: np.linalg.multi_dot(xs), (VECTOR, ONE, ONE, VECTOR)),
    "cond": (np.linalg.cond, (SQUARE,)),
    "lstsq": (lambda a, b: np.linalg.lstsq(a, b, rcond=None)[:3], (TALL[0], TALL[1])),
    "trace": (np.trace, (ONE,)),
}


@pytest.mark.parametrize("name", NUMPY)
def test_numpys_own_functions_take_tensors(name: str) -> None:
    call, arrays = NUMPY[name]
    found = call(*[Tensor(a, requires_grad=True) for a in arrays])
    expected = call(*arrays)
    several = isinstance(expected, tuple)
    for y, a in zip(
        found if several else [found], expected if several else [expected], strict=True
    ):
        assert isinstance(y, Tensor)
        np.testing.assert_allclose(y.detach().numpy(), a, rtol=1e-9, atol=1e-12)
    if several and hasattr(expected, "_fields"):
        assert found._fields == expected._fields


def test_readers_write_them_in_numpy() -> None:
    x = Tensor(ONE, requires_grad=True, name="x")

    def loss() -> Any:
        spd = x @ x.mT + Tensor(np.eye(3))
        return (
            linalg.inv(spd).sum() + linalg.det(x) + linalg.slogdet(x).logabsdet
            + (linalg.eigh(spd).eigenvectors ** 2 * spd).sum() + linalg.svdvals(x).sum()
            + linalg.cholesky(spd).sum() + linalg.qr(x)[1].abs().sum() + linalg.pinv(x).sum()
            + linalg.solve(x, spd).sum()
        )  # fmt: skip

    y = loss()
    derivation = derive(y)
    source = derivation.source()
    for name in ("inv", "det", "slogdet", "eigh", "svd", "cholesky", "qr", "pinv", "solve"):
        assert f"np.linalg.{name}(" in source
    value, gradients = derivation.function()(**derivation.arguments)
    y.backward()
    assert x.grad is not None
    np.testing.assert_allclose(value, y.item(), rtol=1e-12)
    np.testing.assert_allclose(gradients["x"], x.grad.numpy(), rtol=1e-9, atol=1e-9)
    expected, x.grad = x.grad, None
    step = compile(loss)
    for _ in range(2):
        x.grad = None
        step().backward()
        np.testing.assert_allclose(x.grad.numpy(), expected.numpy(), rtol=1e-9, atol=1e-9)
    assert not step.why


def test_errors_name_the_matrix_and_the_remedy() -> None:
    zero = Tensor(np.zeros((2, 3, 3)))
    for call, text in [
        (lambda: linalg.inv(zero), r"inv: a matrix of shape \(3, 3\) is singular; pinv takes it"),
        (lambda: linalg.solve(zero, zero), r"solve: a matrix of shape \(3, 3\) is singular"),
        (lambda: linalg.cholesky(-zero - 1), "is not positive definite; add a little of eye"),
        (
            lambda: linalg.inv(Tensor(TALL)),
            r"inv: square matrices are needed, got shape \(2, 4, 3\)",
        ),
        (lambda: linalg.det(Tensor(VECTOR)), r"det: a matrix is needed, got shape \(3,\)"),
    ]:
        with pytest.raises(linalg.LinAlgError, match=text):
            call()
    for call, text in [
        (lambda: linalg.solve(Tensor(ONE), Tensor(TALL[0])), r"shape \(3, 3\) and right sides of"),
        (lambda: linalg.multi_dot([Tensor(ONE)]), "multi_dot: two tensors or more"),
        (
            lambda: linalg.solve_triangular(Tensor(TALL), Tensor(ONE), upper=True),
            r"solve_triangular: square .* \(2, 4, 3\)",
        ),
        (lambda: linalg.matrix_power(Tensor(TALL), 2), r"matrix_power: square .* \(2, 4, 3\)"),
        (lambda: linalg.matrix_norm(Tensor(ONE), 3), "matrix_norm: ord is 'fro', 'nuc'"),
        (lambda: linalg.norm(Tensor(SQUARE), 1), "norm: with ord a vector or a matrix"),
        (lambda: linalg.eigh(Tensor(ONE), "X"), "UPLO is 'L' or 'U', got 'X'"),
        (lambda: linalg.qr(Tensor(ONE), "raw"), "mode is 'reduced', 'complete' or 'r'"),
        (
            lambda: linalg.qr(Tensor(TALL, requires_grad=True), "complete"),
            "the added columns of Q are arbitrary",
        ),
    ]:
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(TypeError, match="inv: NumPy computes it in float32 and float64 alone"):
        linalg.inv(Tensor(ONE.astype(np.float16)))


def test_full_matrices_complete_the_bases() -> None:
    for a in (TALL[0], WIDE[0]):
        u, s, vh = linalg.svd(Tensor(a))
        np.testing.assert_allclose((u.mT @ u).numpy(), np.eye(a.shape[0]), atol=1e-12)
        np.testing.assert_allclose((vh @ vh.mT).numpy(), np.eye(a.shape[1]), atol=1e-12)
        assert s.shape == (3,)
    q, r = linalg.qr(Tensor(TALL[0]), "complete")
    assert q.shape == (4, 4) and r.shape == (4, 3)
    np.testing.assert_allclose((q @ r).numpy(), TALL[0], atol=1e-12)
    assert linalg.qr(Tensor(TALL[0]), "r").Q.size == 0


@pytest.mark.parametrize(
    "words", [{}, {"atol": 0.7}, {"rtol": 0.3}, {"atol": 0.5, "rtol": 0.3}, {"hermitian": True}]
)
def test_ranks_are_pytorchs(words: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    for a in (symmetric(SQUARE), np.outer(VECTOR, VECTOR), np.zeros((2, 2)), np.zeros((0, 0))):
        found = linalg.matrix_rank(Tensor(a), **words)
        assert found.tolist() == torch.linalg.matrix_rank(torch.tensor(a), **words).tolist()
    assert linalg.matrix_rank(Tensor(np.eye(2)), 2.0).item() == 0


def test_what_has_no_gradient() -> None:
    x = Tensor(ONE, requires_grad=True)
    assert not linalg.matrix_rank(x).requires_grad and linalg.matrix_rank(x).item() == 3
    assert not linalg.slogdet(x).sign.requires_grad
    found = linalg.lstsq(Tensor(TALL[0]), Tensor(TALL[1]))
    expected = np.linalg.lstsq(TALL[0], TALL[1])
    for y, a in zip(found, expected, strict=True):
        np.testing.assert_allclose(y.numpy(), a, rtol=1e-9)


def test_power_0_and_the_fewest_products() -> None:
    x = Tensor(ONE, requires_grad=True)
    y = linalg.matrix_power(x, 0)
    assert y.tolist() == np.eye(3).tolist()
    y.sum().backward()
    assert x.grad is not None and not x.grad.array.any()
    shapes: list[tuple[int, int]] = []
    tall, wide = Tensor(np.ones((50, 2))), Tensor(np.ones((2, 50)))
    product = linalg.multi_dot([Tensor(np.ones((1, 50)), requires_grad=True), tall, wide, tall])
    for t in autograd_lite.tape(product):
        if t.op is not None:
            shapes.append(t.shape)
    assert (1, 50) not in shapes[:1] and product.shape == (1, 2)
    assert max(a * b for a, b in shapes) <= 50


def test_methods_and_names_of_pytorch() -> None:
    x = Tensor(ONE)
    assert x.det().item() == linalg.det(x).item() == autograd_lite.det(x).item()
    assert autograd_lite.inverse(x).tolist() == linalg.inv(x).tolist()
    assert x.logdet().shape == () and x.slogdet().sign.item() in (1, -1)
    assert x.pinverse().shape == x.matrix_power(2).shape == (3, 3)
