"""Written by `python -m tests.stubs`, from `dir(autograd_lite)`."""

from typing import Any

import numpy as np

from .dtypes import TensorType

from .anomaly import AnomalyError as AnomalyError
from .derivation import Derivation as Derivation
from .random import Generator as Generator
from .differences import GradcheckError as GradcheckError
from .graph import Graph as Graph
from .graph.render import GraphRenderError as GraphRenderError
from .engine.errors import MisfitError as MisfitError
from .engine.op import Op as Op
from .origin import Place as Place
from .engine.axes import Shape as Shape
from .engine.tensor import Tensor as Tensor
from .engine.rules.curves import abs as abs
from .torch_words.arithmetic import absolute as absolute
from .engine.rules.curves import arccos as arccos
from .engine.rules.curves import arccosh as arccosh
from .torch_words.arithmetic import add as add
from .torch_words.arithmetic import addbmm as addbmm
from .torch_words.arithmetic import addcdiv as addcdiv
from .torch_words.arithmetic import addcmul as addcmul
from .torch_words.arithmetic import addmm as addmm
from .torch_words.arithmetic import addmv as addmv
from .torch_words.arithmetic import addr as addr
from .torch_words.shape import adjoint as adjoint
from .engine.rules.questions import all as all
from .engine.rules.questions import allclose as allclose
from .engine.rules.reductions import amax as amax
from .engine.rules.reductions import amin as amin
from .torch_words.order import aminmax as aminmax
from . import amp as amp
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
from .torch_words.pick import argwhere as argwhere
from .engine.tensor import as_tensor as as_tensor
from .creation import asarray as asarray
from .comparison.gradients import assert_same as assert_same
from .torch_words.shape import atleast_1d as atleast_1d
from .torch_words.shape import atleast_2d as atleast_2d
from .torch_words.shape import atleast_3d as atleast_3d
from .amp import autocast as autocast
from . import autograd as autograd
from .engine.rules.reductions import average as average
from . import backends as backends
from .torch_words.arithmetic import baddbmm as baddbmm
from .creation import bernoulli as bernoulli
from .dtypes import bfloat16 as bfloat16
from .torch_words.order import bincount as bincount
from .torch_words.questions import bitwise_and as bitwise_and
from .torch_words.questions import bitwise_left_shift as bitwise_left_shift
from .torch_words.questions import bitwise_not as bitwise_not
from .torch_words.questions import bitwise_or as bitwise_or
from .torch_words.questions import bitwise_right_shift as bitwise_right_shift
from .torch_words.questions import bitwise_xor as bitwise_xor
from .torch_words.shape import block_diag as block_diag
from .torch_words.arithmetic import bmm as bmm
from .torch_words.shape import broadcast_shapes as broadcast_shapes
from .torch_words.shape import broadcast_tensors as broadcast_tensors
from .torch_words.shape import broadcast_to as broadcast_to
from .torch_words.order import bucketize as bucketize
from .torch_words.questions import can_cast as can_cast
from .torch_words.shape import cartesian_prod as cartesian_prod
from .engine.rules.pick import concatenate as concatenate
from .engine.rules.curves import cbrt as cbrt
from .torch_words.arithmetic import cdist as cdist
from .engine.rules.steps import ceil as ceil
from .torch_words.arithmetic import chain_matmul as chain_matmul
from .comparison.learners.programs import check as check
from .comparison.learners.functions import check_backward as check_backward
from .linalg import cholesky as cholesky
from .torch_words.arithmetic import cholesky_inverse as cholesky_inverse
from .torch_words.arithmetic import cholesky_solve as cholesky_solve
from .engine.rules.pick import chunk as chunk
from .engine.rules.curves import clip as clip
from .torch_words.arithmetic import clamp_max as clamp_max
from .torch_words.arithmetic import clamp_min as clamp_min
from .torch_words.shape import clone as clone
from .torch_words.shape import column_stack as column_stack
from .torch_words.shape import combinations as combinations
from .comparison.gradients import compare as compare
from .comparison.learners.layers import compare_layers as compare_layers
from .compilation import compile as compile
from .torch_words.arithmetic import copysign as copysign
from .torch_words.arithmetic import corrcoef as corrcoef
from .engine.rules.curves import cos as cos
from .engine.rules.curves import cosh as cosh
from .torch_words.order import count_nonzero as count_nonzero
from .torch_words.arithmetic import cov as cov
from .torch_words.arithmetic import cross as cross
from . import cuda as cuda
from .engine.rules.order import cummax as cummax
from .engine.rules.order import cummin as cummin
from .engine.rules.along import cumprod as cumprod
from .engine.rules.along import cumsum as cumsum
from .creation import default_generator as default_generator
from .torch_words.arithmetic import deg2rad as deg2rad
from .derivation import derive as derive
from .linalg import det as det
from .torch_words.shape import detach as detach
from .anomaly import detect_anomaly as detect_anomaly
from .conversion import device as device
from .engine.rules.pick import diag as diag
from .torch_words.shape import diag_embed as diag_embed
from .torch_words.shape import diagflat as diagflat
from .torch_words.shape import diagonal as diagonal
from .engine.rules.pick import diff as diff
from .special import digamma as digamma
from .torch_words.arithmetic import dist as dist
from . import distributed as distributed
from . import distributions as distributions
from .torch_words.arithmetic import div as div
from .torch_words.arithmetic import dot as dot
from .graph import draw as draw
from .torch_words.shape import dsplit as dsplit
from .torch_words.shape import dstack as dstack
from .engine.rules.products import einsum as einsum
from .engine.rules.curves import elu as elu
from .names import embedding as embedding
from .creation import empty as empty
from .creation import empty_like as empty_like
from .engine.modes import enable_grad as enable_grad
from .torch_words.questions import eq as eq
from .engine.rules.questions import equal as equal
from .engine.rules.curves import erf as erf
from .torch_words.arithmetic import erfc as erfc
from .special import erfinv as erfinv
from .engine.rules.curves import exp as exp
from .engine.rules.curves import exp2 as exp2
from .engine.rules.shape import expand as expand
from .engine.rules.curves import expm1 as expm1
from .creation import eye as eye
from .dtypes import finfo as finfo
from .engine.rules.steps import trunc as trunc
from .engine.rules.shape import flatten as flatten
from .engine.rules.shape import flip as flip
from .torch_words.shape import fliplr as fliplr
from .torch_words.shape import flipud as flipud
from .torch_words.arithmetic import float_power as float_power
from .engine.rules.steps import floor as floor
from .torch_words.arithmetic import floor_divide as floor_divide
from .torch_words.arithmetic import fmax as fmax
from .torch_words.arithmetic import fmin as fmin
from .engine.rules.arithmetic import fmod as fmod
from .random import fork_rng as fork_rng
from .program.expr import formula as formula
from .torch_words.arithmetic import frac as frac
from .exchange import from_dlpack as from_dlpack
from .exchange import from_numpy as from_numpy
from .creation import full as full
from .creation import full_like as full_like
from . import func as func
from .engine.rules.pick import gather as gather
from .torch_words.questions import ge as ge
from .engine.rules.curves import gelu as gelu
from .torch_words.arithmetic import ger as ger
from .settings import get_default_device as get_default_device
from .engine.arrays import get_default_dtype as get_default_dtype
from .settings import get_num_threads as get_num_threads
from .random import get_rng_state as get_rng_state
from .calculus import grad as grad
from .differences import gradcheck as gradcheck
from .differences import gradgradcheck as gradgradcheck
from .torch_words.questions import gt as gt
from .engine.rules.curves import hardtanh as hardtanh
from .torch_words.arithmetic import heaviside as heaviside
from .calculus import hessian as hessian
from .torch_words.order import histc as histc
from .torch_words.order import histogram as histogram
from .torch_words.shape import hsplit as hsplit
from .torch_words.shape import hstack as hstack
from .calculus import hvp as hvp
from .engine.rules.arithmetic import hypot as hypot
from .torch_words.pick import index_add as index_add
from .torch_words.pick import index_copy as index_copy
from .torch_words.pick import index_fill as index_fill
from .torch_words.pick import index_put as index_put
from .torch_words.pick import index_select as index_select
from .engine.modes import inference_mode as inference_mode
from .creation import initial_seed as initial_seed
from .engine.rules.products import inner as inner
from .linalg import inv as inv
from .torch_words.questions import is_complex as is_complex
from .torch_words.questions import is_floating_point as is_floating_point
from .engine.modes import is_grad_enabled as is_grad_enabled
from .torch_words.questions import is_nonzero as is_nonzero
from .torch_words.questions import is_tensor as is_tensor
from .torch_words.questions import isclose as isclose
from .engine.rules.questions import isfinite as isfinite
from .torch_words.questions import isin as isin
from .engine.rules.questions import isinf as isinf
from .engine.rules.questions import isnan as isnan
from .torch_words.questions import isneginf as isneginf
from .torch_words.questions import isposinf as isposinf
from .torch_words.questions import isreal as isreal
from .calculus import jacobian as jacobian
from .calculus import jvp as jvp
from .engine.rules.products import kron as kron
from .torch_words.order import kthvalue as kthvalue
from .conversion import Layout as Layout
from .torch_words.questions import le as le
from .engine.rules.curves import leaky_relu as leaky_relu
from .torch_words.arithmetic import lerp as lerp
from .torch_words.questions import lt as lt
from .special import lgamma as lgamma
from .creation import linspace as linspace
from .files import load as load
from .engine.rules.curves import log as log
from .engine.rules.curves import log10 as log10
from .engine.rules.curves import log1p as log1p
from .engine.rules.curves import log2 as log2
from .engine.rules.along import log_softmax as log_softmax
from .engine.rules.arithmetic import logaddexp as logaddexp
from .torch_words.arithmetic import logaddexp2 as logaddexp2
from .engine.rules.along import logcumsumexp as logcumsumexp
from .linalg import logdet as logdet
from .torch_words.questions import logical_and as logical_and
from .torch_words.questions import logical_not as logical_not
from .torch_words.questions import logical_or as logical_or
from .torch_words.questions import logical_xor as logical_xor
from .torch_words.arithmetic import logit as logit
from .engine.rules.curves import logsigmoid as logsigmoid
from .creation import logspace as logspace
from .engine.rules.reductions import logsumexp as logsumexp
from .creation import manual_seed as manual_seed
from .engine.rules.arithmetic import masked_fill as masked_fill
from .torch_words.pick import masked_scatter as masked_scatter
from .torch_words.pick import masked_select as masked_select
from .engine.rules.products import matmul as matmul
from .linalg import matrix_power as matrix_power
from .engine.rules.reductions import max as max
from .engine.rules.arithmetic import maximum as maximum
from .engine.rules.reductions import mean as mean
from .engine.rules.order import median as median
from .torch_words.shape import meshgrid as meshgrid
from .engine.rules.reductions import min as min
from .engine.rules.arithmetic import minimum as minimum
from .torch_words.arithmetic import mm as mm
from .torch_words.order import mode as mode
from .torch_words.shape import moveaxis as moveaxis
from .engine.rules.shape import movedim as movedim
from .torch_words.order import msort as msort
from .torch_words.arithmetic import mul as mul
from .creation import multinomial as multinomial
from .torch_words.arithmetic import mv as mv
from .engine.rules.curves import nan_to_num as nan_to_num
from .torch_words.arithmetic import nanmean as nanmean
from .torch_words.arithmetic import nansum as nansum
from .torch_words.shape import narrow as narrow
from .torch_words.questions import ne as ne
from .engine.rules.arithmetic import neg as neg
from .torch_words.arithmetic import negative as negative
import nn as nn
from .engine.modes import no_grad as no_grad
from .torch_words.pick import nonzero as nonzero
from .engine.rules.reductions import norm as norm
from .creation import normal as normal
from .torch_words.shape import numel as numel
from .creation import ones as ones
from .creation import ones_like as ones_like
from .engine.op import ops as ops
from nn import optim as optim
from .origin import origin_of as origin_of
from .engine.rules.products import outer as outer
from .engine.rules.pick import pad as pad
from .engine.rules.shape import permute as permute
from .linalg import pinv as pinv
from .special import polygamma as polygamma
from .torch_words.arithmetic import positive as positive
from .engine.rules.arithmetic import pow as pow
from .engine.rules.reductions import prod as prod
from .torch_words.questions import promote_types as promote_types
from .torch_words.arithmetic import qr as qr
from .engine.rules.order import quantile as quantile
from .torch_words.arithmetic import rad2deg as rad2deg
from .creation import rand as rand
from .creation import rand_like as rand_like
from .creation import randint as randint
from .creation import randint_like as randint_like
from .creation import randn as randn
from .creation import randn_like as randn_like
from . import random as random
from .creation import randperm as randperm
from .engine.rules.arithmetic import reciprocal as reciprocal
from .origin import record_lines as record_lines
from .engine.rules.curves import relu as relu
from .engine.rules.arithmetic import remainder as remainder
from .engine.rules.pick import repeat_interleave as repeat_interleave
from .engine.rules.shape import reshape as reshape
from .torch_words.shape import reshape_as as reshape_as
from .torch_words.questions import result_type as result_type
from .engine.rules.pick import roll as roll
from .torch_words.shape import rot90 as rot90
from .engine.rules.steps import round as round
from .torch_words.shape import vstack as vstack
from .engine.rules.curves import rsqrt as rsqrt
from .torch_words.arithmetic import rsub as rsub
from .files import save as save
from .creation import tensor as tensor
from .torch_words.pick import scatter as scatter
from .torch_words.pick import scatter_add as scatter_add
from .torch_words.pick import scatter_reduce as scatter_reduce
from .torch_words.order import searchsorted as searchsorted
from .random import seed as seed
from .torch_words.shape import select as select
from .settings import set_default_device as set_default_device
from .engine.arrays import set_default_dtype as set_default_dtype
from .dtypes import set_default_tensor_type as set_default_tensor_type
from .settings import set_float32_matmul_precision as set_float32_matmul_precision
from .engine.modes import set_grad_enabled as set_grad_enabled
from .settings import set_num_threads as set_num_threads
from .settings import set_printoptions as set_printoptions
from .random import set_rng_state as set_rng_state
from .torch_words.arithmetic import sgn as sgn
from .engine.rules.curves import sigmoid as sigmoid
from .engine.rules.steps import sign as sign
from .torch_words.questions import signbit as signbit
from .engine.rules.curves import silu as silu
from .engine.rules.curves import sin as sin
from .engine.rules.curves import sinc as sinc
from .engine.rules.curves import sinh as sinh
from .linalg import slogdet as slogdet
from .engine.rules.along import softmax as softmax
from .engine.rules.curves import softplus as softplus
from .engine.rules.order import sort as sort
from .torch_words.shape import split as split
from .torch_words.shape import split_with_sizes as split_with_sizes
from .engine.rules.curves import sqrt as sqrt
from .engine.rules.arithmetic import square as square
from .engine.rules.shape import squeeze as squeeze
from .engine.rules.pick import stack as stack
from .engine.rules.spread import std as std
from .torch_words.arithmetic import std_mean as std_mean
from .conversion import strided as strided
from .torch_words.arithmetic import sub as sub
from .engine.rules.reductions import sum as sum
from .torch_words.arithmetic import svd as svd
from .torch_words.shape import swapaxes as swapaxes
from .torch_words.shape import swapdims as swapdims
from .torch_words.shape import t as t
from .torch_words.pick import take as take
from .engine.rules.pick import take_along_axis as take_along_axis
from .torch_words.pick import take_along_dim as take_along_dim
from .engine.rules.curves import tan as tan
from .engine.rules.curves import tanh as tanh
from .engine.tape import tape as tape
from .torch_words.shape import tensor_split as tensor_split
from .engine.rules.products import tensordot as tensordot
from . import testing as testing
from .engine.rules.shape import tile as tile
from .engine.rules.order import topk as topk
from .engine.rules.products import trace as trace
from .engine.rules.shape import transpose as transpose
from .torch_words.arithmetic import trapezoid as trapezoid
from .engine.rules.questions import tril as tril
from .torch_words.shape import tril_indices as tril_indices
from .engine.rules.questions import triu as triu
from .torch_words.shape import triu_indices as triu_indices
from .settings import typename as typename
from .torch_words.shape import unbind as unbind
from .torch_words.shape import unflatten as unflatten
from .torch_words.shape import unfold as unfold
from .torch_words.order import unique as unique
from .torch_words.order import unique_consecutive as unique_consecutive
from .engine.rules.shape import unsqueeze as unsqueeze
from .settings import use_deterministic_algorithms as use_deterministic_algorithms
from . import utils as utils
from .calculus import value_and_grad as value_and_grad
from .torch_words.shape import vander as vander
from .engine.rules.spread import var as var
from .torch_words.arithmetic import var_mean as var_mean
from .engine.rules.products import vdot as vdot
from .torch_words.shape import view_as as view_as
from .calculus import vjp as vjp
from .func import vmap as vmap
from .torch_words.shape import vsplit as vsplit
from .engine.rules.arithmetic import where as where
from .torch_words.arithmetic import xlogy as xlogy
from .creation import zeros as zeros
from .creation import zeros_like as zeros_like

BoolTensor: TensorType
ByteTensor: TensorType
CharTensor: TensorType
DoubleTensor: TensorType
FloatTensor: TensorType
HalfTensor: TensorType
IntTensor: TensorType
LongTensor: TensorType
ShortTensor: TensorType
Size = Shape
accelerator: Any
acos = arccos
acosh = arccosh
asin = arcsin
asinh = arcsinh
atan = arctan
atan2 = arctan2
atanh = arctanh
bool: np.dtype[np.bool]
cat = concatenate
channels_last: Any
clamp = clip
concat = concatenate
contiguous_format: Any
divide = div
double: np.dtype[np.float64]
dtype: Any
e: Any
fix = trunc
float: np.dtype[np.float32]
float16: np.dtype[np.float16]
float32: np.dtype[np.float32]
float64: np.dtype[np.float64]
greater = gt
greater_equal = ge
half: np.dtype[np.float16]
iinfo: Any
inf: Any
int: np.dtype[np.int32]
int16: np.dtype[np.int16]
int32: np.dtype[np.int32]
int64: np.dtype[np.int64]
int8: np.dtype[np.int8]
inverse = inv
layout = Layout
less = lt
less_equal = le
long: np.dtype[np.int64]
multiply = mul
nan: Any
newaxis: Any
not_equal = ne
pi: Any
pinverse = pinv
preserve_format: Any
ravel = flatten
row_stack = vstack
scalar_tensor = tensor
short: np.dtype[np.int16]
subtract = sub
trapz = trapezoid
true_divide = div
uint16: np.dtype[np.uint16]
uint32: np.dtype[np.uint32]
uint64: np.dtype[np.uint64]
uint8: np.dtype[np.uint8]
version: Any
xpu: Any

__version__: str
__all__ = [
    "AnomalyError",
    "Derivation",
    "GradcheckError",
    "Graph",
    "GraphRenderError",
    "MisfitError",
    "Op",
    "Place",
    "Tensor",
    "absolute",
    "acos",
    "acosh",
    "add",
    "addbmm",
    "addcdiv",
    "addcmul",
    "addmm",
    "addmv",
    "addr",
    "adjoint",
    "allclose",
    "amax",
    "amin",
    "aminmax",
    "arange",
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctan2",
    "arctanh",
    "argmax",
    "argmin",
    "argsort",
    "argwhere",
    "as_tensor",
    "asin",
    "asinh",
    "assert_same",
    "atan",
    "atan2",
    "atanh",
    "atleast_1d",
    "atleast_2d",
    "atleast_3d",
    "autocast",
    "average",
    "baddbmm",
    "bernoulli",
    "bincount",
    "bitwise_and",
    "bitwise_left_shift",
    "bitwise_not",
    "bitwise_or",
    "bitwise_right_shift",
    "bitwise_xor",
    "block_diag",
    "bmm",
    "broadcast_shapes",
    "broadcast_tensors",
    "broadcast_to",
    "bucketize",
    "can_cast",
    "cartesian_prod",
    "cat",
    "cbrt",
    "cdist",
    "ceil",
    "chain_matmul",
    "check",
    "check_backward",
    "cholesky",
    "cholesky_inverse",
    "cholesky_solve",
    "chunk",
    "clamp",
    "clamp_max",
    "clamp_min",
    "clip",
    "clone",
    "column_stack",
    "combinations",
    "compare",
    "compare_layers",
    "concat",
    "concatenate",
    "copysign",
    "corrcoef",
    "cos",
    "cosh",
    "count_nonzero",
    "cov",
    "cross",
    "cummax",
    "cummin",
    "cumprod",
    "cumsum",
    "default_generator",
    "deg2rad",
    "derive",
    "det",
    "detach",
    "detect_anomaly",
    "device",
    "diag",
    "diag_embed",
    "diagflat",
    "diagonal",
    "diff",
    "digamma",
    "dist",
    "div",
    "divide",
    "dot",
    "draw",
    "dsplit",
    "dstack",
    "einsum",
    "elu",
    "empty",
    "empty_like",
    "enable_grad",
    "eq",
    "equal",
    "erf",
    "erfc",
    "erfinv",
    "exp",
    "exp2",
    "expand",
    "expm1",
    "eye",
    "fix",
    "flatten",
    "flip",
    "fliplr",
    "flipud",
    "float_power",
    "floor",
    "floor_divide",
    "fmax",
    "fmin",
    "fmod",
    "formula",
    "frac",
    "from_dlpack",
    "from_numpy",
    "full",
    "full_like",
    "gather",
    "ge",
    "gelu",
    "ger",
    "get_default_dtype",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "greater",
    "greater_equal",
    "gt",
    "hardtanh",
    "heaviside",
    "hessian",
    "histc",
    "histogram",
    "hsplit",
    "hstack",
    "hvp",
    "hypot",
    "index_add",
    "index_copy",
    "index_fill",
    "index_put",
    "index_select",
    "inference_mode",
    "inner",
    "inv",
    "inverse",
    "is_complex",
    "is_floating_point",
    "is_grad_enabled",
    "is_nonzero",
    "is_tensor",
    "isclose",
    "isfinite",
    "isin",
    "isinf",
    "isnan",
    "isneginf",
    "isposinf",
    "isreal",
    "jacobian",
    "jvp",
    "kron",
    "kthvalue",
    "le",
    "leaky_relu",
    "lerp",
    "less",
    "less_equal",
    "lgamma",
    "linspace",
    "load",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_softmax",
    "logaddexp",
    "logaddexp2",
    "logcumsumexp",
    "logdet",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "logit",
    "logsigmoid",
    "logspace",
    "logsumexp",
    "lt",
    "manual_seed",
    "masked_fill",
    "masked_scatter",
    "masked_select",
    "matmul",
    "matrix_power",
    "maximum",
    "mean",
    "median",
    "meshgrid",
    "minimum",
    "mm",
    "mode",
    "moveaxis",
    "movedim",
    "msort",
    "mul",
    "multinomial",
    "multiply",
    "mv",
    "nan_to_num",
    "nanmean",
    "nansum",
    "narrow",
    "ne",
    "neg",
    "negative",
    "no_grad",
    "nonzero",
    "norm",
    "normal",
    "not_equal",
    "numel",
    "ones",
    "ones_like",
    "ops",
    "origin_of",
    "outer",
    "pad",
    "permute",
    "pinv",
    "pinverse",
    "polygamma",
    "positive",
    "prod",
    "promote_types",
    "qr",
    "quantile",
    "rad2deg",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "ravel",
    "reciprocal",
    "record_lines",
    "relu",
    "remainder",
    "repeat_interleave",
    "reshape",
    "reshape_as",
    "result_type",
    "roll",
    "rot90",
    "row_stack",
    "rsqrt",
    "rsub",
    "save",
    "scatter",
    "scatter_add",
    "scatter_reduce",
    "searchsorted",
    "select",
    "set_default_dtype",
    "set_grad_enabled",
    "sgn",
    "sigmoid",
    "sign",
    "signbit",
    "silu",
    "sin",
    "sinc",
    "sinh",
    "slogdet",
    "softmax",
    "softplus",
    "sort",
    "split",
    "split_with_sizes",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "std_mean",
    "sub",
    "subtract",
    "svd",
    "swapaxes",
    "swapdims",
    "t",
    "take",
    "take_along_axis",
    "take_along_dim",
    "tan",
    "tanh",
    "tape",
    "tensor",
    "tensor_split",
    "tensordot",
    "tile",
    "topk",
    "trace",
    "transpose",
    "trapezoid",
    "trapz",
    "tril",
    "tril_indices",
    "triu",
    "triu_indices",
    "true_divide",
    "trunc",
    "unbind",
    "unflatten",
    "unfold",
    "unique",
    "unique_consecutive",
    "unsqueeze",
    "value_and_grad",
    "vander",
    "var",
    "var_mean",
    "vdot",
    "view_as",
    "vjp",
    "vmap",
    "vsplit",
    "vstack",
    "where",
    "xlogy",
    "zeros",
    "zeros_like",
]
