"""A page to play with, on this machine alone: `python -m autograd_lite playground`."""
