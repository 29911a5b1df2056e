import copy

import torch
from torch import nn
from torch.optim.lr_scheduler import StepLR
from torch.optim.optimizer import Optimizer


class Lion(Optimizer):
    def __init__(self, params, lr=1e-2, betas=(0.9, 0.99), weight_decay=0.0):
        if not 0.0 <= lr:
            raise ValueError("Invalid learning rate: {}".format(lr))
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("maximize", False)

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data.mul_(1 - group["lr"] * group["weight_decay"])
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                state["step"] += 1
                update = state["exp_avg"] * beta1 + p.grad * (1 - beta1)
                p.add_(torch.sign(update), alpha=-group["lr"])
                state["exp_avg"].mul_(beta2).add_(p.grad, alpha=1 - beta2)
        return loss


model = start(nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)))
x = torch.linspace(-1, 1, 30).view(10, 3)
y = x.sum(1, keepdim=True)
optimizer = Lion(
    [{"params": model[0].parameters()}, {"params": model[2].parameters(), "lr": 5e-3}],
    weight_decay=0.1,
)
scheduler = StepLR(optimizer, step_size=2, gamma=0.5)
losses = []


def closure():
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(x), y)
    loss.backward()
    return loss


for _ in range(4):
    losses.append(optimizer.step(closure).item())
    scheduler.step()
saved = copy.deepcopy(optimizer.state_dict())
other = Lion([{"params": model[0].parameters()}, {"params": model[2].parameters()}])
other.load_state_dict(saved)
result = [
    losses,
    [group["lr"] for group in other.param_groups],
    sorted(saved["state"]),
    [other.state[p]["step"] for p in model.parameters()],
    other.state[model[2].bias]["exp_avg"].tolist(),
    len(copy.deepcopy(optimizer).param_groups),
]
