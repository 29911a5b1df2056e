"""Train a network on handwritten digits, then check its gradients against formulas by hand.

1,797 images of 8 x 8 pixels ship with the package. After training, one batch goes through the
network again: the gradients of `backward()` are compared with the ones written out below in plain
NumPy, and the computation graph, with every formula and gradient, is saved as a picture.
"""

import argparse
from pathlib import Path

import numpy as np

from autograd_lite import Tensor, manual_seed, nn
from autograd_lite.comparison import compare
from autograd_lite.graph import draw
from autograd_lite.nn import datasets, train

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
parser.add_argument("--epochs", type=int, default=30, help="passes over the data (default: 30)")
parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: 0)")
args = parser.parse_args()
manual_seed(args.seed)

# 1. Train, and measure on images that the network has never seen.
digits = datasets.digits()
images = (digits.data / 16).astype("float32")
x, x_test, y, y_test = datasets.train_test_split(images, digits.target, test_fraction=0.25)

model = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
loss_fn = nn.CrossEntropyLoss()
optimizer = nn.optim.Adam(model.parameters(), lr=0.005)
loader = nn.data.DataLoader(nn.data.TensorDataset(x, y), batch_size=64, shuffle=True)
history = train.fit(model, loss_fn, optimizer, loader, args.epochs, metrics="accuracy")

print(model)
print(f"loss {history['loss'][0]:.3f} -> {history['loss'][-1]:.3f} in {len(history)} epochs")
held_out = train.evaluate(model, loss_fn, [(x_test, y_test)], metrics="accuracy")
print(f"held-out accuracy {held_out['accuracy']:.3f} on {len(y_test)} images\n")

# 2. The gradients of one batch by hand, in plain NumPy.
X, t = x[:32], y[:32]
n = len(X)
W1, b1, W2, b2 = (p.array for p in model.parameters())

Z1 = X @ W1.T + b1  # (n, 100)
H = np.maximum(Z1, 0)  # (n, 100)
Z2 = H @ W2.T + b2  # (n, 10)
P = np.exp(Z2 - Z2.max(axis=1, keepdims=True))
P /= P.sum(axis=1, keepdims=True)  # softmax

dZ2 = (P - np.eye(10, dtype=P.dtype)[t]) / n  # softmax and cross-entropy together
dW2 = dZ2.T @ H
db2 = dZ2.sum(axis=0)
dH = dZ2 @ W2
dZ1 = dH * (Z1 > 0)
dW1 = dZ1.T @ X
db1 = dZ1.sum(axis=0)

loss = loss_fn(model(Tensor(X)), t)
by_hand = {"0.weight": dW1, "0.bias": db1, "2.weight": dW2, "2.bias": db2}
report = compare(loss, by_hand, model=model)
print(report)

# 3. What a mistake looks like: the derivative of the ReLU left out.
wrong = {"0.weight": dH.T @ X, "0.bias": dH.sum(axis=0), "2.weight": dW2, "2.bias": db2}
print("\nThe same without the ReLU's derivative:")
print(compare(loss, wrong, model=model))

# 4. The picture.
args.out.mkdir(parents=True, exist_ok=True)
graph = draw(loss, model=model, theme="auto")  # dark where the reader's system is
print("\nsaved", graph.save(args.out / "quickstart.svg"))
raise SystemExit(not report.ok)
