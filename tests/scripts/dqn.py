import copy
import random
from collections import deque, namedtuple

import numpy as np
import torch
from torch import nn

Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))
rng = np.random.default_rng(11)
memory = deque(maxlen=64)
for i in range(40):
    s = torch.tensor(rng.standard_normal((1, 4)), dtype=torch.float32)
    n = None if i % 7 == 6 else torch.tensor(rng.standard_normal((1, 4)), dtype=torch.float32)
    memory.append(Transition(s, torch.tensor([[i % 2]]), n, torch.tensor([float(i % 3)])))
policy_net = start(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
target_net = copy.deepcopy(policy_net)
target_net.load_state_dict(policy_net.state_dict())
target_net.eval()
optimizer = torch.optim.AdamW(policy_net.parameters(), lr=1e-2, amsgrad=True)
random.seed(0)
for step in range(6):
    batch = Transition(*zip(*random.sample(memory, 16)))
    non_final_mask = torch.tensor(
        tuple(map(lambda s: s is not None, batch.next_state)), dtype=torch.bool
    )
    non_final_next_states = torch.cat([s for s in batch.next_state if s is not None])
    state_batch, action_batch = torch.cat(batch.state), torch.cat(batch.action)
    reward_batch = torch.cat(batch.reward)
    values = policy_net(state_batch).gather(1, action_batch)
    next_values = torch.zeros(16)
    with torch.no_grad():
        next_values[non_final_mask] = target_net(non_final_next_states).max(1).values
    expected = (next_values * 0.99) + reward_batch
    loss = nn.SmoothL1Loss()(values, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy_net.parameters(), 0.1)
    optimizer.step()
    state = target_net.state_dict()
    for key in policy_net.state_dict():
        state[key] = policy_net.state_dict()[key] * 0.1 + state[key] * 0.9
    target_net.load_state_dict(state)
best = target_net(state_batch).max(1)[1].view(-1, 1)
result = [loss.item(), best.tolist(), next_values.tolist()]
