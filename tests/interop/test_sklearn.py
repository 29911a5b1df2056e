"""Networks as estimators: scikit-learn's own checks, its pipelines and searches."""

from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import get_default_dtype, manual_seed, rand
from nn import datasets

sklearn = pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from autograd_lite.interop.sklearn import NetClassifier, NetRegressor

ROOT = Path(__file__).resolve().parents[2]


@parametrize_with_checks([NetClassifier(), NetRegressor()])
@pytest.mark.filterwarnings("ignore")
def test_every_check_of_scikit_learn(estimator: Any, check: Any) -> None:
    check(estimator)


def test_a_pipeline_is_scored_and_searched() -> None:
    iris = datasets.iris()
    model = make_pipeline(StandardScaler(), NetClassifier(epochs=20, random_state=0))
    assert cross_val_score(model, iris.data, iris.target, cv=3).mean() > 0.9
    search = GridSearchCV(model, {"netclassifier__hidden": [(1,), (16,)]}, cv=2)
    search.fit(iris.data, np.array(iris.target_names)[iris.target])
    assert search.best_params_ == {"netclassifier__hidden": (16,)}
    assert set(search.predict(iris.data)) == set(iris.target_names)
    p = search.predict_proba(iris.data)
    np.testing.assert_allclose(p.sum(axis=1), 1)


def test_a_regression_with_scaled_targets() -> None:
    table = datasets.diabetes()
    x, x_test, y, y_test = datasets.train_test_split(table.data, table.target)
    net = NetRegressor(hidden=(8,), activation="Tanh", epochs=30, lr=0.003, random_state=0)
    model = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), net), transformer=StandardScaler()
    )
    assert model.fit(x, y).score(x_test, y_test) > 0.35
    both = np.stack([y, -y], axis=1)
    found = NetRegressor(epochs=1).fit(x, both).predict(x_test)
    assert found.shape == (len(x_test), 2)


def network(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, 8), nn.BatchNorm1d(8), nn.Dropout(0.1), nn.Linear(8, outputs)
    )


def test_any_network_optimizer_and_callback() -> None:
    iris = datasets.iris()
    losses: list[float] = []
    model = NetClassifier(
        module=network, optimizer="SGD", lr=0.1, epochs=15, random_state=3,
        callbacks=[lambda history: losses.append(history["loss"][-1])],
    )  # fmt: skip
    model.fit(iris.data, iris.target)
    assert model.score(iris.data, iris.target) > 0.8
    assert losses == model.history_["loss"] and len(losses) == 15
    assert isinstance(model.module_[1], nn.BatchNorm1d)
    assert not model.module_.training


def test_it_is_pickled_and_leaves_other_random_numbers_alone() -> None:
    iris = datasets.iris()
    manual_seed(0)
    expected = rand(3)
    manual_seed(0)
    model = NetClassifier(epochs=2, random_state=0).fit(iris.data, iris.target)
    assert rand(3).tolist() == expected.tolist()
    assert get_default_dtype() == np.float32
    again = pickle.loads(pickle.dumps(model))
    assert np.array_equal(again.predict_proba(iris.data), model.predict_proba(iris.data))
    same = clone(model).fit(iris.data, iris.target)
    assert np.array_equal(same.predict_proba(iris.data), model.predict_proba(iris.data))


def test_without_scikit_learn_the_error_says_how_to_get_it() -> None:
    code = """
import sys
sys.modules["sklearn"] = None
try:
    import autograd_lite.interop.sklearn
except ImportError as error:
    print(error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip().endswith("install it with: pip install -U scikit-learn")
