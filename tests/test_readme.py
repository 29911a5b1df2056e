"""The README runs: its examples as doctests, its command blocks where CI finds them."""

import doctest
import re
from pathlib import Path

from tests.speed import __main__ as speed

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def test_examples_run():
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(ROOT / "README.md"), module_relative=False, optionflags=flags)
    assert found.attempted > 30
    assert found.failed == 0


def test_the_first_two_sh_blocks_are_the_main_job_and_the_tests():
    first, second = re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)[:2]
    assert "examples/quickstart.py" in first
    assert "-m pytest" in second
    assert all("venv" in block for block in (first, second))


def test_every_file_named_exists():
    links = [link for link in re.findall(r"\]\(([^)]+)\)", TEXT) if ":" not in link]
    paths = re.findall(r"`((?:autograd_lite|nn|tests|examples)/[\w/.]*)`", TEXT)
    assert links
    assert all((ROOT / path).exists() for path in [*links, *paths])


def test_the_section_on_speed_holds_the_tables_that_the_benchmark_prints():
    section = TEXT.split("## Speed")[1].split("## ")[0]
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines()]
    (head,) = [i for i, cells in enumerate(lines) if cells == speed.HEAD]
    rows = lines[head + 2 : head + 14]
    names = [*(f"{batch}, {hidden}" for batch, hidden in speed.SIZES), "10 layers", "chain of 300"]
    assert [row[0] for row in rows] == [f"{name}, {n}" for n in (1, 2) for name in names]
    commands = re.findall(r"`python -m tests\.speed([^`]*)`", section)
    words = {w for command in commands for w in command.split()}
    assert words - {"--quick", "--kernels"} <= set(speed.TABLES)
