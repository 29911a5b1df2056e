"""What other tools take: `onnx` writes a model as their file, `sklearn` makes it their estimator.

Each module needs the package it is named after: `pip install "autograd_lite[onnx,sklearn]"`.
"""
