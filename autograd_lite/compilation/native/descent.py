"""The update rule of an optimizer in C: `step()` is one call for all parameters of a group.

The function is the same for all shapes, so that one compiled file serves every network. It does
what the rule does in NumPy, in that order and rounding: the bits are the same, and either may do a
step.
"""

from __future__ import annotations

import ctypes
import re
from functools import cache
from typing import Any

import numpy as np

from ...engine.versions import shared_version, tick
from ..guards import has_known_rule
from ..step import Descent
from . import library
from .forms import FLOATS, PRELUDE, literal, type_of
from .items import COPY

__all__ = ["Printed", "statements"]

PATIENCE = 8  # steps that are not for the code, then it is left
# of jobs (options, count, p, g, states ...): first looks at all of them, then changes them
SOURCE = """
typedef struct {{ char head[{head}]; void *type; char kind, letter, order; }} dtype;
typedef struct {{ char head[{head}]; char *data; int nd; intptr_t *shape, *strides;
    void *base; dtype *descr; int flags; }} array;
extern intptr_t PyList_Size(void *), PyTuple_Size(void *);
extern void *PyList_GetItem(void *, intptr_t), *PyTuple_GetItem(void *, intptr_t);
extern int PyObject_IsInstance(void *, void *);
extern double PyFloat_AsDouble(void *);
extern void *PyEval_SaveThread(void);
extern void PyEval_RestoreThread(void *);
enum {{ N = {arrays}, ROWS = 1, COLUMNS = 2, ALIGNED = 0x100, WRITEABLE = 0x400 }};

/* the elements of arrays of {kind} that lie in one order, none in another's memory; else -1 */
static intptr_t elements(array **a, void *type) {{
    int flags = -1;
    intptr_t n = 1;
    for (int i = 0; i < N; i++) {{
        if (PyObject_IsInstance(a[i], type) != 1) return -1;
        if (a[i]->descr->letter != '{letter}' || a[i]->descr->order != '=') return -1;
        if (a[i]->nd != a[0]->nd) return -1;
        if (memcmp(a[i]->shape, a[0]->shape, a[0]->nd * sizeof(intptr_t))) return -1;
        flags &= a[i]->flags | (i == 1 ? WRITEABLE : 0);
    }}
    if (~flags & (ALIGNED | WRITEABLE) || !(flags & (ROWS | COLUMNS))) return -1;
    for (int d = 0; d < a[0]->nd; d++) n *= a[0]->shape[d];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < i; j++)
            if (a[i]->data < a[j]->data + n * sizeof({kind})
                && a[j]->data < a[i]->data + n * sizeof({kind})) return -1;
    return n;
}}

int step(void *jobs, void *type) {{
    const intptr_t count = PyList_Size(jobs);
    intptr_t all = 0;
    for (int go = 0; go < 2; go++)
        for (intptr_t i = 0; i < count; i++) {{
            void *job = PyList_GetItem(jobs, i), *k = PyTuple_GetItem(job, 0), *thread = 0;
            array *a[N];
            if (PyTuple_Size(job) != N + 2) return 1;
            for (int j = 0; j < N; j++) a[j] = PyTuple_GetItem(job, j + 2);
            const double count0 = PyFloat_AsDouble(PyTuple_GetItem(job, 1));
            {numbers}
            const intptr_t n = elements(a, type);
            if (n < 0) return 1;
            if (!go) {{ all += n; continue; }}
            {pointers}
            if (all > 1000000) thread = PyEval_SaveThread();
            #pragma GCC ivdep
            for (intptr_t j = 0; j < n; j++) {{
                {body}
            }}
            if (thread) PyEval_RestoreThread(thread);
        }}
    return 0;
}}
"""


def statements(calls: list[Any], dtype: Any, names: list[str]) -> list[str]:
    """What an update rule does to one element of each of the arrays with these names."""
    kind, declared, found = type_of(dtype), set(names), []
    for _, ufunc, words, out in calls:
        form = COPY if ufunc is np.copyto else FLOATS[ufunc]
        texts = [word(x, dtype) for x in words]
        text = form.replace("{f}", "f" if kind == "float" else "").format(*texts)
        new = "" if str(out) in declared else f"{kind} "
        declared.add(str(out))
        found.append(f"{new}{out} = {text};")
    return found


def word(x: Any, dtype: Any) -> str:
    """An operand of an update rule."""
    if isinstance(x, int | float):
        return literal(x, dtype)
    text = str(x)
    return text if re.fullmatch(r"[pgst]\d*", text) else f"({type_of(dtype)}){text}"


def source(optimizer: Any, group: dict[str, Any]) -> str:
    """The function for a group, as the rule of its first parameter is."""
    p = group["params"][0]
    d = Descent(optimizer, [p], [{**group, "params": [p]}])
    names = ["p", "g", *(f"s{j}" for j in range(len(d.buffers[0])))]
    kind = type_of(p.array.dtype)
    if kind not in ("float", "double"):
        raise KeyError(kind)
    options = [x for x in d.given if x.startswith("option")]
    numbers = [
        f"const double {x} = PyFloat_AsDouble(PyTuple_GetItem(k, {j}));"
        for j, x in enumerate(options)
    ]
    pointers = [f"{kind} *const _{x} = ({kind} *)a[{j}]->data;" for j, x in enumerate(names)]
    body = [f"{kind} {x} = _{x}[j];" for x in names]
    body += statements(d.calls, p.array.dtype, names)
    body += [f"_{x}[j] = {x};" for x in names if x != "g"]
    return PRELUDE + SOURCE.format(
        head=library.HEAD,
        arrays=len(names),
        kind=kind,
        letter=p.array.dtype.char,
        numbers="\n            ".join([*numbers, *d.in_c]),
        pointers="\n            ".join(pointers),
        body="\n                ".join(body),
    )


@cache
def function(text: str) -> Any:
    """The function that a source becomes."""
    f = library.loaded(text).step
    f.argtypes, f.restype = [ctypes.py_object] * 2, ctypes.c_int
    return f


class Printed:
    """The functions of an optimizer's groups; what has none, or is not for it, NumPy does."""

    def __init__(self) -> None:
        self.left = PATIENCE
        self.functions: list[Any] = []

    def __reduce__(self) -> Any:
        return Printed, ()  # of a copy they are found again

    def prepare(self, optimizer: Any) -> None:
        """Compile what has to be, before a step; the last one where nothing can be."""
        if len(self.functions) != len(optimizer.param_groups):
            self.functions = [self.made(optimizer, group) for group in optimizer.param_groups]
            if not any(self.functions):
                optimizer._printed = None

    def made(self, optimizer: Any, group: dict[str, Any]) -> Any:
        if self.left < 0 or not has_known_rule(optimizer) or not group["params"]:
            return None
        try:
            return function(source(optimizer, group))
        except Exception:  # noqa: BLE001  no reason not to train
            return None

    def apply(self, optimizer: Any, work: list[list[Any]]) -> None:
        """Do a step; nothing here may raise."""
        done = True
        for run, items in zip(self.functions, work, strict=True):
            if run is None or not updated(optimizer, run, items):
                done &= run is None
                optimizer._apply([items])
        if not done:
            self.left -= 1
            self.functions = []  # the next step asks anew


def updated(optimizer: Any, run: Any, items: list[Any]) -> bool:
    """Whether it is done; else nothing has changed."""
    jobs, numbers = [], []
    for _, g, plan, state, buffers, k in items:
        n = 0
        if plan.parts.__class__ is not list:  # of rows, which go back into the whole
            return False
        if buffers:
            n = state["step"] + 1
            if optimizer.scalars:
                fresh, k = optimizer._advance(state, k, n)
                numbers.append((state, fresh))
        jobs.append((k, n, plan.array, g, *buffers))
    if run(jobs, np.ndarray):
        return False
    for state, fresh in numbers:
        for name, x in fresh.items():
            state[name][...] = x
    now = tick()
    for p, _, _, state, buffers, _ in items:
        if buffers:
            state["step"] += 1
        memory = p.version or shared_version(p)
        memory.changed = memory.last = now
    return True
