"""What is asked for, and how many points it gives."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..comparison.learners.execution import hides
from ..engine.tape import Array
from ..sandbox.process import Limits
from .marks import Scheme

Drawn = Callable[[np.random.Generator], Array]
Shapes = Mapping[str, "tuple[int, ...] | Drawn"]


@dataclass(frozen=True)
class Question:
    """Some gradients, and the points that they give together.

    `tensors` are names of tensors of the assignment's forward. A question of its own `function`,
    which is a backward `(g, *inputs)`, brings its `forward` and the `shapes` of the inputs;
    `tensors` are then some of these, all if there are none. With `parameters`, some of the inputs,
    the function is a class: it is made of the parameters, has a `forward` of the other inputs and
    a `backward(g)` that returns their gradients, and keeps those of W in `dW`, or `W_grad`.
    """

    title: str
    points: float
    tensors: tuple[str, ...] = ()
    function: str = ""
    forward: Callable[..., Any] | None = None
    shapes: Shapes = field(default_factory=dict)
    parameters: tuple[str, ...] = ()

    @property
    def adapter(self) -> str:
        """The code that makes a function of the class, after the student's."""
        if not self.parameters:
            return ""
        made = f"as_function({self.function}, {[*self.shapes]}, {self.parameters})"
        return f"{inspect.getsource(as_function)}\n{self.function} = {made}\n"


def as_function(layer: type, names: list[str], parameters: tuple[str, ...]) -> object:
    """The backward `(g, *inputs)` of a class. Its text runs among the student's code."""

    def backward(g: object, *arrays: object) -> tuple[object, ...]:
        inputs = dict(zip(names, arrays, strict=True))
        made = layer(*(inputs.pop(name) for name in parameters))
        made.forward(*inputs.values())
        found = made.backward(g)
        found = found if isinstance(found, tuple | list) else (found,)
        grads = dict(zip(inputs, found, strict=False))  # a missing one is told where it is judged
        for name in parameters:
            grads[name] = getattr(made, f"d{name}", getattr(made, f"{name}_grad", None))
        return tuple(grads.get(name) for name in names)

    return backward


@dataclass(frozen=True)
class Assignment:
    """A homework: students hand in `file`, whose `function` takes the inputs, in the order of
    `shapes`, and returns a dictionary of gradients by name, or `(loss, dictionary)`.

    `forward` computes the loss of Tensors and names what is asked for: `z1.name = "z1"`. Inputs
    are random from each of `seeds`, and the worst counts; a shape may also be a function that
    draws: `lambda rng: np.eye(4)[rng.integers(0, 4, 7)]`. Each question gives its points for the
    tensors it names, in equal parts: all for a right gradient, `convention` for one in another
    convention, `follow_through` for one that is right but for an earlier mistake, and what
    `named` has for the slug of a mistake. Code after the student's (`adapter`) can make a function
    of a class. `seconds` of computing, `memory` in bytes and `imports` bound what it may do;
    `fixes=True` shows the edit of the line that mends the first mistake, and takes longer.

    ValueError for sizes that hide mistakes (an axis of 1 or 2, two equal sizes), for a question
    about no tensor and for two functions of one name.

    >>> def forward(x, t, w):
    ...     y = x @ w
    ...     y.name = "y"
    ...     return ((y - t) ** 2).mean()
    >>> sizes = {"x": (5, 3), "t": (5, 4), "w": (3, 4)}
    >>> questions = [Question("the loss", 1, ("y",)), Question("the layer", 2, ("w",))]
    >>> work = Assignment("One layer", "net.py", questions, "gradients", forward, sizes)
    >>> from autograd_lite.grading import mark
    >>> def gradients(x, t, w):
    ...     y = x @ w
    ...     dy = 2 * (y - t) / t.size
    ...     return {"y": dy, "w": x.T @ dy / len(x)}
    >>> marks = mark(work, gradients)
    >>> marks.points, marks.answers[1].said
    (1.0, 'w: divided by the batch size 5 once too often')
    """

    title: str
    file: str
    questions: Sequence[Question]
    function: str = ""
    forward: Callable[..., Any] | None = None
    shapes: Shapes = field(default_factory=dict)
    convention: float = 1.0
    follow_through: float = 1.0
    named: Mapping[str, float] = field(default_factory=dict)
    seeds: Sequence[int] = (0, 1)
    seconds: int = 5
    memory: int = 1 << 30
    imports: tuple[str, ...] = ("numpy",)
    adapter: str = ""
    fixes: bool = False

    def __post_init__(self) -> None:
        if not self.questions or not self.seeds:
            raise ValueError("Assignment: there is no question, or no seed")
        functions = [q.function or self.function for q in self.questions]
        for question, function in zip(self.questions, functions, strict=True):
            forward, shapes = self.of(question)
            if not function or forward is None or not shapes:
                raise ValueError(
                    f"Assignment: the question {question.title!r} has no function, forward or "
                    "shapes, nor has the assignment"
                )
            if not question.function and not question.tensors:
                raise ValueError(f"Assignment: {question.title!r} names no tensors")
            if not {*question.parameters} <= {*question.shapes}:
                raise ValueError(
                    f"Assignment: the parameters of {question.title!r} are not all in its shapes"
                )
            if question.function and functions.count(function) > 1:
                raise ValueError(f"Assignment: two questions are about {function}")
            for name, a in self.inputs(question, self.seeds[0]).items():
                if hides({name: a}):
                    raise ValueError(
                        f"Assignment: {name} of shape {a.shape} hides mistakes, as a wrong axis or "
                        "a transpose: take axes of 3 and more, all of other sizes"
                    )

    def of(self, question: Question) -> tuple[Callable[..., Any] | None, Shapes]:
        """The forward that a question is about, and the shapes of its inputs."""
        own = question if question.function else self
        return own.forward, own.shapes

    def inputs(self, question: Question, seed: int) -> dict[str, Array]:
        """The inputs of a question, by name, in order."""
        rng = np.random.default_rng(seed)
        _, shapes = self.of(question)
        return {
            name: np.asarray(shape(rng)) if callable(shape) else rng.standard_normal(shape)
            for name, shape in shapes.items()
        }

    def asked(self, question: Question) -> set[str]:
        """The tensors whose gradients the function of a question returns: of a backward all inputs
        that are floats."""
        if question.function:
            inputs = self.inputs(question, self.seeds[0])
            return {name for name, a in inputs.items() if a.dtype.kind == "f"}
        return {t for q in self.questions if not q.function for t in q.tensors}

    @property
    def scheme(self) -> Scheme:
        """What each verdict gets."""
        return Scheme(self.convention, self.follow_through, dict(self.named))

    @property
    def limits(self) -> Limits:
        """What bounds a submission."""
        return Limits(self.seconds, 3.0 * self.seconds, self.memory)

    @staticmethod
    def load(path: str | Path) -> Assignment:
        """The `assignment` that a Python file defines, which is run; ValueError if there is
        none."""
        path = Path(path)
        spec = importlib.util.spec_from_file_location(f"assignment_{path.parent.name}", path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ValueError(f"{path} is no Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        found = getattr(module, "assignment", None)
        if not isinstance(found, Assignment):
            raise ValueError(f"{path} defines no assignment = Assignment(...)")  # noqa: TRY004
        return found
