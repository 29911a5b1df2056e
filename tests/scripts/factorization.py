import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

rng = np.random.default_rng(16)


class Ratings(Dataset):
    def __init__(self):
        self.users = rng.integers(0, 6, 50)
        self.items = rng.integers(0, 7, 50)
        self.ratings = rng.integers(1, 6, 50).astype("float32")

    def __len__(self):
        return len(self.ratings)

    def __getitem__(self, idx):
        return (
            torch.tensor(self.users[idx]),
            torch.tensor(self.items[idx]),
            torch.tensor(self.ratings[idx]),
        )


class MatrixFactorization(nn.Module):
    def __init__(self, n_users, n_items, n_factors=3):
        super().__init__()
        self.user_factors = nn.Embedding(n_users, n_factors)
        self.item_factors = nn.Embedding(n_items, n_factors)
        self.user_bias = nn.Embedding(n_users, 1)
        self.item_bias = nn.Embedding(n_items, 1)

    def forward(self, user, item):
        dot = (self.user_factors(user) * self.item_factors(item)).sum(1)
        return dot + self.user_bias(user).squeeze() + self.item_bias(item).squeeze()


model = start(MatrixFactorization(6, 7))
loss_fn = nn.MSELoss(reduction="mean")
optimizer = torch.optim.Adagrad(model.parameters(), lr=0.1)
loader = DataLoader(Ratings(), batch_size=16, drop_last=True)
for epoch in range(4):
    for user, item, rating in loader:
        optimizer.zero_grad()
        loss = loss_fn(model(user, item), rating)
        loss.backward()
        optimizer.step()
result = [
    loss.item(),
    model.user_factors.weight.tolist(),
    repr(rating.dtype).split(".")[-1].strip("()'\"").split("'")[-1],
]
