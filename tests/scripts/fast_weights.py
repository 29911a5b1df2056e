from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn
from torch.func import functional_call, grad, vmap

layers = [("l1", nn.Linear(1, 8)), ("relu1", nn.ReLU()), ("l2", nn.Linear(8, 1))]
net = start(nn.Sequential(OrderedDict(layers)))
meta_opt = torch.optim.Adam(net.parameters(), 1e-2)
losses = []
for it in range(3):
    meta_opt.zero_grad()
    for task in range(2):
        x = torch.linspace(-2, 2, 10).unsqueeze(-1)
        y = torch.sin(x + task)
        fast = OrderedDict(net.named_parameters())
        for _ in range(2):
            loss = F.mse_loss(functional_call(net, fast, (x,)), y)
            grads = torch.autograd.grad(loss, fast.values(), create_graph=True)
            fast = OrderedDict((n, p - 0.1 * g) for (n, p), g in zip(fast.items(), grads))
        outer = F.mse_loss(functional_call(net, fast, x), y)
        outer.backward()
        losses.append(outer.item())
    meta_opt.step()
params = {k: v.detach() for k, v in net.named_parameters()}


def compute_loss(params, sample, target):
    return F.mse_loss(functional_call(net, params, (sample.unsqueeze(0),)), target.unsqueeze(0))


samples = torch.arange(4.0).reshape(4, 1) / 4
each = vmap(grad(compute_loss), in_dims=(None, 0, 0))(params, samples, samples**2)
norms = torch.stack([g.flatten(1).norm(dim=1) for g in each.values()]).norm(dim=0)
result = [losses, norms.tolist(), {k: list(v.shape) for k, v in each.items()}]
