"""The assignments that ship: what solution, skeleton and wrong submissions get, and what is said."""

from dataclasses import replace

import numpy as np
import pytest

from autograd_lite.grading import Assignment, Question, Submission, mark
from autograd_lite.grading.check import planted, told
from autograd_lite.grading.submission import read
from tests.grading.wrong import SHIPPED, WRONG, edited


def work(name="mlp"):
    return Assignment.load(SHIPPED / name / "assignment.py")


def script(code):
    return Submission("ada", (("net.py", code),))


@pytest.mark.parametrize("name", WRONG)
def test_the_solution_gets_all_points_and_the_skeleton_none(name):
    marks = mark(work(name), read(SHIPPED / name / "solution.py", "solution.py"))
    assert marks.points == marks.most == 10 and not marks.error and not marks.remarks
    assert all(answer.said == "right" and not answer.mistakes for answer in marks.answers)
    skeleton = mark(work(name), read(SHIPPED / name / work(name).file, work(name).file))
    assert skeleton.points == 0
    assert all("raised NotImplementedError: your turn (line" in a.said for a in skeleton.answers)


CASES = [(name, *case) for name, cases in WRONG.items() for case in cases]


@pytest.mark.parametrize(("name", "old", "new", "slug", "points"), CASES)
def test_ten_wrong_submissions(name, old, new, slug, points):
    """A mistake is named, costs its own question alone, and what follows from it nothing."""
    marks = mark(work(name), script(edited(name, old, new)))
    assert tuple(answer.points for answer in marks.answers) == points
    assert [s for answer in marks.answers for s, _ in answer.mistakes] == [slug]
    assert len(WRONG[name]) == 10


def test_what_is_said_to_the_student():
    marks = mark(work(), script(edited("mlp", "dh * (1 - h * h)", "dh * (1 - h)")))
    text = str(marks)
    assert text.startswith("A network by hand: 8 of 10 points\n\n3 of 3  softmax")
    assert "0 of 2  the tanh\n    z1: 1 - y used for the derivative of tanh\n" in text
    assert (
        "2 of 2  the hidden layer\n    W1: inherited from z1\n    b1: inherited from z1\n" in text
    )
    assert "z1: yours g * (1 - h), right g * (1 - h * h)." in text


def test_a_fix_is_the_line_of_the_student(monkeypatch):
    assignment = work()
    object.__setattr__(assignment, "fixes", True)
    marks = mark(assignment, script(edited("mlp", "dh * (1 - h * h)", "dh * (1 - h)")))
    (said,) = [answer.said for answer in marks.answers if not answer.right]
    assert said.splitlines()[1].split() == ["line", "32:", "dz1", "=", "dh", "*", "(1", "-", "h)"]
    assert said.splitlines()[2].split()[0] == "->" and "(1 - h" in said.splitlines()[2]


def small(**options):
    def forward(x, t, w):
        y = x @ w
        y.name = "y"
        return ((y - t) ** 2).mean()

    sizes = {"x": (5, 3), "t": (5, 4), "w": (3, 4)}
    questions = [Question("loss", 1, ("y",)), Question("layer", 2, ("w",))]
    given = {"questions": questions, "function": "f", "forward": forward, "shapes": sizes}
    return Assignment("One layer", "net.py", **given | options)


def gradients(x, t, w):
    dy = 2 * (x @ w - t) / t.size
    return {"y": dy, "w": x.T @ dy}


@pytest.mark.parametrize(
    ("change", "options", "points"),
    [
        (lambda y, w: {"y": y, "w": w}, {}, (1, 2)),
        (lambda y, w: {"dy": y, "dw": w}, {}, (1, 2)),
        (lambda y, w: (3.0, {"y": y, "w": w, "more": w}), {}, (1, 2)),
        (lambda y, w: {"y": y}, {}, (1, 0)),
        (lambda y, w: {"y": y.tolist(), "w": -w}, {"named": {"sign": 0.5}}, (1, 1)),
        (lambda y, w: {"y": y * len(y), "w": w}, {"convention": 0.25}, (0.25, 2)),
        (lambda y, w: {"y": 2 * y, "w": 2 * w}, {"follow_through": 0.5}, (0, 1)),
        (lambda y, w: None, {}, (0, 0)),
        (lambda y, w: {"y": "text", "w": w}, {}, (0, 0)),
    ],
)
def test_verdicts_are_a_marking_scheme(change, options, points):
    def handed(x, t, w):
        return change(*gradients(x, t, w).values())

    marks = mark(small(**options), handed)
    assert tuple(answer.points for answer in marks.answers) == points


def test_of_the_seeds_the_worst_counts():
    """A gradient that is right for the one by chance is wrong."""
    first = small().inputs(small().questions[0], 0)["x"]

    def handed(x, t, w):
        right = gradients(x, t, w)
        return right if np.array_equal(x, first) else right | {"w": 0 * w}

    assert mark(small(), handed).points == 1
    assert mark(small(seeds=(0,)), handed).points == 3


def test_a_class_is_asked_by_code_of_the_teacher():
    code = (
        "class Net:\n"
        "    def __init__(self, w): self.w = w\n"
        "    def forward(self, x): self.x, self.y = x, x @ self.w; return self.y\n"
        "    def backward(self, g): self.dw = self.x.T @ g\n"
    )
    adapter = (
        "def f(x, t, w):\n"
        "    net = Net(w)\n"
        "    dy = 2 * (net.forward(x) - t) / t.size\n"
        "    net.backward(dy)\n"
        "    return {'y': dy, 'w': net.dw}\n"
    )
    assert mark(small(adapter=adapter), script(code)).points == 3
    wrong = mark(small(adapter=adapter), script(code.replace("self.x.T", "self.x.T * 2")))
    assert [answer.points for answer in wrong.answers] == [1, 0]


CLASS = """import numpy as np
class Dense:
    def __init__(self, W, b): self.W, self.b = W, b
    def forward(self, x):
        self.x, self.h = x, np.tanh(x @ self.W + self.b)
        return self.h
    def backward(self, g):
        dz = g * (1 - self.h ** 2)
        self.dW, self.b_grad = self.x.T @ dz, dz.sum(axis=0)
        return dz @ self.W.T
"""


def test_a_class_is_asked_by_its_parameters():
    sizes = {"x": (5, 3), "W": (3, 4), "b": (4,)}
    question = Question(
        "a layer", 3, function="Dense", parameters=("W", "b"), shapes=sizes,
        forward=lambda x, W, b: (x @ W + b).tanh(),
    )  # fmt: skip
    work = Assignment("A class", "net.py", [question])
    assert mark(work, script(CLASS)).points == 3
    wrong = mark(work, script(CLASS.replace("self.h ** 2", "self.h")))
    assert wrong.points == 2  # of b's mistake W and x are followers
    assert "1 - y used for the derivative of tanh" in wrong.answers[0].said
    lacking = mark(work, script(CLASS.replace("self.b_grad", "_")))
    assert lacking.points == 2 and "b" in lacking.answers[0].said
    names = {}
    exec(CLASS, names)  # noqa: S102  as a notebook does
    assert mark(work, names).points == 3
    assert next(planted(work)).marks.points < 3  # `grade check` plants mistakes in a function
    with pytest.raises(ValueError, match="parameters of 'a layer'"):
        Assignment("A class", "net.py", [replace(question, parameters=("V",))])


def test_finite_differences_are_no_derivation():
    def rough(x, t, w, eps=1e-6):
        dw = np.zeros_like(w)
        for i in np.ndindex(w.shape):
            e = np.zeros_like(w)
            e[i] = eps
            dw[i] = (((x @ (w + e) - t) ** 2).mean() - ((x @ w - t) ** 2).mean()) / eps
        return gradients(x, t, w) | {"w": dw}

    marks = mark(small(), rough)
    assert marks.answers[1].mistakes[0][0] == "numerical" and marks.answers[1].points == 0
    near = mark(small(), lambda *a: gradients(*a) | {"w": gradients(*a)["w"] * (1 + 1e-10)})
    assert near.points == 3 and near.remarks == ("f: w right but for 1e-10: a finite difference?",)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"shapes": {"x": (5, 3), "t": (5, 4), "w": (3, 3)}}, "hides mistakes"),
        ({"shapes": {"x": (5, 2), "t": (5, 4), "w": (2, 4)}}, "x of shape (5, 2) hides mistakes"),
        ({"questions": []}, "there is no question"),
        ({"questions": [Question("nothing", 1)]}, "'nothing' names no tensors"),
        ({"forward": None}, "has no function, forward or shapes"),
        ({"seeds": ()}, "or no seed"),
    ],
)
def test_an_assignment_that_cannot_be_graded_is_refused(options, told):
    with pytest.raises(ValueError, match="Assignment: ") as error:
        small(**options)
    assert told in str(error.value)


def test_a_name_that_the_forward_does_not_give_is_told():
    odd = small(questions=[Question("z", 1, ("z",))])
    with pytest.raises(ValueError, match=r"makes no tensor called z: name it, as in z1\.name"):
        mark(odd, gradients)


def test_mistakes_are_planted_and_what_hides_is_told():
    assignment = small()
    found = [*planted(assignment)]
    text = told(found)
    assert len(found) > 10 and all(p.seen for p in found)
    assert text.startswith(f"{len(found)} mistakes were made on purpose; {len(found)} lose points.")
    lenient = small(named={p.slug: 1.0 for p in found})
    assert "hidden: " in told([*planted(lenient)])


def test_mistakes_of_a_backward_are_planted_too():
    sizes = {"x": (5, 3), "w": (4, 3), "b": (4,)}
    question = Question("affine", 3, (), "affine_backward", lambda x, w, b: x @ w.T + b, sizes)
    found = [*planted(Assignment("One layer", "net.py", [question]))]
    assert {"bias-averaged", "sign", "factor-2", "placeholder"} <= {p.slug for p in found}
    assert all(p.seen and p.named for p in found)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "number", "unnamed"), [("mlp", 79, 0), ("batchnorm", 59, 0)])
def test_mistakes_in_what_ships_lose_points_and_are_named(name, number, unnamed):
    found = [*planted(work(name))]
    assert len(found) >= number and all(p.seen for p in found)
    assert sum(not p.named for p in found) <= unnamed


def test_what_a_student_writes_commands_no_terminal():
    code = (
        "print('\x1b[31mred', chr(0x202e))\n"
        "def gradients(*a): raise ValueError(chr(27) + '[2J' + chr(7))"
    )
    text = str(mark(work(), script(code)))
    assert "\\x1b[31mred \\u202e" in text and "raised ValueError: \\x1b[2J\\x07" in text
    assert all(c.isprintable() or c == "\n" for c in text)


def test_a_backward_that_changes_its_inputs_is_told_and_keeps_its_points():
    sizes = {"x": (5, 3), "w": (4, 3)}
    question = Question("product", 4, (), "product_backward", lambda x, w: x @ w.T, sizes)
    one = Assignment("One layer", "net.py", [question])

    def product_backward(g, x, w):
        dw = g.T @ x
        x[:] = 0
        return g @ w, dw

    (answer,) = mark(one, {"product_backward": product_backward}).answers
    assert answer.points == 4 and "changes x in place: work on a copy" in answer.said
    (answer,) = mark(one, {"product_backward": lambda g, x, w: g @ w}).answers
    assert answer.points == 0 and "returns 1 gradient for 2 inputs (x, w)" in answer.said
    (answer,) = mark(one, {}).answers
    assert answer.points == 0 and "There is no function product_backward." in answer.said
