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
# # Compare
#
# A backward by hand, and what autodiff says about it: which gradient is wrong, where the mistake
# was made, and which one it is.

# %%
import numpy as np

from autograd_lite import check_backward, compare, draw, manual_seed, nn, tensor

_ = manual_seed(0)
rng = np.random.default_rng(0)
x, t = rng.standard_normal((5, 3)), rng.standard_normal((5, 2))
model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).double()
loss = ((model(tensor(x, name="x")) - tensor(t, name="t")) ** 2).mean()

# %% [markdown]
# The same network by hand:


# %%
def by_hand(relu_mask=True, mean=True):
    w1, b1, w2, b2 = (p.detach().numpy() for p in model.parameters())
    z = x @ w1.T + b1  # (5, 4)
    h = np.maximum(z, 0)
    out = h @ w2.T + b2  # (5, 2)
    dout = 2 * (out - t) / (out.size if mean else 1)
    dh = dout @ w2
    dz = dh * (z > 0) if relu_mask else dh
    return {
        "0.weight": dz.T @ x,
        "0.bias": dz.sum(axis=0),
        "2.weight": dout.T @ h,
        "2.bias": dout.sum(axis=0),
    }


# %%
right = compare(loss, by_hand(), model=model)
right

# %% [markdown]
# ## One mistake
#
# Without the derivative of ReLU two gradients are wrong, by one mistake. The second inherits it.

# %%
wrong = compare(loss, by_hand(relu_mask=False), model=model)
wrong

# %% [markdown]
# In the graph:

# %%
draw(loss, model=model, compare=wrong, formulas=False)

# %% [markdown]
# ## Another one
#
# Here the loss is a mean, and the gradient one of a sum. Every parameter is wrong by the same factor.

# %%
compare(loss, by_hand(mean=False), model=model)

# %% [markdown]
# ## One layer alone
#
# A backward function is probed with random inputs; nothing else is needed.


# %%
def softmax_backward(g, x):
    y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
    return g * y * (1 - y)


layer = check_backward(lambda x: x.softmax(dim=1), softmax_backward)
layer

# %% [markdown]
# ## Try
#
# Put one mistake into `by_hand`, guess which gradients it will spoil, and run the comparison:
#
# - `dz.mean(axis=0)` in place of `dz.sum(axis=0)`;
# - `(out - t)` in place of `2 * (out - t)`: four gradients are wrong, but only one on its own;
# - `dout.T @ z` in place of `dout.T @ h`.
