import copy
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

result = []


def show(*values):
    result.append([v.tolist() if torch.is_tensor(v) else v for v in values])


class ModelEMA:
    def __init__(self, model, decay=0.99, device=None):
        self.module = copy.deepcopy(model)
        self.module.eval()
        self.decay = decay
        self.device = device
        if self.device is not None:
            self.module.to(device=device)
        for p in self.module.parameters():
            p.requires_grad_(False)

    def _update(self, model, update_fn):
        with torch.no_grad():
            for ema_v, model_v in zip(
                self.module.state_dict().values(), model.state_dict().values()
            ):
                if self.device is not None:
                    model_v = model_v.to(device=self.device)
                ema_v.copy_(update_fn(ema_v, model_v))

    def update(self, model):
        self._update(model, update_fn=lambda e, m: self.decay * e + (1.0 - self.decay) * m)


def mixup_data(x, y, alpha=1.0, rng=np.random.default_rng(1)):
    lam = rng.beta(alpha, alpha) if alpha > 0 else 1
    index = torch.from_numpy(rng.permutation(x.size()[0]))
    mixed_x = lam * x + (1 - lam) * x[index, :]
    y_a, y_b = y, y[index]
    return mixed_x, y_a, y_b, lam


def mixup_criterion(criterion, pred, y_a, y_b, lam):
    return lam * criterion(pred, y_a) + (1 - lam) * criterion(pred, y_b)


def cutmix(x, y, lam, rng=np.random.default_rng(2)):
    W, H = x.size()[2], x.size()[3]
    cut = int(W * np.sqrt(1.0 - lam))
    cx, cy = rng.integers(W), rng.integers(H)
    x1, y1 = np.clip(cx - cut // 2, 0, W), np.clip(cy - cut // 2, 0, H)
    x2, y2 = np.clip(cx + cut // 2, 0, W), np.clip(cy + cut // 2, 0, H)
    idx = torch.from_numpy(rng.permutation(len(x)))
    x = x.clone()
    x[:, :, x1:x2, y1:y2] = x[idx, :, x1:x2, y1:y2]
    lam = 1 - ((x2 - x1) * (y2 - y1) / (x.size()[-1] * x.size()[-2]))
    onehot = F.one_hot(y, 4).float()
    return x, onehot * lam + onehot[idx] * (1 - lam)


class SAM(torch.optim.Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, adaptive=False, **kwargs):
        assert rho >= 0.0, f"Invalid rho, should be non-negative: {rho}"
        defaults = dict(rho=rho, adaptive=adaptive, **kwargs)
        super(SAM, self).__init__(params, defaults)
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups
        self.defaults.update(self.base_optimizer.defaults)

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        grad_norm = self._grad_norm()
        for group in self.param_groups:
            scale = group["rho"] / (grad_norm + 1e-12)
            for p in group["params"]:
                if p.grad is None:
                    continue
                self.state[p]["old_p"] = p.data.clone()
                e_w = (torch.pow(p, 2) if group["adaptive"] else 1.0) * p.grad * scale.to(p)
                p.add_(e_w)
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                p.data = self.state[p]["old_p"]
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()

    def _grad_norm(self):
        shared_device = self.param_groups[0]["params"][0].device
        norm = torch.norm(
            torch.stack(
                [
                    ((torch.abs(p) if group["adaptive"] else 1.0) * p.grad)
                    .norm(p=2)
                    .to(shared_device)
                    for group in self.param_groups
                    for p in group["params"]
                    if p.grad is not None
                ]
            ),
            p=2,
        )
        return norm

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        self.base_optimizer.param_groups = self.param_groups


class EarlyStopping:
    def __init__(self, patience=3, delta=0.0):
        self.patience, self.counter, self.best_score, self.early_stop, self.delta = (
            patience,
            0,
            None,
            False,
            delta,
        )
        self.best_state = None

    def __call__(self, val_loss, model):
        score = -val_loss
        if self.best_score is None or score > self.best_score + self.delta:
            self.best_score = score
            self.best_state = {k: v.detach().clone() for k, v in model.state_dict().items()}
            self.counter = 0
        else:
            self.counter += 1
            self.early_stop = self.counter >= self.patience


X = torch.arange(48 * 36.0).mul(0.7).sin().view(48, 1, 6, 6)
Y = (X.mean(dim=(1, 2, 3)) * 10).long().clamp(-1, 2) + 1
model = start(
    nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.GroupNorm(2, 4),
        nn.SiLU(),
        nn.MaxPool2d(2),
        nn.Flatten(1),
        nn.Linear(16, 4),
    )
)
ema = ModelEMA(model)
opt = SAM(model.parameters(), torch.optim.SGD, lr=0.1, momentum=0.9, adaptive=True)
stop = EarlyStopping(patience=2)
for epoch in range(4):
    model.train()
    xm, ya, yb, lam = mixup_data(X, Y, 0.4)
    mixup_criterion(F.cross_entropy, model(xm), ya, yb, lam).backward()
    opt.first_step(zero_grad=True)
    loss = mixup_criterion(F.cross_entropy, model(xm), ya, yb, lam)
    loss.backward()
    opt.second_step(zero_grad=True)
    ema.update(model)
    xc, yc = cutmix(X, Y, 0.6)
    val = F.cross_entropy(ema.module(xc), yc, label_smoothing=0.1).item()
    stop(val, model)
    show(epoch, loss, val, stop.counter, float(lam))
    if stop.early_stop:
        break
model.load_state_dict(stop.best_state)
show(F.kl_div(F.log_softmax(model(X), 1), F.softmax(ema.module(X), 1), reduction="batchmean"))
show(Y.bincount(minlength=4), model(X).softmax(1).amax(1).mean())
