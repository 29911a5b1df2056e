"""record_lines keeps the line and the module of every operation, and costs nothing when off."""

import inspect
import subprocess
import sys

import nn
from autograd_lite import detect_anomaly, origin_of, record_lines, tensor
from autograd_lite.engine.tape import tape
from tests.helpers import PATIENCE


def line() -> int:
    """The number of the line that calls this."""
    return inspect.currentframe().f_back.f_lineno


def test_the_line_and_the_function_of_an_operation():
    x = tensor(2.0, requires_grad=True)
    with record_lines():
        y, at = x * x, line()
    z = y * x
    place = origin_of(y)
    assert (place.file, place.line) == (__file__, at)
    assert place.function == "test_the_line_and_the_function_of_an_operation"
    assert (place.module, place.kind) == ("", "")
    assert str(place) == f"{__file__}:{at} in {place.function}"
    assert origin_of(x) is None and origin_of(z) is None


def test_the_module_that_an_operation_ran_in():
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    with record_lines():
        loss = model(tensor([[1.0, 2.0]])).sum()
    made = [(t.op.name, origin_of(t)) for t in tape(loss) if t.op is not None]
    assert [(name, place.module, place.kind) for name, place in made] == [
        ("mT", "0", "Linear"),
        ("matmul", "0", "Linear"),
        ("add", "0", "Linear"),
        ("relu", "1", "ReLU"),
        ("sum", "", ""),
    ]


def test_watchers_nest():
    x = tensor(2.0, requires_grad=True)
    for inner, outer in [(record_lines, detect_anomaly), (detect_anomaly, record_lines)]:
        with outer():
            with inner():
                a = x * x
            b = x * x
        c = x * x
        assert origin_of(a) and origin_of(b) and origin_of(c) is None


def test_draw_and_derive_make_modules_note_their_calls():
    code = """
import autograd_lite.comparison, autograd_lite.compilation, nn
from autograd_lite import origin
assert not origin.noting
from autograd_lite import derive
assert origin.noting
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)
