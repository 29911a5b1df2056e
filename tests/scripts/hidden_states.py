import torch
from torch import nn
from torch.distributions import Categorical


class HMM(nn.Module):
    def __init__(self, states, symbols):
        super().__init__()
        self.transition = nn.Parameter(torch.empty(states, states))
        self.emission = nn.Parameter(torch.empty(states, symbols))
        self.prior = nn.Parameter(torch.empty(states))

    def logs(self):
        rows = torch.log_softmax(input=self.transition, dim=1)
        return rows, self.emission.log_softmax(dim=1), self.prior.log_softmax(0)

    def forward(self, obs):
        transition, emission, prior = self.logs()
        alpha = prior + emission[:, obs[:, 0]].t()
        for t in range(1, obs.shape[1]):
            alpha = torch.logsumexp(alpha.unsqueeze(2) + transition.unsqueeze(0), dim=1)
            alpha = alpha + emission[:, obs[:, t]].t()
        return alpha.logsumexp(dim=1)

    @torch.no_grad()
    def viterbi(self, obs):
        transition, emission, prior = self.logs()
        delta, back = prior + emission[:, obs[0]], []
        for symbol in obs[1:]:
            delta, arg = (delta[:, None] + transition).max(dim=0)
            delta = delta + emission[:, symbol]
            back.append(arg)
        path = [delta.argmax().item()]
        for arg in reversed(back):
            path.append(arg[path[-1]].item())
        return path[::-1]


model = start(HMM(3, 5), 2)
obs = (torch.arange(48).reshape(8, 6) * 7) % 11 % 5
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.05, alpha=0.9, centered=True)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
losses = []
for epoch in range(6):
    loss = -model(obs).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    scheduler.step(loss.item())
    losses.append(loss.item())
states = Categorical(logits=model.prior.detach())
support = states.enumerate_support()
stationary = torch.matrix_power(input=model.transition.detach().softmax(1), n=20)[0]
weighted = torch.dot(input=stationary, tensor=support.float())
moved = torch.addmm(input=stationary, mat1=model.transition, mat2=model.emission[:, :3], beta=0.5)
result = [losses, model.viterbi(obs[0]), states.log_prob(support).tolist(), weighted.item(),
          torch.det(input=moved).item(), scheduler.last_epoch]  # fmt: skip
