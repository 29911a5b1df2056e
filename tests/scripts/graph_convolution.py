import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.parameter import Parameter


class GraphConvolution(nn.Module):
    def __init__(self, in_features, out_features, bias=True):
        super(GraphConvolution, self).__init__()
        self.weight = Parameter(torch.Tensor(in_features, out_features))
        if bias:
            self.bias = Parameter(torch.Tensor(out_features))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        stdv = 1.0 / math.sqrt(self.weight.size(1))
        self.weight.data.uniform_(-stdv, stdv)
        if self.bias is not None:
            self.bias.data.uniform_(-stdv, stdv)

    def forward(self, input, adj):
        output = torch.mm(adj, torch.mm(input, self.weight))
        return output if self.bias is None else output + self.bias


class GCN(nn.Module):
    def __init__(self, nfeat, nhid, nclass):
        super(GCN, self).__init__()
        self.gc1 = GraphConvolution(nfeat, nhid)
        self.gc2 = GraphConvolution(nhid, nclass)

    def forward(self, x, adj):
        x = F.relu(self.gc1(x, adj))
        return F.log_softmax(self.gc2(x, adj), dim=1)


rng = np.random.RandomState(0)
edges = (rng.rand(12, 12) < 0.3) + np.eye(12)
adj = torch.FloatTensor(edges / edges.sum(1, keepdims=True))
features = torch.FloatTensor(rng.randn(12, 5))
labels = torch.LongTensor(rng.randint(0, 3, 12))
idx_train = torch.LongTensor(range(8))
model = start(GCN(5, 6, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=5e-4)
losses = []
seen = torch.Tensor()
degrees = torch.empty(12)
torch.sum(adj, dim=1, out=degrees)
for epoch in range(5):
    optimizer.zero_grad()
    output = model(features, adj)
    loss = F.nll_loss(output[idx_train], labels[idx_train])
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    seen = torch.cat((seen, output.detach().max(1)[0]), 0)
correct = output.max(1)[1].type_as(labels).eq(labels).double().sum()
result = [
    losses,
    [list(p.shape) for p in model.parameters()],
    correct.item(),
    seen.mean().item(),
    degrees.tolist(),
]
