"""`python -m tests.stubs` writes what tells type checkers of names that declarations give.

`engine/methods.pyi` has the methods of Tensor, `autograd_lite/__init__.pyi` what the package offers.
"""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import autograd_lite
from autograd_lite.engine.methods import Methods
from autograd_lite.engine.op import ops

PACKAGE = Path(autograd_lite.__file__).parent
HEAD = '''"""Written by `python -m tests.stubs`, from what rows and functions say of themselves."""

import builtins
from collections.abc import Callable, Sequence
from typing import Any

from .axes import Axis
from .hooks import Handle
from .op import Op
from .rules.reductions import MaxResult
from .tensor import Tensor

def on_tensors(group: type) -> type: ...

class Methods:
'''
NOT_METHODS = {  # what Python itself puts into a class
    "__module__", "__slots__", "__hash__", "__firstlineno__", "__static_attributes__",
}  # fmt: skip
OVERRIDES = {"__eq__", "__ne__"}  # object has them with another type


def line(name: str, value: Any) -> str:
    """The declaration of one method or property."""
    if isinstance(value, property):
        return f"    @property\n    def {name}(self) -> Tensor: ...\n"
    signature = inspect.signature(value)
    first, *rest = signature.parameters.values()
    me = first.replace(name="self", annotation=inspect.Parameter.empty)
    text = str(signature.replace(parameters=[me, *rest]))
    text = re.sub(r"([:>] )'([^']*)'", r"\1\2", text)  # annotations, not defaults
    text = re.sub(r"\b(float|int|bool|abs)\b", r"builtins.\1", text)  # which are methods here
    ignore = "  # type: ignore[override]" if name in OVERRIDES else ""
    return f"    def {name}{text}: ...{ignore}\n"


def methods_text() -> str:
    """The stub of the methods."""
    own = {n: v for n, v in vars(Methods).items() if n not in vars(object) or n in OVERRIDES}
    own = {n: v for n, v in own.items() if n not in NOT_METHODS}
    return HEAD + "".join(line(name, own[name]) for name in sorted(own))


def package_text() -> str:
    """The stub of the package: every public name from where it is defined."""
    imports, aliases = [], []
    for name in sorted(autograd_lite.__all__):
        value = getattr(autograd_lite, name)
        home, own = value.__class__.__module__, name
        if value is not ops:
            home, own = value.__module__, value.__name__
        imports.append(f"from {home.removeprefix('autograd_lite')} import {own} as {own}")
        if own != name:
            aliases.append(f"{name} = {own}")
    head = '"""Written by `python -m tests.stubs`, from `__all__`."""\n'
    return "\n".join([head, *dict.fromkeys(imports), "", *aliases, "", "__version__: str", ""])


STUBS = {
    PACKAGE / "engine" / "methods.pyi": methods_text,
    PACKAGE / "__init__.pyi": package_text,
}


def written(path: Path) -> str:
    """A stub as it should be, laid out by ruff."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(path), "-"]
    done = subprocess.run(command, input=STUBS[path](), capture_output=True, text=True, check=True)
    return done.stdout


if __name__ == "__main__":
    for path in STUBS:
        path.write_text(written(path), encoding="utf-8")
