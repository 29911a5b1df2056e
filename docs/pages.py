"""The pages that code knows best: the reference, the names of others, mistakes, notebooks.

They are written into `docs/out` before Sphinx reads: a page for each public name, with its
signature, its sentence, the formula of its row, how far its gradient is from finite differences,
its example, which is run, and its names elsewhere.
"""

from __future__ import annotations

import builtins
import doctest
import inspect
import json
import re
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

import autograd_lite as ag
import nn
from autograd_lite.derivation.latex import latex
from autograd_lite.differences import gradcheck
from autograd_lite.engine.declare import forms
from autograd_lite.engine.op import Op, table
from autograd_lite.names import NAMES
from autograd_lite.program.expr import (
    UNWRITTEN,
    Symbol,
    as_symbol,
    choosing,
    example,
    gradients,
    input_names,
)

HERE = Path(__file__).parent
ROOT = HERE.parent
OUT = HERE / "out"
EXTRA = OUT / "extra"  # whole pages, which the site has as they are
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ADDRESS = PROJECT["tool"]["autograd_lite"]["address"]

# a part of the package: its title, its module, and where its names are defined ("": what is left)
PARTS: list[tuple[str, str, str]] = [
    ("Tensors and their making", "autograd_lite", "creation exchange conversion engine.tensor engine.op"),
    ("Element by element", "autograd_lite", "curves rules.arithmetic torch_words.arithmetic rules.steps"),
    ("Sums, means and other reductions", "autograd_lite", "reductions rules.along spread"),
    ("Products and linear algebra", "autograd_lite", "products linalg"),
    ("Shapes", "autograd_lite", "rules.shape torch_words.shape"),
    ("Elements by their place, and in order", "autograd_lite", "pick order"),
    ("Questions about values", "autograd_lite", "questions"),
    ("Derivatives", "autograd_lite", "calculus engine.modes tape differences anomaly func"),
    ("See, derive, compile, compare", "autograd_lite", "graph derivation compilation comparison program origin"),
    ("Files, types, settings and errors", "autograd_lite", ""),
    ("Layers", "nn", "layers"),
    ("Losses as modules", "nn", "losses"),
    ("Modules and parameters", "nn", "module parameters"),
    ("Layers and losses as functions", "nn.functional", ""),
    ("Optimisers", "nn.optim", ""),
    ("Learning rates", "nn.optim.lr_scheduler", ""),
    ("Data", "nn.data", ""),
    ("Data sets", "nn.datasets", ""),
    ("Training", "nn.train", ""),
    ("Trainings over settings and starts", "nn.sweeps", ""),
    ("What is wrong with a training", "nn.diagnosis", ""),
    ("Saving", "nn.serialize", ""),
    ("Initial weights", "nn.init", ""),
    ("Gradients clipped, parameters as one vector, and weights computed before every forward", "nn.utils", ""),
    ("Weights kept in some form", "nn.utils.parametrizations", ""),
    ("Parameters computed from others", "nn.utils.parametrize", ""),
    ("Parameters held at 0", "nn.utils.prune", ""),
    ("Sequences of different lengths", "nn.utils.rnn", ""),
    ("Reports of comparisons", "autograd_lite.comparison", ""),
    ("Linear algebra", "autograd_lite.linalg", ""),
    ("Derivatives as transforms", "autograd_lite.func", ""),
    ("PyTorch's autograd", "autograd_lite.autograd", ""),
    ("Derivatives of functions", "autograd_lite.autograd.functional", ""),
    ("Distributions", "autograd_lite.distributions", ""),
    ("Memory for time", "autograd_lite.utils.checkpoint", ""),
    ("ONNX", "autograd_lite.interop.onnx", ""),
    ("scikit-learn", "autograd_lite.interop.sklearn", ""),
]  # fmt: skip


@dataclass(frozen=True)
class Name:
    """A public name: where users find it."""

    place: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.place}.{self.name}"

    @property
    def stem(self) -> str:
        """Its file, another one for `Tensor` than for `tensor` where both are one."""
        return self.path + "-class" * isinstance(self.value, type)

    @cached_property
    def value(self) -> Any:
        return getattr(import_module(self.place), self.name)

    @property
    def home(self) -> str:
        return str(getattr(self.value, "__module__", ""))

    @property
    def alias(self) -> str:
        """The name it is another word for."""
        own = getattr(self.value, "__name__", self.name)
        here = getattr(import_module(self.place), own, None) is self.value
        return own if own != self.name and here else ""

    @cached_property
    def doc(self) -> str:
        return inspect.getdoc(self.value) or ""

    @property
    def sentence(self) -> str:
        """The first sentence, on one line."""
        first = " ".join(self.doc.partition("\n\n")[0].split())
        return first if self.alias == "" else f"`{self.alias}` under another name."

    @property
    def signature(self) -> str:
        try:
            text = str(inspect.signature(self.value))
        except (TypeError, ValueError):
            return ""
        text = re.sub(r"'([\w. |\[\],]+)'", r"\1", text)  # annotations that are strings
        return re.sub(r"\b(?:autograd_lite|numpy|collections|typing)\.(?:\w+\.)*", "", text)

    @property
    def row(self) -> Op | None:
        """The row of the table whose function it is."""
        op = table.get(getattr(self.value, "__name__", self.name))
        return op if op is not None and self.home.startswith("autograd_lite.engine") else None


def listed() -> list[tuple[str, list[Name]]]:
    """The names of each part; each belongs to the first that takes it."""
    from tests.names import exports

    taken: set[str] = set()
    parts = []
    for title, place, homes in PARTS:
        names = [n for n in (Name(place, e) for e in exports(place)) if n.path not in taken]
        if homes:
            names = [n for n in names if any(f".{h}." in f".{n.home}." for h in homes.split())]
        taken |= {n.path for n in names}
        parts.append((title, sorted(names, key=lambda n: n.name.lower())))
    return parts


# ---- what stands on a page ----------------------------------------------------------------------


def prose(doc: str) -> str:
    """A docstring as Markdown: its examples as code."""
    blocks = []
    for block in doc.split("\n\n"):
        blocks.append(f"```pycon\n{block}\n```" if block.startswith(">>>") else escaped(block))
    return "\n\n".join(blocks).replace("\n```\n\n```pycon\n", "\n")


def escaped(text: str) -> str:
    """Prose whose signs are no markup, but for what stands in backquotes."""
    pieces = re.split(r"(`[^`]+`)", text)
    return "".join(
        p if p.startswith("`") else re.sub(r"([\\*_\[\]<>$#|{}])", r"\\\1", p) for p in pieces
    )


def in_signs(op: Op) -> list[str]:
    """The formulas of a row in LaTeX: forward, then for each input."""
    samples, kw = example(op)
    arrays = [np.asarray(a) for a in samples]
    names = input_names(op, len(arrays))
    with choosing(op):
        symbols = [as_symbol(name, a) for name, a in zip(names, arrays, strict=True)]
        y = op.forward(*arrays, **kw)
        top = Symbol(op, 0.0, tuple(symbols), kw) if op.named else op.forward(*symbols, **kw)
        back = gradients(op, y, symbols, kw)
    lines = [rf"y &= {latex.text(top)}"]
    lines += [
        rf"\bar{{{n}}} &= {latex.text(b)}"
        for n, b in zip(names, back, strict=True)
        if b is not None
    ]
    return lines


def formula(name: Name) -> str:
    """The row's formulas, as text and in signs; the one that pictures write on a layer."""
    if name.row is None:
        return of_layer(name.value) if hasattr(name.value, "textbook") else ""
    try:
        text = ag.formula(name.row)
    except TypeError:
        return ""
    _, _, lines = text.partition(": ")
    code = "\n".join(lines.split("; "))
    try:
        signs = "\\begin{aligned}" + r" \\ ".join(in_signs(name.row)) + "\\end{aligned}"
        signs = f"\n$$\n{signs}\n$$\n"
    except UNWRITTEN:  # what has no signs has its text
        signs = ""
    return f"**Formula**, with `g` for the gradient of `y`:\n{signs}\n```python\n{code}\n```"


def of_layer(cls: Any) -> str:
    """The formula of a layer of the smallest sizes."""
    needed = [p for p in inspect.signature(cls).parameters.values() if p.default is p.empty]
    sizes = [2] * sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in needed)
    try:
        book = cls(*sizes).textbook
    except (TypeError, ValueError):  # what no sizes make
        return ""
    call = f"{cls.__name__}({', '.join(map(str, sizes))})"
    return f"**Formula** of `{call}`, from X to Y: `{book}`" if book else ""


@cache
def checked(row: str) -> str:
    """How the gradients of a row's cases compare with finite differences."""
    from tests.cases import CASES_OF

    cases = [c for c in CASES_OF.get(row, ()) if c.orders]
    n = sum(
        any(a.dtype.kind == "f" and a.size for a in case.arrays())
        and gradcheck(case, tuple(case.arrays()))
        for case in cases
    )
    return (
        f"**Gradient**: checked against finite differences in {n} cases as this page was made."
        if n
        else ""
    )


def ran(name: Name) -> None:
    """Run the example of a docstring; an error if it gives something else."""
    own = vars(import_module(name.home)) if name.home.startswith(("autograd_lite", "nn")) else {}
    every = NAMES | vars(ag)
    names = {n: v for n, v in every.items() if not hasattr(builtins, n)}  # as the tests have it
    names |= {n: getattr(ag, n) for n in ag.__all__} | {"np": np, "nn": nn}
    names |= own if name.place == "autograd_lite" else vars(import_module(name.place)) | own
    runner = doctest.DocTestRunner(verbose=False, optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in doctest.DocTestFinder(recurse=False).find(name.value, name.name, False, names):
        if runner.run(test).failed:
            raise ValueError(f"docs/pages.py: the example of {name.path} gives something else")


@cache
def numpys() -> dict[Any, list[str]]:
    """NumPy's functions that take Tensors, by what answers."""
    found: dict[Any, list[str]] = {}
    for function, ours in forms.items():
        if callable(function) and hasattr(np, getattr(function, "__name__", "")):
            found.setdefault(ours, []).append(f"np.{function.__name__}")
    return found


@cache
def pytorchs() -> dict[str, dict[str, str]]:
    """Where PyTorch has names of ours, by our place."""
    from tests.names import TWINS

    return json.loads(TWINS.read_text())


def twins(name: Name) -> str:
    """Its names in PyTorch and in NumPy, and what differs."""
    from tests.names import difference

    place = pytorchs().get(name.place, {}).get(name.name)
    found = [f"`{place}.{name.name}` in PyTorch" if place else "no such name in PyTorch"]
    if place and (aside := difference(name.value)):
        found[0] += f" ({escaped(aside)})"
    value = name.value if callable(name.value) else name.row
    found += [f"`{n}` in NumPy" for n in numpys().get(value, numpys().get(name.row, ()))]
    return f"**Elsewhere**: {', '.join(dict.fromkeys(found))}."


def source(name: Name) -> str:
    """Where it is defined: a link, where the repository has an address."""
    try:
        value = inspect.unwrap(name.value)
        path = Path(inspect.getsourcefile(value) or "").relative_to(ROOT).as_posix()
        line = inspect.getsourcelines(value)[1]
    except (TypeError, OSError, ValueError):  # data, and what NumPy has
        return ""
    link = f"[`{path}`]({ADDRESS}/blob/main/{path}#L{line})" if ADDRESS else f"`{path}`"
    return f"**Source**: {link}, line {line}."


def page(name: Name) -> str:
    """The page of a name."""
    kind = (
        "class" if isinstance(name.value, type) else "function" if callable(name.value) else "data"
    )
    signature = name.signature if kind != "data" else ""
    parts = [prose(name.doc) if kind != "data" else f"`{name.value!r}`", formula(name)]
    if name.alias:
        parts = [
            f"[`{name.alias}`]({Name(name.place, name.alias).stem}.md) under another name.",
            *parts,
        ]
    if name.row is not None:
        parts.append(checked(name.row.name))
    if kind == "class":
        parts.append(methods(name.value))
    parts += [twins(name), source(name)]
    body = "\n\n".join(p for p in parts if p)
    # not in the tree of contents, which the theme writes out on every page
    return f"---\norphan: true\n---\n\n# {name.name}\n\n:::::{{py:{kind}}} {name.path}{signature}\n{body}\n:::::\n"


def methods(cls: type) -> str:
    """The methods that a class adds, each with its sentence."""
    rows = []
    for name in dir(cls):
        value = inspect.getattr_static(cls, name)
        value = getattr(value, "__func__", value)
        if name.startswith("_") or any(
            name in vars(base) for base in cls.__mro__[1:] if base.__name__ not in ("Methods",)
        ):
            continue
        doc = " ".join((inspect.getdoc(value) or "").partition("\n\n")[0].split())
        if doc and (callable(value) or isinstance(value, property)):
            rows.append(f"| `{name}` | {escaped(doc)} |")
    return "\n".join(["| method or attribute | |", "|---|---|", *rows]) if rows else ""


def reference() -> Iterator[tuple[str, str]]:
    """The pages of the reference, by file."""
    tree = []
    for number, (title, names) in enumerate(listed()):
        stem = f"part{number:02d}"
        tree.append(stem)
        rows = [f"| [`{n.name}`]({n.stem}.md) | {escaped(n.sentence)} |" for n in names]
        place = PARTS[number][1]
        lines = [f"# {title}", "", f"In `{place}`.", "", "| name | |", "|---|---|", *rows, ""]
        yield f"{stem}.md", "\n".join(lines)
        for name in names:
            ran(name)
            yield f"{name.stem}.md", page(name)
    lines = [
        "# Reference",
        "",
        "Every public name has a page.",
        "",
        "```{toctree}",
        ":maxdepth: 1",
        "",
        *tree,
        "```",
        "",
    ]
    yield "index.md", "\n".join(lines)


def mistakes() -> Iterator[tuple[str, str]]:
    """A page for each mistake of the gallery, with its report."""
    import examples.mistakes.__main__ as gallery  # which enters all of them

    for slug, entry in gallery.MISTAKES.items():
        yield f"{slug}.md", f"---\norphan: true\n---\n\n{gallery.page(entry)}"
    yield "index.md", gallery.index()


MICROGRAD = [
    "Value.data",
    "Value.grad",
    "Value.backward",
    "Value.relu",
    "Value.tanh",
    "Value.exp",
    "Value.__add__",
    "Value.__mul__",
    "Value.__pow__",
    "Value.__neg__",
    "Value.__sub__",
    "Value.__truediv__",
    "Module.zero_grad",
    "Module.parameters",
    "draw_dot",
    "Neuron",
    "Layer",
    "MLP",
]
INSTEAD = {
    "draw_dot": "`draw`",
    "Neuron": "`nn.Linear(n, 1)`",
    "Layer": "`nn.Linear`",
    "MLP": "`nn.Sequential`",
}


def names() -> Iterator[tuple[str, str]]:
    """The names of PyTorch, NumPy and micrograd: here, differing, absent."""
    from tests.names import NAMES, table

    yield "pytorch.md", table(json.loads(NAMES.read_text()))
    rows = []
    for ours, found in numpys().items():
        own = getattr(ours, "__name__", "") or getattr(ours, "name", "")
        rows += [f"| `{n}` | `{own}` |" for n in found]
    head = ["# NumPy's names", "", "NumPy's own functions take Tensors, with gradients:", ""]
    yield (
        "numpy.md",
        "\n".join([*head, "| NumPy | the function that answers |", "|---|---|", *sorted(rows), ""]),
    )
    rows = []
    for name in MICROGRAD:
        cls, _, attribute = name.rpartition(".")
        home = {"Value": ag.Tensor, "Module": nn.Module}.get(cls, ag)
        here = hasattr(home, attribute)
        rows.append(f"| `{name}` | {f'`{home.__name__}.{attribute}`' if here else INSTEAD[name]} |")
    head = ["# micrograd's names", "", "A `Value` is a Tensor of one number.", ""]
    yield "micrograd.md", "\n".join([*head, "| micrograd | here |", "|---|---|", *rows, ""])


def notebooks() -> Iterator[tuple[str, str]]:
    """The tours as notebooks, which are run."""
    for source in sorted((ROOT / "examples" / "notebooks").glob("*.py")):
        yield f"{source.stem}.nb.py", source.read_text(encoding="utf-8")


GALLERY = """# Gallery

`python -m examples.gallery out/gallery` makes these pictures; below each is the code. A film steps forward
and backward through the same graph.
"""


def gallery() -> Iterator[tuple[str, str]]:
    """Every picture, with what is to be seen on it and the code that makes it."""
    from examples import gallery

    parts = [GALLERY]
    for name, function in gallery.PICTURES.items():
        graph = gallery.made(name)
        yield f"{name}.svg", graph.save(OUT / "gallery" / f"{name}.svg").read_text("utf-8")
        told = inspect.getdoc(function) or ""
        parts.append(f"## {name.capitalize()}\n\n{escaped(told)}\n\n![{told}]({name}.svg)\n")
        if name in gallery.FILMS:
            graph.save(EXTRA / f"{name}.html")
            parts.append(f'<a href="../../{name}.html">The film of it</a>\n')
        code = inspect.getsource(function).partition('"""\n')[2]
        parts.append(f"```python\n{inspect.cleandoc(' ' * 4 + code)}\n```\n")
    yield "index.md", "\n".join(parts)


def write(app: Any = None) -> None:
    """Write all pages anew."""
    shutil.rmtree(OUT, ignore_errors=True)
    makers: list[tuple[str, Callable[[], Iterator[tuple[str, str]]]]] = [
        ("reference", reference),
        ("mistakes", mistakes),
        ("names", names),
        ("learn", notebooks),
        ("gallery", gallery),
    ]
    EXTRA.mkdir(parents=True)
    for folder, maker in makers:
        (OUT / folder).mkdir(parents=True)
        for file, text in maker():
            (OUT / folder / file).write_text(text, encoding="utf-8")


def ways(address: str) -> dict[str, Any]:
    """The theme's options that lead to a repository: to a page's source, and to who mends it."""
    if not address:
        return {}
    told = {"name": "Issues", "url": f"{address}/issues", "html": "Report a mistake", "class": ""}
    return {
        "top_of_page_buttons": ["view", "edit"],
        "source_view_link": f"{address}/blob/main/docs/{{filename}}",
        "source_edit_link": f"{address}/edit/main/docs/{{filename}}",
        "footer_icons": [told],
    }


def written_by_hand(
    app: Any, pagename: str, templatename: str, context: dict[str, Any], doctree: Any
) -> None:
    """No file of the repository is the source of a page that was made here."""
    if pagename.startswith("out/"):
        context["page_source_suffix"] = ""


def setup(app: Any) -> dict[str, bool]:
    app.connect("builder-inited", write)
    app.connect("html-page-context", written_by_hand)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


if __name__ == "__main__":
    write()
