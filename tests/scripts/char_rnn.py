import torch
from torch import nn


class RNN(nn.Module):
    def __init__(self, input_size, hidden_size, output_size):
        super().__init__()
        self.hidden_size = hidden_size
        self.i2h = nn.Linear(input_size + hidden_size, hidden_size)
        self.h2o = nn.Linear(hidden_size, output_size)
        self.softmax = nn.LogSoftmax(dim=1)

    def forward(self, input, hidden):
        combined = torch.cat((input, hidden), 1)
        hidden = torch.tanh(self.i2h(combined))
        return self.softmax(self.h2o(hidden)), hidden

    def initHidden(self):
        return torch.zeros(1, self.hidden_size)


letters = "abcdefgh"


def line_to_tensor(line):
    tensor = torch.zeros(len(line), 1, len(letters))
    for li, letter in enumerate(line):
        tensor[li][0][letters.find(letter)] = 1
    return tensor


rnn = start(RNN(len(letters), 6, 3))
criterion = nn.NLLLoss()
learning_rate = 0.05
losses = []
for word, category in [("abba", 0), ("cafe", 1), ("head", 2), ("dada", 0), ("beach", 1)] * 4:
    category_tensor = torch.tensor([category], dtype=torch.long)
    hidden = rnn.initHidden()
    rnn.zero_grad()
    line = line_to_tensor(word)
    for i in range(line.size()[0]):
        output, hidden = rnn(line[i], hidden)
    loss = criterion(output, category_tensor)
    loss.backward()
    for p in rnn.parameters():
        p.data.add_(p.grad.data, alpha=-learning_rate)
    losses.append(loss.item())
top_v, top_i = output.topk(1)
result = [losses, top_v.item(), top_i[0].item(), hidden.tolist()]
