"""The gallery of mistakes: each is found where it was made and called by its name, and its
corrected form is right."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples.mistakes import iris
from examples.mistakes.__main__ import main
from examples.mistakes.gallery import CASES

ROOT = Path(__file__).resolve().parents[1]
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@EVERY
def test_the_mistake_is_found_where_it_was_made_and_nowhere_else(case):
    finding = case.check(False)
    assert not finding.ok
    assert finding.at == case.at, finding.text


@EVERY
def test_the_mistake_gets_its_name(case):
    finding = case.check(False)
    assert finding.name == case.name, finding.text
    assert case.found(finding)


@EVERY
def test_the_corrected_form_is_right(case):
    finding = case.check(True)
    assert finding.ok, finding.text
    assert finding.at is None and not case.found(finding)


@EVERY
def test_a_case_says_what_was_written_what_is_right_and_why(case):
    title, blank, *told = case.story.splitlines()
    assert title.endswith(".") and blank == ""
    words = [line.split(":")[0] for line in told if not line.startswith(" ")]
    assert words[-3:] == ["Written", "Right", "Why"]
    assert max(map(len, told)) <= 96


def test_no_source_is_missing():
    assert {title.split(".")[0] for title in CASES} == {"s0", "s1", "s2", "s3", "s4", "wild"}


def test_it_runs_as_a_program():
    command = [sys.executable, "-W", "error", "-m", "examples.mistakes", "--list"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == list(CASES)
    assert done.stderr == ""


def test_one_case_is_shown_with_its_table(capsys):
    main(["--only", "s2.jacobian_from_logits"])
    output = capsys.readouterr().out
    assert output.startswith("--- s2.jacobian_from_logits\nThe Jacobian of softmax is built")
    assert "tensor  shape" in output and "finite difference" in output
    assert "expected softmax-from-logits at z2; found" in output


def test_the_whole_gallery_fits_a_terminal(capsys):
    main([])
    output = capsys.readouterr().out
    assert output.count("\n--- ") == len(CASES) - 1
    assert max(map(len, output.splitlines())) <= 100


def test_the_program_fails_if_a_mistake_has_no_name(capsys, monkeypatch):
    from dataclasses import replace

    one = CASES["s0.target_without_its_axis"]
    assert main(["--only", one.title]) == 0
    monkeypatch.setitem(CASES, one.title, replace(one, name="sign"))
    assert main(["--only", one.title]) == 1
    assert "0 of 1 mistakes got their name." in capsys.readouterr().out


def test_an_unknown_case_is_refused_with_the_names_that_there_are(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["--only", "s9"])
    assert "--only is 's9'; there are s0.mean_over_the_rows, " in capsys.readouterr().err


# the tensors whose gradients each fault breaks, if it is alone
BROKEN = {
    "binary": {"p"},
    "logits": {"z4"},
    "ascent": {"b4", "b3", "b2", "b1"},
    "plus": {"z3", "z1"},  # z2 has the wrong sign twice
}


def wrong_here(report):
    return {row.name for row in report.rows if row.verdict == "wrong here"}


@pytest.mark.parametrize("fault", iris.FAULTS)
def test_each_fault_of_the_iris_network_is_found_where_it_is(fault):
    assert wrong_here(iris.judge((fault,))) == BROKEN[fault]


def test_the_comparison_finds_all_four_faults_at_once_and_asks_for_them_in_this_order():
    everything = wrong_here(iris.judge(iris.STAGES[0]))
    assert everything == {"p", "z4", "b4", "z3", "b3", "z2", "b2", "z1", "b1"}
    for left in iris.STAGES[:-1]:
        assert iris.judge(left).first_wrong.name in BROKEN[left[0]]


def test_the_iris_network_without_faults_is_right():
    report = iris.judge(())
    assert report.ok and len(report.rows) == 16
    assert iris.verdict(report) == "all right"


@pytest.fixture(scope="module")
def trained():
    return iris.train(seeds=2, epochs=150)


def test_accuracy_cannot_judge_a_gradient(trained):
    test = {left: trained["test"][k] for k, left in enumerate(iris.SETS)}
    assert test[()].min() >= 0.9
    for left in iris.STAGES[:-1]:  # one mend after the other: no better than guessing
        assert np.median(test[left]) <= 0.5
    for unseen in (("ascent",), ("binary",), ("binary", "ascent")):
        assert test[unseen].min() >= 0.85 and not iris.judge(unseen).ok


def test_the_lesson_counts_sets_and_mends():
    everything = tuple(iris.FAULTS)
    loss = {left: np.full(3, 1.0 + len(left)) for left in iris.SETS}  # a mend lowers it by 1
    test = {left: np.full(3, 0.3) for left in iris.SETS}
    test[()] = test[("plus",)] = np.array([0.1, 0.9, 1.0])

    def lesson():
        arrays = {"loss": loss, "test": test}
        return iris.lesson({name: np.array(list(of.values())) for name, of in arrays.items()})

    assert lesson() == ([("plus",)], [], 0, 0)
    loss["binary", "plus"][:2] = 9.0  # reached by two mends, in two starts of three
    assert lesson() == ([("plus",)], [], 2, 1)
    loss["binary", "plus"][1] = 3.0  # in one start
    assert lesson() == ([("plus",)], [], 0, 0)
    loss[everything][:] = loss[everything[1:]][:] = [0.5, 0.5, 9.0]
    assert lesson() == ([("plus",)], [everything[1:], everything], 6, 6)


def test_the_network_in_numpy_trains_as_one_alone_would():
    """The leading axis of networks changes nothing: one start, one set, trained by itself."""
    together = iris.train(seeds=1, epochs=2)
    for left in ((), ("binary", "plus")):
        rng = np.random.default_rng(0)
        flowers, params = iris.data(rng), iris.start(rng)
        faults = {fault: fault in left for fault in iris.FAULTS}
        t = iris.targets(flowers.labels)
        for k in [*range(0, 120, 2)] * 2:
            grads = iris.gradients(params, flowers.x[k : k + 2], t[k : k + 2], faults)
            params = {name: p - 0.05 * grads[name] for name, p in params.items()}
        p = iris.forward(params, flowers.x)["p"]
        alone = -(t * np.log(p)).sum(axis=1).mean()
        assert together["loss"][iris.SETS.index(left), 0] == pytest.approx(alone, rel=1e-9)


def test_the_story_is_told_and_drawn(tmp_path, capsys):
    picture = tmp_path / "new" / "iris.png"
    assert iris.main(["--epochs", "2", "--seeds", "1", "--plot", str(picture)]) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    assert "9 gradients are wrong on their own, 7 inherit. Fix p first." in output
    headings = ["as printed, 4 left", "binary mended, 3 left", "logits mended, 2 left"]
    headings += ["ascent mended, 1 left", "plus mended, 0 left"]
    assert [line for line in output.splitlines() if line.endswith(" left")] == headings
    assert "15 of the 15 sets with a fault are wrong; without a fault all right" in output
    assert max(map(len, output.splitlines())) <= 100
    assert picture.read_bytes().startswith(b"\x89PNG") and picture.stat().st_size > 20_000


def test_a_picture_that_cannot_be_made_is_refused_before_the_training(capsys, monkeypatch):
    monkeypatch.setattr(iris, "train", None)
    with pytest.raises(SystemExit, match="2"):
        iris.main(["--plot", "iris.txt"])
    assert "--plot is iris.txt; the name of a picture ends in .png" in capsys.readouterr().err
    monkeypatch.setattr(iris, "find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="2"):
        iris.main(["--plot", "iris.png"])
    assert "--plot needs matplotlib; install it with" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--epochs", "--seeds"])
def test_the_story_refuses_nothing_to_do(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        iris.main([option, "0"])
    assert f"{option} is 0; it must be at least 1" in capsys.readouterr().err


def test_the_comparison_names_all_four_faults_of_the_iris_network():
    named = "bce-term at p; softmax-from-logits at z4; sign at b4 z3 b3 z2 b2 z1 b1"
    assert iris.verdict(iris.judge(iris.STAGES[0])) == named
