"""A window over a grid: what the first element of a convolution or of pooling is made of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.rules import ops
from ..program.names import number
from .model import Grid, Tile, Window

__all__ = ["window_of"]

MOST = 7  # rows and columns of a grid that are drawn
SHORT = 3  # characters of a number that has room in a tile
# what operations make of a window that have no kernel
TOLD = {ops.max_pool: "largest of", ops.window_sum: "sum of", ops.windows: ""}
Two = tuple[int, int]


def window_of(t: Any, names: Sequence[str], out: str, frame: Any, numbers: bool) -> Window | None:
    """The picture of an operation that moves a window over a grid; None for any other.

    `names` are those of its inputs, `out` its own, and `frame` the `pad` that made the first input,
    if one did; `numbers` says whether the values are those that were computed with. Grids are drawn
    along the last two axes, of the first sample and channel.
    """
    kernel = t.op in (ops.conv, ops.conv_input)
    if not kernel and t.op not in TOLD:
        return None
    size = np.shape(t.args[1])[2:] if kernel else t.kw["size"]
    spread = t.op is ops.conv_input  # where the window moves over the output
    grid, moves = np.asarray(t.args[0]), t.array
    if spread:
        grid, moves = moves, grid
    extent, count = grid.shape[-len(size) :], moves.shape[-len(size) :]
    if 0 in (*grid.shape, *moves.shape) or max(extent) == 1:
        return None
    d = len(size)
    values = [plane(grid, d), plane(moves, d) if t.op is not ops.windows else None]
    values += [plane(np.asarray(t.args[1]), d)] if kernel else [None]
    channels = np.shape(t.args[1])[1] if t.op is ops.conv else 1
    if channels > 1 or spread or not numbers or not all(map(fits, values)):
        values = [None] * 3
    first, after, place, beside, step = marked(two(extent), two(count), two(size), t.kw)
    given, made = (out, names[0]) if spread else (names[0], out)
    padding = ~inside(first.shape, frame)
    grids = [
        Grid(f"{given} {part(extent)}", tiles(values[0], first, after, padding)),
        Grid(f"{made} {part(count)}", tiles(values[1], place, beside)),
    ]
    signs = ["→"]
    if kernel:
        grids.insert(1, Grid(f"{names[1]} {by(size)}", tiles(values[2], np.ones(two(size), bool))))
        signs = ["×", f"+ {names[2]} =" if len(names) > 2 else "="]
    words = said(t, names, out, size, channels)
    words += f"; the next window is {step} further" * bool(step)
    return Window(words, tuple(size), grids[::-1] if spread else grids, signs)


def marked(extent: Two, count: Two, size: Two, kw: dict[str, Any]) -> tuple[Any, ...]:
    """Which elements the first window and the next have, and which are what they give; and how far
    apart they are, 0 where there is one."""
    stride, apart = (two(kw.get(key) or (1, 1)) for key in ("stride", "dilation"))
    along = 1 if count[1] > 1 else 0  # the axis of the next window
    step = stride[along] if count[along] > 1 else 0
    first, place = np.zeros(extent, bool), np.zeros(count, bool)
    first[tuple([slice(0, n * a, a) for n, a in zip(size, apart, strict=True)])] = True
    place[0, 0] = True
    after = np.roll(first, step, along) & bool(step)
    beside = np.roll(place, 1, along) & bool(step)
    return first, after, place, beside, step


def said(t: Any, names: Sequence[str], out: str, size: Sequence[int], channels: int) -> str:
    """What the picture shows, in words."""
    small = t.args[0] if t.op is ops.conv_input else t.array
    first = f"[{', '.join('0' * np.ndim(small))}]"
    elements = f"{by(size)} elements"
    if "dilation" in t.kw:
        elements += f", {by(t.kw['dilation'])} apart,"
    if t.op is ops.conv_input:
        return f"{names[0]}{first} times the {elements} of {names[1]}, added to a window of {out}"
    if t.op is ops.conv:
        over = f" and {channels} channels" * (channels > 1)
        bias = f", plus {names[2]}" if len(names) > 2 else ""
        return f"{out}{first} = Σ over {elements}{over} of {names[0]} times {names[1]}{bias}"
    if t.op is ops.windows:
        return f"a column of {out} has the {elements} of a window of {names[0]}"
    return f"{out}{first} = the {TOLD[t.op]} the {elements} of a window of {names[0]}"


def two(sizes: Sequence[int]) -> Two:
    """The numbers along the last two axes."""
    rows, columns = (1, *sizes)[-2:]
    return rows, columns


def plane(x: Any, d: int) -> Any:
    """The first of the planes along the last two axes, of the d that a window has."""
    return x.reshape(-1, *two(x.shape[-d:]))[0]


def by(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def part(shape: Sequence[int]) -> str:
    return f"part of {by(shape)}" if max(two(shape)) > MOST else by(shape)


def fits(x: Any) -> bool:
    """Whether all its numbers have room."""
    return x is None or all(len(shown(n)) <= SHORT for n in x[:MOST, :MOST].flat)


def shown(x: Any) -> str:
    """A number in a tile, in ASCII, of which every renderer knows the width."""
    return number(float(x), 3) if np.isfinite(x) else ""


def inside(shape: Two, frame: Any) -> Any:
    """Which elements are no padding."""
    found = np.zeros(shape, bool)
    width = [(0, 0), *(frame.kw["width"][2:] if frame is not None else [(0, 0)])][-2:]
    found[tuple([slice(a, n - b) for (a, b), n in zip(width, shape, strict=True)])] = True
    return found


def tiles(values: Any, first: Any, after: Any = None, padding: Any = None) -> list[list[Tile]]:
    """The corner of a grid that is drawn."""
    rows, columns = first.shape

    def tile(i: int, j: int) -> Tile:
        pads = padding is not None and padding[i, j]
        text = shown(values[i, j]) if values is not None else ""
        role = "first" if first[i, j] else "next" if after is not None and after[i, j] else ""
        return Tile(text, role or "padding" * bool(pads))

    return [[tile(i, j) for j in range(min(columns, MOST))] for i in range(min(rows, MOST))]
