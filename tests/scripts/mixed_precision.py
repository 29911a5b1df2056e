import io

import torch
from torch import nn
from torch.amp import GradScaler, autocast

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
use_amp = torch.cuda.is_available()
net = start(nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2)).to(device))
opt = torch.optim.AdamW(net.parameters(), lr=1e-2, fused=use_amp)
scaler = GradScaler("cuda", enabled=use_amp)
x = torch.cos(torch.arange(32.0)).reshape(8, 4).to(device, non_blocking=True)
y = torch.tensor([0, 1] * 4, device=device)
for step in range(5):
    with autocast(device.type, torch.float16, enabled=use_amp):
        out = net(x)
        loss = nn.functional.cross_entropy(out, y)
    scaler.scale(loss).backward()
    scaler.unscale_(opt)
    norm = torch.nn.utils.clip_grad_norm_(net.parameters(), max_norm=0.1)
    scaler.step(opt)
    scaler.update()
    opt.zero_grad(set_to_none=True)
file = io.BytesIO()
torch.save({"net": net.state_dict(), "opt": opt.state_dict(), "loss": loss.detach()}, file)
file.seek(0)
ckpt = torch.load(file, map_location=device)
again = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2)).to(device)
again.load_state_dict(ckpt["net"])
opt.load_state_dict(ckpt["opt"])
result = [
    loss.item(),
    float(norm),
    scaler.get_scale(),
    torch.equal(again(x), net(x)),
    float(ckpt["loss"]) == loss.item(),
    str(next(again.parameters()).device),
]
