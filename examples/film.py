"""A film of one training step: every operation forward, then every gradient backward.

Open the page that is written in any browser, without a network, and press the right arrow. A
network of 3 inputs, 4 hidden units and 2 classes is small enough to show every number; the same
works for one that is not.
"""

import argparse
from pathlib import Path

import numpy as np

from autograd_lite import manual_seed, nn, record_lines, tensor
from autograd_lite.graph import draw

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
parser.add_argument("--seed", type=int, default=0, help="of the weights and the data")
arguments = parser.parse_args()

manual_seed(arguments.seed)
rng = np.random.default_rng(arguments.seed)
x = tensor(rng.normal(size=(5, 3)), name="x")
target = tensor(rng.integers(2, size=5), name="target")

model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
optimizer = nn.optim.SGD(model.parameters(), lr=0.5)

with record_lines():  # keeps, for every operation, the line that called it
    scores = model(x)
    loss = nn.functional.cross_entropy(scores, target)

arguments.out.mkdir(parents=True, exist_ok=True)
film = draw(loss, model=model).save(arguments.out / "film.html")  # before the weights change

loss.backward()
optimizer.step()
after = nn.functional.cross_entropy(model(x), target)
print(f"loss {loss.item():.4f}, after the step {after.item():.4f}")
for name, p in model.named_parameters():
    print(f"{name:10} gradient norm {np.linalg.norm(p.grad.numpy()):.4f}")
print("saved", film)
