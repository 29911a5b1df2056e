"""Code that others wrote, run in a process of its own: `process.pasted` starts it.

The process imports this folder as the package `sandbox`, without autograd_lite, so that it holds
nothing of what its answers are compared with.
"""
