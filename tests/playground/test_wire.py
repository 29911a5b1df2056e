"""What goes between the server and pasted code: arrays there and back, and nothing else."""

import json

import numpy as np
import pytest

from autograd_lite.sandbox.wire import LARGEST, packed, unpacked


def sent(value):
    return unpacked(json.loads(json.dumps(packed(value))))


@pytest.mark.parametrize(
    "array",
    [np.arange(6.0).reshape(2, 3), np.array(2.5, "f4"), np.zeros((0, 3)), np.arange(4)[::-2],
     np.array([True, False]), np.array([np.nan, np.inf, -0.0]), np.arange(3, dtype=">i2")],
    ids=str,
)  # fmt: skip
def test_arrays_arrive_as_they_are(array):
    found = sent(array)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    assert found.tobytes() == array.tobytes() and found.flags.writeable


def test_what_holds_arrays_arrives_as_what_it_was():
    assert sent(None) is None and sent(3) == 3 and sent([1.0, None])[1] is None
    named = sent({"x": np.ones(2), "b": None})
    assert list(named) == ["x", "b"] and named["x"].tolist() == [1, 1]
    for value, name in (("text", "str"), (object(), "object"), ([[1], [1, 2]], "list")):
        (found,) = sent((value,))
        assert type(found).__name__ == name and not isinstance(found, np.ndarray | list | str)


def test_more_numbers_than_are_taken_do_not_come_back():
    assert sent(np.zeros(LARGEST)).size == LARGEST
    with pytest.raises(ValueError, match=r"shape \(50000, 3\) came back; 100,000 numbers are"):
        packed(np.zeros((50_000, 3)))


@pytest.mark.parametrize(
    "found",
    [
        {"shape": [LARGEST, 2], "dtype": "<f8", "data": ""},
        {"shape": [LARGEST + 1], "dtype": "<f8", "data": ""},
        {"shape": [-1], "dtype": "<f8", "data": ""},
        {"shape": [True], "dtype": "<f8", "data": "AAAAAAAAAAA="},
        {"shape": [0] * 33, "dtype": "<f8", "data": ""},
        {"shape": [1], "dtype": "|O8", "data": "AAAAAAAAAAA="},
        {"shape": [1], "dtype": "<f8, <f8", "data": "AAAAAAAAAAA="},
        {"shape": [1], "dtype": "<f7", "data": "AAAAAAAAAAA="},
        {"shape": [2], "dtype": "<f8", "data": "AAAAAAAAAAA="},
        {"shape": [1], "dtype": "<f8", "data": "no base64"},
        {"shape": 3, "dtype": "<f8", "data": ""},
        {"shape": [1], "dtype": 8, "data": ""},
        {"items": [1]},
        {"names": {"x": []}},
        {},
        7,
    ],
    ids=str,
)
def test_what_is_no_array_is_refused(found):
    with pytest.raises((ValueError, TypeError, KeyError)):
        unpacked(found)


@pytest.mark.parametrize("name", ["a b", "", "x" * 101, "\0", 3, None])
def test_a_type_has_the_name_of_a_type(name):
    assert type(unpacked({"type": name})).__name__ == "Unknown"
