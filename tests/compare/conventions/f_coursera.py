"""Columns as samples, dictionaries of parameters, caches in caches, 1/m inside (Coursera's style)."""

from __future__ import annotations

from typing import Any

import numpy as np

from autograd_lite import check, check_backward
from tests.compare.conventions.bed import Array, impl, rand, sigmoid

M = r"not divided by the|times the right one|times too|batch"


@impl("planar net: forward, cost, backward with dictionaries", "check", {
    "1/m left out of dW2": ("W2", M),
    "1 - A1 for 1 - A1**2": (("b1", "W1"), r"1 - y|1 - a|tanh|relative|norm|exponent"),
    "db without keepdims": "ok",
    "db over the other axis": ("b2", r"axis|shape|only|features"),
    "W2 for W2.T": (("b1", "W1"), r"transpose|shape|raised|instead of W\.T"),
})  # fmt: skip
def planar(slip: Any, dt: Any) -> Any:
    r = rand(30, dt)
    X, Y = r(2, 9), (np.arange(9) % 2).reshape(1, 9).astype(dt)
    n_y, n_h = 1, 4
    parameters = {"W1": r(n_h, 2), "b1": r(n_h, 1), "W2": r(n_y, n_h), "b2": r(n_y, 1)}

    def forward_propagation(X: Array, parameters: Any) -> Any:
        Z1 = np.dot(parameters["W1"], X) + parameters["b1"]
        A1 = np.tanh(Z1)
        A2 = sigmoid(np.dot(parameters["W2"], A1) + parameters["b2"])
        return A2, {"A1": A1, "A2": A2}

    def compute_cost(A2: Any, Y: Array) -> Any:
        logs = np.multiply(np.log(A2), Y) + np.multiply(np.log(1 - A2), 1 - Y)
        return np.squeeze(-np.sum(logs) / Y.shape[1])

    def backward_propagation(parameters: Any) -> Any:
        A2, cache = forward_propagation(X, parameters)
        A1, m = cache["A1"], X.shape[1]
        dZ2 = A2 - Y
        dW2 = np.dot(dZ2, A1.T) / (1 if slip == "1/m left out of dW2" else m)
        axis = 0 if slip == "db over the other axis" else 1
        db2 = np.sum(dZ2, axis=axis, keepdims=slip != "db without keepdims") / m
        slope = 1 - (A1 if slip == "1 - A1 for 1 - A1**2" else np.power(A1, 2))
        W = parameters["W2"]
        back = np.ones((n_h, n_y)) @ W[:, :1] if slip == "W2 for W2.T" else W.T
        dZ1 = np.dot(back, dZ2) * slope
        db1 = np.sum(dZ1, axis=1, keepdims=True) / m
        return {"dW1": np.dot(dZ1, X.T) / m, "db1": db1, "dW2": dW2, "db2": db2}

    return check(
        lambda parameters: compute_cost(forward_propagation(X, parameters)[0], Y),
        parameters, backward_propagation,
    )  # fmt: skip


@impl("linear_activation_backward(dA, cache, activation)", "check_backward", {
    "relu's mask from dA": (("b", "W", "A_prev"), r"mask"),
    "dA_prev with W": (("A_prev",), r"transpose"),
    "dW alone divided": (("W",), r"averaged|times|mean|batch|too small|once too often"),
})  # fmt: skip
def linear_activation(slip: Any, dt: Any) -> Any:
    def linear_activation_forward(A_prev: Any, W: Any, b: Any, activation: str) -> Any:
        Z = np.dot(W, A_prev) + b
        A = np.maximum(0, Z) if activation == "relu" else 1 / (1 + np.exp(-Z))
        return A, ((A_prev, W, b), Z)

    def linear_backward(dZ: Array, cache: Any) -> Any:
        A_prev, W, _ = cache
        m = A_prev.shape[1]
        db = np.sum(dZ, axis=1, keepdims=True) / (1 if slip == "dW alone divided" else m)
        return (W if slip == "dA_prev with W" else W.T) @ dZ, dZ @ A_prev.T / m, db

    def linear_activation_backward(dA: Array, cache: Any, activation: str) -> Any:
        linear, Z = cache
        if activation == "relu":
            dZ = dA * ((dA if slip == "relu's mask from dA" else Z) > 0)
        else:
            s = 1 / (1 + np.exp(-Z))
            dZ = dA * s * (1 - s)
        return linear_backward(dZ, linear)

    r = rand(31, dt)
    n = 4 if slip == "dA_prev with W" else 3
    kind = "relu" if slip else "sigmoid"
    inputs = (r(4, 6), r(n, 4), r(n, 1), kind)
    return check_backward(linear_activation_forward, linear_activation_backward, inputs)


@impl("rnn_cell with a dictionary of parameters", "check_backward", {
    "tanh's derivative left out": (("ba", "Wax", "Waa", "xt", "a_prev"), r"left out|relative"),
    "dba not summed": ("ba", r"shape|sum|sample"),
    "dWaa with xt": ("Waa", r"shape|input|xt"),
})  # fmt: skip
def rnn_cell(slip: Any, dt: Any) -> Any:
    def rnn_cell_forward(xt: Any, a_prev: Any, parameters: Any) -> Any:
        Wax, Waa, Wya, ba, by = (parameters[k] for k in ("Wax", "Waa", "Wya", "ba", "by"))
        a_next = np.tanh(np.dot(Wax, xt) + np.dot(Waa, a_prev) + ba)
        e = np.exp(np.dot(Wya, a_next) + by)
        return a_next, e / e.sum(axis=0), (a_next, a_prev, xt, parameters)

    def rnn_cell_backward(da_next: Array, cache: Any) -> Any:
        a_next, a_prev, xt, parameters = cache
        d = da_next * (1 if slip == "tanh's derivative left out" else 1 - a_next**2)
        dba = d if slip == "dba not summed" else d.sum(axis=1, keepdims=True)
        dWaa = d @ (xt if slip == "dWaa with xt" else a_prev).T
        dxt, da_prev = parameters["Wax"].T @ d, parameters["Waa"].T @ d
        return {"dxt": dxt, "da_prev": da_prev, "dWax": d @ xt.T, "dWaa": dWaa, "dba": dba}

    r = rand(32, dt)
    names = {"Wax": (5, 3), "Waa": (5, 5), "Wya": (2, 5), "ba": (5, 1), "by": (2, 1)}
    parameters = {name: r(*shape) for name, shape in names.items()}
    return check_backward(rnn_cell_forward, rnn_cell_backward, (r(3, 10), r(5, 10), parameters))


@impl("unrolled theta: cost(theta) -> (J, grad)", "check", {
    "penalty on the bias column": ("theta", r"only|norm|relative|penalty"),
    "sigmoid's derivative left out": ("theta", r"left out|only|norm|relative"),
    "grad in the other order": ("theta", r"order|norm|relative|only"),
    "not divided by m": ("theta", M),
})  # fmt: skip
def unrolled(slip: Any, dt: Any) -> Any:
    r = rand(33, dt)
    X, y, lam, h, k = r(8, 3), np.arange(8) % 2, 0.5, 4, 2

    def cost(theta: Any) -> Any:
        T1, T2 = theta[: h * 4].reshape(h, 4), theta[h * 4 :].reshape(k, h + 1)
        m = len(X)
        A1 = np.c_[np.ones(m), X]
        A2 = np.ones((m, h + 1))
        A2[:, 1:] = sigmoid(A1 @ T1.T)
        A3 = sigmoid(A2 @ T2.T)
        Y = np.eye(k)[y]
        J = -(Y * np.log(A3) + (1 - Y) * np.log(1 - A3)).sum() / m
        J += lam / 2 / m * ((T1[:, 1:] ** 2).sum() + (T2[:, 1:] ** 2).sum())
        d3 = A3 - Y
        slope = 1 if slip == "sigmoid's derivative left out" else A2 * (1 - A2)
        d2 = ((d3 @ T2) * slope)[:, 1:]
        P1, P2 = lam * T1.copy(), lam * T2.copy()
        if slip != "penalty on the bias column":
            P1[:, 0] = P2[:, 0] = 0
        parts = [(d2.T @ A1 + P1).ravel(), (d3.T @ A2 + P2).ravel()]
        if slip == "grad in the other order":
            parts = parts[::-1]
        return J, np.concatenate(parts) / (1 if slip == "not divided by m" else m)

    return check(cost, r(h * 4 + k * (h + 1), k=0.5))
