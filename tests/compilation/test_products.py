"""Products of matrices in C of our own, against NumPy's."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from autograd_lite import compile, ones
from autograd_lite.compilation.native import NoCompiler, compiler, library
from autograd_lite.compilation.native.products import NARROW, SOURCE

try:
    compiler()
except NoCompiler as error:
    pytestmark = pytest.mark.skip(reason=f"needs a C compiler: {error}")

ANYWHERE = SOURCE.replace("#ifdef __AVX512F__", "#if 1")  # without AVX-512 the same, only slower
SIZES = [1, 2, 4, 11, 12, 13, 31, 32, 33, 70]
THREADS = ctypes.CFUNCTYPE(ctypes.c_int)
KINDS = {"float": (np.float32, ctypes.c_float), "double": (np.float64, ctypes.c_double)}


def made(source: str, threads: int = 1) -> tuple[dict[str, Any], list[Any]]:
    """The products of a source for each kind of floats, and the calls that it leaves to BLAS."""
    c, asked = compiler(), []
    found = library.open_library(source, c._replace(flags=(*c.flags, "-ffp-contract=fast")))
    functions: dict[str, Any] = {}
    kept = [THREADS(lambda: threads)]
    for kind, (_, number) in KINDS.items():
        size, at = ctypes.c_int64, ctypes.c_void_p
        takes = (*[ctypes.c_int] * 3, *[size] * 3, number, at, size, at, size, number, at, size)
        kept.append(ctypes.CFUNCTYPE(None, *takes)(lambda *a: asked.append(a)))
        function = functions[kind] = getattr(found, f"product_{kind}")
        function.argtypes, function.restype = takes, None
    for name, f in zip(("threads", "sgemm", "dgemm"), kept, strict=True):
        ctypes.c_void_p.in_dll(found, name).value = library.address(f)
    functions["kept"] = kept
    return functions, asked


def check(functions: dict[str, Any], asked: list[Any], kind: str, sizes: Any, *how: Any) -> None:
    """One product inside of larger arrays, and that nothing beside the result is written."""
    (m, n, k), (ta, tb, alpha, beta) = sizes, how
    rng, dtype = np.random.default_rng(m * n + k), KINDS[kind][0]
    a = rng.standard_normal((k, m + 3) if ta else (m, k + 3)).astype(dtype)
    b = rng.standard_normal((n, k + 1) if tb else (k, n + 1)).astype(dtype)
    c = rng.standard_normal((m + 1, n + 2)).astype(dtype)
    if beta == 0:
        c[:m, :n] = np.nan
    x, y = a[:, :m].T if ta else a[:, :k], b[:, :k].T if tb else b[:, :n]
    expected = c.copy()
    expected[:m, :n] = alpha * (x @ y) + (beta * c[:m, :n] if beta else 0)
    before = len(asked)
    at = (a.ctypes.data, a.shape[1], b.ctypes.data, b.shape[1], beta, c.ctypes.data, c.shape[1])
    functions[kind](101, 111 + ta, 111 + tb, m, n, k, alpha, *at)
    if len(asked) == before:
        rtol = 3e-6 if kind == "float" else 1e-14
        np.testing.assert_allclose(c, expected, rtol=rtol, atol=rtol * 10 * k**0.5)
    else:
        assert asked[-1][:7] == (101, 111 + ta, 111 + tb, m, n, k, alpha)
        assert asked[-1][7:] == at


HOW = list(product((0, 1), (0, 1), (1.0, -0.5), (0.0, 1.0, 2.0)))


@pytest.mark.parametrize("kind", KINDS)
def test_products_are_numpys(kind: str) -> None:
    functions, asked = made(ANYWHERE)
    done = 0
    for i, sizes in enumerate(product(SIZES, SIZES, (1, 4, 30, 300))):
        check(functions, asked, kind, sizes, *HOW[i % len(HOW)])
        done += 1
    for how in HOW[::5]:  # more than one piece each way
        check(functions, asked, kind, (30, 1100, 600), *how)
    wide = {"float": 32, "double": 16}[kind]
    narrow = sum(
        (n < wide or k < 4) and m * n * k <= 2**18
        for m, n, k in product(SIZES, SIZES, (1, 4, 30, 300))
    )
    for how in HOW[::7]:  # narrow, and large
        check(functions, asked, kind, (900, 10, 100), *how)
        check(functions, asked, kind, (600, 500, 2), *how)
    assert (done, len(asked)) == (400, narrow)


@pytest.mark.parametrize("sizes", [(300, 300, 300), (100, 1500, 150), (13, 9000, 200)])
def test_threads_share_large_ones_to_the_same_bits(sizes: tuple[int, int, int]) -> None:
    m, n, k = sizes
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(s).astype(np.float32) for s in ((m, k), (n, k)))
    results = []
    for threads in (1, 3, 200):
        functions, asked = made(ANYWHERE, threads)
        for how in HOW[::9]:
            check(functions, asked, "float", sizes, *how)
        c = np.empty((m, n), np.float32)
        at = (a.ctypes.data, k, b.ctypes.data, k, 0, c.ctypes.data, n)
        functions["float"](101, 111, 112, m, n, k, 1, *at)
        results.append(c.tobytes())
    assert len({*results}) == 1 and not asked


MISTAKES = [
    ("k0 += DEPTH, beta = 1", "k0 += DEPTH"),
    ("PICKED(x, y, 2, 6, 3, 7)", "PICKED(x, y, 2, 6, 7, 3)"),
    ("to[j] = j < n ? b[j] : 0;", "to[j] = b[0];"),
    ("q < some;", "q < COLUMNS_float;"),
]


@pytest.mark.parametrize(
    ("right", "wrong"),  # a compilation for each
    [MISTAKES[0], *[pytest.param(*pair, marks=pytest.mark.slow) for pair in MISTAKES[1:]]],
)
def test_a_mistake_is_found(right: str, wrong: str) -> None:
    assert right in SOURCE
    functions, asked = made(ANYWHERE.replace(right, wrong))
    with pytest.raises(AssertionError):
        for how in HOW:
            check(functions, asked, "float", (14, 70, 300), *how)


def rule(monkeypatch: pytest.MonkeyPatch, kernel: str) -> Callable[[], Any]:
    b = library.blas()
    if b is None or b.size != "int64_t":
        pytest.skip("NumPy's BLAS is another")
    monkeypatch.setattr(library, "blas", lambda: b._replace(kernel=kernel))
    return library.products.__wrapped__  # type: ignore[no-any-return]


@pytest.mark.parametrize("kernel", ["SkylakeX", "", "NEOVERSEN1"])
def test_the_kernels_of_openblas_stay_where_they_are_as_wide(
    kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = rule(monkeypatch, kernel)()
    assert found == library.blas()


def test_ours_are_chosen_by_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    products = rule(monkeypatch, min(NARROW))
    assert products() == library.blas() or "AVX-512" in products().name
    for other in (SOURCE.replace("__AVX512F__", "NO_SUCH_PROCESSOR"), "no C"):
        monkeypatch.setattr(library, "PRODUCTS", other)
        assert products() == library.blas()
    monkeypatch.setattr(library, "PRODUCTS", ANYWHERE)
    found = products()
    assert "AVX-512" in found.name and found.gemm != library.blas().gemm
    assert found.gemv == library.blas().gemv


def test_compiled_code_calls_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = rule(monkeypatch, "")()
    functions, asked = made(ANYWHERE)
    at = {kind[0].replace("f", "s"): library.address(functions[kind]) for kind in KINDS}
    monkeypatch.setattr(library, "products", lambda: found._replace(gemm=at))
    x, w = ones(2, 8), ones(8, 3, requires_grad=True)  # so narrow that BLAS would be asked
    step = compile(lambda x, w: (x @ w).sum(), backend="c")
    for _ in range(3):
        step(x, w)
    assert asked and asked[0][3:6] == (2, 3, 8)
