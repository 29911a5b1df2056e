"""A derivation as slides: every step is there, is LaTeX that holds together, and fits a frame."""

import re
import shutil
import subprocess

import pytest

import nn
from autograd_lite import derive, manual_seed, randn, tensor
from autograd_lite.derivation.latex import latex_line
from autograd_lite.derivation.slides import letters, slides_of
from autograd_lite.derivation.text import operations

INDEX = re.compile(r"(?<![A-Za-z\\])(\d*)t([+-]\d+)?(?=[,}\]])")  # of a step


def classifier():
    manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    loss = nn.CrossEntropyLoss()(model(randn(5, 3)), tensor([0, 1, 1, 0, 1]))
    return derive(loss, model)


def recurrent():
    """So many terms that a sum goes on below."""
    w = tensor([[0.5, 0.1], [0.2, 0.3]], requires_grad=True, name="w")
    h = x = tensor([[1.0, 2.0]], name="x")
    for _ in range(20):
        h = (h @ w + x).tanh()
    return derive(h.sum())


def evil():
    x = tensor([1.0, 2.0], requires_grad=True, name="a_b{}$%&#^~\\end{align*}\n" + "n" * 300)
    return derive((x * x).sum())


def check(tex):
    """What TeX would stumble over: environments, groups, \\left without \\right, bare signs."""
    open_ones = []
    for which, name in re.findall(r"\\(begin|end)\{([a-z*]+)\}", tex):
        if which == "begin":
            open_ones.append(name)
        else:
            assert open_ones.pop() == name
    assert not open_ones
    assert len(re.findall(r"\\left\b", tex)) == len(re.findall(r"\\right\b", tex))
    plain = re.sub(r"\\(\\|[{}$%&#_])", "", tex)
    assert "%" not in plain and "#" not in plain and plain.count("$") % 2 == 0
    depth = 0
    for c in plain:
        depth += (c == "{") - (c == "}")
        assert depth >= 0
    assert depth == 0
    if "align*" in tex:  # a blank line ends a paragraph, which an alignment forbids
        assert "\n\n" not in re.search(r"\\begin\{align\*\}.*?\\end\{align\*\}", tex, re.DOTALL)[0]
        for line in tex.split("\\\\\n"):
            assert len(re.findall(r"\\left\b", line)) == len(re.findall(r"\\right\b", line))


@pytest.mark.parametrize("made", [classifier, recurrent, evil])
def test_the_steps_hold_together(made, tmp_path):
    d = made()
    files = d.slides(tmp_path / "new" / "folder")
    *steps, whole = files
    texs, notes = [f.read_text("utf-8") for f in steps[::2]], steps[1::2]
    assert [f.name for f in steps] == [
        f"step_{i:02}.{suffix}" for i in range(len(texs)) for suffix in ("tex", "txt")
    ]
    document = whole.read_text("utf-8")
    assert whole.name == "slides.tex" and document == d.to_beamer()
    assert document.count(r"\begin{frame}") == len(texs)
    for tex, note in zip(texs, notes, strict=True):
        check(tex)
        assert tex.strip() in document and note.read_text("utf-8").strip()
    frames = re.findall(r"\\begin\{frame\}.*?\\end\{frame\}", document, re.DOTALL)
    for frame in frames:
        check(frame)


def test_more_than_a_hundred_steps_stay_in_order_and_old_ones_go(tmp_path):
    h = x = tensor([[1.0, 2.0]], requires_grad=True, name="x")
    for i in range(30):
        h = (h * x * (i + 2)).tanh()
    files = [f.name for f in derive(h.sum()).slides(tmp_path)]
    assert files[0] == "step_000.tex" and len(files) > 201
    assert sorted(files[:-1]) == files[:-1]
    mine = {"step_99.tex", "step_150.txt"}  # one that derive never wrote, one that was changed
    for name in mine:
        (tmp_path / name).write_text("mine")
    few = {f.name for f in derive((x * x).sum()).slides(tmp_path)}
    assert {f.name for f in tmp_path.iterdir()} == few | mine | {".slides-of-derive"}


def test_every_statement_is_a_step_with_its_operations():
    d = classifier()
    document = d.to_beamer()
    for s in d.program.forward:
        label = operations(s).replace("_", r"\_")
        assert f"{latex_line(s)} \\tag*{{{label}}}" in document
    for s in d.program.backward:
        assert latex_line(s) in document
    n = len(d.program.forward)
    assert [f"Forward {i} of {n}: " in document for i in range(n + 2)] == [
        False,
        *[True] * n,
        False,
    ]
    assert "Backward 1 of 4: through nll, then log\\_softmax" in document
    assert re.search(r"summed over axis 0, along which \$b_\{.*\}\$ was broadcast\.", document)


def test_the_steps_of_a_recurrence_are_told_once_for_every_t():
    manual_seed(0)
    one, two = nn.RNN(3, 2), nn.LSTM(2, 2)
    d = derive((two(one(randn(6, 2, 3))[0])[0] ** 2).sum())
    slides = slides_of(d.program)
    told = set()
    for slide in slides:
        over = re.search(r"t = (\d+), \.\.\., (\d+)", slide.text.partition("\n")[0])
        low, high = sorted(map(int, over.groups())) if over else (0, 0)
        for t in range(low, high + 1):
            index = lambda m, t=t: str(int(m[1] or 1) * t + int(m[2] or 0))
            formulas = INDEX.sub(index, slide.formulas) if over else slide.formulas
            told |= {*formulas.splitlines()}
    told = {re.sub(r" \\tag.*| \\\\$", "", line) for line in told}
    lines = [latex_line(s) for s in (*d.program.forward, *d.program.backward)]
    assert told >= {line for line in lines if letters(line) <= 110} and len(slides) < len(lines) / 3
    heads = [s.text.partition("\n")[0] for s in slides]
    ways = [h for h in heads if re.match(r"Forward \d", h)]
    assert [h.split(" ")[1] for h in ways] == [str(i) for i in range(1, len(ways) + 1)]
    assert f"Forward 1 of {len(ways)}, t = 1, ..., 6: matmul, add, matmul, add, add" in heads
    notes = "".join(s.text for s in slides)
    assert "d_h[t] = d_RNN[t-1] + d_z[t+1] @ weight_hh_l0_1" in notes
    assert "h_2[t] = o[t] * a[t]" in notes and "d_c[t] = d_c[t+1] * f[t+1] + d_a" in notes


def test_long_sums_go_on_below_and_small_ones_are_large():
    frames = recurrent().to_beamer().split(r"\begin{frame}")
    sums = [f for f in frames if r"&\qquad +" in f]
    assert sums and all(letters(line) < 90 for f in sums for line in f.splitlines())
    assert any("\\Large" in f for f in frames)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex and Beamer")
@pytest.mark.parametrize("made", [classifier, recurrent, evil])
def test_latex_sets_it(made, tmp_path):
    made().slides(tmp_path)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "slides.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert b"Overfull" not in done.stdout
