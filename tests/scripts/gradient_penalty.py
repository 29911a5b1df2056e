import numpy as np
import torch
from torch import autograd, nn

rng = np.random.default_rng(12)
critic = start(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)))
opt = torch.optim.Adam(critic.parameters(), lr=1e-2)
for step in range(5):
    real = torch.from_numpy(rng.normal(1, 0.2, (8, 2))).float()
    fake = torch.from_numpy(rng.standard_normal((8, 2))).float()
    alpha = torch.from_numpy(rng.random((8, 1))).float().expand(real.size())
    interpolates = alpha * real + ((1 - alpha) * fake)
    interpolates = autograd.Variable(interpolates, requires_grad=True)
    disc = critic(interpolates)
    gradients = autograd.grad(
        outputs=disc, inputs=interpolates, grad_outputs=torch.ones(disc.size()),
        create_graph=True, retain_graph=True, only_inputs=True,
    )[0]  # fmt: skip
    penalty = ((gradients.norm(2, dim=1) - 1) ** 2).mean() * 10
    loss = critic(fake).mean() - critic(real).mean() + penalty
    opt.zero_grad()
    loss.backward()
    opt.step()
result = [loss.item(), penalty.item(), gradients.tolist()]
