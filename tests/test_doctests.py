"""Every example in a docstring runs, with the public names of the package at hand."""

import builtins
import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import autograd_lite
import nn


def modules():
    for package in (autograd_lite, nn):
        yield package.__name__
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            if not info.name.endswith("__main__"):
                yield info.name


@pytest.mark.parametrize("name", sorted(modules()))
def test_examples_run(name):
    if name.endswith(".sklearn"):
        pytest.importorskip("sklearn")
    module = importlib.import_module(name)
    beside = importlib.import_module(name.rpartition(".")[0] or name)
    around = vars(beside) | vars(autograd_lite)
    names = {k: v for k, v in around.items() if not hasattr(builtins, k)}
    found = doctest.testmod(
        module,
        globs=names | {"np": np, "nn": nn} | vars(module),
        optionflags=doctest.NORMALIZE_WHITESPACE,
    )
    assert found.failed == 0


def test_a_wrong_example_would_fail():
    example = doctest.DocTestParser().get_doctest(">>> 1 + 1\n3\n", {}, "planted", None, 0)
    assert doctest.DocTestRunner(verbose=False).run(example, out=lambda text: None).failed == 1
