"""Short names for formulas, numbers for people, and the typography of formulas."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from ..engine.op import Op
from ..engine.rules import ops

# what people call these results by, rather than by the letter of their kind
WORDS = {ops.log_softmax: "log_p", ops.std: "sd", ops.var: "var", ops.sqrt: "s"}
LETTERS = {"product": "z", "reduction": "s", "along": "s", "view": "v", "pick": "v"}  # by kind


def result_letter(op: Op | None) -> str:
    """The letter of an operation's result: z for products, a for sums, h for activations.

    >>> [result_letter(op) for op in (ops.matmul, ops.add, ops.tanh, ops.softmax, ops.exp)]
    ['z', 'a', 'h', 'p', 'u']
    """
    if op is None:
        return "u"
    if op in WORDS:
        return WORDS[op]
    if op.activation:
        return "h"
    if op.name.endswith("softmax"):  # probabilities; what else runs along an axis is running sums
        return "p"
    return "a" if op.sign in ("+", "-") else LETTERS.get(op.kind, "u")


def parameter_letter(use: Op | None, ndim: int) -> str:
    """The usual letter of a parameter without a name, by the operation whose second input it is; ""
    if that does not tell.

    >>> parameter_letter(ops.matmul, 2), parameter_letter(ops.add, 1), parameter_letter(ops.tanh, 1)
    ('W', 'b', '')
    """
    if use is None:
        return ""
    if use.kind == "product":
        return "W" if ndim > 1 else "w"
    return "b" if use.sign == "+" and ndim <= 1 else ""


def constant(a: Any) -> str:
    """What a formula calls an input that is no tensor: the number if it is one, else its shape."""
    if np.size(a) == 1:
        return number(np.asarray(a).item(), 6)
    return "const" + "x".join(map(str, np.shape(a)))


def words(text: str, longest: int = 60) -> str:
    """A label on one line, of characters that XML may contain.

    One that is longer keeps both of its ends, as dotted names differ in the last.

    >>> words("encoder.layers.0.attention.weight", 17)
    'encoder.…n.weight'
    """
    text = "".join(c if c.isprintable() else " " for c in text)
    text = " ".join(text.split())
    half = longest // 2
    return text if len(text) <= longest else f"{text[: longest - half - 1]}…{text[-half:]}"


def number(x: Any, digits: int = 2) -> str:
    """A number in few characters.

    >>> number(0.0701), number(1234.5), number(3e-17), number(12.3456, 5)
    ('0.07', '1234', '3e-17', '12.346')
    """
    if isinstance(x, bool | int):
        return str(x)
    x = float(x)
    if math.isnan(x):
        return "NaN"
    if x in (0.0, float("inf"), -float("inf")):
        return f"{x:g}".replace("-0", "0")
    if 1e-3 <= abs(x) < 1e5:
        whole = len(str(int(abs(x))))
        return f"{x:.0f}" if whole >= digits and abs(x) >= 10 else f"{x:.{digits}g}"
    mantissa, _, exponent = f"{x:.{digits - 1}e}".partition("e")
    mantissa = mantissa.rstrip("0").rstrip(".") if "." in mantissa else mantissa
    return f"{mantissa}e{int(exponent)}"


def span(numbers: list[float]) -> str:
    """One number, or the smallest and the largest.

    >>> span([3.0, -1.0, 2.0]), span([0.5, 0.5001])
    ('-1 to 3', '0.5')
    """
    low, high = number(min(numbers)), number(max(numbers))
    return low if low == high else f"{low} to {high}"


def ends(told: list[str]) -> list[str]:
    """Of more than six, the first two and the last.

    >>> ends([f"h{t}" for t in range(1, 31)])
    ['h1', 'h2', '…', 'h30']
    """
    return told if len(told) <= 6 else [*told[:2], "…", told[-1]]


def counted(n: int, what: str) -> str:
    """A number of things, with its thousands apart.

    >>> counted(101770, "parameter"), counted(1, "operation")
    ('101 770 parameters', '1 operation')
    """
    return f"{n:,} {what}{'s' * (n != 1)}".replace(",", " ")


TYPESET = [
    (r"\bd_(?=\w)", "d"),  # a gradient
    (r"\.mT\b", "ᵀ"),
    (r" @ ", " · "),
    (r" \* ", " × "),
    (r" - ", " − "),
    (r"(?<![\w.'])-(?=[\w(√])", "−"),
    (r" <= ", " ≤ "),
    (r" >= ", " ≥ "),
    (r" != ", " ≠ "),
    (r" \*\* 2(?![\w.])", "²"),
    (r"\binf\b", "∞"),
    (r"\bsqrt\(", "√("),
]


def rounded(formula: str) -> str:
    """A formula whose numbers have at most six digits.

    >>> rounded("y = x / 2.8284271247461903 + 0.1")
    'y = x / 2.82843 + 0.1'
    """
    return re.sub(r"(?<![\w.])\d+\.\d{6,}(e-?\d+)?", lambda m: f"{float(m[0]):.6g}", formula)


def typeset(formula: str) -> str:
    """A formula in mathematical signs.

    >>> typeset("dX = dZ @ W.mT * 2 ** 2 - 1e-05")
    'dX = dZ · Wᵀ × 2² − 1e-05'
    """
    for pattern, sign in TYPESET:
        formula = re.sub(pattern, sign, formula)
    return formula
