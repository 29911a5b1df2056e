import numpy as np
import torch
from torch import nn


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(6, 4), nn.ReLU(True), nn.Linear(4, 2))
        self.decoder = nn.Sequential(nn.Linear(2, 4), nn.ReLU(True), nn.Linear(4, 6), nn.Tanh())

    def forward(self, x):
        return self.decoder(self.encoder(x))


x = torch.Tensor(np.random.default_rng(9).uniform(-1, 1, (12, 6)).astype("float32"))
model = start(Autoencoder())
criterion = nn.MSELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-5)
scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.95)
for epoch in range(12):
    img = x.view(x.size(0), -1)
    output = model(img)
    loss = criterion(output, img)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
codes = model.encoder(x).detach().cpu().numpy()
result = [
    loss.item(),
    codes.tolist(),
    optimizer.param_groups[0]["lr"],
    [n for n, _ in model.named_parameters()],
]
