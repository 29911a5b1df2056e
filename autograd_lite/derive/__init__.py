"""The hand derivation of a tape, as text, LaTeX and a NumPy function."""

from __future__ import annotations

from typing import Any

from ..program import Program, trace
from ..simplify import simplify
from .naming import name_program
from .source import Source, key_of, shorten

__all__ = ["Derivation", "derive"]


def derive(loss: Any, model: Any = None) -> Derivation:
    program = simplify(trace(loss, model))
    shorten(program, name_program(program))
    return Derivation(program)


class Derivation:
    def __init__(self, program: Program) -> None:
        self.program = program
        self._source = Source(program)

    def source(self) -> str:
        return self._source.text

    @property
    def arguments(self) -> dict[str, Any]:
        p = self.program
        given = {a.symbol.name: a.value for a in p.of_kind("input", "constant", "hook")}
        if p.of_kind("parameter"):
            given["parameters"] = {key_of(a, p): a.value for a in p.of_kind("parameter")}
        return given
