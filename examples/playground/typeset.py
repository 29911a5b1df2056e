"""Markdown with formulas as HTML with MathML, which browsers set without a script."""

from __future__ import annotations

import functools
import html
import re
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
NAME, *JOINED = [f"{NAMESPACE}{tag}" for tag in ("mi", "mi", "mn", "mo")]
# Names of environments that it does not know, and what is set in the same way.
ENVIRONMENTS = {"aligned": "align*", "gathered": "matrix"}


def mathml(latex: str, display: bool = False) -> str:
    r"""A formula as MathML; where that fails, its LaTeX as code.

    >>> mathml("x_{1}").partition("<mrow>")[2]
    '<msub><mi mathvariant="italic">x</mi><mrow><mn>1</mn></mrow></msub></mrow></math>'
    >>> mathml(r"\text{<img src=x>}")
    '<code class="latex">\\text{&lt;img src=x&gt;}</code>'
    """
    for name, known in ENVIRONMENTS.items():
        for side in ("begin", "end"):
            latex = latex.replace(f"\\{side}{{{name}}}", f"\\{side}{{{known}}}")
    # a single letter would be set slanted all the same
    upright = re.sub(r"\\mathrm\{([A-Za-z])\}", r"\\text{\1}", latex)
    try:
        formula = ElementTree.fromstring(convert(upright, display="block" if display else "inline"))
        for row in formula.iter(f"{NAMESPACE}mrow"):
            join(row)
        for part in formula.iter():
            name = part.tag.removeprefix(NAMESPACE)
            if name not in TAGS:
                raise ValueError(f"<{name}> is not of a formula")
            part.tag = name
            part.attrib = {k: v for k, v in part.attrib.items() if k in ATTRIBUTES}
            if name == "mi" and len(part.text or "") == 1:
                part.attrib.setdefault("mathvariant", "italic")  # for the page's style
            if name == "mo" and (part.text or "").isalpha():  # a word, such as mean
                part.attrib |= {"lspace": "0", "rspace": "0.17em"}
            if name == "mo" and part.text == "∂":
                part.attrib |= {"lspace": "0", "rspace": "0"}
    except Exception:  # noqa: BLE001  (the converter's own errors have no common type)
        return f'<code class="latex">{html.escape(latex)}</code>'
    formula.set("xmlns", NAMESPACE.strip("{}"))
    return ElementTree.tostring(formula, encoding="unicode")


def join(row: ElementTree.Element) -> None:
    """Make one name of the letters of a word, such as those of \\mathrm{fc1}."""
    variant = row[0].get("mathvariant") if len(row) > 1 else None
    others = {part.get("mathvariant") for part in row if part.tag == NAME}
    if variant and others == {variant} and all(part.tag in JOINED for part in row):
        word = ElementTree.Element(NAME, mathvariant=variant)
        word.text = "".join(part.text or "" for part in row)
        row[:] = [word]


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
