"""Long programs: the work grows as the program does, and nothing stays behind."""

import gc
import inspect
import linecache
import sys

import numpy as np
import pytest

from autograd_lite import Tensor, derive
from tests.derivation.test_source import agrees
from tests.speed.derive import chain, random


def parameter(name, *shape):
    return Tensor(np.linspace(0.5, 1, int(np.prod(shape))).reshape(shape), True, name=name)


def same_term(n):
    x, w = parameter("x", 3), parameter("w", 3)
    for _ in range(n):
        x = x + w
    return x.sum()


def terms(n):
    x = parameter("x", 3)
    return sum(((x * (i + 2.0)).tanh() for i in range(n // 2)), start=parameter("w", 3)).sum()


def parameters(n):
    x = parameter("x", 3)
    for i in range(n // 2):
        x = (x * parameter(f"w{i}", 3)).tanh()
    return x.sum()


def residual(n):
    x, w = parameter("x", 2, 3), parameter("w", 3, 3)
    for _ in range(n // 3):
        x = x + (x @ w).tanh()
    return x.sum()


def work(loss):
    """How many calls a derivation takes, with all of its texts."""
    calls = 0

    def count(frame, event, argument):
        nonlocal calls
        calls += event == "call" or event == "c_call"

    sys.setprofile(count)
    try:
        derivation = derive(loss)
        derivation.source(), str(derivation), derivation.to_latex(), derivation.to_markdown()
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize(
    "program", [chain, random, same_term, terms, parameters, residual], ids=lambda f: f.__name__
)
def test_the_work_grows_as_the_program(program):
    derive(program(20))
    short, long = work(program(100)), work(program(400))
    assert long < 4.6 * short


@pytest.mark.parametrize("n", [1000, 5000])
def test_sums_of_thousands_of_terms_run(n):
    agrees(terms(n))
    x = parameter("x", 3)
    agrees(sum((x * (i + 2.0)).sum() for i in range(n // 5)) * x.sum())


def test_nothing_stays_in_linecache_when_a_function_is_freed():
    gc.collect()
    before = set(linecache.cache)
    derivation = derive((parameter("x", 3) ** 2).sum())
    first, second = derivation.function(), derivation.function()
    assert "def backprop" in inspect.getsource(first.__wrapped__)
    gc.disable()
    try:
        del first
        assert "def backprop" in inspect.getsource(second.__wrapped__)
        del second
        assert set(linecache.cache) <= before | {inspect.getfile(derive)}
    finally:
        gc.enable()
