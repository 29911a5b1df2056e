"""Make tests/data/torch*: files as PyTorch writes them. Run with PyTorch, once:

python -m tests.make_torch_files
"""

import io
import json
from pathlib import Path
from zipfile import ZipFile

FOLDER = Path(__file__).parent / "data"
DTYPES = [
    "bool", "uint8", "int8", "int16", "int32", "int64", "uint16", "uint32", "uint64",
    "float16", "bfloat16", "float32", "float64", "complex64",
]  # fmt: skip
BITS = [0x00, 0x80, 0x38, 0xB8, 0x07, 0x7E]  # 8-bit floats
FLOAT8 = ["float8_e4m3fn", "float8_e5m2", "float8_e4m3fnuz", "float8_e5m2fnuz", "float8_e8m0fnu"]


def state(torch):
    """Tensors of all dtypes and some layouts."""
    rows = torch.arange(6.0).reshape(2, 3)
    tensors = {name: torch.tensor([0, 1, 3]).to(getattr(torch, name)) for name in DTYPES}
    tensors |= {n: torch.tensor(BITS, dtype=torch.uint8).view(getattr(torch, n)) for n in FLOAT8}
    return tensors | {
        "transposed": rows.T[1:],
        "a row": rows[1],
        "expanded": torch.ones(1, 2).expand(3, 2),
        "empty": torch.ones(0, 3),
        "number": torch.tensor(2.5),
    }


def checkpoint(torch):
    """What a training saves: two states, numbers, a history."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    model(torch.ones(4, 3)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "epoch": 3,
        "history": [(1, 0.5), (2, -1e300)],
        "more": {
            "best": None,
            "ok": True,
            "name": "größer",
            "big": -(2**70),
            "size": torch.ones(2, 3).size(),
        },
    }


def main():
    import torch

    def save(what, name, **kw):
        torch.save(what, FOLDER / f"torch_{name}.pt", **kw)

    save(state(torch), "state")
    save(checkpoint(torch), "checkpoint")
    save(checkpoint(torch), "protocol4", pickle_protocol=4)
    save({"w": torch.ones(2)}, "legacy", _use_new_zipfile_serialization=False)
    save(torch.nn.Linear(2, 1), "module")
    save({"net": torch.nn.Linear(2, 1), "w": torch.ones(2), "s": {1}}, "mixed")
    program = io.BytesIO()
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), program)
    with ZipFile(program) as whole, ZipFile(FOLDER / "torch_script.pt", "w") as archive:
        for name in whole.namelist():
            if not name.endswith(".debug_pkl"):  # which holds paths of the machine
                archive.writestr(name, whole.read(name))
    import safetensors.torch

    tensors = {k: t.contiguous().clone() for k, t in state(torch).items()}
    safetensors.torch.save_file(tensors, FOLDER / "torch.safetensors")
    values = {n: t.float().tolist() for n, t in state(torch).items() if "float8" in n}
    (FOLDER / "torch_float8.json").write_text(json.dumps(values) + "\n")


if __name__ == "__main__":
    main()
