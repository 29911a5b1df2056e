"""Why a name of PyTorch is not here, and what to use: kinds of names, told by patterns."""

from __future__ import annotations

from typing import Any

from .engine.methods import Methods

SINCE = "0.1.0"  # the version from which on these are out of scope
KINDS = {  # there are no ...: the names, and what to use
    "complex numbers": (
        """
        *complex* cdouble cfloat chalf angle conj* polar real imag *_as_real* is_conj
        is_neg resolve_* *stft fft *_window signal
        """,
        "np.fft on t.numpy(), or two tensors for both parts",
    ),
    "sparse tensors": (
        """
        *sparse* *_indices indices values coalesce is_coalesced dense_dim to_dense *_indices_copy
        values_copy indices_copy *spmm *dsmm hsmm hspmm smm
        sspaddmm saddmm lobpcg
        """,
        "scipy.sparse on t.numpy()",
    ),
    "quantized or very short numbers": (
        """
        *quant* q_* qint* quint* qscheme int_repr *qparams* bfloat16 float4* float8* bit
        bits* int1 int2 int3 int4 int5 int6 int7 uint1 uint2 uint3 uint4 uint5 uint6
        uint7 fbgemm_* BFloat16* ao per_channel_* per_tensor_* scaled_mm
        scaled_grouped_mm grouped_mm
        """,
        "float16, or float32",
    ),
    "GPUs, threads of its own or mixed precision": (
        """
        autocast_* *_autocast* cudnn* miopen* mkldnn* mps mtia xpu cpu
        Stream Event *_num_threads *_num_interop_threads *_device get_device_module
        get_device *deterministic* ipu is_ipu is_maia is_meta is_m* is_vulkan is_x* is_pinned
        is_shared
        to_mkldnn record_stream *float32_matmul_precision set_flush_denormal
        is_vulkan_available init_num_threads has_* AcceleratorError OutOfMemoryError
        *_warn_always*
        """,
        "nothing: tensors are NumPy arrays, and NumPy chooses its threads",
    ),
    "images under this name": (
        """
        *conv* *Conv* *pool* *Pool* fold Fold Unfold affine_grid* grid_sampl*
        interpolate upsampl* pixel_* channel_shuffle native_channel_shuffle
        """,
        "nn.Conv2d, nn.MaxPool2d, ... or their functions in nn.functional",
    ),
    "layers under this name": (
        """
        *lstm* *gru* rnn_* *_norm_* group_norm instance_norm native_*_norm
        CrossMapLRN2d *eature*ropout* *alpha_dropout* *rrelu*
        """,
        "nn.LSTM, nn.GRU, nn.LocalResponseNorm, ... or their functions in nn.functional",
    ),
    "files of TorchScript, traces or symbolic sizes": (
        """
        *Script* jit export fx compiler library *sym_* Sym* parse_* import_ir_module*
        wait fork cond while_loop merge_type_from_type_comment unify_type_list classes
        package futures CompilationUnit FunctionSchema torch_version
        """,
        "autograd_lite.compile, which takes a Python function as it is",
    ),
    "workers or processes of its own": (
        """
        multiprocessing Distributed* is_distributed data_parallel rpc fsdp tensor
        thread_safe_generator SyncBatchNorm
        """,
        "autograd_lite.distributed over MPI, with nn.parallel.DistributedDataParallel",
    ),
    "strides or storages of its own": (
        """
        as_strided* *Storage* *storage* *_ptr dim_order is_set_to new_empty_strided output_nr
        grad_dtype is_storage storage empty_strided empty_permuted
        memory_format *_format from_file frombuffer resize_as_*
        jagged nested masked
        """,
        "t.array, which is the ndarray, and np.lib.stride_tricks",
    ),
    "functions that are switches": (
        """
        *_anomaly_* *anomaly_enabled is_inference* celu_ selu_ dropout_ threshold_
        """,
        "detect_anomaly(), is_grad_enabled() or inplace=True",
    ),
    "changes of a shape in place": (
        """
        swapaxes_ swapdims_ resize resize_as* set_
        """,
        "x = x.squeeze() and its kind, which copy nothing",
    ),
    "copies under a name of their own": (
        """
        *_copy
        """,
        "the name without _copy, then clone()",
    ),
    "special functions beyond erf and gamma": (
        """
        *mvlgamma* i0* i1* igamma* frexp ldexp* nextafter* gcd* lcm*
        """,
        "scipy.special or NumPy on t.numpy(), or an Op of your own where a gradient is wanted",
    ),
    "further decompositions": (
        """
        lu lu_* geqrf orgqr ormqr matrix_exp
        *_lowrank eig symeig solve lstsq triangular_solve nuclear_norm frobenius_norm
        """,
        "autograd_lite.linalg, or scipy.linalg on t.numpy()",
    ),
    "ONNX files under this name": (
        """
        onnx
        """,
        "autograd_lite.interop.onnx.export",
    ),
    "parameters without a size": (
        """
        Uninitialized*
        """,
        "nn.LazyLinear, nn.LazyConv2d, ..., whose parameters have no elements until the first call",
    ),
    "tools for measuring and sharing": (
        """
        profiler hub monitor overrides utils torch.utils cpp functional cpp_extension
        benchmark bottleneck model_zoo mobile_optimizer
        quasirandom storage serialization return_types types version factory_kwargs
        modules parameter common_types qat intrinsic assert_int_or_pair boolean_dispatch
        handle_torch_function ScalingType SwizzleType *TensorType torch
        """,
        "cProfile, files by save and load, and gradcheck",
    ),
    "rarely used functions and losses": (
        """
        Wishart LKJCholesky LowRank* Relaxed* ContinuousBernoulli NegativeBinomial VonMises
        Weibull Pareto GeneralizedPareto Kumaraswamy FisherSnedecor InverseGamma
        ExponentialFamily StackTransform CatTransform CorrCholeskyTransform AbsTransform
        hardshrink prelu polygamma_ as_subclass cauchy_ geometric_ log_normal_ index
        index_reduce_ map2_ module_load
        put_ reinforce renorm_ volatile to_padded_tensor is_nested float_power_
        binomial poisson histogramdd nanmedian nanquantile segment_reduce renorm
        index_reduce put slice_* select_scatter diagonal_scatter unsafe_* split_copy
        unravel_index nonzero_static range resize_as gradient cumulative_trapezoid
        hash_tensor multi_head_attention_forward attention
        embedding_renorm_ AdaptiveLogSoftmaxWithLoss LinearCrossEntropy*
        linear_cross_entropy NLLLoss2d Adafactor
        Muon swap_* StackDataset Dirac* dirac* default_convert
        norm_except_dim fill Buffer constant_pad_nd
        is_same_size is_signed native_* AVG SUM Container grad
        """,
        "a composition of what there is, or np functions on t.numpy()",
    ),
}

# PyTorch's methods of tensors that are absent
METHODS = """
    angle as_strided as_strided_ as_strided_scatter as_subclass bfloat16 cauchy_ ccol_indices
    cdouble
    cfloat chalf coalesce col_indices conj conj_physical
    conj_physical_ const_data_ptr crow_indices   dense_dim dequantize
    diagonal_scatter dim_order  eig float_power_ frexp gcd gcd_ geometric_ geqrf grad_dtype
    hardshrink hash_tensor i0 i0_ igamma igamma_ igammac igammac_ imag index index_reduce
    index_reduce_ indices int_repr ipu is_coalesced is_conj is_distributed is_inference is_ipu
    is_maia is_meta is_mkldnn is_mps is_mtia is_neg is_nested is_pinned is_set_to
    is_shared is_signed is_sparse_csr is_vulkan is_xla is_xpu istft lcm lcm_ ldexp ldexp_
    log_normal_ lstsq lu lu_solve map2_ matrix_exp module_load mtia  mvlgamma mvlgamma_
    nanmedian nanquantile narrow_copy new_empty_strided nextafter nextafter_ nonzero_static orgqr
    ormqr output_nr polygamma_ prelu put put_ q_per_channel_axis q_per_channel_scales
    q_per_channel_zero_points q_scale q_zero_point qscheme real record_stream reinforce renorm
    renorm_ resize resize_as resize_as_ resize_as_sparse_ resolve_conj resolve_neg row_indices
    select_scatter set_ slice_inverse slice_scatter smm solve sparse_dim sparse_mask
    sparse_resize_ sparse_resize_and_clear_ sspaddmm stft storage storage_type
    swapaxes_ swapdims_ symeig to_dense to_mkldnn to_padded_tensor to_sparse to_sparse_bsc
    to_sparse_bsr to_sparse_coo to_sparse_csc to_sparse_csr triangular_solve 
    unsafe_chunk unsafe_split unsafe_split_with_sizes untyped_storage values volatile xpu
"""


def absent(place: str, name: str) -> str | None:
    """Why PyTorch's `place.name` is not here, and what to use; None where nothing is known of it.

    >>> absent("torch", "conv2d").split("; ")[1]
    'use nn.Conv2d, nn.MaxPool2d, ... or their functions in nn.functional'
    """
    from fnmatch import fnmatchcase  # here: `import autograd_lite` asks nothing

    for kind, (patterns, remedy) in KINDS.items():
        if any(fnmatchcase(name, pattern) for pattern in patterns.split()):
            return (
                f"{place}.{name}: PyTorch has it, and it is out of scope here since {SINCE}: there "
                f"are no {kind}; use {remedy}"
            )
    return None


def missing(place: str, name: str) -> AttributeError:
    """The error for a name that a place has not."""
    return AttributeError(absent(place, name) or f"module {place!r} has no attribute {name!r}")


class Absent:
    """What stands for an absent method on the class, so that asking for it says why: with a
    `__getattr__` of Tensor, Python 3.11 reads every attribute in 60 ns in place of 4."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, tensor: Any, owner: Any = None) -> Any:
        raise missing("Tensor", self.name)


def there(self: Any) -> list[str]:
    """The attributes of a tensor, without those that are absent."""
    return sorted(set(object.__dir__(self)) - set(METHODS.split()))


for _name in METHODS.split():
    setattr(Methods, _name, Absent(_name))
setattr(Methods, "__dir__", there)  # noqa: B010  as mypy wants it
