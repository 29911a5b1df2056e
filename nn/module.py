"""Module: parameters, buffers and other modules under names, found by being attributes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from types import FunctionType
from typing import Any, ClassVar, NamedTuple, Self, overload
from weakref import ref

import numpy as np

import autograd_lite.origin as origin  # noqa: PLR0402  `from` would ask for a name of PyTorch
from autograd_lite import Tensor, no_grad
from autograd_lite.conversion import dtype_named, dtype_of
from autograd_lite.engine.errors import kind_of
from autograd_lite.engine.hooks import Handle
from autograd_lite.engine.versions import changed, tick
from autograd_lite.exchange import values_of
from autograd_lite.interrupts import whole

__all__ = ["Module", "ModuleDict", "ModuleList", "Parameter", "Sequential"]


class Parameter(Tensor):
    """A tensor that a module trains: as an attribute of a Module it is found by `parameters()`.

    It requires a gradient unless told otherwise. Like `Tensor`, it shares the memory of an array.

    >>> Parameter([1.0, 2.0])
    Parameter containing:
    tensor([1., 2.], requires_grad=True)
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, name: str = "") -> None:
        super().__init__(data, requires_grad, name)

    def __repr__(self) -> str:
        text = super().__repr__().removeprefix(type(self).__name__)
        return f"Parameter containing:\ntensor{text}"

    def _copied(self, memo: dict[int, Any]) -> Tensor:
        t = super()._copied(memo)
        t.grad = None  # a copy of a model starts without gradients, as in PyTorch
        return t


class Keys(NamedTuple):
    """What `load_state_dict` did not find, and what it had no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not any(self):
            return "<All keys matched successfully>"
        return f"Keys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


_REGISTRIES = (
    "_parameters", "_buffers", "_modules", "_forward_hooks", "_forward_pre_hooks",
    "_backward_hooks", "_backward_pre_hooks",
)  # fmt: skip


def _nothing(module: Module, args: tuple[Any, ...]) -> None:
    """A hook that does nothing."""


def _hooked(registry: dict[int, Any], hook: Any, first: bool) -> Handle:
    """Register a hook, as the last one or as the first."""
    others = dict(registry) if first else {}
    for key in others:
        del registry[key]
    handle = Handle(registry, hook)
    registry.update(others)
    return handle


def _no_forward(self: Module, *args: Any, **kw: Any) -> Any:
    raise NotImplementedError(
        f"{type(self).__name__}: a call runs forward(), which this module does not define"
    )


class WithKeywords:
    """A hook on the forward pass that is given the keywords of the call too."""

    def __init__(self, hook: Any) -> None:
        self.hook = hook


class Module:
    """The base of layers, losses and networks: attributes that hold parameters are registered.

    A subclass calls `super().__init__()`, sets parameters and other modules as attributes, and
    defines `forward`; calling the module runs it. A plain list of modules is not registered: use
    ModuleList or Sequential. A class may say its `textbook`, a formula from X to Y in mathematical
    signs, as an attribute or a property: `draw` writes it on the one card of a folded module.

    >>> class Scale(Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = Parameter([2.0])
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> model = Scale()
    >>> model(Tensor([3.0])).tolist(), [name for name, _ in model.named_parameters()]
    ([6.0], ['factor'])
    """

    # The values are ordinary attributes, which Python finds without a call; these say which of
    # the names are registered, in order. A buffer's value here is whether it is persistent.
    _parameters: dict[str, None]
    _buffers: dict[str, bool]
    _modules: dict[str, None]
    _forward_hooks: dict[int, Any]
    _forward_pre_hooks: dict[int, Any]
    _backward_hooks: dict[int, Callable[..., Any]]
    _backward_pre_hooks: dict[int, Callable[..., Any]]
    training: bool

    forward: Callable[..., Any] = _no_forward

    def __init__(self) -> None:
        self.__dict__.update({name: {} for name in _REGISTRIES}, training=True)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # copy.copy comes here too: its copy needs registries of its own, as the names in them
        # must be attributes
        registries = {k: state.get(k, {}).copy() for k in _REGISTRIES}
        self.__dict__.update(state | registries)

    # ---- calling

    def __call__(self, *args: Any, **kw: Any) -> Any:
        if self._forward_pre_hooks or self._forward_hooks or origin.noting:
            return self._call_in_full(args, kw)
        return self.forward(*args, **kw) if kw else self.forward(*args)

    def _call_in_full(self, args: tuple[Any, ...], kw: dict[str, Any]) -> Any:
        before = tick()
        for hook in list(self._forward_pre_hooks.values()):
            if isinstance(hook, WithKeywords):
                args, kw = hook.hook(self, args, kw) or (args, kw)
            elif (result := hook(self, args)) is not None:
                args = result if isinstance(result, tuple) else (result,)
        gate: Any = None
        if self._backward_hooks or self._backward_pre_hooks:
            from .hooks import Gate  # here: with `autograd`, which it needs, 1 ms to import

            gate = Gate(self)
        output = self.forward(*(args if gate is None else gate.enter(args)), **kw)
        for hook in list(self._forward_hooks.values()):
            words = (kw,) if isinstance(hook, WithKeywords) else ()
            result = getattr(hook, "hook", hook)(self, args, *words, output)
            if result is not None:
                output = result
        if gate is not None:
            output = gate.leave(output)
        origin.calls.log.append((before, tick(), ref(self), self.__class__))
        return output

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, args, output)` after every forward; what it returns, unless None,
        takes the output's place. With `with_kwargs` it gets the keywords before the output, with
        `prepend` it comes before the other hooks. The handle's `remove()` ends it."""
        return _hooked(self._forward_hooks, WithKeywords(hook) if with_kwargs else hook, prepend)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> Handle:
        """Call `hook(module, args)` before every forward; what it returns, unless None, takes the
        place of the arguments. With `with_kwargs` it gets the keywords too and returns both, with
        `prepend` it comes before the other hooks. The handle's `remove()` ends it."""
        registry = self._forward_pre_hooks
        return _hooked(registry, WithKeywords(hook) if with_kwargs else hook, prepend)

    def register_full_backward_hook(
        self, hook: Callable[[Any, tuple[Any, ...], tuple[Any, ...]], Any], prepend: bool = False
    ) -> Handle:
        """Call `hook(module, grad_input, grad_output)` when a backward pass has the gradients of
        the inputs of a call: tuples, None for what is no tensor or needs no gradient. What it
        returns, unless None, takes the place of grad_input.

        >>> layer = nn.Linear(2, 1)
        >>> handle = layer.register_full_backward_hook(lambda m, into, out: print(out[0].shape))
        >>> layer(ones(3, 2)).sum().backward()
        (3, 1)
        """
        self._forward_pre_hooks[0] = _nothing  # so that calls look for hooks
        return _hooked(self._backward_hooks, hook, prepend)

    def register_full_backward_pre_hook(
        self, hook: Callable[[Any, tuple[Any, ...]], Any], prepend: bool = False
    ) -> Handle:
        """Call `hook(module, grad_output)` when a backward pass has the gradients of the outputs of
        a call; what it returns, unless None, takes their place."""
        self._forward_pre_hooks[0] = _nothing
        return _hooked(self._backward_pre_hooks, hook, prepend)

    # ---- attributes

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self._register("_parameters", name, value, None)
        elif isinstance(value, Module):
            self._register("_modules", name, value, None)
        else:
            if value is not None and "_parameters" in self.__dict__:
                self._check_assigned(name, value)
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:  # only for what is not there
        if "_parameters" not in self.__dict__:
            raise AttributeError(self._uninitialised(name))
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        for registry in (self._parameters, self._buffers, self._modules):
            registry.pop(name, None)

    def _check_assigned(self, name: str, value: Any) -> None:
        if name in self._buffers:
            self._check_buffer(name, value)
        for registry, kind in ((self._parameters, "Parameter"), (self._modules, "Module")):
            if name in registry:
                raise TypeError(
                    f"{type(self).__name__}.{name} is registered as a {kind} and takes a {kind} "
                    f"or None, not a {kind_of(value)}; del the attribute first"
                    + ", or change its values inside no_grad()"
                    * (kind == "Parameter")
                )

    def _uninitialised(self, name: str) -> str:
        return (
            f"{type(self).__name__}.{name}: Module.__init__() has not run; call super().__init__() "
            "in __init__ before attributes are used"
        )

    def _register(self, registry: str, name: str, value: Any, mark: Any) -> None:
        names = self.__dict__
        if "_parameters" not in names:
            raise AttributeError(self._uninitialised(name))
        for other in ("_parameters", "_buffers", "_modules"):
            if other != registry:
                names[other].pop(name, None)
        names[registry][name] = mark
        names[name] = value

    def _check_name(self, registry: str, name: str) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(self._uninitialised(name))
        if not isinstance(name, str):
            raise TypeError(f"{type(self).__name__}: a name is a str, not {name!r}")
        if not name or "." in name:
            raise KeyError(
                f"{type(self).__name__}: {name!r} cannot be a name: names are not empty and "
                "have no dots, which separate the names of nested modules"
            )
        if hasattr(self, name) and name not in self.__dict__[registry]:
            raise KeyError(f"{type(self).__name__}: there is an attribute {name!r} already")

    def _check_buffer(self, name: str, value: Any) -> None:
        if not isinstance(value, Tensor):
            raise TypeError(
                f"{type(self).__name__}.{name} is a buffer and takes a Tensor or None, "
                f"not a {kind_of(value)}"
            )

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Make `param` a parameter under this name; None keeps the name for later."""
        self._check_name("_parameters", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"{type(self).__name__}.{name}: a parameter is a Parameter or None, "
                f"not a {kind_of(param)}; wrap it: Parameter(x)"
            )
        self._register("_parameters", name, param, None)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Keep a tensor that is not trained, such as a running mean; it is part of the state
        unless `persistent` is false."""
        self._check_name("_buffers", name)
        if tensor is not None:
            self._check_buffer(name, tensor)
        self._register("_buffers", name, tensor, persistent)

    def register_module(self, name: str, module: Module | None) -> None:
        """Make `module` a part of this one under this name; None keeps the name for later."""
        self._check_name("_modules", name)
        if module is not None and not isinstance(module, Module):
            raise TypeError(
                f"{type(self).__name__}.{name}: a module is a Module or None, "
                f"not a {type(module).__name__}"
            )
        self._register("_modules", name, module, None)

    add_module = register_module

    # ---- walking the tree

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The modules directly in this one with their names, each module once."""
        seen = set()
        for name in self._modules:
            module = self.__dict__[name]
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self) -> Iterator[Module]:
        """The modules directly in this one, each once."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[Module] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """This module and all inside it with their dotted names; a shared module comes once, and
        none that is in `memo`, into which they are put."""
        seen = set() if memo is None else memo
        todo = [(prefix, self)]
        while todo:
            path, module = todo.pop()
            if remove_duplicate:
                if module in seen:
                    continue
                seen.add(module)
            yield path, module
            values = module.__dict__
            for name in reversed(module._modules):
                if values[name] is not None:
                    todo.append((f"{path}.{name}" if path else name, values[name]))

    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all inside it, each once, or as often as it is there."""
        found = self.named_modules(remove_duplicate=remove_duplicate)
        return (module for _, module in found)

    def _named(
        self, registry: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        tree = self.named_modules(None, prefix, remove_duplicate) if recurse else [(prefix, self)]
        for path, module in tree:
            values = module.__dict__
            for name in getattr(module, registry):
                tensor = values[name]
                if tensor is None or (remove_duplicate and tensor in seen):
                    continue
                seen.add(tensor)
                yield f"{path}.{name}" if path else name, tensor

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """The parameters with their dotted names; a shared parameter comes once, first name."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimiser is given."""
        return (p for _, p in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """The buffers with their dotted names, each once."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        return (b for _, b in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Module:
        """The module with this dotted name; "" is this module. AttributeError if there is none."""
        module = self
        for name in target.split(".") if target else ():
            if name not in module._modules or module.__dict__[name] is None:
                raise AttributeError(
                    f"{type(self).__name__}: {target!r} is not a module: "
                    f"{type(module).__name__} has {_listed(module._modules)}, not {name!r}"
                )
            module = module.__dict__[name]
        return module

    def set_submodule(self, target: str, module: Module) -> None:
        """Put a module into the place of the one with this dotted name. AttributeError if there is
        none.

        >>> model = nn.Sequential(nn.Linear(2, 2), nn.Tanh())
        >>> model.set_submodule("1", nn.ReLU())
        >>> model[1]
        ReLU()
        """
        self.get_submodule(target)
        path, _, name = target.rpartition(".")
        setattr(self.get_submodule(path), name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with this dotted name. AttributeError if there is none."""
        return self._get("_parameters", target)

    def get_buffer(self, target: str) -> Tensor:
        """The buffer with this dotted name. AttributeError if there is none."""
        return self._get("_buffers", target)

    def _get(self, registry: str, target: str) -> Any:
        path, _, name = target.rpartition(".")
        values = self.get_submodule(path).__dict__
        if name not in values[registry]:
            raise AttributeError(
                f"{type(self).__name__}: {target!r} is not among the {registry[1:]}, "
                f"which are {_listed(values[registry])}"
            )
        return values[name]

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module inside this one, then on this one; returns self."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ---- modes, gradients, dtypes

    def train(self, mode: bool = True) -> Self:
        """Switch this module and all inside it to training, or with False to evaluation."""
        if mode is not True and mode is not False:
            raise ValueError(f"train: mode is True or False, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Switch to evaluation: dropout passes, batch norm uses its running statistics."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Ask for the gradients of all parameters, or stop asking (freeze them)."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to 0."""
        for p in self.parameters():
            if set_to_none or p.grad is None:
                p.grad = None
            else:
                p.grad = p.grad.detach().zero_()

    def to(self, *asked: Any, **named: Any) -> Self:
        """Cast floating parameters, their gradients and floating buffers; returns self.

        The parameters stay the same objects. The only device is the CPU. TypeError for anything but
        a floating dtype.

        >>> nn.Linear(2, 1).to("cpu").to("float64").weight.dtype
        dtype('float64')
        """
        dtype = dtype_of(f"{type(self).__name__}.to", *asked, **named)
        if dtype is None:
            return self
        if dtype.kind != "f":
            raise TypeError(
                f"{type(self).__name__}.to: {dtype} is not a floating dtype; give np.float32 or "
                "np.float64"
            )
        for t in (*self.parameters(), *self.buffers()):
            if t.array.dtype.kind == "f":
                t.array = t.array.astype(dtype, copy=False)  # which keeps the memory layout
                changed(t)
                if t.grad is not None:
                    t.grad = t.grad.detach().to(dtype)
        return self

    def float(self) -> Self:
        """Cast to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Cast to float64."""
        return self.to(np.float64)

    def bfloat16(self) -> Self:
        """TypeError, which says why: NumPy has no numbers as short as that."""
        from autograd_lite.dtypes import bfloat16

        return self.to(bfloat16)

    def half(self) -> Self:
        """Cast to float16."""
        return self.to(np.float16)

    def type(self, dst_type: Any) -> Self:
        """Cast to a dtype or a kind of tensor, such as "torch.DoubleTensor"."""
        return self.to(dtype_named(dst_type))

    def cpu(self) -> Self:
        """Self: all tensors are on the CPU."""
        return self

    def cuda(self, device: Any = None) -> Self:
        """RuntimeError: there is the CPU alone."""
        return self.to("cuda")

    # ---- state

    def state_dict(self, *, prefix: str = "", keep_vars: bool = False) -> OrderedDict[str, Tensor]:
        """All parameters and persistent buffers under their dotted names.

        The tensors share memory with the module, so they follow later training: copy them to keep
        a state. They are detached unless `keep_vars`. A shared module appears under all its names.
        """
        state: OrderedDict[str, Tensor] = OrderedDict()
        for path, module in self.named_modules(remove_duplicate=False):
            values = module.__dict__
            names = [*module._parameters, *(n for n, keep in module._buffers.items() if keep)]
            for name in names:
                t = values[name]
                if t is not None:
                    key = f"{prefix}{path}.{name}" if path else prefix + name
                    state[key] = t if keep_vars else t.detach()
        return state

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True) -> Keys:
        """Copy a state into the parameters and buffers, which keep their dtype and memory layout.

        The values are tensors or arrays, PyTorch's and JAX's too: a torch module's `state_dict()`
        goes in as it is. RuntimeError, with every fault listed and nothing changed, if a shape
        differs or, when `strict`, if a name is missing or unexpected; it says so if all names have
        a prefix. Returns the missing and the unexpected names.
        """
        copies, keys = self._fitted(state_dict, strict)
        whole(_copy, copies)
        return keys

    def _fitted(
        self, state_dict: Mapping[str, Any], strict: bool
    ) -> tuple[list[tuple[Tensor, Any]], Keys]:
        """Parameters and buffers with their values in a state; RuntimeError if it does not fit."""
        if not isinstance(state_dict, Mapping):
            raise TypeError(
                f"load_state_dict: a state is a dict of tensors, not a {type(state_dict).__name__}"
            )
        mine = self.state_dict(keep_vars=True)
        old = not hasattr(state_dict, "_metadata")  # as before PyTorch counted the batches
        missing = [
            key
            for key in mine
            if key not in state_dict and not (old and key.endswith("num_batches_tracked"))
        ]
        unexpected = [key for key in state_dict if key not in mine]
        faults = []
        if strict and missing:
            faults.append("missing: " + _listed(missing))
        if strict and unexpected:
            faults.append("unexpected: " + _listed(unexpected))
        if strict and missing and unexpected:
            faults += _explained(mine, state_dict)
        lazy = {i: shape for m in Module.modules(self) for i, shape in m._open().items()}
        copies = [
            (mine[key], _fitting(key, mine[key], state_dict[key], faults, lazy))
            for key in mine
            if key in state_dict
        ]
        if faults:
            raise RuntimeError(
                f"load_state_dict: this state does not fit {type(self).__name__}, and nothing was "
                "changed (strict=False forgives missing and unexpected names)\n  "
                + "\n  ".join(faults)
            )
        return copies, Keys(missing, unexpected)

    # ---- lazy layers

    _lazy: ClassVar[bool] = False  # whether the first call is to come that tells the sizes

    def _open(self) -> dict[int, tuple[int, ...]]:
        """The shapes of tensors that take a size, which is 0 here, from a state, by identity."""
        return {}

    def _settle(self, *inputs: Any) -> None:
        """Call it for these inputs if layers in it are lazy, so that they have their sizes, and
        nothing else has changed."""
        # an attribute of the user's may have the name of a method
        modes = [(m, m.training) for m in Module.modules(self)]
        if any(m._lazy for m, _ in modes):
            try:
                with no_grad():
                    self.eval()(*inputs)
            finally:
                for m, training in modes:
                    m.training = training

    # ---- text

    def extra_repr(self) -> str:
        """What a repr shows between the parentheses; a subclass gives its settings."""
        return ""

    def __repr__(self) -> str:
        count = sum(p.array.size for p in self.parameters())
        note = f"  # {count:,} parameter{'s' * (count != 1)}" if count else ""
        more = self.extra_repr()
        lines = [f"  {line}" for line in more.split("\n")] if more else []
        for name, inner in self._told():
            lines.append(f"  ({name}): {inner}".replace("\n", "\n  "))
        if not self._modules and len(lines) < 2:
            return f"{type(self).__name__}({more}){note}"
        return "\n".join([f"{type(self).__name__}({note}", *lines, ")"])

    def _told(self) -> Iterable[tuple[str, str]]:
        """The names of the modules inside, each with what its repr says of it."""
        return [(name, repr(self.__dict__[name])) for name in self._modules]


class FunctionModule(Module):
    """A function as a module: after the inputs it is given what `__init__` keeps, in that order."""

    _of: ClassVar[Callable[..., Tensor]]
    _settings: ClassVar[tuple[str, ...]]

    def __init_subclass__(cls, of: Callable[..., Tensor] | None = None, **kw: Any) -> None:
        super().__init_subclass__(**kw)
        if of is not None:  # a class derived from one of ours has its function, and own arguments
            cls._of = staticmethod(of)
            code = vars(cls).get("__init__", cls.__init__).__code__  # a signature takes 30 us more
            cls._settings = code.co_varnames[1 : code.co_argcount + code.co_kwonlyargcount]
            forward = cls.forward  # its own, as Python's TypeErrors say whose arguments they are
            cls.forward = FunctionType(
                forward.__code__, forward.__globals__, argdefs=forward.__defaults__
            )
            cls.forward.__annotations__ = forward.__annotations__
            cls.forward.__qualname__ = f"{cls.__qualname__}.forward"


def _copy(copies: list[tuple[Tensor, Any]]) -> None:
    for target, array in copies:
        if target.shape == array.shape:
            target.array[...] = array
        else:  # of a lazy layer
            target.array = array
        changed(target)


def _fitting(
    key: str, target: Tensor, value: Any, faults: list[str], lazy: dict[int, tuple[int, ...]]
) -> Any:
    """The values of a state in the dtype of `target`; if they do not fit, a fault is noted."""
    if not (isinstance(value, np.generic | int | float) or hasattr(value, "__dlpack__")):
        faults.append(f"not a tensor: {key!r} is a {type(value).__name__}")
        return None
    a = values_of(value)
    if a.dtype.kind not in "fiub":
        faults.append(f"not numbers: {key!r} has dtype {a.dtype}")
        return None
    shape = lazy.get(id(target), (-1,))
    sized = len(shape) == a.ndim and all(n in (0, m) for n, m in zip(shape, a.shape, strict=True))
    if a.shape != target.shape and not sized:
        faults.append(f"shape: {key!r} is {target.shape} here, {a.shape} in the state")
        return None
    with np.errstate(all="ignore"):  # a number too large for the dtype becomes infinite
        return a.astype(target.dtype)


WRAPPERS = {
    "module.": ", which DataParallel and DistributedDataParallel put there",
    "_orig_mod.": ", which torch.compile puts there",
}


def _explained(mine: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """Why no name is found: a prefix before all, or states inside of a dictionary."""
    nested = [key for key, value in state.items() if isinstance(value, Mapping)]
    if nested:
        return [f"nested: {_listed(nested)} are dictionaries; load one: state[{nested[0]!r}]"]
    for name in mine:
        prefix = next((k.removesuffix(name) for k in state if k.endswith(f".{name}")), None)
        if prefix is not None and all(k.startswith(prefix) for k in state):
            why = WRAPPERS.get(prefix, "")
            off = f"{{k.removeprefix({prefix!r}): v for k, v in state.items()}}"
            return [f"prefix: all names begin with {prefix!r}{why}; take it off: {off}"]
    return []


def _listed(names: Iterable[str]) -> str:
    return ", ".join(map(repr, names)) or "none"


class _Row(Module):
    """What Sequential and ModuleList share: modules in a row, named 0, 1, 2, ... as in a list."""

    def _fill(self, modules: Mapping[str, Any]) -> Self:
        for module in modules.values():
            self._check_item(module)
        for name in list(self._modules):
            delattr(self, name)
        for name, module in modules.items():
            self.register_module(name, module)
        return self

    def _renumber(self, modules: Iterable[Any]) -> Self:
        return self._fill({str(i): module for i, module in enumerate(modules)})

    def _check_item(self, module: Any) -> None:
        if not isinstance(module, Module):
            remedy = ""
            if isinstance(module, list | tuple):
                remedy = "; unpack it with *, as in Sequential(*layers)"
            elif isinstance(module, type):
                remedy = f"; call it to make one: {module.__name__}(...)"
            raise TypeError(
                f"{type(self).__name__}: {module!r} is a {kind_of(module)}, not a Module" + remedy
            )

    def _name(self, index: int) -> str:
        try:
            return list(self._modules)[index]
        except IndexError:
            raise IndexError(
                f"{type(self).__name__}: index {index} is out of range; it holds {len(self)}"
            ) from None

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter([self.__dict__[name] for name in self._modules])

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return self._part(list(self._modules)[index])
        return self.__dict__[self._name(index)]

    def _part(self, names: list[str]) -> Self:
        return type(self)()._renumber(self.__dict__[name] for name in names)

    def __setitem__(self, index: int, module: Module) -> None:
        self._check_item(module)
        self.register_module(self._name(index), module)

    def __delitem__(self, index: int | slice) -> None:
        names = list(self._modules)
        gone = names[index] if isinstance(index, slice) else [self._name(index)]
        self._renumber([self.__dict__[name] for name in names if name not in gone])

    def __add__(self, other: Iterable[Module]) -> Self:
        return type(self)()._renumber([*self, *other])

    def append(self, module: Module) -> Self:
        """Add a module at the end; returns self."""
        return self.extend([module])

    def extend(self, modules: Iterable[Module]) -> Self:
        """Add several modules at the end; returns self."""
        modules = list(modules)
        for module in modules:
            self._check_item(module)
        for module in modules:
            number = len(self)
            while str(number) in self._modules:  # a slice of a Sequential keeps its names
                number += 1
            self.register_module(str(number), module)
        return self

    def insert(self, index: int, module: Module) -> Self:
        """Put a module before the one at `index` and number all anew; returns self."""
        modules = list(self)
        modules.insert(index, module)
        return self._renumber(modules)

    def pop(self, index: int = -1) -> Any:
        """Take a module out, number the rest anew and return it."""
        module = self[index]
        del self[index]
        return module


class Sequential(_Row):
    """Modules that run one after the other, each on the output of the one before.

    Given as arguments they are named 0, 1, 2, ...; one dict gives other names. It has length,
    indices and slices (which keep the names) as a list has.

    >>> model = Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    >>> model
    Sequential(  # 13 parameters
      (0): Linear(in_features=2, out_features=3, bias=True)  # 9 parameters
      (1): ReLU()
      (2): Linear(in_features=3, out_features=1, bias=True)  # 4 parameters
    )
    >>> model(Tensor([[1.0, 2.0]])).shape
    (1, 1)
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        if len(modules) == 1 and isinstance(modules[0], Mapping):
            self._fill(modules[0])
        else:
            self._renumber(modules)

    def _part(self, names: list[str]) -> Self:
        return type(self)()._fill({name: self.__dict__[name] for name in names})

    def forward(self, input: Any) -> Any:
        values = self.__dict__
        for name in self._modules:
            input = values[name](input)
        return input


class ModuleList(_Row):
    """A list of modules that a module may hold; unlike a plain list it is registered.

    >>> layers = ModuleList(nn.Linear(4, 4) for _ in range(3))
    >>> len(layers), len(layers[1:]), len(list(layers.parameters()))
    (3, 2, 6)
    >>> layers
    ModuleList(  # 60 parameters
      (0-2): 3 x Linear(in_features=4, out_features=4, bias=True)  # 20 parameters
    )
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        self._renumber(modules)

    def _told(self) -> Iterable[tuple[str, str]]:
        for told, run in groupby(super()._told(), itemgetter(1)):
            names = [name for name, _ in run]
            n = len(names)
            yield (names[0], told) if n == 1 else (f"{names[0]}-{names[-1]}", f"{n} x {told}")


class ModuleDict(Module):
    """A dict of modules that a module may hold, in the order in which they were put in.

    >>> choices = ModuleDict({"relu": nn.ReLU(), "tanh": nn.Tanh()})
    >>> list(choices), choices["relu"]
    (['relu', 'tanh'], ReLU())
    """

    def __init__(self, modules: Any = ()) -> None:
        super().__init__()
        self.update(modules)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def __getitem__(self, key: str) -> Any:
        if key not in self._modules:
            raise KeyError(f"ModuleDict: no module {key!r}; it holds {_listed(self._modules)}")
        return self.__dict__[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.register_module(key, module)

    def __delitem__(self, key: str) -> None:
        self.pop(key)

    def keys(self) -> Iterable[str]:
        """The names."""
        return self._modules.keys()

    def values(self) -> Iterable[Any]:
        """The modules."""
        return [self.__dict__[key] for key in self._modules]

    def items(self) -> Iterable[tuple[str, Any]]:
        """The pairs of name and module."""
        return [(key, self.__dict__[key]) for key in self._modules]

    def update(self, modules: Any) -> None:
        """Put in modules from a dict, or from pairs of name and module."""
        for key, module in dict(modules).items():
            self[key] = module

    def pop(self, key: str) -> Any:
        """Take a module out and return it."""
        module = self[key]
        delattr(self, key)
        return module

    def clear(self) -> None:
        """Take all modules out."""
        for key in list(self._modules):
            delattr(self, key)
