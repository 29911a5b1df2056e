"""Homework: the backward passes of two layers by hand. Each gets the gradient g of the layer's
output and the layer's inputs, and returns the gradient of each input, in its shape.
"""

import numpy as np

EPSILON = 1e-5


def batchnorm(x, gamma, beta):  # (batch, features), (features,), (features,)
    mean = x.mean(axis=0)
    variance = ((x - mean) ** 2).mean(axis=0)
    return gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta


def batchnorm_backward(g, x, gamma, beta):  # g (batch, features)
    raise NotImplementedError("your turn")
    return dx, dgamma, dbeta


def convolution(x, w, b):  # (batch, channels, time), (filters, channels, width), (filters,)
    width = w.shape[2]
    steps = x.shape[2] - width + 1
    y = np.zeros((len(x), len(w), steps)) + b[:, None]
    for k in range(width):
        y += w[:, :, k] @ x[:, :, k : k + steps]
    return y


def convolution_backward(g, x, w, b):  # g (batch, filters, steps)
    raise NotImplementedError("your turn")
    return dx, dw, db
