import torch
import torch.nn.functional as F


def made(*shape):
    return (torch.arange(1.0, 1 + torch.Size(shape).numel()) * 0.37).sin().reshape(shape)


def cmp(name, dt, t):
    close = torch.allclose(dt, t.grad, atol=1e-6)
    return [name, close, (dt - t.grad).abs().max().item() < 1e-6]


n = 8
Xb = torch.arange(n * 3).reshape(n, 3) % 7
Yb = torch.arange(n) % 7
C, W1, W2 = made(7, 2), made(6, 5), made(5, 7)
b1, b2 = made(5) * 0.1, made(7) * 0.1
bngain, bnbias = made(1, 5) * 0.1 + 1, made(1, 5) * 0.1
parameters = [C, W1, b1, W2, b2, bngain, bnbias]
for p in parameters:
    p.requires_grad = True
emb = C[Xb]
embcat = emb.view(emb.shape[0], -1)
hprebn = embcat @ W1 + b1
bnmeani = 1 / n * hprebn.sum(0, keepdim=True)
bndiff = hprebn - bnmeani
bnvar = 1 / (n - 1) * (bndiff**2).sum(0, keepdim=True)
bnvar_inv = (bnvar + 1e-5) ** -0.5
bnraw = bndiff * bnvar_inv
hpreact = bngain * bnraw + bnbias
h = torch.tanh(hpreact)
logits = h @ W2 + b2
loss = F.cross_entropy(logits, Yb)
for t in [emb, hprebn, hpreact, h, logits]:
    t.retain_grad()
loss.backward()
dlogits = F.softmax(logits, 1)
dlogits[range(n), Yb] -= 1
dlogits /= n
dh = dlogits @ W2.T
dhpreact = (1.0 - h**2) * dh
dbngain = (bnraw * dhpreact).sum(0, keepdim=True)
dhprebn = (
    bngain
    * bnvar_inv
    / n
    * (n * dhpreact - dhpreact.sum(0) - n / (n - 1) * bnraw * (dhpreact * bnraw).sum(0))
)
demb = (dhprebn @ W1.T).view(emb.shape)
dC = torch.zeros_like(C)
for k in range(Xb.shape[0]):
    for j in range(Xb.shape[1]):
        ix = Xb[k, j]
        dC[ix] += demb[k, j]
result = [
    loss.item(),
    cmp("logits", dlogits, logits),
    cmp("W2", h.T @ dlogits, W2),
    cmp("hpreact", dhpreact, hpreact),
    cmp("bngain", dbngain, bngain),
    cmp("hprebn", dhprebn, hprebn),
    cmp("C", dC, C),
]
