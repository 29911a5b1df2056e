"""Wrong submissions of the assignments that ship: edits of their solutions, what each is called,
and what its questions get."""

from pathlib import Path

import autograd_lite.grading

SHIPPED = Path(autograd_lite.grading.__file__).parent / "assignments"

# what the solution has, what stands there instead, the slug of the mistake, the points
MLP = [
    ("(p - t) / len(x)", "p - t", "mean-missing", (0, 3, 2, 2)),
    ("(p - t) / len(x)", "(t - p) / len(x)", "sign", (0, 3, 2, 2)),
    ("(p - t) / len(x)", "p * (1 - p) * (p - t) / len(x)", "softmax-twice", (0, 3, 2, 2)),
    ("dz2.sum(axis=0)", "dz2.mean(axis=0)", "bias-averaged", (3, 2, 2, 2)),
    ("h.T @ dz2", "x.T @ dz2", "shape", (3, 2, 2, 2)),
    ("dz2 @ W2.T", "dz2 @ W2.T * h", "factor-twice", (3, 2, 2, 2)),
    ("dh * (1 - h * h)", "dh * (1 - h)", "activation-not-derived", (3, 3, 0, 2)),
    ("dh * (1 - h * h)", "dh", "activation-missing", (3, 3, 0, 2)),
    ("x.T @ dz1", "(x.T @ dz1).T", "transposed", (3, 3, 2, 1.5)),
    ("x.T @ dz1", "x.T @ dh", "activation-missing", (3, 3, 2, 1)),
]
BATCHNORM = [
    ("dz - dz.mean(axis=0) - z * (dz * z).mean(axis=0)", "dz", "batchnorm-constant", (3.33, 5)),
    ("dz - dz.mean(axis=0) - z", "dz - z", "batchnorm-constant", (3.33, 5)),
    (" - z * (dz * z).mean(axis=0)", "", "batchnorm-constant", (3.33, 5)),
    ("dz = g * gamma", "dz = g", "factor-missing", (3.33, 5)),
    ("(g * z).sum(axis=0)", "(g * z).mean(axis=0)", "bias-averaged", (3.33, 5)),
    ("dbeta = g.sum(axis=0)", "dbeta = g.sum()", "summed-over-inputs", (3.33, 5)),
    ("g.sum(axis=(0, 2))", "g.mean(axis=(0, 2))", "bias-averaged", (5, 3.33)),
    ("dx[:, :, k : k + steps] +=", "dx[:, :, k : k + steps] =", "overlap-overwritten", (5, 3.33)),
    ('"nfi,nci->fc", g, seen)', '"nfi,nci->fc", g, seen) / len(x)', "mean-count", (5, 3.33)),
    (
        'np.einsum("nfi,fc->nci", g, w[:, :, k])',
        'np.einsum("nfi,fc->nci", g, w[:, :, -1 - k])',
        "kernel-flipped",
        (5, 3.33),
    ),
]
WRONG = {"mlp": MLP, "batchnorm": BATCHNORM}


def edited(name, old, new):
    """The solution of an assignment with one line wrong."""
    text = (SHIPPED / name / "solution.py").read_text("utf-8")
    assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
    return text.replace(old, new)
