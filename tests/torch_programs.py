"""Random programs in PyTorch's words, as text that both run: torch, and this package in its place.

A program is a list of lines. It is made while PyTorch runs it, so that every line fits the shapes
that there are. `python -m tests.torch_programs kind seed` prints one and what differs.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np

import autograd_lite
import autograd_lite.nn.functional

Lines = list[str]
LIMIT = 1e3  # values are brought back below


def worlds() -> dict[str, dict[str, Any]]:
    """The names that a program uses, by whose they are."""
    import torch

    return {
        "torch": {"torch": torch, "nn": torch.nn, "F": torch.nn.functional, "np": np},
        "here": {
            "torch": autograd_lite,
            "nn": autograd_lite.nn,
            "F": autograd_lite.nn.functional,
            "np": np,
        },
    }


class Maker:
    """Makes lines, and runs each in PyTorch to see what there is."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.lines: Lines = []
        self.names = worlds()["torch"]
        self.count = 0

    def add(self, line: str) -> None:
        """A line that runs."""
        exec(line, self.names)  # noqa: S102
        self.lines.append(line)

    def one(self, options: Any) -> Any:
        """One of some."""
        options = list(options)
        return options[int(self.rng.integers(len(options)))]

    def some(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def new(self, text: str) -> str:
        """A new name for what an expression gives."""
        self.count += 1
        self.add(f"v{self.count} = {text}")
        return f"v{self.count}"

    def array(self, shape: tuple[int, ...], scale: float = 1.0) -> str:
        """The text of random numbers with a few digits."""
        values = np.round(self.rng.standard_normal(shape) * scale, 3) + 0.0005
        return f"np.array({values.tolist()}).reshape({shape})"

    def leaf(self, shape: tuple[int, ...]) -> str:
        return self.new(f"torch.tensor({self.array(shape)}, requires_grad=True)")

    def of(self, name: str) -> Any:
        return self.names[name]


# ---- programs of tensors ------------------------------------------------------------------------

CURVES = [
    "{x}.tanh()", "{x}.sin()", "torch.cos({x})", "{x}.sigmoid()", "{x}.abs()", "{x} ** 2", "{x} ** 3",
    "F.relu({x})", "F.gelu({x})", "F.gelu({x}, approximate='tanh')", "F.silu({x})", "F.softplus({x})",
    "F.elu({x}, 0.7)", "F.leaky_relu({x}, 0.2)", "F.logsigmoid({x})", "F.hardtanh({x}, -0.5, 0.9)",
    "{x}.clamp(-0.6, 0.8)", "({x}.abs() + 1).sqrt()", "({x}.abs() + 1).log()", "1 / ({x}.abs() + 0.5)",
    "{x}.exp().log1p()", "-{x}", "{x} * 1.5", "2 - {x}", "{x}.erf()", "{x}.atan()", "{x}.floor() + {x}",
    "{x}.expm1().clamp(max=2.0)", "{x}.square()", "{x}.round() * {x}", "{x}.sign() * {x}", "{x}.clone()",
    "torch.where({x} > 0.1, {x}, {x} * 0.3)", "{x}.detach() * {x}", "{x}.masked_fill({x} > 1, 0.25)",
]  # fmt: skip
PAIRS = [
    "{x} + {y}", "{x} - {y}", "{x} * {y}", "{x} / ({y}.abs() + 0.5)", "torch.maximum({x}, {y})",
    "torch.minimum({x}, {y})", "torch.atan2({x}, {y}.abs() + 0.5)", "torch.hypot({x}, {y}.abs() + 0.1)",
    "torch.where({x} > {y}, {x}, {y} * 2)", "torch.logaddexp({x}, {y})", "({x}.abs() + 0.5) ** {y}.clamp(-2, 2)",
    "torch.lerp({x}, {y}, 0.3)", "{x}.add({y}, alpha=0.7)",
]  # fmt: skip
REDUCTIONS = [
    "{x}.sum({d})", "{x}.mean({d})", "{x}.sum({d}, keepdim=True)", "{x}.mean(dim={d}, keepdim=True)",
    "{x}.amax({d})", "{x}.amin({d}, keepdim=True)", "{x}.max({d}).values", "{x}.min({d})[0]",
    "{x}.logsumexp({d})", "{x}.prod({d})", "{x}.norm(dim={d})", "{x}.norm(1, {d})", "{x}.cumsum({d})",
    "{x}.softmax({d})", "{x}.log_softmax(dim={d})", "{x}.sort({d}).values", "{x}.sort({d}, descending=True)[0]",
    "{x}.flip({d})", "{x}.unsqueeze({d})", "{x}.cumprod({d})", "{x}.roll(1, {d})", "torch.cat([{x}, {x} * 2], {d})",
    "torch.stack([{x}, -{x}], {d})", "{x}.diff(dim={d})", "{x}.var({d}, correction=0)", "{x}.topk(1, {d}).values",
    "{x}.select({d}, -1)", "{x}.unbind({d})[0]", "{x}.chunk(2, {d})[0]", "{x}.std({d}, unbiased=False)",
    "{x}.repeat_interleave(2, {d})", "{x}.index_select({d}, torch.tensor([0, 0]))", "{x}.cummax({d}).values",
]  # fmt: skip
WHOLE = [
    "{x}.reshape(-1)", "{x}.flatten()", "{x}.sum()", "{x}.mean()", "{x}.norm()", "{x}.squeeze()", "{x}[None]",
    "{x}[..., 0]", "{x}[..., None]", "{x}[..., ::2]", "{x}.max()", "{x}.T.contiguous()", "{x}.transpose(0, -1)",
    "{x}.tile(2)", "{x}.double()", "torch.outer({x}.flatten()[:3], {x}.flatten()[:2])", "{x}[[0, 0]]",
    "{x}.expand(2, *{x}.shape)", "{x}[{x} > 0]", "torch.einsum('...i,...i->...', {x}, {x})",
]  # fmt: skip
CHANGES = [  # of a tensor that is no leaf, and of views of it
    "{x}.add_({y})", "{x}.mul_(1.5)", "{x} += 0.5", "{x} *= 0.75", "{x}[0] = 0.5", "{x}[0] *= 2.0",
    "{x}[..., 0] = {x}[..., -1] * 2", "{x}[..., 1:] += 0.25", "{x}.clamp_(-1.0, 1.0)", "{x}[0].fill_(0.3)",
    "{x}[-1].mul_(3.0)", "{x}.reshape({x}.shape)[0].add_(1.0)", "{x}.tanh_()", "{x}.neg_()", "{x}.zero_()",
    "{x}.transpose(0, -1).mul_(0.5)", "{x}.sub_({y}, alpha=0.5)", "{x}[{x} > 0.5] = 0.1", "{x}.sigmoid_()",
    "{x}.flatten()[0].mul_(2.0) if {x}.is_contiguous() else None", "{x}.copy_({y})", "{x}.unsqueeze(0)[0].mul_(2)",
]  # fmt: skip
SHAPES: list[tuple[int, ...]] = [(3,), (2, 3), (2, 3), (3, 2), (1, 3), (2, 1), (2, 2, 3), (4,), ()]


def tensors(seed: int) -> tuple[Lines, str]:
    """A program of operations, and what its loss is."""
    m = Maker(seed)
    leaves = [m.leaf(m.one(SHAPES)) for _ in range(m.rng.integers(1, 4))]
    known = list(leaves)
    for _ in range(int(m.rng.integers(3, 12))):
        line = step(m, known)
        if line is None:
            continue
        value = m.of(known[-1])
        if value.numel() and float(value.detach().abs().max()) > LIMIT:
            known[-1] = m.new(f"{known[-1]}.tanh()")
    loss = " + ".join(f"({name} * {0.3 + 0.1 * i:.1f}).sum()" for i, name in enumerate(known))
    m.add(f"loss = {loss}")
    m.add(f"leaves = [{', '.join(leaves)}]")
    m.add(f"known = [{', '.join(known)}]")
    return m.lines, "loss"


def step(m: Maker, known: list[str]) -> str | None:
    """One more line; None if it does not fit the shapes."""
    x, y = m.one(known), m.one(known)
    kind = m.one(["curve", "pair", "pair", "reduction", "whole", "change", "product"])
    n = m.of(x).ndim
    if kind == "change":
        x = m.new(f"{x} * 1.0")
        text = m.one(CHANGES).format(x=x, y=y)
        return attempt(m, text, known, x)
    if kind == "product" and n and m.of(y).ndim:
        text = m.one(["{x} @ {y}", "{x} @ {y}.mT", "torch.matmul({x}.mT, {y})"])
    elif kind == "reduction" and n:
        text = m.one(REDUCTIONS)
    else:
        text = m.one({"pair": PAIRS, "whole": WHOLE}.get(kind, CURVES))
    d = int(m.rng.integers(-n, n)) if n else 0
    return attempt(m, text.format(x=x, y=y, d=d), known)


def attempt(m: Maker, text: str, known: list[str], changed: str = "") -> str | None:
    try:
        if changed:
            m.add(text)
            known.append(changed)
        else:
            known.append(m.new(text))
    except (RuntimeError, IndexError, ValueError, TypeError):  # it does not fit, there
        return None
    return known[-1]


# ---- losses, layers, optimizers -----------------------------------------------------------------

Options = dict[str, Callable[[Maker], Any]]
REDUCTION = {"reduction": lambda m: m.one(["mean", "sum", "none"])}
SIMILAR: dict[str, Options] = {  # of an input and a target of one shape
    "mse_loss": {},
    "l1_loss": {},
    "huber_loss": {"delta": lambda m: m.one([0.3, 1.0, 2.5])},
    "smooth_l1_loss": {"beta": lambda m: m.one([0.0, 0.4, 1.0])},
    "binary_cross_entropy": {"weight": lambda m: f"torch.tensor({m.array((3,))}).abs()"},
    "binary_cross_entropy_with_logits": {
        "weight": lambda m: f"torch.tensor({m.array((3,))}).abs()",
        "pos_weight": lambda m: f"torch.tensor({m.array((3,))}).abs()",
    },
}
CLASSES: dict[str, Options] = {
    "cross_entropy": {
        "weight": lambda m: f"torch.tensor({m.array((3,))}).abs()",
        "ignore_index": lambda m: m.one([-100, 0, 2, -1]),
        "label_smoothing": lambda m: m.one([0.0, 0.2, 1.0]),
    },
    "nll_loss": {
        "weight": lambda m: f"torch.tensor({m.array((3,))}).abs()",
        "ignore_index": lambda m: m.one([-100, 1]),
    },
}


def chosen(m: Maker, options: Options, share: float = 0.5) -> str:
    """Some of the options, as keywords."""
    words = []
    for name, value in options.items():
        if m.some(share):
            v = value(m)
            text = v if isinstance(v, str) and ("(" in v or v.isidentifier() is False) else repr(v)
            words.append(f"{name}={text}")
    return "".join(f", {w}" for w in words)


def losses(seed: int) -> tuple[Lines, str]:
    """A loss with some of its options, as a function or a module."""
    m = Maker(seed)
    if m.some(0.5):
        name = m.one(SIMILAR)
        x = m.leaf(m.one([(4, 3), (3,), (2, 4, 3)]))
        t = m.new(f"torch.tensor({m.array(tuple(m.of(x).shape))})")
        inputs = x
        if name.startswith("binary"):
            t = m.new(f"{t}.sigmoid()" if m.some(0.5) else f"({t} > 0).double()")
            inputs = x if name.endswith("logits") else f"{x}.sigmoid()"
        options = REDUCTION | SIMILAR[name]
    else:
        name = m.one(CLASSES)
        shape = m.one([(4, 3), (3,), (2, 3, 4), (2, 3, 2, 2)])
        x = m.leaf(shape)
        axis = 0 if len(shape) == 1 else 1
        inputs = x if name == "cross_entropy" else f"{x}.log_softmax({axis})"
        options = REDUCTION | CLASSES[name]
        if name == "cross_entropy" and m.some(0.3):
            t = m.new(f"torch.tensor({m.array(shape)}).softmax({axis})")
            options = {k: v for k, v in options.items() if k != "ignore_index"}
        else:
            places = m.rng.integers(0, 3, shape[:axis] + shape[axis + 1 :])
            t = m.new(f"torch.tensor(np.array({places.tolist()}))")
    m.add(f"loss = F.{name}({inputs}, {t}{chosen(m, options)})")
    m.add("loss = (loss * 1.5).sum()")
    m.add(f"leaves, known = [{x}], []")
    return m.lines, "loss"


ACTIVATIONS = [
    "nn.ReLU()", "nn.Tanh()", "nn.Sigmoid()", "nn.GELU()", "nn.GELU('tanh')", "nn.ELU(0.5)", "nn.SiLU()",
    "nn.Softplus()", "nn.LeakyReLU(0.1)", "nn.Identity()", "nn.Softmax(dim=1)", "nn.LogSoftmax(dim=-1)",
    "nn.Dropout(0.0)", "nn.Flatten()",
]  # fmt: skip
NORMS = [
    "nn.LayerNorm({n})", "nn.LayerNorm({n}, elementwise_affine=False)", "nn.BatchNorm1d({n})",
    "nn.BatchNorm1d({n}, momentum=None)", "nn.BatchNorm1d({n}, affine=False, eps=0.01)",
    "nn.BatchNorm1d({n}, track_running_stats=False)", "nn.LayerNorm({n}, bias=False)", "nn.BatchNorm1d({n}, momentum=0.3)",
]  # fmt: skip


def model(m: Maker) -> str:
    """A random Sequential whose parameters are the same in both worlds."""
    sizes = [3, *(int(m.rng.integers(2, 5)) for _ in range(m.rng.integers(1, 4)))]
    parts = []
    for n_in, n in pairwise(sizes):
        parts.append(f"nn.Linear({n_in}, {n}{', bias=False' if m.some(0.2) else ''})")
        if m.some(0.5):
            parts.append(m.one(NORMS).format(n=n))
        parts.append(m.one(ACTIVATIONS))
    m.add(f"net = nn.Sequential({', '.join(parts)}).double()")
    for i, p in enumerate(list(m.names["net"].parameters())):
        m.add(
            f"with torch.no_grad(): list(net.parameters())[{i}].copy_("
            f"torch.tensor({m.array(tuple(p.shape), 0.7)}))"
        )
    return "net"


def layers(seed: int) -> tuple[Lines, str]:
    """A network in training and in evaluation; its buffers too."""
    m = Maker(seed)
    model(m)
    x = m.leaf((5, 3))
    m.add(f"known = [net({x}), net({x} * 0.5)]")
    m.add("_ = net.eval()")
    m.add(f"known.append(net({x}))")
    m.add("loss = sum((y ** 2).mean() + y.sum() * 0.1 for y in known)")
    m.add("known += [b.double() for b in net.buffers()]")
    m.add(f"leaves = [{x}, *net.parameters()]")
    return m.lines, "loss"


RATE = {"lr": lambda m: m.one([0.1, 0.01, 0.5]), "weight_decay": lambda m: m.one([0.0, 0.1])}
BETAS = {
    "betas": lambda m: m.one([(0.9, 0.999), (0.5, 0.8), (0.0, 0.9)]),
    "eps": lambda m: m.one([1e-8, 1e-3]),
}
TWO_WAYS = lambda m: m.one([True, False])
OPTIMIZERS: dict[str, Options] = {
    "SGD": {
        **RATE, "momentum": lambda m: m.one([0.0, 0.9]), "maximize": TWO_WAYS,
        "dampening": lambda m: m.one([0.0, 0.3]),
    },
    "Adam": {**RATE, **BETAS, "amsgrad": TWO_WAYS, "maximize": TWO_WAYS},
    "AdamW": {**RATE, **BETAS, "amsgrad": TWO_WAYS, "maximize": TWO_WAYS},
    "RMSprop": {
        **RATE, "alpha": lambda m: m.one([0.99, 0.5]), "momentum": lambda m: m.one([0.0, 0.8]),
        "centered": TWO_WAYS, "eps": lambda m: m.one([1e-8, 1e-2]),
    },
    "Adagrad": {
        **RATE, "lr_decay": lambda m: m.one([0.0, 0.1]),
        "initial_accumulator_value": lambda m: m.one([0.0, 0.5]),
    },
    "NAdam": {**RATE, **BETAS, "momentum_decay": lambda m: m.one([4e-3, 0.1])},
    "RAdam": {**RATE, **BETAS},
    "Adamax": {**RATE, **BETAS},
    "Adadelta": {**RATE, "rho": lambda m: m.one([0.9, 0.5])},
    "ASGD": {**RATE, "lambd": lambda m: m.one([1e-4, 0.1]), "t0": lambda m: m.one([1e6, 2.0])},
    "Rprop": {"lr": RATE["lr"], "etas": lambda m: m.one([(0.5, 1.2), (0.3, 1.5)])},
}  # fmt: skip
SCHEDULES = [
    "StepLR(opt, 2, gamma=0.5)", "ExponentialLR(opt, 0.8)", "CosineAnnealingLR(opt, 4)",
    "LambdaLR(opt, lambda i: 1 / (i + 1))", "MultiStepLR(opt, [1, 3])", "LinearLR(opt, 0.2, total_iters=3)",
]  # fmt: skip


def optimizers(seed: int) -> tuple[Lines, str]:
    """Some steps of an optimizer with some of its options, perhaps a schedule and clipping."""
    m = Maker(seed)
    shapes = [m.one([(3,), (2, 3), ()]) for _ in range(m.rng.integers(1, 4))]
    leaves = [m.leaf(shape) for shape in shapes]
    m.add(f"leaves = [{', '.join(leaves)}]")
    name = m.one(OPTIMIZERS)
    groups = "leaves"
    if len(leaves) > 1 and m.some(0.4):
        groups = "[{'params': leaves[:1]}, {'params': leaves[1:], 'lr': 0.05}]"
    options = chosen(m, OPTIMIZERS[name])
    if (
        name == "SGD"
        and "momentum=0.9" in options
        and "dampening=0.3" not in options
        and m.some(0.5)
    ):
        options += ", nesterov=True"
    if "lr=" not in options:
        options += ", lr=0.05"
    m.add(f"opt = torch.optim.{name}({groups}{options})")
    schedule = m.some(0.4)
    if schedule:
        m.add(f"plan = torch.optim.lr_scheduler.{m.one(SCHEDULES)}")
    m.add("known = []")
    clip = m.one(["", "", "torch.nn.utils.clip_grad_norm_(leaves, 0.5)",
                  "torch.nn.utils.clip_grad_value_(leaves, 0.2)"])  # fmt: skip
    for i in range(5):
        m.add(f"opt.zero_grad({m.one(['', 'set_to_none=False'])})")
        m.add(f"loss = sum(((p - 0.3) ** 2).sum() + (p * {i}).sin().sum() for p in leaves)")
        m.add("loss.backward()")
        if clip:
            m.add(clip)
        m.add("_ = opt.step()")
        if schedule:
            m.add("plan.step()")
        m.add("known += [p.detach().clone() for p in leaves]")
    return m.lines, ""


KINDS: dict[str, Callable[[int], tuple[Lines, str]]] = {
    "tensors": tensors,
    "losses": losses,
    "layers": layers,
    "optimizers": optimizers,
}


# ---- running ------------------------------------------------------------------------------------


def outcome(names: dict[str, Any], lines: Lines, loss: str) -> dict[str, Any]:
    """Values, gradients and second derivatives of a program in one world."""
    for line in lines:
        exec(line, names)  # noqa: S102
    torch = names["torch"]
    found = {f"value {i}": np.array(t.detach()) for i, t in enumerate(names["known"])}
    if not loss:
        return found
    found["loss"] = np.array(names[loss].detach())
    first = torch.autograd.grad(names[loss], names["leaves"], create_graph=True, allow_unused=True)
    for i, g in enumerate(first):
        found[f"gradient {i}"] = None if g is None else np.array(g.detach())
    grown = [g for g in first if g is not None and g.requires_grad]
    if grown:
        total = sum((g**2).sum() for g in grown)
        if total.requires_grad:
            second = torch.autograd.grad(total, names["leaves"], allow_unused=True)
            for i, g in enumerate(second):
                found[f"second {i}"] = None if g is None else np.array(g.detach())
    return found


def difference(kind: str, seed: int) -> str:
    """What a random program gives otherwise here, with its text; "" if all agrees."""
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lines, loss = KINDS[kind](seed)
        text = "\n".join(lines)
        both = worlds()
        try:
            right = outcome(both["torch"], lines, loss)
        except RuntimeError:  # a change in place of what a derivative needs there
            return ""
        try:
            found = outcome(both["here"], lines, loss)
        except Exception as error:  # noqa: BLE001  whatever it is, it is told
            return f"{type(error).__name__}: {error}\n{text}"
    largest: dict[str, float] = {}
    for name, a in right.items():
        if a is not None:
            size = float(np.abs(a[np.isfinite(a)]).max(initial=1))
            largest[name.split()[0]] = max(size, largest.get(name.split()[0], 1.0))
    for name, a in right.items():
        b = found.get(name)
        if a is not None and name.startswith("second") and not np.isfinite(a).all():
            continue  # as that of std at 0, which is 0 here
        a = None if a is None else a.astype(float)
        # what is not reached is None in one and 0 in the other: a derivative that is constant
        a, b = (np.zeros(1) if v is None else v for v in (a, b))
        if a.shape != b.shape and (a.any() or b.any()):
            return f"{name}: shape {a.shape}, here {b.shape}\n{text}"
        scale = 1e-7 * largest.get(
            name.split()[0], 1.0
        )  # which rounding is a part of, where terms cancel
        if a.shape == b.shape and not np.allclose(b, a, 1e-6, scale, equal_nan=True):
            return f"{name}: {a.tolist()}, here {b.tolist()}\n{text}"
    return ""


if __name__ == "__main__":
    kind, *numbers = sys.argv[1:]
    wrong = 0
    first, last = (int(numbers[0]), int(numbers[-1]) + 1) if numbers else (0, 200)
    for seed in range(first, last):
        if told := difference(kind, seed):
            wrong += 1
            print(f"--- {kind} {seed}: {told[:1500]}\n")
    print(f"{kind}: {wrong} of {last - first} differ")
