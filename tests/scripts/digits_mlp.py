import numpy as np
import torch
import torch.nn.functional as F
from torch import nn, optim
from torch.optim.lr_scheduler import StepLR


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(16, 12)
        self.dropout1 = nn.Dropout(0.0)
        self.fc2 = nn.Linear(12, 4)

    def forward(self, x):
        x = torch.flatten(x, 1)
        x = F.relu(self.fc1(x))
        x = self.dropout1(x)
        x = self.fc2(x)
        return F.log_softmax(x, dim=1)


rng = np.random.default_rng(2)
images = rng.standard_normal((60, 1, 4, 4)).astype("float32")
labels = images.reshape(60, 4, 4).sum(2).argmax(1)
device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
torch.manual_seed(1)
model = start(Net()).to(device)
optimizer = optim.Adadelta(model.parameters(), lr=1.0)
scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
train = torch.utils.data.TensorDataset(torch.tensor(images), torch.tensor(labels))
loader = torch.utils.data.DataLoader(train, batch_size=20)
for epoch in range(1, 4):
    model.train()
    for batch_idx, (data, target) in enumerate(loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = F.nll_loss(model(data), target)
        loss.backward()
        optimizer.step()
    scheduler.step()
model.eval()
test_loss, correct = 0, 0
with torch.no_grad():
    for data, target in loader:
        output = model(data.to(device))
        test_loss += F.nll_loss(output, target, reduction="sum").item()
        pred = output.argmax(dim=1, keepdim=True)
        correct += pred.eq(target.view_as(pred)).sum().item()
result = [test_loss / len(loader.dataset), correct, scheduler.get_last_lr(), batch_idx * len(data)]
