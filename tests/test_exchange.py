"""Arrays go to other libraries and come from them, on the same memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import nn
from autograd_lite import Tensor, from_dlpack, from_numpy, tensor
from autograd_lite.exchange import values_of

# ---- NumPy


def test_from_numpy_shares_memory() -> None:
    a = np.zeros((2, 3))
    t = from_numpy(a)
    a[0, 1] = 5
    t += 1
    assert t.array is a and a[0, 1] == 6 and t.dtype == np.float64
    for wrong in ([1.0], tensor(1.0), 2.0):
        with pytest.raises(TypeError, match="from_numpy: takes an ndarray, not a"):
            from_numpy(wrong)
    with pytest.raises(TypeError, match="cannot hold dtype"):
        from_numpy(np.array(["a"]))


def test_numpy_takes_ours_and_we_numpys() -> None:
    t = tensor([[1.0, 2.0], [3.0, 4.0]])
    a = np.from_dlpack(t.mT)
    assert np.shares_memory(a, t.array) and a.tolist() == [[1, 3], [2, 4]]
    assert np.shares_memory(from_dlpack(t.array).array, t.array)
    assert np.shares_memory(from_dlpack(t).array, t.array)
    assert t.__dlpack_device__() == (1, 0)


def test_what_has_a_record_is_not_handed_over() -> None:
    t = tensor([1.0], requires_grad=True)
    with pytest.raises(BufferError, match=r"this tensor requires grad; hand over its detach\(\)"):
        np.from_dlpack(t)
    assert np.from_dlpack(t.detach()) == 1
    with pytest.raises(TypeError, match="a list has no __dlpack__"):
        from_dlpack([1.0])


# ---- PyTorch


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int64", "uint8", "bool"])
def test_torch_both_ways(dtype: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = torch.ones(2, 3).to(getattr(torch, dtype)).T
    ours = from_dlpack(theirs)
    assert ours.dtype == dtype and ours.shape == (3, 2)
    theirs[0, 0] = 0
    assert ours.array[0, 0] == 0
    back = torch.from_dlpack(ours)
    ours.array[1, 1] = 0
    assert back[1, 1] == 0 and back.data_ptr() == theirs.data_ptr()
    assert torch.utils.dlpack.from_dlpack(Tensor(ours.array)).dtype == theirs.dtype


def test_what_torch_cannot_share_is_an_error() -> None:
    torch = pytest.importorskip("torch")
    with pytest.raises(BufferError, match="require"):
        from_dlpack(torch.ones(2, requires_grad=True))
    with pytest.raises(TypeError, match=r"NumPy does not take this torch array.*float32"):
        from_dlpack(torch.ones(2, dtype=torch.bfloat16))


def test_values_of_torch_tensors() -> None:
    torch = pytest.importorskip("torch")
    p = torch.nn.Parameter(torch.ones(2))
    a = values_of(p)
    a[0] = 5
    assert p[0].item() == 5
    for dtype in (torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2):
        found = values_of(torch.tensor([1.5, -2.0]).to(dtype))
        assert found.dtype == np.float32 and found.tolist() == [1.5, -2]


# ---- JAX


def test_jax_both_ways() -> None:
    jax = pytest.importorskip("jax")
    theirs = jax.numpy.arange(6.0).reshape(2, 3)
    ours = from_dlpack(theirs)
    assert ours.array.ctypes.data == theirs.unsafe_buffer_pointer()
    with pytest.raises(ValueError, match="read-only"):
        ours += 1
    aligned: Any = np.empty(32 + 6, np.float32)  # JAX copies what does not begin at 64 bytes
    start = -aligned.ctypes.data % 64 // 4
    t = Tensor(aligned[start : start + 6])
    t.array[:] = range(6)
    back = jax.dlpack.from_dlpack(t)
    assert back.unsafe_buffer_pointer() == t.array.ctypes.data and back.tolist() == t.tolist()
    half = jax.numpy.ones(2, "bfloat16")
    assert values_of(half).dtype == np.float32 and values_of(half).tolist() == [1, 1]


def test_states_of_other_libraries_are_loaded_as_they_are() -> None:
    model = nn.Linear(2, 1)
    jax = pytest.importorskip("jax")
    w = jax.numpy.array([[1.0, 2.0]], "bfloat16")
    model.load_state_dict({"weight": w, "bias": np.float64(3)[None]})
    assert model.weight.tolist() == [[1, 2]] and model.bias is not None
    assert model.weight.dtype == np.float32 and model.bias.tolist() == [3]
