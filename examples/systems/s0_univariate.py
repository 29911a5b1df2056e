"""System 0, a function of one variable: a small net learns it by full-batch gradient descent.

Layers are Y = XW + b with W (in, out); the loss is the mean of the squares over all points, measured
after each epoch over all of them, beside the best straight line. Every epoch's prediction is kept:
--html writes an animation that needs nothing but a browser, --gif a moving picture. --table trains
all nets of the reference table on all cores, from 20 starts each, a start per slice of one axis.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import common
import numpy as np
from common import BLUE, INK, ORANGE, PALE, Array, Rounds, Stack, label

from autograd_lite import Tensor, nn
from autograd_lite.nn.sweeps import sweep
from autograd_lite.playground.targets import (
    ACTIVATIONS,
    TARGETS,
    best_line,
    moments,
    points,
    value_range,
)

SHADES = ("#b9cfe6", "#8db2da", "#5a8ec6", BLUE)  # from the first epoch to the last

# medians of the final MSE over 20 starts: 100 points, 16 units, rate .01, 1000 epochs, N(0, 1)
COLUMNS = (("tanh", 1), ("tanh", 2), ("tanh", 3), ("relu", 1), ("relu", 2))
REFERENCE = {
    "sin": (7.0e-3, 2.6e-3, 2.3e-3, 1.2e-2, 4.0e-2),
    "square": (3.5e-3, 1.3e-3, 1.1e-3, 4.1e-3, 2.2e-3),
    "abs": (2.8e-3, 1.3e-3, 9.0e-4, 1.8e-3, 1.1e-3),
}


# ---- data, net, training ---------------------------------------------------------------------


def network(
    sizes: Sequence[int], activation: str, init: str, seeds: Sequence[int]
) -> nn.Sequential:
    """A net for each seed, in one: "normal" draws weights and biases from N(0, 1), "kaiming" draws
    weights from N(0, 2/in) and sets biases to 0."""
    generators = [np.random.default_rng(seed) for seed in seeds]
    layers: list[nn.Module] = []
    for m, k in pairwise(sizes):
        w = np.stack([rng.standard_normal((m, k)) for rng in generators])  # (starts, in, out)
        b = np.stack([rng.standard_normal((1, k)) for rng in generators])  # (starts, 1, out)
        if init == "kaiming":
            w, b = w * np.sqrt(2 / m), 0 * b
        layers += [Stack(w, b), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


@dataclass
class Fit:
    losses: Array  # (epochs + 1, starts); row 0 is before training
    predictions: Array  # (epochs + 1, starts, n), or without rows if they were not kept
    interrupted: bool

    @property
    def diverged(self) -> Array:
        """Which starts were ever far above their first loss, or not finite. Some come back down
        with all units dead, and predict a constant."""
        return ~(self.losses <= 10 * self.losses[0]).all(axis=0)  # a NaN is not <=


def fit(
    x: Array,
    y: Array,
    activation: str = "tanh",
    layers: int = 1,
    units: int = 16,
    lr: float = 0.01,
    epochs: int = 1000,
    *,
    init: str = "normal",
    seeds: Sequence[int] = (0,),
    keep: bool = True,
    title: str = "",
) -> Fit:
    """Gradient descent from every seed; it ends early when no start has a finite loss."""
    model = network([1, *[units] * layers, 1], activation, init, seeds)
    optimizer = nn.optim.SGD(model.parameters(), lr=lr)
    losses, predictions = [], []
    rounds = Rounds(epochs, title=title)

    def measure() -> Tensor:
        output = model(Tensor(x))  # (starts, n, 1)
        error = output - y
        loss = (error * error).mean(dim=(1, 2))  # (starts,)
        losses.append(loss.array)
        if keep:
            predictions.append(output.array[:, :, 0])
        return loss

    with np.errstate(all="ignore"):  # a net that diverges overflows; that is reported
        loss = measure()
        for _ in rounds:
            optimizer.zero_grad()
            loss.sum().backward()  # the starts share nothing: each has its own gradient
            optimizer.step()
            loss = measure()
            if not np.isfinite(loss.array).any():
                break
    kept = np.array(predictions).reshape(-1, len(seeds), len(x))
    return Fit(np.array(losses), kept, rounds.interrupted)


# ---- what is printed -------------------------------------------------------------------------


def summary(options: argparse.Namespace, x: Array, y: Array, run: Fit) -> None:
    losses, last = run.losses[:, 0], len(run.losses) - 1
    line = np.mean((best_line(x, y) - y) ** 2)
    start = "N(0, 1)" if options.init == "normal" else "Kaiming"
    print(f"{caption(options)}, {start} start, {len(x)} points")
    print("mean squared error over all points:")
    print(f"  best straight line          {line:.3g}")
    print(f"  net, before training        {losses[0]:.3g}")
    print(f"  net, after {last:4} epochs       {losses[-1]:.3g}", end="")
    if not run.diverged[0]:
        times = line / losses[-1]
        better = f"{times:.2f} times better" if times > 1 else f"{1 / times:.2f} times worse"
        print(f", {better} than the line")
        return
    grown = np.argmin(losses <= 10 * losses[0])
    print(f"\nIt diverged: from epoch {grown} the loss was above ten times the first one.")
    if np.isfinite(losses[-1]) and np.ptp(run.predictions[-1, 0]) < 1e-6 * np.ptp(y):
        print("Its units died on the way: it predicts the same for every x.")
    print("The steps are too long for the slopes of this start. What helps, tried:")
    remedies: list[tuple[str, dict[str, str | float]]] = [
        ("--init kaiming", {"init": "kaiming"}),
        (f"--lr {options.lr / 10:g}", {"lr": options.lr / 10}),
    ]
    for text, change in remedies[options.init == "kaiming" :]:
        other = train(options, x, y, **change)
        if other.interrupted:
            run.interrupted = True
            return
        found = "diverges as well" if other.diverged[0] else f"{other.losses[-1, 0]:.3g}"
        print(f"  {text:27} {found}")


def train(options: argparse.Namespace, x: Array, y: Array, **change: str | float) -> Fit:
    """The fit that the options describe, but for some changes."""
    o = argparse.Namespace(**vars(options) | change)
    return fit(
        x, y, o.activation, o.layers, o.units, o.lr, o.epochs, init=o.init, seeds=[o.seed]
    )  # fmt: skip


Ends = tuple[Array, Array]  # per start


def ends(name: str, net: tuple[str, int], init: str, epochs: int, seeds: Sequence[int]) -> Ends:
    """The final losses of a net of the table from all starts, and which of them diverged."""
    run = fit(*points(name, 100), *net, epochs=epochs, init=init, seeds=seeds, keep=False)
    return run.losses[-1], run.diverged


def table(starts: int, epochs: int, seed: int, jobs: int | None = None) -> bool:
    """Print the reference table as it is reached here; whether Ctrl-C ended it."""
    one = partial(ends, epochs=epochs, seeds=range(seed, seed + starts))
    print(f"Final MSE over {starts} starts, 16 units, rate 0.01, {epochs} epochs, N(0, 1) start;")
    print(
        '"8 in 10" is where 8 of 10 starts end; in the last column the median of the reference.\n'
    )
    print("function  net     best line   median     8 in 10                reference")
    expected = {
        (n, net): e for n in REFERENCE for net, e in zip(COLUMNS, REFERENCE[n], strict=True)
    }
    nets = [{"name": name, "net": net, "init": "normal"} for name, net in expected]
    trials = sweep(one, nets, jobs=jobs)
    for trial in common.in_order(trials):
        name, net = trial.settings["name"], trial.settings["net"]
        x, y = points(name, 100)
        line = np.mean((best_line(x, y) - y) ** 2)
        median, low, high = common.spread(trial.result[0])
        wanted = expected[name, net]
        inside = "inside" if low <= wanted <= high else "OUTSIDE"
        print(
            f"{TARGETS[name].text:9} {net[0]} {net[1]:<2} {line:.4f}      {median:.2e}   "
            f"{low:.2e} .. {high:<8.2e}   {wanted:.1e} {inside}",
            flush=True,
        )
    if trials.interrupted:
        return True
    print("\nrelu with 3 hidden layers: diverged starts, and the median of the others")
    inits = {"name": REFERENCE, "net": [("relu", 3)], "init": ["normal", "kaiming"]}
    trials = sweep(one, inits, jobs=jobs)
    for trial in common.in_order(trials):
        losses, diverged = trial.result
        rest = f", {np.median(losses[~diverged]):.2e}" if not diverged.all() else ""
        found = f" {trial.settings['init']} {diverged.sum():2} of {starts}{rest:12}"
        if trial.settings["init"] == "normal":
            row = f"{TARGETS[trial.settings['name']].text:9}{found}"
        else:  # whole: a progress bar clears what its line began with
            print(f"{row}{found}".rstrip(), flush=True)
    return trials.interrupted


# ---- pictures --------------------------------------------------------------------------------


def caption(options: argparse.Namespace) -> str:
    sizes = "-".join(map(str, (1, *[options.units] * options.layers, 1)))
    return f"{TARGETS[options.target].text}, {sizes} {options.activation} net, rate {options.lr:g}"


def draw_losses(axes: Any, losses: Array, line: float) -> None:
    axes.set(title="mean squared error over all points", xlabel="epoch", yscale="log")
    axes.plot(losses, color=BLUE)
    axes.axhline(line, color=ORANGE, lw=1.2, ls=(0, (5, 3)))
    axes.xaxis.get_major_locator().set_params(integer=True)
    last = np.flatnonzero(np.isfinite(losses))[-1]
    label(axes, last, line, f"best line  {line:.3g}", ORANGE, xytext=(0, 4), ha="right")
    below = 0.7 < losses[last] / line < 1.4  # where the line has its label
    side = (0, -14 if below else 8)
    label(axes, last, losses[last], f"net  {losses[-1]:.3g}", BLUE, xytext=side, ha="right")


def draw_target(axes: Any, options: argparse.Namespace, at: Array, y: Array, line: Array) -> None:
    axes.set(title=caption(options), xlabel="x", ylabel="y", ylim=value_range(y))
    axes.set_xlim(at[0], at[-1])
    axes.plot(at, y, ".", color=PALE, ms=3, label="target")
    axes.plot(at, line, color=ORANGE, lw=1.2, ls=(0, (5, 3)), label="best line")


def draw(options: argparse.Namespace, x: Array, y: Array, run: Fit) -> None:
    straight, epochs = best_line(x, y), len(run.losses) - 1
    at = x[:, 0]
    with common.picture(options.plot, 2, size=(9, 4.4)) as ((left, right),):
        draw_target(left, options, at, y, straight)
        shown = sorted({0, min(10, epochs), min(100, epochs), epochs})
        for epoch, shade in zip(shown, SHADES[-len(shown) :], strict=True):
            kind = {"color": shade, "lw": 2.6 if epoch == epochs else 1.3}
            left.plot(at, run.predictions[epoch, 0], label=f"epoch {epoch}", **kind)
        left.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.17), frameon=False)
        if run.diverged[0]:
            middle = {"transform": left.transAxes, "ha": "center", "va": "center"}
            left.text(0.5, 0.9, "the net diverged", color=BLUE, **middle)
        draw_losses(right, run.losses[:, 0], float(np.mean((straight - y) ** 2)))


def write_gif(options: argparse.Namespace, x: Array, y: Array, run: Fit) -> None:
    from PIL import Image

    straight, at = best_line(x, y), x[:, 0]
    images = []
    with common.canvas(2, size=(8, 3.9)) as ((left, right),):
        figure = left.figure
        figure.set_dpi(100)
        draw_target(left, options, at, y, straight)
        (curve,) = left.plot(at, at, color=BLUE, lw=2.4, label="net")
        left.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, -0.17), frameon=False)
        draw_losses(right, run.losses[:, 0], float(np.mean((straight - y) ** 2)))
        (dot,) = right.plot([0], [1], "o", color=BLUE, ms=6)
        edge = {"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 2}
        text = left.text(0.03, 0.95, "", transform=left.transAxes, va="top", bbox=edge)
        figure.canvas.draw()
        figure.set_layout_engine("none")  # laid out once: the frames do not jump
        for epoch in moments(len(run.losses) - 1, options.frames):
            curve.set_ydata(run.predictions[epoch, 0])
            dot.set_data([epoch], [run.losses[epoch, 0]])
            text.set_text(f"epoch {epoch}, error {run.losses[epoch, 0]:.2g}")
            figure.canvas.draw()
            pixels = np.asarray(figure.canvas.buffer_rgba())[:, :, :3]
            images.append(Image.fromarray(pixels).quantize(64, dither=Image.Dither.NONE))
    first, *others = images
    pauses = [60] * len(others) + [2000]  # milliseconds; the last one stands still
    first.save(options.gif, save_all=True, append_images=others, duration=pauses, loop=0)
    print(f"saved {options.gif}, {len(images)} frames")


def write_html(options: argparse.Namespace, x: Array, y: Array, run: Fit) -> None:
    from plotly import graph_objects as go
    from plotly.subplots import make_subplots

    at, losses = x[:, 0], run.losses[:, 0]
    straight = best_line(x, y)
    line = float(np.mean((straight - y) ** 2))
    epochs = np.arange(len(losses))
    titles = (caption(options), "mean squared error over all points")
    figure = make_subplots(1, 2, subplot_titles=titles, horizontal_spacing=0.1)
    unnamed = {"showlegend": False}

    def moving(epoch: int) -> list[go.Scatter]:
        """What changes from frame to frame: the prediction, and the dot on the curve of losses."""
        loss = losses[epoch]
        side = "top right" if 2 * epoch < len(losses) else "top left"  # never past the edge
        return [
            go.Scatter(x=at, y=run.predictions[epoch, 0], mode="lines", name="net",
                       line={"color": BLUE, "width": 3}),
            go.Scatter(x=[epoch], y=[loss], text=[f"{loss:.3g}"], mode="markers+text", name="net",
                       textposition=side, textfont={"color": BLUE}, cliponaxis=False,
                       marker={"color": BLUE, "size": 10}, **unnamed),
        ]  # fmt: skip

    dashed = {"color": ORANGE, "width": 1.5, "dash": "dash"}
    curve, dot = moving(0)
    still = [
        (go.Scatter(x=at, y=y[:, 0], mode="markers", name="target",
                    marker={"color": PALE, "size": 4}), 1),
        (go.Scatter(x=at, y=straight[:, 0], mode="lines", name="best line", line=dashed), 1),
        (go.Scatter(x=epochs, y=losses, mode="lines", name="loss",
                    line={"color": BLUE, "width": 1.5}, opacity=0.5, **unnamed), 2),
        (go.Scatter(x=epochs[[0, -1]], y=[line, line], mode="lines+text", name="best line",
                    line=dashed, text=["", f"best line {line:.3g}"], textposition="top left",
                    textfont={"color": ORANGE}, **unnamed), 2),
    ]  # fmt: skip
    for trace, column in [*still, (curve, 1), (dot, 2)]:
        figure.add_trace(trace, 1, column)
    chosen = moments(len(losses) - 1, options.frames)
    figure.frames = [
        go.Frame(name=str(epoch), data=moving(epoch), traces=[len(still), len(still) + 1])
        for epoch in chosen
    ]

    def animate(what: list[str | None] | None, pause: int) -> list[Any]:
        how = {"mode": "immediate", "fromcurrent": True, "transition": {"duration": 0}}
        return [what, how | {"frame": {"duration": pause, "redraw": False}}]

    buttons = [
        {"label": "Play", "method": "animate", "args": animate(None, 50)},
        {"label": "Pause", "method": "animate", "args": animate([None], 0)},
    ]
    steps = [
        {"label": str(epoch), "method": "animate", "args": animate([str(epoch)], 0)}
        for epoch in chosen
    ]
    axis = {"gridcolor": common.GRID, "linecolor": "#c3cad1", "zeroline": False}
    figure.update_xaxes(**axis).update_yaxes(**axis)
    figure.update_xaxes(title={"text": "x", "font": {"size": 13}}, row=1, col=1)
    figure.update_xaxes(title={"text": "epoch", "font": {"size": 13}}, row=1, col=2)
    y_title = {"text": "y", "font": {"size": 13}, "standoff": 0}
    figure.update_yaxes(title=y_title, range=value_range(y), row=1, col=1)
    finite = losses[np.isfinite(losses)]
    decades = np.log10(max(finite.max(), line) / min(finite.min(), line))
    apart = int(np.ceil(max(decades, 1) / 8))  # at most about 8 numbers on the axis
    figure.update_yaxes(
        type="log", dtick=apart, exponentformat="power", row=1, col=2, tickfont={"size": 10.4}
    )  # plotly makes powers a quarter larger
    if run.diverged[0]:
        figure.add_annotation(
            text="the net diverged", x=0.5, y=0.92, xref="x domain", yref="y domain",
            showarrow=False, font={"color": BLUE},
        )  # fmt: skip
    figure.update_layout(
        font={"family": "DejaVu Sans, Verdana, sans-serif", "size": 13, "color": INK},
        plot_bgcolor="white", paper_bgcolor="white", height=520,
        margin={"l": 60, "r": 40, "t": 70, "b": 160},
        legend={"orientation": "h", "x": 0, "y": 1, "yanchor": "bottom"},
        updatemenus=[{"type": "buttons", "direction": "left", "buttons": buttons, "x": 0, "y": -0.17,
                      "xanchor": "left", "yanchor": "top", "pad": {"t": 0}, "showactive": False}],
        sliders=[{"steps": steps, "x": 0, "len": 1, "y": -0.17, "yanchor": "top", "ticklen": 3,
                  "currentvalue": {"prefix": "epoch ", "xanchor": "right", "offset": 24}}],
    )  # fmt: skip
    figure.update_annotations(font_size=14)
    for title in figure.layout.annotations[:2]:
        title.yshift = 22  # above the legend
    figure.write_html(
        options.html, include_plotlyjs=True, auto_play=False, full_html=True,
        config={"displayModeBar": False, "responsive": True},
    )  # fmt: skip
    print(f"saved {options.html}, {len(chosen)} frames")


# ---- the script ------------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> int:
    parser = common.parser(__doc__, "s0_univariate")
    add = parser.add_argument
    add("--target", choices=TARGETS, default="sin", help="default: %(default)s")
    add("--activation", choices=ACTIVATIONS, default="tanh", help="default: %(default)s")
    add("--layers", type=int, choices=(1, 2, 3), default=2, help="hidden layers, default: 2")
    add("--units", type=common.count, default=16, metavar="N", help="per layer, default: 16")
    add("--lr", type=common.rate, default=0.01, metavar="RATE", help="default: %(default)s")
    add("--epochs", type=common.count, default=1000, metavar="N", help="default: %(default)s")
    add("--points", type=common.count, default=100, metavar="N", help="default: %(default)s")
    add("--init", choices=("normal", "kaiming"), default="normal",
        help="N(0, 1) weights and biases, or N(0, 2/in) weights and zero biases")  # fmt: skip
    add("--html", type=Path, metavar="FILE", help="the animation as a page for a browser")
    add("--gif", type=Path, metavar="FILE", help="the animation as a moving picture")
    add("--frames", type=common.count, default=120, metavar="N", help="of both, default: 120")
    add("--table", action="store_true", help="the reference table instead, about 20 s")
    add("--starts", type=common.count, default=20, metavar="N", help="of --table, default: 20")
    add("--jobs", type=common.count, metavar="N", help="of --table, default: one for each core")
    options = common.parse(parser, arguments)
    for option, package in (("html", "plotly"), ("gif", "matplotlib")):
        path = getattr(options, option)
        if path is not None:
            if not common.installed(package):
                parser.error(f"--{option} needs {package}: pip install {package}")
            common.check_output(parser, f"--{option}", path, [f".{option}"])
    if options.points < 10:
        parser.error(
            f"--points: {options.points} is too small; a line would fit, it must be at least 10"
        )
    if options.table:
        return 130 if table(options.starts, options.epochs, options.seed, options.jobs) else 0

    x, y = points(options.target, options.points)
    run = train(options, x, y)
    summary(options, x, y, run)
    for path, write in ((options.plot, draw), (options.html, write_html), (options.gif, write_gif)):
        if path is not None:
            write(options, x, y, run)
    return 130 if run.interrupted else 0


if __name__ == "__main__":
    common.script(main)
