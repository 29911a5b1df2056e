import torch
import torch.nn as nn

result = []


def show(*values):
    result.append([v.tolist() if torch.is_tensor(v) else v for v in values])


def rk4_step(func, t, dt, y):
    k1 = func(t, y)
    k2 = func(t + dt / 2, y + dt * k1 / 2)
    k3 = func(t + dt / 2, y + dt * k2 / 2)
    k4 = func(t + dt, y + dt * k3)
    return (k1 + 2 * k2 + 2 * k3 + k4) * dt / 6


def odeint(func, y0, t):
    ys = [y0]
    for t0, t1 in zip(t[:-1], t[1:]):
        ys.append(ys[-1] + rk4_step(func, t0, t1 - t0, ys[-1]))
    return torch.stack(ys)


class OdeintAdjoint(torch.autograd.Function):
    @staticmethod
    def forward(ctx, y0, t, flat_params, func):
        with torch.no_grad():
            ys = odeint(func, y0, t)
        ctx.func = func
        ctx.save_for_backward(t, ys, flat_params)
        return ys

    @staticmethod
    def backward(ctx, grad_ys):
        t, ys, flat = ctx.saved_tensors
        func = ctx.func
        params = tuple(func.parameters())
        with torch.no_grad():
            adj_y = torch.zeros_like(ys[0])
            adj_p = torch.zeros_like(flat)
            for i in range(len(t) - 1, 0, -1):
                adj_y = adj_y + grad_ys[i]
                dt = t[i] - t[i - 1]
                with torch.enable_grad():
                    y = ys[i - 1].detach().requires_grad_(True)
                    out = y + rk4_step(func, t[i - 1], dt, y)
                    grads = torch.autograd.grad(out, (y,) + params, adj_y, allow_unused=True)
                adj_y = grads[0]
                adj_p += torch.cat(
                    [
                        g.reshape(-1) if g is not None else torch.zeros_like(p).reshape(-1)
                        for g, p in zip(grads[1:], params)
                    ]
                )
            adj_y = adj_y + grad_ys[0]
        return adj_y, None, adj_p, None


class ODEFunc(nn.Module):
    def __init__(self):
        super(ODEFunc, self).__init__()
        self.net = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))
        for m in self.net.modules():
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, mean=0, std=0.1)
                nn.init.constant_(m.bias, val=0)
        self.nfe = 0

    def forward(self, t, y):
        self.nfe += 1
        return self.net(y**3)


true_A = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])


class Lambda(nn.Module):
    def forward(self, t, y):
        return torch.mm(y**3, true_A)


t = torch.linspace(0.0, 1.0, 9)
y0 = torch.tensor([[2.0, 0.0]])
with torch.no_grad():
    true_y = odeint(Lambda(), y0, t)
func = start(ODEFunc())
opt = torch.optim.RMSprop(func.parameters(), lr=1e-2)
for itr in range(1, 11):
    opt.zero_grad()
    flat = torch.cat([p.reshape(-1) for p in func.parameters()])
    pred = OdeintAdjoint.apply(y0, t, flat, func)
    loss = torch.mean(torch.abs(pred - true_y))
    loss.backward()
    opt.step()
    if itr % 5 == 0:
        show(itr, loss, func.nfe)
direct = odeint(func, y0, t)
loss2 = (direct - true_y).abs().mean()
g1 = torch.autograd.grad(loss2, list(func.parameters()), retain_graph=True)
flat = torch.nn.utils.parameters_to_vector(func.parameters())
loss3 = (OdeintAdjoint.apply(y0, t, flat, func) - true_y).abs().mean()
g2 = torch.autograd.grad(loss3, list(func.parameters()))
show(max((a - b).abs().max().item() for a, b in zip(g1, g2)) < 1e-5)
show(pred[-1])
