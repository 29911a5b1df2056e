"""The system's C compiler, what it has compiled before, and NumPy's own BLAS.

A compiled file has the hash of its source, flags, compiler and processor as its name and its own
hash at its end; it is written under another name and renamed when it is whole. The folder is the
user's alone; where it is not, each process has one of its own.
"""

from __future__ import annotations

import atexit
import ctypes
import functools
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .forms import PRELUDE
from .products import NARROW
from .products import SOURCE as PRODUCTS

__all__ = ["HEAD", "BLAS", "NoCompiler", "blas", "compiler", "loaded", "products", "state"]

COMMON = (
    "-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic", "-fno-math-errno",
    "-fno-trapping-math", "-ffp-contract=off", "-fwrapv", "-fno-strict-aliasing", "-fPIC",
    "-shared", "-w",
)  # fmt: skip
CHOICES = (  # the first that the compiler can do: (flags, libraries)
    (("-march=native", "-DSIMD"), ("-lmvec", "-lm")),
    (("-march=native",), ("-lm",)),
    ((), ("-lm",)),
)
PATIENCE = 120  # seconds for a compilation
HEAD = object.__basicsize__  # bytes before the fields of an array
# one lane of vector code, and more, so that a library without its functions is found out
PROBE = (
    PRELUDE
    + """
void probe(float *x, double *y) {
    for (int i = 0; i < 64; i++) x[i] = expf(x[i]) + tanhf(x[i]) + erff(x[i]);
    for (int i = 0; i < 64; i++) y[i] = exp(y[i]) + log(y[i]) + erf(y[i]);
}
"""
)


class NoCompiler(Exception):
    """Why nothing can be compiled."""


class Compiler(NamedTuple):
    """A C compiler that works, with the flags that it knows."""

    path: str
    flags: tuple[str, ...]
    libraries: tuple[str, ...]
    identity: str


class BLAS(NamedTuple):
    """Functions of NumPy's BLAS by the kind of their floats, and the C type of their sizes."""

    gemm: dict[str, int]
    gemv: dict[str, int]
    size: str
    name: str
    kernel: str  # which of its functions OpenBLAS chose; "" of another BLAS
    threads: int  # where the function is that tells how many threads OpenBLAS may use


# ---- the compiler ---------------------------------------------------------------------------


def compiler() -> Compiler:
    """The C compiler, `CC` if that is set; NoCompiler, with the reason, where none works."""
    return found(os.environ.get("CC", ""))


@functools.cache
def found(named: str) -> Compiler:
    result = search(named)
    if isinstance(result, str):
        raise NoCompiler(result)
    return result


def search(named: str) -> Compiler | str:
    if sys.implementation.name != "cpython" or os.name != "posix" or sys.byteorder != "little":
        return f"this is {sys.implementation.name} on {platform.system()}"
    if not lies_as_expected():
        return "arrays of this NumPy have another form in memory"
    names = [named] if named else ["cc", "gcc", "clang"]
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        return f"there is no {' or '.join(names)}; install gcc, or set CC to a C compiler"
    why = ""
    about = os.stat(os.path.realpath(path))
    identity = repr((os.path.realpath(path), about.st_mtime_ns, about.st_size, processor()))
    for flags, libraries in CHOICES:
        c = Compiler(path, (*COMMON, *flags), libraries, identity)
        try:
            open_library(PROBE, c)
        except NoCompiler as error:
            why = why or str(error)
        else:
            return c
    return why


@functools.cache
def processor() -> str:
    """What -march=native depends on."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        return platform.processor() + platform.machine()
    kept = ("flags", "model", "vendor", "cpu family", "Features", "CPU")
    return "\n".join(line for line in lines.splitlines() if line.startswith(kept))


def lies_as_expected() -> bool:
    """Whether the fields of an array lie in memory where NumPy's C interface has them."""
    a = np.arange(6.0).reshape(2, 3)[:, ::2]
    word = ctypes.sizeof(ctypes.c_void_p)
    where = id(a) + HEAD
    data, nd = (ctypes.c_ssize_t.from_address(where + i * word).value for i in (0, 1))
    shape, strides, _, _, flags = (
        ctypes.c_ssize_t.from_address(where + i * word).value for i in range(2, 7)
    )
    two = ctypes.c_ssize_t * 2
    return (
        data == a.ctypes.data
        and nd & 0xFFFFFFFF == 2
        and tuple(two.from_address(shape)) == a.shape
        and tuple(two.from_address(strides)) == a.strides
        and flags & 0xFFFFFFFF == a.flags.num
        and ctypes.string_at(id(a.dtype) + HEAD + word, 3) == b"fd="
    )


# ---- what has been compiled -----------------------------------------------------------------


@functools.cache
def folder() -> Path:
    """Where compiled files are kept: nobody else may write there."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    path = Path(base, "autograd_lite", "native")
    try:
        path.mkdir(0o700, parents=True, exist_ok=True)
        if is_private(path) and os.access(path, os.W_OK | os.X_OK):
            return path
    except OSError:
        pass
    path = Path(tempfile.mkdtemp(prefix="autograd_lite_"))
    atexit.register(removed, path, os.getpid())
    return path


def removed(path: Path, process: int) -> None:
    if os.getpid() == process:  # and not one that was forked
        shutil.rmtree(path, ignore_errors=True)


def is_private(path: Path) -> bool:
    """Whether a folder is the user's, and nobody else can write to it."""
    about = path.lstat()
    mine = stat.S_ISDIR(about.st_mode) and about.st_uid == os.getuid()
    return mine and not about.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def loaded(source: str) -> Any:
    """The library that a source becomes."""
    return open_library(source, compiler())


def open_library(source: str, c: Compiler) -> Any:
    parts = (source, *c.flags, *c.libraries, c.identity, platform.machine())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    file = folder() / f"{key}.so"
    if not is_whole(file):
        make(source, c, file)
    try:
        return ctypes.PyDLL(str(file))
    except OSError as error:
        file.unlink(missing_ok=True)
        raise NoCompiler(f"what {c.path} makes cannot be loaded: {error}") from None


def is_whole(file: Path) -> bool:
    """Whether a file is there with the hash that it ended with; a truncated one could end the
    process that loads it."""
    try:
        about = file.lstat()
        if not stat.S_ISREG(about.st_mode) or about.st_uid != os.getuid():
            return False
        content = file.read_bytes()
    except OSError:
        return False
    return hashlib.sha256(content[:-32]).digest() == content[-32:]


def make(source: str, c: Compiler, file: Path) -> None:
    """Compile to another name, and give the file its own when it is whole."""
    handle, made = tempfile.mkstemp(".so", "new-", file.parent)
    os.close(handle)
    command = [c.path, *c.flags, "-x", "c", "-", "-o", made, *c.libraries]
    try:
        failed, message = result(command, source)
        if failed:
            lines = message.strip().splitlines() or ["no message"]
            raise NoCompiler(f"{c.path} failed: {lines[0][:200]}")
        content = Path(made).read_bytes()
        with open(made, "ab") as f:
            f.write(hashlib.sha256(content).digest())
        os.replace(made, file)
    finally:
        Path(made).unlink(missing_ok=True)


def result(command: list[str], source: str) -> tuple[int, str]:
    """The exit status of a compiler, and what it said; it ends where this does."""
    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        with process:
            try:
                said = process.communicate(source, PATIENCE)
            except BaseException:
                process.kill()
                process.wait()
                raise
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NoCompiler(f"{command[0]} does not run: {error}") from None
    return process.returncode, said[1] or said[0]


# ---- NumPy's BLAS ---------------------------------------------------------------------------


@functools.cache
def blas() -> BLAS | None:
    """The matrix products that NumPy itself calls; None where they cannot be found, as another BLAS
    may be slower or have other threads."""
    try:
        core = import_module("numpy._core._multiarray_umath")

        library = ctypes.PyDLL(str(core.__file__))
    except (ImportError, OSError):
        return None
    for prefix, ending, size in (
        ("scipy_cblas_", "64_", "int64_t"),
        ("cblas_", "64_", "int64_t"),
        ("scipy_cblas_", "", "int"),
        ("cblas_", "", "int"),
    ):
        names = {kind: f"{prefix}{kind}{{}}{ending}" for kind in "sd"}
        if all(hasattr(library, n.format(f)) for n in names.values() for f in ("gemm", "gemv")):
            at = {
                f: {k: address(getattr(library, n.format(f))) for k, n in names.items()}
                for f in ("gemm", "gemv")
            }
            where = (prefix.replace("cblas", "openblas") + "get_", ending)
            tells: list[Any] = [
                getattr(library, s.join(where), None) for s in ("corename", "num_threads")
            ]
            kernel = ""
            if None not in tells:
                tells[0].restype = ctypes.c_char_p
                kernel = tells[0]().decode()
            name = f"NumPy's {names['s'].format('gemm')}"
            return BLAS(at["gemm"], at["gemv"], size, name, kernel, address(tells[1]))
    return None


@functools.cache
def products() -> BLAS | None:
    """`blas()`, with products of our own where OpenBLAS leaves the processor's AVX-512 unused."""
    b = blas()
    if b is None or b.kernel not in NARROW or b.size != "int64_t":
        return b
    try:
        c = compiler()
        ours = open_library(PRODUCTS, c._replace(flags=(*c.flags, "-ffp-contract=fast")))
    except NoCompiler:  # one of those that know no vectors
        return b
    if not hasattr(ours, "threads"):
        return b
    for name, at in {"threads": b.threads, "sgemm": b.gemm["s"], "dgemm": b.gemm["d"]}.items():
        ctypes.c_void_p.in_dll(ours, name).value = at
    gemm = {"s": address(ours.product_float), "d": address(ours.product_double)}
    return b._replace(gemm=gemm, name="functions of our own with AVX-512")


def address(function: Any) -> int:
    return int(ctypes.cast(function, ctypes.c_void_p).value or 0)


def state() -> str:
    """What `doctor` says: the compiler that is used, or why there is none."""
    try:
        c = compiler()
    except NoCompiler as error:
        return f"none ({error}); compile runs NumPy code"
    vector = "vector functions of libmvec" if "-DSIMD" in c.flags else "no vector functions"
    b = products()
    by = b.name if b is not None else "np.matmul"
    return f"{c.path}, {vector}, products by {by}; compiled files in {folder()}"
