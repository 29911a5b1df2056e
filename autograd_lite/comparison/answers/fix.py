"""A line of a learner's code, and what would make its gradients right."""

from __future__ import annotations

from dataclasses import dataclass


def visible(text: str) -> str:
    r"""A text for a terminal: what would command that, or turn the direction, is written out.

    >>> visible("red \x1b[31m, and more" + chr(10) + "lines")
    'red \\x1b[31m, and more\nlines'
    """
    return "".join(c if c.isprintable() or c in "\n\t" else ascii(c)[1:-1] for c in text)


@dataclass(frozen=True)
class Fix:
    """One edit that makes the gradients right: `line` counts from the top of the file or cell.

    `old` is what stands there, `new` the same with the edit, "" where it is to be left out; `more`
    counts the other ways to write that, as len(x) for n; `mistake` says what the edit mends, and
    `leaves` names the gradients that stay wrong.

    >>> print(Fix("net.py", 12, "d = W.T @ d", "d = W.T @ d * a * (1 - a)"))
    line 12:  d = W.T @ d
          ->  d = W.T @ d * a * (1 - a)
    """

    file: str
    line: int
    old: str
    new: str
    more: int = 0
    mistake: str = ""
    leaves: tuple[str, ...] = ()

    def __str__(self) -> str:
        head = f"line {self.line}:  "
        new = self.new or "(without it)"
        rows = [*zip([head], self.old.split("\n")[:1], strict=True)]
        rows += [("", row) for row in self.old.split("\n")[1:]]
        rows += [("->  ", row) for row in new.split("\n")[:1]]
        rows += [("", row) for row in new.split("\n")[1:]]
        rows += [("", f"({self.ways})")] * bool(self.more)
        text = "\n".join(start.rjust(len(head)) + row for start, row in rows)
        return visible(text).encode("ascii", "backslashreplace").decode()

    @property
    def ways(self) -> str:
        """How many other ways there are to write it.

        >>> Fix("net.py", 12, "dw = d @ x", "dw = d @ x / m", more=3).ways
        'or 3 more ways to write it'
        """
        return f"or {self.more} more way{'s' * (self.more > 1)} to write it" if self.more else ""
