"""The line of the learner's code, and the fix: found, right, and without a trace."""

from __future__ import annotations

import importlib.util
import linecache
import sys
import types
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autograd_lite import Tensor, check, check_backward, compare, compare_layers
from autograd_lite.comparison.answers.fix import Fix
from autograd_lite.comparison.source import Goal, doors, fixes
from autograd_lite.comparison.source import search as searching
from autograd_lite.comparison.source.probe import Probe
from tests.compare.lines import BEYOND, CODES

Array = Any
SLICE = 11  # of the planted lines, one in so many is planted in a plain run


@pytest.fixture(autouse=True)
def open_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report hides what goes wrong in the search; here it is seen."""
    monkeypatch.setattr(doors, "suppress", lambda *_: nullcontext())


def loaded(text: str, name: str = "<learner>") -> dict[str, Any]:
    """The names that a cell defines, its text where tracebacks look for it."""
    names: dict[str, Any] = {"__name__": "learner"}
    linecache.cache[name] = len(text), None, text.splitlines(keepends=True), name
    exec(compile(text, name, "exec"), names)  # noqa: S102
    return names


def in_file(path: Path, text: str) -> types.ModuleType:
    path.write_bytes(text.encode())
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def goal(right: dict[str, Any], wrong: dict[str, Any]) -> Goal:
    accepted = {name: [np.asarray(a, float)] for name, a in right.items()}
    bad = Goal(accepted, "", frozenset()).still_wrong(wrong)
    return Goal(accepted, bad[0], frozenset(right) - {*bad})


# ---- planted lines -------------------------------------------------------------------------------

PLANTED = [(name, i) for name, (_, mistakes) in CODES.items() for i in range(len(mistakes))]


def planted(path: Path, name: str, i: int) -> tuple[int, str, tuple[Fix, ...]]:
    """The line of a mistake, the line as it was, and what was found."""
    text, mistakes = CODES[name]
    path /= f"{name} {i}"  # where Python keeps no other mistake's compiled code
    path.mkdir()
    old, new = mistakes[i]
    at = text.index(old)
    right = in_file(path / "right.py", text).gradients()
    wrong = text[:at] + new + text[at + len(old) :]
    given = in_file(path / "wrong.py", wrong).gradients()
    run = in_file(path / "wrong.py", wrong).gradients
    found = fixes([run], run, goal(right, given))
    start = at + len(old) - len(old.lstrip())
    line = text.count("\n", 0, start) + 1
    return line, text.split("\n")[line - 1].strip(), found


@pytest.mark.parametrize(
    ("name", "i"),
    [
        pytest.param(*one, marks=[pytest.mark.slow] * (number % SLICE > 0))
        for number, one in enumerate(PLANTED)
    ],
)
def test_the_line_is_among_those_shown(tmp_path: Path, name: str, i: int) -> None:
    line, _, found = planted(tmp_path, name, i)
    beyond = CODES[name][1][i][1] in BEYOND
    assert line in [fix.line for fix in found] or (beyond and not found)
    text = (tmp_path / f"{name} {i}" / "wrong.py").read_text().split("\n")
    assert all(fix.old in text[fix.line - 1] for fix in found)


@pytest.mark.slow
def test_of_all_planted_lines_nearly_all_are_found_and_most_as_they_were(tmp_path: Path) -> None:
    shown = [planted(tmp_path, *one) for one in PLANTED]
    lines = sum(line in [fix.line for fix in found] for line, _, found in shown)
    wrong = sum(bool(found) and line not in [fix.line for fix in found] for line, _, found in shown)
    same = sum((line, old) in [(fix.line, fix.new) for fix in found] for line, old, found in shown)
    assert len(shown) >= 60 and not wrong
    assert lines >= 0.9 * len(shown) and same >= 0.7 * len(shown)


def test_after_a_fix_others_are_looked_for_half_as_long_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = []
    once = searching.Search.once
    monkeypatch.setattr(searching.Search, "once", lambda *args: (runs.append(1), once(*args))[1])
    line, _, found = planted(tmp_path, "looped convolution", 0)
    assert line in [fix.line for fix in found]
    assert len(runs) < 1300  # 1906 to the end


def test_a_size_is_not_multiplied_by_how_many_elements_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """np.pad by x.size elements would take seconds, and all of the memory."""
    tried: list[str] = []
    monkeypatch.setattr(
        searching.Search, "try_all", lambda _, line, edits: tried.extend(e.new for e in edits)
    )

    def backward(g: Array, x: Array) -> Array:
        n, by = len(x), x.ndim - 1
        return np.pad(g, by)[by:-by, by:-by] * (1 - np.tanh(x)) + 0 * n

    check_backward(np.tanh, backward, (np.arange(1.0, 13.0).reshape(3, 4),))
    assert {"len(x) * by", "x.ndim - 1 + 1"} < {*tried}
    assert not {"len(x) * x.size", "(x.ndim - 1) * x.size", "len(x) * g.shape[1]"} & {*tried}
    assert any("g.size" in new for new in tried)  # of what is no size


# ---- where code is -------------------------------------------------------------------------------

RIGHT = "return g * (1 - y ** 2)"
FORMS = {
    "a function": "def backward(g, x):\n    y = np.tanh(x)\n    return g * (1 - y)\n",
    "a lambda": "backward = lambda g, x: g * (1 - np.tanh(x))\n",
    "the second lambda of a line": "first, backward = lambda g, x: g, lambda g, x: g * (1 - np.tanh(x))\n",
    "decorated": (
        "import functools\n\ndef logged(f):\n    @functools.wraps(f)\n    def inner(*args):\n"
        "        return f(*args)\n    return inner\n\n@logged\ndef backward(g, x):\n"
        "    y = np.tanh(x)\n    return g * (1 - y)\n"
    ),
    "a method": (
        "class Tanh:\n    def __init__(self):\n        self.gain = 1.0\n\n    def backward(self, g, x):\n"
        "        y = np.tanh(x)\n        return self.gain * g * (1 - y)\n\nbackward = Tanh().backward\n"
    ),
    "a static method": (
        "class Tanh:\n    @staticmethod\n    def backward(g, x):\n        y = np.tanh(x)\n"
        "        return g * (1 - y)\n\nbackward = Tanh.backward\n"
    ),
    "a private helper of a class": (
        "class Tanh:\n    def __prime(self, y):\n        return 1 - y\n\n    def backward(self, g, x):\n"
        "        return g * self.__prime(np.tanh(x))\n\nbackward = Tanh().backward\n"
    ),
    "super()": (
        "class Base:\n    def backward(self, g, x):\n        return g\n\nclass Tanh(Base):\n"
        "    def backward(self, g, x):\n        y = np.tanh(x)\n"
        "        return super().backward(g, x) * (1 - y)\n\nbackward = Tanh().backward\n"
    ),
    "a closure": (
        "def make(gain):\n    def backward(g, x):\n        y = np.tanh(x)\n"
        "        return gain * g * (1 - y)\n    return backward\n\nbackward = make(1.0)\n"
    ),
    "a function inside": (
        "def backward(g, x):\n    def prime(y):\n        return 1 - y\n"
        "    return g * prime(np.tanh(x))\n"
    ),
    "a class in a function": (
        "def make():\n    class Tanh:\n        def __call__(self, g, x):\n            y = np.tanh(x)\n"
        "            return g * (1 - y)\n    return Tanh()\n\nbackward = make()\n"
    ),
    "a helper": (
        "def tanh_prime(x):\n    y = np.tanh(x)\n    return 1 - y\n\n"
        "def backward(g, x):\n    return g * tanh_prime(x)\n"
    ),
    "a helper in a dictionary": (
        "SLOPES = {'tanh': lambda x: 1 - np.tanh(x)}\n\n"
        "def backward(g, x):\n    return g * SLOPES['tanh'](x)\n"
    ),
    "partly applied": (
        "import functools\n\ndef scaled(c, g, x):\n    y = np.tanh(x)\n    return c * g * (1 - y)\n\n"
        "backward = functools.partial(scaled, 1.0)\n"
    ),
    "tabs": "def backward(g, x):\n\tif True:\n\t\ty = np.tanh(x)\n\t\treturn g * (1 - y)\n",
    "lines of Windows": "def backward(g, x):\r\n    y = np.tanh(x)\r\n    return g * (1 - y)\r\n",
    "several lines": "def backward(g, x):\n    y = np.tanh(x)\n    return (\n        g\n        * (1 - y)  # the slope\n    )\n",
    "a semicolon": "def backward(g, x):\n    y = np.tanh(x); return g * (1 - y)\n",
    "no line of its own": "def backward(g, x): y = np.tanh(x); return g * (1 - y)\n",
    "other letters": "def backward(ğ, χ):\n    γ = np.tanh(χ); 'äöü'; return ğ * (1 - γ)\n",
    "types and defaults": (
        "def backward(g: np.ndarray, x: 'None of these', *, k: float = 1.0) -> np.ndarray:\n"
        "    y: np.ndarray = np.tanh(x)\n    return k * g * (1 - y)\n"
    ),
    "a docstring": 'def backward(g, x):\n    """Of tanh."""\n    y = np.tanh(x)\n    return g * (1 - y)\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_code_is_found_wherever_it_is(form: str) -> None:
    text = "import numpy as np\n\n" + FORMS[form]
    backward = loaded(text)["backward"]
    report = check_backward(lambda x: np.tanh(x), backward, ((5, 3),))
    assert not report.ok
    lines = text.replace("\r\n", "\n").split("\n")
    line = next(i for i, line in enumerate(lines, 1) if "1 - " in line)
    assert line in [fix.line for fix in report.fixes], report
    first = next(fix for fix in report.fixes if fix.line == line)
    assert "1 - " in first.new and first.old.strip() in lines[line - 1] and "** 2" in first.new


def test_a_cell_of_a_notebook() -> None:
    shell = pytest.importorskip("IPython.core.interactiveshell").InteractiveShell.instance()
    try:
        shell.run_cell("import numpy as np\n%precision 3", silent=True)
        shell.run_cell("def backward(g, x):\n    y = np.tanh(x)\n    return g * (1 - y)\n")
        report = check_backward(np.tanh, shell.user_ns["backward"], ((5, 3),))
    finally:
        shell.atexit_operations = getattr(shell, "atexit_operations", None)
        type(shell).clear_instance()
    assert next((fix.line, fix.new) for fix in report.fixes) == (3, "return g * (1 - y ** 2)")


def test_without_a_text_there_is_no_fix() -> None:
    names: dict[str, Any] = {"np": np}
    exec("def backward(g, x):\n    return g * (1 - np.tanh(x))\n", names)  # noqa: S102
    report = check_backward(np.tanh, names["backward"], ((5, 3),))
    assert not report.ok and report.fixes == () and "->" not in str(report)


def test_a_text_that_has_changed_is_not_taken_for_the_code() -> None:
    names = loaded(
        "import numpy as np\ndef backward(g, x):\n    return g * (1 - np.tanh(x))\n", "<a>"
    )
    other = "import numpy as np\ndef backward(g, x):\n    q = np.cosh(x)\n    return g * (1 - q)\n"
    linecache.cache["<a>"] = len(other), None, other.splitlines(keepends=True), "<a>"
    assert check_backward(np.tanh, names["backward"], ((5, 3),)).fixes == ()


def test_code_of_a_library_is_never_edited() -> None:
    report = check_backward(lambda x: x * x, lambda g, x: np.multiply(g, np.fliplr(x)), ((5, 3),))
    assert not report.ok
    assert all(fix.file == __file__ for fix in report.fixes)


def test_right_code_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "fixes", lambda *_: pytest.fail("searched"))
    assert check_backward(np.tanh, lambda g, x: g * (1 - np.tanh(x) ** 2), ((5, 3),)).ok


# ---- no trace ------------------------------------------------------------------------------------

TEXT = """
import numpy as np
import random
rng = np.random.default_rng(3)
W = np.arange(6.0).reshape(3, 2)
seen, kept = [], {"n": 0}

class Log:
    def __init__(self):
        self.lines = []

log = Log()

def backward(g, x):
    global calls
    print("working", flush=True)
    rng.normal(), random.random(), np.random.rand()
    seen.append(x)
    kept["n"] += 1
    log.lines = log.lines + ["called"]
    calls = len(seen)
    n = 0
    while n < 3:
        n = n + 1
    d = g @ W
    return d
"""


def test_nothing_of_the_search_is_seen_or_left(capsys: pytest.CaptureFixture[str]) -> None:
    names = loaded(TEXT)
    x, g = np.ones((4, 3)), np.ones((4, 2))
    before = x.copy(), g.copy(), names["W"].copy()
    states = names["rng"].bit_generator.state, np.random.get_state()[1].copy()
    code = names["backward"].__code__
    right = {"x": [g @ names["W"].T]}

    def run() -> dict[str, Any]:
        return {"x": names["backward"](g, x)}

    def wrong_run() -> dict[str, Any] | None:
        try:
            return run()
        except ValueError:
            return None

    found = fixes([names["backward"]], wrong_run, Goal(right, "", frozenset()))
    assert [fix.new for fix in found] == ["d = g @ W.T"]
    assert capsys.readouterr() == ("", "")
    assert names["backward"].__code__ is code and "calls" not in names
    assert names["seen"] == [] and names["kept"] == {"n": 0} and names["log"].lines == []
    assert all(np.array_equal(a, b) for a, b in zip(before, (x, g, names["W"]), strict=True))
    assert names["rng"].bit_generator.state == states[0]
    assert np.array_equal(np.random.get_state()[1], states[1])


def test_an_endless_loop_ends() -> None:
    names = loaded(
        "import numpy as np\ndef backward(g, x):\n    y, n = np.tanh(x), 3\n    while n > 0:\n"
        "        n = n - 1\n    while True:\n        n += 1\n        if n >= 5:\n            break\n"
        "    return g * (1 - y) + 0 * sum(i for i in range(n))\n"
    )
    report = check_backward(np.tanh, names["backward"], ((5, 3),))
    assert report.fixes[0].new.startswith("return g * (1 - y ** 2)")


def test_code_that_acts_on_the_world_runs_no_more_often_than_it_must(tmp_path: Path) -> None:
    names = loaded(
        "import os\nimport numpy as np\ndef backward(g, x):\n"
        f"    with open({str(tmp_path / 'log')!r}, 'a') as f:\n        f.write('.')\n"
        "    return g * (1 - np.tanh(x))\n"
    )
    assert check_backward(np.tanh, names["backward"], ((5, 3),)).fixes == ()
    assert len((tmp_path / "log").read_text()) < 10


def test_ctrl_c_leaves_the_functions_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    names = loaded("import numpy as np\ndef backward(g, x):\n    return g * (1 - np.tanh(x))\n")
    code, out, old = names["backward"].__code__, sys.stdout, searching.Search.try_each

    def interrupted(*args: Any) -> None:
        old(*args)
        raise KeyboardInterrupt

    monkeypatch.setattr(searching.Search, "try_each", interrupted)
    with pytest.raises(KeyboardInterrupt):
        check_backward(np.tanh, names["backward"], ((5, 3),))
    assert names["backward"].__code__ is code and sys.stdout is out


def test_the_search_is_the_same_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    text = "import numpy as np\ndef backward(g, x):\n    return g * (1 - np.tanh(x))\n"
    found = [check_backward(np.tanh, loaded(text)["backward"], ((5, 3),)).fixes]
    monkeypatch.setattr(time, "perf_counter", lambda: 1e9)
    monkeypatch.setattr(time, "monotonic", lambda: 1e9)
    found.append(check_backward(np.tanh, loaded(text)["backward"], ((5, 3),)).fixes)
    assert found[0] == found[1] != ()


# ---- doors ---------------------------------------------------------------------------------------


class Affine:
    def __init__(self, n: int, m: int) -> None:
        self.W, self.b = np.full((n, m), 0.3) + np.eye(n, m), np.zeros((1, m))

    def forward(self, x: Array) -> Array:
        self.x = x
        return x @ self.W + self.b

    def backward(self, g: Array, lr: float) -> Array:
        dx = g @ self.W.T
        self.W -= lr * self.x.T @ g
        self.b -= lr * g.mean(0, keepdims=True)  # the mistake
        return dx


class Tanh:
    def forward(self, x: Array) -> Array:
        self.y = np.tanh(x)
        return self.y

    def backward(self, g: Array) -> Array:
        return g * (1 - self.y)  # another


def line_of(owner: Callable[..., Any], text: str) -> int:
    import inspect

    lines, start = inspect.getsourcelines(owner)
    return start + next(i for i, line in enumerate(lines) if text in line)


def half(p: Array, y: Array) -> Array:
    return ((p - y) ** 2).sum() / 2


def slope(p: Array, y: Array) -> Array:
    return y - p


X, Y = np.linspace(-1, 1, 15).reshape(5, 3), np.linspace(0, 1, 20).reshape(5, 4)


def test_layers_have_the_line_of_the_layer_at_fault() -> None:
    report = compare_layers([Affine(3, 4)], half, lambda p, y: p - y, X, Y)
    line = line_of(Affine.backward, "mean")
    assert {fix.line for fix in report.fixes} == {line}
    assert "self.b -= lr * g.sum(0, keepdims=True)" in [fix.new for fix in report.fixes]
    told = report.to_dict()["fixes"][0]
    assert told["line"] == line and told["file"] == __file__
    assert f"line {line}:  self.b -= lr * g.mean(0, keepdims=True)\n" in str(report)
    assert "<ins>+ self.b -= lr * g.sum(0, keepdims=True)</ins>" in report._repr_html_()


def test_the_gradient_of_the_loss_is_looked_at_too() -> None:
    class Linear(Affine):
        def backward(self, g: Array, lr: float) -> Array:
            dx = g @ self.W.T
            self.W -= lr * self.x.T @ g
            self.b -= lr * g.sum(0, keepdims=True)
            return dx

    report = compare_layers([Linear(3, 4)], half, slope, X, Y)
    assert line_of(slope, "y - p") in {fix.line for fix in report.fixes}


def test_the_gradient_of_a_loss_with_the_softmax_in_it_is_looked_at_too() -> None:
    class Linear(Affine):
        def backward(self, g: Array, lr: float) -> Array:
            dx = g @ self.W.T
            self.W -= lr * self.x.T @ g
            self.b -= lr * g.sum(0, keepdims=True)
            return dx

    class Softmax:
        def forward(self, x: Array) -> Array:
            e = np.exp(x - x.max(1, keepdims=True))
            return e / e.sum(1, keepdims=True)

        def backward(self, g: Array) -> Array:
            return g

    def entropy(p: Array, y: Array) -> Array:
        return -(y * np.log(p)).sum() / len(y)

    def entropy_slope(p: Array, y: Array) -> Array:
        return p - y  # not divided

    report = compare_layers(
        [Linear(3, 4), Softmax()], entropy, entropy_slope, X, np.eye(4)[[0, 1, 2, 3, 0]]
    )
    assert line_of(entropy_slope, "p - y") in {fix.line for fix in report.fixes}


def test_two_mistakes_have_the_line_of_the_first() -> None:
    report = compare_layers([Affine(3, 4), Tanh()], half, lambda p, y: p - y, X, Y)
    assert report.first_wrong is not None and report.first_wrong.name == "layers[0] output"
    assert {fix.line for fix in report.fixes} <= {line_of(Tanh.backward, "another")}


def test_compare_takes_the_function_that_gives_the_gradients() -> None:
    w = Tensor(np.arange(6.0).reshape(3, 2), requires_grad=True, name="w")
    loss = ((Tensor(X) @ w) ** 2).sum()

    def grads() -> dict[str, Array]:
        z = X @ w.array
        return {"w": X.T @ z}

    report = compare(loss, grads)
    assert 'return {"w": X.T @ z * 2}' in [fix.new for fix in report.fixes]
    assert {fix.line for fix in report.fixes} <= {line_of(grads, "z ="), line_of(grads, "return")}
    assert compare(loss, grads()).fixes == ()


def relu_forward(x: Array, w: Array, b: Array) -> tuple[Array, tuple[Array, ...]]:
    a = np.maximum(x @ w + b, 0)
    return a, (x, w, a)


def relu_backward(dout: Array, cache: tuple[Array, ...]) -> tuple[Array, ...]:
    x, w, a = cache
    dz = dout * (a > 0)
    return dz @ w.T, x.T @ dz, dz.mean(0)


def tanh_forward(x: Array, w: Array) -> tuple[Array, tuple[Array, ...]]:
    y = np.tanh(x @ w)
    cache = (x, w, y**2)
    return y, cache


def tanh_backward(dout: Array, cache: tuple[Array, ...]) -> tuple[Array, ...]:
    x, w, y = cache
    dz = dout * (1 - y**2)
    return dz @ w.T, x.T @ dz


class Sigmoid:
    def forward(self, x: Array) -> Array:
        self.y = 1 / (1 + np.exp(-x))
        return self.y

    def backward(self, g: Array) -> Array:
        return g * self.y * (1 + self.y)


def squares(w: Array, x: Array, y: Array) -> tuple[Array, ...]:
    e = x @ w - y
    return (e**2).mean(), 2 * x.T @ e / len(y)


def loops(x: Array, w: Array) -> Array:
    out = np.zeros((len(x), w.shape[1]))
    for i in range(len(x)):
        for j in range(w.shape[1]):
            out[i, j] = float(np.tanh(sum(x[i] * w[:, j])))
    return out


def loops_backward(g: Array, x: Array, w: Array) -> tuple[Array, ...]:
    d = g * (1 - loops(x, w))
    return d @ w.T, x.T @ d


def in_a_loop(w: Array) -> tuple[float, Array]:
    loss, dw = 0.0, np.zeros_like(w)
    for row in X:
        e = float(row @ w[:3] + w[3]) - 1
        loss += e * e / 2
        dw[:3] += e * row * 2
        dw[3] += e
    return loss, dw


def linear_loss(p: dict[str, Array]) -> Any:
    return ((X @ p["W"] + p["b"] - Y) ** 2).mean()


def linear_gradients(p: dict[str, Array]) -> dict[str, Array]:
    e = X @ p["W"] + p["b"] - Y
    return {"W": 2 * X.T @ e / e.size, "b": 2 * e.sum(0)}


SEEN = {"W": np.eye(3, 4), "b": np.zeros(4)}


def seen_loss() -> float:
    return sum(float(v) ** 2 for v in (X @ SEEN["W"] + SEEN["b"]).ravel())


def seen_gradients() -> list[Array]:
    o = X @ SEEN["W"] + SEEN["b"]
    return [X.T @ o * 2, o.sum(0)]


class InOne:
    def __init__(self) -> None:
        self.W1, self.W2 = np.full((3, 5), 0.3) + np.eye(3, 5), np.eye(5, 4)

    def forward(self, x: Array) -> Array:
        self.h = np.tanh(x @ self.W1)
        return self.h @ self.W2

    def loss(self, x: Array, y: Array) -> Array:
        return ((self.forward(x) - y) ** 2).sum() / 2

    def gradient(self, x: Array, y: Array) -> dict[str, Array]:
        e = self.forward(x) - y
        d = e @ self.W2.T * (1 - self.h)
        return {"W1": x.T @ d, "W2": self.h.T @ e}


class Scalar:
    def __init__(self, data: float, children: tuple[Any, ...] = ()) -> None:
        self.data, self.grad, self.children = data, 0.0, children
        self.back: Callable[[], None] = lambda: None

    def __add__(self, other: Scalar) -> Scalar:
        out = Scalar(self.data + other.data, (self, other))

        def back() -> None:
            self.grad += out.grad
            other.grad += out.grad

        out.back = back
        return out

    def __mul__(self, other: Any) -> Scalar:
        other = other if isinstance(other, Scalar) else Scalar(other)
        out = Scalar(self.data * other.data, (self, other))

        def back() -> None:
            self.grad = other.data * out.grad
            other.grad += self.data * out.grad

        out.back = back
        return out

    def backward(self) -> None:
        order: list[Scalar] = []

        def visit(node: Scalar) -> None:
            if node not in order:
                for child in node.children:
                    visit(child)
                order.append(node)

        visit(self)
        self.grad = 1.0
        for node in reversed(order):
            node.back()


class Neuron:
    def __init__(self) -> None:
        self.w = [Scalar(0.3), Scalar(-0.2), Scalar(0.7)]
        self.b = Scalar(0.1)

    def __call__(self, x: list[float]) -> Scalar:
        out = self.b
        for w, v in zip(self.w, x, strict=True):
            out = out + w * v
        return out

    def parameters(self) -> list[Scalar]:
        return [*self.w, self.b]


def sum_of_squares(p: list[Scalar], y: list[float]) -> Scalar:
    loss = Scalar(0.0)
    for one, target in zip(p, y, strict=True):
        e = one + Scalar(-target)
        loss = loss + e * e
    return loss


DOORS: dict[str, tuple[Callable[[], Any], Any, str, str]] = {
    "a cache": (lambda: check_backward(relu_forward, relu_backward),
                relu_backward, "mean", "return dz @ w.T, x.T @ dz, dz.sum(0)"),
    "what the forward keeps": (lambda: check_backward(tanh_forward, tanh_backward, ((5, 3), (3, 4))),
                               tanh_forward, "cache =", "cache = (x, w, y)"),
    "an object": (lambda: check_backward(Sigmoid()),
                  Sigmoid.backward, "1 +", "return g * self.y * (1 - self.y)"),
    "loss and gradients": (lambda: check_backward(squares, None, ((3, 2), (5, 3), (5, 2))),
                           squares, "return", "return (e**2).mean(), 2 * x.T @ e / y.size"),
    "no tape": (lambda: check_backward(loops, loops_backward),
                loops_backward, "d =", "d = g * (1 - loops(x, w) ** 2)"),
    "a program in loops": (lambda: check(in_a_loop, np.arange(4.0)),
                           in_a_loop, "* 2", "dw[:3] += e * row"),
    "a program with its gradients": (
        lambda: check(linear_loss, {"W": np.eye(3, 4), "b": np.zeros(4)}, linear_gradients),
        linear_gradients, "return", 'return {"W": 2 * X.T @ e / e.size, "b": 2 * e.sum(0) / e.size}'),
    "a program that sees its parameters": (
        lambda: check(seen_loss, SEEN, seen_gradients),
        seen_gradients, "return", "return [X.T @ o * 2, o.sum(0) * 2]"),
    "a net in one piece": (lambda: compare_layers(InOne(), x=X, y=Y),
                           InOne.gradient, "d =", "d = e @ self.W2.T * (1 - self.h ** 2)"),
    "an engine": (lambda: compare_layers(Neuron(), sum_of_squares, x=X, y=Y[:, 0]),
                  Scalar.__mul__, "self.grad =", "self.grad += other.data * out.grad"),
}  # fmt: skip


@pytest.mark.parametrize("door", DOORS)
def test_every_door_has_the_line_and_the_fix(door: str) -> None:
    report_of, owner, text, new = DOORS[door]
    code, before = owner.__code__, X.copy()
    report = report_of()
    assert not report.ok
    assert (line_of(owner, text), new) in [(fix.line, fix.new) for fix in report.fixes]
    assert owner.__code__ is code and np.array_equal(X, before) and report.search is None


def four() -> float:
    return 2.0


def test_an_edit_that_changes_what_is_derived_is_no_fix() -> None:
    """4.0 in `four` makes the gradient right, of another function."""
    report = check_backward(lambda x: x * four() * four(), lambda g, x: g * four(), ((5, 3),))
    assert report.fixes and line_of(four, "return") not in {fix.line for fix in report.fixes}


def mean_square(w: Array) -> tuple[float, Array]:
    loss, dw = 0.0, np.zeros_like(w)
    for x, t in ((1.0, 2.0), (3.0, 1.0)):
        e = float(w[0] * x + w[1]) - t
        loss += e * e / 2
        dw += [e * x, 1]
    return loss, dw


def test_what_is_right_by_chance_is_no_fix() -> None:
    """Where the parameters are 1 the sum of e is 3, and so is that of t."""
    report = check(mean_square, np.ones(2))
    assert [fix.new for fix in report.fixes] == ["dw += [e * x, e]"]


class Static:
    @staticmethod
    def forward(ctx: Any, a: Array) -> Array:
        ctx.input = a
        return np.log(a)

    @staticmethod
    def backward(ctx: Any, d: Array) -> Array:
        return d * ctx.input


def test_a_class_of_static_methods_that_calls_something_input() -> None:
    class Context:
        input: Any = None

    def backward(g: Array, a: Array) -> Array:
        ctx = Context()
        Static.forward(ctx, a)
        return Static.backward(ctx, g)

    report = check_backward(np.log, backward, (np.arange(1.0, 13.0).reshape(3, 4),))
    assert "return d / ctx.input" in [fix.new for fix in report.fixes]


def test_other_threads_run_the_code_as_it_was() -> None:
    from concurrent.futures import ThreadPoolExecutor

    backward = loaded("import numpy as np\ndef backward(g, x):\n    return g * x\n")["backward"]
    g, x = np.arange(1.0, 4.0), np.arange(2.0, 5.0)
    seen = []

    def run() -> dict[str, Array]:
        seen.append(pool.submit(backward, g, x).result())
        return {"x": backward(g, x)}

    with ThreadPoolExecutor(1) as pool:
        found = fixes([backward], run, Goal({"x": [g - x]}, "x", frozenset()))
    assert [fix.new for fix in found] == ["return g - x"]
    assert len(seen) > 10 and all(np.array_equal(one, g * x) for one in seen)


def test_right_layers_and_programs_are_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doors, "fixes", lambda *_: pytest.fail("searched"))
    layer = Affine(3, 4)
    monkeypatch.setattr(Affine, "backward", lambda self, g: (
        setattr(self, "dW", self.x.T @ g), setattr(self, "db", g.sum(0, keepdims=True)),
        g @ self.W.T)[-1])  # fmt: skip
    assert compare_layers([layer], half, lambda p, y: p - y, X, Y).ok
    assert check(lambda w: ((X @ w).sum(), X.sum(0)), np.ones(3)).ok


def test_a_fix_is_plain_ascii() -> None:
    text = str(Fix("a.py", 7, "δ = g", ""))
    assert text == "line 7:  \\u03b4 = g\n     ->  (without it)" and text.isascii()


TWO = """
import numpy as np
def backward(g, x, w, v):
    h = np.tanh(x @ w)
    dv = h.T @ g{first}
    d = g @ v.T * (1 - h ** 2)
    dw = x.T @ d{second}
    return d @ w.T, dw, dv
"""
SHAPES = ((5, 3), (3, 4), (4, 2))


def test_of_two_mistakes_the_first_wrong_gradient_has_its_line() -> None:
    backward = loaded(TWO.format(first=" / 7", second=" * 3"))["backward"]
    report = check_backward(lambda x, w, v: np.tanh(x @ w) @ v, backward, SHAPES)
    assert report.first_wrong is not None and report.first_wrong.name == "v"
    assert {fix.line for fix in report.fixes} == {5}
    assert "dv = h.T @ g" in [fix.new for fix in report.fixes]


def test_a_transpose_that_undoes_the_next_is_not_written() -> None:
    def backward(g: Array, x: Array, w: Array) -> tuple[Array, Array]:
        flat = g.reshape(len(g), -1)
        dw = (x.T @ flat).reshape(4, 3, 2).transpose(1, 0, 2)
        return flat @ w.reshape(3, -1).T, dw

    def forward(x: Array, w: Array) -> Array:
        return (x @ w.reshape(3, -1)).reshape(5, 4, 2)

    report = check_backward(forward, backward, ((5, 3), (3, 4, 2)))
    assert "dw = (x.T @ flat).reshape(3, 4, 2)" in [fix.new for fix in report.fixes]


def test_a_second_mistake_that_is_known_does_not_hide_the_line_of_the_first() -> None:
    """No gradient is right, so that any line of the forward could be the cause of both."""
    text = (
        TWO.format(first="", second="").replace("h ** 2", "h").replace("h.T @ g", "h.T @ (g * 2)")
    )
    report = check_backward(lambda x, w, v: np.tanh(x @ w) @ v, loaded(text)["backward"], SHAPES)
    assert [row.verdict for row in report.rows].count("ok") == 0
    assert report.first_wrong is not None and report.first_wrong.name == "v"
    assert "dv = h.T @ (g)" in [fix.new for fix in report.fixes]


def test_an_edit_that_changes_nothing_is_no_fix() -> None:
    """In the run that is searched g is 1, so that v is right there, whatever is edited."""

    def backward(g: Array, w: Array, v: Array) -> tuple[Array, Array]:
        h = np.tanh(X @ w)
        d = np.ones((len(X), v.shape[1]))
        dz = d @ v.T * (1 - h)
        return X.T @ dz * 2, h.T @ d

    report = check_backward(lambda w, v: (np.tanh(X @ w) @ v).sum(), backward, ((3, 4), (4, 2)))
    assert report.first_wrong is not None and report.first_wrong.name == "v"
    assert report.fixes == ()


def test_where_one_cause_is_possible_a_line_of_two_wrong_gradients_is_not_blamed() -> None:
    """No single edit gives d here, and a factor on one of the lines below mends half of it."""
    text = TWO.format(first="", second="").replace("(1 - h ** 2)", "3")
    text = text.replace("x.T @ d", "x.T @ (d / 3 * (1 - h ** 2)) * 2")
    backward = loaded(text)["backward"]
    report = check_backward(lambda x, w, v: np.tanh(x @ w) @ v, backward, SHAPES)
    assert not report.ok and 7 not in {fix.line for fix in report.fixes}


def test_what_other_threads_print_meanwhile_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    import threading

    from autograd_lite.comparison.source.outside import silent

    with silent():
        print("mine")
        other = threading.Thread(target=lambda: print("theirs"))
        other.start()
        other.join()
    assert capsys.readouterr().out == "theirs\n"


WINDOWS = """import numpy as np
{0}
def forward(x, w):
    return {1}(x, (4, 3), (8, 8)) @ w
def backward(g, x, w):
    n, k, step = 4, 3, 8
    dx = np.zeros(6)
    for i in range(n):
        dx[i : i + k] += g[i] * w
    return dx, {1}(x, (n, k), (step, step)).T @ g / n
"""


@pytest.mark.parametrize("imported", ["as_strided", "as_strided as of"])
def test_strides_of_an_edit_stay_inside_of_the_array(
    imported: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    inner = Probe.strided

    def strided(self: Any, x: Array, shape: Any, strides: Any) -> Array:
        try:
            made = inner(self, x, shape, strides)
        except IndexError:
            seen.append(False)
            raise
        seen.append(True)
        return made

    monkeypatch.setattr(Probe, "strided", strided)
    name = imported.split()[-1]
    names = loaded(WINDOWS.format(f"from numpy.lib.stride_tricks import {imported}", name))
    report = check_backward(names["forward"], names["backward"], ((6,), (3,)))
    assert report.fixes[0].new == f"return dx, {name}(x, (n, k), (step, step)).T @ g"
    assert set(seen) == {True, False}  # where it was False, memory of others would have been read


def test_a_function_of_the_learners_may_have_that_name() -> None:
    own = "def as_strided(x, shape, steps):\n    return np.stack([x[i : i + 3] for i in range(4)])"
    names = loaded(WINDOWS.format(own, "as_strided"))
    report = check_backward(names["forward"], names["backward"], ((6,), (3,)))
    assert report.fixes[0].new == "return dx, as_strided(x, (n, k), (step, step)).T @ g"


def test_a_slice_from_the_other_end_is_one_edit() -> None:
    names = loaded(
        "import numpy as np\n"
        "def forward(x):\n"
        "    return x[:2] * x[:2]\n"
        "def backward(g, x):\n"
        "    d = np.zeros_like(x)\n"
        "    d[-2:] += 2 * g * x[0:2]\n"
        "    return d\n"
    )
    report = check_backward(names["forward"], names["backward"], ((5,),))
    assert report.fixes[0].new == "d[:2] += 2 * g * x[0:2]"
