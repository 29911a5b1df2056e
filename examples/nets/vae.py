"""A variational autoencoder of digits of 8 x 8 pixels, beside principal components.

The encoder says where in a plane of few numbers a digit may lie, a mean and a variance for each; a
point is drawn there, and the decoder makes a digit of it. Beside it stand principal components of
as many numbers. Ctrl-C ends the training with what there is.

It prints the bound of the log-likelihood after each epoch, in nats per digit, and the error of the
digits that come back, and saves the curve and digits that were made of random points (with
matplotlib), and the graph.
"""

import argparse
from pathlib import Path

import numpy as np

from autograd_lite import Tensor, manual_seed, nn, no_grad, randn, tensor
from autograd_lite.graph import draw
from autograd_lite.nn import datasets
from autograd_lite.nn import functional as F


class VAE(nn.Module):
    """Digits (N, 64) to the logits of their pixels, and the mean and log-variance of the code."""

    def __init__(self, code: int = 4, width: int = 64) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(64, width), nn.SiLU(), nn.Linear(width, 2 * code))
        self.decoder = nn.Sequential(nn.Linear(code, width), nn.SiLU(), nn.Linear(width, 64))

    def forward(self, x: Tensor, noise: Tensor | None = None):
        mean, log_variance = self.encoder(x).chunk(2, -1)
        if noise is None:
            noise = randn(*mean.shape)
        code = mean + (0.5 * log_variance).exp() * noise  # so that the draw has a gradient
        return self.decoder(code), mean, log_variance


class Bound(nn.Module):
    """What the pixels cost, and what the code does: the negative bound of the log-likelihood."""

    def forward(self, output, target: Tensor) -> Tensor:
        logits, mean, log_variance = output
        pixels = F.binary_cross_entropy_with_logits(logits, target, reduction="sum")
        code = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
        return (pixels + code) / len(target)


def returned(model: VAE, x: Tensor) -> np.ndarray:
    """The digits that the decoder makes of the means of x."""
    model.eval()
    with no_grad():
        return model.decoder(model.encoder(x).chunk(2, -1)[0]).sigmoid().numpy()


def components(train: np.ndarray, test: np.ndarray, count: int) -> np.ndarray:
    """The digits that so many principal components give back."""
    mean = train.mean(0)
    axes = np.linalg.svd(train - mean, full_matrices=False)[2][:count]
    return mean + (test - mean) @ axes.T @ axes


def error(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.sqrt(((a - b) ** 2).mean()))


def pictures(model: VAE, history, code: int, test: np.ndarray, path: Path) -> None:
    """The bounds of the epochs, digits that came back, and digits of random points."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2)
    axes = left.subplots()
    axes.plot(history["epoch"], history["loss"], label="training")
    axes.plot(history["epoch"], history["val_loss"], label="held out")
    axes.set(xlabel="epoch", ylabel="nats per digit")
    axes.legend()
    with no_grad():
        made = model.decoder(randn(16, code)).sigmoid().numpy()
    rows = [test[:8], returned(model, tensor(test[:8])), made[:8], made[8:]]
    names = ("held out", "back", "made", "made")
    for row, digits, name in zip(right.subplots(4, 8), rows, names, strict=True):
        for a, digit in zip(row, digits, strict=True):
            a.imshow(digit.reshape(8, 8), cmap="gray_r", vmin=0, vmax=1)
            a.set(xticks=[], yticks=[])
        row[0].set_ylabel(name)
    figure.savefig(path, dpi=150)
    print("saved", path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and the split")
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--code", type=int, default=4, help="numbers that a digit becomes")
    options = parser.parse_args()
    manual_seed(options.seed)

    digits = datasets.digits()
    images = (digits.data / 16).astype("float32")
    x, x_test, _, _ = datasets.train_test_split(
        images, digits.target, test_fraction=0.25, seed=options.seed
    )
    model, loss_fn = VAE(options.code), Bound()
    print(f"VAE with {sum(p.numel() for p in model.parameters()):,} parameters")
    optimizer = nn.optim.Adam(model.parameters(), lr=3e-3)
    loader = nn.data.DataLoader(nn.data.TensorDataset(x, x), batch_size=64, shuffle=True)
    history = nn.train.fit(
        model, loss_fn, optimizer, loader, options.epochs,
        validation=[(tensor(x_test), tensor(x_test))],
        callbacks=[lambda h: print(f"epoch {len(h):3}  loss {h['loss'][-1]:.3f}  held out "
                                   f"{h['val_loss'][-1]:.3f}", flush=True)],
    )  # fmt: skip
    linear = error(components(x, x_test, options.code), x_test)
    print(f"error of {options.code} principal components {linear:.4f}")
    print(f"held-out error {error(returned(model, tensor(x_test)), x_test):.4f}")

    options.out.mkdir(parents=True, exist_ok=True)
    if history.rows:
        try:
            pictures(model, history, options.code, x_test, options.out / "vae.png")
        except ImportError:
            print("no curve: matplotlib is missing (pip install matplotlib)")
    some = tensor(x_test[:4])
    graph = draw(loss_fn(model(some), some), model=model)
    print("saved", graph.save(options.out / "vae.svg"))


if __name__ == "__main__":
    main()
