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
# # Derive
#
# `derive` reads the record backward and writes the derivation that one would make on paper, step by
# step.

# %%
import numpy as np

from autograd_lite import derive, manual_seed, nn, randn, tensor

_ = manual_seed(0)

# %%
x = tensor([[1.0, 2.0], [3.0, 4.0]], name="x")
w = tensor([[0.5, -0.5]], requires_grad=True, name="w")
b = tensor([0.1], requires_grad=True, name="b")
loss = (x @ w.T + b).tanh().mean()
derive(loss)

# %% [markdown]
# ## A network


# %%
class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3, 4)
        self.fc2 = nn.Linear(4, 2)

    def forward(self, x):
        return self.fc2(self.fc1(x).relu())


model = Network()
inputs = randn(5, 3)
inputs.name = "x"
loss = nn.functional.cross_entropy(model(inputs), np.array([0, 1, 1, 0, 1]))
derivation = derive(loss, model)
derivation

# %% [markdown]
# ## As NumPy
#
# The same steps as a function that needs NumPy alone.

# %%
print(derivation.source())

# %% [markdown]
# It computes what `backward()` computes:

# %%
value, gradients = derivation.function()(**derivation.arguments)
loss.backward()
{name: bool(np.allclose(gradients[name], p.grad)) for name, p in model.named_parameters()}

# %% [markdown]
# Every gradient, those of values in between too, agrees with finite differences:

# %%
checked = derivation.check()
checked

# %% [markdown]
# ## Try
#
# - `sigmoid` in place of `tanh` in the first derivation: which line changes, and to what?
# - Derive `fc1.weight` on paper first, shapes included, and compare it with the steps above.
