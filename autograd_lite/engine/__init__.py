"""The engine: operations and their rules, the tape, the Tensor. It needs NumPy alone."""
