import torch

x = torch.arange(12.0).view(3, 4).requires_grad_()
y = x * 2
y[0] *= 3
y[:, 1] += y[:, 2].clone()
row = y[2]
row.mul_(0.5)
y[1, 1:3] = torch.tensor([1.0, 2.0])
y[y.detach() > 15] = 0
sums = torch.zeros(3)
for i in range(3):
    sums[i] = y[i].sum()
sums.view(-1)[1].add_(x[0, 0])
mask = torch.zeros(3, dtype=torch.bool)
mask[0] = True
loss = (sums.masked_fill(mask, 0) ** 2).sum() + y.t()[0].sum() + row.sum()
loss.backward()
result = [loss.item(), x.grad.tolist(), y.tolist(), x.detach()[0, :2].flip(0).tolist()]
