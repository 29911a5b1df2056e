"""Hooks on the backward pass of a module: two records around a call, through which its gradients
pass together."""

from __future__ import annotations

from typing import Any

from autograd_lite import Tensor
from autograd_lite.autograd import Function
from autograd_lite.engine.modes import is_grad_enabled

__all__ = ["Gate"]


class Gate:
    """One call of a module that has hooks on its backward pass."""

    def __init__(self, module: Any) -> None:
        self.module = module
        self.entered = False
        self.inputs = 0
        self.grad_output: tuple[Any, ...] = ()

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """The arguments, through a record that the gradients of the inputs come to."""
        self.inputs = len(args)
        tracked = [t for t in args if isinstance(t, Tensor) and t.requires_grad]
        if not tracked or not is_grad_enabled():
            return args
        self.entered = True
        self.places = [isinstance(t, Tensor) and t.requires_grad for t in args]
        passed = iter(BackwardHook.apply(self, *tracked))
        return tuple(next(passed) if p else t for t, p in zip(args, self.places, strict=True))

    def leave(self, output: Any) -> Any:
        """The output, through a record that its gradients come to first."""
        outputs = output if isinstance(output, tuple) else (output,)
        if not all(isinstance(t, Tensor) for t in outputs):
            kind = type(self.module).__name__
            raise TypeError(
                f"{kind}: a module with a hook on its backward pass returns a Tensor or a tuple of "
                f"them, got {type(output).__name__}"
            )
        passed = BackwardPreHook.apply(self, *outputs)
        return passed if isinstance(output, tuple) else passed[0]

    def leaving(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the outputs, after the hooks that come before the backward pass."""
        for hook in list(self.module._backward_pre_hooks.values()):
            gradients = self.replaced(hook(self.module, gradients), gradients)
        self.grad_output = gradients
        if not self.entered:
            self.entering((None,) * self.inputs)
        return gradients

    def entering(self, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the inputs, after the hooks on the backward pass."""
        for hook in list(self.module._backward_hooks.values()):
            result = hook(self.module, gradients, self.grad_output)
            gradients = self.replaced(result, gradients)
        return gradients

    def replaced(self, result: Any, gradients: tuple[Any, ...]) -> tuple[Any, ...]:
        if result is None:
            return gradients
        new = result if isinstance(result, tuple) else (result,)
        if len(new) != len(gradients):
            raise RuntimeError(
                f"{type(self.module).__name__}: a hook on the backward pass returned {len(new)} "
                f"gradients in place of {len(gradients)}"
            )
        return new


class BackwardHook(Function):
    """Where gradients leave a module, to its inputs."""

    @staticmethod
    def forward(ctx: Any, gate: Gate, *inputs: Tensor) -> Any:
        ctx.gate = gate
        return inputs

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        each = iter(gradients)
        found = ctx.gate.entering(tuple(next(each) if p else None for p in ctx.gate.places))
        return None, *(g for g, p in zip(found, ctx.gate.places, strict=True) if p)


class BackwardPreHook(Function):
    """Where gradients come into a module, from its outputs."""

    @staticmethod
    def forward(ctx: Any, gate: Gate, *outputs: Tensor) -> Any:
        ctx.gate = gate
        return outputs

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        return None, *ctx.gate.leaving(gradients)
