import io

import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(15)
x = torch.from_numpy(rng.standard_normal((6, 3))).float()


def make(seed):
    model = start(
        nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1)),
        seed,
    )
    return model, torch.optim.Adam(model.parameters(), lr=0.01)


def train(model, optimizer, n):
    for _ in range(n):
        loss = model(x).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss.item()


model, optimizer = make(1)
train(model, optimizer, 3)
file = io.BytesIO()
torch.save(
    {
        "epoch": 3,
        "model_state_dict": model.state_dict(),
        "optimizer_state_dict": optimizer.state_dict(),
    },
    file,
)
expected = train(model, optimizer, 3)
file.seek(0)
model, optimizer = make(2)
checkpoint = torch.load(file, map_location=torch.device("cpu"))
model.load_state_dict(checkpoint["model_state_dict"])
optimizer.load_state_dict(checkpoint["optimizer_state_dict"])
again = train(model, optimizer, 3)
assert abs(expected - again) < 1e-7
model.eval()
result = [again, checkpoint["epoch"], sorted(checkpoint["model_state_dict"]), model(x).tolist()]
