import numpy as np
import torch
from torch import nn

rng = np.random.default_rng(6)
H, D = 4, 3


class Cell(nn.Module):
    def __init__(self):
        super().__init__()
        self.W = nn.Parameter(torch.empty(4 * H, D))
        self.U = nn.Parameter(torch.empty(4 * H, H))
        self.b = nn.Parameter(torch.zeros(4 * H))
        for w in (self.W, self.U):
            nn.init.xavier_uniform_(w)

    def forward(self, x, state=None):
        seq, bs, _ = x.size()
        h, c = state if state is not None else (x.new_zeros(bs, H), x.new_zeros(bs, H))
        out = []
        for t in range(seq):
            gates = x[t] @ self.W.t() + h @ self.U.t() + self.b
            i, f, g, o = gates.chunk(4, dim=1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * c.tanh()
            out.append(h.unsqueeze(0))
        return torch.cat(out, dim=0), (h, c)


cell = start(Cell())
x = torch.from_numpy(rng.standard_normal((5, 2, D))).float()
y = torch.from_numpy(rng.standard_normal((5, 2, H))).float()
opt = torch.optim.RMSprop(cell.parameters(), lr=0.01, alpha=0.9)
for _ in range(10):
    out, (h, c) = cell(x)
    loss = nn.MSELoss()(out, y)
    opt.zero_grad()
    loss.backward()
    norm = nn.utils.clip_grad_norm_(cell.parameters(), max_norm=0.5)
    opt.step()
result = [
    loss.item(),
    norm.item(),
    h.tolist(),
    sum(p.numel() for p in cell.parameters() if p.requires_grad),
]
