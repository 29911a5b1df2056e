"""Lists of layers: outputs and gradients returned, kept in attributes, in dictionaries, or at the
arrays; updates inside the layers."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import compare_layers

from .bed import Array, impl, onehot, rand, sigmoid

LABELS = np.array([0, 2, 1, 1, 2])


def softmax(x: Any) -> Any:
    e = np.exp(x - np.max(x, axis=1, keepdims=True))
    return e / np.sum(e, axis=1, keepdims=True)


def squares(p: Any, t: Any) -> Any:
    return np.sum((p - t) ** 2) / 2


def difference(p: Array, t: Array) -> Array:
    return p - t


@impl(
    "attributes, nothing returned",
    "compare_layers",
    {
        "dweights without T": (("layers[2].backward()", "layers[2].weights"), r"raised|transpose"),
        "dbiases averaged": ("layers[2].biases", r"mean|batch|5 times"),
        "relu masked by >= of dvalues": ("layers[0] output", r"mask|upstream|arriving"),
        "loss not over samples": ("layers[2] output", r"batch|5 times|not divided|1/n"),
        "dinputs with the input": (
            ("layers[0] output", "layers[1] output"),
            r"times .* once too often",
        ),
        "dropout mask not applied": ("layers[0] output", r"mask"),
    },
)
def attributes_alone(slip: str | None, dt: Any) -> Any:
    r = rand(11, dt)

    class Dense:
        def __init__(self, n: int, m: int) -> None:
            self.weights, self.biases = r(n, m, k=0.5), np.zeros((1, m), dt)

        def forward(self, inputs: Any, training: bool) -> None:
            self.inputs = inputs
            self.output = np.dot(inputs, self.weights) + self.biases

        def backward(self, dvalues: Array) -> None:
            x = self.inputs
            self.dweights = np.dot(x if slip == "dweights without T" else x.T, dvalues)
            mean = slip == "dbiases averaged" and dvalues.shape[1] == 3
            self.dbiases = (np.mean if mean else np.sum)(dvalues, axis=0, keepdims=True)
            self.dinputs = np.dot(dvalues, self.weights.T)
            if slip == "dinputs with the input" and dvalues.shape[1] == 3:
                self.dinputs = self.dinputs * self.inputs

    class ReLU:
        def forward(self, inputs: Any, training: bool) -> None:
            self.inputs = inputs
            self.output = np.maximum(0, inputs)

        def backward(self, dvalues: Array) -> None:
            self.dinputs = dvalues.copy()
            self.dinputs[(dvalues if slip and "relu" in slip else self.inputs) <= 0] = 0

    class Dropout:
        def __init__(self, rate: float) -> None:
            self.rate = 1 - rate

        def forward(self, inputs: Any, training: bool) -> None:
            self.inputs = inputs
            if not training:
                self.output = inputs.copy()
                return
            self.binary_mask = np.random.binomial(1, self.rate, size=inputs.shape) / self.rate
            self.output = inputs * self.binary_mask

        def backward(self, dvalues: Array) -> None:
            self.dinputs = dvalues * (1 if slip and "dropout" in slip else self.binary_mask)

    class SoftmaxLoss:
        def forward(self, inputs: Any, y_true: Array) -> Any:
            self.output = softmax(inputs)
            likelihoods = -np.log(np.clip(self.output[range(5), y_true], 1e-7, 1 - 1e-7))
            return np.mean(likelihoods)

        def backward(self, dvalues: Array, y_true: Array) -> None:
            self.dinputs = dvalues.copy()
            self.dinputs[range(len(dvalues)), y_true] -= 1
            self.dinputs = self.dinputs / (1 if slip and "loss" in slip else len(dvalues))

    between = Dropout(0.2) if slip and "dropout" in slip else ReLU()
    layers = [Dense(4, 6), between, Dense(6, 3)]
    return compare_layers(layers, SoftmaxLoss(), None, r(5, 4), LABELS)


@impl(
    "a loss with an activation before it",
    "compare_layers",
    {
        "softmax jacobian as s * g": ("layers[0] output", r"softmax|Jacobian"),
        "loss minus missing": ("layers[1] output", r"sign"),
        "not over samples": ("layers[1] output", r"batch|5 times|not divided"),
    },
)
def separate_softmax(slip: str | None, dt: Any) -> Any:
    r = rand(12, dt)

    class Dense:
        def __init__(self, n: int, m: int) -> None:
            self.weights, self.biases = r(n, m), r(1, m)

        def forward(self, inputs: Any) -> None:
            self.inputs = inputs
            self.output = np.dot(inputs, self.weights) + self.biases

        def backward(self, dvalues: Array) -> None:
            self.dweights = self.inputs.T @ dvalues
            self.dbiases = dvalues.sum(axis=0, keepdims=True)
            self.dinputs = dvalues @ self.weights.T

    class Softmax:
        def forward(self, inputs: Any) -> None:
            self.output = softmax(inputs)

        def backward(self, dvalues: Array) -> None:
            self.dinputs = np.empty_like(dvalues)
            for i, (out, d) in enumerate(zip(self.output, dvalues, strict=True)):
                out = out.reshape(-1, 1)
                jacobian = np.diagflat(out) - np.dot(out, out.T)
                self.dinputs[i] = out[:, 0] * d if slip and "jac" in slip else jacobian @ d

    class Loss:
        def calculate(self, output: Any, y: Array) -> Any:
            return np.mean(self.forward(output, y))

    class Entropy(Loss):
        def forward(self, y_pred: Any, y_true: Array) -> Any:
            kept = np.clip(y_pred, 1e-7, 1 - 1e-7)
            return -np.log(np.sum(kept * y_true, axis=1))

        def backward(self, dvalues: Array, y_true: Array) -> None:
            self.dinputs = (1 if slip and "minus" in slip else -1) * y_true / dvalues
            self.dinputs = self.dinputs / (1 if slip == "not over samples" else len(dvalues))

    target = onehot(LABELS, 3, dt)
    return compare_layers([Dense(4, 3), Softmax()], Entropy(), None, r(5, 4), target)


@impl(
    "a net with layers, dictionaries of parameters",
    "compare_layers",
    {
        "w with the wrong sign": (("layers[2].w", "layers[0].w"), r"sign"),
        "b averaged": ("layers[2].b", r"mean|batch"),
        "tanh prime of the output": ("layers[0] output", r"output|twice"),
        "2 forgotten in the loss": ("layers[2] output", r"2 of a square|half"),
        "accumulated": "ok",
    },
)
def dictionaries(slip: str | None, dt: Any) -> Any:
    r = rand(13, dt)

    class Linear:
        def __init__(self, n: int, m: int) -> None:
            self.params = {"w": r(n, m), "b": r(m)}
            self.grads = {"w": np.ones((n, m), dt), "b": np.ones(m, dt)}

        def forward(self, inputs: Any) -> Any:
            self.inputs = inputs
            return inputs @ self.params["w"] + self.params["b"]

        def backward(self, grad: Array) -> Array:
            dw = self.inputs.T @ grad * (-1 if slip and "sign" in slip else 1)
            db = grad.mean(0) if slip == "b averaged" else grad.sum(0)
            if slip == "accumulated":
                self.grads["w"] += dw
                self.grads["b"] += db
            else:
                self.grads["w"], self.grads["b"] = dw, db
            return grad @ self.params["w"].T

    class Activation:
        def __init__(self, f: Any, f_prime: Any) -> None:
            self.f, self.f_prime, self.params, self.grads = f, f_prime, {}, {}

        def forward(self, inputs: Any) -> Any:
            self.inputs = inputs
            return self.f(inputs)

        def backward(self, grad: Array) -> Array:
            z = np.tanh(self.inputs) if slip and "prime" in slip else self.inputs
            return self.f_prime(z) * grad

    class Net:
        def __init__(self, layers: Any) -> None:
            self.layers = layers

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer.forward(x)
            return x

        def backward(self, grad: Array) -> Array:
            for layer in reversed(self.layers):
                grad = layer.backward(grad)
            return grad

        def params_and_grads(self) -> Any:
            for layer in self.layers:
                for name, param in layer.params.items():
                    yield param, layer.grads[name]

    class MSE:
        def loss(self, predicted: Any, actual: Any) -> Any:
            return np.sum((predicted - actual) ** 2)

        def grad(self, predicted: Array, actual: Array) -> Array:
            return (1 if slip and "forgotten" in slip else 2) * (predicted - actual)

    tanh = Activation(np.tanh, lambda z: 1 - np.tanh(z) ** 2)
    net = Net([Linear(3, 4), tanh, Linear(4, 2)])
    return compare_layers(net, MSE(), None, r(5, 3), r(5, 2))


@impl(
    "forward_pass, optimizers inside",
    "compare_layers",
    {
        "grad_w0 averaged": ("layers[2].w0", r"mean|batch"),
        "W updated before accum_grad": (("layers[1] output",), r"updated|update|changed"),
        "gradient of the output": ("layers[0] output", r"output|twice"),
        "w0 not updated": ("layers[2].w0", r"never updated"),
        "square loss sign": ("layers[2] output", r"sign"),
    },
)
def optimizers_inside(slip: str | None, dt: Any) -> Any:
    r = rand(14, dt)

    class Momentum:
        def __init__(self) -> None:
            self.learning_rate, self.momentum, self.w_updt = 0.01, 0.9, None

        def update(self, w: Array, grad_wrt_w: Array) -> Array:
            if self.w_updt is None:
                self.w_updt = np.zeros(np.shape(w))
            self.w_updt = self.momentum * self.w_updt + (1 - self.momentum) * grad_wrt_w
            return w - self.learning_rate * self.w_updt

    class Dense:
        def __init__(self, n: int, m: int, last: bool = False) -> None:
            self.n, self.m, self.last, self.trainable = n, m, last, True
            self.layer_input, self.W, self.w0 = None, None, None

        def initialize(self, optimizer: Any) -> None:
            self.W, self.w0 = r(self.n, self.m), np.zeros((1, self.m), dt)
            self.W_opt, self.w0_opt = Momentum(), Momentum()

        def forward_pass(self, X: Any, training: bool = True) -> Any:
            self.layer_input = X
            return X.dot(self.W) + self.w0

        def backward_pass(self, accum_grad: Array) -> Array:
            W = self.W
            if self.trainable:
                grad_w = self.layer_input.T.dot(accum_grad)
                grad_w0 = np.sum(accum_grad, axis=0, keepdims=True)
                if slip == "grad_w0 averaged" and self.last:
                    grad_w0 = np.mean(accum_grad, axis=0, keepdims=True)
                self.W = self.W_opt.update(self.W, grad_w)
                if not (slip == "w0 not updated" and self.last):
                    self.w0 = self.w0_opt.update(self.w0, grad_w0)
            return accum_grad.dot((self.W if slip and "before" in slip else W).T)

    class Sigmoid:
        def __call__(self, x: Any) -> Any:
            return 1 / (1 + np.exp(-x))

        def gradient(self, x: Any) -> Any:
            return self(x) * (1 - self(x))

    class Activation:
        def __init__(self) -> None:
            self.activation_func, self.trainable = Sigmoid(), True

        def forward_pass(self, X: Any, training: bool = True) -> Any:
            self.layer_input = X
            return self.activation_func(X)

        def backward_pass(self, accum_grad: Array) -> Array:
            x = self.layer_input
            x = self.activation_func(x) if slip and "of the output" in slip else x
            return accum_grad * self.activation_func.gradient(x)

    class SquareLoss:
        def loss(self, y: Any, y_pred: Any) -> Any:
            return 0.5 * np.power((y - y_pred), 2)

        def gradient(self, y: Array, y_pred: Array) -> Array:
            return (1 if slip and "sign" in slip else -1) * (y - y_pred)

    layers: list[Any] = [Dense(3, 4), Activation(), Dense(4, 2, last=True)]
    if slip != "w0 not updated":  # else as they come
        for layer in layers[::2]:
            layer.initialize(Momentum())
    return compare_layers(layers, SquareLoss(), None, r(5, 3), r(5, 2))


@impl(
    "forward_propagation with a rate, one sample",
    "compare_layers",
    {
        "error times the weights": (("layers[2].backward_propagation()",), r"raised"),
        "bias goes up": ("layers[2].bias", r"up the gradient|sign"),
        "activation prime of the output": ("layers[0] output", r"output|twice"),
        "loss prime without 2": ("layers[2] output", r"2 of a square|half"),
        "weights updated first": ("layers[1] output", r"updated|update|changed"),
    },
)
def one_sample_rows(slip: str | None, dt: Any) -> Any:
    r = rand(15, dt)

    class FCLayer:
        def __init__(self, n: int, m: int) -> None:
            self.input: Any = None
            self.output: Any = None
            self.weights, self.bias = r(n, m), r(1, m)

        def forward_propagation(self, input_data: Any) -> Any:
            self.input = input_data
            self.output = np.dot(self.input, self.weights) + self.bias
            return self.output

        def backward_propagation(self, output_error: Array, learning_rate: float) -> Array:
            W = self.weights if slip == "error times the weights" else self.weights.T
            input_error = np.dot(output_error, W)
            self.weights -= learning_rate * np.dot(self.input.T, output_error)
            up = slip == "bias goes up" and output_error.shape[1] == 2
            self.bias -= (-1 if up else 1) * learning_rate * output_error
            if slip == "weights updated first":
                return np.dot(output_error, self.weights.T)
            return input_error

    class ActivationLayer:
        def __init__(self, activation: Any, activation_prime: Any) -> None:
            self.activation, self.activation_prime = activation, activation_prime

        def forward_propagation(self, input_data: Any) -> Any:
            self.input = input_data
            self.output = self.activation(self.input)
            return self.output

        def backward_propagation(self, output_error: Array, learning_rate: float) -> Array:
            z = self.output if slip and "prime of the output" in slip else self.input
            return self.activation_prime(z) * output_error

    class Network:
        def __init__(self) -> None:
            self.layers: list[Any] = []
            self.loss: Any = None
            self.loss_prime: Any = None

    def mse(y_true: Any, y_pred: Any) -> Any:
        return np.mean(np.power(y_true - y_pred, 2))

    def mse_prime(y_true: Array, y_pred: Array) -> Array:
        return (1 if slip and "without 2" in slip else 2) * (y_pred - y_true) / y_true.size

    net = Network()
    tanh = ActivationLayer(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    net.layers = [FCLayer(3, 4), tanh, FCLayer(4, 2)]
    net.loss, net.loss_prime = mse, mse_prime
    return compare_layers(net, None, None, r(1, 3), r(1, 2), lr=0.1)


@impl(
    "columns, one sample",
    "compare_layers",
    {
        "bias minus missing": ("layers[2].bias", r"up the gradient|sign"),
        "weights gradient transposed": (("layers[2].backward()", "layers[2].weights"), r"raised"),
        "prime left out": ("layers[0] output", r"left out"),
        "softmax with s * g": ("layers[2] output", r"softmax|Jacobian"),
    },
)
def columns(slip: str | None, dt: Any) -> Any:
    r = rand(16, dt)

    class Layer:
        def __init__(self) -> None:
            self.input: Any = None
            self.output: Any = None

    class Dense(Layer):
        def __init__(self, n: int, m: int) -> None:
            self.weights, self.bias = r(m, n), r(m, 1)

        def forward(self, input: Any) -> Any:
            self.input = input
            return np.dot(self.weights, self.input) + self.bias

        def backward(self, output_gradient: Array, learning_rate: float) -> Array:
            x = self.input if slip and "transposed" in slip else self.input.T
            weights_gradient = np.dot(output_gradient, x)
            input_gradient = np.dot(self.weights.T, output_gradient)
            self.weights -= learning_rate * weights_gradient
            up = slip == "bias minus missing" and len(output_gradient) == 2
            self.bias -= (-1 if up else 1) * learning_rate * output_gradient
            return input_gradient

    class Activation(Layer):
        def __init__(self, activation: Any, activation_prime: Any) -> None:
            self.activation, self.activation_prime = activation, activation_prime

        def forward(self, input: Any) -> Any:
            self.input = input
            return self.activation(self.input)

        def backward(self, output_gradient: Array, learning_rate: float) -> Array:
            if slip == "prime left out":
                return output_gradient
            return np.multiply(output_gradient, self.activation_prime(self.input))

    class Softmax(Layer):
        def forward(self, input: Any) -> Any:
            tmp = np.exp(input)
            self.output = tmp / np.sum(tmp)
            return self.output

        def backward(self, output_gradient: Array, learning_rate: float) -> Array:
            if slip == "softmax with s * g":
                return self.output * output_gradient
            n = np.size(self.output)
            return np.dot((np.identity(n) - self.output.T) * self.output, output_gradient)

    def mse(y_true: Any, y_pred: Any) -> Any:
        return np.mean(np.power(y_true - y_pred, 2))

    def mse_prime(y_true: Array, y_pred: Array) -> Array:
        return 2 * (y_pred - y_true) / np.size(y_true)

    tanh = Activation(np.tanh, lambda x: 1 - np.tanh(x) ** 2)
    layers: list[Any] = [Dense(3, 4), tanh, Dense(4, 2)]
    layers += [Softmax()] * bool(slip and "softmax" in slip)
    return compare_layers(layers, mse, mse_prime, r(3, 1), r(2, 1))


@impl(
    "gradients at the arrays",
    "compare_layers",
    {
        "w.g not summed": ("layers[2].b", r"batch|sum|per sample|shape"),
        "relu at the output's gradient": ("layers[0] output", r"mask|upstream|arriving"),
        "mse without the 2": ("layers[2] output", r"2 of a square|half"),
        "inp.g by w": (("layers[2].backward()",), r"raised"),
    },
)
def at_the_arrays(slip: str | None, dt: Any) -> Any:
    r = rand(17, dt)

    class Lin:
        def __init__(self, w: Array, b: Array) -> None:
            self.w, self.b = w, b

        def __call__(self, inp: Any) -> Any:
            self.inp = inp
            self.out = inp @ self.w + self.b
            return self.out

        def backward(self) -> None:
            self.inp.g = self.out.g @ (self.w if slip == "inp.g by w" else self.w.T)
            self.w.g = self.inp.T @ self.out.g
            self.b.g = self.out.g if slip == "w.g not summed" else self.out.g.sum(0)

    class Relu:
        def __call__(self, inp: Any) -> Any:
            self.inp = inp
            self.out = inp.clip(0.0)
            return self.out

        def backward(self) -> None:
            mask = self.out.g if slip and "relu" in slip else self.inp
            self.inp.g = (mask > 0) * self.out.g

    class Mse:
        def __call__(self, inp: Any, targ: Any) -> Any:
            self.inp, self.targ = inp, targ
            return ((inp[:, 0] - targ) ** 2).mean()

        def backward(self) -> None:
            d = self.inp[:, 0] - self.targ
            self.inp.g = (1 if slip and "mse" in slip else 2) * d[:, None] / len(self.targ)

    class Model:
        def __init__(self) -> None:
            self.layers = [Lin(r(3, 4), r(4)), Relu(), Lin(r(4, 1), r(1))]
            self.loss = Mse()

        def __call__(self, x: Any, targ: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return self.loss(x, targ)

        def backward(self) -> None:
            self.loss.backward()
            for layer in reversed(self.layers):
                layer.backward()

    return compare_layers(Model(), None, None, r(5, 3), r(5))


@impl(
    "__call__ keeps what backward() needs",
    "compare_layers",
    {
        "relu at its output": "ok",
        "w.g by out": (("layers[0].w",), r""),
        "loss without the mean": ("layers[2] output", r"batch|5 times|mean"),
    },
)
def called(slip: str | None, dt: Any) -> Any:
    r = rand(24, dt)

    class Module:
        def __call__(self, *args: Any) -> Any:
            self.args = args
            self.out = self.forward(*args)
            return self.out

        def backward(self) -> None:
            self.bwd(self.out, *self.args)

        forward: Any
        bwd: Any

    class Relu(Module):
        def forward(self, inp: Any) -> Any:
            return inp.clip(min=0.0)

        def bwd(self, out: Array, inp: Array) -> None:
            inp.g = ((out if slip and "output" in slip else inp) > 0) * out.g

    class Lin(Module):
        def __init__(self, w: Array, b: Array) -> None:
            self.w, self.b = w, b

        def forward(self, inp: Any) -> Any:
            return inp @ self.w + self.b

        def bwd(self, out: Array, inp: Array) -> None:
            inp.g = self.out.g @ self.w.T
            wrong = slip == "w.g by out" and inp.shape[1] == 3
            self.w.g = inp.T @ (self.out if wrong else self.out.g)
            self.b.g = self.out.g.sum(0)

    class Mse(Module):
        def forward(self, inp: Any, targ: Any) -> Any:
            return ((inp.squeeze() - targ) ** 2).mean()

        def bwd(self, out: Any, inp: Array, targ: Array) -> None:
            n = 1 if slip and "loss" in slip else len(targ)
            inp.g = 2 * (inp.squeeze() - targ)[:, None] / n

    layers = [Lin(r(3, 4), r(4)), Relu(), Lin(r(4, 1), r(1))]
    return compare_layers(layers, Mse(), None, r(5, 3), r(5))


@impl(
    "backward(input, grad_output) that updates",
    "compare_layers",
    {
        "bias over the wrong axis": ("layers[2].backward()", r"raised"),
        "weights with the mean": ("layers[2].weights", r"mean|batch|5 times|len\(input\)"),
        "relu of the gradient": ("layers[0] output", r"mask|upstream|arriving"),
        "grad_input of the new weights": ("layers[1] output", r"updated|update|changed"),
        "logits not over n": ("layers[2] output", r"batch|5 times|not divided"),
    },
)
def input_and_gradient(slip: str | None, dt: Any) -> Any:
    r = rand(18, dt)

    class Dense:
        def __init__(self, n: int, m: int, learning_rate: float = 0.1) -> None:
            self.learning_rate = learning_rate
            self.weights, self.biases = r(n, m), np.zeros(m, dt)

        def forward(self, input: Any) -> Any:
            return np.dot(input, self.weights) + self.biases

        def backward(self, input: Array, grad_output: Array) -> Array:
            grad_input = np.dot(grad_output, self.weights.T)
            last = grad_output.shape[1] == 3
            n = len(input) if slip == "weights with the mean" and last else 1
            grad_weights = np.dot(input.T, grad_output) / n
            axis = 1 if slip and "axis" in slip and last else 0
            grad_biases = grad_output.sum(axis=axis)
            self.weights = self.weights - self.learning_rate * grad_weights
            self.biases = self.biases - self.learning_rate * grad_biases
            new = slip and "new weights" in slip
            return np.dot(grad_output, self.weights.T) if new else grad_input

    class ReLU:
        def forward(self, input: Any) -> Any:
            return np.maximum(0, input)

        def backward(self, input: Array, grad_output: Array) -> Array:
            return grad_output * ((grad_output if slip and "relu" in slip else input) > 0)

    def crossentropy(logits: Any, answers: Array) -> Any:
        chosen = logits[np.arange(len(logits)), answers]
        return np.mean(-chosen + np.log(np.sum(np.exp(logits), axis=-1)))

    def its_gradient(logits: Array, answers: Array) -> Array:
        ones = np.zeros_like(logits)
        ones[np.arange(len(logits)), answers] = 1
        n = 1 if slip and "over n" in slip else logits.shape[0]
        return (-ones + softmax(logits)) / n

    layers = [Dense(4, 6), ReLU(), Dense(6, 3)]
    return compare_layers(layers, crossentropy, its_gradient, r(5, 4), LABELS)


@impl(
    "lists of inputs, lazy parameters, derived variables",
    "compare_layers",
    {
        "dB averaged": ("layers[1].b", r"mean|batch"),
        "dW of the output": ("layers[1].W", r"tanh is too many"),
        "tanh grad 1 - x": (("layers[0].W", "layers[0].b"), r""),
    },
)
def lazy(slip: str | None, dt: Any) -> Any:
    r = rand(19, dt)

    class FullyConnected:
        def __init__(self, n_out: int, tanh: bool) -> None:
            self.n_in: Any = None
            self.n_out, self.tanh = n_out, tanh
            self.parameters: Any = {"W": None, "b": None}
            self.gradients: Any = {}
            self.derived_variables: Any = {"Z": []}
            self.X: list[Any] = []
            self.is_initialized = False

        def forward(self, X: Any, retain_derived: bool = True) -> Any:
            if not self.is_initialized:
                self.n_in = X.shape[1]
                self.parameters = {"W": r(self.n_in, self.n_out), "b": r(1, self.n_out)}
                self.gradients = {"W": 0 * self.parameters["W"], "b": 0 * self.parameters["b"]}
                self.is_initialized = True
            Z = X @ self.parameters["W"] + self.parameters["b"]
            if retain_derived:
                self.X.append(X)
                self.derived_variables["Z"].append(Z)
            return np.tanh(Z) if self.tanh else Z

        def backward(self, dLdY: Any, retain_grads: bool = True) -> Any:
            dLdY = dLdY if isinstance(dLdY, list) else [dLdY]
            dX = []
            for dy, x, z in zip(dLdY, self.X, self.derived_variables["Z"], strict=False):
                slope = 1 - np.tanh(z) ** 2 if self.tanh else 1.0
                if slip and "1 - x" in slip and self.tanh:
                    slope = 1 - z
                dZ = dy * slope
                x = np.tanh(x) if slip == "dW of the output" and not self.tanh else x
                dW, dB = x.T @ dZ, dZ.sum(axis=0, keepdims=True)
                if slip == "dB averaged" and not self.tanh:
                    dB = dB / len(dZ)
                dX.append(dZ @ self.parameters["W"].T)
                if retain_grads:
                    self.gradients["W"] += dW
                    self.gradients["b"] += dB
            return dX[0] if len(self.X) == 1 else dX

    class SquaredError:
        def loss(self, y: Any, y_pred: Any) -> Any:
            return 0.5 * np.sum((y_pred - y) ** 2)

        def grad(self, y: Array, y_pred: Array) -> Array:
            return y_pred - y

    layers = [FullyConnected(4, True), FullyConnected(2, False)]
    return compare_layers(layers, SquaredError(), None, r(5, 3), r(5, 2))


@impl(
    "(out, cache) and (dx, dw, db)",
    "compare_layers",
    {
        "dw transposed": ("layers[2].w", r"transpose|order|shape"),
        "db averaged": ("layers[2].b", r"mean|batch"),
        "sigmoid's rule on z": ("layers[0] output", r"sigmoid' computed from the input"),
    },
)
def caches(slip: str | None, dt: Any) -> Any:
    r = rand(20, dt)

    class Affine:
        def __init__(self, n: int, m: int) -> None:
            self.w, self.b = r(n, m), r(m)

        def forward(self, x: Any) -> Any:
            return x.dot(self.w) + self.b, (x, self.w)

        def backward(self, dout: Array, cache: Any) -> Any:
            x, w = cache
            dw = dout.T.dot(x) if slip == "dw transposed" else x.T.dot(dout)
            return dout.dot(w.T), dw, dout.mean(0) if slip == "db averaged" else dout.sum(0)

    class Sigmoid:
        def forward(self, x: Any) -> Any:
            s = sigmoid(x)
            return s, (x if slip and "on z" in slip else s)

        def backward(self, dout: Array, cache: Any) -> Any:
            return dout * cache * (1 - cache)

    layers = [Affine(3, 4), Sigmoid(), Affine(4, 2)]
    return compare_layers(layers, squares, difference, r(5, 3), r(5, 2))


@impl(
    "target - output, W += inside the layers",
    "compare_layers",
    {
        "no derivative for the layer below": (
            ("layers[1] output", "layers[0] output"),
            r"left out",
        ),
        "minus in one layer": ("layers[2].W", r"up the gradient|sign"),
    },
)
def target_minus_output(slip: str | None, dt: Any) -> Any:
    r = rand(21, dt)

    class Sigmoidal:
        def __init__(self, n: int, m: int) -> None:
            self.W = r(m, n)

        def forward(self, x: Any) -> Any:
            self.x, self.o = x, 1 / (1 + np.exp(-(self.W @ x)))
            return self.o

        def backward(self, e: Array, lr: float) -> Array:
            d = e * self.o * (1 - self.o)
            back = self.W.T @ (e if slip and "no derivative" in slip else d)
            minus = slip and "minus" in slip and len(self.W) == 2
            self.W += (-1 if minus else 1) * lr * d @ self.x.T
            return back

    layers = [Sigmoidal(3, 5), Sigmoidal(5, 4), Sigmoidal(4, 2)]
    return compare_layers(layers, squares, lambda p, t: t - p, r(3, 6), r(2, 6))


@impl(
    "loops over pixels",
    "compare_layers",
    {
        "kernel not flipped": ("layers[1].kernel", r"flip"),
        "= for +=": ("layers[0].kernel", r"last|=|overwrit"),
        "bias averaged": ("layers[1].bias", r"mean|divided"),
        "stride forgotten": (("layers[0] output",), r"j is left out"),
    },
)
def loops(slip: str | None, dt: Any) -> Any:
    r = rand(22, dt)

    class Conv:
        def __init__(self, k: int, last: bool) -> None:
            self.kernel, self.bias, self.last = r(k, k), r(1), last

        def forward(self, x: Any) -> Any:
            self.x, k = x, len(self.kernel)
            out = np.zeros((x.shape[0] - k + 1, x.shape[1] - k + 1))
            for i in range(out.shape[0]):
                for j in range(out.shape[1]):
                    out[i, j] = float(np.sum(x[i : i + k, j : j + k] * self.kernel))
            return out + self.bias

        def backward(self, g: Array) -> Array:
            k = len(self.kernel)
            dk, dx = np.zeros_like(self.kernel), np.zeros(self.x.shape)
            for i in range(g.shape[0]):
                for j in range(g.shape[1]):
                    patch = self.x[i : i + k, j : j + k] * g[i, j]
                    dk = patch if slip == "= for +=" and not self.last else dk + patch
                    at = 0 if slip == "stride forgotten" and self.last else j
                    dx[i : i + k, at : at + k] += self.kernel * g[i, j]
            flipped = slip == "kernel not flipped" and self.last
            self.d_kernel = dk[::-1, ::-1] if flipped else dk
            mean = slip == "bias averaged" and self.last
            self.d_bias = np.array([g.mean() if mean else g.sum()])
            return dx

    layers = [Conv(3, False), Conv(2, True)]
    return compare_layers(layers, squares, difference, r(7, 6), r(4, 3))


@impl(
    "batch norm with gamma and beta",
    "compare_layers",
    {
        "dgamma of x": ("norm.gamma", r"instead of the normalised"),
        "dbeta averaged": ("norm.beta", r"mean|batch"),
        "mean and variance held": ("first output", r"constant|statistic|mean"),
    },
)
def batch_norm(slip: str | None, dt: Any) -> Any:
    r = rand(23, dt)

    class Affine:
        def __init__(self, n: int, m: int) -> None:
            self.W, self.b, self.dW, self.db = r(n, m), r(m), None, None

        def forward(self, x: Any) -> Any:
            self.x = x
            return np.dot(x, self.W) + self.b

        def backward(self, dout: Array) -> Array:
            self.dW, self.db = np.dot(self.x.T, dout), np.sum(dout, axis=0)
            return np.dot(dout, self.W.T)

    class BatchNormalization:
        def __init__(self, n: int) -> None:
            self.gamma, self.beta = 1 + r(n, k=0.2), r(n)
            self.running_mean, self.running_var = np.zeros(n, dt), np.zeros(n, dt)

        def forward(self, x: Any, train_flg: bool = True) -> Any:
            self.batch_size, mu = x.shape[0], x.mean(axis=0)
            self.xc = x - mu
            var = np.mean(self.xc**2, axis=0)
            self.std = np.sqrt(var + 10e-7)
            self.xn = self.xc / self.std
            self.running_mean = 0.9 * self.running_mean + 0.1 * mu
            self.running_var = 0.9 * self.running_var + 0.1 * var
            return self.gamma * self.xn + self.beta

        def backward(self, dout: Array) -> Array:
            self.dbeta = dout.mean(axis=0) if slip == "dbeta averaged" else dout.sum(axis=0)
            self.dgamma = np.sum((self.xc if slip == "dgamma of x" else self.xn) * dout, axis=0)
            dxn = self.gamma * dout
            dxc = dxn / self.std
            if slip == "mean and variance held":
                return dxc
            dstd = -np.sum((dxn * self.xc) / (self.std * self.std), axis=0)
            dxc += (2.0 / self.batch_size) * self.xc * 0.5 * dstd / self.std
            return dxc - np.sum(dxc, axis=0) / self.batch_size

    layers = {"first": Affine(3, 4), "norm": BatchNormalization(4), "last": Affine(4, 2)}
    return compare_layers(layers, squares, difference, r(6, 3), r(6, 2))
