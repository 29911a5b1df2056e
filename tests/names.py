"""`python -m tests.names` writes `.github/PYTORCH.md`: PyTorch's names, here, differing or absent.

The names of PyTorch 2.13 are in `tests/data/pytorch_names.json`, and which of ours it has too in
`pytorch_twins.json`; both are written anew where PyTorch is installed. Everything else is what the package says itself: what it has, what its docstrings say
of PyTorch, and why a name is absent.
"""

from __future__ import annotations

import inspect
import json
import re
import types
from importlib import import_module
from pathlib import Path
from typing import Any

import autograd_lite as ag
from autograd_lite.absent import KINDS, absent

ROOT = Path(__file__).parents[1]
NAMES = ROOT / "tests" / "data" / "pytorch_names.json"
TABLE = ROOT / ".github" / "PYTORCH.md"
PLACES = {  # PyTorch's and ours
    "torch": "autograd_lite",
    "torch.Tensor": "autograd_lite.Tensor",
    "torch.nn": "nn",
    "torch.nn.functional": "nn.functional",
    "torch.optim": "nn.optim",
    "torch.optim.lr_scheduler": "nn.optim.lr_scheduler",
}
TWINS = ROOT / "tests" / "data" / "pytorch_twins.json"
ONLY_CALLED_ALIKE = {"Graph", "ops"}  # PyTorch's are of its compiler
ALIKE = {  # our places, and those of PyTorch in which a name is looked for, in this order
    "autograd_lite": "torch torch.autograd torch.func torch.autograd.functional torch.Tensor"
    " torch.linalg torch.random torch.nn.functional",
    "autograd_lite.autograd": "torch.autograd",
    "autograd_lite.autograd.functional": "torch.autograd.functional",
    "autograd_lite.distributions": "torch.distributions",
    "autograd_lite.func": "torch.func",
    "autograd_lite.interop.onnx": "torch.onnx",
    "autograd_lite.linalg": "torch.linalg",
    "autograd_lite.utils.checkpoint": "torch.utils.checkpoint",
    "nn": "torch.nn",
    "nn.data": "torch.utils.data",
    "nn.functional": "torch.nn.functional",
    "nn.init": "torch.nn.init",
    "nn.optim": "torch.optim torch.nn.utils",
    "nn.optim.lr_scheduler": "torch.optim.lr_scheduler",
    "nn.serialize": "torch",
    "nn.utils": "torch.nn.utils",
    "nn.utils.rnn": "torch.nn.utils.rnn",
}
ASIDE = re.compile(
    r"(where|in place of|instead of|unlike|of) PyTorch|PyTorch('s| has| gives| takes)"
)


def theirs() -> dict[str, list[str]]:
    """The public names of every place of the installed PyTorch that users call."""
    import torch

    found = {}
    for place in PLACES:
        home = torch.Tensor if place == "torch.Tensor" else import_module(place)
        names = [n for n in dir(home) if not n.startswith("_") and is_public(place, home, n)]
        found[place] = sorted(names)
    return found


def exports(place: str) -> list[str]:
    """The public names of one of our places."""
    module = import_module(place)
    names = dir(ag) if place == "autograd_lite" else module.__all__
    return [n for n in names if not n.startswith("__") and not inspect.ismodule(getattr(module, n))]


def twins() -> dict[str, dict[str, str]]:
    """For each of our places the names that the installed PyTorch has too, and where."""
    import torch

    homes = {
        place: torch.Tensor if place == "torch.Tensor" else import_module(place)
        for places in ALIKE.values()
        for place in places.split()
    }
    return {
        ours: {
            name: found
            for name in exports(ours)
            if name not in ONLY_CALLED_ALIKE
            and (found := next((h for h in theirs.split() if hasattr(homes[h], name)), ""))
        }
        for ours, theirs in ALIKE.items()
    }


def is_public(place: str, home: Any, name: str) -> bool:
    value = getattr(home, name)
    if place == "torch":  # which also has what its compiler is made of
        import torch

        listed = name in torch.__all__ or hasattr(torch._C._VariableFunctions, name)
        return listed and not (isinstance(value, type) and not issubclass(value, torch.Tensor))
    if name == "Tensor":  # which many places import
        return False
    if isinstance(value, types.ModuleType | types.FunctionType | type):
        home_of = value.__name__ if isinstance(value, types.ModuleType) else value.__module__
        return str(home_of).startswith("torch") and not hasattr(Any, name)
    return place == "torch.Tensor"


def ours(place: str) -> Any:
    return ag.Tensor if place == "torch.Tensor" else import_module(PLACES[place])


def has(place: str, name: str) -> bool:
    home = ours(place)
    try:
        value = getattr(home, name)
    except AttributeError:
        return False
    return not isinstance(value, types.ModuleType) or value.__name__.startswith(("autograd", "nn"))


def difference(value: Any) -> str:
    """What a docstring says of PyTorch, where it is not that both are the same."""
    if isinstance(value, types.ModuleType):
        return ""
    text = " ".join((inspect.getdoc(value) or "").partition(">>>")[0].split())
    sentences = re.split(r"(?<=[.;]) ", text)
    return " ".join(
        s for s in sentences if ASIDE.search(s) and not re.search(r"as (in )?PyTorch", s)
    )


def table(names: dict[str, list[str]]) -> str:
    """The page."""
    lines = [
        "# PyTorch's names",
        "",
        "Written by `python -m tests.names`. `import autograd_lite as torch` finds what is here in",
        "PyTorch's places; of what is absent an AttributeError says why, and what to use.",
        "",
        "| place | of PyTorch 2.13's names | here | absent, with a reason |",
        "|---|---|---|---|",
    ]
    gone: dict[str, list[str]] = {kind: [] for kind in KINDS}
    for place, every in names.items():
        lost = [n for n in every if not has(place, n)]
        lines.append(f"| `{place}` | {len(every)} | {len(every) - len(lost)} | {len(lost)} |")
        for name in lost:
            for kind in KINDS:
                if f"no {kind};" in (absent(place, name) or ""):
                    gone[kind].append(name)
    lines += ["", "## Differs", "", "| name | how |", "|---|---|"]
    told = set()
    for place, every in names.items():
        for name in every:
            text = difference(getattr(ours(place), name)) if has(place, name) else ""
            if text and (name, text) not in told:
                told.add((name, text))
                lines.append(f"| `{place.removeprefix('torch.')}.{name}` | {text} |")
    lines += ["", "## Absent", "", "| there are no | so these are absent | use |", "|---|---|---|"]
    for kind, (_, remedy) in KINDS.items():
        some = sorted(set(gone[kind]), key=lambda name: (name.lower(), name))
        listed = " ".join(f"`{n}`" for n in some[:12]) + (
            f" and {len(some) - 12} more" * (len(some) > 12)
        )
        lines.append(f"| {kind} | {listed} | {remedy} |")
    return "\n".join([*lines, ""])


def main() -> None:
    try:
        NAMES.write_text(json.dumps(theirs(), indent=0) + "\n")
        TWINS.write_text(json.dumps(twins(), indent=0) + "\n")
    except ImportError:
        print("without PyTorch the names stay")
    TABLE.write_text(table(json.loads(NAMES.read_text())), encoding="utf-8")


if __name__ == "__main__":
    main()
