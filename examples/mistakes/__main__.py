"""Show the gallery: the list, one mistake with its report, or pages of all."""

from __future__ import annotations

import argparse
import sys
import textwrap
from pathlib import Path

from . import classes, coursera, cs231n, lists, scripts, sequences  # noqa: F401  (they enter theirs)
from .gallery import MISTAKES, Mistake, by_convention, index, page


def listing() -> str:
    """The names with their titles, by convention."""
    longest = max(map(len, MISTAKES))
    parts = [
        f"{convention}\n"
        + "\n".join(
            textwrap.fill(
                f"  {e.slug.ljust(longest)}  {e.title}", 100, subsequent_indent=" " * (longest + 4)
            )
            for e in entries
        )
        for convention, entries in by_convention().items()
    ]
    return "\n\n".join(parts)


def shown(entry: Mistake) -> str:
    """One mistake as a text for a terminal."""
    code, call = entry.statements
    _, what, why = (textwrap.fill(part, 100) for part in entry.story)
    code = textwrap.indent(f"{code}\n\n{call}", "    ")
    return f"{entry.title}\n\n{what}\n\n{code}\n\n{why}\n\n{entry.report}"


def write_pages(folder: Path) -> None:
    """A page for each mistake, and the index."""
    folder.mkdir(parents=True, exist_ok=True)
    for slug, entry in MISTAKES.items():
        (folder / f"{slug}.md").write_text(page(entry), encoding="utf-8")
    (folder / "index.md").write_text(index(), encoding="utf-8")


def main(arguments: list[str] | None = None) -> int:
    """0, or 2 for options that make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.mistakes",
        description="Mistakes in backprop by hand, each found and named by the comparison.",
    )
    parser.add_argument("name", nargs="?", help="the mistake to show; without it, their names")
    parser.add_argument("--pages", metavar="DIR", type=Path, help="write a page for each mistake")
    options = parser.parse_args(arguments)
    if options.pages is not None:
        try:
            write_pages(options.pages)
        except OSError as error:
            parser.error(f"--pages {options.pages}: {error.strerror}")
        print(f"{len(MISTAKES)} pages and index.md in {options.pages}")
    elif options.name is None:
        print(listing())
    elif options.name in MISTAKES:
        print(shown(MISTAKES[options.name]))
    else:
        parser.error(
            f"there is no mistake called {options.name!r}; there are {', '.join(MISTAKES)}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
