"""A report in HTML: what to do first, the table, and beside it the graph with the verdicts."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html import escape

from .fix import Fix
from .judge import VERDICTS, Row
from .telling import error, shortened, told

COLUMNS = ("tensor", "verdict", "what is known", "shape", "max abs err", "rel err")
WIDE = 1100  # pixels of a graph, from which on it stands below the table at its full size
# Every rule begins with .gradients, so that a notebook's own tables stay as they are.
STYLE = """\
.gradients{--ink:#1b2333;--quiet:#5f697d;--line:#ccd3df;--ground:#fff;--card:#f6f8fc;
color:var(--ink);background:var(--ground);font:15px/1.5 system-ui,sans-serif;padding:1rem;
box-sizing:border-box}
.gradients *{box-sizing:border-box}
.gradients h1,.gradients .first{font-size:1.25rem;line-height:1.35;font-weight:650;
margin:0 0 1rem;max-width:60rem;overflow-wrap:anywhere}
.gradients .both{display:grid;gap:1.5rem;align-items:start}
.gradients table{border-collapse:collapse;width:100%;text-align:left;color:inherit;
background:none;font-size:.94rem}
.gradients th,.gradients td{padding:.4rem .7rem .4rem 0;border:0;
border-bottom:1px solid var(--line);text-align:left;vertical-align:top;color:inherit;
background:none;overflow-wrap:anywhere;max-width:none;white-space:normal}
.gradients thead th{color:var(--quiet);font-weight:500;font-size:.85rem;white-space:nowrap}
.gradients tbody th{font-weight:600;min-width:4.5rem}
.gradients .number{font-variant-numeric:tabular-nums;color:var(--quiet);white-space:nowrap}
.gradients .badge{display:inline-block;border-radius:.3rem;padding:0 .5rem;color:#fff;
white-space:nowrap;font-size:.88rem}
.gradients .wrong{background:#c92a2a}.gradients .doubt{background:#8a5a01}
.gradients .right{background:#237a37}.gradients .quiet{background:#5f697d}
.gradients pre{background:var(--card);border:1px solid var(--line);border-radius:.4rem;
padding:.7rem;margin:0 0 1rem;overflow-x:auto;font:13px/1.6 ui-monospace,monospace;color:inherit}
.gradients del,.gradients ins{text-decoration:none;display:block}
.gradients del{background:#ffe3e3;color:#8f1d1d}.gradients ins{background:#dff5e4;color:#14532d}
.gradients p{margin:.6rem 0 0;max-width:60rem;overflow-wrap:anywhere}
.gradients summary{cursor:pointer;padding:.6rem 0}
.gradients figure{margin:0;overflow-x:auto;border:1px solid var(--line);border-radius:.4rem}
.gradients figure svg{display:block;margin:0 auto}
.gradients .both:not(.beside) figure svg{max-width:none!important}
@media(prefers-color-scheme:dark){.gradients{--ink:#e6eaf2;--quiet:#9aa5b8;--line:#3d4759;
--ground:#12161f;--card:#1a202c}.gradients del{background:#4a1d22;color:#ffc9c9}
.gradients ins{background:#173d22;color:#b2f2bb}}
.gradients .rows{container-type:inline-size}
@media(min-width:1000px){.gradients .both.beside{
grid-template-columns:minmax(20rem,2fr) minmax(0,3fr)}
.gradients .beside .rows{position:sticky;top:1rem;max-height:calc(100vh - 2rem);overflow-y:auto}}
@media(max-width:640px){.gradients{padding:.8rem}.gradients figure svg{max-width:none!important}}
@container (max-width:640px){.gradients thead{position:absolute;width:1px;height:1px;
overflow:hidden;clip-path:inset(50%)}.gradients table,.gradients tbody{display:block}
.gradients tbody tr{display:flex;flex-wrap:wrap;gap:.1rem .8rem;padding:.5rem 0;
border-bottom:1px solid var(--line)}.gradients tbody th,.gradients tbody td{border:0;padding:0;
min-width:0}.gradients td.said{flex-basis:100%}.gradients td.said:empty{display:none}
.gradients .number{font-size:.85rem}.gradients .number::before{content:attr(data-of) " "}}
"""


def page(headline: str, content: str) -> str:
    """A whole page, which needs nothing else."""
    title = escape(headline)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{title}</title>\n<style>body{{margin:0}}\n{STYLE}</style>\n</head>\n"
        f'<body class="gradients">\n<main>\n<h1>{title}</h1>\n{content}</main>\n'
        "</body>\n</html>\n"
    )


def fragment(headline: str, content: str) -> str:
    """The same inside a page, such as a notebook."""
    return (
        f'<div class="gradients"><style>{STYLE}</style>\n'
        f'<p class="first">{escape(headline)}</p>\n{content}</div>'
    )


def content(rows: Sequence[Row], ends: Sequence[str], fixes: Sequence[Fix], svg: str) -> str:
    """All but the first sentence; beside the table the graph, unless that is wide."""
    below = "".join(f"<p>{escape(end)}</p>\n" for end in ends)
    found = re.search(r'<svg [^>]*?\bwidth="([\d.]+)pt"', svg)
    beside = " beside" if found and float(found[1]) * 4 / 3 < WIDE else ""
    return (
        f'{edits(fixes)}<div class="both{beside}">\n'
        f'<div class="rows">\n{tables(rows)}{below}</div>\n{figure(svg)}</div>\n'
    )


def tables(rows: Sequence[Row]) -> str:
    """The table; a long one without the runs that ask for nothing, and all of it to unfold."""
    short = [(row, more) for row, more in shortened(rows)]
    if len(short) == len(rows):
        return table(rows)
    left = len(rows) - len(short)
    return (
        f"{table([row for row, _ in short])}<details><summary>{left} more, which are like the "
        f"one above them: all {len(rows)} rows</summary>\n{table(rows)}</details>\n"
    )


def table(rows: Sequence[Row]) -> str:
    """The rows, of which a narrow screen makes cards; the roles keep them a table there too."""
    head = "".join(f'<th role="columnheader" scope="col">{name}</th>' for name in COLUMNS)
    body = "".join(map(line, rows))
    return (
        '<table role="table"><caption hidden>The gradients by hand, tensor by tensor</caption>\n'
        f'<thead role="rowgroup"><tr role="row">{head}</tr></thead>\n'
        f'<tbody role="rowgroup">\n{body}</tbody></table>\n'
    )


def line(row: Row) -> str:
    """One row; a sign stands for the verdict besides the colour."""
    sign, tone = VERDICTS[row.verdict]
    numbers = zip(
        COLUMNS[3:], (str(row.shape), error(row.max_abs_err), error(row.rel_err)), strict=True
    )
    return (
        f'<tr role="row"><th role="rowheader" scope="row">{escape(row.name)}</th>'
        f'<td role="cell"><span class="badge {tone}">{sign} {row.verdict}</span></td>'
        f'<td role="cell" class="said">{escape(told(row))}</td>'
        + "".join(
            f'<td role="cell" class="number" data-of="{of}">{escape(said)}</td>'
            for of, said in numbers
        )
        + "</tr>\n"
    )


def edits(fixes: Sequence[Fix]) -> str:
    """The lines to change: as they are, marked, and as they should be, if they should be at all."""
    return "".join(
        f"<pre>{escape(fix.file)}, line {fix.line}\n<del>- {escape(fix.old)}</del>"
        f"<ins>+ {escape(fix.new) or '(without it)'}</ins>{fix.ways}</pre>\n"
        for fix in fixes
    )


def figure(svg: str) -> str:
    """The graph, without the prologue of a file; nothing for no graph."""
    if not svg:
        return ""
    label = "The graph of the loss, with the verdict on each gradient"
    svg = svg[svg.index("<svg ") :].replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
    return f'<figure tabindex="0" aria-label="{label}">{svg}</figure>\n'
