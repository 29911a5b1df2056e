"""Markdown with formulas as HTML with MathML, which browsers set without a script."""

from __future__ import annotations

import functools
import html
import re
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin

# What a formula may be made of. The converter does not escape what stands in \text{}.
TAGS = {
    "math", "mrow", "mi", "mn", "mo", "mtext", "mspace", "mstyle", "mpadded", "mfrac", "msqrt",
    "mroot", "msub", "msup", "msubsup", "munder", "mover", "munderover", "mtable", "mtr", "mtd",
}  # fmt: skip
ATTRIBUTES = {
    "display", "displaystyle", "mathvariant", "stretchy", "fence", "form", "width", "height",
    "columnalign", "lspace", "rspace", "minsize", "maxsize", "movablelimits", "linethickness",
}  # fmt: skip
NAMESPACE = "{http://www.w3.org/1998/Math/MathML}"
# Names of environments that it does not know, and what is set in the same way.
ENVIRONMENTS = {"aligned": "align*", "gathered": "matrix"}


def mathml(latex: str, display: bool = False) -> str:
    r"""A formula as MathML; where that fails, its LaTeX as code.

    >>> mathml("x_{1}").partition("<mrow>")[2]
    '<msub><mi mathvariant="italic">x</mi><mrow><mn>1</mn></mrow></msub></mrow></math>'
    >>> mathml(r"\text{<img src=x>}")
    '<code class="latex">\\text{&lt;img src=x&gt;}</code>'
    """
    # a single letter would be set slanted all the same
    source = re.sub(r"\\mathrm\{([A-Za-z])\}", r"\\text{\1}", latex)
    for name, known in ENVIRONMENTS.items():
        for side in ("begin", "end"):
            source = source.replace(f"\\{side}{{{name}}}", f"\\{side}{{{known}}}")
    try:
        formula = checked(convert(source, display="block" if display else "inline"))
    except Exception:  # noqa: BLE001  (the converter's own errors have no common type)
        return f'<code class="latex">{html.escape(latex)}</code>'
    for row in (*formula.iter("mrow"), *formula.iter("mtd")):
        join(row)
        space(row)
    for letter in formula.iter("mi"):
        if len(letter.text or "") == 1:
            letter.attrib.setdefault("mathvariant", "italic")  # for the page's style
    for sign in formula.iter("mo"):
        if (sign.text or "").isalpha():  # such as mean
            sign.attrib |= {"lspace": "0", "rspace": "0.17em"}
        if sign.text == "∂":
            sign.attrib |= {"lspace": "0", "rspace": "0"}
    formula.set("xmlns", NAMESPACE.strip("{}"))
    return ElementTree.tostring(formula, encoding="unicode")


def checked(text: str) -> ElementTree.Element:
    """A formula without namespaces and without attributes that are not of a formula; ValueError for
    other elements."""
    formula = ElementTree.fromstring(text)
    for part in formula.iter():
        part.tag = part.tag.removeprefix(NAMESPACE)
        if part.tag not in TAGS:
            raise ValueError(f"<{part.tag}> is not of a formula")
        part.attrib = {k: v for k, v in part.attrib.items() if k in ATTRIBUTES}
    return formula


def join(row: ElementTree.Element) -> None:
    """Make one name of the letters of a word, such as those of \\mathrm{fc1}."""
    variant = row[0].get("mathvariant") if len(row) > 1 else None
    others = {part.get("mathvariant") for part in row if part.tag == "mi"}
    if variant and others == {variant} and all(part.tag in ("mi", "mn", "mo") for part in row):
        word = ElementTree.Element("mi", mathvariant=variant)
        word.text = "".join(part.text or "" for part in row)
        row[:] = [word]


def space(row: ElementTree.Element) -> None:
    """Put the space that LaTeX has after a word, and none after a sign."""
    for left, right in pairwise(list(row)):
        text = left.text or ""
        if left.tag == right.tag == "mo" and text not in (")", "]") and right.text == "−":  # a sign
            right.attrib |= {"form": "prefix", "lspace": "0", "rspace": "0"}
        word = left.tag == "mi" and len(text) > 1 and "mathvariant" not in left.attrib
        if word and "".join(right.itertext())[:1] not in ("(", "["):  # such as log p
            row.insert(list(row).index(left) + 1, ElementTree.Element("mspace", width="0.17em"))


@functools.cache
def reader() -> MarkdownIt:
    def rendered(latex: str, options: dict[str, Any]) -> str:
        return mathml(latex, options["display_mode"])

    plain = MarkdownIt("commonmark", {"html": False}).enable("table")
    return plain.use(dollarmath_plugin, renderer=rendered)


def typeset(markdown: str) -> str:
    """HTML of Markdown, its formulas between dollars set; HTML in it is shown as it stands.

    >>> typeset("**now** <b>")
    '<p><strong>now</strong> &lt;b&gt;</p>\\n'
    """
    return reader().render(markdown)
