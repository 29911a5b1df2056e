import numpy as np
import torch


class MyReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return input.clamp(min=0)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        grad_input = grad_output.clone()
        grad_input[input < 0] = 0
        return grad_input


class LegendrePolynomial3(torch.autograd.Function):
    @staticmethod
    def forward(ctx, input):
        ctx.save_for_backward(input)
        return 0.5 * (5 * input**3 - 3 * input)

    @staticmethod
    def backward(ctx, grad_output):
        (input,) = ctx.saved_tensors
        return grad_output * 1.5 * (5 * input**2 - 1)


rng = np.random.default_rng(13)
x = torch.from_numpy(rng.standard_normal((8, 5)))
y = torch.from_numpy(rng.standard_normal((8, 2)))
w1 = torch.from_numpy(rng.standard_normal((5, 6))).requires_grad_()
w2 = torch.from_numpy(rng.standard_normal((6, 2))).requires_grad_()
relu, P3 = MyReLU.apply, LegendrePolynomial3.apply
for t in range(10):
    y_pred = relu(x.mm(w1)).mm(w2)
    loss = (y_pred - y).pow(2).sum() + P3(w2 * 0.1).sum()
    loss.backward()
    with torch.no_grad():
        w1 -= 1e-3 * w1.grad
        w2 -= 1e-3 * w2.grad
        w1.grad.zero_()
        w2.grad.zero_()
checked = torch.autograd.gradcheck(P3, (w2.detach().clone().requires_grad_(),))
result = [loss.item(), w1.sum().item(), w2.norm().item(), checked]
