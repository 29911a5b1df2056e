"""Drawings to film, and how to read the story of a film."""

import json
import re
import shutil

import numpy as np
import pytest

import nn
from autograd_lite import manual_seed, randn, record_lines, tensor
from autograd_lite.graph import render as renderers

BACKENDS = [
    pytest.param("dot", marks=pytest.mark.skipif(not shutil.which("dot"), reason="needs dot")),
    pytest.param(
        "graphviz-pure",
        marks=pytest.mark.skipif(not renderers.find_pure(), reason="needs graphviz-pure"),
    ),
]
EVIL = '</script><script>pwned=1</script><img src=x onerror="pwned=1">&\'\u2028{{story}}'


def network():
    """A small classifier with its loss; 7 operations."""
    manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    with record_lines():
        loss = nn.CrossEntropyLoss()(model(randn(5, 3)), tensor([0, 1, 1, 0, 1]))
    return model, loss


def reused():
    """x is used three times: its gradient comes in three parts."""
    x = tensor([[1.0, -2.0], [0.5, 3.0]], requires_grad=True, name="x")
    return x, ((x * x).tanh() + x).sum()


def story_of(html):
    return json.loads(re.search(r'id="film-story">(.*?)</script>', html, re.DOTALL)[1])


def numbers_of(story, at):
    found = story["numbers"][at]
    return np.array(found["values"], found["dtype"]).reshape(found["shape"])


def card_of(story, title):
    return next(c for c in story["cards"].values() if title in (c["title"], c.get("name")))
