"""The frame of the gallery: what a mistake is, its code, its report, and its page."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from autograd_lite import Tensor
from autograd_lite.comparison import Report

Array = np.ndarray[Any, Any]

RIGHT = re.compile(r"^(?P<space> *)# right: (?P<code>.*)$")
NOTHING = "leave it out"  # what stands for a line that should not be there


@dataclass(frozen=True)
class Mistake:
    """A mistake as people write it, in a function that ends by asking for the report.

    Its docstring says what it is and why the net trains all the same. Below each wrong line stands
    a comment `# right: ...` with the line that is due.
    """

    function: Callable[[], Report]
    at: str  # the row where it is
    says: str  # a pattern that the report's name for it matches
    pending: bool  # whether its name is still to come

    @property
    def slug(self) -> str:
        return self.function.__name__.replace("_", "-")

    @property
    def convention(self) -> str:
        """Whose way of writing it is: the first line of its file."""
        module = inspect.getmodule(self.function)
        return (inspect.getdoc(module) or "").splitlines()[0].rstrip(".")

    @cached_property
    def story(self) -> list[str]:
        """The title, what it is, and why it trains all the same."""
        parts = (inspect.getdoc(self.function) or "").split("\n\n")
        return [" ".join(part.split()) for part in parts]

    @property
    def title(self) -> str:
        return self.story[0].rstrip(".")

    @cached_property
    def statements(self) -> tuple[str, str]:
        """The code, and the call that shows the mistake."""
        source = textwrap.dedent(inspect.getsource(self.function))
        (tree,) = ast.parse(source).body
        assert isinstance(tree, ast.FunctionDef)
        lines = source.splitlines()
        first, last = tree.body[1].lineno - 1, tree.body[-1].lineno - 1
        code, call = ("\n".join(part) for part in (lines[first:last], lines[last:]))
        return textwrap.dedent(code).strip(), textwrap.dedent(call)

    @cached_property
    def report(self) -> Report:
        """What the comparison says of it."""
        return self.function()

    @property
    def is_named(self) -> bool:
        """Whether the report calls the mistake by its name, where it is, before all else."""
        first = self.report.first_wrong
        if first is None or first.name != self.at or first.unexplained:
            return False
        said = first.explanations[0] if first.diagnoses else first.note
        return re.search(self.says, said) is not None

    def corrected(self) -> Report:
        """What it says of the code with the right lines."""
        body = mended("\n".join(self.statements))
        source = f"def corrected():\n{textwrap.indent(body, '    ')}\n"
        names = dict(vars(inspect.getmodule(self.function)))
        exec(compile(source, f"<{self.slug}, corrected>", "exec"), names)  # noqa: S102
        report: Report = names["corrected"]()
        return report


def mended(code: str) -> str:
    """The code in which each line above a `# right:` is what that says."""
    lines: list[str] = []
    for line in code.splitlines():
        found = RIGHT.match(line)
        if found is None:
            lines.append(line)
        elif found["code"] == NOTHING:
            lines[-1] = found["space"] + "pass"
        else:
            lines[-1] = found["space"] + found["code"]
    return "\n".join(lines)


MISTAKES: dict[str, Mistake] = {}


def mistake(at: str, says: str, pending: bool = False) -> Callable[[Any], Any]:
    """A decorator that enters a function in the gallery."""

    def enter(function: Callable[[], Report]) -> Callable[[], Report]:
        found = Mistake(function, at, says, pending)
        MISTAKES[found.slug] = found
        return function

    return enter


# ---- what the mistakes share -----------------------------------------------------------------


def normal(*shapes: tuple[int, ...], seed: int = 0) -> Iterator[Array]:
    """Normal numbers, an array for each shape."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) for shape in shapes)


def leaf(name: str, value: Array) -> Tensor:
    """A named tensor that a gradient is wanted for."""
    return Tensor(value, requires_grad=True, name=name)


def named(name: str, tensor: Tensor) -> Tensor:
    """An intermediate, with a name by which its gradient can be handed in."""
    tensor.name = name
    return tensor


def tensors(**arrays: Array) -> dict[str, Tensor]:
    """Arrays as tensors of these names, which gradients are wanted for."""
    return {name: leaf(name, a) for name, a in arrays.items()}


def sigmoid(z: Any) -> Any:
    return 1 / (1 + np.exp(-z))


def softmax(z: Any, axis: int = 1) -> Any:
    e = np.exp(z - z.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


# ---- pages -----------------------------------------------------------------------------------

INDEX = """\
# Mistakes in backprop by hand

Each page has the code as people write it, why the net trains all the same, and the report that
names the mistake. `python -m examples.mistakes NAME` runs one of them.

{groups}"""

PAGE = """\
# {title}

{what}

## How it looks in NumPy

{convention}. The comment has the line that is due; what the
code calls is in `{file}`.

```python
{code}
```

## Why it trains all the same

{why}

## How to see it

```python
{call}
```

```text
{report}
```

With the line of the comment it says: {corrected}

[All mistakes](index.md)
"""


def page(entry: Mistake) -> str:
    """The page of one mistake; the reports are made by running it."""
    code, call = entry.statements
    _, what, why = entry.story
    return PAGE.format(
        title=entry.title,
        what=what,
        convention=entry.convention,
        code=code,
        why=why,
        call=call.removeprefix("return "),
        report=entry.report,
        file=f"examples/mistakes/{entry.function.__module__.rpartition('.')[2]}.py",
        corrected=entry.corrected().headline,
    )


def by_convention() -> dict[str, list[Mistake]]:
    """All of them, under the first lines of their files."""
    groups: dict[str, list[Mistake]] = {}
    for entry in MISTAKES.values():
        groups.setdefault(entry.convention, []).append(entry)
    return groups


def index() -> str:
    """The page with links to all others."""
    groups = "\n".join(
        f"## {convention}\n\n" + "".join(f"- [{e.title}]({e.slug}.md)\n" for e in entries)
        for convention, entries in by_convention().items()
    )
    return INDEX.format(groups=groups)
