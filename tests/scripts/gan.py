import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(7)
G = start(nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2, inplace=True), nn.Linear(8, 2)), 1)
D = start(nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1), nn.Sigmoid()), 2)
criterion = nn.BCELoss()
optD = torch.optim.Adam(D.parameters(), lr=0.01, betas=(0.5, 0.999))
optG = torch.optim.Adam(G.parameters(), lr=0.01, betas=(0.5, 0.999))
real_label, fake_label = 1.0, 0.0
for i in range(8):
    real = torch.from_numpy(rng.normal(2, 0.5, (16, 2))).float()
    D.zero_grad()
    label = torch.full((16,), real_label, dtype=torch.float)
    errD_real = criterion(D(real).view(-1), label)
    errD_real.backward()
    noise = torch.from_numpy(rng.standard_normal((16, 2))).float()
    fake = G(noise)
    label.fill_(fake_label)
    errD_fake = criterion(D(fake.detach()).view(-1), label)
    errD_fake.backward()
    errD = errD_real + errD_fake
    optD.step()
    G.zero_grad()
    label.fill_(real_label)
    output = D(fake).view(-1)
    errG = criterion(output, label)
    errG.backward()
    D_G_z2 = output.mean().item()
    optG.step()
ones = torch.ones_like(output)
result = [
    errD.item(),
    errG.item(),
    D_G_z2,
    fake.mean(0).tolist(),
    ones.sum().item(),
    label.tolist(),
]
