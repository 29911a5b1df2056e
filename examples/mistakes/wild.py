"""Three mistakes of published engines and of a reference implementation."""

from __future__ import annotations

import numpy as np

from autograd_lite import log_softmax, softmax, tensor

from .gallery import Handed, draws, leaf, mistake, named


@mistake("softmax-twice", at="z")
def jacobian_after_the_shortcut(right: bool) -> Handed:
    """The Jacobian of softmax is applied to p - y, which contains it already.

    Written: dz = (diag(p) - p p^T) (p - y), in a published engine's cross-entropy.
    Right:   dz = p - y.
    Why:     p - y is known as the gradient of cross-entropy and gets handed to the layer below,
             which is a softmax layer with a backward of its own. Both halves are right alone. The
             product points the right way, only it is short, most of all where the net is sure.
    """
    (z,) = draws((5, 3))
    y = np.eye(3)[[0, 2, 1, 1, 0]]
    logits = leaf("z", z)
    loss = -(tensor(y) * log_softmax(logits)).sum() / len(z)
    p = softmax(logits).detach().numpy()
    dz = (p - y) / len(z)
    if not right:
        dz = p * (dz - (dz * p).sum(axis=1, keepdims=True))
    return loss, {"z": dz}, None


@mistake("gather-overwritten", at="E")
def last_use_of_a_row(right: bool) -> Handed:
    """The gradient of a row that was looked up twice is that of its last use.

    Written: dE[rows] += g, in seven published engines.
    Right:   np.add.at(dE, rows, g): every use adds its part.
    Why:     += looks like adding up, but NumPy adds to a copy of the rows and writes that back, so
             that of two equal indices one wins. A test with different indices sees no difference.
    """
    table, target = draws((4, 2), (5, 2))
    rows = np.array([3, 0, 3, 1, 3])
    looked_up = named("rows", leaf("E", table)[rows])  # (5, 2)
    loss = ((looked_up - tensor(target)) ** 2).sum()
    g = 2 * (table[rows] - target)
    d_table = np.zeros_like(table)
    if right:
        np.add.at(d_table, rows, g)
    else:
        d_table[rows] += g
    return loss, {"rows": g, "E": d_table}, None


@mistake("broadcast-not-undone", at="G")
def channel_mean_not_summed(right: bool) -> Handed:
    """Global response normalisation: the way through the channel mean is not summed over channels.

    Forward: G = the norm of x over height and width, N = G / (mean of G over the channels + eps),
             y = gamma * x * N + beta + x (ConvNeXt V2).
    Written: dG = dN / m - dN G / (C m^2), with m = mean + eps.
    Right:   dG = dN / m - sum over the channels of (dN G) / (C m^2).
    Why:     m has one number per image and is broadcast to all channels, without a trace in the
             code. dx also has a direct part, which is right: here the whole is 8 % off, and a loose
             tolerance lets that pass.
    """
    n, height, width, channels, eps = 2, 3, 4, 5, 1e-6
    image = (n, height, width, channels)
    x, gamma, beta, c = draws(image, (channels,), (channels,), image)
    inputs, scale, shift = leaf("x", x), leaf("gamma", gamma), leaf("beta", beta)
    norm = named("G", (inputs**2).sum(dim=(1, 2), keepdim=True).sqrt())  # (n, 1, 1, channels)
    m = norm.mean(dim=-1, keepdim=True) + eps  # (n, 1, 1, 1)
    response = named("N", norm / m)
    y = named("y", scale * (inputs * response) + shift + inputs)
    loss = (tensor(c) * y).sum()

    g_norm, g_m, g_response = (t.detach().numpy() for t in (norm, m, response))
    dn = (c * gamma * x).sum(axis=(1, 2), keepdims=True)  # (n, 1, 1, channels)
    through_mean = dn * g_norm / (channels * g_m**2)
    if right:
        through_mean = through_mean.sum(axis=-1, keepdims=True)
    dg = dn / g_m - through_mean
    dx = c + c * gamma * g_response + dg * x / g_norm
    return loss, {"y": c, "N": dn, "G": dg, "x": dx}, None
