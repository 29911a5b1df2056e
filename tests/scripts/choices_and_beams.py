import torch
import torch.nn.functional as F

table = torch.tensor(
    [[0.1, 0.5, 0.2, 0.2], [0.4, 0.1, 0.3, 0.2], [0.25, 0.25, 0.3, 0.2], [0.1, 0.2, 0.3, 0.4]]
)


def beam_search(k, steps):
    scores, tokens = torch.zeros(1, 1), torch.zeros(1, 1, dtype=torch.int64)
    for _ in range(steps):
        following = scores.view(-1, 1) + table.log()[tokens[:, -1]]
        scores, i = torch.topk(following.flatten(), k)
        beam = torch.div(i, 4, rounding_mode="floor")
        tokens = torch.cat([tokens[beam], (i % 4).unsqueeze(-1)], -1)
    return scores, tokens


def top_p(logits, p, filter_value=-float("Inf")):
    ordered, indices = torch.sort(logits, descending=True)
    far = torch.cumsum(F.softmax(ordered, dim=-1), dim=-1) > p
    far[..., 1:] = far[..., :-1].clone()
    far[..., 0] = 0
    logits[indices[far]] = filter_value
    return logits


def contrast(a, b, temperature=0.5):
    z = F.normalize(torch.cat([a, b]), dim=1)
    similar = z @ z.t() / temperature
    similar.masked_fill_(torch.eye(len(z), dtype=torch.bool), float("-inf"))
    n = len(a)
    return F.cross_entropy(similar, torch.cat([torch.arange(n, 2 * n), torch.arange(n)]))


class StraightThrough(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        return (input > 0).float()

    @staticmethod
    def backward(ctx, grad_output):
        return F.hardtanh(grad_output)


scores, tokens = beam_search(3, 4)
a = torch.arange(12.0).view(4, 3).sin().requires_grad_()
loss = contrast(a, a.detach().roll(1, 1))
loss.backward()
x = torch.linspace(-1, 1, 5, requires_grad=True)
(StraightThrough.apply(x) * torch.arange(5.0)).sum().backward()
result = [
    scores.tolist(),
    tokens.tolist(),
    F.softmax(top_p(torch.tensor([1.0, 3.0, 2.0, 0.5, -1.0]), 0.8), 0).tolist(),
    loss.item(),
    a.grad.tolist(),
    x.grad.tolist(),
]
