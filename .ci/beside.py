"""`autograd_lite.nn` is one module, whatever else is called nn: beside.py ours|another [first]

`import nn` gives it too (ours), or what is beside it (another), imported first or after.
"""

import pickle
import sys

if "first" in sys.argv:
    import nn

import autograd_lite as torch
import autograd_lite.nn.functional as F
import nn
from autograd_lite import nn as inside
from autograd_lite.optim import SGD

assert torch.nn is inside and inside.functional is F and inside.optim.SGD is SGD
assert (nn is inside) == (sys.argv[1] == "ours"), nn
if nn is inside:
    import nn.data
    from nn.layers.linear import Linear

    assert Linear is inside.Linear and nn.data is torch.utils.data
    assert sys.modules["nn.layers.linear"].Linear is Linear

model = inside.Sequential(inside.Linear(2, 3), inside.Tanh())
copy = pickle.loads(pickle.dumps(model))
assert type(copy[0]) is inside.Linear
other = ("nn.", "autograd_lite.nn.")[:: 1 if inside.__name__ == "nn" else -1]
if nn is inside:  # files that a clone, or a wheel, has pickled
    renamed = pickle.dumps(model, 0).replace(*(f"c{name}".encode() for name in other))
    assert type(pickle.loads(renamed)[0]) is inside.Linear

x = torch.randn(4, 2)
optimizer = SGD(model.parameters(), lr=0.1)
step = torch.compile(lambda x: (model(x) ** 2).mean(), optimizer=optimizer)
losses = [step(x).item() for _ in range(3)]
assert losses[2] < losses[1] < losses[0], losses
assert len({id(m) for n, m in sys.modules.items() if n.endswith("nn.module")}) == 1
print(f"nn is {nn.__name__} of {nn.__file__}, ours is {inside.__name__}")
