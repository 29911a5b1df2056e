"""What recording does in this thread: on, off, or on with somebody watching."""

from __future__ import annotations

import functools
import inspect
import threading
from _io import _IOBase
from collections.abc import Callable
from typing import Any, Self


class Mode(threading.local):
    """The state of one thread."""

    grad = True
    watcher: Any = None  # an origin.record_lines, or a compilation.watch.Recorder
    numpy = False  # whether methods of Tensors mean what NumPy's do where PyTorch's differ


mode = Mode()
# Those that are active in any thread: none spares `record` the question. A list, and no count
# under a lock, as an interrupt may leave a lock closed.
watchers: list[Any] = []


def asked(question: Callable[[Any], bool], x: Any) -> bool:
    """What `question` answers about an array, or the array of a Tensor.

    Code that chooses by values asks like this: a compiled function asks again at every call, and is
    traced anew where the answer is another.

    >>> asked(lambda a: a.min() >= 0, tensor([1.0, 2.0]))
    True
    """
    watch = getattr(mode.watcher, "asked", None) if watchers else None
    if watch is not None:
        return bool(watch(question, x))
    return bool(question(x.array if hasattr(x, "__op__") else x))


class Within:
    """The question whether all elements are from `low` to `high`, which C can ask too."""

    __slots__ = ("low", "high")

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def __call__(self, a: Any) -> bool:
        return not a.size or bool(self.low <= a.min() and a.max() <= self.high)


def stepped(values: Any, context: Callable[[], Any]) -> Any:
    """What a generator yields, with its own code in a mode and the code between in none."""
    step, given = values.send, None
    while True:
        try:
            with context():
                value = step(given)
        except StopIteration as end:
            return end.value
        try:
            step, given = values.send, (yield value)
        except BaseException as error:  # noqa: BLE001  thrown in by the caller, or the end
            step, given = values.throw, error


class End(_IOBase):
    """Its `__exit__`, which is C code and takes all arguments, calls `close`."""

    closed = True  # so that to delete it does not


set_grad = functools.partial(setattr, mode, "grad")  # of the thread that calls it


class Managers(type):
    """The type of managers whose `__exit__` is a slot, where `with` looks for it: contextlib's
    ExitStack asks the class for a function."""

    @property
    def __exit__(cls) -> Callable[..., Any]:  # noqa: PYI036
        return lambda self, *error: self.__exit__(*error)


class no_grad(metaclass=Managers):
    """Nothing is recorded in this thread meanwhile; a context manager and a decorator.

    >>> x = tensor(2.0, requires_grad=True)
    >>> with no_grad():
    ...     (x * x).requires_grad
    False
    """

    enabled = False
    __slots__ = ("__dict__", "__exit__")
    __exit__: Callable[..., None]
    outer: list[bool]

    def __new__(cls, function: Any = None) -> Any:
        if callable(function):  # a decorator without brackets
            return cls()(function)
        self = super().__new__(cls)
        # The modes around, as one instance may be entered again. They are kept here, not by the
        # thread: what one instance leaves spoils nothing for those around it. What restores them is
        # C code: Python looks for Ctrl-C as a function of its own begins, and would skip an exit.
        self.outer = []
        end = End()
        end.close = map(set_grad, iter(self.outer.pop, None)).__next__  # type: ignore[method-assign]
        self.__exit__ = end.__exit__
        return self

    def __enter__(self) -> Self:
        self.outer.append(mode.grad)
        mode.grad = self.enabled
        return self

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        enabled = self.enabled
        context = enable_grad if enabled else no_grad

        @functools.wraps(function)
        def wrapper(*args: Any, **kw: Any) -> Any:
            outer = mode.grad  # no `with`: an interrupt may come as __exit__ begins
            try:
                mode.grad = enabled
                return function(*args, **kw)
            finally:
                mode.grad = outer

        @functools.wraps(function)
        def generator(*args: Any, **kw: Any) -> Any:
            return (yield from stepped(function(*args, **kw), context))

        return generator if inspect.isgeneratorfunction(function) else wrapper


class enable_grad(no_grad):
    """Operations are recorded in this thread meanwhile, also inside `no_grad`.

    >>> x = tensor(2.0, requires_grad=True)
    >>> with no_grad(), enable_grad():
    ...     (x * x).requires_grad
    True
    """

    enabled = True


class inference_mode(no_grad):
    """`no_grad` under PyTorch's other name; `inference_mode(False)` changes nothing.

    >>> x = tensor(2.0, requires_grad=True)
    >>> with inference_mode():
    ...     (x * x).requires_grad
    False
    """

    def __init__(self, enabled: bool = True) -> None:
        self.wanted = enabled

    def __enter__(self) -> Self:
        self.outer.append(mode.grad)
        mode.grad = mode.grad and not self.wanted
        return self

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return super().__call__(function) if self.wanted else function


class set_grad_enabled(no_grad):
    """Switch recording on or off in this thread: at once, and as a context manager until its end.

    >>> x = tensor(2.0, requires_grad=True)
    >>> with set_grad_enabled(False):
    ...     (x * x).requires_grad
    False
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = bool(enabled)
        self.before = mode.grad
        mode.grad = self.enabled

    def __enter__(self) -> Self:
        self.outer.append(self.before)
        mode.grad = self.enabled
        return self

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        mode.grad = self.before  # as a decorator it acts in the calls, not at once
        return super().__call__(function)


class like_numpy:
    """Methods of Tensors mean in this thread what NumPy's do: for code that was made for arrays.

    `var` and `std` divide by n, `max(1)` and `min(1)` give values alone, and `repeat` repeats
    elements. To make a number of a tensor that needs a gradient is an error, as in `out[i] = t`,
    `math.exp(t)` and `float(t)`: the gradient would be lost without a word.

    >>> from autograd_lite.engine.modes import like_numpy
    >>> x = tensor([[1.0, 3.0]])
    >>> with like_numpy():
    ...     x.var().item(), x.max(1).tolist()
    (1.0, [3.0])
    """

    def __enter__(self) -> None:
        self.outer, mode.numpy = mode.numpy, True

    def __exit__(self, *error: object) -> None:
        mode.numpy = self.outer


def is_grad_enabled() -> bool:
    """Whether operations are recorded in this thread.

    >>> is_grad_enabled()
    True
    """
    return mode.grad
