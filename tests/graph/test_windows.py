"""The picture of a window over its grid, and what it says."""

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, randn, tensor
from autograd_lite.graph import draw
from nn import functional as F

X = np.arange(25.0).reshape(1, 1, 5, 5) % 7
W = np.array([[[[1.0, 0.0], [0.0, -1.0]]]])


def window(y, title, scene=None):
    return next(n for n in draw(y).drawing.nodes if n.title == title).window


def roles(grid, role):
    """Where the tiles of this role are, and their numbers."""
    return {
        (i, j): tile.text
        for i, row in enumerate(grid.tiles)
        for j, tile in enumerate(row)
        if tile.role == role
    }


def test_a_convolution_has_its_first_window_the_kernel_and_what_they_give():
    w = Tensor(W, requires_grad=True, name="w")
    b = Tensor(np.array([2.0]), requires_grad=True, name="b")
    y = F.conv2d(Tensor(X, name="x"), w, b, stride=2)
    found = window(y, "conv")
    x, kernel, out = found.grids
    assert [x.caption, kernel.caption, out.caption] == ["x 5 × 5", "w 2 × 2", "y 2 × 2"]
    assert found.signs == ["×", "+ b ="]
    tiles, places = roles(x, "first"), roles(kernel, "first")
    total = sum(float(tiles[p]) * float(places[p]) for p in tiles) + 2
    assert (
        tiles.keys() == places.keys() and total == float(roles(out, "first")[0, 0]) == y[0, 0, 0, 0]
    )
    assert roles(x, "next").keys() == {(i, j) for i in (0, 1) for j in (2, 3)}
    assert roles(out, "next").keys() == {(0, 1)}
    said = (
        "y[0, 0, 0, 0] = Σ over 2 × 2 elements of x times w, plus b; the next window is 2 further"
    )
    graph = draw(y)
    assert (
        said == found.words and f"window    {said}" in graph.to_text() and said in graph.to_html()
    )
    assert 'fixedsize="true"' in graph.to_dot()
    assert "window" not in draw(y, view="backward").to_text()


@pytest.mark.parametrize(
    ("make", "title", "first", "words"),
    [
        (lambda x: F.conv1d(x[:, 0, :2], tensor(W[0]), dilation=3), "conv", {(0, 0), (0, 3)}, "3 apart"),
        (lambda x: F.max_pool2d(x, 3, 1), "max_pool", np.ndindex(3, 3), "y[0, 0, 0, 0] = the larg"),
        (lambda x: F.avg_pool2d(x, (1, 2)), "window_sum", np.ndindex(1, 2), "the sum of the 1 × 2"),
        (lambda x: F.unfold(x, (2, 1)), "windows", np.ndindex(2, 1), "a column of"),
        (lambda x: F.conv3d(x[None], tensor(W[None])), "conv", np.ndindex(2, 2), "1 × 2 × 2"),
        (lambda x: F.conv_transpose2d(x, tensor(W)), "conv_input", {(0, 0)}, "added to a window of y"),
    ],
)  # fmt: skip
def test_windows_of_every_kind(make, title, first, words):
    found = window(make(Tensor(X, requires_grad=True)), title)
    assert roles(found.grids[0], "first").keys() == set(first)
    assert words in found.words


def test_padding_is_told_from_the_image_and_minus_infinity_is_no_alarm():
    x = Tensor(X, requires_grad=True)
    y = F.max_pool2d(F.conv2d(x, Tensor(W), padding=1), 3, padding=1)
    assert len(roles(window(y, "conv").grids[0], "padding")) == 4 * 7 - 4 - 3 - 1
    assert roles(window(y, "max_pool").grids[0], "padding")[0, 6] == ""
    assert not any(node.alarm for node in draw(y).drawing.nodes)


def test_large_grids_show_a_part_and_numbers_stand_where_one_channel_is_all():
    found = window(nn.Conv2d(2, 3, 3)(randn(1, 2, 28, 28)), "conv")
    assert found.grids[0].caption.endswith("part of 28 × 28") and len(found.grids[0].tiles) == 7
    assert "3 × 3 elements and 2 channels" in found.words
    assert not any(tile.text for grid in found.grids for row in grid.tiles for tile in row)


def test_the_like_is_drawn_once():
    model = nn.Sequential(nn.Conv2d(1, 1, 2), nn.Conv2d(1, 1, 2), nn.Conv2d(1, 1, 2, stride=2))
    cards = [n for n in draw(model(randn(1, 1, 9, 9))).drawing.nodes if n.title == "conv"]
    assert [card.window is not None for card in cards] == [True, False, True]


def test_an_empty_grid_has_no_picture_and_overwritten_numbers_are_not_told():
    x = Tensor(X, requires_grad=True)
    h = x * 1
    y = F.max_pool2d(h, 2)
    h += 1
    assert not any(tile.text for row in window(y, "max_pool").grids[0].tiles for tile in row)
    assert window(F.max_pool2d(x[:0], 2), "max_pool") is None
