"""`python -m tests.speed [--quick] [--kernels] [TABLE ...]`: run benchmarks and print their tables."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from autograd_lite.compilation.native.products import NARROW
from autograd_lite.distributed import is_available

from .timing import blas_kernel

ROOT = Path(__file__).resolve().parents[2]
SIZES = [(1, 8), (16, 64), (128, 256), (1024, 1024)]
SECONDS = {(1024, 1024): 30.0}  # a step takes 0.05 s; 10 s for the others
KINDS = ["hand, buffers", "eager", "compiled", "compiled with SGD"]
KINDS += ["PyTorch eager", "torch.compile", "JAX jit", "HIPS autograd", "MyGrad"]
CODE_KINDS = (
    "products", "C", "NumPy code", "C, usual loop", "NumPy code, usual loop", "eager", "PyTorch eager",
    "torch.compile", "JAX jit",
)  # fmt: skip

CODE = ["1, 8", "16, 64", "128, 256", "1024, 1024", "10 layers", "Iris, Adam", "Iris, momentum"]
CODE += ["chain on 8", "chain on 100,000", "attention block", "LeNet, 32 digits"]
QUICK_CODE = ["16, 64", "Iris, Adam", "attention block"]

LENET = ["eager", "compiled", "compiled with SGD", "compiled with SGD, NumPy code"]
LENET += ["PyTorch eager", "torch.compile", "JAX jit"]
RECURRENT = ["eager", "compiled", "PyTorch eager", "JAX jit"]
EMBEDDING = ["hand-written NumPy", "hand, all rows", "eager", "eager, sparse"]
EMBEDDING += ["PyTorch eager", "PyTorch, sparse"]

HEADS = {  # what stands above the columns of each table; `docs/speed.md` has the same
    "steps": ["batch, H, threads", "hand, us", *KINDS, "first call / eager"],
    "recipe": ["run", "seconds", "times as fast", "steps alone", "loss", "test accuracy"],
    "code": ["row, threads", "hand, us", *CODE_KINDS, "aims"],
    "growth": ["operations", "eager", "first call of a compiled one", "compiled"],
    "lenet": ["images, threads", "hand, ms", "matrix products", *LENET, "memory of eager"],
    "recurrent": ["batch", "hand, us", "matrix products alone", *RECURRENT],
    "memory": ["hand, MB", "eager / hand", "recorded operation", "of that its array"],
    "imports": ["NumPy, ms", "autograd_lite and nn, ms"],
    "parts": ["batch, H: step", "all", "update", "matrix products", "other NumPy", "rest"],
    "ranks": ["batch", "1 rank, ms", "2 ranks, times as fast", "3 ranks, times as fast"],
    "blocks": ["batch", "hand, us", *RECURRENT, "memory, eager / hand"],
    "embedding": EMBEDDING,
}


class How(NamedTuple):
    quick: bool
    kernel: str  # OPENBLAS_CORETYPE, "" for what OpenBLAS finds


def measured(module: str, *args: object, threads: int = 1, kernel: str = "") -> dict[str, Any]:
    """What a benchmark module prints as JSON, run in a process of its own."""
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
    env["PYTHONWARNINGS"] = "error:compile"  # a compiled function that runs eagerly is no such row
    if kernel:
        env["OPENBLAS_CORETYPE"] = kernel
    command = [sys.executable, "-m", f"tests.speed.{module}", *map(str, args)]
    done = subprocess.run(command, env=env, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(title: str, rows: list[list[str]], left_out: dict[str, str] | None = None) -> None:
    """A Markdown table with aligned columns, the first row its head; and what it lacks."""
    print(f"{title}\n")
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for i, row in enumerate(rows):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |")
        if i == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")
    print()
    for name, reason in (left_out or {}).items():
        print(f"left out: {name}: {reason}\n")
    sys.stdout.flush()


def steps(how: How) -> None:
    runs: list[tuple[str, tuple[Any, ...], int]] = []
    for threads in [1] if how.quick else [1, 2]:
        for size in SIZES[: 3 if how.quick else None]:
            arguments = *size, 1.0 if how.quick else SECONDS.get(size, 10.0)
            name = f"{size[0]}, {size[1]}, {threads}"
            runs.append((name, ("step", *arguments), threads))
        seconds = 1.0 if how.quick else 10.0
        runs.append((f"10 layers, {threads}", ("deep", seconds), threads))
        runs.append((f"chain of 300, {threads}", ("chain", seconds), threads))
    rows, left_out = [HEADS["steps"]], {}
    for name, arguments, threads in runs:
        print(f"measuring {name}", file=sys.stderr)  # a row takes half a minute
        found = measured(*arguments, threads=threads, kernel=how.kernel)
        times, left_out = found["times"], found["left_out"]
        hand = times["hand-written NumPy"]
        ratios = [f"{times[kind] / hand:.2f}" if kind in times else "" for kind in KINDS]
        first = f"{found['tracing'] / times['eager']:.0f}"
        rows.append([name, f"{hand * 1e6:.0f}", *ratios, first])
    title = f"Training steps, times the hand-written NumPy step; BLAS kernels {found['kernel']}"
    table(title, rows, left_out)


def recurrent(how: How) -> None:
    rows, left_out = [HEADS["recurrent"]], {}
    for batch in (8,) if how.quick else (1, 8, 32, 128):
        found = measured("recurrent", batch, 1.0 if how.quick else 10.0, kernel=how.kernel)
        times, left_out = found["times"], found["left_out"]
        hand = times["hand-written NumPy"]
        ratios = [f"{times[kind] / hand:.2f}" if kind in times else "" for kind in RECURRENT]
        rows.append([str(batch), f"{hand * 1e6:.0f}", f"{found['products'] / hand:.2f}", *ratios])
    title = (
        "A step of an LSTM, 50 steps of 128 units, times the hand-written NumPy step, one thread"
    )
    table(f"{title}; BLAS kernels {found['kernel']}", rows, left_out)


def recipe(how: How) -> None:
    arguments = (1, 6_000) if how.quick else (10, 60_000)
    found = measured("recipe", *arguments, kernel=how.kernel)
    rows = [HEADS["recipe"]]
    for name, run in found["runs"].items():
        hand = next(iter(found["runs"].values()))
        faster = [f"{hand[part] / run[part]:.2f}" for part in ("seconds", "steps")]
        rows.append(
            [name, f"{run['seconds']:.1f}", *faster, f"{run['loss']:.4f}", f"{run['accuracy']:.4f}"]
        )
    title = "S3's MNIST recipe, {} epoch(s) of {:,} images, batch 16, one thread".format(*arguments)
    table(f"{title}; BLAS kernels {found['kernel']}", rows, found["left_out"])


def growth(how: How) -> None:
    sizes = [10**k for k in range(1, 5 if how.quick else 7)]
    found = {n: measured("growth", n) for n in sizes}
    rows = [HEADS["growth"]]
    for n, us in found.items():
        times = [f"{us[kind]:.2f}" if kind in us else "" for kind in HEADS["growth"][1:]]
        rows.append([f"{n:,}", *times])
    table("Chained operations on 8 float32, us per operation", rows)


def ranks(how: How) -> None:
    mpiexec = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which(
        "mpiexec"
    )
    if mpiexec is None or not is_available():
        print('Ranks: left out, as the extra mpi is not installed (pip install ".[mpi]")\n')
        return
    counts = [1, 2] if how.quick else sorted({1, 2, 3, os.cpu_count() or 2})
    found = {}
    for n in counts:
        command = [mpiexec, "-n", str(n), sys.executable, "-m", "mpi4py", "-m", "tests.speed.ranks"]
        env = dict(os.environ, OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
        done = subprocess.run(
            [*command, "0.5" if how.quick else "3"], env=env, cwd=ROOT, stdout=-1, check=True
        )
        found[n] = json.loads(done.stdout)
    rows = [[*HEADS["ranks"][:2], *(f"{n} ranks, times as fast" for n in counts[1:])]]
    for name, one in found[1].items():
        reduced = name.endswith("B")
        times = [
            f"{found[n][name] * 1e3:.2f} ms" if reduced else f"{one / found[n][name]:.2f}"
            for n in counts[1:]
        ]
        rows.append([f"all_reduce of {name}" if reduced else name, f"{one * 1e3:.2f}", *times])
    table("Ranks that share a batch, 784-256-10, one thread each", rows)


def derivations(how: How) -> None:
    sizes = [1000, 4000] if how.quick else [1000, 4000, 20_000]
    found = {n: measured("derive", n) for n in sizes}
    rows = [["operations", *found[sizes[0]]]]
    rows += [[f"{n:,}", *(f"{us:.0f}" for us in by.values())] for n, by in found.items()]
    table("derive of a chain and of a random program, us per operation", rows)


def lenet(how: How) -> None:
    rows = [HEADS["lenet"]]
    left_out: dict[str, str] = {}
    for threads in [1] if how.quick else [1, 2]:
        for name, size in (("32 of 8 x 8", "digits"), ("64 of 28 x 28", "large")):
            seconds = 1.0 if how.quick else 10.0
            found = measured("lenet", seconds, size, threads=threads, kernel=how.kernel)
            times, left_out = found["times"], found["left_out"]
            hand, memory = times["hand-written NumPy"], found["memory"]
            kinds = ["matrix products", *LENET]
            ratios = [f"{times[kind] / hand:.2f}" if kind in times else "" for kind in kinds]
            more = f"{memory['eager'] / memory['hand-written NumPy']:.2f}"
            rows.append([f"{name}, {threads}", f"{hand * 1e3:.2f}", *ratios, more])
    title = "LeNet: a step, times the hand-written one by im2col"
    table(f"{title}; BLAS kernels {found['kernel']}", rows, left_out)


def memory(how: How) -> None:
    found = measured("memory")
    title = "Peak memory of a step (batch 1024, 784-1024-10) over hand-written NumPy; bytes per operation"
    record, arrays = found["recorded"], found["arrays"]
    row = [f"{found['hand'] / 1e6:.1f}", f"{found['ratio']:.2f}", f"{record:.0f}", f"{arrays:.0f}"]
    table(title, [HEADS["memory"], row])


def imports(how: How) -> None:
    found = measured("imports")
    rows = [HEADS["imports"]]
    rows.append([f"{found['numpy']:.0f}", f"{found['ours']:.1f}"])
    table("Import of both packages beyond NumPy's", rows)


def parts(how: How) -> None:
    sizes = [(16, 64)] if how.quick else SIZES
    seconds = 0.3 if how.quick else 2.0
    found = {size: measured("parts", *size, seconds, kernel=how.kernel) for size in sizes}
    rows = []
    for (batch, hidden), steps in found.items():
        for name, step in steps.items():
            us = [step["us"], *step["kinds"].values()]
            texts = [f"{t:.1f}" for t in (*us, us[0] - sum(us[1:]))]
            rows.append([f"{batch}, {hidden}: {name}", *texts])
    table("us of a step on one thread, by its statements", [HEADS["parts"], *rows])
    for (batch, hidden), steps in found.items():
        for name, step in steps.items():
            print(f"{batch}, {hidden}: {name}, its largest statements\n")
            for text, us in step["parts"]:
                if us > step["us"] / 60:
                    print(f"{us:10.2f}  {text}")
            print(flush=True)


def blocks(how: How) -> None:
    rows = [HEADS["blocks"]]
    for n in (1, 16):
        found = measured("block", n, 1.0 if how.quick else 10.0, kernel=how.kernel)
        times, peaks = found["times"], found["peaks"]
        hand = times["hand-written NumPy"]
        ratios = [f"{times[kind] / hand:.2f}" if kind in times else "" for kind in RECURRENT]
        memory = f"{peaks['eager'] / peaks['hand-written NumPy']:.2f}"
        rows.append([str(n), f"{hand * 1e6:.0f}", *ratios, memory])
    title = "A block of a GPT, forward and backward (64 letters, width 128, 4 heads, one thread)"
    table(f"{title}; BLAS kernels {found['kernel']}", rows, found["left_out"])
    found = measured("block", "embedding", 1.0 if how.quick else 10.0, kernel=how.kernel)
    times = found["times"]
    row = [f"{times[kind] * 1e6:.0f}" if kind in times else "" for kind in EMBEDDING]
    title = "A step of SGD on an embedding of 50,000 rows of 128, of which 64 are read, us"
    table(title, [EMBEDDING, row], found["left_out"])


def code(how: How) -> None:
    rows = [HEADS["code"]]
    left_out: dict[str, str] = {}
    runs = [(name, 1) for name in (QUICK_CODE if how.quick else CODE)]
    for name, threads in [*runs, *([] if how.quick else [("1024, 1024", 2)])]:
        print(f"measuring {name}", file=sys.stderr)
        seconds = 1.0 if how.quick else 16.0 if name == "1024, 1024" else 8.0
        found = measured("code", seconds, name, threads=threads, kernel=how.kernel)
        times = found["times"]
        left_out |= {f"{kind} in {name}": why for kind, why in found["left_out"].items()}
        hand = times["hand"]
        ratios = [f"{times[kind] / hand:.2f}" if kind in times else "" for kind in CODE_KINDS]
        aims = ", ".join(f"{kind} {aim:.2f}" for kind, aim in found["aims"].items())
        rows.append([f"{name}, {threads}", f"{hand * 1e6:.0f}", *ratios, aims])
    title = (
        "Training steps, times that of hand-written NumPy (of the attention block: times its NumPy "
        "code); the products alone; what compile makes of the whole step, or of the loss in the "
        "usual loop; and what is aimed at"
    )
    table(f"{title}; BLAS kernels {found['kernel']}", rows, left_out)


def issue(how: How) -> None:
    """What a compiled step has to show: its rows, and S3's recipe."""
    code(how)
    recipe(how)


TABLES: dict[str, Callable[[How], None]] = {
    "steps": steps,
    "recipe": recipe,
    "code": code,
    "issue": issue,
    "growth": growth,
    "derive": derivations,
    "lenet": lenet,
    "recurrent": recurrent,
    "memory": memory,
    "imports": imports,
    "parts": parts,
    "ranks": ranks,
    "blocks": blocks,
}
OF_KERNELS = ["steps", "recipe", "lenet", "recurrent", "parts", "blocks"]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.speed", description=__doc__)
    every = ", ".join(TABLES)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {every}; default: all")
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repetitions")
    parser.add_argument(
        "--kernels", action="store_true", help="those of steps on other BLAS kernels too"
    )
    args = parser.parse_args()
    names = args.tables or [name for name in TABLES if name != "issue"]
    if unknown := set(names) - set(TABLES):
        parser.error(f"there is no table {', '.join(unknown)}; choose from {every}")
    start = time.perf_counter()
    for name in names:
        TABLES[name](How(args.quick, ""))
    if args.kernels:
        other = "SkylakeX" if blas_kernel() in NARROW else "Haswell"
        for name in names:
            if name in OF_KERNELS:
                TABLES[name](How(args.quick, other))
    print(f"{', '.join(names)}: {time.perf_counter() - start:.0f} s", file=sys.stderr)


if __name__ == "__main__":
    main()
