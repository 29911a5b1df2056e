import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical, MixtureSameFamily, Normal, Independent
from torch.distributions.kl import kl_divergence

result = []


def show(*values):
    result.append([v.tolist() if torch.is_tensor(v) else v for v in values])


ONEOVERSQRT2PI = 1.0 / np.sqrt(2 * np.pi)


class MDN(nn.Module):
    def __init__(self, n_hidden, n_gaussians):
        super().__init__()
        self.z_h = nn.Sequential(nn.Linear(1, n_hidden), nn.Tanh())
        self.z_pi = nn.Linear(n_hidden, n_gaussians)
        self.z_sigma = nn.Linear(n_hidden, n_gaussians)
        self.z_mu = nn.Linear(n_hidden, n_gaussians)

    def forward(self, x):
        z_h = self.z_h(x)
        pi = nn.functional.softmax(self.z_pi(z_h), -1)
        sigma = torch.exp(self.z_sigma(z_h))
        mu = self.z_mu(z_h)
        return pi, sigma, mu


def gaussian_distribution(y, mu, sigma):
    result = (y.expand_as(mu) - mu) * torch.reciprocal(sigma)
    result = -0.5 * (result * result)
    return (torch.exp(result) * torch.reciprocal(sigma)) * ONEOVERSQRT2PI


def mdn_loss_fn(pi, sigma, mu, y):
    result = gaussian_distribution(y, mu, sigma) * pi
    result = torch.sum(result, dim=1)
    result = -torch.log(result)
    return torch.mean(result)


n_samples = 100
epsilon = torch.from_numpy(np.random.RandomState(0).randn(n_samples)).float()
x_data = torch.linspace(-10, 10, n_samples)
y_data = 7 * torch.sin(0.75 * x_data) + 0.5 * x_data + epsilon
y_data, x_data = x_data.view(-1, 1), y_data.view(-1, 1)
network = start(MDN(n_hidden=20, n_gaussians=5))
optimizer = torch.optim.Adam(network.parameters())
for epoch in range(21):
    pi_variable, sigma_variable, mu_variable = network(x_data)
    loss = mdn_loss_fn(pi_variable, sigma_variable, mu_variable, y_data)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if epoch % 20 == 0:
        show(epoch, loss)
pi, sigma, mu = network(x_data)
gmm = MixtureSameFamily(Categorical(probs=pi), Normal(mu, sigma))
nll = -gmm.log_prob(y_data.squeeze(-1)).mean()
show(
    torch.isclose(nll, mdn_loss_fn(pi, sigma, mu, y_data), rtol=1e-3).item(),
    list(gmm.mean.shape),
    gmm.variance.mean(),
)
pick = pi.argmax(1, keepdim=True)
show(mu.gather(1, pick)[:3].data.view(-1))
a, b = Normal(torch.zeros(3), 1.0), Normal(torch.ones(3), 2.0)
show(
    kl_divergence(a, b),
    Independent(a, 1).log_prob(torch.zeros(3)),
    gmm.cdf(y_data.squeeze(-1)).mean(),
)
