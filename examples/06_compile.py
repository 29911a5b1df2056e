"""Lesson 6, compile: the training loop as it is, and on code that was generated for it.

The digits network is trained three times from the same weights: with the function of its loss as it
is, with that function compiled, and with the optimiser's step in the compiled code too. The losses
stay the same, the time does not. The last function reads the value of a tensor, which generated
code cannot follow: it runs as it is, and a warning names the line.
"""

import argparse
import time
import warnings

import numpy as np

from autograd_lite import Tensor, compile, manual_seed, nn, no_grad
from autograd_lite.nn import datasets

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--epochs", type=int, default=20, help="passes over the data (default: 20)")
parser.add_argument("--seed", type=int, default=0, help="of weights and batches (default: 0)")
parser.add_argument("--source", action="store_true", help="print the generated code")
args = parser.parse_args()

digits = datasets.digits()
images = (digits.data / 16).astype("float32")
x, x_test, y, y_test = datasets.train_test_split(images, digits.target, test_fraction=0.25)
loss_fn = nn.CrossEntropyLoss()


def start():
    """A model, its optimiser, and the function that computes the loss of a batch."""
    manual_seed(args.seed)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def loss_of(xb, yb):
        return loss_fn(model(xb), yb)

    return model, nn.optim.SGD(model.parameters(), lr=0.5), loss_of


def batches(epoch):
    order = np.random.default_rng(args.seed + epoch).permutation(len(x))
    for k in range(0, len(x), 32):  # the last batch is short: another shape, other code
        yield Tensor(x[order[k : k + 32]]), Tensor(y[order[k : k + 32]])


def usual(function, optimizer):
    """The step of the loop that everyone writes."""

    def step(xb, yb):
        loss = function(xb, yb)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def train(name, model, step):
    """Train, print what came of it, and return the seconds of the fastest epoch."""
    fastest = float("inf")
    for epoch in range(args.epochs):
        begin = time.perf_counter()
        for xb, yb in batches(epoch):
            step(xb, yb)
        fastest = min(fastest, time.perf_counter() - begin)
    with no_grad():
        loss = loss_fn(model(Tensor(x)), Tensor(y)).item()
        accuracy = (model(Tensor(x_test)).argmax(dim=1).numpy() == y_test).mean()
    print(f"{name:20}loss {loss:.6f}, held-out accuracy {accuracy:.3f}")
    return fastest


# 1. The usual loop, on the function itself and on what compile makes of it.
model, optimizer, loss_of = start()
before = train("as it is", model, usual(loss_of, optimizer))

model, optimizer, loss_of = start()
compiled = compile(loss_of)
after = train("compiled", model, usual(compiled, optimizer))

# 2. Forward, backward and update in one call.
model, optimizer, loss_of = start()
inside = train("with the optimiser", model, compile(loss_of, optimizer=optimizer))

if args.epochs:
    print(f"compiled {before / after:.2f} times as fast", end=", ")
    print(f"with the optimiser {before / inside:.2f} times as fast")
    print(f"{compiled!r}, for the batch of 32 and for the short one")
if args.source:
    print(compiled.sources[0])


# 3. What cannot be followed.
def doubled_while_large(xb, yb):
    loss = loss_of(xb, yb)
    if loss.item() > 1:  # generated code would take the branch of the first batch for ever
        loss = loss * 2
    return loss


step = compile(doubled_while_large)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    calls = len([step(xb, yb) for xb, yb in batches(0)])
print(f"{len(caught)} warning in {calls} calls: {caught[0].message}")
