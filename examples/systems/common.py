"""What the examples of this folder share: options, the training loop's rounds, pictures.

The examples are scripts: `python examples/systems/s0_univariate.py --help`.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from autograd_lite import Tensor
from autograd_lite.nn import Module, Parameter
from autograd_lite.nn.datasets import mnist
from autograd_lite.nn.sweeps import Trial
from autograd_lite.work import bar

Array = np.ndarray[Any, Any]
Data = tuple[Array, Array]  # images uint8 (n, 28, 28), labels (n,)

PICTURES = (".png", ".svg", ".pdf")

INK, PALE, GRID = "#26323d", "#6b7680", "#e8ebee"
BLUE, ORANGE, GREEN, RED = "#2b6cb0", "#cc6a1f", "#1b8a6b", "#c0392b"
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.color": INK,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.titlepad": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#c3cad1",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": PALE,
    "ytick.color": PALE,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
    "savefig.dpi": 160,
    "svg.fonttype": "none",
}


# ---- options ---------------------------------------------------------------------------------


def number(text: str, kind: type[int | float]) -> Any:
    try:
        return kind(text)
    except ValueError:
        name = "a whole number" if kind is int else "a number"
        raise argparse.ArgumentTypeError(f"{text!r} is not {name}") from None


def count(text: str) -> int:
    """A whole number of at least 1, for `type=` of an option."""
    n = number(text, int)
    if n < 1:
        raise argparse.ArgumentTypeError(f"{n} is too small; it must be at least 1")
    return n


def rate(text: str) -> float:
    """A finite number above 0, for `type=` of an option."""
    x = number(text, float)
    if not 0 < x < np.inf:
        raise argparse.ArgumentTypeError(f"{text} is not a finite number above 0")
    return x


def seed(text: str) -> int:
    """A whole number from 0 to 2**32 - 1, which every generator of NumPy takes."""
    n = number(text, int)
    if not 0 <= n < 2**32:
        raise argparse.ArgumentTypeError(f"{n} is not between 0 and {2**32 - 1}")
    return n


def parser(text: str, name: str, first: int = 0) -> argparse.ArgumentParser:
    """A parser with `--seed`, which is `first` by default, and `--plot`, out/NAME.png by default."""
    made = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--seed", type=seed, default=first, metavar="N", help="default: %(default)s")
    made.add_argument(
        "--plot",
        type=Path,
        metavar="FILE",
        help=f"the picture, {', '.join(PICTURES)} (default: out/{name}.png)",
    )
    made.set_defaults(name=name)
    return made


def mnist_parser(text: str, name: str) -> argparse.ArgumentParser:
    """A parser with `--data` for `digits`, and seed 1."""
    made = parser(text, name, first=1)
    made.add_argument(
        "--data",
        metavar="FOLDER",
        help="where the four MNIST files are (default: the variable AUTOGRAD_LITE_DATA)",
    )
    return made


def digits(options: argparse.Namespace) -> tuple[Data, Data]:
    """MNIST for training and for tests; missing or broken files end the script with the reason."""
    try:
        return mnist(options.data), mnist(options.data, train=False)
    except (FileNotFoundError, ValueError) as error:
        print(f"{error}\nHere the folder is named with --data FOLDER.", file=sys.stderr)
        raise SystemExit(1) from None


def parse(made: argparse.ArgumentParser, arguments: Sequence[str] | None) -> argparse.Namespace:
    """The options; `plot` is None where no picture was asked for and matplotlib is missing.

    Files that cannot be written are refused here, before hours of training.
    """
    options = made.parse_args(arguments)
    if options.plot is None and installed("matplotlib"):
        options.plot = Path("out", f"{options.name}.png")
    elif options.plot is None:
        print("no picture: matplotlib is missing (pip install matplotlib)", file=sys.stderr)
    elif not installed("matplotlib"):
        made.error("--plot needs matplotlib: pip install matplotlib")
    if options.plot is not None:
        check_output(made, "--plot", options.plot, PICTURES)
    return options


def installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def check_output(
    made: argparse.ArgumentParser, option: str, path: Path, suffixes: Sequence[str]
) -> None:
    """End with the reason if a file of that name cannot be written; its folder is made."""
    if path.suffix.lower() not in suffixes:
        made.error(f"{option}: {path} must end in {' or '.join(suffixes)}")
    new = not path.exists()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("ab").close()
        if new:
            path.unlink()
    except OSError as error:
        made.error(f"{option}: cannot write {path}: {error.strerror}")


def script(main: Callable[[], int]) -> NoReturn:
    """Run a script to its exit code; what ends it from outside is said in a line."""
    try:
        code = main()
        sys.stdout.flush()  # a reader that has gone is noticed here, not at the very end
    except KeyboardInterrupt:  # before or after the training, or for the second time in it
        print("interrupted", file=sys.stderr)
        code = 130
    except MemoryError as error:
        print(f"not enough memory: {error}", file=sys.stderr)
        code = 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    sys.exit(code)


# ---- training --------------------------------------------------------------------------------


class Rounds:
    """The numbers 1 to n, with a progress bar on a terminal; Ctrl-C ends them after the round at
    hand, sets `interrupted` and says so, and what was computed by then stays."""

    def __init__(self, n: int, unit: str = "epoch", title: str = "") -> None:
        self.n, self.unit, self.title = n, unit, title
        self.interrupted = False

    def __iter__(self) -> Iterator[int]:
        main = threading.current_thread() is threading.main_thread()  # others get no signals
        mine = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if mine:
            signal.signal(signal.SIGINT, self._pressed)
        k = 0
        try:
            with bar(
                self.unit, total=self.n, desc=self.title or None, unit=self.unit, leave=False
            ) as drawn:
                for k in range(1, self.n + 1):
                    yield k
                    if drawn is not None:
                        drawn.update()
                    if self.interrupted:
                        break
        finally:
            if mine:
                signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.interrupted:
            print(f"interrupted after {self.unit} {k} of {self.n}", file=sys.stderr)

    def _pressed(self, *_: Any) -> None:
        self.interrupted = True
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the second one ends at once


def in_order(trials: Iterable[Trial]) -> Iterator[Trial]:
    """Trials in the order of their grid, each as soon as those before it are there."""
    waiting: dict[int, Trial] = {}
    wanted = 0
    for trial in trials:
        waiting[trial.number] = trial
        while wanted in waiting:
            yield waiting.pop(wanted)
            wanted += 1
    yield from (waiting[number] for number in sorted(waiting))  # after Ctrl-C


class Stack(Module):
    """Linear layers side by side, one for each start: Y[s] = X[s] @ W[s] + b[s].

    w (starts, in, out), b (starts, 1, out); X is (starts, n, in), or (n, in) for all of them.
    """

    def __init__(self, w: Array, b: Array) -> None:
        super().__init__()
        self.W, self.b = Parameter(w), Parameter(b)

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.W + self.b


def spread(values: Array) -> tuple[float, float, float]:
    """The median, and the limits between which 8 in 10 lie; NaN counts as infinite."""
    ends = np.sort(np.nan_to_num(values, nan=np.inf, posinf=np.inf))
    cut = len(ends) // 10
    return float(np.median(ends)), float(ends[cut]), float(ends[-1 - cut])


# ---- pictures --------------------------------------------------------------------------------


@contextmanager
def canvas(
    columns: int = 1, rows: int = 1, size: tuple[float, float] = (9, 4), **kw: Any
) -> Iterator[Any]:
    """Axes to draw on, an array (rows, columns), in the style of these examples.

    `kw` goes to `Figure.subplots`.
    """
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)  # pixels, on machines without a screen too
        figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
        yield figure.subplots(rows, columns, squeeze=False, **kw)


@contextmanager
def picture(path: Path, *shape: int, **kw: Any) -> Iterator[Any]:
    """A canvas that is written to a file on leaving."""
    with canvas(*shape, **kw) as axes:
        yield axes
        axes[0, 0].figure.savefig(path)
        print(f"saved {path}")


def label(axes: Any, x: float, y: float, text: str, color: str, **kw: Any) -> None:
    """A name beside what it names, with a white edge that keeps it legible on lines."""
    from matplotlib.patheffects import withStroke

    made = axes.annotate(
        text, (x, y), color=color, textcoords="offset points", **{"xytext": (4, 0)} | kw
    )
    made.set_path_effects([withStroke(linewidth=3, foreground="white")])
