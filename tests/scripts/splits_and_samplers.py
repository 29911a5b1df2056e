import torch
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    SequentialSampler,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    random_split,
)


class Words(Dataset):
    words = ["a", "bcd", "ef", "ghij"]

    def __len__(self):
        return len(self.words)

    def __getitem__(self, i):
        return torch.tensor([ord(c) - 96 for c in self.words[i]]), {"size": len(self.words[i])}


def collate_batch(batch):
    tokens, info = zip(*batch)
    return pad_sequence(tokens, batch_first=True, padding_value=0), torch.tensor(
        [d["size"] for d in info]
    )


result = []
for tokens, sizes in DataLoader(Words(), batch_size=2, collate_fn=collate_batch):
    result.append([tokens.tolist(), sizes.tolist()])
data = TensorDataset(torch.arange(10), torch.arange(10).float() / 2)
train, val = random_split(data, [8, 2], generator=torch.Generator().manual_seed(42))
result.append([len(train), len(val), sorted(x.item() for x, _ in ConcatDataset([train, val]))])
first, second = next(iter(DataLoader(Subset(data, [3, 1, 4]), batch_size=3)))
result.append([first.tolist(), second.tolist()])
drawn = list(WeightedRandomSampler([0.0, 0.0, 1.0], num_samples=4, replacement=True))
chosen = sorted(SubsetRandomSampler([5, 2, 7]))
batches = list(BatchSampler(SequentialSampler(range(5)), batch_size=2, drop_last=False))
loader = DataLoader(data, batch_sampler=BatchSampler(SequentialSampler(data), 4, True))
result.append([drawn, chosen, batches, [x.tolist() for x, _ in loader]])
