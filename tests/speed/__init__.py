"""Benchmarks: `python -m tests.speed` prints the tables of docs/speed.md. They are not tests.

Absolute times are noise on a shared machine. Every number is a ratio within one run: the candidates
compute the same losses first, then take turns, and the least time of each counts. Every row is a
process of its own, with the number of threads and the BLAS kernels set before NumPy starts.
"""
