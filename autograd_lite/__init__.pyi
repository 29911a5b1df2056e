"""Written by `python -m tests.stubs`, from `__all__`."""

from .anomaly import AnomalyError as AnomalyError
from .derivation import Derivation as Derivation
from .differences import GradcheckError as GradcheckError
from .graph import Graph as Graph
from .graph.render import GraphRenderError as GraphRenderError
from .engine.op import Op as Op
from .origin import Place as Place
from .engine.tensor import Tensor as Tensor
from .engine.rules.curves import abs as abs
from .engine.rules.curves import arccos as arccos
from .engine.rules.curves import arccosh as arccosh
from .engine.rules.questions import all as all
from .engine.rules.questions import allclose as allclose
from .engine.rules.reductions import amax as amax
from .engine.rules.reductions import amin as amin
from .engine.rules.questions import any as any
from .creation import arange as arange
from .engine.rules.curves import arcsin as arcsin
from .engine.rules.curves import arcsinh as arcsinh
from .engine.rules.curves import arctan as arctan
from .engine.rules.arithmetic import arctan2 as arctan2
from .engine.rules.curves import arctanh as arctanh
from .engine.rules.questions import argmax as argmax
from .engine.rules.questions import argmin as argmin
from .engine.rules.order import argsort as argsort
from .engine.tensor import as_tensor as as_tensor
from .comparison.gradients import assert_same as assert_same
from .engine.rules.reductions import average as average
from .creation import bernoulli as bernoulli
from .engine.rules.products import matmul as matmul
from .engine.rules.pick import concatenate as concatenate
from .engine.rules.curves import cbrt as cbrt
from .engine.rules.steps import ceil as ceil
from .comparison.learners.programs import check as check
from .comparison.learners.functions import check_backward as check_backward
from .engine.rules.pick import chunk as chunk
from .engine.rules.curves import clip as clip
from .comparison.gradients import compare as compare
from .comparison.learners.layers import compare_layers as compare_layers
from .compilation import compile as compile
from .engine.rules.curves import cos as cos
from .engine.rules.curves import cosh as cosh
from .engine.rules.order import cummax as cummax
from .engine.rules.order import cummin as cummin
from .engine.rules.along import cumprod as cumprod
from .engine.rules.along import cumsum as cumsum
from .creation import default_generator as default_generator
from .derivation import derive as derive
from .anomaly import detect_anomaly as detect_anomaly
from .conversion import device as device
from .engine.rules.pick import diag as diag
from .engine.rules.pick import diff as diff
from .graph import draw as draw
from .engine.rules.products import einsum as einsum
from .engine.rules.curves import elu as elu
from .creation import empty as empty
from .creation import empty_like as empty_like
from .engine.modes import enable_grad as enable_grad
from .engine.rules.questions import equal as equal
from .engine.rules.curves import erf as erf
from .engine.rules.curves import exp as exp
from .engine.rules.curves import exp2 as exp2
from .engine.rules.shape import expand as expand
from .engine.rules.curves import expm1 as expm1
from .creation import eye as eye
from .engine.rules.steps import trunc as trunc
from .engine.rules.shape import flatten as flatten
from .engine.rules.shape import flip as flip
from .engine.rules.steps import floor as floor
from .engine.rules.arithmetic import fmod as fmod
from .program.expr import formula as formula
from .exchange import from_dlpack as from_dlpack
from .exchange import from_numpy as from_numpy
from .creation import full as full
from .creation import full_like as full_like
from .engine.rules.pick import gather as gather
from .engine.rules.curves import gelu as gelu
from .engine.arrays import get_default_dtype as get_default_dtype
from .calculus import grad as grad
from .differences import gradcheck as gradcheck
from .differences import gradgradcheck as gradgradcheck
from .engine.rules.curves import hardtanh as hardtanh
from .calculus import hessian as hessian
from .calculus import hvp as hvp
from .engine.rules.arithmetic import hypot as hypot
from .engine.modes import inference_mode as inference_mode
from .engine.rules.products import inner as inner
from .engine.modes import is_grad_enabled as is_grad_enabled
from .engine.rules.questions import isfinite as isfinite
from .engine.rules.questions import isinf as isinf
from .engine.rules.questions import isnan as isnan
from .calculus import jacobian as jacobian
from .calculus import jvp as jvp
from .engine.rules.products import kron as kron
from .engine.rules.curves import leaky_relu as leaky_relu
from .creation import linspace as linspace
from .engine.rules.curves import log as log
from .engine.rules.curves import log10 as log10
from .engine.rules.curves import log1p as log1p
from .engine.rules.curves import log2 as log2
from .engine.rules.along import log_softmax as log_softmax
from .engine.rules.arithmetic import logaddexp as logaddexp
from .engine.rules.along import logcumsumexp as logcumsumexp
from .engine.rules.curves import logsigmoid as logsigmoid
from .creation import logspace as logspace
from .engine.rules.reductions import logsumexp as logsumexp
from .creation import manual_seed as manual_seed
from .engine.rules.arithmetic import masked_fill as masked_fill
from .engine.rules.reductions import max as max
from .engine.rules.arithmetic import maximum as maximum
from .engine.rules.reductions import mean as mean
from .engine.rules.order import median as median
from .engine.rules.reductions import min as min
from .engine.rules.arithmetic import minimum as minimum
from .engine.rules.shape import movedim as movedim
from .creation import multinomial as multinomial
from .engine.rules.curves import nan_to_num as nan_to_num
from .engine.rules.arithmetic import neg as neg
from .engine.modes import no_grad as no_grad
from .engine.rules.reductions import norm as norm
from .creation import normal as normal
from .creation import ones as ones
from .creation import ones_like as ones_like
from .engine.op import ops as ops
from .origin import origin_of as origin_of
from .engine.rules.products import outer as outer
from .engine.rules.pick import pad as pad
from .engine.rules.shape import permute as permute
from .engine.rules.arithmetic import pow as pow
from .engine.rules.reductions import prod as prod
from .engine.rules.order import quantile as quantile
from .creation import rand as rand
from .creation import rand_like as rand_like
from .creation import randint as randint
from .creation import randint_like as randint_like
from .creation import randn as randn
from .creation import randn_like as randn_like
from .creation import randperm as randperm
from .engine.rules.arithmetic import reciprocal as reciprocal
from .origin import record_lines as record_lines
from .engine.rules.curves import relu as relu
from .engine.rules.arithmetic import remainder as remainder
from .engine.rules.pick import repeat_interleave as repeat_interleave
from .engine.rules.shape import reshape as reshape
from .engine.rules.pick import roll as roll
from .engine.rules.steps import round as round
from .engine.rules.curves import rsqrt as rsqrt
from .engine.arrays import set_default_dtype as set_default_dtype
from .engine.modes import set_grad_enabled as set_grad_enabled
from .engine.rules.curves import sigmoid as sigmoid
from .engine.rules.steps import sign as sign
from .engine.rules.curves import silu as silu
from .engine.rules.curves import sin as sin
from .engine.rules.curves import sinc as sinc
from .engine.rules.curves import sinh as sinh
from .engine.rules.along import softmax as softmax
from .engine.rules.curves import softplus as softplus
from .engine.rules.order import sort as sort
from .engine.rules.pick import split as split
from .engine.rules.curves import sqrt as sqrt
from .engine.rules.arithmetic import square as square
from .engine.rules.shape import squeeze as squeeze
from .engine.rules.pick import stack as stack
from .engine.rules.spread import std as std
from .engine.rules.reductions import sum as sum
from .engine.rules.shape import transpose as transpose
from .engine.rules.pick import take_along_axis as take_along_axis
from .engine.rules.curves import tan as tan
from .engine.rules.curves import tanh as tanh
from .engine.tape import tape as tape
from .creation import tensor as tensor
from .engine.rules.products import tensordot as tensordot
from .engine.rules.shape import tile as tile
from .engine.rules.order import topk as topk
from .engine.rules.products import trace as trace
from .engine.rules.questions import tril as tril
from .engine.rules.questions import triu as triu
from .engine.rules.shape import unsqueeze as unsqueeze
from .calculus import value_and_grad as value_and_grad
from .engine.rules.spread import var as var
from .engine.rules.products import vdot as vdot
from .calculus import vjp as vjp
from .engine.rules.arithmetic import where as where
from .creation import zeros as zeros
from .creation import zeros_like as zeros_like

acos = arccos
acosh = arccosh
asin = arcsin
asinh = arcsinh
atan = arctan
atan2 = arctan2
atanh = arctanh
bmm = matmul
cat = concatenate
clamp = clip
concat = concatenate
dot = matmul
fix = trunc
mm = matmul
ravel = flatten
swapaxes = transpose

__version__: str
