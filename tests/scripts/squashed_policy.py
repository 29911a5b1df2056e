import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import TransformedDistribution, constraints
from torch.distributions.normal import Normal
from torch.distributions.transforms import AffineTransform, TanhTransform, Transform


class Actor(nn.Module):
    def __init__(self, obs_dim, act_dim, hidden):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(obs_dim, hidden), nn.ReLU())
        self.mu_layer = nn.Linear(hidden, act_dim)
        self.log_std_layer = nn.Linear(hidden, act_dim)

    def forward(self, obs):
        h = self.net(obs)
        mu = self.mu_layer(h)
        std = torch.exp(torch.clamp(self.log_std_layer(h), -20, 2))
        pi = Normal(mu, std)
        logp = pi.log_prob(mu).sum(axis=-1)
        logp -= (2 * (math.log(2) - mu - F.softplus(-2 * mu))).sum(axis=1)
        return torch.tanh(mu), logp


class OwnTanh(Transform):
    domain = constraints.real
    codomain = constraints.interval(-1.0, 1.0)
    bijective = True
    sign = +1

    def __init__(self, cache_size=1):
        super().__init__(cache_size=cache_size)

    def _call(self, x):
        return x.tanh()

    def _inverse(self, y):
        return 0.5 * (y.log1p() - (-y).log1p())

    def log_abs_det_jacobian(self, x, y):
        return 2.0 * (math.log(2.0) - x - F.softplus(-2.0 * x))


actor = start(Actor(3, 2, 8))
obs = torch.arange(12.0).reshape(4, 3) / 10
action, logp = actor(obs)
(0.2 * logp - action.sum(1)).mean().backward()
base = Normal(torch.zeros(2), torch.ones(2))
tanh = TransformedDistribution(base, [TanhTransform(cache_size=1), AffineTransform(0.0, 2.0)])
own = TransformedDistribution(base, [OwnTanh()])
drawn = tanh.rsample()
value = torch.tensor([0.5, -0.9])
result = [
    action.tolist(),
    logp.tolist(),
    actor.mu_layer.bias.grad.tolist(),
    actor.log_std_layer.weight.grad.sum().item(),
    tanh.log_prob(value).tolist(),
    own.log_prob(value).tolist(),
    bool(torch.isfinite(tanh.log_prob(drawn)).all()),
]
