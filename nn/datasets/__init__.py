"""Small data sets for examples and tests: three tables in the package, and IDX files as MNIST's.

`iris`, `digits` and `diabetes` need no download; `mnist` reads four files wherever they are kept,
`read_idx` reads one, and `identify` says which it is. Everything comes as plain NumPy arrays.
Nothing is read before a function is called.
"""

from .idx import identify, mnist, read_idx
from .split import train_test_split
from .tables import Table, diabetes, digits, iris

__all__ = [
    "Table",
    "diabetes",
    "digits",
    "identify",
    "iris",
    "mnist",
    "read_idx",
    "train_test_split",
]
