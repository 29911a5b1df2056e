"""Many processes that train one model, over MPI, with PyTorch's words.

    pip install "autograd_lite[mpi]"
    mpiexec -n 4 python -m mpi4py train.py

Each process, a *rank*, runs the whole script. `init_process_group()` comes first;
`nn.parallel.DistributedDataParallel(model)` makes the ranks begin with the same parameters and
averages their gradients in every backward, and `nn.data.DistributedSampler` gives each rank its
part of the data. `nn.train.fit` then has the same history on every rank, and rank 0 alone shows the
bar and writes checkpoints. The MPI is the one that mpi4py finds: that of the package mpich, or the
cluster's own.

A rank that raises ends all the others, with its message; so does one that is killed, and one that
keeps the others waiting for longer than `timeout`. It pays where a step takes milliseconds:
`python -m tests.speed ranks` measures it.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np

from .engine.errors import kind_of
from .engine.tensor import Tensor
from .engine.versions import changed

__all__ = [
    "ReduceOp", "all_reduce", "barrier", "broadcast", "destroy_process_group", "get_rank",
    "get_world_size", "init_process_group", "is_available", "is_initialized",
]  # fmt: skip


class ReduceOp:
    """What `all_reduce` does with the values of the ranks."""

    SUM, AVG, PRODUCT, MIN, MAX = "SUM", "AVG", "PROD", "MIN", "MAX"


class Group:
    """The ranks of this run; `call` is how they wait for each other, no longer than `timeout`."""

    def __init__(self, comm: Any, timeout: float) -> None:
        self.comm, self.timeout = comm, timeout
        self.rank: int = comm.Get_rank()
        self.size: int = comm.Get_size()
        self.waits: tuple[str, float] | None = None  # for what, and since when

    def call(self, name: str, function: Callable[..., Any], *args: Any, **kw: Any) -> Any:
        self.waits = name, time.monotonic()
        try:
            return function(*args, **kw)
        finally:
            self.waits = None

    def watch(self) -> None:
        """End all ranks where this one has waited too long: MPI itself waits for ever."""
        while group is self:
            time.sleep(min(self.timeout / 10, 1.0))
            waits = self.waits
            if waits is not None and time.monotonic() - waits[1] > self.timeout:
                print(
                    f"{waits[0]}: rank {self.rank} of {self.size} has waited for the others for "
                    f"{self.timeout:g} s; does each rank make the same calls? init_process_group("
                    "timeout=) allows more",
                    file=sys.stderr,
                    flush=True,
                )
                # the thread that waits may hold what Abort needs
                threading.Thread(target=self.comm.Abort, args=(1,), daemon=True).start()
                time.sleep(2)
                os._exit(1)


group: Group | None = None


def init_process_group(
    backend: str | None = None, *, timeout: float | timedelta = 1800.0, **torchs: Any
) -> None:
    """Become one of the ranks that mpiexec has started; without it, the only one.

    `timeout`, in seconds or a timedelta, is how long a rank may keep the others waiting. `backend`
    is "mpi", which PyTorch's other names stand for too, and PyTorch's other words change nothing.
    RuntimeError at a second call, and where several ranks were started without `-m mpi4py`: an
    exception in one would let the others wait for ever. ImportError without mpi4py.

    >>> init_process_group()                                     # doctest: +SKIP
    >>> get_rank(), get_world_size()                             # doctest: +SKIP
    (0, 1)
    """
    global group
    if group is not None:
        raise RuntimeError("init_process_group: it was called before")
    seconds = timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)
    if not seconds > 0:
        raise ValueError(f"init_process_group: timeout is {timeout!r}; it is a time above 0")
    if unknown := torchs.keys() - {"init_method", "world_size", "rank", "device_id", "group_name"}:
        raise TypeError(f"init_process_group: it has no option {min(unknown)!r}")
    if not is_available():
        raise ImportError(
            'init_process_group: ranks need MPI; install it with: pip install "autograd_lite[mpi]"'
        )
    from mpi4py import MPI

    comm = MPI.COMM_WORLD
    if comm.Get_size() > 1 and "mpi4py.run" not in sys.modules:
        raise RuntimeError(
            "init_process_group: several ranks were started without -m mpi4py, and an error in one "
            "would let the others wait for ever; start them with: mpiexec -n "
            f"{comm.Get_size()} python -m mpi4py {' '.join(sys.argv)}"
        )
    group = Group(comm, seconds)
    if group.size > 1:
        threading.Thread(target=group.watch, daemon=True).start()


def destroy_process_group() -> None:
    """Be a process of its own again; nothing where that is so."""
    global group
    group = None


def is_available() -> bool:
    """Whether mpi4py is installed."""
    from importlib.util import find_spec

    return find_spec("mpi4py") is not None


def is_initialized() -> bool:
    """Whether `init_process_group` was called.

    >>> is_initialized()
    False
    """
    return group is not None


def _group(name: str) -> Group:
    if group is None:
        raise ValueError(f"{name}: call init_process_group() first")
    return group


def get_rank() -> int:
    """The number of this process, from 0. ValueError before `init_process_group`."""
    return _group("get_rank").rank


def get_world_size() -> int:
    """How many ranks there are. ValueError before `init_process_group`."""
    return _group("get_world_size").size


def barrier() -> None:
    """Wait until every rank has come here."""
    g = _group("barrier")
    g.call("barrier", g.comm.Barrier)


def all_reduce(tensor: Any, op: str = ReduceOp.SUM) -> None:
    """Put the sum of what the ranks have into the tensor of each, or what another `ReduceOp` gives.

    In place, and not recorded; the shapes and dtypes are the same on every rank. TypeError for what
    is neither a Tensor nor an array, and for float16, which MPI has not; ValueError for another op.
    """
    g = _group("all_reduce")
    a = _array("all_reduce", tensor)
    if op not in (ReduceOp.SUM, ReduceOp.AVG, ReduceOp.PRODUCT, ReduceOp.MIN, ReduceOp.MAX):
        raise ValueError(f"all_reduce: op is {op!r}; it is one of ReduceOp")
    if op == ReduceOp.AVG and a.dtype.kind != "f":
        raise TypeError(f"all_reduce: an average of {a.dtype} is no {a.dtype}; use floats")
    from mpi4py import MPI

    found = np.require(a, requirements=["C", "W"])  # as it is, where it is one block of memory
    mpi_op = getattr(MPI, "SUM" if op == ReduceOp.AVG else op)
    g.call("all_reduce", g.comm.Allreduce, MPI.IN_PLACE, found, op=mpi_op)
    if op == ReduceOp.AVG:
        found /= g.size
    _put(tensor, a, found)


def broadcast(tensor: Any, src: int = 0) -> None:
    """Put what rank `src` has into the tensor of each rank; in place, and not recorded."""
    g = _group("broadcast")
    a = _array("broadcast", tensor)
    if not 0 <= src < g.size:
        raise ValueError(f"broadcast: src is {src}; the ranks are 0 to {g.size - 1}")
    found = np.require(a, requirements=["C", "W"])
    g.call("broadcast", g.comm.Bcast, found, root=src)
    _put(tensor, a, found)


def _array(name: str, tensor: Any) -> Any:
    a = tensor.array if isinstance(tensor, Tensor) else tensor
    if not isinstance(a, np.ndarray):
        raise TypeError(f"{name}: a {kind_of(tensor)} is neither a Tensor nor an array")
    if a.dtype.char not in "?bBhHiIlLqQfdg":
        raise TypeError(f"{name}: MPI has no {a.dtype}; use float32")
    return a


def _put(tensor: Any, a: Any, found: Any) -> None:
    if found is not a:
        a[...] = found
    if isinstance(tensor, Tensor):
        changed(tensor)


def gathered(value: Any) -> list[Any]:
    """What each rank has, on every rank: any objects; one where there is no group."""
    if group is None:
        return [value]
    return group.call("gathered", group.comm.allgather, value)


def is_main() -> bool:
    """Whether this is rank 0, or there is no group: who shows bars, and writes files.

    >>> is_main()
    True
    """
    return group is None or group.rank == 0
