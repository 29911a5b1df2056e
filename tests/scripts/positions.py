import math

import torch

position = torch.arange(0, 6).unsqueeze(1)
div_term = torch.exp(torch.arange(0, 4, 2) * (-math.log(10000.0) / 4))
pe = torch.zeros(6, 4)
pe[:, 0::2] = torch.sin(position * div_term)
pe[:, 1::2] = torch.cos(position * div_term)
labels = torch.tensor([0, 2, 1])
accuracy = (labels == torch.tensor([0, 1, 1])).float().mean()
share = (labels == 1).sum() / len(labels)
weights = torch.tensor([1, 2, 3]) / 6
x = torch.ones(3, requires_grad=True)
(x * labels * weights).sum().backward()
inverse = 1.0 / torch.bincount(labels)
picked = torch.arange(24.0).view(2, 3, 4)[0, :, [1, 2]]
dtypes = [str(t.dtype).split(".")[-1] for t in (pe, share, weights, inverse, labels * 0.5)]
result = [pe.tolist(), accuracy.item(), share.item(), x.grad.tolist(), dtypes, picked.tolist()]
