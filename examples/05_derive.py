"""Lesson 5, the derivation: the backward pass of a network, on paper and as NumPy source.

One batch goes through the network; `derive` reads the record and prints the gradients of every step
as a textbook derives them. The same steps, written as a NumPy function, are saved as `backprop.py`,
imported, compared with `backward()` and trained with: a network without the engine.
"""

import argparse
import importlib.util
from pathlib import Path

import numpy as np

from autograd_lite import Tensor, derive, manual_seed, nn
from autograd_lite.nn import datasets

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
parser.add_argument("--epochs", type=int, default=20, help="passes over the data (default: 20)")
parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: 0)")
args = parser.parse_args()
manual_seed(args.seed)


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(64, 100)
        self.fc2 = nn.Linear(100, 10)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())


digits = datasets.digits()
images = (digits.data / 16).astype("float32")
x, x_test, y, y_test = datasets.train_test_split(images, digits.target, test_fraction=0.25)
size = 32  # of a batch: the function holds for the shapes that were recorded

# 1. On paper.
model = Network()
loss = nn.functional.cross_entropy(model(Tensor(x[:size], name="x")), y[:size])
derivation = derive(loss, model)
print(derivation)

# 2. As a file of plain NumPy.
args.out.mkdir(parents=True, exist_ok=True)
path = args.out / "backprop.py"
path.write_text(derivation.source(), encoding="utf-8")
print(f"\nsaved {path}, {len(derivation.source().splitlines())} lines")
spec = importlib.util.spec_from_file_location("backprop", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)

# 3. The same gradients as backward().
parameters = {name: p.array.copy() for name, p in model.named_parameters()}
_, gradients = module.backprop(x[:size], y[:size], parameters)
loss.backward()
for name, p in model.named_parameters():
    np.testing.assert_allclose(gradients[name], p.grad.numpy(), rtol=1e-4, atol=1e-7)
print("its gradients agree with backward()\n")

# 4. Training with it.
rng = np.random.default_rng(args.seed)
for epoch in range(1, args.epochs + 1):
    order = rng.permutation(len(x))
    for start in range(0, len(x) - size + 1, size):
        batch = order[start : start + size]
        value, gradients = module.backprop(x[batch], y[batch], parameters)
        for name, g in gradients.items():
            parameters[name] -= 0.5 * g
    if epoch % 5 == 0:
        print(f"epoch {epoch:3}  loss of the last batch {value:.4f}")

hidden = np.maximum(x_test @ parameters["fc1.weight"].T + parameters["fc1.bias"], 0)
scores = hidden @ parameters["fc2.weight"].T + parameters["fc2.bias"]
print(f"held-out accuracy {(scores.argmax(axis=1) == y_test).mean():.3f} on {len(y_test)} images")
