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

import numpy as np

import autograd_lite
from autograd_lite.absent import Absent
from autograd_lite.dtypes import TensorType
from autograd_lite.engine.methods import Methods

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
SAMPLE = autograd_lite.ones(1, 1)  # tells what properties give
KINDS = {autograd_lite.Tensor: "Tensor", bool: "builtins.bool", int: "builtins.int"}


def line(name: str, value: Any) -> str:
    """The declaration of one method or property."""
    if isinstance(value, property):
        setter = f"    @{name}.setter\n    def {name}(self, value: Any) -> None: ...\n"
        found = value.fget(SAMPLE) if value.fget is not None and value.fset is None else None
        kind = KINDS.get(type(found), "Any")
        getter = f"    @property\n    def {name}(self) -> {kind}: ...\n"
        return getter if value.fset is None else getter + setter
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
    own = {n: v for n, v in own.items() if n not in NOT_METHODS and not isinstance(v, Absent)}
    return HEAD + "".join(line(name, own[name]) for name in sorted(own))


def package_text() -> str:
    """The stub of the package: every public name from where it is defined."""
    imports, values = [], []
    for name in [name for name in dir(autograd_lite) if not name.startswith("__")]:
        value = getattr(autograd_lite, name)
        home, own = getattr(value, "__module__", ""), getattr(value, "__name__", name)
        if home == "autograd_lite" and inspect.isfunction(value):  # another one under older words
            home, own = value.__globals__["__name__"], value.__code__.co_name
        if name in autograd_lite.MODULES:
            home, _, own = own.rpartition(".")
            home = "." if home == "autograd_lite" else home
            imports.append(
                f"from {home} import {own} as {name}" if home else f"import {name} as {name}"
            )
        elif isinstance(value, np.dtype):
            values.append(f"{name}: np.dtype[np.{value.type.__name__}]")
        elif isinstance(value, TensorType):
            values.append(f"{name}: TensorType")
        elif hasattr(sys.modules.get(home), own) and home.startswith("autograd_lite"):
            imports.append(f"from {home.removeprefix('autograd_lite')} import {own} as {own}")
            if own != name:
                values.append(f"{name} = {own}")
        else:
            values.append(f"{name}: Any")
    head = '"""Written by `python -m tests.stubs`, from `dir(autograd_lite)`."""\n'
    head += "from typing import Any\n\nimport numpy as np\n\nfrom .dtypes import TensorType\n"
    star = f"__all__ = {sorted(autograd_lite.__all__)}"
    return "\n".join([head, *dict.fromkeys(imports), "", *values, "", "__version__: str", star, ""])


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
