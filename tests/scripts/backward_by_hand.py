import numpy as np
import torch
from torch import nn
from torch.distributions import Categorical, MixtureSameFamily, Normal


class Module:
    def __call__(self, *args):
        self.args = args
        self.out = self.forward(*args)
        return self.out

    def backward(self):
        self.bwd(self.out, *self.args)


class Relu(Module):
    def forward(self, inp):
        return inp.clamp_min(0.0)

    def bwd(self, out, inp):
        inp.g = (inp > 0).float() * out.g


class Lin(Module):
    def __init__(self, w, b):
        self.w, self.b = w, b

    def forward(self, inp):
        return inp @ self.w + self.b

    def bwd(self, out, inp):
        inp.g = out.g @ self.w.t()
        self.w.g = inp.t() @ out.g
        self.b.g = out.g.sum(0)


class Mse(Module):
    def forward(self, inp, targ):
        return (inp.squeeze(-1) - targ).pow(2).mean()

    def bwd(self, out, inp, targ):
        inp.g = 2 * (inp.squeeze(-1) - targ).unsqueeze(-1) / targ.shape[0]


rng = np.random.RandomState(0)
x, y = torch.FloatTensor(rng.randn(6, 4)), torch.FloatTensor(rng.randn(6))
w1, b1 = torch.FloatTensor(rng.randn(4, 3)), torch.zeros(3)
w2, b2 = torch.FloatTensor(rng.randn(3, 1)), torch.zeros(1)
layers = [Lin(w1, b1), Relu(), Lin(w2, b2)]
h = x
for layer in layers:
    h = layer(h)
mse = Mse()
loss = mse(h, y)
mse.backward()
for layer in reversed(layers):
    layer.backward()
ps = [t.clone().requires_grad_(True) for t in (w1, b1, w2, b2)]
again = Mse()((x @ ps[0] + ps[1]).relu() @ ps[2] + ps[3], y)
again.backward()
agree = [torch.allclose(t.g, p.grad, atol=1e-6) for t, p in zip((w1, b1, w2, b2), ps)]
counts, edges = torch.histogram(w1.view(-1), bins=4, range=(-2.0, 2.0))
density = torch.histogram(w1.view(-1), bins=torch.tensor([-2.0, 0.0, 0.5]), density=True)[0]
mixture = MixtureSameFamily(Categorical(torch.ones(3) / 3), Normal(torch.arange(3.0), 0.5))
hard = nn.functional.gumbel_softmax(torch.zeros(5, 3), tau=0.5, hard=True, dim=0)
result = [
    loss.item(),
    agree,
    x.g.tolist(),
    counts.tolist(),
    edges.tolist(),
    density.tolist(),
    mixture.log_prob(torch.tensor([0.5, 2.5])).tolist(),
    hard.sum(0).tolist(),
]
