"""Memory for time: a part of a network that is computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..autograd.function import Function
from ..calculus import grad
from ..creation import default_generator
from ..engine.modes import enable_grad, is_grad_enabled
from ..engine.tensor import Tensor
from ..engine.versions import tick
from ..program.reach import captured

__all__ = ["checkpoint", "checkpoint_sequential"]


def each(outputs: Any) -> tuple[Any, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def needs(y: Any) -> bool:
    """Whether an output has a gradient."""
    return isinstance(y, Tensor) and y.requires_grad


class Checkpoint(Function):
    """The record of a part: its inputs, and how to run it again."""

    @staticmethod
    def forward(ctx: Any, again: Callable[[], Any], box: list[Any], *inputs: Tensor) -> Any:
        outputs = box.pop() if box else again()
        ctx.again, ctx.inputs = again, inputs
        ctx.save_for_backward(*inputs)  # so that a change in place is an error
        plain = [y.detach() if isinstance(y, Tensor) else y for y in each(outputs)]
        ctx.mark_non_differentiable(
            *(t for t, y in zip(plain, each(outputs), strict=True) if not needs(y))
        )
        return tuple(plain) if isinstance(outputs, tuple) else plain[0]

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        create_graph = is_grad_enabled()
        with enable_grad():
            outputs = ctx.again()
        pairs = [(y, g) for y, g in zip(each(outputs), gradients, strict=True) if needs(y)]
        if not pairs:
            raise RuntimeError("checkpoint: the function gave other outputs when it ran again")
        ys, gs = zip(*pairs, strict=True)
        # retained, as what the inputs were made of is not done yet
        return None, None, *grad(ys, ctx.inputs, gs, True, create_graph, allow_unused=True)


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    preserve_rng_state: bool = True,
    context_fn: Any = None,
    determinism_check: str = "default",
    debug: bool = False,
    **kwargs: Any,
) -> Any:
    """`function(*args)` without its records: the backward pass runs it again and gets them back.

    What the function captures gets gradients too, and these can be differentiated again. It draws
    the same random numbers the second time, unless `preserve_rng_state` is False. The other options
    of PyTorch change nothing here. RuntimeError in the backward pass if an input was changed in
    place.

    >>> x = Tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda t: (t * t).exp(), x).sum().backward()
    >>> x.grad.round().tolist()
    [5.0, 218.0]
    """
    if not is_grad_enabled():
        return function(*args, **kwargs)
    state = default_generator().bit_generator.state if preserve_rng_state else None
    since = tick()
    outputs = function(*args, **kwargs)
    inputs = captured([y for y in each(outputs) if isinstance(y, Tensor)], since)

    def again() -> Any:
        if state is None:
            return function(*args, **kwargs)
        generator = default_generator().bit_generator
        now, generator.state = generator.state, state
        try:
            return function(*args, **kwargs)
        finally:
            generator.state = now

    return Checkpoint.apply(again, [outputs], *inputs)


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """Functions, or the modules of a Sequential, one after another in `segments` checkpoints; the
    last part is recorded as usual. ValueError unless there are as many functions as segments.

    >>> layers = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1))
    >>> checkpoint_sequential(layers, 2, ones(1, 2)).shape
    (1, 1)
    """
    steps: Sequence[Any] = list(functions)
    if not 1 <= segments <= len(steps):
        raise ValueError(f"checkpoint_sequential: {segments} segments of {len(steps)} functions")
    size = len(steps) // segments

    def part(some: Sequence[Any]) -> Callable[[Any], Any]:
        def run(x: Any) -> Any:
            for step in some:
                x = step(x)
            return x

        return run

    last = size * (segments - 1)
    for start in range(0, last, size):
        input = checkpoint(part(steps[start : start + size]), input, **kwargs)
    return part(steps[last:])(input)
