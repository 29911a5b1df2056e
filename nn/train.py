"""Training loops: `fit`, `evaluate`, and the accuracy of a classifier."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from autograd_lite import Tensor, as_tensor, distributed, no_grad
from autograd_lite import compile as compiled
from autograd_lite.work import bar

from .checkpoints import Checkpoints
from .data import DataLoader
from .module import Module
from .optim import Optimizer
from .optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, Schedule

__all__ = ["History", "accuracy", "evaluate", "fit"]

Metric = Callable[[Any, Any], Any]
Metrics = Mapping[str, Metric] | Iterable[str] | str | None

SHOWN_ROWS = 20  # in the repr of a longer history, the first and the last


class History:
    """What `fit` measured: one row for each whole epoch.

    `history["loss"]` is a list with one number per epoch, `history.rows` the dictionaries they
    come from, `history.interrupted` whether Ctrl-C ended the training.

    >>> history = History()
    >>> history.rows += [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}]
    >>> history["loss"]
    [0.5, 0.25]
    >>> history
     epoch  loss
         1   0.5
         2  0.25
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.interrupted = False

    def state_dict(self) -> dict[str, Any]:
        """The rows, for a checkpoint."""
        return {"rows": [dict(row) for row in self.rows]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over the rows of `state_dict()`."""
        self.rows = [dict(row) for row in state_dict["rows"]]

    def keys(self) -> list[str]:
        """The names of the columns."""
        return list(dict.fromkeys(key for row in self.rows for key in row))

    def __getitem__(self, name: str) -> list[Any]:
        if self.rows and name not in self.keys():
            raise KeyError(f"History: there is no {name!r}; there are {', '.join(self.keys())}")
        return [row[name] for row in self.rows if name in row]

    def __contains__(self, name: str) -> bool:
        return name in self.keys()

    def __len__(self) -> int:
        return len(self.rows)

    def __repr__(self) -> str:
        names = self.keys()
        table = [names] + [[_text(row.get(name, "")) for name in names] for row in self.rows]
        if len(self) > SHOWN_ROWS:
            half = SHOWN_ROWS // 2
            table[1 + half : -half] = [["..." for _ in names]]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [
            " " + "  ".join(cell.rjust(w) for cell, w in zip(row, widths, strict=True))
            for row in table
        ]
        if not self.rows:
            lines = ["History(no whole epoch)"]
        return "\n".join(lines + [" interrupted"] * self.interrupted)


def accuracy(output: Any, target: Any, threshold: float = 0.0) -> float:
    """The fraction of samples that are classified rightly.

    Scores (n, classes, ...) against class numbers (n, ...) or against probabilities of the same
    shape: the class with the highest score counts. One score per sample, (n,) or (n, 1), against
    0 and 1 in the same shape: it counts as 1 above `threshold`, which is 0 for logits and 0.5 for
    probabilities. ValueError for other shapes.

    >>> accuracy(np.array([[2.0, 1.0], [0.0, 3.0]]), np.array([0, 0]))
    0.5
    """
    scores, truth = as_tensor(output).array, as_tensor(target).array
    if scores.shape == truth.shape and (scores.ndim == 1 or scores.shape[1:] == (1,)):
        right = (scores > threshold) == (truth > 0.5)
    elif scores.shape == truth.shape and scores.ndim > 1:
        if (truth < 0).any() or (truth > 1).any():
            raise ValueError(
                f"accuracy: a target of shape {truth.shape} should hold probabilities, and has "
                f"values from {truth.min():g} to {truth.max():g}; is this a regression?"
            )
        right = scores.argmax(1) == truth.argmax(1)
    elif (
        scores.ndim > 1
        and scores.shape[1] > 1
        and scores.shape[:1] + scores.shape[2:] == truth.shape
    ):
        right = scores.argmax(1) == truth
    else:
        raise ValueError(
            f"accuracy: an output of shape {scores.shape} and a target of shape {truth.shape} do "
            "not go together; give scores (n, classes) and class numbers (n,), or one score and "
            "one 0 or 1 per sample in the same shape"
        )
    return float(right.mean()) if right.size else float("nan")


def evaluate(
    model: Callable[..., Any], loss_fn: Metric, loader: Iterable[Any], metrics: Metrics = None
) -> dict[str, float]:
    """The loss and the metrics of a model over all batches of a loader, and nothing else changes.

    The model is in eval mode meanwhile, and nothing is recorded. Results are means over the
    samples, as in `fit`, where batches and metrics are explained too.

    >>> data = [(np.zeros((2, 1)), np.array([0.0, 1.0]))]
    >>> evaluate(lambda x: x[:, 0], lambda output, target: (output - target).abs().mean(), data)
    {'loss': 0.5}
    """
    with _mode(model, False), no_grad():
        return _Means("evaluate", metrics).over(model, loss_fn, loader, lambda: False)


def fit(
    model: Callable[..., Any],
    loss_fn: Metric,
    optimizer: Optimizer,
    loader: Iterable[Any],
    epochs: int,
    *,
    metrics: Metrics = None,
    validation: Iterable[Any] | None = None,
    progress: bool | str = "auto",
    scheduler: Schedule | None = None,
    callbacks: Iterable[Any] = (),
    checkpoint: str | os.PathLike[str] | None = None,
    every: int = 1,
    keep_last: int | None = 2,
    resume: bool = True,
    compile: bool = False,
) -> History:
    """Train a model up to `epochs` epochs, and return what was measured.

    model: a Module, which is in training mode meanwhile, or any function of the inputs.
    loss_fn: `loss_fn(output, target)` gives the mean loss of a batch as a scalar tensor.
    loader: gives the batches in each epoch anew: `(input, target)`, or several inputs and a target.
    metrics: "accuracy", a list of such names, or a dictionary from a name to a function
        `metric(output, target)` that gives a number.
    validation: another loader, evaluated after each epoch in eval mode; its columns are called
        val_loss and so on.
    progress: "auto" shows a bar if standard error is a terminal and tqdm is installed; True insists
        on it, False never shows one.
    scheduler: makes a step after each epoch, ReduceLROnPlateau with val_loss, or loss without
        validation; OneCycleLR after each batch. The history then has a column lr.
    callbacks: functions called with the history after each epoch; one that returns True ends the
        training. What has a method `add_scalar(name, value, epoch)`, as a SummaryWriter of
        TensorBoard, gets every column of the epoch instead.
    checkpoint: a folder for checkpoints, one after each `every` epochs and at the end, of which the
        last `keep_last` stay (all with None). If there are any, the training goes on from the last,
        to the bit: with weights, rates, history, random numbers and the order of the data as they
        were. The whole script is simply run again. With `resume=False` a folder that has some is a
        ValueError. Callbacks with `state_dict()` and `load_state_dict()` are saved too; what the
        data draw themselves, from the module random, say, is not.
    compile: whether generated code makes the steps, as `autograd_lite.compile` does, with what that
        says of effects and of models that it cannot follow. Many batches of a DataLoader of tensors
        are one call then, where the scheduler is none that makes a step after each. Metrics are
        those of the validation alone, as nobody sees the outputs of the training.

    Losses and metrics are means over the samples of an epoch, batches weighted by their size; those
    of the training batches are measured on the way, before each batch's update. A loss that is
    infinite or NaN is a RuntimeWarning, once, which names the epoch and the batch; training goes
    on, since an optimiser may recover from one, and callbacks can end it.

    Where several ranks train (see `autograd_lite.distributed`), the history is that of all, and
    rank 0 alone shows the bar and writes checkpoints, which as many ranks read.

    Ctrl-C ends the training after the batch at hand, and a second one at once: the history of the
    whole epochs so far is returned, with `interrupted` set, and a line on standard error says so.

    >>> from autograd_lite import manual_seed
    >>> from autograd_lite.nn import Linear, MSELoss; from autograd_lite.nn.optim import SGD
    >>> _ = manual_seed(0)
    >>> x = np.linspace(-1, 1, 8, dtype=np.float32)[:, None]
    >>> model = Linear(1, 1)
    >>> history = fit(model, MSELoss(), SGD(model.parameters(), lr=0.5), [(x, 3 * x + 1)], 40)
    >>> len(history), history["loss"][-1] < 1e-4
    (40, True)
    """
    if epochs < 0:
        raise ValueError(f"fit: epochs is {epochs}; it cannot be negative")
    history = History()
    callbacks = list(callbacks)
    parts: dict[str, Any] = {"model": model, "loss_fn": loss_fn, "optimizer": optimizer}
    parts |= {"scheduler": scheduler, "loader": loader, "validation": validation}
    parts |= {f"callback{i}": callback for i, callback in enumerate(callbacks)}
    parts["history"] = history
    if checkpoint is not None:
        _check_saved(optimizer, model, loss_fn)
    kept = Checkpoints(checkpoint, every, keep_last, parts)
    start, ended = kept.resume(resume)
    means = _Means("fit", None if compile else metrics)
    val_means = _Means("fit: validation", metrics)
    shown = _bar(progress, loader, start, epochs)
    with _mode(model, True), _ctrl_c() as pressed, shown as drawn:
        batches = 0
        step = _step(model, loss_fn, optimizer) if compile else None
        every_step = isinstance(scheduler, OneCycleLR)

        def train(batch: int, loss: Any) -> None:
            means.check(epoch, batch, loss.item())
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            end(batch)

        def trained(batch: int, loss: float) -> None:
            means.check(epoch, batch, loss)
            end(batch)

        def end(batch: int) -> None:
            nonlocal batches
            if isinstance(scheduler, OneCycleLR):
                scheduler.step()
            batches = batch
            if drawn is not None:
                drawn.set_postfix_str(means.text(), refresh=False)
                drawn.update()

        epoch = 0
        try:
            for epoch in range(start + 1, 0 if ended else epochs + 1):
                batches = 0
                if drawn is not None:
                    drawn.set_description_str(f"epoch {epoch}/{epochs}", refresh=False)
                _begin(loader, epoch)
                row: dict[str, Any] = {"epoch": epoch}
                if scheduler is not None:
                    row["lr"] = optimizer.param_groups[0]["lr"]
                if step is None:
                    row |= means.over(model, loss_fn, loader, pressed, train)
                else:
                    row |= means.compiled(step, loader, pressed, trained, every_step)
                if validation is not None and not pressed():
                    row |= _validated(val_means, model, loss_fn, validation, pressed)
                if pressed():
                    raise KeyboardInterrupt
                history.rows.append(row)
                _advance(scheduler, row)
                ended = _told_all(callbacks, history)
                kept.save(epoch, ended, last=ended or epoch == epochs)
                if ended:
                    break
        except KeyboardInterrupt as pressed_twice:
            _end_ranks(pressed_twice)
            history.interrupted = True
    if history.interrupted:
        print(
            f"fit: interrupted in epoch {epoch} of {epochs}, after {batches} batches of it; "
            f"the history holds {len(history)} whole epochs",
            file=sys.stderr,
        )
    return history


def _step(model: Callable[..., Any], loss_fn: Metric, optimizer: Optimizer) -> Any:
    """A compiled step on inputs and a target."""

    def loss_of(*batch: Any) -> Any:
        *inputs, target = batch
        return loss_fn(model(*inputs), target)

    return compiled(loss_of, optimizer)


def _begin(loader: Any, epoch: int) -> None:
    """Tell a DistributedSampler which epoch it is."""
    set_epoch = getattr(getattr(loader, "sampler", None), "set_epoch", None)
    if set_epoch is not None:
        set_epoch(epoch)


def _end_ranks(error: BaseException) -> None:
    """Let what ends this rank end the others too, where there are any."""
    if distributed.is_initialized():
        raise error


def _advance(scheduler: Any, row: dict[str, Any]) -> None:
    """The step of a schedule after an epoch."""
    if isinstance(scheduler, ReduceLROnPlateau):
        scheduler.step(row.get("val_loss", row["loss"]))
    elif scheduler is not None and not isinstance(scheduler, OneCycleLR):
        scheduler.step()


def _check_saved(optimizer: Optimizer, *owners: Any) -> None:
    """ValueError if a parameter is trained that no checkpoint would hold."""
    found = {id(p) for x in owners if isinstance(x, Module) for p in x.parameters()}
    for p in (p for group in optimizer.param_groups for p in group["params"]):
        if id(p) not in found:
            raise ValueError(
                f"fit: checkpoint= would lose a parameter of shape {p.shape} that the optimizer "
                "trains; it has to be of model or loss_fn, as Modules"
            )


def _validated(
    means: _Means, model: Any, loss_fn: Metric, loader: Iterable[Any], pressed: Callable[[], bool]
) -> dict[str, float]:
    """The columns of a validation."""
    with _mode(model, False), no_grad():
        results = means.over(model, loss_fn, loader, pressed)
    return {f"val_{name}": value for name, value in results.items()}


def _told_all(callbacks: Iterable[Any], history: History) -> bool:
    """Whether one of the callbacks, which all are told of a new epoch, ends the training."""
    answers = [_told(callback, history) for callback in callbacks]
    return any(answer is True for answer in answers)


def _told(callback: Any, history: History) -> Any:
    """The answer of a callback to a new epoch."""
    if not hasattr(callback, "add_scalar"):
        return callback(history)
    columns = dict(history.rows[-1])
    epoch = columns.pop("epoch")
    for name, value in columns.items():
        callback.add_scalar(name, value, epoch)
    return None


class _Means:
    """The loss and the metrics of the batches of an epoch, as means over its samples."""

    def __init__(self, where: str, metrics: Metrics) -> None:
        self.where = where
        self.metrics = _functions(where, metrics)
        self.warned = False
        self.sums: dict[str, float] = {}
        self.samples = 0

    def over(
        self,
        model: Callable[..., Any],
        loss_fn: Metric,
        loader: Iterable[Any],
        pressed: Callable[[], bool],
        train: Callable[[int, Any], None] | None = None,
    ) -> dict[str, float]:
        """Go through a loader, and call `train(batch, loss)` after each batch."""
        self.sums, self.samples = dict.fromkeys(["loss", *self.metrics], 0.0), 0
        number = 0
        for number, batch in enumerate(loader, 1):
            *inputs, target = self._parts(batch)
            output = model(*inputs)
            loss = loss_fn(output, target)
            if not isinstance(loss, Tensor) or loss.array.size != 1:
                kind = f"tensor of shape {loss.shape}" if isinstance(loss, Tensor) else type(loss)
                raise TypeError(f"{self.where}: loss_fn gave a {kind}, not a scalar tensor")
            with no_grad():
                found = {name: float(f(output, target)) for name, f in self.metrics.items()}
            n = len(target) if getattr(target, "ndim", 1) else 1
            self.samples += n
            for name, value in {"loss": loss.item(), **found}.items():
                self.sums[name] += n * value
            if train is not None:
                train(number, loss)
            if pressed():
                break
        return self._means(number)

    def compiled(
        self,
        step: Any,
        loader: Any,
        pressed: Callable[[], bool],
        trained: Callable[[int, float], None],
        every_step: bool,
    ) -> dict[str, float]:
        """Train with a compiled step, and call `trained(batch, loss)` after each batch; of a loader
        of rows with many of them in a call, but with `every_step`."""
        self.sums, self.samples = {"loss": 0.0}, 0
        number = 0
        for turn in self._turns(step, loader, every_step):
            for n, loss in turn:
                number += 1
                self.samples += n
                self.sums["loss"] += n * loss
                trained(number, loss)
            if pressed():
                break
        return self._means(number)

    def _turns(self, step: Any, loader: Any, every_step: bool) -> Iterator[list[tuple[int, float]]]:
        """The sizes and losses of some batches at a time."""
        rows = loader._rows() if isinstance(loader, DataLoader) and not every_step else None
        if rows is None or len(rows[0]) < 2:
            for batch in loader:
                *inputs, target = self._parts(batch)
                loss = step(*inputs, target).item()
                yield [(len(target) if getattr(target, "ndim", 1) else 1, loss)]
            return
        arrays, order, size = rows
        left = len(order)
        for losses in step._turns(arrays, order, size):
            yield [(min(size, left - i * size), float(loss)) for i, loss in enumerate(losses)]
            left -= len(losses) * size

    def _means(self, number: int) -> dict[str, float]:
        """The means, after so many batches."""
        if self.where != "evaluate":  # which one rank may call alone
            self._over_ranks()
        if not number:
            raise ValueError(
                f"{self.where}: the loader gave no batches; is it a generator that was used up, or "
                "a DataLoader with drop_last and too few samples?"
            )
        return {name: total / (self.samples or math.nan) for name, total in self.sums.items()}

    def _over_ranks(self) -> None:
        """The sums over all ranks, so that each has the same history."""
        found = distributed.gathered([self.samples, *self.sums.values()])
        if len(found) > 1:
            self.samples, *totals = (sum(values) for values in zip(*found, strict=True))
            self.sums = dict(zip(self.sums, totals, strict=True))

    def check(self, epoch: int, batch: int, loss: float) -> None:
        """Warn of the first loss that is infinite or NaN, at the line that called `fit`."""
        if not math.isfinite(loss) and not self.warned:
            self.warned = True
            warnings.warn(
                f"{self.where}: the loss is {loss} in epoch {epoch}, batch {batch}; a lower "
                "learning rate, clip_grad_norm_ or scaled inputs may help",
                RuntimeWarning,
                stacklevel=5,
            )

    def text(self) -> str:
        """The means so far, for the bar."""
        samples = self.samples or math.nan
        return ", ".join(f"{name} {total / samples:.4g}" for name, total in self.sums.items())

    def _parts(self, batch: Any) -> list[Any]:
        """Inputs and target, arrays as tensors."""
        if not isinstance(batch, tuple | list) or len(batch) < 2:
            raise TypeError(
                f"{self.where}: a batch is a {type(batch).__name__}; the loader must give tuples "
                "(input, target)"
            )
        return [Tensor(part) if isinstance(part, np.ndarray) else part for part in batch]


def _functions(where: str, metrics: Metrics) -> dict[str, Metric]:
    """The metrics by name."""
    known = {"accuracy": accuracy}
    if isinstance(metrics, Mapping):
        return dict(metrics)
    names = [metrics] if isinstance(metrics, str) else list(metrics or ())
    for name in names:
        if name not in known:
            raise ValueError(
                f"{where}: there is no metric {name!r}; known are {', '.join(known)}, others are "
                "given as a dictionary {name: function(output, target)}"
            )
    return {name: known[name] for name in names}


@contextmanager
def _mode(model: Any, training: bool) -> Iterator[None]:
    """A Module in training or eval mode; afterwards every part has its own mode back."""
    if not isinstance(model, Module):
        yield
        return
    before = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, was in before:
            module.training = was


@contextmanager
def _ctrl_c() -> Iterator[Callable[[], bool]]:
    """A function that says whether Ctrl-C was pressed; a second press is a KeyboardInterrupt.

    Only where Python's own handler is in place, and in the main thread: others cannot have one. Not
    where several ranks train: they would stop at different batches.
    """
    pressed = threading.Event()
    main = threading.current_thread() is threading.main_thread()
    alone = main and not distributed.is_initialized()
    if not alone or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield pressed.is_set
        return

    def note(*_: Any) -> None:
        pressed.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)

    signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _bar(progress: bool | str, loader: Any, start: int, epochs: int) -> Any:
    """A bar over all batches of all epochs, those until `start` done before."""
    batches = len(loader) if hasattr(loader, "__len__") else None
    total, done = (None, 0) if batches is None else (epochs * batches, start * batches)
    return bar("fit", progress, total=total, initial=done, unit="batch")


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
