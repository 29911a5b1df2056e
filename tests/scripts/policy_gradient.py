import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

rng = np.random.default_rng(10)
policy = start(nn.Sequential(nn.Linear(3, 6), nn.Tanh(), nn.Linear(6, 2)))
optimizer = torch.optim.Adam(policy.parameters(), lr=1e-2)
eps = np.finfo(np.float32).eps.item()
for episode in range(5):
    log_probs, rewards = [], []
    state = rng.standard_normal(3)
    for t in range(10):
        probs = F.softmax(policy(torch.from_numpy(state).float().unsqueeze(0)), dim=-1)
        action = int(rng.random() < probs[0, 1].item())
        log_probs.append(probs.log().gather(1, torch.tensor([[action]])).squeeze())
        rewards.append(float(state[0] > 0) == action)
        state = rng.standard_normal(3)
    R, returns = 0, []
    for r in rewards[::-1]:
        R = r + 0.99 * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    policy_loss = [-log_prob * R for log_prob, R in zip(log_probs, returns)]
    optimizer.zero_grad()
    policy_loss = torch.stack(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
entropy = -(probs * probs.log()).sum(-1).mean()
result = [policy_loss.item(), returns.tolist(), entropy.item()]
