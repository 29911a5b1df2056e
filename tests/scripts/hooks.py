import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(14)
model = start(nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)))
activation, gradients = {}, {}


def save(name):
    def hook(model, input, output):
        activation[name] = output.detach()

    return hook


def save_gradient(module, grad_input, grad_output):
    gradients["out"] = grad_output[0].clone()


handles = [layer.register_forward_hook(save(str(i))) for i, layer in enumerate(model)]
handles.append(model[2].register_full_backward_hook(save_gradient))
x = torch.from_numpy(rng.standard_normal((3, 4))).float().requires_grad_(True)
h = x * 2
h.retain_grad()
h.register_hook(lambda g: g * 0.5)
out = model(h)
out.pow(2).sum().backward()
for handle in handles:
    handle.remove()
model(x)
total = torch.sqrt(sum(p.grad.data.norm(2) ** 2 for p in model.parameters()))
result = [
    activation["1"].tolist(),
    gradients["out"].tolist(),
    x.grad.tolist(),
    h.grad.norm().item(),
    total.item(),
]
