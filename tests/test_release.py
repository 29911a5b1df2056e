"""What a release takes from the repository: one version, one address, workflows and recipes that parse."""

from __future__ import annotations

import re
import runpy
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

import autograd_lite

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
ADDRESS = PROJECT["tool"]["autograd_lite"]["address"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PINNED = r"[\w-]+/[\w-]+@[\w./]+"


def parsed(path: Path) -> Any:
    return pytest.importorskip("yaml").safe_load(path.read_text("utf-8"))


def test_there_is_one_version() -> None:
    version = autograd_lite.__version__
    assert parsed(ROOT / "docs" / "CITATION.cff")["version"] == version
    assert parsed(ROOT / ".github" / "conda" / "recipe.yaml")["context"]["version"] == version
    assert f"\n## {version}" in (ROOT / "docs" / "changes.md").read_text("utf-8")


def test_there_is_one_address() -> None:
    """Nobody's, until a release fills it in."""
    told = parsed(ROOT / "docs" / "CITATION.cff").get("repository-code", "")
    assert told == ADDRESS, f"docs/CITATION.cff: repository-code: {ADDRESS!r}"
    assert not ADDRESS.endswith("/")


def test_the_readme_of_an_index_leads_to_the_repository() -> None:
    pytest.importorskip("setuptools")
    setup = runpy.run_path(str(ROOT / "setup.py"), run_name="setup")
    readme = (ROOT / "README.md").read_text("utf-8")
    here = "https://host/owner/name"
    text = setup["description"](readme, here)
    assert f"]({here}/raw/main/examples/quickstart.svg)" in text
    assert f"[limits]({here}/blob/main/docs/limits.md)" in text
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) == len(re.findall(r"\]\(([^)]+)\)", readme)) > 10
    assert all(link.startswith(here) for link in links)
    assert setup["description"](readme, "") == readme and setup["places"]("") == {}
    assert setup["places"](here)["Source"] == here


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda p: p.name)
def test_a_workflow_is_one(path: Path) -> None:
    """Known jobs and pinned actions, shell that parses, and rights for nothing but what asks for them."""
    text = parsed(path)
    jobs = text["jobs"]
    assert {"name", True, "permissions", "jobs"} == set(text)  # YAML reads `on` as True
    assert text["permissions"] == {"contents": "read"}
    for name, job in jobs.items():
        needed = job.get("needs", [])
        assert {needed} <= set(jobs) if isinstance(needed, str) else set(needed) <= set(jobs)
        assert job["runs-on"] and job["timeout-minutes"] <= 60
        assert "id-token" not in job.get("permissions", {}) or name == "publish"
        for step in job["steps"]:
            assert set(step) <= {"name", "uses", "run", "with", "env", "if"}
            assert ("uses" in step) != ("run" in step)
            assert re.fullmatch(PINNED, step.get("uses", "a/b@v1"))
            subprocess.run(["bash", "-n"], input=step.get("run", ""), text=True, check=True)


def test_the_recipe_needs_what_the_package_needs() -> None:
    recipe = parsed(ROOT / ".github" / "conda" / "recipe.yaml")
    wanted = [*PROJECT["project"]["dependencies"], f"python{PROJECT['project']['requires-python']}"]
    renamed = {"graphviz": "python-graphviz", "graphviz-pure": "graphviz"}
    needed = {re.split(r"[ >=<;]", line)[0]: line for line in wanted}
    found = {line.split()[0]: line for line in recipe["requirements"]["run"]}
    assert set(found) == {renamed.get(name, name) for name in needed}
    for name, line in needed.items():
        if name != "graphviz-pure":  # a program of its own there
            assert found[renamed.get(name, name)].split(" ")[1] == line.removeprefix(name)
    assert (
        f"setuptools {PROJECT['build-system']['requires'][0].removeprefix('setuptools')}"
        in (recipe["requirements"]["host"])
    )
