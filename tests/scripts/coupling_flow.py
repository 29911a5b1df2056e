import torch
from torch import nn
from torch.distributions import (
    MultivariateNormal,
    SigmoidTransform,
    TransformedDistribution,
    Uniform,
)


class AffineCoupling(nn.Module):
    def __init__(self, parity):
        super().__init__()
        self.parity = parity
        self.s_cond = nn.Sequential(nn.Linear(1, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
        self.t_cond = nn.Sequential(nn.Linear(1, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))

    def forward(self, x):
        x0, x1 = x[:, ::2], x[:, 1::2]
        if self.parity:
            x0, x1 = x1, x0
        s, t = self.s_cond(x0), self.t_cond(x0)
        z0, z1 = x0, torch.exp(s) * x1 + t
        if self.parity:
            z0, z1 = z1, z0
        return torch.cat([z0, z1], dim=1), torch.sum(s, dim=1)


class NormalizingFlow(nn.Module):
    def __init__(self, prior, flows):
        super().__init__()
        self.prior = prior
        self.flows = nn.ModuleList(flows)

    def forward(self, x):
        log_det = torch.zeros(x.shape[0])
        for flow in self.flows:
            x, ld = flow.forward(x)
            log_det += ld
        return x, self.prior.log_prob(x), log_det


prior = MultivariateNormal(torch.zeros(2), torch.eye(2))
model = start(NormalizingFlow(prior, [AffineCoupling(i % 2) for i in range(4)]))
x = torch.arange(12.0).reshape(6, 2) / 6
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
for k in range(5):
    z, prior_logprob, log_det = model(x)
    loss = -torch.sum(prior_logprob + log_det)
    model.zero_grad()
    loss.backward()
    optimizer.step()
logistic = TransformedDistribution(Uniform(torch.zeros(2), torch.ones(2)), SigmoidTransform().inv)
result = [loss.item(), z.tolist(), logistic.log_prob(torch.tensor([0.1, -0.2])).tolist()]
