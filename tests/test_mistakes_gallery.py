"""The gallery of mistakes: each is found where it was made and called by its name, and its
corrected form is right; its page is made of that."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from examples.mistakes import gallery, iris
from examples.mistakes.__main__ import main
from examples.mistakes.gallery import MISTAKES, mended

ROOT = Path(__file__).resolve().parents[1]
EVERY = pytest.mark.parametrize("entry", MISTAKES.values(), ids=MISTAKES)


@EVERY
def test_the_mistake_is_found_where_it_was_made(entry):
    assert not entry.report.ok
    assert entry.report.first_wrong.name == entry.at, entry.report


@EVERY
def test_the_mistake_gets_its_name(entry):
    """An entry is `pending` until its name comes; then the mark has to go."""
    assert entry.is_named != entry.pending, entry.report


@EVERY
def test_the_corrected_form_is_right(entry):
    entry.corrected().check()


@EVERY
def test_a_mistake_is_told_in_full(entry):
    title, what, why = entry.story
    assert title.endswith(".") and len(title) <= 100 and len(what) > 40 and len(why) > 80
    code, call = entry.statements
    assert "# right: " in code and call.startswith(
        "return compare" if "compare(" in call else "return"
    )
    assert max(map(len, f"{code}\n{call}".splitlines())) <= 96
    assert mended(code) != code and "# right" not in mended(code)


def test_there_are_the_most_frequent_ones_in_every_way_of_writing():
    assert len(MISTAKES) >= 40
    files = {entry.function.__module__.rpartition(".")[2] for entry in MISTAKES.values()}
    assert files == {"classes", "coursera", "cs231n", "lists", "scripts", "sequences"}
    assert len({entry.title for entry in MISTAKES.values()}) == len(MISTAKES)


def test_a_right_line_takes_the_place_of_the_wrong_one_and_of_no_other():
    code = (
        "a = 1\nif a:\n    b = 2\n    # right: b = 3\n    c = 4\n    # right: leave it out\n# a = 1"
    )
    assert mended(code) == "a = 1\nif a:\n    b = 3\n    pass\n# a = 1"


def test_a_wrong_right_line_would_be_seen(monkeypatch):
    entry = MISTAKES["relu-without-mask"]
    monkeypatch.setattr(gallery, "RIGHT", re.compile("(?!)"))  # nothing is mended
    with pytest.raises(AssertionError, match="x is wrong"):
        entry.corrected().check()


def test_it_runs_as_a_program():
    command = [sys.executable, "-W", "error", "-m", "examples.mistakes"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    lines = [line for line in done.stdout.splitlines() if re.match("  [a-z]", line)]
    assert [line.split()[0] for line in lines] == list(MISTAKES)
    assert max(map(len, done.stdout.splitlines())) <= 100 and done.stderr == ""


def test_one_mistake_is_shown_with_its_report(capsys):
    assert main(["relu-without-mask"]) == 0
    output = capsys.readouterr().out
    assert output.startswith("The mask of relu is left out of the backward pass\n\nThe layer hands")
    assert (
        "# right: dx = dout * (cache > 0)" in output
        and str(MISTAKES["relu-without-mask"].report) in output
    )


@EVERY
def test_all_of_it_fits_a_terminal(entry, capsys):
    main([entry.slug])
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 100


def test_an_unknown_name_is_refused_with_those_that_there_are(capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["s9"])
    assert "no mistake called 's9'; there are softmax-with-its" in capsys.readouterr().err


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery") / "new" / "pages"
    assert main(["--pages", str(folder)]) == 0
    return {path.name: path.read_text("utf-8") for path in folder.iterdir()}


def test_there_is_a_page_for_each_and_every_link_leads_to_one(pages):
    assert set(pages) == {"index.md", *(f"{slug}.md" for slug in MISTAKES)}
    links = {name: re.findall(r"\]\(([^)]*)\)", text) for name, text in pages.items()}
    assert sorted(links.pop("index.md")) == sorted(set(pages) - {"index.md"})
    assert all(found == ["index.md"] for found in links.values())


def test_pages_are_markdown_that_says_what_it_seems_to(pages):
    markdown_it = pytest.importorskip("markdown_it")
    for name, text in pages.items():
        tokens = markdown_it.MarkdownIt("commonmark").parse(text)
        inline = [child.type for token in tokens for child in token.children or []]
        assert not {"em_open", "strong_open", "html_inline", "image"} & set(inline), name
        assert [t.tag for t in tokens if t.type == "heading_open"].count("h1") == 1
        if name != "index.md":
            fences = [t.info for t in tokens if t.type == "fence"]
            assert fences == ["python", "python", "text"], name
            assert "{" not in re.sub("```.*?```", "", text, flags=re.DOTALL), name  # a role of MyST


def test_a_page_has_the_report_of_today(pages):
    entry = MISTAKES["relu-without-mask"]
    text = pages["relu-without-mask.md"]
    assert str(entry.report) in text and entry.title in pages["index.md"]
    assert "With the line of the comment it says: The gradient agrees with autodiff." in text


def test_pages_that_cannot_be_written_are_refused(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match="2"):
        main(["--pages", str(tmp_path / "file")])
    assert "file: File exists" in capsys.readouterr().err


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
