# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Build
#
# A tensor remembers how it was computed. `backward()` walks that record from the end to the
# beginning, and every tensor that asked for it gets its gradient.

# %%
import numpy as np

from autograd_lite import manual_seed, nn, no_grad, tensor
from autograd_lite.nn import datasets

_ = manual_seed(0)

# %%
x = tensor(3.0, requires_grad=True)
y = x**2 + 2 * x
y.backward()
x.grad  # 2x + 2

# %% [markdown]
# The same with arrays. The bias was added to every row, so its gradient is a sum over the rows.

# %%
inputs = tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
w = tensor([[0.5], [-0.5]], requires_grad=True)
b = tensor([0.1], requires_grad=True)
(inputs @ w + b).sum().backward()
w.grad, b.grad

# %% [markdown]
# ## A network
#
# Modules hold the parameters. This one tells iris flowers apart by four measurements.

# %%
model = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))
model

# %% [markdown]
# The loop is the one that PyTorch users write: zero the gradients, compute the loss, go backward,
# take a step.

# %%
iris = datasets.iris()
x_train, x_test, y_train, y_test = datasets.train_test_split(
    iris.data, iris.target, test_fraction=0.3
)
mean, std = x_train.mean(axis=0), x_train.std(axis=0)  # of the training part only
x_train, x_test = (((part - mean) / std).astype("float32") for part in (x_train, x_test))

loss_fn = nn.CrossEntropyLoss()
optimizer = nn.optim.Adam(model.parameters(), lr=0.01)
losses = []
for _epoch in range(150):
    optimizer.zero_grad()
    loss = loss_fn(model(tensor(x_train)), y_train)
    loss.backward()
    optimizer.step()
    losses.append(loss.item())

losses[0], losses[-1]

# %% [markdown]
# What counts is accuracy on flowers that the network has never seen, beside the accuracy of always
# naming the most frequent species.

# %%
with no_grad():
    predicted = model(tensor(x_test)).argmax(dim=1).numpy()
accuracy = float((predicted == y_test).mean())
baseline = float((np.bincount(y_train).argmax() == y_test).mean())
print(f"network {accuracy:.2f}, most frequent species {baseline:.2f}")

# %% [markdown]
# ## Try
#
# - Give `b` two entries, `[0.1, 0.2]`: the sum then has two columns. What are `w.grad` and `b.grad`?
# - Take `optimizer.zero_grad()` out of the loop. Gradients add up until they are zeroed, so every
#   step also goes along all earlier ones: look at `losses`.
