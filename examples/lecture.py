"""A lecture of 90 minutes on backpropagation: `python -m examples.lecture out/lecture` writes it as one
page that needs no network.

Every slide is code that runs while the page is made: what it prints and what it draws is on the slide.
Arrow keys go through the slides and the frames of a picture, N shows the notes, and printing gives a
handout. The last 20 minutes are an exercise in the playground.
"""

from __future__ import annotations

import argparse
import base64
import html
import io
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from autograd_lite import Graph

HERE = Path(__file__).parent
START = "from autograd_lite import *\nfrom autograd_lite import nn\nimport numpy as np\n"


@dataclass(frozen=True)
class Slide:
    """A step of the lecture: `code` is typed; the picture is what it leaves in `picture`."""

    title: str
    minutes: int
    code: str
    notes: str
    large: bool = False  # the picture fills the slide, after the code
    frames: bool = False  # it builds up, step by step


SLIDES = (
    Slide(
        "A gradient is a number for each number",
        6,
        "x = tensor(2.0, requires_grad=True, name='x')\n"
        "y = x * x + 3 * x\n"
        "picture = draw(y)\n"
        "y.backward()\n"
        "print('dy/dx =', x.grad.item(), ' by hand: 2x + 3 =', 2 * 2 + 3)",
        "Ask first: if x grows by 0.001, by how much does y grow? Let them compute it on paper, then "
        "run the code. The picture says forward and backward on each card; the arrows that go back "
        "carry numbers. Point at x: two arrows come back to it, and their sum is the gradient.",
    ),
    Slide(
        "The tape: what happened, backwards",
        10,
        "w = tensor(-3.0, requires_grad=True, name='w')\n"
        "b = tensor(6.5, requires_grad=True, name='b')\n"
        "x = tensor(2.0, name='x')\n"
        "picture = draw((w * x + b).tanh())",
        "Go through the frames: forward each operation notes its inputs, backward each multiplies "
        "what arrives by its own slope. Before every backward frame, ask for the number. The chain "
        "rule is this and nothing else; there is one product for each arrow.",
        large=True,
        frames=True,
    ),
    Slide(
        "One rule for each operation",
        6,
        "for row in (ops.mul, ops.tanh, ops.exp, ops.relu, ops.matmul):\n"
        "    print(f'{row.name:8} {formula(row)}')",
        "g is what arrives, y the result, x the input. Who knows these lines knows the engine: a "
        "network is many of them. Let them derive tanh on paper, from y = tanh(x).",
    ),
    Slide(
        "Shapes: the gradient of a bias is a sum",
        8,
        "X = tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], name='X')\n"
        "W = tensor([[0.5, -1.0]], requires_grad=True, name='W')\n"
        "b = tensor([0.1], requires_grad=True, name='b')\n"
        "Y = X @ W.T + b\n"
        "print(derive((Y * Y).mean()))",
        "b was used once for each row, so its gradient has a term for each row. dW has the shape of "
        "W: that alone leaves one way to write the product. Cover the right hand sides and let them "
        "find dW by its shape.",
    ),
    Slide(
        "A network fits on a slide",
        8,
        "manual_seed(0)\n"
        "model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))\n"
        "x = tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], name='x')\n"
        "t = tensor([[0.0], [1.0], [1.0], [0.0]], name='t')\n"
        "loss = ((model(x) - t) ** 2).mean()\n"
        "picture = draw(loss, model, aspect='16:9')",
        "Frames are modules. Follow one path back from the loss to the first weight, and write down "
        "the factors. Where does the gradient become small? tanh multiplies by 1 - H * H.",
        large=True,
    ),
    Slide(
        "Softmax and cross-entropy: p - t",
        7,
        "z = tensor([[2.0, 0.5, -1.0]], requires_grad=True, name='z')\n"
        "loss = nn.functional.cross_entropy(z, tensor([0]))\n"
        "loss.backward()\n"
        "p = np.exp(z.array) / np.exp(z.array).sum()\n"
        "print('gradient', z.grad.numpy().round(4))\n"
        "print('p - t   ', (p - [[1, 0, 0]]).round(4))",
        "The most useful formula of the course: the gradient of the scores is the probability minus "
        "1 for the right class. Ask what it is when the net is right and sure.",
    ),
    Slide(
        "Training: a step against the gradient",
        7,
        "manual_seed(0)\n"
        "iris = nn.datasets.iris()\n"
        "x, t = (iris.data - iris.data.mean(0)) / iris.data.std(0), iris.target\n"
        "model = nn.Sequential(nn.Linear(4, 8, dtype='float64'), nn.Tanh(), nn.Linear(8, 3, dtype='float64'))\n"
        "optimizer = nn.optim.SGD(model.parameters(), lr=0.5)\n"
        "for epoch in range(101):\n"
        "    loss = nn.functional.cross_entropy(model(tensor(x)), tensor(t))\n"
        "    optimizer.zero_grad()\n"
        "    loss.backward()\n"
        "    optimizer.step()\n"
        "    if epoch % 25 == 0:\n"
        "        right = (model(tensor(x)).array.argmax(1) == t).mean()\n"
        "        print(f'epoch {epoch:3}  loss {loss.item():.3f}  right {right:.3f}')",
        "Five lines are the whole of it; the same as in PyTorch. Ask what happens without zero_grad, "
        "and try it. A third of the flowers is right by guessing one kind.",
    ),
    Slide(
        "Your backward, and the mistake in it",
        8,
        "def forward(x, w, b):\n"
        "    return x @ w.T + b\n"
        "\n"
        "def backward(g, x, w, b):\n"
        "    return g @ w, g.T @ x, g.mean(axis=0)\n"
        "\n"
        "print(check_backward(forward, backward, [(5, 3), (4, 3), (4,)]))",
        "Show the code alone and let them find the mistake; then the report. A mean where a sum "
        "belongs still learns, only slower: the curve of the loss does not show it, the comparison "
        "does.",
    ),
    Slide(
        "When it does not learn",
        5,
        "manual_seed(0)\n"
        "model = nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 1))\n"
        "model[0].bias.data.fill_(-100.0)\n"
        "x, t = randn(16, 2), randn(16, 1)\n"
        "from autograd_lite.nn.diagnosis import diagnose\n"
        "found = diagnose(model, nn.MSELoss(), x, t)\n"
        "print(found)\n"
        "picture = draw(model, x, findings=found, aspect='16:9')",
        "All units answer 0 to all samples, so no gradient comes back, so nothing changes: they will "
        "not come back. Ask what the picture of a net that is healthy would show at relu.",
        large=True,
    ),
    Slide(
        "A convolution is a small sum, many times",
        5,
        "manual_seed(0)\nconv = nn.Conv2d(1, 1, 3)\npicture = draw(conv, randn(1, 1, 5, 5))",
        "The kernel is used at every place, so its gradient is a sum over all places. What reaches a "
        "pixel comes from all windows that it is in: += and not =.",
    ),
    Slide(
        "20 minutes: your turn",
        20,
        "# in a terminal:  python -m autograd_lite playground\n"
        "# choose 'Your backward', then the layer Convolution, and find the mistake in it; then Softmax\n"
        "def backward(g, x):  # a solution for Softmax\n"
        "    y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)\n"
        "    return y * (g - (g * y).sum(axis=1, keepdims=True))\n"
        "\n"
        "print(check_backward(lambda x: x.softmax(dim=1), backward, [(5, 3)]).headline)",
        "Each layer of the box begins with one mistake. Convolution: overlapping windows overwrite "
        "each other; line 8 needs +=. Softmax: every output depends on every score, so a sum over "
        "the row is subtracted. Who is early takes Batch norm: the mean and the spread depend on x.",
    ),
)


def made(slide: Slide) -> dict[str, Any]:
    """What a slide shows: its code, what that printed, and its pictures."""
    space: dict[str, Any] = {}
    printed = io.StringIO()
    with redirect_stdout(printed):
        exec(START + slide.code, space)  # noqa: S102  (the code above)
    shown: Graph | None = space.get("picture")
    return {"output": printed.getvalue().rstrip(), "pictures": pictures(shown, slide.frames)}


def pictures(graph: Graph | None, frames: bool) -> list[tuple[str, bytes]]:
    """The pictures of a graph, each with its words."""
    if graph is None:
        return []
    graph.theme = "auto"  # as light or dark as the page
    if not frames:
        return [(graph.alt, graph.render("svg"))]
    with TemporaryDirectory() as folder:
        files = graph.slides(folder, ["svg"])
        pairs = zip(files[::2], files[1::2], strict=True)
        return [(note.read_text("utf-8"), svg.read_bytes()) for svg, note in pairs]


def section(number: int, slide: Slide) -> str:
    """The slide as HTML."""
    found = made(slide)
    images = "".join(
        f'<img alt="{html.escape(words)}" src="data:image/svg+xml;base64,'
        f'{base64.b64encode(svg).decode()}">'
        for words, svg in found["pictures"]
    )
    code = slide.code.replace("picture = ", "")
    output = f"<pre class=output>{html.escape(found['output'])}</pre>" if found["output"] else ""
    shape = " class=large" if slide.large else " class=wide" if images else ""
    return (
        f"<section{shape}><header><h2>{html.escape(slide.title)}</h2>"
        f"<p>{number} of {len(SLIDES)} · {slide.minutes} minutes</p></header>"
        f"<div class=left><pre>{html.escape(code)}</pre>{output}</div>"
        f"{f'<figure>{images}</figure>' if images else ''}"
        f"<aside><h3>Notes</h3><p>{html.escape(slide.notes)}</p></aside></section>"
    )


def page() -> str:
    """The lecture, with all it needs."""
    body = "\n".join(section(i, slide) for i, slide in enumerate(SLIDES, 1))
    return (HERE / "lecture.html").read_text("utf-8").replace("{{slides}}", body)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="where lecture.html goes")
    options = parser.parse_args()
    text = page()
    options.folder.mkdir(parents=True, exist_ok=True)
    path = options.folder / "lecture.html"
    path.write_text(text, "utf-8")
    minutes = sum(slide.minutes for slide in SLIDES)
    print(f"{path}: {len(SLIDES)} slides, {minutes} minutes, {len(text.encode()) / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
