import numpy as np
import torch

rng = np.random.default_rng(17)
points = torch.from_numpy(np.concatenate([rng.normal(m, 0.3, (20, 2)) for m in (-2, 0, 3)]))
centers = points[torch.tensor([0, 25, 50])].clone()
for i in range(5):
    distance = torch.cdist(points, centers)
    nearest = distance.argmin(dim=1)
    sums = torch.zeros_like(centers).index_add_(0, nearest, points)
    counts = torch.bincount(nearest, minlength=3).clamp(min=1)
    centers = sums / counts.unsqueeze(1).type_as(sums)
inertia = distance.gather(1, nearest[:, None]).pow(2).sum()
labels, sizes = torch.unique(nearest, return_counts=True)
order = torch.argsort(centers[:, 0], descending=True)
grid_x, grid_y = torch.meshgrid(torch.arange(3), torch.arange(2), indexing="ij")
result = [
    centers.tolist(), inertia.item(), sizes.tolist(), order.tolist(), labels.numel(),
    torch.stack([grid_x.flatten(), grid_y.flatten()], dim=-1).tolist(), torch.nonzero(nearest == 2)[:3].tolist(),
    torch.masked_select(distance, distance < 0.2).sum().item(), torch.isclose(centers, centers).all().item(),
]  # fmt: skip
