import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical, MixtureSameFamily, Normal


rng = np.random.RandomState(0)
x, y = torch.FloatTensor(rng.randn(6, 4)), torch.FloatTensor(rng.randn(6))
w1, b1 = torch.FloatTensor(rng.randn(4, 3)), torch.zeros(3)
w2, b2 = torch.FloatTensor(rng.randn(3, 1)), torch.zeros(1)
grads = {}
lin = torch.empty(6, 3)
torch.matmul(x, w1, out=lin)
lin += b1
h = lin.clamp_min(0.0)
out = h @ w2 + b2
loss = (out.squeeze(-1) - y).pow(2).mean()
g = 2 * (out.squeeze(-1) - y).unsqueeze(-1) / y.shape[0]
grads["w2"], grads["b2"] = h.t() @ g, g.sum(0)
g = (lin > 0).float() * (g @ w2.t())
grads["w1"], grads["b1"] = torch.einsum("bi,bj->ij", x, g), g.sum(0)
ps = {k: t.clone().requires_grad_(True) for k, t in zip(grads, (w2, b2, w1, b1))}
again = (x @ ps["w1"] + ps["b1"]).relu() @ ps["w2"] + ps["b2"]
nn.functional.mse_loss(again.squeeze(-1), y).backward()
agree = [torch.allclose(grads[k], ps[k].grad, atol=1e-6) for k in grads]
counts, edges = torch.histogram(w1.view(-1), bins=4, range=(-2.0, 2.0))
density = torch.histogram(w1.view(-1), bins=torch.tensor([-2.0, 0.0, 0.5]), density=True)[0]
mixture = MixtureSameFamily(Categorical(torch.ones(3) / 3), Normal(torch.arange(3.0), 0.5))
hard = nn.functional.gumbel_softmax(torch.zeros(5, 3), tau=0.5, hard=True, dim=0)
result = [
    loss.item(),
    agree,
    grads["w1"].tolist(),
    counts.tolist(),
    edges.tolist(),
    density.tolist(),
    mixture.log_prob(torch.tensor([0.5, 2.5])).tolist(),
    hard.sum(0).tolist(),
]
