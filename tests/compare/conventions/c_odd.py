"""Right but odd classes, and mistakes in them: batches of columns with a later 1/m, one output,
context objects, Torch7's words, residual blocks, attention, a net of dictionaries."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import compare_layers

from .bed import Array, impl, rand, sigmoid


def squares(p: Any, t: Any) -> Any:
    return np.sum((p - t) ** 2) / 2


def difference(p: Array, t: Array) -> Array:
    return p - t


@impl(
    "columns, the 1/m in the gradients of parameters",
    "compare_layers",
    {
        "relu of dA": (("layers[1].b", "layers[1].W"), r"mask|upstream|arriving"),
        "db by the rows of dA": ("layers[1].b", r""),
        "dW without 1/m in one layer": ("layers[1].W", r"6 times|batch|1/n|not divided"),
    },
)
def later_means(slip: str | None, dt: Any) -> Any:
    r = rand(51, dt)

    class Layer:
        def __init__(self, n: int, m: int, relu: bool) -> None:
            self.params = {"W": r(m, n), "b": np.zeros((m, 1), dt)}
            self.cache: Any = None
            self.grads: dict[str, Array] = {}
            self.relu = relu

        def forward(self, A_prev: Any) -> Any:
            Z = np.dot(self.params["W"], A_prev) + self.params["b"]
            self.cache = (A_prev, self.params["W"], Z)
            return np.maximum(0, Z) if self.relu else Z

        def backward(self, dA: Array) -> Array:
            A_prev, W, Z = self.cache
            m = A_prev.shape[1]
            dZ = np.array(dA, copy=True)
            if self.relu:
                dZ[(dA if slip == "relu of dA" else Z) <= 0] = 0
            last = len(W) == 2
            by = 1 if slip and "1/m" in slip and last else m
            db = np.sum(dZ, axis=1, keepdims=True) / m
            db = db[::-1] if slip and "rows" in slip and last else db
            self.grads = {"dW": np.dot(dZ, A_prev.T) / by, "db": db}
            return np.dot(W.T, dZ)

    def cost(A: Any, Y: Any) -> Any:
        return np.sum((A - Y) ** 2) / (2 * Y.shape[1])

    layers = [Layer(3, 4, True), Layer(4, 2, False)]
    if slip == "relu of dA":
        layers = [*layers[:1], Layer(4, 4, True), *layers[1:]]
        layers[0].relu = False
    return compare_layers(layers, cost, difference, r(3, 6), r(2, 6))


@impl(
    "one output, a mean over the samples",
    "compare_layers",
    {
        "derivative of the second sigmoid": ("layers[2] output", r"sigmoid"),
        "prediction for target": ("layers[3] output", r""),
    },
)
def one_output(slip: str | None, dt: Any) -> Any:
    r = rand(52, dt)

    class Dense:
        def __init__(self, n: int, m: int) -> None:
            self.W, self.b = r(n, m), np.zeros(m, dt)

        def forward(self, x: Any) -> Any:
            self.x = x
            return x @ self.W + self.b

        def backward(self, g: Array) -> Array:
            self.dW, self.db = self.x.T @ g, g.sum(axis=0)
            return g @ self.W.T

    class Sigmoid:
        def forward(self, x: Any) -> Any:
            self.o = sigmoid(x)
            return self.o

        def backward(self, g: Array) -> Array:
            wrong = slip and "second" in slip and g.shape[1] == 1
            return g * self.o * (self.o if wrong else 1 - self.o)

    def loss(y_hat: Any, y: Any) -> Any:
        return -np.mean(y * np.log(y_hat + 1e-8) + (1 - y) * np.log(1 - y_hat + 1e-8))

    def slope(y_hat: Array, y: Array) -> Array:
        d = y_hat - (1 - y if slip and "prediction" in slip else y)
        return d / (y_hat * (1 - y_hat)) / len(y)

    target = np.array([[0.0], [1], [1], [0], [1], [0]], dt)
    return compare_layers(
        [Dense(3, 4), Sigmoid(), Dense(4, 1), Sigmoid()], loss, slope, r(6, 3), target
    )


@impl(
    "Torch7's words",
    "compare_layers",
    {
        "gradW without the batch": ("layers[1].W", r"sample|first|row"),
        "gradInput of input": (
            ("layers[0] output", "layers[1].updateGradInput()"),
            r"times .* once too often",
        ),
    },
)
def torch7(slip: str | None, dt: Any) -> Any:
    r = rand(53, dt)

    class Linear:
        def __init__(self, n: int, m: int) -> None:
            self.W, self.b = r(m, n), r(m)
            self.gradW, self.gradb = np.zeros((m, n), dt), np.zeros(m, dt)

        def updateOutput(self, input: Any) -> Any:
            self.output = input @ self.W.T + self.b
            return self.output

        def updateGradInput(self, input: Array, gradOutput: Array) -> Array:
            wrong = slip and "of input" in slip and len(self.W) == 2
            self.gradInput = gradOutput @ self.W * (input if wrong else 1)
            return self.gradInput

        def accGradParameters(self, input: Array, gradOutput: Array) -> None:
            wrong = slip and "batch" in slip and len(self.W) == 2
            self.gradW += np.outer(gradOutput[0], input[0]) if wrong else gradOutput.T @ input
            self.gradb += gradOutput.sum(axis=0)

    return compare_layers([Linear(3, 4), Linear(4, 2)], squares, difference, r(5, 3), r(5, 2))


@impl(
    "blocks of layers",
    "compare_layers",
    {
        "the branch past the block left out": (("fc output",), r"overwrites|contribution|branch"),
        "attention without the scale": (
            ("attention.Wq", "attention.Wk", "block output"),
            r"factor 2|scale",
        ),
    },
)
def blocks(slip: str | None, dt: Any) -> Any:
    r = rand(54, dt)

    class Linear:
        def __init__(self, n: int, m: int) -> None:
            self.W, self.b = r(n, m, k=0.5), r(m)

        def forward(self, x: Any) -> Any:
            self.x = x
            return x @ self.W + self.b

        def backward(self, g: Array) -> Array:
            self.dW, self.db = self.x.T @ g, g.sum(axis=0)
            return g @ self.W.T

    class Block:
        def __init__(self, n: int) -> None:
            self.fc1, self.fc2 = Linear(n, 6), Linear(6, n)

        def forward(self, x: Any) -> Any:
            self.z = self.fc1.forward(x)
            return x + self.fc2.forward(np.maximum(self.z, 0))

        def backward(self, g: Array) -> Array:
            down = self.fc1.backward(self.fc2.backward(g) * (self.z > 0))
            return down if slip and "branch" in slip else g + down

    class Attention:
        def __init__(self, d: int) -> None:
            self.Wq, self.Wk, self.Wv, self.d = r(d, d), r(d, d), r(d, d), d

        def forward(self, x: Any) -> Any:
            self.x = x
            self.q, self.k, self.v = x @ self.Wq, x @ self.Wk, x @ self.Wv
            z = self.q @ self.k.T / np.sqrt(self.d)
            e = np.exp(z - z.max(axis=-1, keepdims=True))
            self.a = e / e.sum(axis=-1, keepdims=True)
            return self.a @ self.v

        def backward(self, g: Array) -> Array:
            da, dv = g @ self.v.T, self.a.T @ g
            dz = self.a * (da - (da * self.a).sum(axis=-1, keepdims=True))
            dz = dz if slip and "scale" in slip else dz / np.sqrt(self.d)
            dq, dk = dz @ self.k, dz.T @ self.q
            self.dWq, self.dWk, self.dWv = self.x.T @ dq, self.x.T @ dk, self.x.T @ dv
            return dq @ self.Wq.T + dk @ self.Wk.T + dv @ self.Wv.T

    layers = {"fc": Linear(3, 4), "block": Block(4), "attention": Attention(4)}
    return compare_layers(layers, squares, difference, r(6, 3), r(6, 4))


@impl(
    "ctx, and the loss as the last layer",
    "compare_layers",
    {
        "relu passes everything": ("layers[0] output", r"relu|maximum|mask"),
        "softmax without the minus": (("layers[2] output",), r"targets are not subtracted"),
    },
)
def contexts(slip: str | None, dt: Any) -> Any:
    r = rand(55, dt)

    class Affine:
        def __init__(self, n: int, m: int) -> None:
            self.W, self.b = r(n, m), r(m)

        def forward(self, x: Any) -> Any:
            self.x = x
            return x @ self.W + self.b

        def backward(self, g: Array) -> Any:
            return {"dX": g @ self.W.T, "dW": self.x.T @ g, "db": g.sum(axis=0)}

    class ReLU:
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return np.maximum(x, 0)

        @staticmethod
        def backward(ctx: Any, g: Array) -> Array:
            (x,) = ctx.saved_values
            return g if slip and "everything" in slip else g * (x > 0)

    class SoftmaxLoss:
        def forward(self, x: Any, y: Array) -> Any:
            e = np.exp(x - x.max(axis=1, keepdims=True))
            self.p, self.y = e / e.sum(axis=1, keepdims=True), y
            return -np.log(self.p[np.arange(len(y)), y]).mean()

        def backward(self) -> Array:
            d = self.p.copy()
            if not (slip and "minus" in slip):
                d[np.arange(len(self.y)), self.y] -= 1
            return d / len(self.y)

    layers = [Affine(4, 5), ReLU(), Affine(5, 3), SoftmaxLoss()]
    return compare_layers(layers, None, None, r(6, 4), np.array([0, 2, 1, 1, 2, 0]))


@impl(
    "a list of dictionaries, updated by the net",
    "compare_layers",
    {
        "error through the new weights": (
            ("Net.layers[0].W", "Net.layers[0].b"),
            r"after its update|changed",
        ),
        "slope of the input": (("Net.layers[1].b", "Net.layers[1].W"), r"0\.5 used instead of 1"),
    },
)
def list_of_dictionaries(slip: str | None, dt: Any) -> Any:
    r = rand(56, dt)

    class Net:
        def __init__(self) -> None:
            self.layers: Any = [{"W": r(3, 4), "b": r(4)}, {"W": r(4, 2), "b": r(2)}]

        def forward(self, X: Any) -> Any:
            for layer in self.layers:
                layer["in"] = X
                X = layer["out"] = np.tanh(X @ layer["W"] + layer["b"])
            return X

        def backward(self, X: Array, y: Array, lr: float) -> None:
            g = self.layers[-1]["out"] - y
            for layer in reversed(self.layers):
                out = layer["out"] * (0.5 if slip and "slope" in slip else 1)
                d = g * (1 - out**2)
                g = d @ layer["W"].T
                layer["W"] -= lr * layer["in"].T @ d
                layer["b"] -= lr * d.sum(axis=0)
                if slip and "new weights" in slip:
                    g = d @ layer["W"].T

    return compare_layers(Net(), squares, None, r(5, 3), r(5, 2), lr=0.1)
