"""PyTorch's own samples of its operators, run by both: values, dtypes, gradients, keywords.

`python -m tests.torch_samples [operator ...]` tells what differs, and what has no name here.
"""

from __future__ import annotations

import sys
import unittest
import warnings
from collections.abc import Callable, Iterator
from functools import reduce
from itertools import islice
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

import autograd_lite as ag
from autograd_lite import Tensor

SEEDS = 0
TOLERANCE = {"float64": (1e-7, 1e-9), "float32": (2e-4, 2e-4)}

# what a call may say that there is nothing of here
KEYWORDS = {
    "memory_format": "arrays have no memory format to choose",
    "layout": "all tensors are dense",
    "pin_memory": "there is no other device",
    "distance_function": "a function of PyTorch's tensors",
}
# values drawn at random, or of memory as it was found: shape and dtype are compared
UNKNOWN_VALUES = {
    "bernoulli", "empty", "empty_like", "multinomial", "new_empty", "nn.functional.dropout",
    "nn.functional.rrelu", "nn.functional.dropout2d", "nn.functional.dropout3d",
    "nn.functional.alpha_dropout", "nn.functional.feature_alpha_dropout",
    "normal", "rand_like", "randint", "randint_like", "randn", "randn_like", "uniform",
}  # fmt: skip
# what differs, or has less than PyTorch, and why
DIFFERENT = {
    "addbmm": "a change in place keeps the shape; PyTorch's grows",
    "cholesky_inverse": "the triangle that counts nothing has the slope 0",
    "cholesky_solve": "as cholesky_inverse",
    "linalg.eigh": "eigenvectors have any sign",
    "linalg.lstsq": "four results, of which the solution alone has a gradient",
    "linalg.pinv": "samples of two factors; of hermitian=True the gradient is that of what is read",
    "linalg.slogdet": "the sign, which is constant, has no gradient",
    "cov": "weights are taken in the dtype of x; in PyTorch float32 is added up first",
    "linalg.svd": "singular vectors have any sign",
    "svd": "as linalg.svd",
    "nn.functional.batch_norm": "an input needs its axis of channels, also where it is empty",
    "nn.functional.ctc_loss": "the gradient is that of log_probs; PyTorch adds a log_softmax's",
    "nn.functional.max_unpool1d": "an index that repeats: what is overwritten has the slope 0",
    "nn.functional.max_unpool2d": "as max_unpool1d",
    "nn.functional.max_unpool3d": "as max_unpool1d",
    "norm": "the nuclear norm of several matrices is in linalg",
    "scatter_reduce": "'prod' has no gradient",
}
IN_PLACE = {  # not compared in place: the shape of what has a gradient stays
    "squeeze", "unsqueeze", "transpose", "t", "swapaxes", "swapdims",
}  # fmt: skip
OF_INTEGERS = {  # of integers alone
    "__rpow__": "NumPy has no negative powers of integers",
    "addmv": "numbers that are no ints, as factors, make floats",
    "arange": "limits that are no ints are not cut before they are counted",
    "baddbmm": "as addmv",
    "kthvalue": "which of equal elements is found is not defined",
    "linspace": "rounded, not cut",
    "logspace": "rounded, not cut",
    "mode": "as kthvalue",
    "nn.functional.avg_pool1d": "a mean of integers is a float",
    "nn.functional.avg_pool2d": "as avg_pool1d",
    "nn.functional.avg_pool3d": "as avg_pool1d",
    "nn.functional.hardtanh": "limits that are no ints make floats",
    "nn.functional.local_response_norm": "as avg_pool1d, of which PyTorch's is made",
    "topk": "as kthvalue",
}
OF_BOOLS = {  # of bools alone
    "addr": "sums of bools are ints",
    "argsort": "as mode",
    "mode": "which of equal elements is found is not defined",
    "prod": "as addr",
    "sgn": "NumPy has no sign of bools",
    "sigmoid": "NumPy negates no bools",
    "sign": "as sgn",
    "sort": "as mode",
    "square": "NumPy's of bools is int8",
    "sum_to_size": "where nothing is summed bools stay bools",
}
LISTS: dict[str, dict[str, str]] = {
    "float64": {}, "float32": {}, "int64": OF_INTEGERS, "bool": OF_BOOLS,
}  # fmt: skip
ADAPTED: dict[str, Callable[[Any], Callable[..., Any]]] = {  # the samples call torch's otherwise
    "nn.functional.embedding": lambda f: lambda weight, i, **kw: f(i, weight, **kw),
    "polygamma": lambda f: lambda x, n: f(n, x),
    "special.polygamma": lambda f: lambda x, n: f(n, x),
    "nn.functional.embedding_bag": lambda f: lambda weight, i, **kw: f(i, weight, **kw),
    "einsum": lambda f: lambda operands, equation: f(equation, *operands),
    "where": lambda f: lambda a, condition, b: f(condition, a, b),
    "zero_": lambda f: lambda x: (x * 1 if x.requires_grad else x.clone()).zero_(),
}


def operators() -> list[Any]:
    """PyTorch's list of its operators; the import takes seconds."""
    if "expecttest" not in sys.modules:  # of which the list needs one name that nothing here calls
        stand_in = ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase  # type: ignore[attr-defined]
        sys.modules["expecttest"] = stand_in
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_methods_invocations import op_db
    return list(op_db)


def ours(op: Any) -> Callable[..., Any] | None:
    """What has the name of the operator here: a function, else a method; None if nothing has."""
    try:
        found = reduce(getattr, op.name.split("."), ag)
    except AttributeError:
        found = getattr(Tensor, op.name, None)
    if not callable(found) or isinstance(found, type | np.dtype):
        found = getattr(Tensor, op.name, None)
    if not callable(found):
        return None
    return ADAPTED.get(op.name, lambda f: f)(found)


class Fault(NamedTuple):
    """What one sample of an operator does otherwise here."""

    operator: str
    form: str
    sample: int
    text: str

    def __str__(self) -> str:
        return f"{self.operator}, {self.form}, sample {self.sample}: {self.text}"


def faults(op: Any, dtype: str, most: int | None = None) -> tuple[int, list[Fault]]:
    """How many calls of an operator were compared, and what was wrong."""
    import torch

    kind = getattr(torch, dtype)
    if kind not in op.dtypes:
        return 0, []
    grad = op.supports_autograd and kind.is_floating_point
    number, found = 0, []
    name = op.name + f" ({op.variant_test_name})" * bool(op.variant_test_name)
    for i, sample in enumerate(islice(op.sample_inputs("cpu", kind, requires_grad=grad), most)):
        if not KEYWORDS.keys().isdisjoint(sample.kwargs) or sample.kwargs.get("dropout_p"):
            continue
        for form, theirs, mine in forms(op):
            try:
                wanted = theirs(sample.input, *sample.args, **sample.kwargs)
            except Exception:  # noqa: BLE001, S112  an error there: what is right is not said
                continue
            number += 1
            try:
                compare(op, wanted, mine, sample, dtype)
            except Complex:
                number -= 1
            except Exception as error:  # noqa: BLE001  all are told
                text = " ".join(str(error).split())[:300]
                found.append(Fault(name, form, i, f"{type(error).__name__}: {text}"))
    return number, found


def forms(op: Any) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any]]]:
    """The function, the method and the method in place of an operator, there and here."""
    function = ours(op)
    if function is not None and op.variant_test_name != "in_place":  # the one of normal_
        yield "function", op, function
    if op.name in ADAPTED:
        return
    method = getattr(Tensor, op.name, None)
    if callable(op.method_variant) and callable(method) and method is not function:
        yield "method", op.method_variant, method
    changing = getattr(Tensor, f"{op.name}_", None)
    if callable(op.inplace_variant) and callable(changing) and op.name not in IN_PLACE:

        def there(x: Any, *args: Any, **kw: Any) -> Any:
            return op.inplace_variant(x * 1 if x.requires_grad else x.clone(), *args, **kw)

        yield "in place", there, lambda x, *args, **kw: changing(x.clone(), *args, **kw)


class Complex(Exception):
    """A sample of numbers that NumPy's real floats are not."""


def compare(op: Any, wanted: Any, mine: Callable[..., Any], sample: Any, dtype: str) -> None:
    """Raise where the same call here gives something else."""
    import torch

    twins: dict[int, tuple[Any, Tensor]] = {}

    def taken(x: Any) -> Any:
        if isinstance(x, torch.Tensor):
            if x.is_complex() or x.dtype is torch.bfloat16:
                raise Complex
            if id(x) not in twins:
                array = x.detach().resolve_conj().numpy().copy()
                twins[id(x)] = x, Tensor(array, requires_grad=x.requires_grad)
            return twins[id(x)][1]
        if isinstance(x, torch.dtype):
            if x.is_complex or x is torch.bfloat16:
                raise Complex
            return np.dtype(str(x).removeprefix("torch."))
        if isinstance(x, torch.device):
            return ag.device(str(x))
        if isinstance(x, tuple | list):
            return (tuple if isinstance(x, torch.Size) else type(x))([taken(i) for i in x])
        return {k: taken(v) for k, v in x.items()} if isinstance(x, dict) else x

    args, kw = taken((sample.input, *sample.args)), taken(sample.kwargs)
    outputs, results = flat(wanted), flat(mine(*args, **kw))
    assert len(outputs) == len(results), f"{len(outputs)} outputs, here {len(results)}"
    pairs = list(zip(outputs, results, strict=True))
    rtol, atol = TOLERANCE.get(dtype, (1e-5, 1e-6))
    for a, b in pairs:
        if not isinstance(a, torch.Tensor):
            assert a == b, f"{a}, here {b}"
            continue
        if a.is_complex():
            raise Complex
        assert isinstance(b, Tensor), f"a Tensor, here a {type(b).__name__}"
        assert tuple(a.shape) == b.shape, f"shape {tuple(a.shape)}, here {b.shape}"
        assert str(a.dtype) == f"torch.{b.dtype}", f"{a.dtype}, here {b.dtype}"
        if op.name not in UNKNOWN_VALUES:
            assert a.requires_grad == b.requires_grad, f"requires_grad {a.requires_grad}"
            np.testing.assert_allclose(b.array, dense(a), rtol, atol, err_msg="value")
    followed = [(a, b) for a, b in pairs if isinstance(a, torch.Tensor) and a.requires_grad]
    inputs = [(x, t) for x, t in twins.values() if x.requires_grad]
    if not followed or not inputs or op.name in UNKNOWN_VALUES:
        return
    rng = np.random.default_rng(SEEDS)
    seeds = [rng.standard_normal(b.shape).astype(b.dtype) for _, b in followed]
    try:
        right = torch.autograd.grad(
            [a for a, _ in followed],
            [x for x, _ in inputs],
            list(map(torch.tensor, seeds)),
            allow_unused=True,
        )
    except NotImplementedError:
        return
    found = ag.grad([b for _, b in followed], [t for _, t in inputs], seeds, allow_unused=True)
    for i, (a, b) in enumerate(zip(right, found, strict=True)):
        shape = inputs[i][1].shape
        a, b = np.zeros(shape) if a is None else dense(a), np.zeros(shape) if b is None else b.array
        np.testing.assert_allclose(b, a, 10 * rtol, 10 * atol, err_msg=f"gradient of input {i}")


def dense(t: Any) -> Any:
    """The array of a tensor of torch, of one that is zeros without memory too."""
    import torch

    return (torch.zeros_like(t) + t if t.is_floating_point() else t).detach().numpy()


def flat(y: Any) -> list[Any]:
    """The outputs of an operator, one after another."""
    return [z for x in y for z in flat(x)] if isinstance(y, tuple | list) else [y]


def run(names: list[str], dtype: str) -> None:
    """Print what differs."""
    total, wrong, absent = 0, 0, []
    for op in operators():
        if names and op.name not in names:
            continue
        if ours(op) is None:
            absent.append(op.name)
            continue
        number, found = faults(op, dtype)
        total, wrong = total + number, wrong + len(found)
        if found:
            known = DIFFERENT | LISTS[dtype]
            print("*" * (op.name in known), end="")
            print(f"{op.name} {op.variant_test_name}: {len(found)} of {number}")
            texts = {fault.form + fault.text: fault for fault in found[::-1]}
            print(*(f"    {fault}"[:260] for fault in list(texts.values())[:8]), sep="\n")
    print(f"{dtype}: {total} calls, {wrong} differ; without a name here: {len(absent)}")


if __name__ == "__main__":
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        chosen = [a for a in sys.argv[1:] if a not in LISTS]
        for dtype in [a for a in sys.argv[1:] if a not in chosen] or ["float64"]:
            run(chosen, dtype)
