import torch


def rosenbrock(x):
    return (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2


x = torch.tensor([-1.5, 1.0], dtype=torch.float64, requires_grad=True)
optimizer = torch.optim.LBFGS([x], lr=1, max_iter=10, line_search_fn="strong_wolfe")
history = []


def closure():
    optimizer.zero_grad()
    loss = rosenbrock(x)
    loss.backward()
    return loss


for i in range(4):
    history.append(optimizer.step(closure).item())
y = torch.tensor([0.5, 0.5], dtype=torch.float64, requires_grad=True)
for name in ("Adam", "NAdam", "Rprop", "Adamax", "ASGD"):
    opt = getattr(torch.optim, name)([y], lr=1e-3)
    for _ in range(3):
        opt.zero_grad()
        rosenbrock(y).backward()
        opt.step()
result = [history, x.tolist(), y.tolist()]
