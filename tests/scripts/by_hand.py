import numpy as np
import torch

rng = np.random.default_rng(0)
x = torch.from_numpy(rng.standard_normal((40, 3)))
y = x @ torch.tensor([[1.0], [-2.0], [0.5]]).double() + 0.3
w = torch.zeros((3, 1), dtype=torch.double, requires_grad=True)
b = torch.zeros(1, dtype=torch.float64, requires_grad=True)
for step in range(30):
    loss = (x.mm(w) + b - y).pow(2).mean()
    loss.backward()
    w.data -= 0.1 * w.grad.data
    b.data.sub_(0.1 * b.grad)
    w.grad.zero_()
    b.grad.data.zero_()
result = [loss.item(), w.tolist(), b.data.item(), f"{loss:.6f}", w.data.std().item()]
