"""`python -m tests.speed [--quick]`: run every benchmark and print the tables."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from typing import Any

STEPS = [(16, 64, 1), (128, 256, 1), (1, 8, 1), (16, 64, 2), (1024, 1024, 1), (1024, 1024, 2)]


def measured(module: str, *args: object, threads: int = 1, kernel: str = "") -> dict[str, Any]:
    """What a benchmark module prints as JSON, run in a process of its own."""
    env = dict(os.environ, OMP_NUM_THREADS=str(threads), OPENBLAS_NUM_THREADS=str(threads))
    if kernel:
        env["OPENBLAS_CORETYPE"] = kernel
    command = [sys.executable, "-m", f"tests.speed.{module}", *map(str, args)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def table(rows: list[list[str]]) -> None:
    """A Markdown table with aligned columns; the first row is the head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for i, row in enumerate(rows):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |")
        if i == 0:
            print("|" + "|".join("-" * (w + 2) for w in widths) + "|")
    print(flush=True)


def steps(quick: bool, kernel: str) -> None:
    rows: list[list[str]] = []
    for batch, hidden, threads in STEPS[: 2 if quick else None]:
        seconds = 1.0 if quick else 8.0
        found = measured("step", batch, hidden, threads, seconds, threads=threads, kernel=kernel)
        names = list(found["times"])
        if not rows:
            kind = f"BLAS kernels {found['kernel']}"
            print(f"Training step of a 784-H-10 MLP, times the hand-written NumPy step; {kind}\n")
            rows.append(["batch, H, threads", "hand, us", *names[1:]])
        hand = found["times"][names[0]]
        ratios = [f"{found['times'][n] / hand:.2f}" for n in names[1:]]
        rows.append([f"{batch}, {hidden}, {threads}", f"{hand * 1e6:.0f}", *ratios])
    table(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.speed", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and repetitions")
    parser.add_argument("--kernels", action="store_true", help="the steps on AVX2 kernels too")
    args = parser.parse_args()
    steps(args.quick, "")
    if args.kernels:
        steps(args.quick, "Haswell")

    found = measured("deep", 1.0 if args.quick else 5.0)
    print("A 10-layer MLP of width 64, batch 32, tanh, mean squared error, SGD, times eager\n")
    names = list(found["times"])
    eager = found["times"][names[0]]
    table(
        [
            ["eager, us", *names[1:]],
            [f"{eager * 1e6:.0f}"] + [f"{found['times'][n] / eager:.2f}" for n in names[1:]],
        ]
    )

    found = measured("chain", 300, 1.0 if args.quick else 5.0)
    print("300 operations `y * 1.01 + 0.1` on 8 float32, forward and backward\n")
    names = list(found["times"])
    us = [f"{t / 300 * 1e6:.2f}" for t in found["times"].values()]
    table([["", *names], ["us per operation", *us]])

    sizes = [10_000, 100_000] if args.quick else [10_000, 100_000, 1_000_000]
    grown = [measured("growth", n)["us"] for n in sizes]
    print("Chained operations, forward and backward and freed\n")
    table(
        [
            ["operations", *(f"{n:,}" for n in sizes)],
            ["us per operation", *(f"{t:.2f}" for t in grown)],
            ["times the first", *(f"{t / grown[0]:.2f}" for t in grown)],
        ]
    )

    found = measured("memory")
    print("Peak memory of a training step (batch 1024, 784-1024-10) over hand-written NumPy\n")
    table([["hand, MB", "autograd_lite"], [f"{found['hand'] / 1e6:.1f}", f"{found['ratio']:.2f}"]])

    found = measured("imports")
    print("Import of both packages beyond NumPy's\n")
    table(
        [
            ["NumPy, ms", "autograd_lite and nn, ms"],
            [f"{found['numpy']:.0f}", f"{found['ours']:.1f}"],
        ]
    )


if __name__ == "__main__":
    main()
