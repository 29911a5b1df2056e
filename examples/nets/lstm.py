"""An LSTM that writes like Python's documentation, letter by letter, beside counts of letters.

The text ships with Python: what help("topics") shows. The last tenth is held out. A layer of 128
units reads windows of 64 letters, for half a minute by default. Ctrl-C ends the training with what
there is.

It prints the loss after each epoch, in nats per letter, and how long the gradient lives on its way
back through time; it writes some text, and saves the curve (where matplotlib is installed) and the
graph of the network for a window of three letters.
"""

import argparse
from pathlib import Path

import numpy as np
from gpt import Windows, corpus, curve, guesses, in_a_row

from autograd_lite import Tensor, manual_seed, nn, no_grad, tensor
from autograd_lite.graph import draw
from autograd_lite.nn import functional as F


class Writer(nn.Module):
    """Letters (N, T) to the logits of the letter that follows each, (N, letters, T)."""

    def __init__(self, letters: int, width: int = 128, layers: int = 1) -> None:
        super().__init__()
        self.letter = nn.Embedding(letters, 32)
        self.lstm = nn.LSTM(32, width, layers, batch_first=True)
        self.head = nn.Linear(width, letters)

    def read(self, x: Tensor, state=None):
        """The logits (N, T, letters), and the state to read on from."""
        y, state = self.lstm(self.letter(x), state)
        return self.head(y), state

    def forward(self, x: Tensor) -> Tensor:
        return self.read(x)[0].transpose(1, 2)


def written(model: Writer, start: np.ndarray, count: int, seed: int) -> list[int]:
    """Letters that the model draws one after the other, each with the state after the one before."""
    rng, text = np.random.default_rng(seed), start.tolist()
    model.eval()
    with no_grad():
        logits, state = model.read(tensor([text]))
        for _ in range(count):
            p = F.softmax(logits[0, -1] / 0.8, dim=0).numpy().astype(float)
            text.append(int(rng.choice(len(p), p=p / p.sum())))
            logits, state = model.read(tensor([text[-1:]]), state)
    return text


def memory(model: Writer, x: Tensor) -> np.ndarray:
    """The norm of the gradient of the last letter's logits by each letter's vector, (T,)."""
    model.eval()
    letters = model.letter(x).detach().requires_grad_()
    y, _ = model.lstm(letters)
    (model.head(y[:, -1]) ** 2).sum().backward()
    return np.sqrt((letters.grad.numpy() ** 2).sum((0, 2)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="of weights and windows")
    parser.add_argument("--epochs", type=int, default=20, help="of 80 batches each")
    parser.add_argument("--batches", type=int, default=80, help="of 16 windows, in an epoch")
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--length", type=int, default=64, help="letters of a window")
    options = parser.parse_args()
    manual_seed(options.seed)

    alphabet, train, test = corpus()
    letters, length = len(alphabet), options.length
    losses = guesses(train, test, letters)

    model, loss_fn = Writer(letters, options.width, options.layers), nn.CrossEntropyLoss()
    print(f"LSTM with {sum(p.numel() for p in model.parameters()):,} parameters")
    optimizer = nn.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.01)
    windows = Windows(train, length, 16, options.batches)
    steps = max(options.epochs * options.batches, 1)
    history = nn.train.fit(
        model, loss_fn, optimizer, windows, options.epochs,
        scheduler=nn.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=steps),
        validation=in_a_row(test[: 100 * length + 1], length),
        callbacks=[lambda h: print(f"epoch {len(h):3}  loss {h['loss'][-1]:.3f}  "
                                   f"held out {h['val_loss'][-1]:.3f}", flush=True)],
    )  # fmt: skip
    x, y = next(iter(windows))
    norms = memory(model, x)
    print(
        f"gradient of the last letter {norms[-1]:.1e}, of that 20 letters before {norms[-21]:.1e}"
    )

    options.out.mkdir(parents=True, exist_ok=True)
    if history.rows:
        try:
            curve(history, losses, options.out / "lstm.png")
        except ImportError:
            print("no curve: matplotlib is missing (pip install matplotlib)")
    graph = draw(loss_fn(model(x[:, :3]), y[:, :3]), model=model)
    print("saved", graph.save(options.out / "lstm.svg"))
    print("".join(alphabet[i] for i in written(model, test[:20], 200, options.seed)))


if __name__ == "__main__":
    main()
