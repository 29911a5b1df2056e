"""Lesson 4, graphs: what was computed, which way the gradient flows, and whether a formula is right.

Five pictures: a neuron of numbers; the network 784-64-10 with its cross-entropy; sixteen layers
whose gradients vanish with sigmoid, and not with ReLU; and a gradient by hand that is wrong.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np

from autograd_lite import Tensor, manual_seed, nn, tensor
from autograd_lite.graph import draw
from autograd_lite.nn import datasets

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
parser.add_argument("--format", choices=("svg", "png", "gv", "mmd", "txt"), default="svg")
parser.add_argument("--theme", choices=("auto", "light", "dark"), default="auto")
args = parser.parse_args()
manual_seed(0)


def save(name, what, **options):
    graph = draw(what, theme=args.theme, **options)
    print("saved", graph.save(args.out / f"04_{name}.{args.format}"))
    return graph


args.out.mkdir(parents=True, exist_ok=True)

# 1. A neuron of numbers: every card has its value and its gradient.
x1, x2 = tensor(2.0, name="x1", requires_grad=True), tensor(0.0, name="x2", requires_grad=True)
w1, w2 = tensor(-3.0, name="w1", requires_grad=True), tensor(1.0, name="w2", requires_grad=True)
b = tensor(6.88, name="b", requires_grad=True)
n = x1 * w1 + x2 * w2 + b
n.name = "n"
print(save("scalar", n.tanh()), "\n")

# 2. A network for images of 28 x 28 pixels: here digits of 8 x 8, enlarged and framed.
digits = datasets.digits()
small = digits.data[:32].reshape(-1, 8, 8) / 16
images = np.pad(np.kron(small, np.ones((3, 3))), ((0, 0), (2, 2), (2, 2))).astype("float32")
x = Tensor(images.reshape(-1, 784), name="x")
t = digits.target[:32]
model = nn.Sequential(nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))
loss_fn = nn.CrossEntropyLoss()
loss = loss_fn(model(x), t)
save("network", loss)

# 3. Sixteen layers, each on one card: every sigmoid takes two thirds of the gradient.
for activation in (nn.Sigmoid, nn.ReLU):
    sizes = [784] + 16 * [64]
    pairs = itertools.pairwise(sizes)
    deep = nn.Sequential(*(nn.Sequential(nn.Linear(n, m), activation()) for n, m in pairs))
    deep.add_module("out", nn.Linear(64, 10))
    for layer in deep[:-1]:
        nn.init.kaiming_uniform_(layer[0].weight, nonlinearity="relu")
    deep_loss = loss_fn(deep(x), t)
    name = activation.__name__.lower()
    save(f"deep_{name}", deep_loss, depth=0, collapse=False)
    deep_loss.backward()
    first, last = (np.linalg.norm(w.grad.numpy()) for w in (deep[0][0].weight, deep.out.weight))
    print(f"{name}: gradient norm {first:.1e} in the first layer, {last:.1e} in the last\n")

# 4. A mistake: the derivative of the ReLU is left out.
X, (W1, b1, W2, b2) = x.numpy(), (p.detach().numpy() for p in model.parameters())
H = np.maximum(X @ W1.T + b1, 0)  # (32, 64)
Z = H @ W2.T + b2  # (32, 10)
P = np.exp(Z - Z.max(axis=1, keepdims=True))
P /= P.sum(axis=1, keepdims=True)
dZ = (P - np.eye(10, dtype="float32")[t]) / len(X)
dH = dZ @ W2  # (32, 64); what is missing: dH * (H > 0)
by_hand = {
    "0.weight": dH.T @ X,
    "0.bias": dH.sum(axis=0),
    "2.weight": dZ.T @ H,
    "2.bias": dZ.sum(axis=0),
}
wrong = save("wrong", loss, compare=by_hand)
print([f"{card.title}: {card.verdict}" for card in wrong.drawing.nodes if card.verdict])
