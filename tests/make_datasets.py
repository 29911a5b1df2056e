"""Make nn/datasets/{iris,digits,diabetes}.npz from scikit-learn: python tests/make_datasets.py

The numbers are stored as integers, with the unit (a power of ten) of each column; the division
gives back every float64 exactly, which is checked here and in tests/nn/test_datasets.py.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parents[1] / "nn" / "datasets"


def units(data: NDArray[np.float64]) -> NDArray[np.uint16]:
    """Return for each column the smallest power of ten that makes its values whole."""

    def unit(column: NDArray[np.float64]) -> int:
        for power in (1, 10, 100, 1000, 10000):
            if np.array_equal(np.rint(column * power) / power, column):
                return power
        raise ValueError("a column has more than four decimals")

    return np.array([unit(column) for column in data.T], np.uint16)


def smallest(values: NDArray[np.float64]) -> NDArray[Any]:
    """Return whole non-negative values in the smallest unsigned type, uint8 or uint16."""
    dtype = np.uint8 if values.max() < 256 else np.uint16
    whole = np.rint(values).astype(dtype)
    if not np.array_equal(whole, np.rint(values)):
        raise ValueError("values do not fit uint16")
    return whole


def compact(data: NDArray[np.float64], target: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """Return the arrays to store for one table."""
    unit = units(data)
    return {"data": smallest(data * unit), "unit": unit, "target": smallest(target)}


def tables() -> dict[str, dict[str, NDArray[Any]]]:
    """Return the contents of the three files, from scikit-learn."""
    loaders: Any = import_module("sklearn.datasets")  # here: the tests import this module

    return {
        "iris": compact(*loaders.load_iris(return_X_y=True)),
        "digits": compact(*loaders.load_digits(return_X_y=True)),
        "diabetes": compact(*loaders.load_diabetes(return_X_y=True, scaled=False)),
    }


if __name__ == "__main__":
    for name, arrays in tables().items():
        path = FOLDER / f"{name}.npz"
        np.savez_compressed(path, data=arrays["data"], unit=arrays["unit"], target=arrays["target"])
        print(f"{path.name}: {path.stat().st_size} bytes")
