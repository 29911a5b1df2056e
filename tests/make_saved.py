"""Make tests/data: files as autograd_lite 0.1.0 saved them. Run with that version, once:

python tests/make_saved.py tests/data
"""

import pickle
import sys
from pathlib import Path

import numpy as np

import autograd_lite as ag
import nn
from nn.optim import Adam
from nn.optim.lr_scheduler import StepLR
from nn.serialize import save

folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
ag.manual_seed(0)
model = nn.Sequential(
    {
        "first": nn.Linear(3, 2),
        "norm": nn.BatchNorm1d(2),
        "relu": nn.ReLU(),
        "last": nn.Linear(2, 1),
    }
)
optimizer = Adam(model.parameters(), lr=0.1, weight_decay=0.01)
schedule = StepLR(optimizer, 1, gamma=0.5)
x = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
for _ in range(3):
    optimizer.zero_grad()
    nn.MSELoss()(model(ag.Tensor(x)), ag.Tensor(np.ones((4, 1), np.float32))).backward()
    optimizer.step()
    schedule.step()
save(model, folder / "model.npz")
save(model, folder / "model.safetensors")
model.eval()
with ag.no_grad():
    y = model(ag.Tensor(x)).numpy().copy()
model.zero_grad()
things = {
    "leaf": ag.Tensor(np.array([[1.0, 2.0]], np.float32), requires_grad=True, name="w"),
    "ints": ag.tensor([1, 2]),
    "parameter": model.first.weight,
    "row": ag.ops.softmax,
    "model": model,
    "state_dict": model.state_dict(),
    "optimizer": optimizer.state_dict(),
    "schedule": schedule.state_dict(),
    "losses": [
        nn.CrossEntropyLoss(label_smoothing=0.1),
        nn.BCEWithLogitsLoss(pos_weight=ag.tensor([2.0])),
        nn.HuberLoss("sum", 0.5),
    ],
    "layers": nn.ModuleList(
        [
            nn.Dropout(0.25), nn.ELU(0.5), nn.LayerNorm(2), nn.Softmax(1), nn.Hardtanh(-2, 3),
            nn.Flatten(), nn.GELU("tanh"), nn.LeakyReLU(0.5), nn.Softplus(2.0), nn.LogSoftmax(0),
        ]
    ),
    "x": x,
    "y": y,
}  # fmt: skip
things["repr"] = [repr(thing) for thing in (*things["losses"], things["layers"], model)]
(folder / "objects.pkl").write_bytes(pickle.dumps(things, 4))
