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
# # See
#
# `draw` reads the record of a result. A card is an operation with its formula and the formula of
# its derivative; on the edges stands the gradient that comes back along them.

# %%
from autograd_lite import draw, grad, manual_seed, nn, randn, tensor

_ = manual_seed(0)

# %%
x = tensor(2.0, requires_grad=True, name="x")
w = tensor(-0.5, requires_grad=True, name="w")
y = (x * w).tanh() + x  # x is used twice: its gradients add up
draw(y)

# %% [markdown]
# ## A network
#
# Modules are frames, and parameters have the names of the model.

# %%
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
loss = nn.functional.cross_entropy(model(randn(5, 3)), tensor([0, 1, 1, 0, 1]))
draw(loss, model=model)

# %% [markdown]
# Only the way of the gradient:

# %%
draw(loss, model=model, view="backward", formulas=False, direction="LR")

# %% [markdown]
# ## Vanishing gradients
#
# Six layers with sigmoid, one card each. The edges get thin and pale: hardly a gradient reaches the
# first layer.

# %%
deep = nn.Sequential(*(nn.Sequential(nn.Linear(8, 8), nn.Sigmoid()) for _ in range(6)))
draw(deep(randn(16, 8)).sum(), model=deep, depth=1, collapse=False)

# %% [markdown]
# ## The graph of a derivative
#
# With `create_graph` a gradient is a result like any other, with a record of its own.

# %%
at = tensor(2.0, requires_grad=True, name="x")
draw(grad(lambda x: x**3, create_graph=True)(at))

# %% [markdown]
# As text, where there are no pictures:

# %%
print(draw(y))

# %% [markdown]
# ## Try
#
# - `nn.ReLU` in place of `nn.Sigmoid` in the six layers: how large is the gradient of the first one?
# - `draw(loss, model=model, depth=0)` has one card per module, and `theme="dark"` is for dark pages.
