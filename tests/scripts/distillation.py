import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

rng = np.random.default_rng(19)
x = torch.tensor(rng.standard_normal((20, 4)), dtype=torch.float32)
labels = torch.tensor(rng.integers(0, 3, 20))
teacher = start(nn.Linear(4, 3), 1)
student = start(nn.Sequential(nn.Linear(4, 5), nn.ELU(), nn.Dropout(p=0.0), nn.Linear(5, 3)), 2)
for p in teacher.parameters():
    p.requires_grad = False
T, alpha = 2.0, 0.5
weight = torch.FloatTensor([1.0, 2.0, 0.5])
optimizer = torch.optim.SGD(student.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
for step in range(8):
    logits = student(x)
    soft = F.kl_div(
        F.log_softmax(logits / T, dim=1), F.softmax(teacher(x) / T, dim=1), reduction="batchmean"
    )
    hard = F.cross_entropy(logits, labels, weight=weight, label_smoothing=0.1)
    multi = nn.BCEWithLogitsLoss(pos_weight=weight)(
        logits, F.one_hot(labels, num_classes=3).float()
    )
    loss = alpha * T * T * soft + (1 - alpha) * hard + 0.1 * multi
    l1 = sum(p.abs().sum() for p in student.parameters())
    loss = loss + 1e-3 * l1
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
result = [loss.item(), soft.item(), hard.item(), multi.item(), teacher.weight.grad is None]
