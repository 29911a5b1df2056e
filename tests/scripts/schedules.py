import torch
from torch import nn
from torch.optim import lr_scheduler

model = start(nn.Linear(2, 1))
result = []
for make in (
    lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=5),
    lambda o: lr_scheduler.MultiStepLR(o, milestones=[2, 4], gamma=0.1),
    lambda o: lr_scheduler.LambdaLR(o, lr_lambda=lambda epoch: 0.95**epoch),
    lambda o: lr_scheduler.OneCycleLR(o, max_lr=0.5, total_steps=8),
    lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, T_0=3),
):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scheduler = make(optimizer)
    for epoch in range(7):
        model(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        optimizer.zero_grad()
        scheduler.step()
        result.append(optimizer.param_groups[0]["lr"])
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
scheduler = lr_scheduler.ReduceLROnPlateau(optimizer, mode="min", factor=0.5, patience=1)
for val_loss in (1.0, 0.9, 0.95, 0.96, 0.97, 0.5):
    scheduler.step(val_loss)
    result.append([g["lr"] for g in optimizer.param_groups][0])
result.append(model.weight.tolist())
