"""The solution: the backward passes of two layers by hand. Each gets the gradient g of the layer's
output and the layer's inputs, and returns the gradient of each input, in its shape.
"""

import numpy as np

EPSILON = 1e-5


def batchnorm(x, gamma, beta):  # (batch, features), (features,), (features,)
    mean = x.mean(axis=0)
    variance = ((x - mean) ** 2).mean(axis=0)
    return gamma * (x - mean) / np.sqrt(variance + EPSILON) + beta


def batchnorm_backward(g, x, gamma, beta):  # g (batch, features)
    deviation = np.sqrt(((x - x.mean(axis=0)) ** 2).mean(axis=0) + EPSILON)
    z = (x - x.mean(axis=0)) / deviation
    dgamma = (g * z).sum(axis=0)
    dbeta = g.sum(axis=0)
    dz = g * gamma
    # through the mean and the variance, which every sample is a part of
    dx = (dz - dz.mean(axis=0) - z * (dz * z).mean(axis=0)) / deviation
    return dx, dgamma, dbeta


def convolution(x, w, b):  # (batch, channels, time), (filters, channels, width), (filters,)
    width = w.shape[2]
    steps = x.shape[2] - width + 1
    y = np.zeros((len(x), len(w), steps)) + b[:, None]
    for k in range(width):
        y += w[:, :, k] @ x[:, :, k : k + steps]
    return y


def convolution_backward(g, x, w, b):  # g (batch, filters, steps)
    width = w.shape[2]
    steps = x.shape[2] - width + 1
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    for k in range(width):
        seen = x[:, :, k : k + steps]  # what the weights at k were multiplied with
        dw[:, :, k] = np.einsum("nfi,nci->fc", g, seen)
        dx[:, :, k : k + steps] += np.einsum("nfi,fc->nci", g, w[:, :, k])
    db = g.sum(axis=(0, 2))
    return dx, dw, db
