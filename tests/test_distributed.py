"""Several ranks compute what one process does, and end together whatever happens to one of them."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_lite import distributed
from nn.data import DistributedSampler

ROOT = Path(__file__).resolve().parents[1]
MPIEXEC = shutil.which("mpiexec", path=str(Path(sys.executable).parent)) or shutil.which("mpiexec")
ranks = pytest.mark.skipif(
    importlib.util.find_spec("mpi4py") is None or MPIEXEC is None, reason="needs the extra mpi"
)
BEGIN = """
import sys, time
import numpy as np
import autograd_lite as ag, nn
from autograd_lite import Tensor, distributed as dist
from nn.parallel import DistributedDataParallel
"""


def started(code: str, folder: Path, n: int, *args: Any, plain: bool = False) -> Any:
    """A run of `n` ranks."""
    (folder / "script.py").write_text(BEGIN + code)
    run = [] if plain else ["-m", "mpi4py"]
    return subprocess.Popen(
        [str(MPIEXEC), "-n", str(n), sys.executable, *run, "script.py", *map(str, args)],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ran(
    code: str, folder: Path, n: int, *args: Any, plain: bool = False, within: float = 60
) -> Any:
    """The exit code, the output and the errors of a run that ends in time."""
    with started(code, folder, n, *args, plain=plain) as process:
        try:
            out, err = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return process.returncode, out, err


# ---- the same numbers ----------------------------------------------------------------------------

TRAINING = """
dist.init_process_group("mpi")
rank, size = dist.get_rank(), dist.get_world_size()
rng = np.random.default_rng(0)
xs, ys = rng.standard_normal((50, 12, 4)), rng.standard_normal((50, 12, 2))
ends = {1: [0, 12], 2: [0, 5, 12], 3: [0, 2, 7, 12]}[size]
mine = slice(ends[rank], ends[rank + 1])
found = {}
for kind in ("SGD", "Adam"):
    for way in ("eager", "compiled", "with step", "added up"):
        ag.manual_seed(rank)  # rank 0's parameters count
        model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2)).double()
        model = DistributedDataParallel(model)
        model.weight = mine.stop - mine.start
        params = model.parameters()
        sgd = kind == "SGD"
        o = nn.optim.SGD(params, lr=0.1, momentum=0.9) if sgd else nn.optim.Adam(params, lr=0.01)
        loss_fn = nn.MSELoss()
        loss = lambda x, y: loss_fn(model(x), y)
        if way in ("compiled", "with step"):
            loss = ag.compile(loss, optimizer=o if way == "with step" else None)
        for x, y in zip(xs, ys):
            value = loss(Tensor(x[mine]), Tensor(y[mine]))
            if way == "with step":
                continue
            o.zero_grad()
            if way == "added up":
                with model.no_sync():
                    value.backward()
                value = loss(Tensor(x[mine]), Tensor(y[mine]))
            value.backward()
            o.step()
        if way in ("compiled", "with step"):
            assert loss.traces == 1, loss
        found[f"{kind} {way}"] = np.concatenate([p.numpy(force=True).ravel() for p in params_of(model)])
"""
TRAINING = (
    TRAINING.replace("params_of(model)", "model.parameters()")
    + """
for value in found.values():
    assert len({a.tobytes() for a in dist.gathered(value)}) == 1  # the ranks agree to the bit
if rank == 0:
    np.savez(sys.argv[1], **found)
"""
)


@ranks
def test_ranks_with_unequal_shards_equal_one_process(tmp_path: Path) -> None:
    found = []
    for n in (1, 2, 3):
        path = tmp_path / f"{n}.npz"
        code, _, err = ran(TRAINING, tmp_path, n, path)
        assert code == 0, err
        found.append(dict(np.load(path)))
    for name, expected in found[0].items():
        for other in found[1:]:
            np.testing.assert_allclose(other[name], expected, rtol=0, atol=1e-12)
        plain = found[0][name.split()[0] + " eager"]
        if "added" not in name:
            np.testing.assert_allclose(expected, plain, rtol=0, atol=1e-12)


WORDS = """
from datetime import timedelta
dist.init_process_group("gloo", timeout=timedelta(minutes=1), init_method="env://")
rank = dist.get_rank()
x = Tensor(np.arange(6.0).reshape(2, 3)[:, ::2] + rank)
for op in ("SUM", "AVG", "PRODUCT", "MIN", "MAX"):
    y = x.clone()
    dist.all_reduce(y, getattr(dist.ReduceOp, op))
    if rank == 0:
        print(op, y.tolist())
t = Tensor([float(rank)])
dist.broadcast(t, src=1)
dist.barrier()
DistributedDataParallel(nn.InstanceNorm1d(2, affine=True))  # of each sample alone
if rank == 0:
    print(t.tolist())
for call in (
    lambda: dist.all_reduce([1.0]), lambda: dist.all_reduce(Tensor(np.ones(1, np.float16))),
    lambda: dist.all_reduce(x, "mean"), lambda: dist.broadcast(x, 2), dist.init_process_group,
    lambda: dist.all_reduce(np.ones(1, int), "AVG"),
    lambda: DistributedDataParallel(nn.Sequential(nn.BatchNorm2d(2, track_running_stats=False))),
    lambda: DistributedDataParallel(nn.Linear(2, 1 + rank)),
    lambda: DistributedDataParallel(nn.Linear(2, 1), dims=1),
):
    try:
        call()
    except Exception as error:
        if rank == 0:
            print(type(error).__name__, error)
"""


@ranks
def test_words_and_errors(tmp_path: Path) -> None:
    code, out, err = ran(WORDS, tmp_path, 2)
    assert code == 0, err
    lines = out.splitlines()
    assert lines[:6] == [
        "SUM [[1.0, 5.0], [7.0, 11.0]]", "AVG [[0.5, 2.5], [3.5, 5.5]]",
        "PRODUCT [[0.0, 6.0], [12.0, 30.0]]", "MIN [[0.0, 2.0], [3.0, 5.0]]",
        "MAX [[1.0, 3.0], [4.0, 6.0]]", "[1.0]",
    ]  # fmt: skip
    starts = [
        "TypeError all_reduce: a list is neither", "TypeError all_reduce: MPI has no float16",
        "ValueError all_reduce: op is 'mean'", "ValueError broadcast: src is 2; the ranks are 0 to 1",
        "RuntimeError init_process_group: it was called before",
        "TypeError all_reduce: an average of int64 is no int64",
        "ValueError DistributedDataParallel: '0' is a BatchNorm2d, whose statistics",
        "RuntimeError DistributedDataParallel: the ranks have different models",
        "TypeError DistributedDataParallel: it has no option 'dims'",
    ]  # fmt: skip
    assert len(lines) == 6 + len(starts)
    for line, start in zip(lines[6:], starts, strict=True):
        assert line.startswith(start), line


UNUSED = """
dist.init_process_group()
rank = dist.get_rank()
a, b, c = nn.Linear(1, 1), nn.Linear(1, 1), nn.Linear(1, 1)
model = DistributedDataParallel(nn.ModuleList([a, b, c]))
other = DistributedDataParallel(nn.Linear(1, 1))
x = Tensor([[1.0]])
(a(x) + (b(x) if rank == 1 else 0) + 4 * rank * other(x)).sum().backward()
assert other.module.bias.grad.item() == 2.0  # two models in one backward
found = dist.gathered(f"{rank} {a.weight.grad.item()} {b.weight.grad.item()} {c.weight.grad}")
if rank == 0:  # one process alone: what several print at once may mix
    print("\\n".join(found))
masks = {m.tobytes() for m in dist.gathered(nn.functional.dropout(Tensor(np.ones(64))).array)}
assert len(masks) == dist.get_world_size()  # each rank drops elements of its own
"""


@ranks
def test_parameters_that_some_or_no_ranks_use(tmp_path: Path) -> None:
    code, out, err = ran(UNUSED, tmp_path, 2)
    assert code == 0, err
    assert out.splitlines() == ["0 1.0 0.5 None", "1 1.0 0.5 None"]


# ---- fit and its checkpoints ---------------------------------------------------------------------

FIT = """
from nn.data import DataLoader, DistributedSampler, TensorDataset
from nn.train import fit
dist.init_process_group()
rng = np.random.default_rng(0)
data = TensorDataset(rng.standard_normal((40, 6)), rng.integers(0, 3, 40))
ag.manual_seed(0)
model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Dropout(float(sys.argv[3])), nn.Linear(8, 3))
model = DistributedDataParallel(model.double())
optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
loader = DataLoader(data, int(sys.argv[4]), sampler=DistributedSampler(data))
history = fit(
    model, nn.CrossEntropyLoss(), optimizer, loader, int(sys.argv[1]), metrics="accuracy",
    validation=DataLoader(data, 40), checkpoint=sys.argv[2], progress="auto",
)
state = [t.array.tobytes() for t in model.state_dict().values()]
assert len({str((history.rows, state)) for history, state in dist.gathered((history, state))}) == 1
if dist.get_rank() == 0:
    print(repr(model.module[0].weight.array.sum().item()), history.rows, flush=True)
"""


@ranks
def test_fit_equals_one_process_and_goes_on_to_the_bit(tmp_path: Path) -> None:
    outputs = []
    for n, batch in ((1, 8), (2, 4)):
        code, out, err = ran(FIT, tmp_path, n, 3, tmp_path / f"run{n}", 0, batch)
        assert code == 0, err
        outputs.append(eval(out.replace(" [", ", [")))
    assert abs(outputs[0][0] - outputs[1][0]) < 1e-12
    for a, b in zip(outputs[0][1], outputs[1][1], strict=True):
        assert a.keys() == b.keys() and all(abs(a[k] - b[k]) < 1e-12 for k in a)
    found = []
    for epochs in ((6,), (2, 6)):
        folder = tmp_path / f"dropout{len(epochs)}"
        for e in epochs:
            code, out, err = ran(FIT, tmp_path, 2, e, folder, 0.5, 4)
            assert code == 0, err
        found.append(out)
        assert len(list(folder.iterdir())) == 2
    assert found[0] == found[1]
    code, _, err = ran(FIT, tmp_path, 1, 7, folder, 0.5, 4)
    assert code != 0 and "was saved by 2 ranks; start as many" in err


# ---- what happens to one happens to all ----------------------------------------------------------

FAILING = """
import os
dist.init_process_group(timeout=5)
rank = dist.get_rank()
open(f"{os.getpid()}.pid", "w").close()
dist.barrier()
what = sys.argv[1]
if rank == 1 and what == "raises":
    raise ValueError("the message of rank 1")
if rank == 1 and what in ("is killed", "hangs"):
    time.sleep(1000)
dist.barrier()
time.sleep(1000)
"""


@ranks
@pytest.mark.parametrize("what", ["raises", "hangs"])
def test_a_rank_that_fails_ends_all_with_its_message(what: str, tmp_path: Path) -> None:
    start = time.monotonic()
    code, _, err = ran(FAILING, tmp_path, 3, what, within=60)
    took = time.monotonic() - start
    assert code != 0
    if what == "raises":
        assert "ValueError: the message of rank 1" in err and took < 10
    else:
        assert "barrier: rank" in err and "has waited for the others for 5 s" in err and took < 20


@ranks
def test_a_rank_that_is_killed_ends_all(tmp_path: Path) -> None:
    with started(FAILING, tmp_path, 3, "is killed") as process:
        while len(found := list(tmp_path.glob("*.pid"))) < 3:
            time.sleep(0.05)
        pids = [int(path.stem) for path in found]
        time.sleep(0.5)
        start = time.monotonic()
        os.kill(pids[0], signal.SIGKILL)
        out, err = process.communicate(timeout=60)
    assert process.returncode != 0 and time.monotonic() - start < 10
    assert "KILLED" in (out + err).upper()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


@ranks
def test_several_ranks_without_the_runner_are_refused(tmp_path: Path) -> None:
    code, _, err = ran("dist.init_process_group()", tmp_path, 2, plain=True)
    assert code != 0
    assert "several ranks were started without -m mpi4py" in err
    assert "mpiexec -n 2 python -m mpi4py script.py" in err


# ---- without MPI ---------------------------------------------------------------------------------


def test_before_the_first_call(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not distributed.is_initialized() and distributed.is_main()
    for call in (distributed.get_rank, distributed.get_world_size, distributed.barrier):
        with pytest.raises(ValueError, match=r"call init_process_group\(\) first"):
            call()
    with pytest.raises(ValueError, match="timeout is 0; it is a time above 0"):
        distributed.init_process_group(timeout=0)
    with pytest.raises(TypeError, match="it has no option 'stores'"):
        distributed.init_process_group(stores=1)
    monkeypatch.setattr(distributed, "is_available", lambda: False)
    with pytest.raises(ImportError, match=r'pip install "autograd_lite\[mpi\]"'):
        distributed.init_process_group()
    assert not distributed.is_initialized()
    distributed.destroy_process_group()


@pytest.mark.parametrize("n", [0, 1, 7, 8])
@pytest.mark.parametrize("drop_last", [False, True])
def test_samplers_share_the_numbers(n: int, drop_last: bool) -> None:
    parts = [DistributedSampler(range(n), 3, r, seed=1, drop_last=drop_last) for r in range(3)]
    for part in parts:
        part.set_epoch(4)
    drawn = [list(part) for part in parts]
    assert [len(part) for part in drawn] == [len(parts[0])] * 3 == [len(part) for part in parts]
    together = [i for part in drawn for i in part]
    if drop_last:
        assert len(set(together)) == len(together) == n - n % 3
    else:
        assert set(together) == set(range(n)) and len(together) - n < 3
    parts[0].set_epoch(5)
    assert n < 7 or list(parts[0]) != drawn[0]
    with pytest.raises(ValueError, match="rank is 3; it is from 0 to 2"):
        DistributedSampler(range(n), 3, 3)
