import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Function

result = []


def show(*values):
    result.append([v.tolist() if torch.is_tensor(v) else v for v in values])


class RoundSTE(Function):
    @staticmethod
    def forward(ctx, x):
        return x.round()

    @staticmethod
    def backward(ctx, g):
        return g.clone()


class FakeQuant(Function):
    @staticmethod
    def forward(ctx, x, scale, zero_point, qmin, qmax):
        q = torch.clamp(torch.round(x / scale) + zero_point, qmin, qmax)
        mask = (torch.round(x / scale) + zero_point >= qmin) & (
            torch.round(x / scale) + zero_point <= qmax
        )
        ctx.save_for_backward(mask)
        return (q - zero_point) * scale

    @staticmethod
    def backward(ctx, grad_output):
        (mask,) = ctx.saved_tensors
        return grad_output * mask, None, None, None, None


class Observer(nn.Module):
    def __init__(self, momentum=0.1):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("min_val", torch.tensor(float("inf")))
        self.register_buffer("max_val", torch.tensor(float("-inf")))

    def forward(self, x):
        if self.training:
            mn, mx = x.detach().min(), x.detach().max()
            if torch.isinf(self.min_val):
                self.min_val.copy_(mn)
                self.max_val.copy_(mx)
            else:
                self.min_val.mul_(1 - self.momentum).add_(self.momentum * mn)
                self.max_val = self.max_val + self.momentum * (mx - self.max_val)
        return x

    def qparams(self, bits=8):
        qmin, qmax = 0, 2**bits - 1
        scale = (self.max_val - self.min_val).clamp(min=1e-8) / float(qmax - qmin)
        zp = torch.clamp(qmin - torch.round(self.min_val / scale), qmin, qmax).to(torch.int)
        return scale, zp


class QLinear(nn.Linear):
    def __init__(self, *args, bits=4, **kw):
        super().__init__(*args, **kw)
        self.bits = bits
        self.obs = Observer()

    def forward(self, x):
        self.obs(x)
        s, z = self.obs.qparams(8)
        xq = FakeQuant.apply(x, s, z, 0, 255)
        ws = self.weight.abs().amax(dim=1, keepdim=True) / (2 ** (self.bits - 1) - 1)
        wq = RoundSTE.apply(self.weight / ws) * ws
        return F.linear(xq, wq, self.bias)


net = start(nn.Sequential(QLinear(4, 16), nn.ReLU6(), QLinear(16, 3, bits=8)))
x = torch.arange(160.0).sin().view(40, 4)
y = x[:, :3].argmax(1)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for i in range(20):
    loss = F.cross_entropy(net(x), y)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if i % 5 == 0:
        show(i, loss)
net.eval()
with torch.no_grad():
    w = net[0].weight
    ws = w.abs().max() / 7
    q = torch.round(w / ws).clamp_(-8, 7).to(torch.int8)
    show(q.unique().tolist()[:3], q.element_size() * q.nelement(), "bytes")
    show((q.float() * ws - w).abs().max() <= ws / 2 + 1e-6)
    show((net(x).argmax(-1) == y).float().mean().item())
for k, v in net.state_dict().items():
    show(k, tuple(v.size()), v.abs().sum())
show(*net[0].obs.qparams())
packed = (q + 8).to(torch.uint8)
low, high = packed[:, 0::2], packed[:, 1::2]
bytes_ = low | (high << 4)
show(torch.equal(bytes_ & 0xF, low), torch.equal(bytes_ >> 4, high), bytes_.sum())
