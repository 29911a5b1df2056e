"""`python -m autograd_lite doctor`: what is installed here, and what would make it better."""

import sys

from .doctor import report

if sys.argv[1:] not in ([], ["doctor"]):
    sys.exit(f"unknown command {' '.join(sys.argv[1:])!r}; use: python -m autograd_lite doctor")
print("\n".join(report()))
