"""Backpropagation through a network with one hidden layer and cross-entropy."""

import numpy as np

from autograd_lite.grading import Assignment, Question

SAMPLES, INPUTS, UNITS, CLASSES = 7, 3, 5, 4


def forward(x, t, W1, b1, W2, b2):
    """The loss; names say what can be asked for."""
    z1 = x @ W1 + b1  # (samples, units)
    z1.name = "z1"
    h = z1.tanh()
    h.name = "h"
    z2 = h @ W2 + b2  # (samples, classes)
    z2.name = "z2"
    return -(t * z2.log_softmax(axis=1)).sum() / len(x)


def one_hot(rng):
    """A class for each sample."""
    return np.eye(CLASSES)[rng.integers(0, CLASSES, SAMPLES)]


assignment = Assignment(
    title="A network by hand",
    file="net.py",
    function="gradients",
    forward=forward,
    shapes={
        "x": (SAMPLES, INPUTS),
        "t": one_hot,
        "W1": (INPUTS, UNITS),
        "b1": (UNITS,),
        "W2": (UNITS, CLASSES),
        "b2": (CLASSES,),
    },
    questions=[
        Question("softmax and cross-entropy", points=3, tensors=("z2",)),
        Question("the output layer", points=3, tensors=("W2", "b2", "h")),
        Question("the tanh", points=2, tensors=("z1",)),
        Question("the hidden layer", points=2, tensors=("W1", "b1")),
    ],
    named={"transposed": 0.5},
)
