"""Networks as scikit-learn's estimators, for its pipelines, searches and scores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise
from typing import Any, Self

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError:
    raise ImportError(
        "autograd_lite.interop.sklearn needs scikit-learn 1.6 or newer; install it with: "
        "pip install -U scikit-learn"
    ) from None

from ..engine.modes import no_grad
from ..engine.tape import Array
from ..engine.tensor import Tensor
from ..random import fork_rng, manual_seed

nn: Any = import_module("autograd_lite.nn")  # the folder `nn`, under whatever name it is there

__all__ = ["NetClassifier", "NetRegressor"]


class _Net(BaseEstimator):  # type: ignore[misc]
    """What both share: the options, the network and its training."""

    def __init__(
        self,
        module: Callable[[int, int], Any] | None = None,
        hidden: Sequence[int] = (64,),
        activation: str = "ReLU",
        optimizer: str = "Adam",
        lr: float = 0.01,
        weight_decay: float = 0.0,
        epochs: int = 100,
        batch_size: int = 32,
        random_state: Any = None,
        callbacks: Sequence[Any] = (),
    ) -> None:
        self.module = module
        self.hidden = hidden
        self.activation = activation
        self.optimizer = optimizer
        self.lr = lr
        self.weight_decay = weight_decay
        self.epochs = epochs
        self.batch_size = batch_size
        self.random_state = random_state
        self.callbacks = callbacks

    def _trained(self, x: Array, y: Array, outputs: int, loss: Any) -> Self:
        """Make the network and train it; the generator of other random numbers is left alone."""
        seed = check_random_state(self.random_state).randint(2**31)
        with fork_rng():
            manual_seed(seed)
            make = self.module or self._layers
            self.module_ = make(x.shape[1], outputs).double()
            optimizer = getattr(nn.optim, self.optimizer)(
                self.module_.parameters(), lr=self.lr, weight_decay=self.weight_decay
            )
            data = nn.data.TensorDataset(x, y)
            loader = nn.data.DataLoader(data, batch_size=self.batch_size, shuffle=True)
            self.history_ = nn.train.fit(
                self.module_, loss, optimizer, loader, self.epochs,
                progress=False, callbacks=self.callbacks,
            )  # fmt: skip
        return self

    def _layers(self, inputs: int, outputs: int) -> Any:
        sizes = [inputs, *self.hidden]
        layers = []
        for before, after in pairwise(sizes):
            layers += [nn.Linear(before, after), getattr(nn, self.activation)()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))

    def _outputs(self, x: Any) -> Array:
        """What the network gives for checked inputs, in evaluation mode."""
        check_is_fitted(self)
        x = validate_data(self, x, dtype=np.float64, reset=False)
        self.module_.eval()
        with no_grad():
            y: Array = self.module_(Tensor(x)).numpy()
        return y


class NetClassifier(ClassifierMixin, _Net):  # type: ignore[misc]
    """A network that tells classes apart: a perceptron of `hidden` layers, or any other.

    `module(n_features, n_classes)` makes another network; its outputs are scores before softmax.
    `activation` and `optimizer` are names in `nn` and `nn.optim`; `epochs`, `batch_size` and
    `callbacks` go to `nn.train.fit`, whose history is `history_`. The network is `module_`, in
    float64, its classes `classes_`. Scale the inputs before, as in a pipeline with StandardScaler.

    >>> x = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> NetClassifier(random_state=0).fit(x, ["a", "a", "b", "b"]).predict(x).tolist()
    ['a', 'a', 'b', 'b']
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new network on inputs (n, features) and n labels of any kind; returns self."""
        x, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        return self._trained(x, numbers, len(self.classes_), nn.CrossEntropyLoss())

    def predict_proba(self, X: Any) -> Array:
        """The probability of each class, (n, classes)."""
        p: Array = nn.functional.softmax(Tensor(self._outputs(X)), dim=1).numpy()
        return p

    def predict(self, X: Any) -> Array:
        """The most probable label of each row."""
        best = self._outputs(X).argmax(axis=1)
        found: Array = self.classes_[best]
        return found


class NetRegressor(RegressorMixin, _Net):  # type: ignore[misc]
    """A network that predicts one number or several; see NetClassifier for the options.

    It is trained on the mean of the squared errors. Scale inputs and targets before, as with
    StandardScaler and TransformedTargetRegressor.

    >>> x = np.linspace(-1, 1, 20)[:, None]
    >>> NetRegressor(random_state=0).fit(x, x[:, 0] ** 2).score(x, x[:, 0] ** 2) > 0.9
    True
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train a new network on inputs (n, features) and targets (n,) or (n, outputs)."""
        x, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self._one = y.ndim == 1
        y = np.asarray(y, np.float64).reshape(len(y), -1)
        return self._trained(x, y, y.shape[1], nn.MSELoss())

    def predict(self, X: Any) -> Array:
        """The numbers for each row, in the shape of the targets."""
        y = self._outputs(X)
        return y[:, 0] if self._one else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
