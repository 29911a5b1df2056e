"""`python -m autograd_lite doctor` says what is installed here, and what would make it better;
`python -m autograd_lite grade` grades homework; `python -m autograd_lite playground` opens a page
on which nets are trained, seen and compared.
"""

import os
import sys

COMMANDS = ("doctor", "grade", "playground")


def main(arguments: list[str]) -> int:
    """Run a command; its exit code."""
    command, *rest = arguments or ["doctor"]
    if command in ("-h", "--help", "help"):
        print(__doc__)
        return 0
    if command == "grade":
        from .grading.command import main as grade

        return grade(rest)
    if command == "playground":
        from .playground.command import main as playground

        return playground(rest)
    if command != "doctor" or rest:
        known = " or ".join(f"python -m autograd_lite {name}" for name in COMMANDS)
        sys.exit(f"unknown command {' '.join(arguments)!r}; use: {known}")
    from .doctor import report

    print("\n".join(report()), flush=True)
    return 0


try:
    code = main(sys.argv[1:])
except BrokenPipeError:  # the reader, as `head`, has enough; what is left goes nowhere
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    code = 0
sys.exit(code)
