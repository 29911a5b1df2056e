"""Two layers by hand, each with its backward: batch normalisation and a convolution along time."""

from autograd_lite.grading import Assignment, Question

EPSILON = 1e-5
WIDTH = 3


def batchnorm(x, gamma, beta):
    """Each feature in units of its spread over the batch, scaled and shifted."""
    mean = x.mean(axis=0)
    variance = ((x - mean) ** 2).mean(axis=0)
    return gamma * (x - mean) / (variance + EPSILON) ** 0.5 + beta


def convolution(x, w, b):
    """y[n, f, i] = b[f] + the sum over c and k of x[n, c, i + k] * w[f, c, k]."""
    steps = x.shape[2] - WIDTH + 1
    y = b.reshape(1, -1, 1)
    for k in range(WIDTH):
        y = y + w[:, :, k] @ x[:, :, k : k + steps]
    return y


assignment = Assignment(
    title="Batch normalisation and convolution by hand",
    file="layers.py",
    questions=[
        Question(
            "batch normalisation",
            points=5,
            function="batchnorm_backward",
            forward=batchnorm,
            shapes={"x": (7, 4), "gamma": (4,), "beta": (4,)},
        ),
        Question(
            "convolution",
            points=5,
            function="convolution_backward",
            forward=convolution,
            shapes={"x": (5, 4, 9), "w": (6, 4, WIDTH), "b": (6,)},
        ),
    ],
)
