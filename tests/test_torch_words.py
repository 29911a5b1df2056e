"""PyTorch's words for functions and methods give what PyTorch gives: values, dtypes, gradients.

`WORDS` holds expressions of T, the library, and of tensors; each is evaluated with either library.
What PyTorch 2.13 gives is stored in `torch_words.json` (written by `python -m tests.make_golden`), and
compared live where PyTorch is installed.
"""

from __future__ import annotations

import copy
import inspect
import json
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import autograd_lite as ag
from autograd_lite.engine.declare import public

GOLDEN = Path(__file__).with_name("torch_words.json")
ARRAYS: dict[str, Any] = {
    "x": [[0.3, -0.7, 1.1], [2.0, 0.9, -0.4]],
    "y": [[1.5, 0.2, -1.3], [0.6, -2.2, 0.8]],
    "v": [0.5, -1.2, 2.1],
    "w": [1.4, 0.3, -0.6],
    "m": [[0.9, -0.3, 0.4], [0.1, 1.7, -0.8], [-0.5, 0.2, 1.1]],
    "c": [[[0.1, 0.2], [0.3, -0.4]], [[1.5, 0.6], [-0.7, 0.8]]],
    "p": [[0.2, 0.9, 0.4], [0.7, 0.1, 0.6]],
    "s": 1.3,
    "i": [2, 0, 1],
    "j": [[0, 2, 1], [1, 1, 0]],
    "k": [3, -7, 2],
    "n": [[1, 0, 3], [0, 2, 2]],
    "b": [[True, False, True], [False, True, True]],
    "nan": [1.0, math.nan, 3.0],
}
WORDS = """
T.add(x, y) | T.add(x, 2, alpha=3) | x.add(y, alpha=0.5) | T.sub(x, y, alpha=2) | x.subtract(y)
T.mul(x, y) | x.multiply(2) | T.div(x, y) | x.div(y, rounding_mode="floor").detach()
x.div(y, rounding_mode="trunc").detach() | T.true_divide(x, y) | T.div(k, 2, rounding_mode="trunc")
T.div(k, 2, rounding_mode="floor") | T.floor_divide(k, 2) | k // 2 | T.rsub(x, 1)
T.negative(x) | T.absolute(x) | T.float_power(v, 2) | T.addcmul(x, x, y, value=2)
T.addcdiv(x, x, y, value=0.5) | T.lerp(x, y, 0.3) | T.lerp(x, y, p) | T.addmm(v, x, m)
T.addmm(v, x, m, beta=0.5, alpha=2) | T.addmv(v, m, w, alpha=3) | T.baddbmm(c, c, c, beta=2)
T.addbmm(c[0], c, c) | T.addr(m, v, w) | T.mv(m, v) | T.ger(v, w) | T.bmm(c, c) | T.dot(v, w)
T.cholesky_solve(m, m.tril()) | T.cholesky_solve(c, c.triu(), upper=True) | m.tril().cholesky_inverse()
T.outer(v, w) | T.chain_matmul(x, m, m) | T.dist(x, y) | T.dist(x, y, 1) | T.cdist(x, m)
T.cdist(x, m, p=1) | T.cross(x, y, dim=1) | T.cross(v, w, dim=0) | T.trunc(x).detach() | T.frac(x)
T.fix(x).detach() | T.sgn(x).detach() | T.rad2deg(x) | T.deg2rad(x) | T.erfc(x) | T.logit(p)
T.logit(x, eps=0.1) | T.xlogy(p, p) | T.xlogy(n, p) | T.logaddexp2(x, y) | T.fmax(x, y) | T.fmin(x, y)
T.copysign(x, y) | T.heaviside(x.detach(), y.detach()) | T.clamp_min(x, 0.1) | T.clamp_max(x, 0.1)
T.clamp(x, min=-0.5, max=0.5) | x.clip(0.0) | T.nansum(nan) | T.nanmean(nan) | T.std_mean(x, dim=1)
T.var_mean(x) | T.var_mean(x, dim=0, correction=0) | T.trapezoid(x) | T.trapezoid(x, dx=0.5)
T.trapz(y, m[:2].detach()) | T.cov(x) | T.cov(v) | T.corrcoef(x) | T.rsqrt(p) | T.square(x)
T.exp2(x) | T.expm1(x) | T.log1p(p) | T.sinc(x) | T.hypot(x, y) | T.atan2(x, y) | T.remainder(x, y)
T.reciprocal(x) | T.nan_to_num(nan) | T.logsumexp(x, dim=1, keepdim=True) | T.logcumsumexp(x, 1)
T.cumsum(x, dim=0) | T.cumprod(x, dim=1) | T.cumsum(n, 1) | T.prod(x, 1, keepdim=True) | T.prod(n)
T.sum(n) | T.sum(n, dim=0) | T.sum(x, (0, 1)) | T.sum(b) | T.sum(x, dim=1, dtype=T.float32)
T.mean(n, dtype=T.float64) | T.mean(x, dim=(0, 1), keepdim=True) | T.cumsum(n, 0, dtype=T.float64)
T.prod(n, dtype=T.float64) | T.cumprod(n, 0, dtype=T.float64) | T.softmax(n, dim=1, dtype=T.float64)
T.log_softmax(x, 1, dtype=T.float32) | x.softmax(-1) | T.nansum(nan, dtype=T.float32)
T.any(b) | T.all(b, dim=1) | T.any(b, dim=1, keepdim=True) | T.all(b, 0, keepdim=True) | b.any(1)
T.norm(x) | T.norm(x, p=1) | T.norm(x, dim=1) | T.norm(x, 0).detach() | T.norm(x, float("inf"))
T.norm(x, -float("inf")) | T.norm(v, 3) | T.norm(x, p="fro", dim=(0, 1)) | T.norm(x, -2)
T.norm(x, -1) | T.norm(x, 2, dim=0, keepdim=True) | x.norm(p=2, dim=-1) | T.norm(x, -float("inf"), 1)
T.max(x, dim=1) | T.max(x, 1, keepdim=True) | T.min(x, y) | T.aminmax(x, dim=0) | T.amax(x, (0, 1))
T.argmax(x) | T.argmin(x, dim=1, keepdim=True) | T.topk(x, 2) | T.topk(x, 1, dim=0, largest=False)
T.sort(x, dim=1, descending=True) | T.sort(x, 0) | T.argsort(x, dim=1) | T.msort(x) | T.kthvalue(x, 2)
T.kthvalue(x, 1, dim=0, keepdim=True) | T.mode(n.double()) | T.mode(n, 0) | x.argsort(descending=True)
T.unique(n) | T.unique(n, return_inverse=True, return_counts=True) | T.unique(n, dim=1)
T.unique_consecutive(T.tensor([1, 1, 2, 1]), return_counts=True, return_inverse=True)
T.bincount(i) | T.bincount(i, minlength=5) | T.bincount(i, weights=v.detach()) | T.count_nonzero(n)
T.histc(x.detach(), bins=4, min=-1, max=3) | T.count_nonzero(n, dim=0) | T.searchsorted(T.sort(v)[0].detach(), w.detach())
T.bucketize(x.detach(), T.tensor([0.0, 1.0]).double()) | T.searchsorted(T.tensor([1, 3, 5]), T.tensor([3, 5]), right=True)
T.gather(x, 1, j[:, :2]) | x.gather(0, j % 2) | T.index_select(x, 1, i) | x.index_select(0, i % 2)
T.masked_select(x, b) | T.masked_fill(x, b, 9.0) | x.masked_fill(b, -1e9) | T.take(x, i) | T.select(x, 1, 2)
T.take_along_dim(x, j, dim=1) | T.scatter(x, 1, j[:, :2], y[:, :2]) | T.scatter(x, 1, j[:, 1:2], 5.0)
T.zeros(2, 3).double().scatter(1, j[:, :1], 1.0) | T.scatter_add(x, 1, j, y) | x.scatter_add(0, j % 2, y)
T.scatter_add(x, 1, j[:, :2], y[:, :2]) | T.index_add(x, 1, i, y) | T.index_add(m, 0, i % 2, m, alpha=2)
T.index_copy(m, 0, i[:2], x) | T.index_fill(x, 1, i[:2], 7.0) | T.index_put(v, (i[:2],), w[:2])
T.index_put(v, (i % 2,), w, accumulate=True) | T.masked_scatter(x, b, y) | T.where(b, x, y)
T.where(b, x, 0.0) | x.where(b, y) | T.scatter_reduce(x, 1, j[:, :2], y[:, :2], "sum")
T.scatter_reduce(x, 1, j[:, :2], y[:, :2], "mean", include_self=False) | x.detach().scatter_reduce(1, j, y.detach(), "amax")
x.detach().scatter_reduce(1, j, y.detach(), "prod") | T.nonzero(n) | T.nonzero(n, as_tuple=True) | n.nonzero()
T.where(b) | T.argwhere(n) | x[b] | x[:, i] | x[T.tensor([0, 1]), i[:2]] | x[..., None] | x[0, 1:] | x[i % 2]
T.eq(x, y) | x.ne(y) | T.lt(x, 0.5) | x.le(y) | T.gt(x, y) | x.ge(0.9) | T.less(x, y) | n.eq(2).sum()
T.greater_equal(x, y) | T.not_equal(n, 2) | T.logical_and(n, b) | T.logical_or(n, b) | b.logical_not()
T.logical_xor(n, b) | T.bitwise_and(k, 3) | T.bitwise_or(k, 1) | T.bitwise_xor(k, k) | T.bitwise_not(k) | ~b
T.isclose(x, x + 1e-9) | T.isposinf(x) | T.isneginf(x) | T.signbit(x) | T.isin(n, T.tensor([0, 2]))
T.isnan(nan) | T.isfinite(nan) | T.isinf(nan) | T.isreal(x)
x.view_as(y.t().contiguous()) | x.reshape_as(y.view(3, 2)) | v.expand_as(x) | T.broadcast_to(v, (2, 3))
T.broadcast_tensors(v, x) | T.unbind(x) | x.unbind(1) | T.narrow(x, 1, 1, 2) | x.narrow(0, -1, 1) | T.moveaxis(c, 0, 2)
T.movedim(c, (0, 1), (2, 0)) | T.swapdims(x, 0, 1) | T.swapaxes(c, 0, 2) | T.t(x) | x.H | c.mH | c.mT | x.T | T.adjoint(c)
T.unflatten(x, 1, (3, 1)) | x.unflatten(1, (-1, 3)) | x.unfold(1, 2, 1) | v.unfold(0, 2, 1) | T.diagonal(m)
T.diagonal(c, dim1=1, dim2=2) | T.diagonal(x, offset=1) | T.diag(m) | T.diag(v, 1) | T.diag_embed(x)
T.diag_embed(v, offset=1) | T.diag_embed(v, offset=-2) | T.diagflat(x) | T.fliplr(x) | T.flipud(x)
T.flip(x, dims=(0, 1)) | x.flip(1) | x.flip([0]) | T.flip(x, (1,)) | T.roll(x, 1, dims=1) | T.roll(x, (1, 2), dims=(0, 1)) | T.roll(x, 2)
T.rot90(x) | T.rot90(c, 2, (1, 2)) | T.tensor_split(v, 2) | T.tensor_split(x, (1, 2), dim=1) | T.hsplit(x, 3) | T.vsplit(x, 2)
T.split(x, 2, dim=1) | T.split(x, [1, 2], 1) | T.chunk(x, 2, dim=1) | x.split_with_sizes([2, 1], 1) | T.hstack([v, w])
T.hstack((x, y)) | T.vstack([v, w]) | T.dstack([v, w]) | T.column_stack([v, w]) | T.cat([x, y], dim=1) | T.stack((v, w), dim=1)
T.concat([v, w]) | T.atleast_1d(s) | T.atleast_2d(v) | T.atleast_3d(v) | T.atleast_3d(x) | T.meshgrid(v, w, indexing="ij")
T.meshgrid(v, w, indexing="xy") | T.cartesian_prod(v, w) | T.combinations(v) | T.combinations(v, with_replacement=True)
T.block_diag(x, m) | T.vander(k) | T.vander(k, 2, increasing=True) | T.tril_indices(3, 3) | T.triu_indices(2, 4, 1)
T.tril(m) | T.triu(m, diagonal=1) | m.tril(-1) | T.clone(x) | T.detach(x) | T.squeeze(x[:, :1], 1) | T.unsqueeze(x, -1) | T.flatten(c, 1)
T.permute(c, (2, 0, 1)) | c.permute(1, 2, 0) | T.ravel(x) | x.repeat(2, 1) | T.tile(x, (2,)) | T.repeat_interleave(x, 2, dim=1)
x.view(3, 2) | x.view(-1) | T.reshape(x, (3, -1)) | x.sum_to_size(1, 3) | T.trace(m) | T.kron(v, w) | T.tensordot(x, m, 1)
T.einsum("ij,jk->ik", x, m) | T.einsum("ij,jk->ik", [x, m]) | T.einsum("bij,bjk", c, c) | T.matmul(x, v) | x @ m | T.mm(x, m)
T.median(v) | T.quantile(v, 0.5) | T.diff(v) | T.cummax(x, 1) | T.inner(v, w) | T.vdot(v, w)
T.arange(5) | T.arange(1, 4) | T.arange(0, 1, 0.25) | T.arange(end=3) | T.arange(1, end=7, step=2) | T.arange(3, dtype=T.float32) | T.arange(5.0)
T.linspace(0, 1, 5) | T.logspace(0, 2, 3) | T.eye(2, 3) | T.full((2,), 7) | T.full((2,), 7.0) | T.full((1, 2), True) | T.zeros(2, 3)
T.zeros((2, 3), dtype=T.long) | T.ones(2, dtype=T.float64) | T.zeros_like(n) | T.ones_like(x, dtype=T.long) | T.full_like(n, 5) | T.full_like(x, 2)
x.new_zeros(2) | x.new_ones((2, 2)) | n.new_tensor([1.0, 2.0]) | x.new_full((2,), 3) | T.tensor([1, 2]) | T.tensor([1.0, 2]) | T.tensor(True)
T.tensor([1, 2], dtype=T.float32) | T.as_tensor([1.5], dtype=T.float64) | T.FloatTensor([1, 2]) | T.LongTensor([3]) | T.BoolTensor([True])
x.float() | x.double() | x.half() | x.long() | x.int() | x.bool() | x.to(T.float32) | n.to(x) | n.type(T.float64) | x.type_as(n) | n.float().mean()
x.detach().clone().add_(y.detach()) | x.detach().clone().mul_(2).sub_(1).div_(4) | x.detach().clone().clamp_(-0.5, 0.5) | x.detach().clone().zero_()
x.clone().exp_() | x.clone().mul_(y) | x.clone().sigmoid_() | p.clone().sqrt_() | x.clone().relu_() | x.clone().tanh_() | x.clone().neg_() | x.clone().pow_(2) | x.clone().abs_()
x.clone().masked_fill_(b, 0.5) | x.clone().scatter_(1, j[:, :2], y[:, :2]) | x.clone().index_add_(1, i, y) | x.clone().fill_(3.0) | x.clone().copy_(y)
x.clone().addcmul_(x, y) | x.clone().lerp_(y, 0.2) | m.clone().addmm_(m, m) | x.clone().add_(y, alpha=2) | x.clone().triu_() | x.detach().clone().round_() | x.clone().clamp_min_(0.2)
T.numel(x) | x.nelement() | x.ndimension() | x.dim() | T.is_tensor(x) | T.is_floating_point(n) | x.is_floating_point() | x.stride() | x.t().is_contiguous()
T.allclose(x, x + 1e-10) | T.equal(x, x.clone()) | x.size(0) | tuple(x.shape) | len(x) | x.tolist() | s.item() | x.element_size() | T.broadcast_shapes((2, 1), (3,)) | x.is_cuda | str(x.device) | x.type()
T.nn.functional.softplus(x, beta=2, threshold=1) | T.nn.functional.threshold(x, 0.1, 20.0) | T.nn.functional.one_hot(i) | T.nn.functional.pad(x, (1, 0)) | T.nn.functional.cosine_similarity(x, y)
T.nn.functional.pairwise_distance(x, y) | T.nn.functional.relu6(4 * x) | T.nn.functional.selu(x) | T.nn.functional.celu(x, 0.7) | T.nn.functional.mish(x) | T.nn.functional.softsign(x) | T.nn.functional.hardswish(x)
T.nn.functional.hardsigmoid(x) | T.nn.functional.tanhshrink(x) | T.nn.functional.softshrink(x, 0.5) | T.nn.functional.hardshrink(x, 0.5) | T.nn.functional.softmin(x, dim=1) | T.nn.functional.glu(c) | T.nn.functional.prelu(x, v)
T.nn.functional.kl_div(x.log_softmax(1), p) | T.nn.functional.kl_div(x.log_softmax(1), y.log_softmax(1), reduction="batchmean", log_target=True) | T.nn.functional.embedding(j, m) | T.nn.functional.rms_norm(x, (3,))
T.nn.functional.margin_ranking_loss(v, w, T.ones(3).double()) | T.nn.functional.triplet_margin_loss(x, y, p) | T.nn.functional.cosine_embedding_loss(x, y, T.tensor([1, -1])) | T.nn.functional.hinge_embedding_loss(v, T.tensor([1, -1, 1]))
T.nn.functional.poisson_nll_loss(x, p) | T.nn.functional.gaussian_nll_loss(x, y, p) | T.nn.functional.soft_margin_loss(x, T.ones(2, 3)) | T.nn.functional.scaled_dot_product_attention(c, c, c) | T.nn.functional.logsigmoid(x)
T.matmul(input=x, other=m) | T.sum(input=x, dim=1) | T.tanh(input=x) | T.mul(input=x, other=y) | T.max(input=x, dim=1) | T.clamp(input=x, min=0.1) | T.pow(input=x, exponent=2)
T.where(condition=b, input=x, other=y) | x.reshape(shape=(3, 2)) | T.permute(input=c, dims=(2, 0, 1)) | x.transpose(dim0=0, dim1=1) | v.expand(size=(2, 3)) | v.tile(dims=(2, 2))
T.median(x, 1) | x.median(dim=0, keepdim=True) | T.median(x) | T.median(nan.detach()) | T.median(T.stack([nan, v]).detach(), dim=1) | T.median(s, 0) | T.median(n, -1)
T.addmm(input=v, mat1=x, mat2=m, beta=2) | T.addmv(input=v, mat=m, vec=w) | T.addr(input=m, vec1=v, vec2=w) | m.addmm(mat1=m, mat2=m) | m.clone().addr_(vec1=v, vec2=w)
T.baddbmm(input=c, batch1=c, batch2=c) | c[0].addbmm(batch1=c, batch2=c) | T.addcmul(input=x, tensor1=x, tensor2=y, value=2) | x.addcdiv(tensor1=x, tensor2=p)
T.dot(input=v, tensor=w) | v.dot(tensor=w) | T.mv(input=m, vec=v) | T.outer(input=v, vec2=w) | v.ger(vec2=w) | T.mm(input=x, mat2=m) | T.bmm(input=c, mat2=c)
T.det(input=m) | T.linalg.det(A=m) | T.inverse(input=m) | T.slogdet(input=m) | T.matrix_power(input=m, n=2) | T.pinverse(input=x, rcond=1e-9) | T.logdet(input=m @ m)
T.cholesky(input=m @ m.T) | T.cholesky_solve(input=m, input2=m.tril()) | T.cholesky_inverse(input=m.tril()) | m.qr(some=True)[1].abs() | T.cdist(x1=x, x2=m)
T.float_power(input=v, exponent=2) | T.allclose(nan, nan, equal_nan=True) | T.isin(elements=n, test_elements=i, assume_unique=False)
T.as_tensor(data=[1.5]) | T.asarray(obj=[1.5], copy=True, dtype=T.float64) | T.asarray(x, copy=True) * x | T.result_type(tensor=x, other=n) == T.float64 | T.result_type(x.float(), i) == T.float32 | T.result_type(i, 2.0) == T.float32 | T.promote_types(T.int64, T.float32) == T.float32 | T.histogram(x.detach(), bins=3).hist | T.norm(x.float(), dim=1, dtype=T.float64) | T.trapezoid(y=x, x=y)
T.median(n * s) | T.median(T.stack([nan, nan])) | T.median((x > 0).double() * s) | T.split(tensor=x, split_size_or_sections=2, dim=1) | x.split(split_size=2, dim=1) | T.swapaxes(input=x, axis0=0, axis1=1) | x.swapdims(dim0=0, dim1=1)
T.tensor_split(v, sections=2) | x.tensor_split(indices=(1, 2), dim=1) | T.tensor_split(input=v, sections=2) | x.clone().copy_(other=y)
T.index_add(input=x, dim=1, index=i, source=y) | T.index_copy(input=m, dim=0, index=i[:2], source=x) | T.index_fill(input=x, dim=1, index=i[:2], value=7.0)
T.nn.functional.mse_loss(x, y, weight=p) | T.nn.functional.l1_loss(x, y, weight=p, reduction="sum") | T.nn.functional.huber_loss(x, y, weight=p) | T.nn.functional.l1_loss(x, y, weight=p)
T.embedding(m, j) | T.embedding(weight=m, indices=j) | T.embedding(m, j, -1) | T.embedding(m, j, 2) | T.dropout(input=x, p=0.5, train=False) | T.batch_norm(x, v, w, v.detach() * 0, v.detach() ** 2, False, 0.1, 1e-5, False)
k << 2 | 2 << i | n >> 1 | T.bitwise_left_shift(k, i) | T.bitwise_right_shift(n, 1) | n.byte().sum() | n.byte().cumsum(0) | T.linalg.cross(m, m.t())
"""
SAME = [word.strip() for line in WORDS.strip().splitlines() for word in line.split(" | ")]


def run(lib: Any, make: Any, expression: str) -> dict[str, Any]:
    """The outputs, their shapes and dtypes, and gradients under a fixed upstream gradient."""
    names = {k: make(np.array(a)) for k, a in ARRAYS.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch deprecates some
        out = eval(expression, {"T": lib}, names)
    outs = list(out) if isinstance(out, tuple | list) and hasattr(out[0], "dtype") else [out]
    if not hasattr(outs[0], "dtype"):
        return {"shapes": [], "values": json.loads(json.dumps(out)), "dtypes": [], "grads": []}
    loss: Any = 0
    for o in outs:
        if o.requires_grad:
            g = np.cos(np.arange(math.prod(o.shape)) + 1.0).reshape(tuple(o.shape))
            loss = loss + (o * make(g).detach()).sum()
    if any(o.requires_grad for o in outs):
        loss.backward()
    grads = {k: None if t.grad is None else t.grad.tolist() for k, t in names.items()}
    return {
        "shapes": [list(o.shape) for o in outs],
        "values": [o.tolist() for o in outs],
        "dtypes": [str(o.dtype).removeprefix("torch.") for o in outs],
        "grads": [g for g in grads.values() if g is not None],
        "of": [k for k, g in grads.items() if g is not None],
    }


def ours(expression: str) -> dict[str, Any]:
    return run(ag, lambda a: ag.tensor(a, requires_grad=a.dtype.kind == "f"), expression)


def theirs(torch: Any, expression: str) -> dict[str, Any]:
    return run(torch, lambda a: torch.tensor(a, requires_grad=a.dtype.kind == "f"), expression)


def check(expression: str, expected: dict[str, Any]) -> None:
    found = ours(expression)
    assert [found.get(k) for k in EXACT] == [expected.get(k) for k in EXACT]
    if not expected["dtypes"]:
        assert found == expected
        return
    rtol = {"float16": 1e-3, "float32": 1e-5}.get(str(*expected["dtypes"][:1]), 1e-7)
    for kind in ("values", "grads"):
        for x, y in zip(found[kind], expected[kind], strict=True):
            np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-12, err_msg=kind)


EXACT = ("shapes", "dtypes", "of")


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    return json.loads(GOLDEN.read_text())


def test_golden_data_cover_every_expression(stored: dict[str, Any]) -> None:
    assert sorted(stored) == sorted(SAME) and len(set(SAME)) == len(SAME)


@pytest.mark.parametrize("expression", SAME)
def test_it_is_what_pytorch_gives(expression: str, stored: dict[str, Any]) -> None:
    check(expression, stored[expression])


def test_stored_values_are_those_of_the_installed_pytorch(torch: Any) -> None:
    for expression in SAME:
        check(expression, theirs(torch, expression))


def test_what_is_composed_is_differentiated_twice() -> None:
    x = ag.tensor(ARRAYS["x"], dtype="float64")
    y, p = (ag.tensor(ARRAYS[k], dtype="float64") for k in "yp")
    j = ag.tensor(ARRAYS["j"])
    for f in (
        lambda x, y: ag.lerp(x, y, 0.3) * ag.addcmul(x, x, y) + ag.addcdiv(x, y, p),
        lambda x, y: ag.cdist(x, y, 3),
        lambda x, y: ag.cross(x, y, 1),
        lambda x, y: ag.cholesky_solve(x, y[:, :2]),
        lambda x, y: ag.scatter_add(x, 1, j, y) ** 2,
        lambda x, y: ag.scatter(x, 1, j, 0.5) * y,
        lambda x, y: ag.cov(x) + ag.corrcoef(y),
        lambda x, y: ag.diag_embed(x, 1) ** 2,
        lambda x, y: ag.trapezoid(x * y) + ag.norm(x, -2),
    ):
        assert ag.gradcheck(f, (x, y)) and ag.gradgradcheck(f, (x, y))


def test_in_place_forms_change_the_tensor_itself_and_are_recorded() -> None:
    x = ag.tensor([0.5, 1.5], requires_grad=True)
    y = x.clone()
    before = y.array
    assert y.exp_().mul_(2.0).sqrt_() is y and y.array is before
    y.sum().backward()
    assert x.grad is not None
    np.testing.assert_allclose(x.grad.array, np.exp(x.array) / y.detach().array, rtol=1e-6)
    with pytest.raises(RuntimeError, match="a leaf that requires grad"):
        x.exp_()
    with ag.no_grad():
        assert x.clamp_(0.0, 1.0).tolist() == [0.5, 1.0]
    with pytest.raises(TypeError, match="cannot be put into a tensor of int64"):
        ag.tensor([4]).sqrt_()


def test_tensors_are_filled_with_random_numbers_in_place() -> None:
    ag.manual_seed(0)
    x = ag.zeros(4000, dtype="float64")
    for change, mean, std in (
        (lambda: x.normal_(1.0, 2.0), 1.0, 2.0), (lambda: x.uniform_(-1, 3), 1.0, 1.155),
        (lambda: x.exponential_(2.0), 0.5, 0.5), (lambda: x.bernoulli_(0.25), 0.25, 0.433),
        (lambda: x.random_(0, 5), 2.0, 1.414),
    ):  # fmt: skip
        assert change() is x
        assert abs(x.mean().item() - mean) < 0.1 and abs(x.std().item() - std) < 0.1


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: ag.div(x, 2, rounding_mode="up"), ValueError, "div: rounding_mode is None"),
        (lambda x: ag.mm(x, x), RuntimeError, "mm: inputs of 2 and 2 axes, got shapes"),
        (lambda x: x.gather(0, ag.tensor([1.0])), IndexError, "an index is ints"),
        (lambda x: x.scatter(0, ag.tensor([1.0]), x), TypeError, "scatter: the index has ints"),
        (lambda x: x.scatter(0, ag.tensor([[1]]), x), ValueError, "scatter: the index has shape"),
        (lambda x: x.narrow(0, 2, 5), ValueError, r"narrow: 5 places from 2 are not in axis 0"),
        (lambda x: x.unfold(0, 9, 1), ValueError, "unfold: size 9 is from 0 to 3"),
        (lambda x: ag.addmm(x, x, x), ValueError, "addmm: inputs of 2 and 2 axes, got shapes"),
        (lambda x: ag.kthvalue(x, 7), ValueError, "kthvalue: k is from 1 to 3"),
        (lambda x: ag.cross(x[:2], x[:2]), ValueError, "cross: axis"),
        (lambda x: ag.meshgrid(x, indexing="no"), ValueError, "meshgrid: indexing is 'ij' or"),
        (lambda x: ag.t(x.reshape(1, 1, 3)), ValueError, "t: a matrix is needed"),
    ],
)
def test_what_is_asked_wrongly_is_explained(call: Any, error: Any, text: str) -> None:
    with pytest.raises(error, match=text):
        call(ag.tensor([1.0, 2.0, 3.0], requires_grad=True))


def test_numbers_of_numpy_are_as_pythons() -> None:
    x, y = ag.ones(2, dtype="int32"), ag.ones(2)
    assert (x * np.int64(2)).dtype == (np.int64(2) * x).dtype == "int32"
    assert (
        (x + np.float64(2)).dtype == (x // 2.0).dtype == (y // ag.tensor([2, 2])).dtype == "float32"
    )
    assert (x * np.longdouble(2)).dtype == ag.full((2,), np.float64(3)).dtype == "float32"
    assert ag.full((2,), np.int64(3)).dtype == "int64"
    with pytest.raises(TypeError, match="full: fill_value is a number, got float64; the dtype is"):
        ag.full(2, np.float64)


def test_asarray_without_a_copy_shares_or_says_why_not() -> None:
    a = np.ones(2, "float32")
    for obj in (a, ag.tensor(a), np.ones(0)):
        t = ag.asarray(obj, copy=False)
        assert t.size == 0 or np.shares_memory(t.array, getattr(obj, "array", obj))
    for obj, dtype in (([1.0], None), (a, "float64"), (ag.tensor(a), "float64")):
        with pytest.raises(ValueError, match=r"asarray: a (list|ndarray|Tensor) is copied to make"):
            ag.asarray(obj, dtype=dtype, copy=False)


def test_the_layout_and_the_limits_of_dtypes_are_told() -> None:
    assert ag.ones(2).layout is ag.strided and isinstance(ag.strided, ag.layout)
    assert copy.deepcopy(ag.strided) is ag.strided
    assert ag.finfo().max == ag.finfo(ag.float32).max == np.finfo("float32").max
    short = ag.finfo(ag.bfloat16)
    assert (short.bits, short.eps, short.max) == (16, 0.0078125, 3.3895313892515355e38)


def test_help_has_the_words_that_calls_take() -> None:
    x = ag.ones(2)
    for f in (*public.values(), ag.zeros_like, ag.full_like, ag.rand_like, ag.bernoulli):
        shown, code = inspect.signature(f).parameters.values(), f.__code__
        taken = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        words = {p.name for p in shown if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        assert words <= {*taken} or code.co_flags & inspect.CO_VARKEYWORDS, f.__name__
    assert ag.zeros_like(input=x).tolist() == [0, 0] and ag.multinomial(input=x, num_samples=1) < 2
