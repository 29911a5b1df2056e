import warnings

import torch
import torch.nn as nn
from torch.nn.utils import prune, spectral_norm, weight_norm
from torch.utils.data import DataLoader, TensorDataset


warnings.simplefilter("ignore", FutureWarning)  # the names of today are in parametrizations


class TemporalBlock(nn.Module):
    def __init__(self, n_in, n_out, dilation):
        super().__init__()
        self.padding = dilation
        self.conv = weight_norm(nn.Conv1d(n_in, n_out, 2, padding=dilation, dilation=dilation))
        self.downsample = nn.Conv1d(n_in, n_out, 1) if n_in != n_out else None

    def forward(self, x):
        out = torch.relu(self.conv(x)[:, :, : -self.padding])
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


net = start(nn.Sequential(TemporalBlock(1, 4, 1), TemporalBlock(4, 4, 2)))
head = spectral_norm(start(nn.Linear(4, 1)))
head.weight_u.copy_(torch.ones(1))
head.weight_v.copy_(torch.ones(4) / 2)
x = torch.sin(torch.arange(40.0)).view(4, 1, 10)
y = torch.cos(torch.arange(4.0)).view(4, 1)
optimizer = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=0.01)
losses = []
for epoch in range(4):
    for batch in DataLoader(TensorDataset(x, y), batch_size=2):
        inputs, targets = batch
        optimizer.zero_grad()
        loss = ((head(net(inputs)[:, :, -1]) - targets) ** 2).mean()
        loss.backward()
        optimizer.step()
    losses.append(loss.item())
first = nn.utils.remove_weight_norm(net[0].conv)
prune.l1_unstructured(first, name="weight", amount=0.25)
prune.ln_structured(first, name="weight", amount=1, n=2, dim=0)
mask = first.weight_mask.tolist()
prune.remove(first, "weight")
result = [
    losses,
    [name for name, _ in net.named_parameters()],
    mask,
    first.weight.sum().item(),
    repr(nn.Parameter(torch.tensor([1.0, 2.0]))),
    [x.shape.numel(), x.shape[1:].numel(), isinstance(batch, list)],
]
