"""Random division of samples into a training and a test part."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def train_test_split(
    *arrays: ArrayLike,
    test_fraction: float = 0.2,
    seed: "int | np.random.Generator | None" = 0,  # quoted: NumPy loads numpy.random on first use
) -> list[NDArray[Any]]:
    """Shuffle the rows of all arrays alike and divide them into a training and a test part.

    Returns copies, in scikit-learn's order: training and test part of the first array, then of
    the second, and so on. The test part has `round(n * test_fraction)` of the n rows. The same
    seed gives the same division; None gives a new one each time.

    ValueError if the arrays differ in their number of rows, or if a part would be empty.

    >>> x, y = np.arange(10).reshape(5, 2), np.arange(5)
    >>> x_train, x_test, y_train, y_test = train_test_split(x, y, test_fraction=0.4)
    >>> x_train.shape, x_test.shape
    ((3, 2), (2, 2))
    >>> bool((x_test[:, 0] == 2 * y_test).all())
    True
    """
    rows = [np.asarray(a) for a in arrays]
    if len({a.shape[:1] for a in rows}) != 1 or rows[0].ndim == 0:
        shapes = ", ".join(str(a.shape) for a in rows) or "no arrays"
        raise ValueError(
            f"train_test_split: needs arrays with the same number of rows, got {shapes}"
        )
    n = len(rows[0])
    n_test = round(n * test_fraction)
    if not 0 < n_test < n:
        raise ValueError(
            f"train_test_split: test_fraction {test_fraction} of {n} rows puts {n_test} rows in "
            f"the test part; both parts need at least one"
        )
    order = np.random.default_rng(seed).permutation(n)
    test, train = order[:n_test], order[n_test:]
    return [part for a in rows for part in (a[train], a[test])]
