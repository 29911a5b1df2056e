import torch
import torch.nn.functional as F
import math
import random

result = []


def show(*values):
    result.append([v.tolist() if torch.is_tensor(v) else v for v in values])


words = [
    "emma",
    "olivia",
    "ava",
    "isabella",
    "sophia",
    "charlotte",
    "mia",
    "amelia",
    "harper",
    "evelyn",
    "abigail",
    "emily",
]
chars = sorted(list(set("".join(words))))
stoi = {s: i + 1 for i, s in enumerate(chars)}
stoi["."] = 0
itos = {i: s for s, i in stoi.items()}
vocab_size = len(itos)
block_size = 3
# bigram counts
N = torch.zeros((vocab_size, vocab_size), dtype=torch.int32)
for w in words:
    chs = ["."] + list(w) + ["."]
    for ch1, ch2 in zip(chs, chs[1:]):
        N[stoi[ch1], stoi[ch2]] += 1
P = (N + 1).float()
P /= P.sum(1, keepdims=True)
log_likelihood, n = 0.0, 0
for w in words[:4]:
    chs = ["."] + list(w) + ["."]
    for ch1, ch2 in zip(chs, chs[1:]):
        log_likelihood += torch.log(P[stoi[ch1], stoi[ch2]])
        n += 1
show(log_likelihood, n)


def build_dataset(words):
    X, Y = [], []
    for w in words:
        context = [0] * block_size
        for ch in w + ".":
            ix = stoi[ch]
            X.append(context)
            Y.append(ix)
            context = context[1:] + [ix]
    X = torch.tensor(X)
    Y = torch.tensor(Y)
    show(X.shape, Y.shape)
    return X, Y


random.Random(42).shuffle(words)
Xtr, Ytr = build_dataset(words)
n_embd, n_hidden = 6, 20


def randn(shape):
    n = math.prod(shape) if isinstance(shape, tuple) else shape
    return torch.arange(float(n)).mul(1.3).cos().view(shape)


C = randn((vocab_size, n_embd))
W1 = randn((n_embd * block_size, n_hidden)) * (5 / 3) / ((n_embd * block_size) ** 0.5)
W2 = randn((n_hidden, vocab_size)) * 0.01
b2 = randn(vocab_size) * 0
bngain = torch.ones((1, n_hidden))
bnbias = torch.zeros((1, n_hidden))
bnmean_running = torch.zeros((1, n_hidden))
bnstd_running = torch.ones((1, n_hidden))
parameters = [C, W1, W2, b2, bngain, bnbias]
show(sum(p.nelement() for p in parameters))
for p in parameters:
    p.requires_grad = True
lossi, ud = [], []
for i in range(40):
    ix = (torch.arange(16) * 5 + i) % Xtr.shape[0]
    Xb, Yb = Xtr[ix], Ytr[ix]
    emb = C[Xb]
    embcat = emb.view(emb.shape[0], -1)
    hpreact = embcat @ W1
    bnmeani = hpreact.mean(0, keepdim=True)
    bnstdi = hpreact.std(0, keepdim=True)
    hpreact = bngain * (hpreact - bnmeani) / bnstdi + bnbias
    with torch.no_grad():
        bnmean_running = 0.9 * bnmean_running + 0.1 * bnmeani
        bnstd_running = 0.9 * bnstd_running + 0.1 * bnstdi
    h = torch.tanh(hpreact)
    logits = h @ W2 + b2
    loss = F.cross_entropy(logits, Yb)
    for p in parameters:
        p.grad = None
    loss.backward()
    lr = 0.1 if i < 30 else 0.01
    for p in parameters:
        p.data += -lr * p.grad
    with torch.no_grad():
        ud.append(
            [((lr * p.grad).std() / p.data.std()).log10().item() for p in parameters if p.ndim == 2]
        )
    if i % 10 == 0:
        show(i, loss)
    lossi.append(loss.log10().item())
show(torch.tensor(lossi).view(-1, 10).mean(1))


@torch.no_grad()
def split_loss(split):
    x, y = {"train": (Xtr, Ytr), "val": (Xtr[:20], Ytr[:20])}[split]
    emb = C[x]
    embcat = emb.view(emb.shape[0], -1)
    hpreact = bngain * (embcat @ W1 - bnmean_running) / bnstd_running + bnbias
    logits = torch.tanh(hpreact) @ W2 + b2
    show(split, F.cross_entropy(logits, y).item())


split_loss("train")
split_loss("val")


def cmp(s, dt, t):
    ex = torch.all(dt == t.grad).item()
    app = torch.allclose(dt, t.grad, rtol=1e-4, atol=1e-6)
    maxdiff = (dt - t.grad).abs().max().item()
    show(s, app)


for p in parameters:
    p.grad = None
emb = C[Xb]
embcat = emb.view(emb.shape[0], -1)
hprebn = embcat @ W1
bnmeani = 1 / 16 * hprebn.sum(0, keepdim=True)
bndiff = hprebn - bnmeani
bndiff2 = bndiff**2
bnvar = 1 / (16 - 1) * (bndiff2).sum(0, keepdim=True)
bnvar_inv = (bnvar + 1e-5) ** -0.5
bnraw = bndiff * bnvar_inv
hpreact = bngain * bnraw + bnbias
h = torch.tanh(hpreact)
logits = h @ W2 + b2
logit_maxes = logits.max(1, keepdim=True).values
norm_logits = logits - logit_maxes
counts = norm_logits.exp()
counts_sum = counts.sum(1, keepdims=True)
counts_sum_inv = counts_sum**-1
probs = counts * counts_sum_inv
logprobs = probs.log()
loss = -logprobs[range(16), Yb].mean()
for t in [
    logprobs,
    probs,
    counts,
    counts_sum,
    norm_logits,
    logit_maxes,
    logits,
    h,
    hpreact,
    bnraw,
    bnvar,
    bndiff,
    hprebn,
    embcat,
    emb,
]:
    t.retain_grad()
loss.backward()
dlogprobs = torch.zeros_like(logprobs)
dlogprobs[range(16), Yb] = -1.0 / 16
dlogits = F.softmax(logits, 1)
dlogits[range(16), Yb] -= 1
dlogits /= 16
dh = dlogits @ W2.T
dhpreact = (1.0 - h**2) * dh
dhprebn = (
    bngain
    * bnvar_inv
    / 16
    * (16 * dhpreact - dhpreact.sum(0) - 16 / (16 - 1) * bnraw * (dhpreact * bnraw).sum(0))
)
dembcat = dhprebn @ W1.T
demb = dembcat.view(emb.shape)
dC = torch.zeros_like(C)
for k in range(Xb.shape[0]):
    for j in range(Xb.shape[1]):
        ix = Xb[k, j]
        dC[ix] += demb[k, j]
for s, dt, t in [
    ("logprobs", dlogprobs, logprobs),
    ("logits", dlogits, logits),
    ("h", dh, h),
    ("hprebn", dhprebn, hprebn),
    ("C", dC, C),
    ("W1", embcat.T @ dhprebn, W1),
]:
    cmp(s, dt, t)
out = []
ix = 0
context = [0] * block_size
with torch.no_grad():
    for _ in range(5):
        hh = torch.tanh(
            bngain * (C[torch.tensor([context])].view(1, -1) @ W1 - bnmean_running) / bnstd_running
            + bnbias
        )
        probs = F.softmax(hh @ W2 + b2, dim=1)
        ix = probs.max(1)[1].item()
        context = context[1:] + [ix]
        out.append(itos[ix])
show("".join(out))
xenc = F.one_hot(Xtr[:, 0], num_classes=vocab_size).float()
show(xenc.shape, xenc.sum())
