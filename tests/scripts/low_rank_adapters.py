import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from functools import partial
import torch.nn.utils.parametrize as parametrize

result = []


def show(*values):
    result.append([v.tolist() if torch.is_tensor(v) else v for v in values])


device = "cuda" if torch.cuda.is_available() else "cpu"


class LoRAParametrization(nn.Module):
    def __init__(self, fan_in, fan_out, rank=4, lora_alpha=1):
        super().__init__()
        self.lora_A = nn.Parameter(torch.zeros(rank, fan_in))
        self.lora_B = nn.Parameter(torch.zeros(fan_out, rank))
        nn.init.constant_(self.lora_A, 0.1)
        self.scaling = lora_alpha / rank

    def forward(self, W):
        return W + torch.matmul(self.lora_B, self.lora_A).view(W.shape) * self.scaling


class LoRALinear(nn.Linear):
    def __init__(self, in_features, out_features, r=2, alpha=4, dropout=0.0, **kwargs):
        super().__init__(in_features, out_features, **kwargs)
        self.lora_a = nn.Parameter(self.weight.new_zeros((r, in_features)))
        self.lora_b = nn.Parameter(self.weight.new_zeros((out_features, r)))
        self.scaling = alpha / r
        self.weight.requires_grad = False
        self.reset_parameters()

    def reset_parameters(self):
        super().reset_parameters()
        if hasattr(self, "lora_a"):
            nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))
            nn.init.zeros_(self.lora_b)

    def forward(self, x):
        return (
            super().forward(x)
            + (x @ self.lora_a.transpose(0, 1) @ self.lora_b.transpose(0, 1)) * self.scaling
        )


class Block(nn.Module):
    def __init__(self, n_embd, n_head, block_size):
        super().__init__()
        self.n_head = n_head
        self.c_attn = nn.Linear(n_embd, 3 * n_embd, bias=False)
        self.c_proj = LoRALinear(n_embd, n_embd)
        self.ln1, self.ln2 = nn.LayerNorm(n_embd), nn.LayerNorm(n_embd, elementwise_affine=False)
        self.mlp = nn.ModuleDict(
            dict(
                c_fc=nn.Linear(n_embd, 4 * n_embd),
                act=nn.GELU(),
                c_proj=nn.Linear(4 * n_embd, n_embd),
            )
        )
        self.register_buffer(
            "bias",
            torch.tril(torch.ones(block_size, block_size)).view(1, 1, block_size, block_size),
            persistent=False,
        )

    def forward(self, x):
        B, T, C = x.size()
        q, k, v = self.c_attn(self.ln1(x)).split(C, dim=2)
        k = k.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        q = q.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        v = v.view(B, T, self.n_head, C // self.n_head).transpose(1, 2)
        att = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        att = att.masked_fill(self.bias[:, :, :T, :T] == 0, float("-inf"))
        y = F.softmax(att, dim=-1) @ v
        y2 = F.scaled_dot_product_attention(q, k, v, attn_mask=None, dropout_p=0.0, is_causal=True)
        assert torch.allclose(y, y2, atol=1e-5)
        y = y.transpose(1, 2).contiguous().view(B, T, C)
        x = x + self.c_proj(y)
        m = self.mlp
        return x + m.c_proj(m.act(m.c_fc(self.ln2(x))))


class GPT(nn.Module):
    def __init__(self, vocab, n_embd=16, n_head=2, block_size=8):
        super().__init__()
        self.transformer = nn.ModuleDict(
            dict(
                wte=nn.Embedding(vocab, n_embd),
                wpe=nn.Embedding(block_size, n_embd),
                h=nn.ModuleList([Block(n_embd, n_head, block_size) for _ in range(2)]),
                ln_f=nn.LayerNorm(n_embd),
            )
        )
        self.lm_head = nn.Linear(n_embd, vocab, bias=False)
        self.transformer.wte.weight = self.lm_head.weight
        self.apply(self._init_weights)
        show(sum(p.numel() for p in self.parameters()))

    def _init_weights(self, module):
        if isinstance(module, nn.Linear):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
            if module.bias is not None:
                torch.nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)

    def forward(self, idx, targets=None):
        pos = torch.arange(0, idx.size(1), dtype=torch.long, device=idx.device).unsqueeze(0)
        x = self.transformer.wte(idx) + self.transformer.wpe(pos)
        for block in self.transformer.h:
            x = block(x)
        logits = self.lm_head(self.transformer.ln_f(x))
        loss = None
        if targets is not None:
            loss = F.cross_entropy(
                logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1
            )
        return logits, loss

    @torch.no_grad()
    def generate(self, idx, n, top_k=None):
        for _ in range(n):
            logits, _ = self(idx[:, -8:])
            logits = logits[:, -1, :]
            if top_k is not None:
                v, _ = torch.topk(logits, min(top_k, logits.size(-1)))
                logits[logits < v[:, [-1]]] = -float("Inf")
            idx = torch.cat((idx, logits.argmax(-1, keepdim=True)), dim=1)
        return idx


text = "hello there, general kenobi. hello hello there."
stoi = {c: i for i, c in enumerate(sorted(set(text)))}
data = torch.tensor([stoi[c] for c in text], dtype=torch.long)
model = start(GPT(len(stoi))).to(device)
parametrize.register_parametrization(
    model.transformer.h[0].c_attn, "weight", LoRAParametrization(16, 48, rank=2)
)
for name, p in model.named_parameters():
    p.requires_grad = "lora" in name or "ln" in name or name.endswith("lm_head.weight")
show([n for n, p in model.named_parameters() if p.requires_grad][:6])
decay = [p for p in model.parameters() if p.requires_grad and p.dim() >= 2]
nodecay = [p for p in model.parameters() if p.requires_grad and p.dim() < 2]
optimizer = torch.optim.AdamW(
    [{"params": decay, "weight_decay": 0.1}, {"params": nodecay, "weight_decay": 0.0}],
    lr=1e-2,
    betas=(0.9, 0.95),
    fused=False,
)


def get_batch(bs=4, block=8):
    ix = torch.arange(bs) * 7 + len(data) % 5
    return torch.stack([data[i : i + block] for i in ix]), torch.stack(
        [data[i + 1 : i + 1 + block] for i in ix]
    )


def get_lr(it, warmup=3, total=12, lr=1e-2):
    if it < warmup:
        return lr * (it + 1) / warmup
    return 1e-3 + 0.5 * (1 + math.cos(math.pi * (it - warmup) / (total - warmup))) * (lr - 1e-3)


for it in range(5):
    for g in optimizer.param_groups:
        g["lr"] = get_lr(it)
    for micro in range(2):
        xb, yb = get_batch()
        _, loss = model(xb, yb)
        (loss / 2).backward()
    norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    if it % 4 == 0:
        show(it, loss, norm)
parametrize.remove_parametrizations(model.transformer.h[0].c_attn, "weight")
model.eval()
show(model.generate(data[:4][None], 6, top_k=3).tolist())
