"""LeNet: convolutions and pooling that learn to read digits, beside a regression on the pixels.

By default it learns the 8 x 8 digits that ship with the package, for some seconds. With --mnist it
learns MNIST, where its four files are (in --folder, or in the folder that AUTOGRAD_LITE_DATA names),
for some minutes, its images moved by up to a pixel. Ctrl-C ends the training with what there is.

It prints the accuracy on images that were held out, and saves the curve with the kernels of the
first layer and what they answer to (with matplotlib), and the graph of the network.
"""

import argparse
import math
from pathlib import Path

import numpy as np

from autograd_lite import Tensor, manual_seed, nn, no_grad, tensor
from autograd_lite.graph import draw
from autograd_lite.nn import datasets


def small() -> nn.Sequential:
    """A LeNet for images of 8 x 8."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(),
        nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(16 * 4 * 4, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10),
    )  # fmt: skip


def lenet() -> nn.Sequential:
    """The one for images of 28 x 28: LeCun et al. 1998, with rectifiers and wider layers."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(32 * 5 * 5, 120), nn.ReLU(), nn.Dropout(0.3), nn.Linear(120, 84),
        nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


class Moved:
    """Batches of images in a new order, each batch moved by up to so many pixels."""

    def __init__(
        self, images: np.ndarray, labels: np.ndarray, batch: int, by: int, seed: int
    ) -> None:
        self.images = np.pad(images, ((0, 0), (0, 0), (by, by), (by, by)))
        self.labels, self.batch, self.by = labels, batch, by
        self.rng = np.random.default_rng(seed)

    def __len__(self) -> int:
        return math.ceil(len(self.labels) / self.batch)

    def __iter__(self):
        order = self.rng.permutation(len(self.labels))
        height, width = (n - 2 * self.by for n in self.images.shape[2:])
        for start in range(0, len(order), self.batch):
            some = order[start : start + self.batch]
            i, j = self.rng.integers(0, 2 * self.by + 1, 2)
            yield (
                tensor(self.images[some, :, i : i + height, j : j + width]),
                tensor(self.labels[some]),
            )


def loaded(options) -> tuple[np.ndarray, ...]:
    """Training images (N, 1, H, W), labels, and those that are held out."""
    if options.mnist:
        found = []
        for train in (True, False):
            images, labels = datasets.mnist(options.folder, train)
            found += [images[:, None].astype("float32") / 255, labels]
        return tuple(found)
    digits = datasets.digits()
    images = (digits.data / 16).astype("float32").reshape(-1, 1, 8, 8)
    x, x_test, y, y_test = datasets.train_test_split(
        images, digits.target, test_fraction=0.25, seed=options.seed
    )
    return x, y, x_test, y_test


def accuracy(model, x: np.ndarray, y: np.ndarray) -> float:
    model.eval()
    right = 0
    with no_grad():
        for i in range(0, len(x), 500):
            right += int(
                (model(Tensor(x[i : i + 500])).argmax(dim=1).numpy() == y[i : i + 500]).sum()
            )
    return right / len(x)


def regression(x: np.ndarray, y: np.ndarray, x_test: np.ndarray, y_test: np.ndarray) -> float:
    """The accuracy of softmax regression on the pixels."""
    model = nn.Sequential(nn.Flatten(), nn.Linear(x[0].size, 10))
    loader = nn.data.DataLoader(nn.data.TensorDataset(x, y), batch_size=64, shuffle=True)
    epochs = 2 if len(x) > 10_000 else 15
    optimizer = nn.optim.Adam(model.parameters(), lr=3e-3)
    nn.train.fit(model, nn.CrossEntropyLoss(), optimizer, loader, epochs)
    return accuracy(model, x_test, y_test)


def pictures(model, history, simple: float, image: np.ndarray, path: Path) -> None:
    """The accuracies of the epochs, the first kernels, and what they answer to a digit."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1))
    axes = left.subplots()
    axes.plot(history["epoch"], history["accuracy"], label="training")
    axes.plot(history["epoch"], history["val_accuracy"], label="held out")
    axes.axhline(simple, color="gray", linestyle="--", label="softmax regression")
    axes.set(xlabel="epoch", ylabel="accuracy", ylim=(0.8, 1))
    axes.legend()
    with no_grad():
        answers = model[0](Tensor(image[None])).numpy()[0]
    for row, kernel, answer in zip(
        right.subplots(4, 2), model[0].weight.detach().numpy()[:, 0], answers, strict=False
    ):
        for a, values in zip(row, (kernel, answer), strict=True):
            a.imshow(values, cmap="gray")
            a.set_axis_off()
    right.suptitle("four kernels, and what they answer to a digit")
    figure.savefig(path, dpi=150)
    print("saved", path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and the split")
    parser.add_argument("--epochs", type=int, help="30 of digits, 5 of MNIST")
    parser.add_argument("--mnist", action="store_true", help="MNIST for the digits that ship")
    parser.add_argument("--folder", type=Path, help="where the files of MNIST are")
    options = parser.parse_args()
    manual_seed(options.seed)

    x, y, x_test, y_test = loaded(options)
    simple = regression(x, y, x_test, y_test)
    print(f"softmax regression {simple:.3f}")

    model = lenet() if options.mnist else small()
    print(f"LeNet with {sum(p.numel() for p in model.parameters()):,} parameters")
    epochs = options.epochs or (5 if options.mnist else 30)
    loader = Moved(x, y, 64 if options.mnist else 32, int(options.mnist), options.seed)
    optimizer = nn.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    steps = max(epochs * len(loader), 1)
    history = nn.train.fit(
        model, nn.CrossEntropyLoss(), optimizer, loader, epochs, metrics="accuracy",
        validation=nn.data.DataLoader(nn.data.TensorDataset(x_test, y_test), batch_size=500),
        scheduler=nn.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps),
        callbacks=[lambda h: print(f"epoch {len(h):3}  loss {h['loss'][-1]:.3f}  held out "
                                   f"{h['val_accuracy'][-1]:.4f}", flush=True)],
    )  # fmt: skip
    print(f"held-out accuracy {accuracy(model, x_test, y_test):.4f}")

    options.out.mkdir(parents=True, exist_ok=True)
    if history.rows:
        try:
            pictures(model, history, simple, x_test[0], options.out / "lenet.png")
        except ImportError:
            print("no curve: matplotlib is missing (pip install matplotlib)")
    graph = draw(model.eval(), Tensor(x_test[:2]))
    print("saved", graph.save(options.out / "lenet.svg"))


if __name__ == "__main__":
    main()
