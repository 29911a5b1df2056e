import numpy as np
import torch

rng = np.random.default_rng(5)
X = torch.tensor(rng.standard_normal((24, 5)))
y = torch.tensor(rng.integers(0, 4, size=24))
W = torch.tensor(rng.normal(0, 0.1, (5, 4)), requires_grad=True)
b = torch.zeros(4, dtype=torch.float64, requires_grad=True)


def softmax(z):
    z = z - z.max(dim=1, keepdim=True).values
    e = torch.exp(z)
    return e / e.sum(1, keepdim=True)


onehot = torch.zeros(24, 4, dtype=torch.float64).scatter_(1, y.unsqueeze(1), 1.0)
for i in range(15):
    probs = softmax(torch.matmul(X.reshape((-1, W.shape[0])), W) + b)
    loss = -(onehot * torch.log(probs)).sum(dim=1).mean()
    picked = -torch.log(probs[range(len(y)), y]).mean()
    loss.backward()
    with torch.no_grad():
        W -= 0.5 * W.grad
        b -= 0.5 * b.grad
        W.grad.zero_()
        b.grad.zero_()
counts = torch.bincount(probs.argmax(axis=1), minlength=4)
result = [loss.item(), picked.item(), W.sum(0).tolist(), counts.tolist(), torch.unique(y).tolist()]
