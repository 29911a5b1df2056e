"""The guards of a trace in C: words that have to be in memory still, and what dictionaries hold.

A call of the same function with the same model and optimizer then takes no Python but what its
arguments need. What is found to differ is looked at by the guards in Python, which know more.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np

from ...engine.tensor import Tensor
from . import library

__all__ = ["Unwatched", "Watch", "repeating", "watching"]

# functions of Python's C interface, which is in the process already
SOURCE = """
#include <stdint.h>
#include <string.h>
typedef intptr_t word;
extern int PyDict_Next(void *, word *, void **, void **);
extern void *PyDict_GetItemWithError(void *, void *);
extern word PyDict_Size(void *), PyList_Size(void *);
extern void *PyList_GetItem(void *, word), *PyObject_GetItem(void *, void *);
extern int PyDict_SetItem(void *, void *, void *), PyMapping_HasKey(void *, void *);
extern void Py_DecRef(void *), PyErr_Clear(void);
extern void *PyLong_FromLong(long);
extern long PyLong_AsLong(void *);

static int dictionary(const word *w, int keys) { /* object, n, values */
    void *key, *value;
    word at = 0, n = 0;
    if (PyDict_Size((void *)w[0]) != w[1]) return 0;
    while (PyDict_Next((void *)w[0], &at, &key, &value))
        if ((word)(keys ? key : value) != w[2 + n++]) return 0;
    return 1;
}

static int list(const word *w) {
    if (PyList_Size((void *)w[0]) != w[1]) return 0;
    for (word i = 0; i < w[1]; i++)
        if ((word)PyList_GetItem((void *)w[0], i) != w[2 + i]) return 0;
    return 1;
}

static int entry(const word *w) { /* dictionary, key, value or 0 */
    return (word)PyDict_GetItemWithError((void *)w[0], (void *)w[1]) == w[2];
}

static int attribute(const word *w) { /* of a class: object, key, value or 0 */
    if (!w[2]) return !PyMapping_HasKey((void *)w[0], (void *)w[1]);
    void *found = PyObject_GetItem((void *)w[0], (void *)w[1]);
    if (found) Py_DecRef(found); else PyErr_Clear();
    return (word)found == w[2];
}

static int counted(const word *w) { /* dictionary, key, where the next number is */
    void *found = PyDict_GetItemWithError((void *)w[0], (void *)w[1]);
    return found && PyLong_AsLong(found) == (long)*(double *)w[2] - 1;
}

int same(const word *w) { /* how many words, then records: kind, number of words, words */
    const word *end = w + w[0];
    int good = 1;
    for (w++; w < end && good; w += 2 + w[1]) {
        const word *x = w + 2;
        if (w[0] == 0) { for (word i = 0; i < w[1]; i += 2) good &= *(word *)x[i] == x[i + 1]; }
        else if (w[0] == 1) good = dictionary(x, 0);
        else if (w[0] == 2) good = dictionary(x, 1);
        else if (w[0] == 3) good = list(x);
        else if (w[0] == 4) good = entry(x);
        else if (w[0] == 5) good = attribute(x);
        else good = counted(x);
    }
    PyErr_Clear();
    return good;
}

/* Calls for batches of rows: batches, rows in each, arrays, counts, order, loss, its bytes, losses;
   for each array its rows, their bytes, and where a batch goes; where each count is. Gives how many
   were done: fewer where one is not for this code. */
word repeat(void *A, int (*part)(void *), const word *j) {
    const word *arrays = j + 8, *counts = arrays + 3 * j[2], *order = (const word *)j[4];
    for (word b = 0; b < j[0]; b++) {
        for (word a = 0; a < j[2]; a++) {
            const char *rows = (const char *)arrays[3 * a];
            word bytes = arrays[3 * a + 1];
            char *to = (char *)arrays[3 * a + 2];
            for (word i = 0; i < j[1]; i++)
                memcpy(to + i * bytes, rows + order[b * j[1] + i] * bytes, bytes);
        }
        for (word i = 0; i < j[3]; i++) *(double *)counts[i] += 1;
        if (part(A)) {
            for (word i = 0; i < j[3]; i++) *(double *)counts[i] -= 1;
            return b;
        }
        ((double *)j[7])[b] = j[6] == 4 ? *(float *)j[5] : *(double *)j[5];
    }
    return j[0];
}

void count(const word *w) { /* the steps of an optimizer, one more each */
    const word *end = w + w[0];
    for (w++; w < end; w += 2 + w[1])
        if (w[0] == 6) {
            void *number = PyLong_FromLong((long)*(double *)w[4]);
            if (number) { PyDict_SetItem((void *)w[2], (void *)w[3], number); Py_DecRef(number); }
        }
}
"""
WORDS, VALUES, KEYS, ITEMS, ENTRY, ATTRIBUTE, COUNT = range(7)


class Unwatched(Exception):
    """There is something that is not watched in C."""


@cache
def watching() -> tuple[int, int] | None:
    """The addresses of `same` and `count`; None where they cannot be had."""
    import sys

    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    try:
        found = library.loaded(SOURCE)
        slots()
    except (library.NoCompiler, Unwatched, OSError):
        return None
    return library.address(found.same), library.address(found.count)


@cache
def repeating() -> Any:
    """The function that makes many calls; `watching` has found that there is one."""
    found = library.loaded(SOURCE).repeat
    found.argtypes, found.restype = [ctypes.c_void_p] * 3, ctypes.c_ssize_t
    return found


@cache
def slots() -> dict[str, int]:
    """Where a tensor has its slots, in bytes from its start: each is given an object, and found."""
    t, found = Tensor(np.zeros(1)), {}
    for name in ("array", "requires_grad", "extra", "version", "_grad"):
        before = getattr(t, name)
        mark: Any = object()
        object.__setattr__(t, name, mark)
        size = ctypes.sizeof(ctypes.c_ssize_t)
        places = range(object.__basicsize__, type(t).__basicsize__, size)
        at = [i for i in places if ctypes.c_ssize_t.from_address(id(t) + i).value == id(mark)]
        object.__setattr__(t, name, before)
        if len(at) != 1:
            raise Unwatched
        found[name] = at[0]
    return found


class Watch:
    """The words of the guards; `alive` keeps what they are about."""

    def __init__(self) -> None:
        self.words: list[int] = [0]
        self.alive: list[Any] = []

    def record(self, kind: int, *words: Any) -> None:
        self.words += (kind, len(words), *words)

    def known(self, x: Any) -> int:
        self.alive.append(x)
        return id(x)

    def tensors(self, tensors: Iterable[Tensor], names: tuple[str, ...]) -> None:
        """Slots that hold the same objects."""
        for t in tensors:
            at = slots()
            for name in names:
                self.record(WORDS, self.known(t) + at[name], self.known(getattr(t, name)))

    def held(self, kind: str, holder: Any) -> None:
        """The values or keys of a dictionary, or the items of a list."""
        if type(holder) is list and kind == "items":
            code, now = ITEMS, holder
        elif isinstance(holder, dict) and kind != "items":
            code, now = (KEYS, list(holder)) if kind == "keys" else (VALUES, list(holder.values()))
        else:
            raise Unwatched
        self.record(code, self.known(holder), len(now), *map(self.known, now))

    def entries(self, holder: Any, names: Iterable[str]) -> None:
        """What is under names in a dictionary or a class; also that there is nothing."""
        kind = ENTRY if isinstance(holder, dict) else ATTRIBUTE
        if kind == ATTRIBUTE and not isinstance(holder, MappingProxyType):
            raise Unwatched
        for name in names:
            found = self.known(holder[name]) if name in holder else 0
            self.record(kind, self.known(holder), self.known(name), found)

    def captured(self, c: Any) -> None:
        """All that `Captured.unchanged` looks at."""
        if c.arrays or c.more:
            raise Unwatched
        for kind, holder in c.holding:
            self.held(kind, holder)
        for cell in c.cells:
            at = id(cell) + object.__basicsize__
            value = self.known(cell.cell_contents)
            if ctypes.c_ssize_t.from_address(at).value != value:
                raise Unwatched
            self.alive.append(cell)
            self.record(WORDS, at, value)
        for get, holder in c.globals:
            names = get.__reduce__()[1]
            self.entries(holder, names)
        for names, holder in zip(c.missing, c.absent, strict=True):
            self.entries(holder, names)

    def optimizer(self, optimizer: Any, descent: Any, number: Any) -> None:
        """An optimizer, its groups, and the states of its tensors, whose steps are counted where
        `number(group)` says that the count lies."""
        if optimizer.scalars:  # which Python moves on
            raise Unwatched
        self.held("values", vars(optimizer))
        self.held("items", optimizer.param_groups)
        for i, group in enumerate(optimizer.param_groups):
            self.held("values", group)
            self.held("items", group["params"])
            for p in group["params"] if descent is not None and descent.buffers[i] else ():
                state = optimizer.state[p]
                self.entries(optimizer.state, [p])
                self.entries(state, descent.buffers[i])
                self.record(COUNT, self.known(state), self.known("step"), number(i))

    def array(self) -> Any:
        """The words as C has them."""
        self.words[0] = len(self.words)
        return np.array(self.words, np.int64)
