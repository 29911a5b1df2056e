import torch
import torch.nn as nn
import torch.nn.functional as F


class RMSNorm(nn.Module):
    def __init__(self, dim, eps=1e-6):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        norm = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps)
        return norm.type_as(x) * self.weight


class Expert(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.w1 = nn.Linear(dim, hidden, bias=False)
        self.w2 = nn.Linear(hidden, dim, bias=False)
        self.w3 = nn.Linear(dim, hidden, bias=False)

    def forward(self, x):
        return self.w2(F.silu(self.w1(x)) * self.w3(x))


class MoE(nn.Module):
    def __init__(self, dim=8, n=4, k=2):
        super().__init__()
        self.k, self.n = k, n
        self.norm = RMSNorm(dim)
        self.gate = nn.Linear(dim, n, bias=False)
        self.experts = nn.ModuleList(Expert(dim, 12) for _ in range(n))

    def forward(self, x):
        shape = x.shape
        x = self.norm(x).view(-1, shape[-1])
        probs = self.gate(x).softmax(dim=-1)
        weights, chosen = torch.topk(probs, self.k, dim=-1)
        weights = weights / weights.sum(dim=-1, keepdim=True)
        out = torch.zeros_like(x)
        mask = F.one_hot(chosen, num_classes=self.n).permute(2, 1, 0)
        for e in range(self.n):
            place, row = torch.where(mask[e])
            if row.numel() == 0:
                continue
            out.index_add_(0, row, self.experts[e](x[row]) * weights[row, place, None])
        load = mask.float().sum((1, 2)) / mask.sum()
        return out.reshape(shape), self.n * (load * probs.mean(0)).sum()


model = start(MoE())
x = torch.sin(torch.arange(120.0)).view(3, 5, 8)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, fused=False, foreach=False)
warm = torch.optim.lr_scheduler.LinearLR(optimizer, 0.1, total_iters=3)
cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=5)
scheduler = torch.optim.lr_scheduler.SequentialLR(optimizer, [warm, cosine], milestones=[3])
ema = {k: v.clone().detach() for k, v in model.state_dict().items()}
losses, lrs = [], []
for _ in range(6):
    out, balance = model(x)
    loss = F.smooth_l1_loss(x + out, x.flip(1), beta=0.5) + 0.01 * balance
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step()
    with torch.no_grad():
        for k, v in model.state_dict().items():
            ema[k].mul_(0.9).add_(v, alpha=0.1)
    losses.append(loss.item())
    lrs.append(optimizer.param_groups[0]["lr"])
result = [losses, lrs, balance.item(), sum(v.norm().item() for v in ema.values())]
