"""The tensors' file: small 1-D float32 arrays, and nothing else gets through."""

import json

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from palrs_hub.errors import TensorsError
from palrs_hub.manifest import MAX_INTERVENTIONS
from palrs_hub.tensors import MAX_FILE_BYTES, MAX_HEADER_BYTES, read_tensors, write_tensors

ARRAYS = {
    "layer_2": np.arange(8, dtype=np.float32),
    "layer_3": np.linspace(-1, 1, 8, dtype=np.float32),
}
ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


def file_with(header, data=b"\0" * 8):
    """A safetensors file with any header (a JSON value, or bytes)."""
    raw = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(raw).to_bytes(8, "little") + raw + data


@settings(deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9][a-z0-9_.]{0,63}", fullmatch=True),
        npst.arrays(np.float32, st.integers(0, 20)),
        max_size=5,
    )
)
def test_arrays_are_read_back_to_the_bit(arrays):
    again = read_tensors(write_tensors(arrays))
    assert {name: a.tobytes() for name, a in again.items()} == {
        name: a.tobytes() for name, a in arrays.items()
    }
    assert all(array.dtype == np.float32 and array.ndim == 1 for array in again.values())


def test_the_same_arrays_give_the_same_bytes():
    backwards = {name: ARRAYS[name].copy() for name in reversed(ARRAYS)}
    strided = {name: np.repeat(array, 2)[::2] for name, array in ARRAYS.items()}
    assert write_tensors(ARRAYS) == write_tensors(backwards) == write_tensors(strided)


def test_it_is_plain_safetensors():
    read = safetensors.numpy.load(write_tensors(ARRAYS))
    assert sorted(read) == ["layer_2", "layer_3"]


def test_what_was_read_does_not_hang_on_the_file():
    data = bytearray(write_tensors(ARRAYS))
    arrays = read_tensors(bytes(data))
    arrays["layer_2"][0] = 7  # its own memory, not a view of read-only bytes
    assert arrays["layer_2"][0] == 7


@pytest.mark.parametrize(
    "array",
    [
        np.ones(8, np.float16),
        np.ones(8, np.float64),
        np.ones(8, np.int32),
        np.ones((2, 4), np.float32),
        np.array(1, np.float32),
    ],
    ids=lambda array: f"{array.dtype}-{array.ndim}d",
)
def test_only_one_dimension_of_float32_is_read(array):
    data = safetensors.numpy.save({"good": ARRAYS["layer_2"], "bad": array})
    with pytest.raises(TensorsError, match="'bad' should be 1-D F32"):
        read_tensors(data)


@pytest.mark.parametrize("first", [0, 7, 8, 9, 60, -1])
def test_a_truncated_file_is_refused(first):
    with pytest.raises(TensorsError):
        read_tensors(write_tensors(ARRAYS)[:first])


def test_bytes_after_the_last_tensor_are_refused():
    with pytest.raises(TensorsError, match="not valid safetensors"):
        read_tensors(write_tensors(ARRAYS) + b"a second file, perhaps")


def test_bytes_between_the_tensors_are_refused():
    second = {"dtype": "F32", "shape": [2], "data_offsets": [12, 20]}
    with pytest.raises(TensorsError, match="not valid safetensors"):
        read_tensors(file_with({"a": ENTRY, "b": second}, b"\0" * 20))


@pytest.mark.parametrize("claimed", [0, 1, 2**20, 2**32, 2**63, 2**64 - 1])
def test_a_header_that_lies_about_its_length_is_refused(claimed):
    data = write_tensors(ARRAYS)
    with pytest.raises(TensorsError):
        read_tensors(claimed.to_bytes(8, "little") + data[8:])


@pytest.mark.parametrize("padding", [MAX_HEADER_BYTES, 2 * MAX_HEADER_BYTES])
def test_a_header_has_a_cap(padding):
    with pytest.raises(TensorsError, match=f"at most {MAX_HEADER_BYTES:,} bytes"):
        read_tensors(file_with(json.dumps({"a": ENTRY}).encode() + b" " * padding))


def test_metadata_of_huge_size_is_refused():
    header = {"__metadata__": {"note": "x" * MAX_HEADER_BYTES}, "a": ENTRY}
    with pytest.raises(TensorsError, match="header"):
        read_tensors(file_with(header))


def test_metadata_is_no_tensor():
    header = {"__metadata__": {"format": "np"}, "a": ENTRY}
    assert list(read_tensors(file_with(header))) == ["a"]


def test_a_file_has_a_cap():
    with pytest.raises(TensorsError, match=f"a package may have {MAX_FILE_BYTES:,}"):
        read_tensors(bytes(MAX_FILE_BYTES + 1))


def test_too_many_tensors_are_refused():
    one = np.ones(1, np.float32)
    many = {f"t{k}": one for k in range(2 * MAX_INTERVENTIONS + 2)}
    with pytest.raises(TensorsError, match="far too many"):
        read_tensors(write_tensors(many))


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"{",
        b"not json",
        b"\xff\xfe",
        b"[" * 100_000,
        [],
        "text",
        3,
        None,
        {"a": 3},
        {"a": []},
        {"a": {}},
        {"a": {**ENTRY, "shape": [-2]}},
        {"a": {**ENTRY, "shape": [2.0]}},
        {"a": {**ENTRY, "shape": [2**62]}},
        {"a": {**ENTRY, "shape": [3]}},
        {"a": {**ENTRY, "shape": "2"}},
        {"a": {**ENTRY, "data_offsets": [0, 800]}},
        {"a": {**ENTRY, "data_offsets": [8, 0]}},
        {"a": {**ENTRY, "data_offsets": None}},
        {"a": ENTRY, "b": ENTRY},
        {"__metadata__": {"a": 3}, "a": ENTRY},
        {"__metadata__": None, "a": ENTRY},
    ],
    ids=lambda header: f"{header!r:.60}",
)
def test_a_malformed_header_is_refused(header):
    with pytest.raises(TensorsError):
        read_tensors(file_with(header))


def test_a_tensor_named_twice_cannot_hide_its_type():
    entries = (
        '{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},'
        ' "a": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]}}'
    )
    with pytest.raises(TensorsError):
        read_tensors(file_with(entries.encode()))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
entries = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from(["F32", "F16", "BF16", "I8", "?"]) | json_values,
        "shape": st.lists(st.integers(-1, 2**65), max_size=2) | json_values,
        "data_offsets": st.lists(st.integers(-1, 2**65), max_size=3) | json_values,
    }
)


@settings(deadline=None)
@given(
    st.binary(max_size=200)
    | st.builds(file_with, st.binary(max_size=50), st.binary(max_size=20))
    | st.builds(file_with, json_values, st.binary(max_size=20))
    | st.builds(
        file_with, st.dictionaries(st.text(max_size=5), entries, min_size=1), st.binary(max_size=20)
    )
)
def test_any_bytes_are_read_or_refused_with_a_tensors_error(data):
    try:
        arrays = read_tensors(data)
    except TensorsError:
        return
    assert all(array.dtype == np.float32 and array.ndim == 1 for array in arrays.values())
