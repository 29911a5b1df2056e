"""Iris, digits and diabetes, from the .npz files beside this module (tests/make_datasets.py)."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class Table:
    """A data set with one row per sample.

    data: float64, shape (n, features).
    target: shape (n,); int64 class numbers from 0, or float64 where a quantity is to be predicted.
    feature_names: one name per column of `data`.
    target_names: one name per class; empty where the target is a quantity.
    description: what a row, a column and the target are, in a sentence or two.

    The fields cannot be reassigned; the arrays are the caller's own and can be written to.

    >>> iris()
    Table(data float64 (150, 4), target int64 (150,))
    """

    data: NDArray[np.float64]
    target: NDArray[Any]
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    description: str

    def __repr__(self) -> str:
        fields = (("data", self.data), ("target", self.target))
        return f"Table({', '.join(f'{name} {a.dtype} {a.shape}' for name, a in fields)})"


def iris() -> Table:
    """Return Fisher's iris flowers: four lengths in cm, three species of 50 flowers each.

    data float64 (150, 4), target int64 (150,) in 0..2; equal to scikit-learn's `load_iris`.

    Origin: measured by E. Anderson; R. A. Fisher, "The use of multiple measurements in taxonomic
    problems", Annals of Eugenics 7 (1936) 179-188; UCI Machine Learning Repository,
    doi:10.24432/C56C76, CC BY 4.0. Two flowers that the UCI file has wrong are as in Fisher's
    paper here, as in scikit-learn and R.

    >>> flowers = iris()
    >>> flowers.data[0].tolist(), flowers.target_names[flowers.target[0]]
    ([5.1, 3.5, 1.4, 0.2], 'setosa')
    """
    data, target = _load("iris")
    return Table(
        data,
        target.astype(np.int64),
        ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)"),
        ("setosa", "versicolor", "virginica"),
        "Iris flowers: length and width of sepal and petal in cm; the target is the species.",
    )


def digits() -> Table:
    """Return 1,797 handwritten digits of 8 x 8 pixels, a row each, with their classes 0 to 9.

    data float64 (1797, 64) with whole values 0 (background) to 16, target int64 (1797,); equal to
    scikit-learn's `load_digits`. `data.reshape(-1, 8, 8)` gives the images.

    Origin: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits" (1998), test
    set, 13 writers; UCI Machine Learning Repository, doi:10.24432/C50P49, CC BY 4.0.

    >>> images = digits().data.reshape(-1, 8, 8)
    >>> images.shape, images.min(), images.max()
    ((1797, 8, 8), np.float64(0.0), np.float64(16.0))
    """
    data, target = _load("digits")
    return Table(
        data,
        target.astype(np.int64),
        tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
        tuple("0123456789"),
        "Handwritten digits: 8 x 8 pixels of 0 to 16, row by row; the target is the digit.",
    )


def diabetes() -> Table:
    """Return ten standardised measurements of 442 diabetes patients and the disease a year later.

    data float64 (442, 10): age, sex, body mass index, mean blood pressure and six blood serum
    values (total cholesterol, LDL, HDL, total / HDL, probably the logarithm of triglycerides,
    glucose); every column has mean 0 and sum of squares 1. target float64 (442,): a measure of
    progression, 25 to 346. Equal to scikit-learn's `load_diabetes` with its default scaling.

    Origin: B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least Angle Regression", Annals of
    Statistics 32 (2004) 407-499. Licence: none is known to be stated for the data themselves; see
    README.md in this folder.

    >>> patients = diabetes()
    >>> patients.target[:3].tolist(), patients.feature_names[:4]
    ([151.0, 75.0, 141.0], ('age', 'sex', 'bmi', 'bp'))
    """
    data, target = _load("diabetes")
    # Two divisions, as scikit-learn does it: one by std * sqrt(n) differs in the last bit.
    data = (data - data.mean(axis=0)) / data.std(axis=0) / len(data) ** 0.5
    return Table(
        data,
        target.astype(np.float64),
        ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6"),
        (),
        "Diabetes patients: ten measurements, each with mean 0 and sum of squares 1; the target is "
        "a measure of the progression of the disease one year later.",
    )


def _load(name: str) -> tuple[NDArray[np.float64], NDArray[Any]]:
    # Whole numbers and the unit of each column (1, 10, ... 10000) are stored: 51 / 10 is the same
    # double as 5.1, because a division rounds to the nearest one just as reading decimals does.
    path = os.path.join(os.path.dirname(__file__), f"{name}.npz")
    with np.load(path, allow_pickle=False) as file:
        return file["data"] / file["unit"], file["target"]
