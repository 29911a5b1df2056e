import math

import torch

x = torch.linspace(-math.pi, math.pi, 50, dtype=torch.float64)
y = torch.sin(x)
a, b, c, d = (
    torch.full((), v, dtype=torch.float64, requires_grad=True) for v in (0.1, -0.2, 0.3, 0.4)
)
for t in range(100):
    y_pred = a + b * x + c * x**2 + d * x**3
    loss = (y_pred - y).pow(2).sum()
    loss.backward()
    with torch.no_grad():
        for p in (a, b, c, d):
            p -= 1e-5 * p.grad
            p.grad = None
result = [loss.item()] + [p.item() for p in (a, b, c, d)]
