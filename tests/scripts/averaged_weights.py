import torch
from torch import nn
from torch.optim.lr_scheduler import ChainedScheduler, CosineAnnealingLR, LinearLR
from torch.optim.swa_utils import SWALR, AveragedModel, get_ema_multi_avg_fn, update_bn

model = start(nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 1)))
opt = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, foreach=False)
sched = ChainedScheduler([LinearLR(opt, 0.5, total_iters=2), CosineAnnealingLR(opt, T_max=10)])
swa_model = AveragedModel(model)
ema_model = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(0.9))
swa_sched = SWALR(opt, swa_lr=0.05, anneal_epochs=2)
x = torch.arange(24.0).cos().reshape(8, 3)
y = x.sum(1, keepdim=True)
loader = [(x[:4], y[:4]), (x[4:], y[4:])]
criterion = nn.MSELoss(reduction="sum")
for epoch in range(6):
    for xb, yb in loader:
        opt.zero_grad()
        loss = criterion(model(xb), yb)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        opt.step()
        ema_model.update_parameters(model)
    if epoch > 2:
        swa_model.update_parameters(model)
        swa_sched.step()
    else:
        sched.step()
update_bn(loader, swa_model)
swa_model.eval()
result = [
    loss.item(),
    swa_model(x).flatten().tolist(),
    ema_model.module[0].weight.flatten().tolist(),
    swa_model.n_averaged.item(),
    opt.param_groups[0]["lr"],
    sorted(swa_model.state_dict())[:3],
]
