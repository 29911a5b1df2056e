import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(4)
X = torch.tensor(rng.standard_normal((50, 2)), dtype=torch.float32)
y = (X[:, 0] * 2 - X[:, 1] > 0.2).float().unsqueeze(1)


class LogisticRegression(nn.Module):
    def __init__(self, n_inputs):
        super().__init__()
        self.linear = nn.Linear(n_inputs, 1)

    def forward(self, x):
        return torch.sigmoid(self.linear(x))


model = start(LogisticRegression(2))
criterion = nn.BCELoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.05, betas=(0.9, 0.999))
losses = []
for epoch in range(40):
    y_hat = model(X)
    loss = criterion(y_hat, y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
with torch.inference_mode():
    acc = model(X).round().eq(y).sum() / float(y.shape[0])
result = [losses[0], losses[-1], acc.item(), round(float(acc), 4)]
