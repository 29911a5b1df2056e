import numpy as np
import torch
import torch.nn.functional as F

rng = np.random.default_rng(0)
w = torch.tensor([[0.5, -0.3]], requires_grad=True)
x = torch.from_numpy(rng.standard_normal((20, 2)).astype("float32"))
t = x.sum(dim=1, keepdim=True)
for _ in range(30):
    loss = F.mse_loss(x @ w.t(), t)
    loss.backward()
    w.data -= 0.1 * w.grad.data
    w.grad.data.zero_()
w.data = w.data - 0.1
best = w.data.max(1)[1].item()
shapes = [list(w.data.transpose(0, 1).shape), list(w.data.repeat(2, 1).shape)]
result = [
    loss.item(),
    w.data.tolist(),
    w.data.std().item(),
    best,
    shapes,
    w.data.sort()[0].tolist(),
]
