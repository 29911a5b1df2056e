"""What the form asks for, checked; and a run: a net trained in a thread, with frames of it."""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np

from autograd_lite import Tensor, nn, no_grad, record_lines

from .targets import ACTIVATIONS, TARGETS, Array, best_line, moments, points, value_range

STARTS = {"normal": "N(0, 1)", "kaiming": "Kaiming"}
TASKS = {"function": "Fit a function", "classes": "Classify points"}
CLOUDS = {"moons": "two moons", "rings": "rings", "iris": "iris, two petal measures"}
CLASSES = {"moons": 2, "rings": 3, "iris": 3}  # though few points may be of fewer
CHOICES = {
    "task": TASKS,
    "target": {name: target.text for name, target in TARGETS.items()},
    "cloud": CLOUDS,
    "activation": {name: name for name in ACTIVATIONS},
    "init": STARTS,
}
WHOLE = {"layers": (1, 3), "units": (1, 64), "samples": (10, 1000), "epochs": (1, 20_000),
         "seed": (0, 2**32 - 1)}  # fmt: skip
LARGEST_RATE = 100.0
FRAMES = 100
GRID = 48  # points along each side of the map of classes
COLOURS = np.array([[43, 108, 176], [221, 122, 43], [47, 143, 107]])  # as in examples/systems


# ---- the form


@dataclass(frozen=True)
class Form:
    """What to train, each field under its name on the page; the defaults are what it opens with."""

    task: str = "function"
    target: str = "sin"
    cloud: str = "moons"
    activation: str = "tanh"
    layers: int = 2
    units: int = 16
    lr: float = 0.01
    samples: int = 100
    epochs: int = 1000
    init: str = "normal"
    seed: int = 0


def checked(given: Mapping[str, Any]) -> tuple[Form | None, dict[str, str]]:
    """The form, or None and what is wrong, by field."""
    values: dict[str, Any] = {}
    wrong: dict[str, str] = {}
    for name in (field.name for field in fields(Form)):
        text = str(given.get(name, "")).strip()
        try:
            values[name] = value_of(name, text)
        except ValueError as error:
            wrong[name] = str(error)
    for name in given:
        if name not in {field.name for field in fields(Form)}:
            wrong[name] = f"There is no field {name!r}."
    return (None, wrong) if wrong else (Form(**values), {})


def value_of(name: str, text: str) -> Any:
    """The value of a field; ValueError with a sentence for the reader."""
    if name in CHOICES:
        if text not in CHOICES[name]:
            raise ValueError(f"{text!r} is no choice; there are {', '.join(CHOICES[name])}.")
        return text
    if not text:
        raise ValueError("Give a number.")
    if len(text) > 40:
        raise ValueError("That is too long for a number.")
    if name == "lr":
        try:
            x = float(text)
        except ValueError:
            raise ValueError(f"{text!r} is no number.") from None
        if not 0 < x <= LARGEST_RATE:
            raise ValueError(f"It must be above 0 and at most {LARGEST_RATE:g}; it is {x:g}.")
        return x
    low, high = WHOLE[name]
    try:
        n = int(text)
    except ValueError:
        raise ValueError(f"{text!r} is no whole number.") from None
    if not low <= n <= high:
        raise ValueError(f"It must be from {low:,} to {high:,}; it is {n:,}.")
    return n


# ---- data


@dataclass(frozen=True)
class Data:
    x: Array  # (n, features)
    y: Array  # (n, 1) values, or (n,) classes
    x_test: Array
    y_test: Array


def data(form: Form) -> Data:
    """The points to learn; of classes, a third as many more that are held out."""
    if form.task == "function":
        x, y = points(form.target, form.samples)
        return Data(x, y, x, y)
    rng = np.random.default_rng([form.seed, 1])
    n = form.samples
    if form.cloud == "iris":
        iris = nn.datasets.iris()
        order = rng.permutation(len(iris.data))
        x, y = iris.data[order][:, 2:], iris.target[order]
        n = min(n, 112)  # of 150
        x = (x - x[:n].mean(axis=0)) / x[:n].std(axis=0)
    else:
        x, y = (moons if form.cloud == "moons" else rings)(rng, n + max(n // 3, 10))
    return Data(x[:n], y[:n], x[n:], y[n:])


def moons(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """Two half circles that reach into one another."""
    y = rng.integers(2, size=n)
    angle = rng.uniform(0, np.pi, n)
    sign = 1 - 2 * y
    x = np.stack([sign * np.cos(angle) + y - 0.5, sign * np.sin(angle) + 0.5 * y - 0.25], axis=1)
    return x + rng.normal(scale=0.15, size=x.shape), y


def rings(rng: np.random.Generator, n: int) -> tuple[Array, Array]:
    """A disc in a ring in a ring."""
    y = rng.integers(3, size=n)
    angle, radius = rng.uniform(0, 2 * np.pi, n), 0.3 + 0.7 * y
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return x + rng.normal(scale=0.12, size=x.shape), y


# ---- a run


def network(form: Form, sizes: list[int]) -> nn.Sequential:
    """Linear layers with an activation between them, in float64."""
    rng = np.random.default_rng(form.seed)
    layers: dict[str, nn.Module] = {}
    with no_grad():
        for i, (m, k) in enumerate(pairwise(sizes), 1):
            linear = nn.Linear(m, k, dtype="float64")
            w, b = rng.standard_normal((k, m)), rng.standard_normal(k)
            kaiming = form.init == "kaiming"
            linear.weight.copy_(Tensor(w * np.sqrt(2 / m) if kaiming else w))
            if linear.bias is not None:
                linear.bias.copy_(Tensor(0 * b if kaiming else b))
            layers[f"fc{i}"] = linear
            if i <= form.layers:
                layers[f"{form.activation}{i}"] = ACTIVATIONS[form.activation]()
    return nn.Sequential(layers)


class Run:
    """One training, in a thread of its own, read by others while it goes on.

    What a reader sees only grows: `losses` by epoch, and `frames`, each with the epoch, what the
    page shows of it, and the parameters, so that the graph of any frame can be drawn.
    """

    def __init__(self, form: Form, number: int, ended: Callable[[], None] = lambda: None) -> None:
        self.form, self.number, self._ended = form, number, ended
        self.data = data(form)
        outputs = CLASSES[form.cloud] if form.task == "classes" else 1
        self.sizes = [self.data.x.shape[1], *[form.units] * form.layers, outputs]
        self.model = network(form, self.sizes)
        self.losses: list[float] = []
        self.frames: list[tuple[dict[str, Any], dict[str, Array]]] = []
        self.end = ""  # why it ended
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._train, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def stop(self) -> None:
        self.stopping.set()

    def join(self) -> None:
        self.thread.join()

    def loss(self, output: Tensor, y: Array) -> Tensor:
        if self.form.task == "classes":
            return nn.functional.cross_entropy(output, y)
        return nn.functional.mse_loss(output, Tensor(y, name="t"))

    def _train(self) -> None:
        try:
            with np.errstate(all="ignore"):  # a net that diverges overflows; that is told
                self.end = self._epochs()
        except Exception as error:
            self.end = f"It broke off: {type(error).__name__}: {error}"
            raise  # with its traceback, in the terminal
        finally:
            self._ended()

    def _epochs(self) -> str:
        """Full-batch gradient descent; the sentence that tells how it ended."""
        x = Tensor(self.data.x)
        optimizer = nn.optim.SGD(self.model.parameters(), lr=self.form.lr)
        kept = set(moments(self.form.epochs, FRAMES))
        for epoch in range(self.form.epochs + 1):
            optimizer.zero_grad()
            loss = self.loss(self.model(x), self.data.y)
            self.losses.append(loss.item())
            finite = math.isfinite(loss.item())
            last = self.stopping.is_set() or not finite or epoch == self.form.epochs
            if epoch in kept or last:
                self.frames.append(self._frame(epoch))
            if last:
                break
            loss.backward()
            optimizer.step()
        if not finite or not max(self.losses) <= 10 * self.losses[0]:
            help = "a rate ten times smaller"
            if self.form.init == "normal":
                help += ", or the Kaiming start"
            return f"It diverged: the steps are too long. What may help: {help}."
        if epoch < self.form.epochs:
            return f"Stopped after {epoch:,} of {self.form.epochs:,} epochs."
        return f"Trained for {epoch:,} epochs."

    def _frame(self, epoch: int) -> tuple[dict[str, Any], dict[str, Array]]:
        shown: dict[str, Any] = {"epoch": epoch}
        with no_grad():
            if self.form.task == "function":
                shown["y"] = numbers(self.model(Tensor(self.data.x)).numpy()[:, 0])
            else:
                p = self.model(Tensor(self._grid)).softmax(dim=1).numpy()  # (GRID², classes)
                rgb = 255 - 0.62 * (255 - np.nan_to_num(p) @ COLOURS[: p.shape[1]])
                shown["map"] = base64.b64encode(rgb.astype(np.uint8).tobytes()).decode()
                shown["right"], shown["held"] = shares(self.model, self.data)
        return shown, {name: p.array.copy() for name, p in self.model.named_parameters()}

    # ---- what is read from outside

    @cached_property
    def box(self) -> list[float]:
        """The edges of the map of classes: left, right, bottom, top."""
        low, high = self.data.x.min(axis=0) - 0.4, self.data.x.max(axis=0) + 0.4
        return [float(low[0]), float(high[0]), float(low[1]), float(high[1])]

    @cached_property
    def _grid(self) -> Array:
        left, right, bottom, top = self.box
        u, v = np.meshgrid(np.linspace(left, right, GRID), np.linspace(top, bottom, GRID))
        return np.stack([u.ravel(), v.ravel()], axis=1)

    @cached_property
    def picture(self) -> dict[str, Any]:
        """What stays the same from frame to frame, the baseline included."""
        d = self.data
        if self.form.task == "function":
            line = best_line(d.x, d.y)
            return {
                "x": numbers(d.x[:, 0]), "y": numbers(d.y[:, 0]), "line": numbers(line[:, 0]),
                "range": value_range(d.y), "baseline": float(np.mean((line - d.y) ** 2)),
                "title": self._title(TARGETS[self.form.target].text),
            }  # fmt: skip
        loss, right, held = linear_classifier(d, CLASSES[self.form.cloud])
        return {
            "x": numbers(d.x[:, 0]), "y": numbers(d.x[:, 1]), "classes": d.y.tolist(),
            "box": self.box, "grid": GRID, "baseline": loss, "right": right, "held": held,
            "title": self._title(CLOUDS[self.form.cloud]),
        }  # fmt: skip

    def _title(self, subject: str) -> str:
        net = f"{'-'.join(map(str, self.sizes))} {self.form.activation}"
        return f"{subject}: {net}, {len(self.data.x):,} points"

    def state(self, frames: int, epochs: int) -> dict[str, Any]:
        """The news for a page that has so many frames and losses."""
        end = self.end  # first, so that what it ends is in the lists below
        return {
            "run": self.number, "task": self.form.task, "epochs": self.form.epochs, "end": end,
            "frames": [shown for shown, _ in self.frames[frames:]],
            "losses": numbers(self.losses[epochs:]),
        }  # fmt: skip

    def recorded(self, index: int) -> tuple[Tensor, nn.Module]:
        """The loss of a frame, recorded anew with a model of its own, and that model."""
        _, parameters = self.frames[index]
        model = network(self.form, self.sizes)
        with no_grad():
            for name, p in model.named_parameters():
                p.copy_(Tensor(parameters[name]))
        with np.errstate(all="ignore"), record_lines():  # also of a net that has diverged
            loss = self.loss(model(Tensor(self.data.x, name="x")), self.data.y)
        return loss, model

    def findings(self, model: nn.Module) -> Any:
        """What `diagnose` says of the model of a frame."""
        with np.errstate(all="ignore"):
            return nn.diagnosis.diagnose(model, self.loss, Tensor(self.data.x), self.data.y)


def linear_classifier(d: Data, classes: int) -> tuple[float, float, float]:
    """Of softmax regression: its loss, and the shares it gets right in training and held out."""
    model = nn.Linear(2, classes, dtype="float64")
    optimizer = nn.optim.SGD(model.parameters(), lr=1.0)
    x = Tensor(d.x)
    for _ in range(300):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), d.y)
        loss.backward()
        optimizer.step()
    return loss.item(), *shares(model, d)


def shares(model: nn.Module, d: Data) -> list[float]:
    """Of the points that are classified right: in training, and held out."""
    with no_grad():
        return [
            float((model(Tensor(a)).numpy().argmax(axis=1) == b).mean())
            for a, b in ((d.x, d.y), (d.x_test, d.y_test))
        ]


def numbers(values: Any) -> list[float | None]:
    """For JSON: six digits, None for what is not finite."""
    return [float(f"{v:.6g}") if math.isfinite(v) else None for v in values]
