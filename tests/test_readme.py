"""The README runs: its examples as doctests, its command blocks where CI finds them."""

import doctest
import re
from pathlib import Path

import pytest

from tests.speed import __main__ as speed
from tests.test_docs import WRITTEN

ROOT = Path(__file__).parent.parent
TEXT = (ROOT / "README.md").read_text()


def test_examples_run():
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    found = doctest.testfile(str(ROOT / "README.md"), module_relative=False, optionflags=flags)
    assert found.attempted > 20
    assert found.failed == 0


def test_the_first_two_sh_blocks_are_the_main_job_and_the_tests():
    first, second = re.findall(r"^```sh\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)[:2]
    assert "examples/quickstart.py" in first
    assert "-m pytest" in second
    assert all("venv" in block for block in (first, second))


def test_it_is_short_enough_to_be_read():
    assert len(TEXT.splitlines()) <= 200


def test_it_links_to_the_documentation():
    links = re.findall(r"\]\((docs/[^)]+)\)", TEXT)
    assert len(links) > 8


@pytest.mark.parametrize("path", [ROOT / "README.md", *WRITTEN], ids=str)
def test_every_file_named_exists(path):
    text = path.read_text()
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if ":" not in link]
    paths = re.findall(r"`((?:autograd_lite|nn|tests|examples|docs|\.github)/[\w/.]*)`", text)
    assert all((path.parent / link).exists() for link in links if not link.startswith("out/"))
    assert all((ROOT / path).exists() for path in paths)


def test_the_page_on_speed_holds_the_tables_that_the_benchmark_prints():
    section = (ROOT / "docs" / "speed.md").read_text()
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in section.splitlines()]
    (head,) = [i for i, row in enumerate(lines) if row[2:] == [*speed.CODE_KINDS]]
    rows = [row[0] for row in lines[head + 2 : head + 2 + len(speed.CODE) + 1]]
    assert rows == [*(f"{name}, 1" for name in speed.CODE), "1024, 1024, 2"]
    commands = re.findall(r"`python -m tests\.speed([^`]*)`", section)
    words = {w for command in commands for w in command.split()}
    assert words - {"--quick", "--kernels"} <= set(speed.TABLES)
