"""A vision transformer on digits of 8 x 8 pixels: squares of the image are the words of a sentence.

16 squares of 2 x 2 pixels become vectors, with a vector for each place and one for the answer; two
encoder layers let them look at each other, and what the answer's vector has become is classified.
Beside it stand the softmax regression on the pixels, and the nearest neighbour. Ctrl-C ends the
training with what there is.

It saves the curve and, for some digits, where the answer looked (with matplotlib), and the graph.
"""

import argparse
from pathlib import Path

import numpy as np

from autograd_lite import Tensor, cat, manual_seed, nn, no_grad, zeros
from autograd_lite.graph import draw
from autograd_lite.nn import datasets


class ViT(nn.Module):
    """Images (N, 64) to the logits of ten digits."""

    def __init__(self, width: int = 32, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.patch = nn.Linear(4, width)
        self.answer = nn.Parameter(zeros(1, 1, width))
        self.place = nn.Parameter(zeros(1, 17, width))
        layer = nn.TransformerEncoderLayer(
            width, heads, 2 * width, dropout=0.1, activation="gelu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.encoder = nn.TransformerEncoder(
            layer, layers, nn.LayerNorm(width), enable_nested_tensor=False
        )
        self.head = nn.Linear(width, 10)
        nn.init.normal_(self.place, 0.0, 0.02)

    def words(self, x: Tensor) -> Tensor:
        """Squares of 2 x 2 pixels as vectors, after that of the answer: (N, 17, width)."""
        n = x.shape[0]
        squares = x.reshape(n, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(n, 16, 4)
        return cat([self.answer.expand(n, 1, -1), self.patch(squares)], 1) + self.place

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.words(x))[:, 0])


def looks(model: ViT, x: Tensor) -> np.ndarray:
    """Where the answer looks in the last layer, (N, 4, 4): the weights of its heads, averaged."""
    model.eval()
    with no_grad():
        y = model.words(x)
        *first, last = model.encoder.layers
        for layer in first:
            y = layer(y)
        y = last.norm1(y)
        weights = last.self_attn(y, y, y)[1]
    return weights[:, 0, 1:].reshape(-1, 4, 4).numpy()


def accuracy(model, x: Tensor, y: np.ndarray) -> float:
    model.eval()
    with no_grad():
        return float((model(x).argmax(dim=1).numpy() == y).mean())


def nearest(train: np.ndarray, labels: np.ndarray, test: np.ndarray, right: np.ndarray) -> float:
    """The accuracy of the label of the nearest image."""
    squares = (train * train).sum(1) - 2 * test @ train.T
    return float((labels[squares.argmin(1)] == right).mean())


def pictures(model: ViT, history, simple: float, test: Tensor, path: Path) -> None:
    """The accuracies of the epochs, and six digits with where the answer looks."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, width_ratios=(3, 4))
    axes = left.subplots()
    axes.plot(history["epoch"], history["accuracy"], label="training")
    axes.plot(history["epoch"], history["val_accuracy"], label="held out")
    axes.axhline(simple, color="gray", linestyle="--", label="softmax regression")
    axes.set(xlabel="epoch", ylabel="accuracy", ylim=(0.8, 1))
    axes.legend()
    for a, image, weights in zip(
        right.subplots(2, 3).flat, test.numpy(), looks(model, test), strict=False
    ):
        a.imshow(image.reshape(8, 8), cmap="gray_r")
        a.imshow(weights, cmap="Oranges", alpha=0.5, extent=(-0.5, 7.5, 7.5, -0.5))
        a.axis("off")
    figure.savefig(path, dpi=150)
    print("saved", path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and the split")
    parser.add_argument("--epochs", type=int, default=40)
    options = parser.parse_args()
    manual_seed(options.seed)

    digits = datasets.digits()
    images = (digits.data / 16).astype("float32")
    x, x_test, y, y_test = datasets.train_test_split(
        images, digits.target, test_fraction=0.25, seed=options.seed
    )
    train = nn.data.TensorDataset(x, y)
    held_out = [(Tensor(x_test), Tensor(y_test))]
    loss_fn = nn.CrossEntropyLoss()

    linear = nn.Linear(64, 10)
    loader = nn.data.DataLoader(train, batch_size=32, shuffle=True)
    nn.train.fit(linear, loss_fn, nn.optim.Adam(linear.parameters(), lr=1e-2), loader, 15)
    simple = accuracy(linear, Tensor(x_test), y_test)
    print(f"softmax regression {simple:.3f}, nearest neighbour {nearest(x, y, x_test, y_test):.3f}")

    model = ViT()
    print(f"ViT with {sum(p.numel() for p in model.parameters()):,} parameters")
    optimizer = nn.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)
    loader = nn.data.DataLoader(train, batch_size=64, shuffle=True)
    steps = max(options.epochs * len(loader), 1)
    history = nn.train.fit(
        model, loss_fn, optimizer, loader, options.epochs, metrics="accuracy",
        validation=held_out,
        scheduler=nn.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps),
        callbacks=[lambda h: print(f"epoch {len(h):3}  loss {h['loss'][-1]:.3f}  held out "
                                   f"{h['val_accuracy'][-1]:.3f}", flush=True)],
    )  # fmt: skip
    print(f"held-out accuracy {accuracy(model, Tensor(x_test), y_test):.3f}")

    options.out.mkdir(parents=True, exist_ok=True)
    if history.rows:
        try:
            pictures(model, history, simple, Tensor(x_test[:6]), options.out / "vit.png")
        except ImportError:
            print("no curve: matplotlib is missing (pip install matplotlib)")
    graph = draw(model.eval(), Tensor(x_test[:2]))
    print("saved", graph.save(options.out / "vit.svg"))


if __name__ == "__main__":
    main()
