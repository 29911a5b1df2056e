"""Lesson 3, learning: a network, a loss, an optimiser and the loop that uses gradients.

Four measurements of an iris flower tell its species. The loop is the one PyTorch users write: zero
the gradients, compute the loss, go backward, take a step. What counts is accuracy on flowers that
the network has never seen.
"""

import argparse

from autograd_lite import Tensor, manual_seed, nn, no_grad
from autograd_lite.nn import datasets

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--epochs", type=int, default=100, help="passes over the data (default: 100)")
parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: 0)")
args = parser.parse_args()
manual_seed(args.seed)

iris = datasets.iris()
x, x_test, y, y_test = datasets.train_test_split(iris.data, iris.target, test_fraction=0.3)
mean, std = x.mean(axis=0), x.std(axis=0)  # of the training part only
x, x_test = (((part - mean) / std).astype("float32") for part in (x, x_test))

model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
loss_fn = nn.CrossEntropyLoss()
optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
batches = nn.data.DataLoader(nn.data.TensorDataset(x, y), batch_size=16, shuffle=True)

for epoch in range(1, args.epochs + 1):
    total = 0.0
    for xb, yb in batches:
        optimizer.zero_grad()
        loss = loss_fn(model(xb), yb)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(xb)
    if epoch % 20 == 0:
        print(f"epoch {epoch:3}  loss {total / len(x):.4f}")

with no_grad():
    predicted = model(Tensor(x_test)).argmax(dim=1).numpy()
print(f"held-out accuracy {(predicted == y_test).mean():.3f} on {len(y_test)} flowers")
