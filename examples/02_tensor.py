"""Lesson 2, tensors: broadcasting forward is summing backward, and the graph shows it.

`x` has 4 rows and `b` one: adding them uses `b` once per row, so its gradient is a sum over rows.
The graph of the computation, with every formula that ran, is printed and saved as a picture.
"""

import argparse
from pathlib import Path

import numpy as np

from autograd_lite import tanh, tensor
from autograd_lite.graph import draw

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
out = parser.parse_args().out

rng = np.random.default_rng(0)
x = tensor(rng.normal(size=(4, 3)), name="x")
w = tensor(rng.normal(size=(2, 3)), requires_grad=True, name="w")
b = tensor(rng.normal(size=2), requires_grad=True, name="b")

y = tanh(x @ w.T + b)  # (4, 3) @ (3, 2) + (2,) -> (4, 2)
loss = (y * y).mean()
loss.name = "loss"
loss.backward(retain_graph=True)  # keeps the record, which draw reads

# the same in plain NumPy, from the loss back
X, Y = x.numpy(), y.detach().numpy()
dY = 2 * Y / Y.size  # (4, 2)
dZ = dY * (1 - Y * Y)  # (4, 2)
np.testing.assert_allclose(b.grad.numpy(), dZ.sum(axis=0))
np.testing.assert_allclose(w.grad.numpy(), dZ.T @ X)
print("w.grad and b.grad agree with the formulas by hand\n")

graph = draw(loss)
print(graph)
out.mkdir(parents=True, exist_ok=True)
print("\nsaved", graph.save(out / "02_tensor.svg"))
