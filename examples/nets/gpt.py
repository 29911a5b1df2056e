"""A tiny GPT that writes like Python's documentation, letter by letter, beside counts of letters.

The text ships with Python: what help("topics") shows. The last tenth is held out. By default a
network of 0.1 million parameters learns for half a minute; --layers 4 --width 120 makes it 0.7 million.
Positions are learnt, or waves that are added to the letters (sinusoidal), or turn queries and keys
(rotary). Ctrl-C ends the training with what there is.

It prints the loss after each epoch, in nats per letter, writes some text, and saves the curve
(where matplotlib is installed) and the graph of the network.
"""

import argparse
import math
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np

from autograd_lite import Tensor, arange, cat, manual_seed, nn, no_grad, tensor
from autograd_lite.graph import draw
from autograd_lite.nn import functional as F

SMALL = 0.02  # the standard deviation of weights at first


class Attention(nn.Module):
    """Causal attention of several heads, with queries and keys that may be turned (rotary)."""

    def __init__(self, width: int, heads: int, turns: Tensor | None) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.register_buffer("turns", turns)  # (2, T, E / 2): cosines and sines

    def forward(self, x: Tensor) -> Tensor:
        n, t, c = x.shape
        parts = self.qkv(x).reshape(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = parts[0], parts[1], parts[2]  # (N, heads, T, E)
        if self.turns is not None:
            q, k = turned(q, self.turns[:, :t]), turned(k, self.turns[:, :t])
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(n, t, c))


def turned(x: Tensor, turns: Tensor) -> Tensor:
    """Pairs of numbers turned by an angle that grows with the position (Su et al. 2021)."""
    half = x.shape[-1] // 2
    a, b = x[..., :half], x[..., half:]
    return cat([a * turns[0] - b * turns[1], a * turns[1] + b * turns[0]], -1)


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x))."""

    def __init__(self, width: int, heads: int, turns: Tensor | None) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, turns)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def waves(length: int, size: int) -> np.ndarray:
    """Cosines and sines (2, length, size / 2) of positions, from fast to slow waves."""
    angles = np.arange(length)[:, None] / 10_000 ** (np.arange(0, size, 2) / size)
    return np.stack([np.cos(angles), np.sin(angles)]).astype("float32")


class GPT(nn.Module):
    """Letters (N, T) to the logits of the letter that follows each, (N, T, letters)."""

    def __init__(
        self, letters: int, length: int, width: int, heads: int, layers: int, positions: str
    ) -> None:
        super().__init__()
        self.letter = nn.Embedding(letters, width)
        self.position = nn.Embedding(length, width) if positions == "learnt" else None
        added = None
        if positions == "sinusoidal":  # as small as the letters are at first, or none is seen
            added = tensor(SMALL * np.concatenate([*waves(length, width)], -1))
        self.register_buffer("added", added)
        turns = waves(length, width // heads) if positions == "rotary" else None
        turns = None if turns is None else tensor(turns)
        self.blocks = nn.Sequential(*[Block(width, heads, turns) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, letters, bias=False)
        self.head.weight = self.letter.weight  # tied: what reads a letter also writes it
        for name, p in self.named_parameters():
            if p.ndim > 1:
                depth = 2 * layers if name.endswith(("out.weight", "2.weight")) else 1
                nn.init.normal_(p, 0.0, SMALL / math.sqrt(depth))

    def forward(self, x: Tensor) -> Tensor:
        t = x.shape[1]
        y = self.letter(x)
        if self.position is not None:
            y = y + self.position(arange(t))
        if self.added is not None:
            y = y + self.added[:t]
        return self.head(self.norm(self.blocks(y)))


class Loss(nn.Module):
    """Cross-entropy of each letter that follows."""

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(logits.reshape(-1, logits.shape[-1]), target.reshape(-1))


class Windows:
    """Batches of windows of a text: letters, and those that follow each of them."""

    def __init__(self, text: np.ndarray, length: int, batch: int, count: int) -> None:
        self.text, self.length, self.batch, self.count = text, length, batch, count
        self.rng = np.random.default_rng(0)

    def __len__(self) -> int:
        return self.count

    def __iter__(self):
        for _ in range(self.count):
            starts = self.rng.integers(0, len(self.text) - self.length - 1, self.batch)
            windows = self.text[starts[:, None] + np.arange(self.length + 1)]
            yield tensor(windows[:, :-1]), tensor(windows[:, 1:])


def in_a_row(text: np.ndarray, length: int) -> list[tuple[Tensor, Tensor]]:
    """A text as one batch of windows side by side."""
    n = (len(text) - 1) // length
    parts = text[: n * length].reshape(n, length), text[1 : n * length + 1].reshape(n, length)
    return [tuple(map(tensor, parts))]


def by_counts(train: np.ndarray, test: np.ndarray, letters: int, before: int) -> float:
    """The loss of guessing by counts of what followed the letters before in the training text."""

    def context(text: np.ndarray) -> np.ndarray:
        parts = [text[i : len(text) - before + i] for i in range(before)]
        return sum((p * letters**i for i, p in enumerate(parts)), np.zeros(len(text) - before, int))

    counts = np.ones((letters**before, letters))
    np.add.at(counts, (context(train), train[before:]), 1)
    p = counts / counts.sum(axis=1, keepdims=True)
    return float(-np.log(p[context(test), test[before:]]).mean())


def corpus() -> tuple[list[str], np.ndarray, np.ndarray]:
    """The alphabet of Python's help, and its letters as numbers: to train on, and held out."""
    text = "\n".join(topics[name] for name in sorted(topics)).lower()
    alphabet = sorted(c for c in set(text) if c.isascii())
    number = {c: i for i, c in enumerate(alphabet)}
    data = np.array([number[c] for c in text if c in number])
    train, test = np.split(data, [len(data) * 9 // 10])
    return alphabet, train, test


def guesses(train: np.ndarray, test: np.ndarray, letters: int) -> dict[str, float]:
    """The losses of guessing by counts, which are printed: what a net has to beat."""
    names = ("counts of letters", "of pairs", "of three")
    losses = {name: by_counts(train, test, letters, k) for k, name in enumerate(names)}
    for name, loss in losses.items():
        print(f"{name:17} {loss:.3f}")
    return losses


def written(model: GPT, start: np.ndarray, length: int, count: int, seed: int) -> list[int]:
    """Letters that the model draws one after the other."""
    rng, text = np.random.default_rng(seed), start.tolist()
    model.eval()
    with no_grad():
        for _ in range(count):
            logits = model(tensor([text[-length:]]))[0, -1]
            p = F.softmax(logits / 0.8, dim=0).numpy().astype(float)
            text.append(int(rng.choice(len(p), p=p / p.sum())))
    return text


def curve(history, losses: dict[str, float], path: Path) -> None:
    """The losses of the epochs, beside those of guesses by counts."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.plot(history["epoch"], history["loss"], label="training")
    axes.plot(history["epoch"], history["val_loss"], label="held out")
    for i, (name, loss) in enumerate(losses.items()):
        axes.axhline(loss, color="gray", linestyle=("-", "--", ":")[i], label=name)
    axes.set(xlabel="epoch", ylabel="nats per letter")
    axes.legend()
    figure.savefig(path, dpi=150)
    print("saved", path)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder to write to")
    parser.add_argument("--seed", type=int, default=0, help="of weights and windows")
    parser.add_argument("--epochs", type=int, default=20, help="of 80 batches each")
    parser.add_argument("--batches", type=int, default=80, help="of 16 windows, in an epoch")
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--length", type=int, default=64, help="letters that it looks back")
    parser.add_argument("--positions", choices=("learnt", "sinusoidal", "rotary"), default="learnt")
    options = parser.parse_args()
    manual_seed(options.seed)

    alphabet, train, test = corpus()
    letters, length = len(alphabet), options.length
    losses = guesses(train, test, letters)

    model = GPT(letters, length, options.width, options.heads, options.layers, options.positions)
    print(f"GPT with {sum(p.numel() for p in model.parameters()):,} parameters")
    optimizer = nn.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)
    windows = Windows(train, length, 16, options.batches)
    steps = options.epochs * options.batches
    scheduler = nn.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=max(steps, 1))
    history = nn.train.fit(
        model, Loss(), optimizer, windows, options.epochs, scheduler=scheduler,
        validation=in_a_row(test[: 100 * length + 1], length),
        callbacks=[lambda h: print(f"epoch {len(h):3}  loss {h['loss'][-1]:.3f}  "
                                   f"held out {h['val_loss'][-1]:.3f}", flush=True)],
    )  # fmt: skip

    options.out.mkdir(parents=True, exist_ok=True)
    if history.rows:
        try:
            curve(history, losses, options.out / "gpt.png")
        except ImportError:
            print("no curve: matplotlib is missing (pip install matplotlib)")
    x, y = next(iter(windows))
    graph = draw(Loss()(model(x), y), model=model)
    print("saved", graph.save(options.out / "gpt.svg"))
    print("".join(alphabet[i] for i in written(model, test[:20], length, 200, options.seed)))


if __name__ == "__main__":
    main()
