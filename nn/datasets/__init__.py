"""Small data sets for examples and tests: three tables inside the package, and MNIST from a folder.

`iris`, `digits` and `diabetes` need no download; `mnist` reads the four standard files wherever
they are kept. Everything comes as plain NumPy arrays. Nothing is read before a function is called.
"""

from .idx import mnist
from .split import train_test_split
from .tables import Table, diabetes, digits, iris

__all__ = ["Table", "diabetes", "digits", "iris", "mnist", "train_test_split"]
