"""One call of a function, watched: every operation of it, what it changed in place, and what would
make another call differ from it; `reader.py` makes a program of it.

The tensors that a trace meets are `Watched` meanwhile, a subclass without slots; `Tensor` itself
stays as it is. Whoever reads the values of one in the thread of the trace, but for the operations
themselves, has that noted as the reason not to compile.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import numpy as np

from ..creation import default_generator
from ..engine import modes
from ..engine.arrays import ints_first, plain_index
from ..engine.modes import mode, no_grad
from ..engine.op import Op
from ..engine.operators import COMPARED
from ..engine.protocol import apply_function, apply_ufunc
from ..engine.rules import ops
from ..engine.tensor import Tensor, record, wrap
from ..engine.user import is_ours, users_frame
from ..engine.versions import changed, tick
from .guards import Captured, is_of_user

__all__ = ["Question", "Recorder"]

# functions that read arrays and let nothing of their values out, but what the row itself checks
TRUSTED = {
    "autograd_lite.engine.tensor": {
        "record", "record1", "record2", "result", "wrap", "__init__", "dim", "size", "numel",
        "__len__", "__iter__", "parents", "detach", "requires_grad_",
    },
    "autograd_lite.engine.versions": {"shared_version", "made_view", "viewed", "route", "changed"},
    "autograd_lite.conversion": {"to"},
    "autograd_lite.engine.operators": {"__matmul__", "t"},
    "autograd_lite.engine.inplace": {"_overwrite"},
    "autograd_lite.creation": {"_empty_like"},
    "nn.functional.losses": {"_is_plain"},
    "autograd_lite.nn.functional.losses": {"_is_plain"},  # as a wheel has it
    __package__: {"no_loss"},
}  # fmt: skip
CONVERSIONS = "autograd_lite.engine.arrays"  # its functions read for whoever calls them
array_of: Any = vars(Tensor)["array"].__get__
set_class: Any = vars(object)["__class__"].__set__
ALIAS = Op("detach", lambda x: x)
FOLLOWED = Tensor | np.ndarray | np.generic | int | float


class Here(threading.local):
    """The trace of this thread."""

    recorder: Any = None


here = Here()


# ---- the class of tensors in a trace ---------------------------------------------------------


def trusted(frame: Any) -> bool:
    """Whether the function that runs in a frame is one of those above."""
    module = frame.f_globals.get("__name__", "")
    while module == CONVERSIONS:
        frame = frame.f_back
        module = frame.f_globals.get("__name__", "")
    return frame.f_code.co_name in TRUSTED.get(module, ()) and is_ours(frame.f_code.co_filename)


def plainly(t: Any) -> Any:
    """A watched tensor as its own class has it."""
    return super(Watched, t)


def traced(method: Callable[..., Any]) -> Any:
    """A method of a watched tensor, which gets the recorder before its arguments. In other threads,
    and after the trace, it is what the plain class has."""
    name = method.__name__

    @wraps(method)
    def instead(self: Any, *args: Any, **kw: Any) -> Any:
        if here.recorder is None:
            return getattr(plainly(self), name)(*args, **kw)
        return method(self, here.recorder, *args, **kw)

    return instead


def noted(name: str, reason: str) -> Any:
    """A method that is no part of what code can do."""

    def method(self: Any, recorder: Recorder, *args: Any, **kw: Any) -> Any:
        recorder.note(reason)
        return getattr(plainly(self), name)(*args, **kw)

    method.__name__ = name
    return traced(method)


def compared(name: str, op: Op) -> Any:
    """A comparison, recorded."""

    def method(self: Any, recorder: Recorder, other: Any) -> Any:
        if not isinstance(other, FOLLOWED):
            return getattr(plainly(self), name)(other)
        with no_grad():
            return record(op, (self, other))

    method.__name__ = name
    return traced(method)


def slot(name: str, reads: str, writes: str) -> Any:
    """A slot of Tensor whose reading, or setting, has to be noted."""
    of: Any = vars(Tensor)[name]

    def get(t: Any) -> Any:
        if reads and here.recorder is not None and not trusted(sys._getframe(1)):
            here.recorder.note(reads)
        return of.__get__(t)

    def put(t: Any, value: Any) -> None:
        if here.recorder is not None and not trusted(sys._getframe(1)):
            here.recorder.note(writes)
        of.__set__(t, value)

    return property(get, put)


class Form(type):
    """The type of watched classes: equal to their plain class for user code that compares types."""

    def __call__(cls, *args: Any, **kw: Any) -> Any:
        return plain_class(cls)(*args, **kw)

    def __eq__(cls, other: object) -> bool:
        return isinstance(other, type) and plain_class(cls) is plain_class(other)

    def __hash__(cls) -> int:
        return hash(plain_class(cls))


class Watched(metaclass=Form):
    """What the tensors of a trace are meanwhile, each mixed with its own class."""

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """What a class of a user does for its subclasses is not for these."""

    array: Any = slot(
        "array", "it reads the values of a tensor", "it replaces the data of a tensor"
    )
    _grad: Any = slot("_grad", "it reads a gradient", "it sets a gradient")
    requires_grad: Any = slot("requires_grad", "", "it changes requires_grad")
    shape = property(lambda t: array_of(t).shape)
    ndim = property(lambda t: array_of(t).ndim)
    dtype = property(lambda t: array_of(t).dtype)
    register_hook = noted("register_hook", "it registers a hook on a tensor")
    retain_grad = noted("retain_grad", "it keeps the gradient of a tensor")
    requires_grad_ = noted("requires_grad_", "it changes requires_grad")
    __hash__ = Tensor.__hash__

    @property
    def __class__(self) -> Any:
        """The class for who asks, which `isinstance` and `type` need not."""
        return plain_class(type(self))

    @__class__.setter
    def __class__(self, cls: Any) -> None:
        if here.recorder is not None:
            here.recorder.note("it changes the class of a tensor")
        set_class(self, cls)

    @property
    def data(self) -> Any:
        """As for every tensor."""
        return self.detach()

    @data.setter
    def data(self, value: Any) -> None:
        if here.recorder is not None:
            here.recorder.note("it replaces the data of a tensor")
        vars(Tensor)["data"].__set__(self, value)

    @property
    def name(self) -> str:
        """As for every tensor, but one from outside may have another at every call."""
        note_name(self, "reads")
        return plainly(self).name

    @name.setter
    def name(self, name: str) -> None:
        note_name(self, "sets")
        vars(Tensor)["name"].__set__(self, name)

    @traced
    def detach(self: Any, recorder: Recorder) -> Any:
        t = plainly(self).detach()
        recorder.made(ALIAS, t, (self,), (array_of(self),), {})
        return t

    @traced
    def to(self: Any, recorder: Recorder, *asked: Any, copy: bool = False, **named: Any) -> Any:
        t = plainly(self).to(*asked, copy=copy, **named)
        dtype = array_of(t).dtype
        if t is not self and dtype.kind != "f":
            op = Op("to", lambda x: x.astype(dtype))
            recorder.made(op, t, (self,), (array_of(self),), {})
        return t

    @traced
    def __invert__(self: Any, recorder: Recorder) -> Any:
        with no_grad():
            return record(Op("invert", np.invert), (self,))

    @traced
    def __getitem__(self: Any, recorder: Recorder, index: Any) -> Any:
        return recorder.take(self, index)

    @traced
    def _overwrite(self: Any, recorder: Recorder, op: Op, *others: Any, **kw: Any) -> Any:
        recorder.before_change(self, others)
        plainly(self)._overwrite(op, *others, **kw)
        recorder.after_change(self)
        return self

    @traced
    def _move(self: Any, recorder: Recorder, op: Op, *others: Any) -> None:
        with no_grad():
            self._overwrite(op, *others)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kw: Any) -> Any:
        return apply_ufunc(FORM, ufunc, method, inputs, kw)

    def __array_function__(self, function: Any, types: Any, args: Any, kw: Any) -> Any:
        return apply_function(FORM, function, args, kw)

    @staticmethod
    def __plain__(function: Any, args: Any, kw: dict[str, Any]) -> Any:
        if here.recorder is not None and all(isinstance(x, FOLLOWED) for x in args):
            values = [array_of(x) if isinstance(x, Tensor) else x for x in args]
            y = function(*values, **kw)
            if isinstance(y, np.ndarray | np.generic):
                t = Tensor(np.asarray(y))
                parents = tuple(x if isinstance(x, Tensor) else None for x in args)
                here.recorder.made(Op(function.__name__, function), t, parents, values, kw)
                return t
        return Tensor.__plain__(function, args, kw)


def note_name(t: Any, does: str) -> None:
    """Note what is done with the name of a tensor that was there before."""
    if here.recorder is not None and id(t) in here.recorder.outside:
        here.recorder.note(f"it {does} the name of a tensor")


for word, ufunc in COMPARED.items():
    for name in (f"__{word}__", f"__r{word}__"):
        if hasattr(Tensor, name):
            setattr(Watched, name, compared(name, Op(ufunc.__name__, ufunc)))


def plain_class(cls: type) -> type:
    """The class that a tensor has before and after a trace."""
    return cls.__bases__[-1] if isinstance(cls, Form) else cls


# what classes have without a meaning for their tensors
SILENT = {
    "__init_subclass__", "__slots__", "__module__", "__qualname__", "__doc__", "__annotations__",
    "__firstlineno__", "__static_attributes__",
}  # fmt: skip
forms: WeakValueDictionary[int, Form] = WeakValueDictionary()  # by the identity of their class
lasting: list[Form] = []  # those of the packages' own classes, which are made once


def hides(name: str) -> bool:
    """Whether the watched form of a class with a method of this name would not call it: it has its
    own, or, as it is no subclass of that of Tensor, Python asks another operand first."""
    reflected = name.startswith("__r") and hasattr(Tensor, f"__{name[3:]}")
    return reflected or (name in vars(Watched) and name not in SILENT)


def form(cls: Any) -> Any:
    """The watched form of a class, which has its name. TypeError, with the reason, where there can
    be none."""
    if isinstance(cls, Form):
        return cls
    found = forms.get(id(cls))
    if found is None:
        for base in cls.__mro__[: cls.__mro__.index(Tensor)]:
            for name in filter(hides, vars(base)):
                raise TypeError(f"it uses a {cls.__name__}, which has a {name} of its own")
        names = {"__slots__": (), "__module__": cls.__module__, "__qualname__": cls.__qualname__}
        try:
            found = Form(cls.__name__, (Watched, cls), names)
        except TypeError:
            raise TypeError(f"it uses a {cls.__name__}, which cannot be watched") from None
        forms[id(cls)] = found
        if not is_of_user(cls):
            lasting.append(found)
    return found


def why_not(x: Any) -> str:
    """Why tensors of a class, or of the class of `x`, cannot be watched; "" if they can."""
    cls = x if isinstance(x, type) else type(x)
    try:
        if issubclass(cls, Tensor):
            form(cls)
    except TypeError as error:
        return str(error)
    return ""


FORM = form(Tensor)


# ---- the trace ------------------------------------------------------------------------------


class Recorder:
    """The watcher of one call: every operation in it, also those that need no gradient."""

    def __init__(self) -> None:
        self.made_by: dict[int, tuple[Any, ...]] = {}  # (tensor, op, parents, args, kw)
        self.draws: dict[int, tuple[Any, Callable[[], Any]]] = {}
        self.questions: list[Question] = []
        self.values: dict[int, tuple[Tensor, Tensor]] = {}  # changed in place: with its value now
        self.reason = ""
        self.generators: list[Any] = []  # those that the function reaches
        self.states: Any = None
        self.begun: list[tuple[Any, Any]] = []  # generators, and where they were before the call
        self.held: dict[int, tuple[Tensor, Any]] = {}  # changed in place: with its values before
        self.drawing = False
        self.others: list[Tensor] = []  # arguments, and tensors made of arrays
        self.outside: dict[int, Tensor] = {}  # watched, and other traces may watch them too
        self.inside: dict[int, Tensor] = {}  # watched, made in the trace
        self.finished = False
        self.disturbed = False  # whether the end of another trace may have hidden something
        self.modes = mode.grad, mode.numpy

    def note(self, what: str) -> None:
        """Keep the first reason, with the line of the user's code."""
        if not self.reason:
            self.reason = what + where()

    # ---- what is watched

    def watch(self, f: Callable[..., Any], args: Any, kw: Any, captured: Captured) -> Any:
        """What `f` returns, called while everything it does is watched."""
        try:
            try:
                self.open(args, kw, captured)
                result = f(*args, **kw)
                self.finished = True
            finally:
                self.close()
        finally:
            self.close()  # again, as an interrupt may have come in between
        self.check_draws()
        if not captured.unchanged():
            self.note("it changes what it captures")
        return result

    def open(self, args: Any, kw: Any, captured: Captured) -> None:
        self.captured = captured.tensors
        self.generators += captured.generators
        self.common = captured.draws()
        self.states = self.random_states()
        known = {id(g): g for g in (*self.generators, default_generator())}
        self.begun = [
            (g, g.bit_generator.state) for g in known.values() if hasattr(g, "bit_generator")
        ]
        modes.watchers.append(self)
        for t in (*args, *kw.values(), *self.captured.values()):
            if isinstance(t, Tensor):
                self.hold(t)
        self.others += [x for x in (*args, *kw.values()) if isinstance(x, Tensor)]
        mode.watcher = here.recorder = self
        self.start = tick()

    def close(self) -> None:
        """Put everything back; again at the second time, but for what is done."""
        mode.watcher = here.recorder = None
        if not self.finished:  # contexts that an interrupt came into may have left it
            mode.grad, mode.numpy = self.modes
        for t in self.inside.values():
            set_class(t, plain_class(type(t)))
        while self in modes.watchers:
            modes.watchers.remove(self)
        for key, t in self.outside.items():
            if not self.others_of(key):
                set_class(t, plain_class(type(t)))
                for other in self.others_of(key):  # it has met the tensor just now
                    other.disturbed = True
                    other.dress(t)

    def others_of(self, key: int) -> list[Any]:
        """The traces of other threads that watch a tensor too."""
        return [w for w in tuple(modes.watchers) if key in getattr(w, "outside", ())]

    def hold(self, t: Tensor) -> None:
        """Watch a tensor that was there before. It is known before its class is another, so that
        it gets its own again wherever an interrupt comes."""
        self.outside[id(t)] = t
        self.dress(t)

    def keep(self, t: Tensor) -> None:
        """Watch a tensor that was just made."""
        self.inside[id(t)] = t
        self.dress(t)

    def dress(self, t: Tensor) -> None:
        """Give a tensor its watched class; where there is none it keeps its own."""
        try:
            set_class(t, form(type(t)))
        except TypeError:
            self.note(why_not(t) or f"it uses a {type(t).__name__}, which cannot be watched")

    def born(self, t: Tensor, data: Any) -> None:
        """Called for every Tensor that is made of something else than by an operation."""
        self.keep(t)
        if isinstance(data, Tensor):
            self.made(ALIAS, t, (data,), (array_of(data),), {})
        else:
            self.others.append(t)

    def made(self, op: Op, t: Tensor, parents: Any, args: Any, kw: Any) -> None:
        """Called for every result of an operation."""
        self.keep(t)
        for p in parents:
            if p is not None and id(p) not in self.inside and id(p) not in self.outside:
                if p.serial > self.start:
                    self.note("it uses a tensor that another thread made")
                self.hold(p)
        self.made_by[id(t)] = (t, op, tuple(map(self.now, parents)), args, kw)
        self.last = t

    def operations(self) -> list[Op]:
        """The operations that made something."""
        return [op for _, op, *_ in self.made_by.values()]

    def now(self, x: Any) -> Any:
        """What has the value that a tensor has at this time of the call."""
        found = self.values.get(id(x))
        return x if found is None else found[1]

    def asked(self, question: Callable[[Any], bool], x: Any) -> bool:
        """Called for every question about values; of an array the answer stays."""
        if not isinstance(x, Tensor):
            return question(x)
        answer = bool(question(array_of(x)))
        self.questions.append(Question(self.now(x), question, answer))
        return answer

    def pulled(self, node: Any, p: Any, g: Any, gradient: Any) -> None:
        """Called for every gradient that a rule gives."""
        self.note("it runs a backward pass itself")

    # ---- random numbers

    def drawn(self, draw: Callable[[], Any]) -> Any:
        """An array that is drawn anew at every call."""
        self.check_draws()
        self.drawing = True
        try:
            a = draw()
        finally:
            self.drawing = False
        self.draws[id(a)] = (a, draw)
        self.states = self.random_states()
        return a

    def reached(self, generator: Any) -> None:
        """Called when the generator of random tensors is asked for."""
        if not self.drawing and all(generator is not g for g in self.generators):
            self.check_draws()
            self.generators.append(generator)
            self.states = self.random_states()

    def seeded(self) -> None:
        """Called when the generator of random tensors is seeded."""
        self.note("it seeds random numbers")

    def check_draws(self) -> None:
        if self.states != self.random_states():
            self.note("it draws random numbers from elsewhere")

    def random_states(self) -> list[Any]:
        """The state of every generator that the function can reach; other threads use others."""
        known = self.generators
        found: list[Any] = [g.bit_generator.state for g in known if hasattr(g, "bit_generator")]
        if self.common and "random" in sys.modules:
            found.append(sys.modules["random"].getstate())
        if self.common and "numpy.random" in sys.modules:
            name, key, *rest = sys.modules["numpy.random"].get_state()
            found.append((name, key.tobytes(), *rest))
        return found

    # ---- changes in place

    def before_change(self, t: Tensor, others: Any) -> None:
        """A change can be followed of what needs no gradient and shares no memory."""
        gradient = t.requires_grad or any(
            isinstance(x, Tensor) and x.requires_grad and mode.grad for x in others
        )
        mine = id(t) in self.captured or t.serial > self.start
        a = array_of(t)
        known = [
            *self.others,
            *self.captured.values(),
            *(made[0] for made in self.made_by.values()),
        ]
        shared = any(x is not t and np.may_share_memory(a, array_of(x)) for x in known)
        if gradient or not mine or shared:
            self.note("it changes a tensor in place" + " that shares memory" * shared)
        elif t.serial <= self.start:
            self.held.setdefault(id(t), (t, a.copy("K")))
        elif id(t) not in self.made_by:
            old = a.copy()  # the constant that it is until then
            constant = wrap(old)
            self.keep(constant)
            self.made(ALIAS, t, (constant,), (old,), {})
            if id(a) in self.draws:
                self.draws[id(old)] = self.draws[id(a)]

    def after_change(self, t: Tensor) -> None:
        """From now on the tensor stands for the result of the last operation, in its own dtype."""
        value = wrap(array_of(t).copy())
        op = Op("to", lambda x, dtype: x.astype(dtype))
        self.made(op, value, (self.last,), (array_of(self.last),), {"dtype": t.dtype.name})
        self.values[id(t)] = t, value

    def changes(self) -> list[tuple[Tensor, Tensor]]:
        """The tensors from outside that were changed in place, with their values at the end."""
        return [(t, value) for t, value in self.values.values() if t.serial <= self.start]

    def rewind(self) -> Callable[[], None]:
        """Put what the call has moved back to where it was; what is returned undoes that."""
        moved = [(t, t.array.copy()) for t, _ in self.held.values()]
        drawn = [(g, g.bit_generator.state) for g, _ in self.begun]
        place(self.held.values(), self.begun)
        return lambda: place(moved, drawn)

    def take(self, t: Tensor, index: Any) -> Tensor:
        """Called for `t[index]`: Tensors of integers in the index are followed."""
        if (found := ints_first(index)) is not None:
            return self.take(self.take(t, found[0]), found[1])
        parts = index if isinstance(index, tuple) else (index,)
        plain, then = [], []
        for i in parts:
            counts = isinstance(i, Tensor) and array_of(i).dtype.kind in "iu"
            plain.append(array_of(i) if counts else i)
            then.append(self.now(i))
        array = plain_index(tuple(plain) if parts is index else plain[0])
        taken = record(ops.getitem, (t,), {"index": array})
        if any(isinstance(i, Tensor) for i in parts):
            kw = {"index": tuple(then) if parts is index else then[0]}
            self.made_by[id(taken)] = (*self.made_by[id(taken)][:4], kw)
        return taken


def place(values: Iterable[tuple[Tensor, Any]], states: Iterable[tuple[Any, Any]]) -> None:
    """Give tensors their values, and generators their states."""
    for t, a in values:
        t.array[...] = a
        changed(t)
    for generator, state in states:
        generator.bit_generator.state = state


def where() -> str:
    """The line outside of these packages that is running, as an addition to a sentence."""
    frame = users_frame()
    return f" (line {frame.f_lineno} of {frame.f_code.co_filename})" if frame is not None else ""


class Question(NamedTuple):
    """What was asked about the values of a tensor, and the answer that was followed."""

    of: Any
    ask: Callable[[Any], bool]
    answer: bool
