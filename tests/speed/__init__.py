"""Benchmarks: `python -m tests.speed` prints the tables of the README. They are not tests.

Absolute times are noise on a shared machine. Every number is a ratio within one run: the candidates
take turns, each time is the best of many, and every size runs in a process of its own with the
number of BLAS threads set before NumPy starts.
"""
