"""Lesson 1, the gradient of a formula: y = x*x + 3*x, so dy/dx = 2*x + 3.

Every operation on `x` is recorded; `y.backward()` walks the record from `y` back to `x` and leaves
the derivative in `x.grad`. A finite difference, which knows nothing of rules, is the witness.
"""

import argparse
from math import isclose

from autograd_lite import tensor

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--x", type=float, default=2.0, help="where to differentiate (default: 2)")
at = parser.parse_args().x


def f(x):
    return x * x + 3 * x


x = tensor(at, dtype="float64", requires_grad=True)
y = f(x)
y.backward()
gradient = x.grad.item()

h = 1e-6
difference = (f(at + h) - f(at - h)) / (2 * h)  # the same f on plain numbers

print(f"x = {at:g}: y = x*x + 3*x = {y.item():g}")
print(f"dy/dx  by backward()       {gradient:.6f}")
print(f"       by hand, 2*x + 3    {2 * at + 3:.6f}")
print(f"       finite difference   {difference:.6f}")
assert isclose(gradient, 2 * at + 3, abs_tol=1e-12)
assert isclose(gradient, difference, rel_tol=1e-6, abs_tol=1e-6)
