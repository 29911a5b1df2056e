import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim
from torch.utils.data import DataLoader
from torch.utils.data import sampler
import torch.nn.functional as F

result = []


def show(*values):
    result.append([v.tolist() if torch.is_tensor(v) else v for v in values])


USE_GPU = True
dtype = torch.float32
if USE_GPU and torch.cuda.is_available():
    device = torch.device("cuda")
else:
    device = torch.device("cpu")
print_every = 2


class Cifar(torch.utils.data.Dataset):
    def __len__(self):
        return 24

    def __getitem__(self, i):
        rng = np.random.RandomState(i)
        return torch.from_numpy(rng.randn(3, 8, 8)).float() + i % 3, i % 3


loader_train = DataLoader(Cifar(), batch_size=8, sampler=sampler.SequentialSampler(range(16)))
loader_val = DataLoader(Cifar(), batch_size=8, sampler=sampler.SequentialSampler(range(8)))


def flatten(x):
    N = x.shape[0]
    return x.view(N, -1)


def test_flatten():
    x = torch.arange(12).view(2, 1, 3, 2)
    show(x)
    show(flatten(x))


test_flatten()


def two_layer_fc(x, params):
    x = flatten(x)
    w1, w2 = params
    x = F.relu(x.mm(w1))
    x = x.mm(w2)
    return x


def three_layer_convnet(x, params):
    conv_w1, conv_b1, conv_w2, conv_b2, fc_w, fc_b = params
    x = F.relu(F.conv2d(x, conv_w1, conv_b1, padding=2))
    x = F.relu(F.conv2d(x, conv_w2, conv_b2, padding=1))
    return flatten(x).mm(fc_w) + fc_b


def random_weight(shape):
    if len(shape) == 2:
        fan_in = shape[0]
    else:
        fan_in = np.prod(shape[1:])
    n = int(np.prod(shape))
    w = torch.arange(n, device=device, dtype=dtype).mul(0.9).sin().view(shape) * np.sqrt(
        2.0 / fan_in
    )
    w.requires_grad = True
    return w


def zero_weight(shape):
    return torch.zeros(shape, device=device, dtype=dtype, requires_grad=True)


def check_accuracy_part2(loader, model_fn, params):
    num_correct, num_samples = 0, 0
    with torch.no_grad():
        for x, y in loader:
            x = x.to(device=device, dtype=dtype)
            y = y.to(device=device, dtype=torch.int64)
            scores = model_fn(x, params)
            _, preds = scores.max(1)
            num_correct += (preds == y).sum()
            num_samples += preds.size(0)
        acc = float(num_correct) / num_samples
        show(num_correct, num_samples, acc)


def train_part2(model_fn, params, learning_rate):
    for t, (x, y) in enumerate(loader_train):
        x = x.to(device=device, dtype=dtype)
        y = y.to(device=device, dtype=torch.long)
        scores = model_fn(x, params)
        loss = F.cross_entropy(scores, y)
        loss.backward()
        with torch.no_grad():
            for w in params:
                w -= learning_rate * w.grad
                w.grad.zero_()
        show(t, loss)
        check_accuracy_part2(loader_val, model_fn, params)


show(random_weight((3, 5)).dtype == dtype)
train_part2(two_layer_fc, [random_weight((3 * 8 * 8, 12)), random_weight((12, 3))], 1e-2)
train_part2(
    three_layer_convnet,
    [
        random_weight((4, 3, 5, 5)),
        zero_weight((4,)),
        random_weight((3, 4, 3, 3)),
        zero_weight((3,)),
        random_weight((192, 3)),
        zero_weight(3),
    ],
    3e-3,
)


class ThreeLayerConvNet(nn.Module):
    def __init__(self, in_channel, channel_1, channel_2, num_classes):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channel, channel_1, (5, 5), padding=2)
        nn.init.kaiming_normal_(self.conv1.weight)
        nn.init.constant_(self.conv1.bias, 0.0)
        self.fc = nn.Linear(channel_1 * 64, num_classes)
        nn.init.kaiming_normal_(self.fc.weight)

    def forward(self, x):
        return self.fc(flatten(F.relu(self.conv1(x))))


class Flatten(nn.Module):
    def forward(self, x):
        return flatten(x)


def train_part34(model, optimizer, epochs=1):
    model = model.to(device=device)
    for e in range(epochs):
        for t, (x, y) in enumerate(loader_train):
            model.train()
            scores = model(x)
            loss = F.cross_entropy(scores, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            show(t, loss)


model = start(ThreeLayerConvNet(3, 4, 4, 3))
train_part34(model, optim.SGD(model.parameters(), lr=1e-3))
model = start(nn.Sequential(Flatten(), nn.Linear(192, 10), nn.ReLU(), nn.Linear(10, 3)))
train_part34(model, optim.SGD(model.parameters(), lr=1e-2, momentum=0.9, nesterov=True))


# network visualisation: saliency, fooling, class visualisation
def compute_saliency_maps(X, y, model):
    model.eval()
    X.requires_grad_()
    scores = model(X)
    scores.gather(1, y.view(-1, 1)).squeeze().backward(torch.FloatTensor([1.0] * y.size(0)))
    saliency, _ = torch.max(X.grad.data.abs(), dim=1)
    return saliency


X = torch.stack([Cifar()[i][0] for i in range(3)])
show(compute_saliency_maps(X, torch.LongTensor([0, 1, 2]), model).mean(dim=(1, 2)))


def make_fooling_image(X, target_y, model):
    X_fooling = X.clone().detach().requires_grad_()
    for i in range(20):
        scores = model(X_fooling)
        _, index = torch.max(scores, dim=1)
        if index[0] == target_y:
            break
        scores[0, target_y].backward()
        grad = X_fooling.grad.data
        X_fooling.data += 1.0 * grad / grad.norm()
        X_fooling.grad.zero_()
    return i, X_fooling


i, Xf = make_fooling_image(X[:1], 2, model)
show(i, model(Xf).data.max(1)[1][0].item())


def jitter(X, ox, oy):
    if ox != 0:
        left = X[:, :, :, :-ox]
        right = X[:, :, :, -ox:]
        X = torch.cat([right, left], dim=3)
    if oy != 0:
        top = X[:, :, :-oy]
        bottom = X[:, :, -oy:]
        X = torch.cat([bottom, top], dim=2)
    return X


img = torch.arange(192.0).sin().view(1, 3, 8, 8).mul_(1.0).type(torch.FloatTensor).requires_grad_()
for t in range(4):
    img.data.copy_(jitter(img.data, 1, 2))
    score = model(img)[0, 1] - 1e-3 * torch.sum(img * img)
    score.backward()
    with torch.no_grad():
        img += 5 * img.grad / img.grad.norm()
    img.grad.zero_()
    for c in range(3):
        img.data[:, c].clamp_(min=-2, max=2)
show(score)
