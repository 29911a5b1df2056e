import torch
from torch import nn

net = start(
    nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)).double()
)
t = torch.linspace(0, 2, 15).double().view(-1, 1).requires_grad_(True)
t0 = torch.zeros(1, 1, dtype=torch.float64)
optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
for i in range(15):
    u = net(t)
    (dudt,) = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)
    d2udt2 = torch.autograd.grad(dudt.sum(), t, create_graph=True)[0]
    loss = torch.mean((d2udt2 + 0.5 * dudt + u) ** 2) + (net(t0) - 1).pow(2).squeeze()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
error = (u - torch.exp(-t)).abs().max()
result = [loss.item(), error.item(), dudt.detach().flatten().tolist()]
