"""PyTorch's places for what is part of `nn`: `autograd_lite.nn`, `.optim` and `.utils.data`.

In a clone the folder `nn` stands beside this package. Where `import nn` finds it, both names are
one module, with one identity of classes. Beside another `nn`, a user's or the unrelated one of the
package index, the folder is imported as `autograd_lite.nn`, and `import nn` stays what it was. A
wheel has the folder in this package, and a file nn.py that gives `autograd_lite.nn`.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

from .engine.user import NN

ROOT = __name__.rpartition(".")[0]
MOVED = {
    "optim": "nn.optim",
    "utils.data.sampler": "nn.samplers",
    "utils.data.dataset": "nn.data",
    "utils.data.dataloader": "nn.data",
    "utils.data.distributed": "nn.data",
    "utils.data": "nn.data",
    "nn.modules.module": "nn.module",
    "nn.modules.loss": "nn.losses",
    "nn.modules.utils": "nn.layers.utils",
    "nn.parameter": "nn.module",
    "nn.utils.clip_grad": "nn.utils",
    "nn.utils.convert_parameters": "nn.utils",
}  # PyTorch's place and ours
LAYERS = {  # PyTorch's files of `nn.modules`
    "activation", "adaptive", "batchnorm", "channelshuffle", "container", "conv", "distance",
    "dropout", "flatten", "fold", "instancenorm", "lazy", "linear", "normalization", "padding",
    "pixelshuffle", "pooling", "rnn", "sparse", "transformer", "upsampling",
}  # fmt: skip
OPTIMIZERS = {  # and of `optim`
    "adadelta", "adagrad", "adam", "adamax", "adamw", "asgd", "nadam", "radam", "rmsprop", "rprop",
    "sgd", "sparse_adam",
}  # fmt: skip
DISTRIBUTIONS = {  # PyTorch's files of `distributions`
    "bernoulli", "beta", "binomial", "categorical", "cauchy", "chi2", "dirichlet", "distribution",
    "exponential", "gamma", "geometric", "gumbel", "half_cauchy", "half_normal", "independent",
    "laplace", "log_normal", "mixture_same_family", "multinomial", "multivariate_normal", "normal",
    "one_hot_categorical", "poisson", "studentT", "transformed_distribution", "uniform",
}  # fmt: skip


def is_ours(file: str | None) -> bool:
    """Whether a module comes from the folder beside this package."""
    return file is not None and os.path.realpath(os.path.dirname(file)) == os.path.realpath(NN)


def top() -> str:
    """The name under which the folder is imported."""
    own = f"{ROOT}.nn"
    if own in sys.modules:
        return sys.modules[own].__name__
    if "nn" in sys.modules:
        found = getattr(sys.modules["nn"], "__file__", None)
    else:
        from importlib.util import find_spec  # with what it imports, 3 ms

        spec = find_spec("nn")
        found = None if spec is None else spec.origin
    return "nn" if is_ours(found) else own


def meant(name: str) -> str | None:
    """The module that a name below this package means, where that is a part of `nn`."""
    inner = name.removeprefix(f"{ROOT}.")
    place, _, last = inner.rpartition(".")
    if place == "nn.modules" and last in LAYERS:
        inner = "nn"  # which has what PyTorch has in files of its own
    if place == "optim" and last in OPTIMIZERS:
        inner = place
    for place, ours in MOVED.items():
        if inner == place or inner.startswith(f"{place}."):
            inner = ours + inner.removeprefix(place)
    if inner.startswith("distributions.") and inner.rpartition(".")[2] in DISTRIBUTIONS:
        return f"{ROOT}.distributions"  # which has what PyTorch has in files of their own
    return top() + inner[2:] if inner == "nn" or inner.startswith("nn.") else None


class Alias:
    """Loads a module by giving another one, which stays as it is."""

    def __init__(self, name: str) -> None:
        self.name = name

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.name)
        self.own = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.own  # which the import of the other name has replaced


class Places:
    """Finds PyTorch's names of modules."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        of_nn = getattr(sys.modules.get("nn"), "__name__", "")
        if name.startswith("nn.") and of_nn == f"{ROOT}.nn":
            ours: str | None = f"{ROOT}.{name}"
        elif name.startswith(f"{ROOT}."):
            ours = meant(name)
        else:
            return None
        if ours is None or (ours == name and name != f"{ROOT}.nn"):
            return None  # found as any other module
        if ours == name:
            from importlib.util import spec_from_file_location

            file = os.path.join(NN, "__init__.py")
            return spec_from_file_location(name, file, submodule_search_locations=[NN])
        if f"{ROOT}.{ours}" == name != f"{ROOT}.nn" and PathFinder.find_spec(ours, path) is None:
            return None
        loader: Any = Alias(ours)
        return ModuleSpec(name, loader)


class Reasons:
    """Says of a name that PyTorch has, and that an import did not find here, why."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        if sys._getframe(2).f_code.co_name != "_find_and_load_unlocked":
            return  # it is only asked whether there is one, as by importlib.util
        place, _, last = name.rpartition(".")
        ours = f"{place}.".startswith(f"{ROOT}.") or (place == "nn" and top() == "nn")
        if ours:
            reason = import_module(".absent", ROOT).absent(place, last)
            if reason is not None:  # without `name`, or Python says it in words of its own
                raise ModuleNotFoundError(reason)


sys.meta_path.insert(0, Places())
sys.meta_path.append(Reasons())
