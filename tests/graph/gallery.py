"""Networks of every kind, drawn: `python -m tests.graph.gallery FOLDER` writes them all.

Each is a function without arguments that gives a Graph; `test_gallery.py` checks what is written.
"""

import argparse
import inspect
import sys
import time
from pathlib import Path

import numpy as np

import nn
from autograd_lite import Tensor, derive, grad, graph, manual_seed, no_grad, rand, randn, tensor
from autograd_lite.graph import GraphRenderError
from nn import functional as F
from nn.diagnosis import diagnose

NETS = {}
FORMATS = ("svg", "png", "pdf", "html", "gv", "mmd", "txt", "wide", "paper", "slides", "tex")
PAGES = {"wide": "16:9", "paper": "A4"}
computed = []  # what was drawn last: the tensor, or the function, and what came with it


def net(function):
    """Put a net into the gallery."""
    NETS[function.__name__] = function
    return function


def draw(what, given=None, **options):
    """Draw, and keep what was drawn for `derived`."""
    computed[:] = what, given
    return graph.draw(what, given, **options)


# ---- layers as people write them


class Residual(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(n, n), nn.Linear(n, n)

    def forward(self, x):
        return x + self.fc2(self.fc1(x).relu())


class SelfAttention(nn.Module):
    """Heads of scaled dot products, with a mask where it is causal."""

    def __init__(self, d, heads=2, causal=False):
        super().__init__()
        self.heads, self.causal = heads, causal
        self.q, self.k, self.v = (nn.Linear(d, d, bias=False) for _ in range(3))
        self.out = nn.Linear(d, d)

    def forward(self, x):
        n, t, d = x.shape

        def split(y):
            return y.reshape(n, t, self.heads, d // self.heads).transpose(1, 2)

        q, k, v = split(self.q(x)), split(self.k(x)), split(self.v(x))
        scores = q @ k.mT / (d // self.heads) ** 0.5
        if self.causal:
            scores = scores + np.triu(np.full((t, t), -1e9, "float32"), 1)
        y = scores.softmax(-1) @ v
        return self.out(y.transpose(1, 2).reshape(n, t, d))


class Block(nn.Module):
    """A transformer block with the norms first."""

    def __init__(self, d, causal=False):
        super().__init__()
        self.ln1, self.ln2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.attn = SelfAttention(d, causal=causal)
        self.mlp = nn.Sequential(nn.Linear(d, 4 * d), nn.GELU(), nn.Linear(4 * d, d))

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class GPT(nn.Module):
    def __init__(self, layers, d=32, words=50, length=8):
        super().__init__()
        self.wte, self.wpe = nn.Embedding(words, d), nn.Embedding(length, d)
        self.blocks = nn.Sequential(*(Block(d, causal=True) for _ in range(layers)))
        self.ln_f, self.head = nn.LayerNorm(d), nn.Linear(d, words, bias=False)

    def forward(self, tokens):
        x = self.wte(tokens) + self.wpe(np.arange(tokens.shape[1]))
        return self.head(self.ln_f(self.blocks(x)))


class LSTMCell(nn.Module):
    def __init__(self, n, hidden):
        super().__init__()
        self.i2h, self.h2h = nn.Linear(n, 4 * hidden), nn.Linear(hidden, 4 * hidden)

    def forward(self, x, h, c):
        gates = self.i2h(x) + self.h2h(h)
        n = h.shape[1]
        i, f, g, o = (gates[:, k * n : (k + 1) * n] for k in range(4))
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        return o.sigmoid() * c.tanh(), c


class LSTM(nn.Module):
    """A cell for every step, then the last hidden state read out."""

    def __init__(self, n=4, hidden=6):
        super().__init__()
        self.cell, self.out, self.hidden = LSTMCell(n, hidden), nn.Linear(hidden, 2), hidden

    def forward(self, x):
        h = c = Tensor(np.zeros((x.shape[1], self.hidden), "float32"))
        for step in x:
            h, c = self.cell(step, h, c)
        return self.out(h)


class VAE(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.mu, self.log_var = nn.Linear(8, 6), nn.Linear(6, 2), nn.Linear(6, 2)
        self.decoder = nn.Sequential(nn.Linear(2, 6), nn.ReLU(), nn.Linear(6, 8), nn.Sigmoid())

    def forward(self, x):
        h = self.encoder(x).relu()
        mu, log_var = self.mu(h), self.log_var(h)
        z = mu + randn(*mu.shape) * (0.5 * log_var).exp()
        rebuilt = F.binary_cross_entropy(self.decoder(z), x, reduction="sum")
        return rebuilt - 0.5 * (1 + log_var - mu**2 - log_var.exp()).sum()


class Stage(nn.Module):
    """A stage of a residual net on vectors: narrower, then deeper, with a norm after each layer."""

    def __init__(self, n, m):
        super().__init__()
        self.fc1, self.bn1 = nn.Linear(n, m), nn.BatchNorm1d(m)
        self.fc2, self.bn2 = nn.Linear(m, m), nn.BatchNorm1d(m)
        self.skip = nn.Identity() if n == m else nn.Linear(n, m)

    def forward(self, x):
        h = self.bn1(self.fc1(x)).relu()
        return (self.bn2(self.fc2(h)) + self.skip(x)).relu()


# ---- small computations


@net
def scalars():
    """The first example of every lecture."""
    a, b, c = (
        tensor(v, requires_grad=True, name=n) for v, n in ((2.0, "a"), (-3.0, "b"), (10.0, "c"))
    )
    return draw((a * b + c).tanh() * a)


@net
def reuse():
    """x is used three times, so that its gradient is a sum."""
    x = tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True, name="x")
    return draw(((x * x).tanh() + x).sum())


@net
def second_derivative():
    """The gradient of a gradient, with the graph of the first."""
    x = tensor(1.5, requires_grad=True, name="x")
    (dx,) = grad(x.sin() * x, [x], create_graph=True)
    return draw(dx)


@net
def nan():
    """The logarithm of a negative number."""
    w = tensor([1.0, -2.0, 3.0], requires_grad=True, name="w")
    with np.errstate(all="ignore"):
        return draw((w.log() * w).sum())


@net
def vanishing():
    """A gradient that is lost in saturated sigmoids."""
    x = tensor([40.0, -40.0], requires_grad=True, name="x")
    return draw(((x.sigmoid() * 30 + 10).sigmoid() * 20).sum())


@net
def slices():
    """Indices in every way."""
    x = randn(4, 6, requires_grad=True)
    x.name = "x"
    return draw((x[1:3, ::2] * x[:2, 3:]).sum() + x[-1].max() + x[[0, 0, 2]].mean())


@net
def broadcasting():
    """A row and a column, each summed back."""
    row, column = randn(1, 3, requires_grad=True), randn(4, 1, requires_grad=True)
    row.name, column.name = "row", "column"
    return draw(((row + column) ** 2).mean())


@net
def untracked():
    """What runs before the first parameter, in grey, and where a gradient is cut off."""
    w = tensor(np.ones((2, 3), "float32"), requires_grad=True, name="w")

    def f(x):
        x = (x - x.mean(0)) / x.std(0)
        h = (x @ w.mT).tanh()
        return (h * h.detach()).sum()

    return draw(f, randn(5, 3))


@net
def names():
    """Names that would break a careless writer."""
    x = tensor([1.0, 2.0], requires_grad=True, name="</script><b>&amp;\"'\n$x_1$ `--> ]%%")
    y = tensor([1.0, 2.0], requires_grad=True, name="n" * 300)
    return draw((x * y).sum())


# ---- networks


def classifier():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def targets(n, classes=3):
    return np.arange(n) % classes


@net
def mlp():
    """Two layers and a cross-entropy."""
    model = classifier()
    criterion = nn.CrossEntropyLoss()
    return draw(criterion(model(randn(5, 4)), targets(5)), model)


@net
def mlp_by_hand():
    """The same without modules."""
    w1, b1 = randn(4, 8, requires_grad=True), Tensor(np.zeros(8, "float32"), requires_grad=True)
    w2, b2 = randn(8, 3, requires_grad=True), Tensor(np.zeros(3, "float32"), requires_grad=True)
    h = (randn(5, 4) @ w1 + b1).relu()
    scores = h @ w2 + b2
    exp = (scores - scores.max(axis=1, keepdims=True)).exp()
    p = exp / exp.sum(axis=1, keepdims=True)
    return draw(-p[np.arange(5), targets(5)].log().mean())


@net
def mlp_folded():
    """One card for each module."""
    model = classifier()
    criterion = nn.CrossEntropyLoss()
    return draw(criterion(model(randn(5, 4)), targets(5)), model, depth=0)


@net
def mlp_forward():
    """Without the way back."""
    return draw(classifier(), randn(5, 4), view="forward")


@net
def mlp_to_the_right():
    """From the left to the right."""
    model = classifier()
    return draw(nn.MSELoss()(model(randn(5, 4)), randn(5, 3)), model, direction="LR")


@net
def regression():
    """A line and the mean of squares."""
    x, t = Tensor(np.linspace(0, 1, 6)), Tensor(np.linspace(1, 3, 6))
    w, b = (tensor(0.5, requires_grad=True, dtype="float64", name=n) for n in "wb")
    return draw(((w * x + b - t) ** 2).mean())


@net
def deep():
    """Twelve equal layers."""
    layers = [layer for _ in range(12) for layer in (nn.Linear(8, 8), nn.Tanh())]
    return draw(nn.Sequential(*layers, nn.Linear(8, 1)), randn(4, 8))


@net
def residual():
    """A layer beside which the input passes."""
    return draw(nn.Sequential(nn.Linear(4, 8), Residual(8), nn.Linear(8, 2)), randn(5, 4))


@net
def pre_norm():
    """A block with its norm first."""
    return draw(nn.Sequential(nn.LayerNorm(4), nn.Linear(4, 4), nn.GELU()), randn(5, 4))


@net
def batch_norm():
    """A norm over the batch, and dropout."""
    model = nn.Sequential(
        nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Dropout(), nn.Linear(6, 1)
    )
    return draw(model, randn(8, 4))


@net
def attention():
    """Two heads."""
    return draw(SelfAttention(8), randn(2, 5, 8))


@net
def embedding():
    """Word vectors, averaged."""
    model = nn.Sequential(nn.Embedding(20, 6), nn.Flatten(), nn.Linear(24, 3))
    return draw(model, np.arange(8).reshape(2, 4))


@net
def block():
    """One block of a transformer."""
    return draw(Block(16), randn(2, 5, 16))


@net
def transformer():
    """Two blocks of a transformer, d = 32."""
    model = nn.Sequential(Block(32), Block(32))
    return draw(model, randn(2, 5, 32))


@net
def gpt():
    """A GPT of 12 layers with its loss."""
    model = GPT(12)
    tokens = np.arange(16).reshape(2, 8)
    criterion = nn.CrossEntropyLoss()
    return draw(criterion(model(tokens).reshape(16, 50), tokens.reshape(16)), model)


@net
def resnet():
    """Four stages of two blocks."""
    sizes = [16, 16, 16, 12, 12, 8, 8, 6, 6]
    stages = (
        nn.Sequential(Stage(*sizes[i : i + 2]), Stage(*sizes[i + 1 : i + 3])) for i in (0, 2, 4, 6)
    )
    return draw(nn.Sequential(nn.Linear(10, 16), *stages, nn.Linear(6, 2)), randn(5, 10))


@net
def rnn():
    """Fifty steps by hand."""
    w_x, w_h = randn(3, 5, requires_grad=True), randn(5, 5, requires_grad=True)
    w_x.name, w_h.name = "W_x", "W_h"

    def f(x):
        h = Tensor(np.zeros((2, 5), "float32"))
        for step in x:
            h = (step @ w_x + h @ w_h).tanh()
        return (h * h).sum()

    return draw(f, randn(50, 2, 3))


@net
def lstm():
    """Fifty steps of a cell."""
    return draw(LSTM(), randn(50, 3, 4))


@net
def lstm_layer():
    """The layer of fifty steps, and what is read from the last."""
    layer, out = nn.LSTM(4, 6), nn.Linear(6, 2)
    return draw(lambda x: out(layer(x)[0][-1]), randn(50, 3, 4))


@net
def lenet():
    """Convolutions and pooling."""
    layers = nn.Conv2d(1, 4, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 8, 3), nn.ReLU()
    model = nn.Sequential(*layers, nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32, 10))
    criterion = nn.CrossEntropyLoss()
    return draw(criterion(model(randn(2, 1, 18, 18)), targets(2, 10)), model)


@net
def encoder():
    """Two layers of PyTorch's transformer, d = 32."""
    layers = (nn.TransformerEncoderLayer(32, 2, 64, batch_first=True) for _ in range(2))
    return draw(nn.Sequential(*layers), randn(2, 5, 32))


@net
def vae():
    """A variational autoencoder with its loss."""
    return draw(VAE(), rand(5, 8))


@net
def shared_weights():
    """One layer for both inputs."""
    layer = nn.Linear(4, 3)

    def distance(a, b):
        return ((layer(a).tanh() - layer(b).tanh()) ** 2).sum()

    return draw(distance, (randn(5, 4), randn(5, 4)))


@net
def wrong_gradient():
    """Backprop by hand in which the mask of relu is left out."""
    model = classifier().double()
    x, t = randn(5, 4, dtype="float64"), targets(5)
    loss = nn.CrossEntropyLoss()(model(x), t)
    z = x @ model[0].weight.mT + model[0].bias
    h = z.relu()
    d = ((h @ model[2].weight.mT + model[2].bias).softmax(1) - Tensor(np.eye(3)[t])) / 5
    dh = d @ model[2].weight
    with no_grad():
        hand = {
            "0.weight": (dh.mT @ x).array, "0.bias": dh.sum(0).array,
            "2.weight": (d.mT @ h).array, "2.bias": d.sum(0).array,
        }  # fmt: skip
    return draw(loss, model, compare=hand)


@net
def diagnosed():
    """What was found in a training, at its cards."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 2))
    x, t = 300 * randn(5, 4), randn(5, 2)
    found = diagnose(model, F.mse_loss, x, t)
    return draw(F.mse_loss(model(x), t), model, findings=found)


def drawn(name):
    """The graph of a net, the same each time."""
    manual_seed(0)
    return NETS[name]()


def derived(name):
    """The derivation of a net, of the sum of its elements if it has several."""
    drawn(name)
    what, given = computed
    if isinstance(what, Tensor):
        return derive(what.sum(), given)
    model = what if isinstance(what, nn.Module) else None
    given = given if isinstance(given, tuple) else (given,)
    return derive(what(*given).sum(), model)


def changed(g, **options):
    """Give a graph another theme or aspect."""
    for option, value in options.items():
        setattr(g, option, value)
    for known in ("_dot", "_fitted"):
        g.__dict__.pop(known, None)
    return g


def save(g, name, theme, kind, folder):
    """Write one graph in one format; the files."""
    if kind == "tex":
        return derived(name).slides(folder / f"{name}_tex")
    if kind == "slides":
        return g.slides(folder / f"{name}_{theme}_slides", ["svg", "png"])
    if kind not in PAGES:
        return [g.save(folder / f"{name}_{theme}.{kind}")]
    path = changed(g, aspect=PAGES[kind]).save(folder / f"{name}_{theme}_{kind}.png")
    changed(g, aspect=None)
    return [path]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--nets", nargs="*", default=list(NETS), choices=list(NETS))
    parser.add_argument("--formats", nargs="*", default=FORMATS, choices=FORMATS)
    parser.add_argument("--themes", nargs="*", default=["light", "dark", "auto"])
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in options.nets:
        start = time.perf_counter()
        g = drawn(name)
        said = [f"{len(g.drawing.nodes)} cards", f"drawn in {time.perf_counter() - start:.2f} s"]
        for theme in options.themes:
            changed(g, theme=theme)
            for kind in options.formats:
                if kind in ("pdf", "gv", "mmd", "txt", "tex") and theme != options.themes[0]:
                    continue  # for every reader
                try:
                    files = save(g, name, theme, kind, options.folder)
                except GraphRenderError as error:
                    said.append(f"no {kind}: {str(error).partition('.')[0]}")
                    continue
                if theme == options.themes[0]:
                    size = sum(file.stat().st_size for file in files) / 1000
                    said.append(
                        f"{kind} {size:.0f} kB" + f" in {len(files)} files" * (len(files) > 1)
                    )
        print(f"{name:18}{'; '.join(said)}  # {inspect.getdoc(NETS[name])}")


if __name__ == "__main__":
    sys.exit(main())
