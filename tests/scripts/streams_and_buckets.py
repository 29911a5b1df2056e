import math
from collections import Counter
import torch
from torch.utils.data import ChainDataset, DataLoader, Dataset, IterableDataset, Sampler, Subset
from torch.utils.data import WeightedRandomSampler, default_collate, random_split

result = []


def show(*values):
    result.append([v.tolist() if torch.is_tensor(v) else v for v in values])


class Stream(IterableDataset):
    def __init__(self, start, end):
        super(Stream).__init__()
        assert end > start
        self.start, self.end = start, end

    def __iter__(self):
        worker_info = torch.utils.data.get_worker_info()
        if worker_info is None:
            iter_start, iter_end = self.start, self.end
        else:
            per_worker = int(math.ceil((self.end - self.start) / float(worker_info.num_workers)))
            iter_start = self.start + worker_info.id * per_worker
            iter_end = min(iter_start + per_worker, self.end)
        return iter(range(iter_start, iter_end))


class BucketSampler(Sampler):
    def __init__(self, lengths, batch_size):
        self.lengths, self.batch_size = lengths, batch_size

    def __iter__(self):
        order = torch.argsort(torch.tensor(self.lengths), stable=True).tolist()
        for i in range(0, len(order), self.batch_size):
            yield order[i : i + self.batch_size]

    def __len__(self):
        return (len(self.lengths) + self.batch_size - 1) // self.batch_size


class Text(Dataset):
    def __init__(self):
        self.rows = [list(range(1, 1 + n)) for n in (3, 1, 4, 1, 5, 2)]
        self.labels = [0, 0, 0, 0, 1, 1]

    def __getitem__(self, index):
        if torch.is_tensor(index):
            index = index.tolist()
        return {
            "ids": torch.tensor(self.rows[index]),
            "label": self.labels[index],
            "name": f"row{index}",
            "w": 0.5 * index,
        }

    def __len__(self):
        return len(self.rows)


def collate_fn(batch):
    ids = torch.nn.utils.rnn.pad_sequence(
        [b["ids"] for b in batch], batch_first=True, padding_value=0
    )
    mask = ids != 0
    return ids, mask, torch.LongTensor([b["label"] for b in batch]), [b["name"] for b in batch]


show([b.tolist() for b in DataLoader(Stream(3, 10), batch_size=3)])
show([int(i) for i in DataLoader(Stream(3, 10), batch_size=None)])
show(
    [
        b.tolist()
        for b in DataLoader(
            ChainDataset([Stream(0, 3), Stream(10, 12)]), batch_size=2, drop_last=True
        )
    ]
)
ds = Text()
for ids, mask, y, names in DataLoader(
    ds, batch_sampler=BucketSampler([len(r) for r in ds.rows], 2), collate_fn=collate_fn
):
    show(ids, mask.sum(1), y, names)
b = default_collate([{k: v for k, v in ds[i].items() if k != "ids"} for i in range(3)])
show(sorted(b), b["label"], b["name"])
show(*default_collate([[torch.ones(2), 1], [torch.zeros(2), 2]]))
counts = Counter(ds.labels)
weights = torch.DoubleTensor([1.0 / counts[l] for l in ds.labels])
sampler = WeightedRandomSampler(weights, num_samples=2000, replacement=True)
drawn = Counter(ds.labels[i] for i in sampler)
show(abs(drawn[0] - drawn[1]) < 200, len(sampler))
loader = DataLoader(
    ds,
    batch_size=4,
    sampler=sampler,
    collate_fn=lambda b: torch.tensor([x["label"] for x in b]),
    num_workers=0,
    pin_memory=False,
    worker_init_fn=lambda i: None,
    persistent_workers=False,
)
show(len(loader), loader.batch_size, loader.drop_last, len(loader.dataset))
tr, va, te = random_split(range(10), [0.5, 0.3, 0.2], generator=torch.Generator().manual_seed(0))
show(
    len(tr),
    len(va),
    len(te),
    sorted(list(tr) + list(va) + list(te)),
    type(tr).__name__,
    len(tr.indices),
)
it = iter(DataLoader(Subset(list(range(5)), [0, 2]), batch_size=1))
show(next(it), next(it), next(it, None))
try:
    len(DataLoader(Stream(0, 3)))
except TypeError as e:
    show(type(e).__name__)
