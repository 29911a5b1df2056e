import numpy as np
import torch
from torch import nn
from torch.autograd import Variable

rng = np.random.default_rng(3)
X = Variable(torch.from_numpy(rng.standard_normal((30, 4))).float())
y = Variable(torch.LongTensor(rng.integers(0, 3, 30)))
net = start(nn.Sequential(nn.Linear(4, 8), nn.ReLU(inplace=True), nn.Linear(8, 3)))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9, nesterov=True)
for epoch in range(20):
    optimizer.zero_grad()
    outputs = net(X)
    loss = criterion(outputs, y)
    loss.backward()
    optimizer.step()
_, predicted = torch.max(outputs.data, 1)
total, correct = y.size(0), (predicted == y).sum().item()
confusion = torch.zeros(3, 3, dtype=torch.int64)
for t, p in zip(y.view(-1), predicted.view(-1)):
    confusion[t.long(), p.long()] += 1
result = [
    loss.data.item(),
    total,
    correct,
    confusion.tolist(),
    confusion.diag().float().sum().item(),
]
