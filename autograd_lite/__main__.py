"""`python -m autograd_lite doctor`: what is installed here, and what would make it better."""

import os
import sys

from .doctor import report

if sys.argv[1:] not in ([], ["doctor"]):
    sys.exit(f"unknown command {' '.join(sys.argv[1:])!r}; use: python -m autograd_lite doctor")
try:
    print("\n".join(report()), flush=True)
except BrokenPipeError:  # the reader, as `head`, has enough; what is left goes nowhere
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
