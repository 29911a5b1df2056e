from typing import Optional, Tuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor

result = []


def show(*values):
    result.append([v.tolist() if torch.is_tensor(v) else v for v in values])


class SAEConfig:
    d_in: int = 8
    d_hidden: int = 24
    l1_coeff: float = 1e-2
    tied: bool = False


class SAE(nn.Module):
    W_enc: Tensor
    b_enc: Tensor

    def __init__(self, cfg: SAEConfig):
        super().__init__()
        self.cfg = cfg
        self.W_enc = nn.Parameter(nn.init.kaiming_uniform_(torch.empty(cfg.d_in, cfg.d_hidden)))
        self._W_dec = (
            None
            if cfg.tied
            else nn.Parameter(nn.init.kaiming_uniform_(torch.empty(cfg.d_hidden, cfg.d_in)))
        )
        self.b_enc = nn.Parameter(torch.zeros(cfg.d_hidden))
        self.b_dec = nn.Parameter(torch.zeros(cfg.d_in))
        self.register_buffer("frac_active", torch.zeros(cfg.d_hidden))

    @property
    def W_dec(self) -> Tensor:
        return self._W_dec if self._W_dec is not None else self.W_enc.transpose(-1, -2)

    @property
    def W_dec_normalized(self) -> Tensor:
        return self.W_dec / (self.W_dec.norm(dim=-1, keepdim=True) + 1e-8)

    def forward(self, h: Tensor) -> Tuple[dict, Tensor]:
        h_cent = h - self.b_dec
        acts_pre = h_cent @ self.W_enc + self.b_enc
        acts = F.relu(acts_pre)
        h_rec = acts @ self.W_dec_normalized + self.b_dec
        loss_dict = {
            "L_reconstruction": (h_rec - h).pow(2).mean(-1),
            "L_sparsity": acts.abs().sum(-1),
        }
        loss = (
            (loss_dict["L_reconstruction"] + self.cfg.l1_coeff * loss_dict["L_sparsity"])
            .mean(0)
            .sum()
        )
        self.frac_active.copy_((acts > 1e-8).float().mean(0).detach())
        return loss_dict, loss

    @torch.no_grad()
    def resample_dead(self, scale: float = 0.2) -> int:
        dead = (self.frac_active < 1e-8).nonzero().squeeze(-1)
        if len(dead) == 0:
            return 0
        new = torch.ones(len(dead), self.cfg.d_in)
        new = new / new.norm(dim=-1, keepdim=True)
        self._W_dec.data[dead] = new
        self.W_enc.data.T[dead] = new * scale
        self.b_enc.data[dead] = 0.0
        return dead.numel()


lm = (
    start(
        nn.Sequential(
            nn.Embedding(11, 8), nn.Linear(8, 8), nn.GELU(approximate="tanh"), nn.Linear(8, 11)
        )
    )
    .eval()
    .requires_grad_(False)
)
cache: dict = {}
h = lm[2].register_forward_hook(lambda mod, args, out: cache.__setitem__("acts", out))
lm(torch.arange(11).repeat(6))
h.remove()
acts = cache["acts"]
show(list(acts.shape), acts.requires_grad, acts.is_leaf)
sae = start(SAE(SAEConfig()), 1)
opt = torch.optim.Adam(list(sae.parameters()), lr=3e-3, betas=(0.0, 0.999))
for step in range(21):
    with torch.no_grad():
        sae._W_dec.data /= sae._W_dec.norm(dim=-1, keepdim=True)
    ld, loss = sae(acts)
    loss.backward()
    opt.step()
    opt.zero_grad()
    if step % 10 == 0:
        n = sae.resample_dead()
        show(step, loss, ld["L_sparsity"].mean(), n)
top = sae.frac_active.topk(3)
show(top.values)
vals, idx = (
    torch.cosine_similarity(sae.W_dec[:, None], sae.W_dec[None], dim=-1)
    .fill_diagonal_(-1)
    .max(dim=-1)
)
show(vals.mean(), len(idx))
show(torch.quantile(acts.flatten(), torch.tensor([0.1, 0.5, 0.9])))
