"""Layers, data and a rate: what one report is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...engine.tape import Array
from ..answers.judge import Row
from ..answers.report import Report
from ..source.doors import Again, as_before, autodiff, of_layers, searchable
from .beside import Comparison
from .calls import as_floats, copies
from .engines import NETS
from .execution import (
    fault,
    pulled_back,
    raised,
    same_numbers,
)
from .probes import enlarged, inputs, layouts, like_target, samples
from .recording import Recording, Setting, forward, pull_one
from .slopes import own_stream
from .updates import LayerRecord, Pulled


@dataclass
class Trial(Setting):
    """Layers, data and a rate: what one report is about. An edit mends it if `also` holds then."""

    also: Callable[[], bool] = lambda: True

    def arrays(self) -> dict[str, Array]:
        """What is looked at for sizes and values that hide mistakes."""
        found = {"x": self.x}
        for name, layer in zip(self.names, self.layers, strict=True):
            for p, a in layer.values().items():
                found[f"{name}.{p}"] = a if p == layer.weight() else a.ravel()
        return found

    def samples(self) -> tuple[int, bool]:
        """How many samples the data are of, 0 if that cannot be said, and whether the prediction is
        one number for each."""
        with same_numbers(self.random):
            outputs, _ = forward(self.names, copies(self.layers), self.x)
        n = samples([self.x, *outputs])
        return n, outputs[-1].size == n or (n == 0 and 1 in outputs[-1].shape)

    def report(self) -> Report:
        """Autodiff's gradients and those by hand, compared."""
        random = self.random
        with same_numbers(random):
            outputs, changing = forward(self.names, copies(self.layers), self.x)
        try:
            self.criterion.settle(outputs[-1], self.y)
            value = self.criterion.number(outputs[-1], self.y)
        except Exception as error:
            shapes = f"prediction {outputs[-1].shape} and target {self.y.shape}"
            raise ValueError(f"compare_layers: the loss of {shapes} {raised(error)}") from error
        recorded = Recording(self, changing, outputs, value)
        apart = recorded.run()
        if apart is not None:
            return Report(value, (apart,), None)
        steps, loss = recorded.steps, recorded.loss
        slope = None
        if not self.criterion.given:
            slope = pulled_back(loss, steps[-1].y, np.ones(loss.shape))
        with same_numbers(random):
            pulled, grads, rows = self.pull(steps, slope)
        beside = Comparison(self, steps, loss, value, pulled, grads, rows)
        report = beside.report()
        wanted = beside.wanted()
        if not rows:  # those that are judged: not what the loss passes to a softmax that is in it
            wanted = {name: t for name, t in wanted.items() if name in beside.grads}
        once_more = self.once_more(steps, slope, [*outputs, value])
        return searchable(report, once_more, autodiff(beside.loss, wanted))

    def once_more(
        self, steps: Sequence[LayerRecord], slope: Array | None, results: Sequence[Any]
    ) -> Again:
        """The backward to run again; `results` are what the layers and the loss gave."""

        def again() -> dict[str, Any] | None:
            with same_numbers(self.random):
                pulled, grads, rows = self.pull(steps, slope)
            names = {step.name: [*step.params] for step in steps}
            return None if rows else of_layers(pulled, grads, names, self.rate)

        def same() -> bool:
            with same_numbers(self.random):
                now, _ = forward(self.names, copies(self.layers), self.x)
            results_now = [*now, self.criterion.number(now[-1], self.y)]
            return as_before(results_now, results) and self.also()

        owners = [*(layer.own for layer in self.layers), self.criterion.slope, self.x, self.y]
        return Again(owners, again, same, len(steps))

    def pull(
        self, steps: Sequence[LayerRecord], slope: Array | None
    ) -> tuple[dict[str, Pulled], dict[str, Any], list[Row]]:
        """The backward by hand: what each layer did, the gradients it gave, and what failed."""
        layers = copies(self.layers)
        prediction = forward(self.names, layers, self.x)[0][-1]
        for layer in layers:
            layer.zero_gradients()
        pulled: dict[str, Pulled] = {}
        g: Any = slope
        grads: dict[str, Any] = {}
        if slope is None:
            try:
                g = self.criterion.gradient(prediction, self.y)
            except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
                return {}, {}, [fault("loss_grad()", raised(error))]
            grads[f"{self.names[-1]} output"] = g
        for i in reversed(range(len(layers))):
            title = f"{self.names[i]}.{layers[i].spec.backward}()"
            try:
                did = pull_one(layers[i], [*steps[i].params], as_floats(g), self.rate)
            except Exception as error:  # noqa: BLE001  (the learner's own, whatever it is)
                return pulled, grads, [fault(title, raised(error))]
            g, pulled[self.names[i]] = did.given, did
            if g is not None:
                grads[f"{self.names[i - 1]} output" if i else "x"] = as_plain(g)
            elif i:
                return pulled, grads, [fault(title, "returned None; return the input's gradient")]
        return pulled, grads, []

    def resized(self, n: int, one: bool) -> Iterator[Trial]:
        """The same layers with random parameters and data of all different sizes, in each layout
        (rows or columns, weights (in, out) or (out, in)) that fits the sizes here; with one
        output if `one`."""
        if self.x.ndim != 2 or any(isinstance(layer, NETS) for layer in self.layers):
            return
        for features, in_first in layouts():
            rng = own_stream("sizes")
            layers = enlarged(self.layers, features, in_first, (n, one), rng)
            x = rng.standard_normal((n, inputs(n)) if features else (inputs(n), n))
            if layers is None:
                continue
            try:
                with np.errstate(all="ignore"), same_numbers(self.random):
                    outputs, _ = forward(self.names, copies(layers), x)
                    prediction = outputs[-1]
            except ValueError:
                continue
            y = like_target(self.y, prediction.shape, features, rng)
            if np.isfinite(prediction).all() and y is not None:
                yield replace(self, layers=layers, x=x, y=y)


def as_plain(g: Any) -> Any:
    """An array without the attributes that a learner's code gave it."""
    return np.asarray(g) if isinstance(g, np.ndarray) else g
