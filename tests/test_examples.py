"""Every small example runs as a reader runs it, and what it claims is true."""

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.helpers import PATIENCE

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = (
    "01_scalar", "02_tensor", "03_iris", "04_graphs", "05_derive", "06_compile", "film", "lecture",
    "quickstart",
)  # fmt: skip


def run(name: str, *arguments: str, folder: Path) -> str:
    """Run an example from a folder outside the repository, warnings being errors; its output."""
    paths = [str(ROOT), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / f"{name}.py", *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def is_picture(path: Path) -> bool:
    root = ElementTree.parse(path).getroot()
    return root.tag == "{http://www.w3.org/2000/svg}svg" and len(list(root.iter())) > 20


def accuracy(output: str) -> float:
    found = re.search(r"held-out accuracy (0\.\d+|1\.0+)", output)
    assert found, output
    return float(found[1])


@pytest.mark.parametrize("name", EXAMPLES)
def test_help_tells_what_the_example_shows_and_writes_nothing(name, tmp_path):
    output = run(name, "--help", folder=tmp_path)
    assert "usage:" in output and len(output.split("\n\n")[1]) > 40
    assert files(tmp_path) == []


@pytest.mark.parametrize("at", ["2", "-1.5", "0", "1e3"])
def test_scalar(at, tmp_path):
    output = run("01_scalar", f"--x={at}", folder=tmp_path)
    derivatives = re.findall(r" (-?[\d.]+)$", output, re.MULTILINE)[-3:]
    assert [float(d) for d in derivatives] == pytest.approx(3 * [2 * float(at) + 3], abs=1e-4)
    assert files(tmp_path) == []


def test_tensor_prints_its_graph_and_saves_it(tmp_path):
    output = run("02_tensor", "--out", "here/there", folder=tmp_path)
    assert "forward   h = tanh(z)" in output
    assert "d_b = sum(d_z over rows)" in output  # the lesson: broadcasting undone
    assert files(tmp_path) == ["here/there/02_tensor.svg"]
    assert is_picture(tmp_path / "here/there/02_tensor.svg")


def test_film_shows_the_step_that_is_printed(tmp_path):
    output = run("film", "--out", "here", folder=tmp_path)
    before, after = map(float, re.findall(r"loss (\S+), after the step (\S+)", output)[0])
    assert after < before
    assert files(tmp_path) == ["here/film.html"]
    html = (tmp_path / "here/film.html").read_text("utf-8")
    told = json.loads(re.search(r'id="film-story">(.*?)</script>', html, re.DOTALL)[1])
    assert [step["way"] for step in told["steps"]].count("forward") == 7
    norms = dict(re.findall(r"^(\S+) +gradient norm (\S+)$", output, re.MULTILINE))
    shown = {
        card["title"]: f"{told['numbers'][card['total']]['norm']:.4f}"
        for card in told["cards"].values()
        if card["kind"] == "parameter"
    }
    assert shown == norms and len(norms) == 4
    lines = {card["place"]["text"] for card in told["cards"].values() if "place" in card}
    assert lines == {"scores = model(x)", "loss = nn.functional.cross_entropy(scores, target)"}


def test_iris_learns(tmp_path):
    output = run("03_iris", folder=tmp_path)
    assert accuracy(output) >= 0.93
    assert accuracy(run("03_iris", "--epochs=0", folder=tmp_path)) < 0.8  # not without training
    assert run("03_iris", folder=tmp_path) == output
    assert files(tmp_path) == []


def test_graphs_shows_what_it_says(tmp_path):
    output = run("04_graphs", "--out", "here", folder=tmp_path)
    names = ("deep_relu", "deep_sigmoid", "network", "scalar", "wrong")
    assert files(tmp_path) == [f"here/04_{name}.svg" for name in names]
    assert all(is_picture(tmp_path / f"here/04_{name}.svg") for name in names)
    assert "n: add  ()  = 0.88  d_n = 0.5" in output  # the derivative of tanh is a half there
    norms = {
        name: [float(x) for x in numbers]
        for name, *numbers in re.findall(
            r"^(\w+): gradient norm (\S+) in .*, (\S+) in", output, re.MULTILINE
        )
    }
    assert norms["sigmoid"][0] < 1e-7
    assert min(norms["sigmoid"][1], *norms["relu"]) > 0.01
    pictures = {name: (tmp_path / f"here/04_{name}.svg").read_text("utf-8") for name in names}
    assert "tracked vanishing" in pictures["deep_sigmoid"]
    assert "tracked vanishing" not in pictures["deep_relu"]
    assert all(text in pictures["wrong"] for text in ("wrong here", "the mask of relu"))
    assert "prefers-color-scheme" in pictures["wrong"]
    verdicts = output.splitlines()[-1]
    assert all(f"'{v}'" in verdicts for v in ("0.bias: wrong here", "2.weight: ok", "2.bias: ok"))
    run("04_graphs", "--out=there", "--format=txt", "--theme=dark", folder=tmp_path)
    assert "compared  wrong here" in (tmp_path / "there/04_wrong.txt").read_text("utf-8")


def said(path: Path) -> list[str]:
    """The words of a picture, without its numbers."""
    text = "".join(ElementTree.parse(path).getroot().itertext())
    return sorted(re.sub(r"[-−]?\d[\d.e-]*", "", text).split())


def test_derive_prints_the_derivation_and_trains_with_the_file_it_writes(tmp_path):
    output = run("05_derive", "--epochs=10", folder=tmp_path)
    assert "d_W_fc1 = d_fc1.T @ x" in output
    assert accuracy(output) >= 0.93
    assert accuracy(run("05_derive", "--epochs=0", folder=tmp_path)) < 0.5
    assert files(tmp_path) == ["out/backprop.py"]


def test_compile_trains_the_same_faster_and_shows_what_cannot_be_followed(tmp_path):
    output = run("06_compile", "--epochs=10", "--source", folder=tmp_path)
    reached = re.findall(r"loss (\S+), held-out accuracy (\S+)$", output, re.MULTILINE)
    losses = [float(loss) for loss, _ in reached]
    assert losses == pytest.approx([losses[0]] * 3, rel=1e-3)
    assert all(float(share) >= 0.93 for _, share in reached)
    assert len(re.findall(r"[\d.]+ times as fast", output)) == 2
    assert "traced 2 times>" in output
    assert "def run(" in output
    warned = re.search(
        r"^1 warning in 43 calls: .* \(line (\d+) of .*06_compile\.py\)$", output, re.MULTILINE
    )
    lines = (ROOT / "examples/06_compile.py").read_text("utf-8").splitlines()
    assert "loss.item()" in lines[int(warned[1]) - 1]
    untrained = run("06_compile", "--epochs=0", folder=tmp_path)
    assert accuracy(untrained) < 0.5
    assert "times as fast" not in untrained and "def run(" not in untrained
    assert files(tmp_path) == []


def test_quickstart_learns_agrees_with_the_formulas_and_names_the_mistake(tmp_path):
    output = run("quickstart", folder=tmp_path)
    assert accuracy(output) >= 0.95

    right, wrong = output.split("The same without the ReLU's derivative:")
    for name in ("0.weight", "0.bias", "2.weight", "2.bias"):
        assert re.search(rf"^{re.escape(name)}\b.* ok\b", right, re.MULTILINE), right
    assert "wrong" not in right
    for name, verdict in (("2.weight", "ok"), ("0.bias", "wrong here"), ("0.weight", "inherited")):
        assert re.search(rf"^{re.escape(name)}\b.* {verdict}\b", wrong, re.MULTILINE), wrong

    assert files(tmp_path) == ["out/quickstart.svg"]
    assert is_picture(tmp_path / "out/quickstart.svg")
    shown = ROOT / "examples/quickstart.svg"  # in the README
    assert said(tmp_path / "out/quickstart.svg") == said(shown), "copy out/quickstart.svg there"


def test_quickstart_repeats_itself(tmp_path):
    one, same, other = (
        run("quickstart", "--epochs=3", f"--seed={seed}", folder=tmp_path) for seed in (5, 5, 6)
    )
    assert one == same != other


def test_the_lecture_is_one_page_of_what_its_code_gives(tmp_path):
    assert "11 slides, 90 minutes" in run("lecture", "out", folder=tmp_path)
    assert files(tmp_path) == ["out/lecture.html"]
    page = (tmp_path / "out/lecture.html").read_text("utf-8")
    assert page.count("<section") == page.count("<aside") == 11
    assert not re.search(r'(src|href)="?(https?:)?//', page)
    for said in (
        "dy/dx = 7.0",
        "d_W = d_z.T @ X",
        "b is wrong",
        "most units are dead",
        "epoch 100",
    ):
        assert said in page
    pictures = [base64.b64decode(text) for text in re.findall(r"base64,([^\"]+)", page)]
    assert len(pictures) > 10 and all(b"<svg" in picture for picture in pictures)
    assert len(re.findall('<img alt="[^"]{40,}"', page)) == len(pictures)
