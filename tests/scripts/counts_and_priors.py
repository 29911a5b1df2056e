import torch
from torch import distributions as D
from torch.distributions import kl_divergence

torch.manual_seed(0)
counts = torch.tensor([3.0, 0.0, 5.0, 2.0])
log_rate = torch.zeros(1, requires_grad=True)
optimizer = torch.optim.Adam([log_rate], lr=0.1)
for _ in range(50):
    optimizer.zero_grad()
    rate = log_rate.exp()
    loss = -D.Poisson(rate).log_prob(counts).sum() - D.Gamma(2.0, 1.0).log_prob(rate).sum()
    loss.backward()
    optimizer.step()
a = torch.tensor([2.0, 0.5], requires_grad=True)
posterior, prior = D.Beta(a, a + 1), D.Beta(torch.ones(2), torch.ones(2))
kl = kl_divergence(posterior, prior)
kl.sum().backward()
topics = D.Dirichlet(torch.tensor([1.0, 2.0, 3.0]))
words = D.Multinomial(6, probs=topics.mean)
draw = D.Gamma(a, 1.0).rsample((200,))
result = [
    log_rate.exp().item(),
    kl.tolist(),
    a.grad.tolist(),
    topics.entropy().item(),
    words.log_prob(torch.tensor([1.0, 2.0, 3.0])).item(),
    D.StudentT(4.0, 1.0, 2.0).log_prob(torch.tensor(0.0)).item(),
    D.Binomial(10, torch.tensor(0.3)).log_prob(torch.tensor(4.0)).item(),
    list(draw.shape),
    bool(torch.autograd.grad(draw.mean(), a)[0].abs().sum() > 0),
]
