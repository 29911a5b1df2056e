"""Every picture of the documentation's gallery: `python -m examples.gallery out/gallery` makes them.

A picture is a function without arguments that gives a graph; its docstring is what is to be seen.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from autograd_lite import Graph, draw, grad, manual_seed, nn, randn, tensor
from autograd_lite import functions as F

PICTURES: dict[str, Callable[[], Graph]] = {}
FILMS = ("neuron", "network")  # pages that step forward and backward


def picture(function: Callable[[], Graph]) -> Callable[[], Graph]:
    PICTURES[function.__name__] = function
    return function


@picture
def neuron() -> Graph:
    """A neuron of numbers: every card has its value, its formulas and its gradient."""
    x1, x2 = tensor(2.0, name="x1"), tensor(0.0, name="x2")
    w1, w2 = (tensor(v, requires_grad=True, name=n) for v, n in ((-3.0, "w1"), (1.0, "w2")))
    b = tensor(6.88, requires_grad=True, name="b")
    return draw((x1 * w1 + x2 * w2 + b).tanh())


@picture
def network() -> Graph:
    """A layer on a slide: 2-3-1 on four samples, with the loss; frames are the modules."""
    x = tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], name="x")
    t = tensor([[0.0], [1.0], [1.0], [0.0]], name="t")
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    return draw(nn.functional.mse_loss(model(x), t))


@picture
def mistake() -> Graph:
    """A gradient by hand that is wrong, at the operation where the mistake was made."""
    x, t = randn(8, 3), randn(8, 1)
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    loss = nn.functional.mse_loss(model(x), t)
    X, T = x.numpy(), t.numpy()
    W1, b1, W2, b2 = (p.detach().numpy() for p in model.parameters())
    H = np.tanh(X @ W1.T + b1)
    dY = 2 * (H @ W2.T + b2 - T) / len(T)
    dZ = dY @ W2 * (1 - H)  # what is missing: the square of H
    by_hand = {"0.weight": dZ.T @ X, "0.bias": dZ.sum(axis=0), "2.weight": dY.T @ H}
    return draw(loss, compare=by_hand)


@picture
def vanishing() -> Graph:
    """Eight layers, a card for each: every sigmoid takes most of the gradient, and edges get pale."""
    layers = [nn.Sequential(nn.Linear(16, 16), nn.Sigmoid()) for _ in range(8)]
    return draw(nn.Sequential(*layers), randn(4, 16), depth=0, collapse=False)


@picture
def window() -> Graph:
    """A convolution: the window over the image, the kernel, the element that they give."""
    x = tensor(np.arange(16.0).reshape(1, 1, 4, 4).astype("float32"), name="x")
    return draw(nn.Conv2d(1, 1, 2), x)


@picture
def folded() -> Graph:
    """A network for images, a card for each layer with the formula of a textbook."""
    layers = nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()
    return draw(nn.Sequential(*layers, nn.Linear(96, 10)), randn(4, 1, 8, 8), depth=0)


@picture
def second() -> Graph:
    """The graph of a derivative: d/dx of x sin x, which is recorded as any other result."""
    x = tensor(1.5, requires_grad=True, name="x")
    (slope,) = grad([x * F.sin(x)], [x], create_graph=True)
    return draw(slope)


@picture
def backward() -> Graph:
    """The way of the gradient alone, from the loss to the parameters, without formulas."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    loss = nn.functional.cross_entropy(model(randn(6, 4)), tensor([0, 1, 2, 0, 1, 2]))
    return draw(loss, view="backward", formulas=False)


def made(name: str) -> Graph:
    """One of the pictures, the same every time, as light or dark as its reader's system."""
    manual_seed(0)
    return replace(PICTURES[name](), theme="auto")


def main() -> None:
    parser = argparse.ArgumentParser(description="make every picture of the gallery")
    parser.add_argument("out", type=Path, help="folder to write to")
    folder = parser.parse_args().out
    folder.mkdir(parents=True, exist_ok=True)
    for name in PICTURES:
        print("saved", made(name).save(folder / f"{name}.svg"))
    for name in FILMS:
        print("saved", made(name).save(folder / f"{name}.html"))


if __name__ == "__main__":
    main()
