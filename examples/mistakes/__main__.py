"""Run the gallery: each mistake, what the check said, and whether that is its name."""

from __future__ import annotations

import argparse
import sys

from . import s0, s1, s2, s3, s4, wild  # noqa: F401  (they enter their cases)
from .gallery import CASES, Case


def chosen(only: str) -> list[Case]:
    """The cases of one source, such as "s2", or the one of that title."""
    return [case for title, case in CASES.items() if only in ("", title, title.split(".")[0])]


def show(case: Case) -> bool:
    """Print a case; whether the mistake got its name."""
    finding = case.check(False)
    found = case.found(finding)
    says = f"{finding.name or 'no name'} at {finding.at or 'no tensor'}"
    print(f"--- {case.title}\n{case.story}\n\n{finding.text}\n")
    print(f"expected {case.name} at {case.at}; found {says}: {'yes' if found else 'NO'}\n")
    return found


def main(arguments: list[str] | None = None) -> int:
    """0 if every mistake got its name, 1 if not, 2 for options that make no sense."""
    parser = argparse.ArgumentParser(
        prog="python -m examples.mistakes",
        description="Mistakes in backprop by hand, each found and named by the comparison.",
    )
    parser.add_argument("--list", action="store_true", help="the cases and the names they get")
    parser.add_argument("--only", metavar="NAME", default="", help="one source or one case")
    options = parser.parse_args(arguments)
    cases = chosen(options.only)
    if not cases:
        parser.error(f"--only is {options.only!r}; there are {', '.join(CASES)}")
    if options.list:
        longest = max(len(case.title) for case in cases)
        for case in cases:
            print(f"{case.title.ljust(longest)}  {case.name} at {case.at}")
        return 0
    found = [show(case) for case in cases]
    print(f"{sum(found)} of {len(found)} mistakes got their name.")
    return 0 if all(found) else 1


if __name__ == "__main__":
    sys.exit(main())
