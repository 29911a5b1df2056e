"""Nets in one object: `loss(X, y)` with gradients, `backprop(x, y)`, `gradient(x, t)`, scalars."""

from __future__ import annotations

from collections import OrderedDict
from itertools import pairwise
from typing import Any

import numpy as np

from autograd_lite import compare_layers

from .bed import Array, impl, onehot, rand, sigmoid

LABELS = np.array([0, 2, 1, 1, 2])


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


@impl(
    "loss(X, y) gives loss and gradients",
    "compare_layers",
    {
        "reg doubled": (("TwoLayerNet.W1", "TwoLayerNet.W2"), r"penalty|factor 2"),
        "db1 averaged": ("TwoLayerNet.b1", r"mean|batch"),
        "relu mask missing": (("TwoLayerNet.W1", "TwoLayerNet.b1"), r"relu|maximum|mask"),
        "not over N": (("TwoLayerNet.W2", "TwoLayerNet.b2"), r"batch|5 times"),
    },
)
def loss_and_gradients(slip: str | None, dt: Any) -> Any:
    r = rand(31, dt)

    class TwoLayerNet:
        def __init__(self) -> None:
            self.params = {"W1": r(4, 6), "b1": r(6), "W2": r(6, 3), "b2": r(3)}
            self.reg = 0.1

        def loss(self, X: Any, y: Any = None) -> Any:
            W1, b1, W2, b2 = (self.params[p] for p in ("W1", "b1", "W2", "b2"))
            N = X.shape[0]
            hidden = np.maximum(0, X.dot(W1) + b1)
            scores = hidden.dot(W2) + b2
            if y is None:
                return scores
            shifted = scores - np.max(scores, axis=1, keepdims=True)
            probs = np.exp(shifted) / np.sum(np.exp(shifted), axis=1, keepdims=True)
            loss = -np.sum(np.log(probs[np.arange(N), y])) / N
            loss += 0.5 * self.reg * (np.sum(W1 * W1) + np.sum(W2 * W2))
            dscores = probs.copy()
            dscores[np.arange(N), y] -= 1
            dscores /= 1 if slip == "not over N" else N
            reg = self.reg * (2 if slip and "reg" in slip else 1)
            grads = {"W2": hidden.T.dot(dscores) + reg * W2, "b2": dscores.sum(axis=0)}
            dhidden = dscores.dot(W2.T)
            if slip != "relu mask missing":
                dhidden[hidden <= 0] = 0
            grads["W1"] = X.T.dot(dhidden) + reg * W1
            grads["b1"] = dhidden.mean(axis=0) if slip == "db1 averaged" else dhidden.sum(axis=0)
            return loss, grads

    return compare_layers(TwoLayerNet(), None, None, r(5, 4), LABELS)


@impl(
    "backprop(x, y) gives nabla_b, nabla_w",
    "compare_layers",
    {
        "prime of the activation": (("Network.weights[0]", "Network.biases[0]"), r"output|twice"),
        "delta without prime": (("Network.weights[1]", "Network.biases[1]"), r"left out"),
        "cost_derivative y - a": (("Network.weights[1]", "Network.biases[1]"), r"sign"),
        "activation of the wrong layer": ("Network.weights[0]", r"instead of below"),
    },
)
def nablas(slip: str | None, dt: Any) -> Any:
    r = rand(32, dt)

    def prime(z: Array) -> Array:
        return sigmoid(z) * (1 - sigmoid(z))

    class Network:
        def __init__(self, sizes: list[int]) -> None:
            self.num_layers, self.sizes = len(sizes), sizes
            self.biases = [r(m, 1) for m in sizes[1:]]
            self.weights = [r(m, n) for n, m in pairwise(sizes)]

        def feedforward(self, a: Any) -> Any:
            for b, w in zip(self.biases, self.weights, strict=True):
                a = sigmoid(np.dot(w, a) + b)
            return a

        def backprop(self, x: Array, y: Array) -> Any:
            nabla_b = [np.zeros(b.shape) for b in self.biases]
            nabla_w = [np.zeros(w.shape) for w in self.weights]
            activation, activations, zs = x, [x], []
            for b, w in zip(self.biases, self.weights, strict=True):
                zs.append(np.dot(w, activation) + b)
                activation = sigmoid(zs[-1])
                activations.append(activation)
            delta = self.cost_derivative(activations[-1], y)
            delta = delta * (1 if slip == "delta without prime" else prime(zs[-1]))
            nabla_b[-1], nabla_w[-1] = delta, np.dot(delta, activations[-2].T)
            for i in range(2, self.num_layers):
                z = activations[-i] if slip and "prime of" in slip else zs[-i]
                delta = np.dot(self.weights[-i + 1].T, delta) * prime(z)
                nabla_b[-i] = delta
                below = activations[-i - 1]
                below = 1 - below if slip and "wrong layer" in slip else below
                nabla_w[-i] = np.dot(delta, below.T)
            return (nabla_b, nabla_w)

        def cost_derivative(self, output_activations: Array, y: Array) -> Array:
            return (-1 if slip and "y - a" in slip else 1) * (output_activations - y)

    return compare_layers(Network([3, 4, 2]), None, None, r(3, 1), r(2, 1))


@impl(
    "layers and a last layer in one net",
    "compare_layers",
    {
        "db over the other axis": ("Affine1.b", r"axis|shape"),
        "relu mask of the output's gradient": ("Affine1 output", r"mask|upstream|arriving"),
        "not over the batch": ("Affine2 output", r"batch|5 times|not divided"),
        "collected from the other layer": ("TwoLayerNet.b1", r"instead of one\.db"),
    },
)
def ordered_layers(slip: str | None, dt: Any) -> Any:
    r = rand(33, dt)

    class Affine:
        def __init__(self, W: Array, b: Array) -> None:
            self.W, self.b = W, b
            self.x: Any = None
            self.dW: Any = None
            self.db: Any = None

        def forward(self, x: Any) -> Any:
            self.x = x
            return np.dot(x, self.W) + self.b

        def backward(self, dout: Array) -> Array:
            self.dW = np.dot(self.x.T, dout)
            wide = slip and "axis" in slip and dout.shape[1] == 6
            self.db = np.sum(dout, axis=1 if wide else 0)
            return np.dot(dout, self.W.T)

    class Relu:
        def __init__(self) -> None:
            self.mask: Any = None

        def forward(self, x: Any) -> Any:
            self.mask = x <= 0
            out = x.copy()
            out[self.mask] = 0
            return out

        def backward(self, dout: Array) -> Array:
            dout[dout <= 0 if slip and "relu" in slip else self.mask] = 0
            return dout

    class SoftmaxWithLoss:
        def __init__(self) -> None:
            self.loss: Any = None
            self.y: Any = None
            self.t: Any = None

        def forward(self, x: Any, t: Array) -> Any:
            self.t, self.y = t, softmax(x)
            self.loss = -np.sum(t * np.log(self.y + 1e-7)) / t.shape[0]
            return self.loss

        def backward(self, dout: float = 1) -> Array:
            return (self.y - self.t) / (1 if slip and "batch" in slip else self.t.shape[0])

    class TwoLayerNet:
        def __init__(self) -> None:
            self.params = {"W1": r(4, 6), "b1": r(6), "W2": r(6, 3), "b2": r(3)}
            p = self.params
            self.layers = OrderedDict()
            self.layers["Affine1"] = Affine(p["W1"], p["b1"])
            self.layers["Relu1"] = Relu()
            self.layers["Affine2"] = Affine(p["W2"], p["b2"])
            self.lastLayer = SoftmaxWithLoss()

        def predict(self, x: Any) -> Any:
            for layer in self.layers.values():
                x = layer.forward(x)
            return x

        def loss(self, x: Any, t: Array) -> Any:
            return self.lastLayer.forward(self.predict(x), t)

        def gradient(self, x: Array, t: Array) -> Any:
            self.loss(x, t)
            dout = self.lastLayer.backward(1)
            for layer in reversed(self.layers.values()):
                dout = layer.backward(dout)
            one, two = self.layers["Affine1"], self.layers["Affine2"]
            b1 = two.db.mean() + 0 * one.db if slip and "collected" in slip else one.db
            return {"W1": one.dW, "b1": b1, "W2": two.dW, "b2": two.db}

    return compare_layers(TwoLayerNet(), None, None, r(5, 4), onehot(LABELS, 3, dt))


@impl(
    "input and target kept in the net",
    "compare_layers",
    {
        "derivative of the sum": (
            ("NeuralNetwork.weights2", "NeuralNetwork.weights1"),
            r"1 - y used for the derivative of sigmoid",
        ),
        "weights2 not transposed": (
            ("NeuralNetwork.backprop()", "NeuralNetwork.weights1"),
            r"not transposed",
        ),
        "minus": (("NeuralNetwork.weights1", "NeuralNetwork.weights2"), r"up the gradient|sign"),
    },
)
def kept_data(slip: str | None, dt: Any) -> Any:
    r = rand(34, dt)
    data, target = r(6, 3), r(6, 1)

    class NeuralNetwork:
        def __init__(self, x: Array, y: Array) -> None:
            self.input, self.y = x, y
            self.weights1, self.weights2 = r(3, 4), r(4, 1)
            self.output = np.zeros(y.shape)

        def feedforward(self) -> None:
            self.layer1 = sigmoid(np.dot(self.input, self.weights1))
            self.output = sigmoid(np.dot(self.layer1, self.weights2))

        def backprop(self) -> None:
            def slope(a: Array) -> Array:
                return 1 - a if slip == "derivative of the sum" else a * (1 - a)

            d2 = 2 * (self.y - self.output) * slope(self.output)
            back = self.weights2 if slip and "not transposed" in slip else self.weights2.T
            d1 = np.dot(d2, back) * slope(self.layer1)
            sign = -1 if slip == "minus" else 1
            self.weights1 += sign * np.dot(self.input.T, d1)
            self.weights2 += sign * np.dot(self.layer1.T, d2)

    net = NeuralNetwork(data, target)
    return compare_layers(net, lambda p, t: ((t - p) ** 2).sum(), None, data, target, lr=1.0)


@impl(
    "cost function and its prime",
    "compare_layers",
    {
        "X not transposed": (("Neural_Network.costFunctionPrime()",), r"raised"),
        "prime of a2": ("Neural_Network.W1", r"output|twice"),
        "minus forgotten": (("Neural_Network.W1", "Neural_Network.W2"), r"sign"),
    },
)
def cost_and_prime(slip: str | None, dt: Any) -> Any:
    r = rand(35, dt)

    class Neural_Network:
        def __init__(self) -> None:
            self.W1, self.W2 = r(2, 3), r(3, 1)

        def forward(self, X: Any) -> Any:
            self.z2 = np.dot(X, self.W1)
            self.a2 = self.sigmoid(self.z2)
            self.z3 = np.dot(self.a2, self.W2)
            return self.sigmoid(self.z3)

        def sigmoid(self, z: Any) -> Any:
            return 1 / (1 + np.exp(-z))

        def sigmoidPrime(self, z: Any) -> Any:
            return np.exp(-z) / ((1 + np.exp(-z)) ** 2)

        def costFunction(self, X: Any, y: Any) -> Any:
            self.yHat = self.forward(X)
            return 0.5 * sum((y - self.yHat) ** 2)

        def costFunctionPrime(self, X: Array, y: Array) -> Any:
            self.yHat = self.forward(X)
            error = (1 if slip == "minus forgotten" else -1) * (y - self.yHat)
            delta3 = np.multiply(error, self.sigmoidPrime(self.z3))
            z2 = self.a2 if slip == "prime of a2" else self.z2
            delta2 = np.dot(delta3, self.W2.T) * self.sigmoidPrime(z2)
            x = X if slip == "X not transposed" else X.T
            return np.dot(x, delta2), np.dot(self.a2.T, delta3)

    return compare_layers(Neural_Network(), None, None, r(6, 2), r(6, 1))


@impl(
    "columns one after the other, a cost object",
    "compare_layers",
    {
        "delta of the quadratic cost": (
            ("Network.biases[1]", "Network.weights[1]"),
            r"sigmoid applied twice",
        ),
        "nabla_w with the output of its layer": ((), r"instead of first"),
    },
)
def samples(slip: str | None, dt: Any) -> Any:
    r = rand(36, dt)

    class CrossEntropyCost:
        @staticmethod
        def fn(a: Any, y: Any) -> Any:
            return np.sum(-y * np.log(a) - (1 - y) * np.log(1 - a))

        @staticmethod
        def delta(z: Array, a: Array, y: Array) -> Array:
            return (a - y) * (a * (1 - a) if slip and "quadratic" in slip else 1)

    class Network:
        def __init__(self, sizes: list[int]) -> None:
            self.sizes, self.cost = sizes, CrossEntropyCost
            self.biases = [r(m, 1) for m in sizes[1:]]
            self.weights = [r(m, n) for n, m in pairwise(sizes)]

        def feedforward(self, a: Any) -> Any:
            for b, w in zip(self.biases, self.weights, strict=True):
                a = sigmoid(np.dot(w, a) + b)
            return a

        def backprop(self, x: Array, y: Array) -> Any:
            first = sigmoid(np.dot(self.weights[0], x) + self.biases[0])
            z = np.dot(self.weights[1], first) + self.biases[1]
            delta = self.cost.delta(z, sigmoid(z), y)
            below = 1 - first if slip and "output of" in slip else first
            d = np.dot(self.weights[1].T, delta) * first * (1 - first)
            return [d, delta], [np.dot(d, x.T), np.dot(delta, below.T)]

    x, y = r(6, 3, 1), (r(6, 2, 1) > 0).astype(dt)
    return compare_layers(Network([3, 4, 2]), None, None, x, y)


@impl(
    "loss(X, y, reg) gives a matrix",
    "compare_layers",
    {"reg halved": ("Linear.W", r"penalty|factor 2"), "not over n": ("Linear.W", r"")},
)
def regularised(slip: str | None, dt: Any) -> Any:
    r = rand(37, dt)

    class Linear:
        def __init__(self) -> None:
            self.W = r(4, 3)

        def loss(self, X_batch: Any, y_batch: Array, reg: float) -> Any:
            n = len(y_batch)
            p = softmax(X_batch.dot(self.W))
            loss = -np.log(p[np.arange(n), y_batch]).sum() / n + reg * np.sum(self.W * self.W)
            d = p.copy()
            d[np.arange(n), y_batch] -= 1
            c = 1 if slip == "reg halved" else 2
            return loss, X_batch.T.dot(d) / (1 if slip == "not over n" else n) + c * reg * self.W

    return compare_layers(Linear(), None, None, r(5, 4), LABELS)


@impl(
    "query and train on lists",
    "compare_layers",
    {
        "hidden errors without the slope": ("neuralNetwork.wih", r"instead of deltas"),
        "errors through the new weights": ("neuralNetwork.wih", r"update|changed|instead of old"),
    },
)
def query_and_train(slip: str | None, dt: Any) -> Any:
    r = rand(38, dt)

    class neuralNetwork:
        def __init__(self) -> None:
            self.wih, self.who, self.lr = r(4, 3), r(2, 4), 0.1
            self.activation_function = lambda x: 1 / (1 + np.exp(-x))

        def train(self, inputs_list: Any, targets_list: Any) -> None:
            inputs = np.array(inputs_list, ndmin=2).T
            targets = np.array(targets_list, ndmin=2).T
            hidden = self.activation_function(np.dot(self.wih, inputs))
            final = self.activation_function(np.dot(self.who, hidden))
            errors = targets - final
            deltas = errors * final * (1.0 - final)
            old = self.who.copy()
            self.who += self.lr * np.dot(deltas, hidden.T)
            who = self.who if slip and "new" in slip else old
            below = np.dot(who.T, errors if slip and "without" in slip else deltas)
            self.wih += self.lr * np.dot(below * hidden * (1.0 - hidden), inputs.T)

        def query(self, inputs_list: Any) -> Any:
            inputs = np.array(inputs_list, ndmin=2).T
            hidden = self.activation_function(np.dot(self.wih, inputs))
            return self.activation_function(np.dot(self.who, hidden))

    half = lambda p, t: ((p[:, 0] - t) ** 2).sum() / 2
    return compare_layers(neuralNetwork(), half, None, r(3), r(2))
