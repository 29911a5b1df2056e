"""`compile`: a function's loss and gradients as source, C or NumPy, that runs in its own memory."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from operator import attrgetter, is_
from time import perf_counter
from typing import Any

import numpy as np

from ..engine import arrays as convert
from ..engine.backward import deliver, deliver_all
from ..engine.errors import kind_of
from ..engine.modes import mode
from ..engine.op import Op
from ..engine.tensor import Tensor, wrap
from ..engine.versions import changed, shared_version, tick
from ..interrupts import whole
from ..program.expr import leaf
from . import watch
from .backend import Code, backend_of
from .guards import Captured, Untraceable, has_attributes, has_known_rule
from .lower import Step, lowered
from .reader import Reader, Source
from .step import Descent, Differs, Options

__all__ = ["Compiled", "compile"]

TURN = 5e-3  # seconds of an epoch in one call of C, as Ctrl-C and other threads wait for its end
LIMIT = 32  # traces of one function, then it runs eagerly
requires_grad, array_of = attrgetter("requires_grad"), attrgetter("array")
new_loss = Tensor.__new__
NO_SECOND = (
    "backward(): a compiled function has no second derivatives; call the function itself for "
    "create_graph"
)
OPTIONS = "mode", "backend", "fullgraph", "dynamic", "options", "disable"  # of torch.compile
STATIC = (int, float, bool, str, bytes, type(None))


def compile(function: Any = None, optimizer: Any = None, **options: Any) -> Any:
    """`function`, which computes a loss, so that its calls run generated code, in C or NumPy.

    The function gets Tensors for the Tensors and arrays among its arguments, and returns one scalar
    Tensor that requires grad. It is run once for each combination of shapes, dtypes, numbers,
    `requires_grad`, captured objects and the attributes of them that it uses, at most 32 of them;
    later calls run straight-line code with buffers of its own. `loss.backward()` then adds the
    gradients, once and without `create_graph`. Prints and other effects outside of tensors happen
    in that run alone. What was traced, a model among it, is kept as long as the compiled function.

    Buffers that the function changes in place are changed at every call. What cannot be followed
    runs as it is, with one warning that says why, and in which line where there is one: values of
    tensors read by Python; random numbers but for dropout, `rand` and their like; files, imports,
    text run as code; captured objects that cannot be watched; types compared by `is`; changes in
    place of arguments, of shared memory and of what requires grad.

    With an `optimizer` a call is forward, `zero_grad()`, `backward()` and `optimizer.step()` in
    one; the loss has no record then, and `grad` is None; under `no_grad` a call only gives the
    loss. The step is part of the code for the optimizers of `nn.optim` where every parameter gets a
    gradient; else, and where a gradient has a hook or parameters of a group have made other numbers
    of steps, `step()` itself runs.

    The code is one function of C where the system has a compiler and every step has a form in C:
    the first call of a trace then takes about half a second, and a millisecond where a call before
    has left the compiled file in the user's cache. Elsewhere it is NumPy code. Results differ by
    rounding alone. `backend="numpy"` is NumPy code anywhere, `backend="c"` is C with calls of NumPy
    for steps without a form; the variable AUTOGRAD_LITE_BACKEND sets the default, and
    `python -m autograd_lite doctor` tells the compiler. `sources` shows the code.

    What returns something else than a loss, such as a model, runs as it is too, so that scripts
    can have `compile` as `torch.compile`: as a decorator, and with its `options` (`mode`,
    `backend`, `fullgraph`, `dynamic`, `disable`), of which `disable` alone changes something beside
    the names of `backend` above.

    TypeError for an `optimizer` that is none, or an option that PyTorch has not; RuntimeError if
    the loss depends on an operation without a derivative, and for backend="c" without a compiler.
    With an optimizer also where there is no loss: TypeError if the function returns no Tensor,
    RuntimeError if that is no scalar or needs no gradient.

    >>> from autograd_lite import tensor
    >>> w = tensor([1.0, 2.0], requires_grad=True)
    >>> step = compile(lambda x: ((w * x) ** 2).sum())
    >>> for x in (tensor([1.0, 1.0]), tensor([0.0, 3.0])):
    ...     w.grad = None
    ...     loss = step(x)
    ...     loss.backward()
    ...     print(loss.item(), w.grad.tolist())
    5.0 [2.0, 4.0]
    36.0 [0.0, 36.0]
    """
    if unknown := options.keys() - OPTIONS:
        raise TypeError(f"compile: unknown options {sorted(unknown)}; PyTorch has {OPTIONS}")
    if function is None:
        return functools.partial(compile, optimizer=optimizer, **options)
    if options.get("disable"):
        return function
    return Compiled(function, optimizer, options.get("backend", "auto"))


class Variant:
    """The code for one combination: its sources, the tensors that get gradients, its guards."""

    def __init__(self, reader: Reader, captured: Captured, optimizer: Any, backend: str) -> None:
        self.captured = captured
        self.backend = backend
        self.error: Exception | None = None
        self.changes = [t for t, _ in reader.changes]
        self.place_step(reader, optimizer)
        self.write(reader)
        self.keep_tensors(reader)

    def place_step(self, reader: Reader, optimizer: Any) -> None:
        """Whether the step of the optimizer is part of the code, and how."""
        self.descent = None
        self.inside = is_inside(optimizer, reader)
        self.plain = self.inside and is_plain(optimizer, reader.leaves)
        if self.inside and not self.plain:
            self.descent = read(optimizer, reader.leaves)
            self.inside = self.descent is not None
        groups = optimizer.param_groups if self.inside else []
        self.params = [list(group["params"]) for group in groups]
        if self.descent is not None:
            self.options = self.descent.options
        else:
            self.options = [Options(group, rate_alone) for group in groups]

    def write(self, reader: Reader) -> None:
        """The source, the function that makes the code, and where its arguments come from."""
        rates = [leaf(np.zeros(())) for _ in self.params if self.plain]
        rate_of = {id(p): rate for rate, ps in zip(rates, self.params) for p in ps}  # noqa: B905
        steps, results, given = lowered(
            reader.program,
            [reader.program.loss, *reader.gradients, *(value for _, value in reader.changes)],
            reader.checks,
            reader.questions,
            [t.array for t in reader.leaves],
            [rate_of[id(t)] for t in (reader.leaves if self.plain else ())],
        )
        written = [*self.changes, *(reader.leaves if self.inside else ())]
        targets = [given[id(reader.symbols[id(t)])] for t in written]
        n = len(self.changes)
        live = is_used(steps, [*results, *targets])
        sources = [(given[id(s)], source) for s, source in reader.sources]
        sources = [(s, source) for s, source in sources if id(s) in live]
        self.place_sources([getter(source) for _, source in sources])
        self.code = Code(
            self.backend,
            [i for i, _ in self.from_arguments],
            steps,
            results[: len(results) - n],
            [*(s for s, _ in sources), *(given[id(rate)] for rate in rates)],
            len(rates),
            self.inside,
            targets[n:],
            self.descent,
            list(zip(targets[:n], results[len(results) - n :], strict=True)),
            reader.program.quiet,
        )

    def place_sources(self, getters: list[tuple[int, Any]]) -> None:
        """Where the arguments of the code come from."""
        self.given = [None if kind == 0 else x for kind, x in getters]
        self.from_arguments = [(i, x) for i, (kind, x) in enumerate(getters) if kind == 0]
        self.from_tensors = [(i, x) for i, (kind, x) in enumerate(getters) if kind == 1]
        self.read_tensors()

    def read_tensors(self) -> None:
        """What the code is given of tensors, which `fits` finds there still."""
        given = self.given.copy()  # another thread may be using it
        for i, t in self.from_tensors:
            given[i] = t.array
        self.given = given

    def keep_tensors(self, reader: Reader) -> None:
        """The tensors that get gradients or are changed, and what all of them have to be still."""
        places = reader.places
        self.leaves = [
            (places.get(id(t), -1), None if id(t) in places else t) for t in reader.leaves
        ]
        self.targets = [*self.changes, *(t for t in reader.leaves if self.inside)]
        tensors = {id(s.tensor): s.tensor for _, s in reader.sources if s.tensor is not None}
        self.tensors = list(tensors.values())
        self.rest = [t for t in self.tensors if all(t is not c for c in self.changes)]
        self.arrays = [t.array for t in self.tensors]
        self.kinds = [(a.shape, a.dtype) for a in self.arrays]
        self.required = [t.requires_grad for t in self.tensors]

    def fits(self) -> bool:
        """Whether the code still is what the function would do."""
        if list(map(requires_grad, self.tensors)) != self.required:
            return False
        if not all(map(is_, map(array_of, self.tensors), self.arrays)):
            arrays = [t.array for t in self.tensors]
            if [(a.shape, a.dtype) for a in arrays] != self.kinds:
                return False
            if self.changes and self.is_shown(self.rest):
                return False
            if not all(t.array.flags.writeable for t in self.targets):
                return False
            self.arrays = arrays
            self.read_tensors()
        return self.captured.unchanged()

    def again(self, tensors: list[Tensor]) -> Any:
        """What the code gives where it finds itself that nothing has changed; else None."""
        try:
            again = self.code.threads.again
        except AttributeError:  # this thread has not run it
            return None
        if not mode.grad or self.code.native is None:
            return None
        if self.changes and self.is_shown(tensors):
            return None
        out = again(*[tensors[place].array for _, place in self.from_arguments])
        if out is not None:
            for t in self.changes:
                changed(t)
        return out

    def repeated(self, arrays: list[Any], batches: list[Any], order: Any) -> Any:
        """The losses of calls with batches of rows, of as many as are like the last call."""
        native: Any = self.code.native
        run = getattr(self.code.threads, "again", None) and self.code.threads.run
        places = [place for _, place in self.from_arguments]
        rows = [arrays[place] for place in places]
        ready = run is not None and native is not None and self.inside and run.words[run.place]
        if not ready or not places or not all(a.flags.c_contiguous for a in rows):
            return ()
        found = native.repeat(run, rows, [batches[place] for place in places], order)
        now = tick()
        for p in self.targets:
            memory: Any = shared_version(p)
            memory.changed = memory.last = now
        return found

    def watch(self, optimizer: Any, watch: Any, run: Any) -> None:
        """Say what has to be as it is."""
        watch.captured(self.captured)
        watch.tensors(self.tensors, ("array", "requires_grad"))
        if self.inside:
            leaves = [p for _, p in self.leaves]
            if any(p is None or p.extra is not None or p._grad is not None for p in leaves):
                raise ValueError
            watch.tensors(leaves, ("extra", "version", "_grad"))
            native: Any = self.code.native
            watch.optimizer(optimizer, self.descent, lambda i: native.number(run, f"count{i}"))

    def is_shown(self, others: list[Tensor]) -> bool:
        """Whether other tensors show memory of one that is changed in place."""
        pairs = ((t.array, x.array) for t in self.changes for x in others)
        return any(np.may_share_memory(a, b) for a, b in pairs)

    def check_step(self, optimizer: Any) -> None:
        """Raise `Differs` if the optimizer would do something else now."""
        groups = optimizer.param_groups
        if is_wrapped(optimizer) or len(groups) != len(self.params):
            raise Differs
        for group, options, params in zip(groups, self.options, self.params, strict=True):
            now = group["params"]
            options.group = group
            if len(now) != len(params) or not all(map(is_, now, params)):
                raise Differs

    def has_hooks(self) -> bool:
        """Whether a gradient has to go through a hook before the step."""
        for _, p in self.leaves:  # 0.5 us less than any()
            if p is not None and p.extra is not None and (p.extra.hooks or p.extra.after):
                return True
        return False

    def numbers(self) -> Any:
        """What the step is given: values, and the states whose steps it counts; None where the
        optimizer has to do it."""
        if self.descent is not None:
            return self.descent.values()
        if not self.plain:
            return [], []
        rates = [options.now() for options in self.options]
        if None in rates:
            raise Differs
        return rates, []

    def run(self, arrays: list[Any], rates: list[float]) -> Any:
        """The loss and the gradients."""
        given = self.given.copy()
        for i, place in self.from_arguments:
            given[i] = arrays[place]
        return self.code.run(given, rates)


def stepped(v: Variant, arrays: list[Any], rates: Any, counted: list[Any]) -> Any:
    """What the code gives where the step of the optimizer is in it, with the steps counted."""
    out = v.run(arrays, rates)
    for states, numbers in counted:
        for state in states:
            state["step"] += 1
            for name, x in numbers.items():
                state[name][...] = x
    return out


def stand_ins(tensors: list[Tensor], captured: Captured) -> list[Tensor]:
    """What the trace has for the arguments: themselves, but a plain one without gradient may be
    given twice, or captured too, and then has another with its name."""
    for x in (*tensors, *captured.seen.values()):
        if why := watch.why_not(x):
            raise Untraceable(why)
    known, found = set(captured.tensors), []
    for t in tensors:
        own = t
        if id(t) in known:
            if t.__class__ is not Tensor or t.requires_grad:
                raise Untraceable(
                    "a tensor that requires grad, or of a subclass, is given twice, or captured too"
                )
            own = wrap(t.array)
            own.extra = t._more()
        known.add(id(own))
        found.append(own)
    return found


def is_used(steps: list[Step], results: list[Any]) -> set[int]:
    """The identities of what the steps take, or what is handed out or changed."""
    used = {id(x) for s in steps for x in s.uses}
    return used | {id(r.root) for r in results if isinstance(r, Step)}


def getter(source: Source) -> tuple[int, Any]:
    """How an argument is found at a call."""
    if source.place >= 0:
        return 0, source.place
    if source.tensor is not None:
        return 1, source.tensor
    return 2, source.value if source.draw is None else source.draw


def is_inside(optimizer: Any, reader: Reader) -> bool:
    """Whether the optimizer is one of ours and has just the tensors that get gradients."""
    if not has_known_rule(optimizer) or is_wrapped(optimizer):
        return False
    if any(t.extra is not None and t.extra.after for t in reader.leaves):
        return False  # the mean over ranks comes between the gradients and the step
    mine = {id(p) for group in optimizer.param_groups for p in group["params"]}
    mine -= {id(t) for t in reader.leaves if id(t) in reader.places}
    return mine == {id(t) for t in reader.leaves}


def is_wrapped(optimizer: Any) -> bool:
    """Whether somebody put another step on it, which has to be called."""
    return "step" in vars(optimizer) or "zero_grad" in vars(optimizer)


def is_plain(optimizer: Any, leaves: list[Tensor]) -> bool:
    """Whether the step is p -= lr * g, of floats in which a rate by a number does not underflow."""
    if type(optimizer).__name__ != "SGD" or any(t.array.dtype.char not in "fd" for t in leaves):
        return False
    return all(map(has_rate_alone, optimizer.param_groups))


def has_rate_alone(group: dict[str, Any]) -> bool:
    """Whether a group of SGD has no option but its rate."""
    return not (group["momentum"] or group["weight_decay"] or group["maximize"])


def rate_alone(group: dict[str, Any]) -> float | None:
    """The rate of a group of SGD that has no other option."""
    return float(group["lr"]) if has_rate_alone(group) else None


def read(optimizer: Any, leaves: list[Tensor]) -> Descent | None:
    """The step of the optimizer as text; None where it would fail."""
    try:
        return Descent(optimizer, leaves)
    except (TypeError, ValueError):
        return None


class Loss(Tensor):
    """What a compiled function returns: `backward()` adds the gradients that are there already."""

    __slots__ = ()

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """As for every tensor; without second derivatives."""
        if create_graph:
            raise RuntimeError(NO_SECOND)
        if not (gradient is inputs is None) or self.sources is None or retain_graph:
            super().backward(gradient, retain_graph, inputs=inputs)
            return
        if any(p.op is not None or p.extra is not None for p in self.sources):
            super().backward()
            return
        handed: dict[int, Any] = {}
        for p, g in zip(self.sources, self.kw["gradients"], strict=True):
            deliver(p, g, handed)
        self.sources = self.args = None


class Compiled:
    """What `compile` returns: call it like the function."""

    def __init__(self, function: Callable[..., Tensor], optimizer: Any, backend: str) -> None:
        if not callable(function):
            raise TypeError(
                f"compile: a {type(function).__name__} cannot be called; give a function, as in "
                "compile(lambda x, y: loss_fn(model(x), y))"
            )
        if optimizer is not None and not hasattr(optimizer, "param_groups"):
            raise TypeError(
                f"compile: optimizer is a {type(optimizer).__name__}; give one of nn.optim, as in "
                "compile(loss_of, optimizer=nn.optim.SGD(model.parameters(), lr=0.1))"
            )
        if getattr(optimizer, "asks_again", False):
            raise TypeError(
                f"compile: a step of {type(optimizer).__name__} needs the loss several times; "
                "compile the loss alone, and call it in the closure of optimizer.step(closure)"
            )
        self.backend = backend_of(backend)
        functools.update_wrapper(self, function, updated=())
        self.function, self.optimizer = function, optimizer
        self.variants: dict[Any, list[Variant]] = {}
        self.why = ""  # why it runs eagerly from now on
        self.waited = False  # for lazy layers to have their sizes

    @property
    def sources(self) -> list[str]:
        """The generated code of every combination so far."""
        return [v.code.source for found in self.variants.values() for v in found]

    @property
    def traces(self) -> int:
        """How many combinations have code."""
        return sum(map(len, list(self.variants.values())))

    def __repr__(self) -> str:
        name = getattr(self.function, "__name__", repr(self.function))
        state = f"runs eagerly: {self.why}" if self.why else f"traced {self.traces} times"
        return f"<compiled {name}; {state}>"

    def __getattr__(self, name: str) -> Any:
        if name == "function":  # a copy that is being made has none yet
            raise AttributeError(name)
        return getattr(self.function, name)  # of a model: parameters(), train(), ...

    def __reduce__(self) -> tuple[Any, ...]:
        return Compiled, (self.function, self.optimizer, self.backend)

    def __call__(self, *args: Any, **kw: Any) -> Tensor:
        if mode.watcher is not None:
            every = [Tensor(x) if x.__class__ is np.ndarray else x for x in (*args, *kw.values())]
            return self.eager(every, kw)
        tensors: list[Tensor] = []
        key: list[Any] = [convert.default_dtype, mode.numpy]
        if kw:
            key.append(tuple(kw))
        given = []
        for x in (*args, *kw.values()) if kw else args:
            cls = x.__class__
            if cls is np.ndarray:
                x, cls = Tensor(x), Tensor
            given.append(x)
            if cls is Tensor or isinstance(x, Tensor):
                tensors.append(x)
                if cls is not Tensor:
                    key += (cls, has_attributes(x))
                a = x.array
                key += (a.shape, a.dtype, x.requires_grad)
            elif isinstance(x, STATIC):
                key += (type(x), repr(x))  # 0.0 and -0.0 are equal but not the same
            else:
                key += (type(x), id(x))
        found = self.variants.get(tuple(key))
        if found is not None:
            for v in found:
                if (out := v.again(tensors)) is not None:
                    return self.result(v, out, tensors)
                if v.fits():
                    try:
                        loss = self.fast(v, tensors)
                    except Differs:
                        continue
                    return self.instead(v, given, kw) if loss is None else loss
        if self.why or not mode.grad:
            return self.eager(given, kw)
        return self.first(tuple(key), given, kw, tensors)

    def epoch(self, *data: Any, order: Any = None, batch_size: int = 1) -> Any:
        """A call for every batch of rows of some arrays or Tensors, as `step(*batch)`: the losses.

        The batches are those of a DataLoader: `batch_size` rows in the order of the numbers in
        `order`, by default as they are, and what remains in the last. In C many calls are one, so
        that small networks take microseconds for a batch. Ctrl-C counts between batches.

        ValueError without an optimizer, for data without the same number of rows, and for a
        `batch_size` below 1; IndexError for a row that is not there.

        >>> w = tensor([0.0], requires_grad=True)
        >>> step = compile(lambda x, y: ((x * w - y) ** 2).mean(), nn.optim.SGD([w], lr=0.1))
        >>> x = np.array([1.0, 2.0, 3.0], np.float32)
        >>> step.epoch(x, 2 * x, order=[2, 0, 1], batch_size=2).shape, w.item() > 0
        ((2,), True)
        """
        arrays = [np.asarray(x.array if isinstance(x, Tensor) else x) for x in data]
        if self.optimizer is None:
            raise ValueError("epoch: it makes whole steps; give compile an optimizer")
        if not arrays or len({a.shape[:1] for a in arrays}) > 1 or not arrays[0].ndim:
            shapes = ", ".join(str(a.shape) for a in arrays)
            raise ValueError(f"epoch: data have the same number of rows; got shapes {shapes}")
        if batch_size < 1:
            raise ValueError(f"epoch: batch_size is {batch_size}; it must be at least 1")
        numbers = np.arange(len(arrays[0]))
        order = numbers if order is None else numbers[np.asarray(order, int)]
        return np.array([loss for turn in self._turns(arrays, order, batch_size) for loss in turn])

    def _turns(self, arrays: list[Any], order: Any, batch_size: int) -> Iterator[Any]:
        """The losses of batches, as many at a time as are done before Ctrl-C is looked for."""
        whole_ones = len(order) // batch_size * batch_size
        at, turn = 0, 1
        while at < len(order):
            start = perf_counter()
            ahead = order[at : min(at + turn * batch_size, whole_ones)]
            found = self.repeated(arrays, ahead, batch_size) if len(ahead) else ()
            if not len(found):
                batch = order[at : at + batch_size]
                loss = self(*[Tensor(a.take(batch, 0)) for a in arrays])
                found = (loss.item(),)
            elif perf_counter() - start < TURN / 2:
                turn *= 2
            yield found
            at += len(found) * batch_size

    def repeated(self, arrays: list[Any], order: Any, size: int) -> Any:
        """The losses of the first of these batches, as many as C does in one call."""
        if not mode.grad or mode.watcher is not None:
            return ()
        batches = [np.empty((size, *a.shape[1:]), a.dtype) for a in arrays]
        key: list[Any] = [convert.default_dtype, mode.numpy]
        for a in batches:
            key += (a.shape, a.dtype, False)
        for v in self.variants.get(tuple(key), ()):
            found = v.repeated(arrays, batches, np.ascontiguousarray(order))
            if len(found):
                return found
        return ()

    def split(self, given: list[Any], kw: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        n = len(given) - len(kw)
        return given[:n], dict(zip(kw, given[n:], strict=True))

    def eager(self, given: list[Any], kw: dict[str, Any]) -> Tensor:
        """The function itself."""
        args, kw = self.split(given, kw)
        return self.finished(self.function(*args, **kw))

    def instead(self, v: Variant, given: list[Any], kw: dict[str, Any]) -> Tensor:
        """The function itself, and no code any more where only that failed."""
        error, v.error = v.error, None  # gone where this raises too
        loss = self.eager(given, kw)
        if error is not None:
            self.variants.clear()
            self.give_up(f"its code failed ({type(error).__name__}: {error})")
        return loss

    def finished(self, loss: Tensor) -> Tensor:
        """The loss; with an optimizer after its step."""
        if self.optimizer is None:
            return loss
        if error := no_loss(loss):
            raise error
        if mode.grad:
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            self.optimizer.zero_grad()
        return wrap(loss.array)

    def fast(self, v: Variant, tensors: list[Tensor]) -> Tensor | None:
        """What the code gives; None where the function itself has to run."""
        if v.inside:
            if not mode.grad:
                return None
            v.check_step(self.optimizer)
            if v.has_hooks():
                return None
        if v.changes and v.is_shown(tensors):
            return None
        try:
            found = v.numbers()
            if found is None:
                return None
            arrays = [t.array for t in tensors]
            out = whole(stepped, v, arrays, *found) if v.inside else v.run(arrays, found[0])
        except Differs:
            raise
        except Exception as error:  # noqa: BLE001  the function itself does it, or raises
            v.error = error
            return None
        for t in v.changes:
            changed(t)
        loss = self.result(v, out, tensors)
        if mode.grad:
            v.code.watch(partial(v.watch, self.optimizer))
        return loss

    def result(self, v: Variant, out: tuple[Any, ...], tensors: list[Tensor]) -> Tensor:
        """The loss as a Tensor whose backward hands the gradients out."""
        y = out[0]
        y = y if y.__class__ is np.ndarray else np.asarray(y)
        if not mode.grad:
            return wrap(y)
        parents = tuple([tensors[i] if t is None else t for i, t in v.leaves])
        if self.optimizer is not None:
            if v.inside:
                self.optimizer.stepped = True
                now = tick()
                for p in parents:
                    p._grad = None
                    memory = p.version or shared_version(p)
                    memory.changed = memory.last = now
            else:
                self.update(parents, out)
            return wrap(y)
        t = new_loss(Loss)
        t.array = y
        t._grad = t.extra = t.version = None
        t.requires_grad = True
        t.op = ROW
        t.sources, t.args, t.kw = parents, tuple(map(array_of, parents)), {"gradients": out[1:]}
        t.serial = tick()
        return t

    def update(self, parents: tuple[Tensor, ...], out: tuple[Any, ...]) -> None:
        opt = self.optimizer
        opt.zero_grad()
        arrived = [
            (p, g if p.extra is None else p.extra.arrive(p, np.asarray(g)))
            for p, g in zip(parents, out[1:], strict=True)
        ]
        deliver_all(arrived, {})
        opt.step()
        opt.zero_grad()

    # ---- tracing

    def first(
        self, key: tuple[Any, ...], given: list[Any], kw: dict[str, Any], tensors: list[Tensor]
    ) -> Tensor:
        """Run the function and keep what it did as code."""
        try:
            captured = self.captured(given, tensors)
            if captured is None:
                return self.eager(given, kw)
            own = stand_ins(tensors, captured)
        except Untraceable as error:
            self.give_up(str(error))
            return self.eager(given, kw)
        takes = iter(own)
        given = [next(takes) if isinstance(x, Tensor) else x for x in given]
        args, words = self.split(given, kw)
        recorder = watch.Recorder()
        loss = recorder.watch(self.function, args, words, captured)
        if missing := no_loss(loss):
            if self.optimizer is None:
                self.give_up(str(missing).removeprefix("compile: "))
            return self.finished(loss)
        try:
            variant = self.read(loss, recorder, captured, own)
        except Untraceable as error:
            self.give_up(recorder.reason or str(error))
            return self.finished(loss)
        if not recorder.disturbed and all(t.array.flags.writeable for t in variant.targets):
            # else the next call traces
            self.variants.setdefault(key, []).insert(0, variant)
            if (found := self.again(recorder, variant, tensors)) is not None:
                return found
        return self.finished(loss)

    def captured(self, given: list[Any], tensors: list[Tensor]) -> Captured | None:
        """What the function reaches; None where this call gives lazy layers their sizes."""
        if self.traces >= LIMIT:
            raise Untraceable(
                f"{LIMIT} combinations of shapes, numbers and objects were traced; pass numbers "
                "that change as arrays or Tensors"
            )
        for t in tensors:
            if has_attributes(t):
                raise Untraceable(
                    f"an argument is a {type(t).__name__} with attributes of its own, which may "
                    "differ between calls; pass them as arguments"
                )
        found = Captured(self.function, *(type(x) if isinstance(x, Tensor) else x for x in given))
        lazy = any(getattr(type(x), "_lazy", False) for x in found.seen.values())
        if lazy and not self.waited:
            self.waited = True
            return None
        return found

    def read(self, loss: Tensor, recorder: Any, captured: Captured, own: list[Tensor]) -> Variant:
        """The code of what was watched."""
        if recorder.reason:
            raise Untraceable(recorder.reason)
        try:
            captured.follow(recorder.operations())
            reader = Reader(loss, recorder, own)
            recorder.check_draws()  # of the rules
            variant = Variant(reader, captured, self.optimizer, self.backend)
        except (AttributeError, TypeError, ValueError, RecursionError) as error:
            raise Untraceable(f"an operation has no form in NumPy ({error})") from None
        if recorder.reason:
            raise Untraceable(recorder.reason)
        return variant

    def again(self, recorder: Any, v: Variant, tensors: list[Tensor]) -> Tensor | None:
        """What the code gives in the place of the call that was traced, as its last bits may be
        others: a training that goes on from a checkpoint traces in its middle."""
        undo = recorder.rewind()
        with suppress(Differs):
            if (loss := self.fast(v, tensors)) is not None:
                return loss
        undo()
        return None

    def give_up(self, reason: str) -> None:
        """Run eagerly from now on, and say why once."""
        if self.why:
            return
        self.why = reason
        name = getattr(self.function, "__name__", type(self.function).__name__)
        warnings.warn(f"compile: {name} runs as it is: {reason}", UserWarning, stacklevel=4)


def forward_only(*args: Any, **kw: Any) -> Any:
    raise RuntimeError(
        "compiled: what a compiled function did is not recorded; to draw, derive or compare it, "
        "call the function itself"
    )


def rule(g: Any, y: Any, *args: Any, i: int, gradients: list[Any]) -> Any:
    """Gradient `i` times g, in memory of its own, so that a record that is kept stays whole."""
    if not isinstance(g, np.ndarray | np.generic):
        raise RuntimeError(NO_SECOND)  # noqa: TRY004  an operation, not a type, is missing
    return np.asarray(gradients[i] * g.reshape(()))


ROW = Op("compiled", forward_only, each=rule)


def no_loss(loss: Any) -> Exception | None:
    """Why no gradient can start from what the function returned."""
    if not isinstance(loss, Tensor):
        return TypeError(
            f"compile: the function returned a {kind_of(loss)}; it has to return one Tensor, "
            "the loss"
        )
    if loss.array.size != 1:
        return RuntimeError(
            f"compile: the function returned a tensor of shape {loss.shape}, not a scalar; "
            "return its sum() or its mean()"
        )
    if mode.grad and not loss.requires_grad:
        return RuntimeError(
            "compile: the loss does not require grad: nothing that it was computed from has "
            "requires_grad=True"
        )
    return None
