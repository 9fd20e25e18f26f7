"""Nothing that a file claims is believed, and nothing in it is run."""

import io
import json
import pickle
import struct
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palrs_hub.errors import PackageError, PalrsHubError, UsageError
from palrs_hub.formats import FORMATS, import_vector
from tests.formats import tool_files as tools
from tests.formats.tool_files import some_direction


class Payload:
    ran = False

    def __reduce__(self):
        return (exec, ("from tests.formats import test_hostile_files as t; t.Payload.ran = True",))


def saved(path, value):
    torch.save(value, path)
    return path


def test_a_pickle_never_runs(tmp_path):
    file = saved(tmp_path / "evil.pt", Payload())
    with pytest.raises(PackageError, match="exec"):
        import_vector(file, layer=1)
    assert not Payload.ran


def test_an_old_pickle_without_an_archive_is_refused(tmp_path):
    (tmp_path / "old.pt").write_bytes(pickle.dumps({"a": 1}))
    with pytest.raises(PackageError, match="zip archive"):
        import_vector(tmp_path / "old.pt", format="lm-eval")


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", b"\0" * (65 * 1024 * 1024))
    with pytest.raises(PackageError, match="unpacks"):
        import_vector(tmp_path / "bomb.pt", format="tensor", layer=1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (torch.zeros(1).expand(10**12), "dense tensor"),
        (torch.zeros(2, 2), "1-D"),
        (torch.zeros(0), "1-D"),
        (torch.tensor([1.0, float("nan")]), "NaN"),
        (torch.tensor([1e300], dtype=torch.float64), "overflows"),
        (torch.arange(4), "floating-point"),
        (torch.zeros(4, dtype=torch.complex64), "floating-point"),
        (torch.eye(3).to_sparse(), "dense"),
        ({"a": 1}, "floating-point"),
    ],
)
def test_a_tensor_that_is_no_direction(tmp_path, value, expected):
    file = saved(tmp_path / "v.pt", value)
    with pytest.raises(PackageError, match=expected):
        import_vector(file, format="tensor", layer=1)


def test_an_npy_file_that_lies(tmp_path):
    stream = io.BytesIO()
    header = {"descr": "<f4", "fortran_order": False, "shape": (900_000,)}
    np.lib.format.write_array_header_1_0(stream, header)
    (tmp_path / "v.npy").write_bytes(stream.getvalue() + b"\0" * 16)
    with pytest.raises(PackageError, match="lies"):
        import_vector(tmp_path / "v.npy", layer=1)


def test_an_npy_file_of_objects(tmp_path):
    np.save(tmp_path / "v.npy", np.array([Payload()], dtype=object), allow_pickle=True)
    with pytest.raises(PackageError, match="floating-point"):
        import_vector(tmp_path / "v.npy", layer=1)
    assert not Payload.ran


def gguf_head(tensors=1, values=0):
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, values)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"GGUF", "truncated"),
        (b"GGUF" + struct.pack("<IQQ", 9, 0, 0), "version"),
        (gguf_head(tensors=2**60), "entries"),
        (gguf_head(values=2**60), "entries"),
        (gguf_head() + struct.pack("<Q", 2**63), "truncated"),
        (gguf_head(0, 1) + struct.pack("<Q1sIIQ", 1, b"a", 9, 0, 2**62), "truncated"),
        (gguf_head(0, 1) + struct.pack("<Q1sIIQ", 1, b"a", 9, 9, 3), "nested"),
        (gguf_head() + struct.pack("<Q1sIQIQ", 1, b"a", 1, 2**40, 0, 0), "1-D"),
        (gguf_head() + struct.pack("<Q1sIQIQ", 1, b"a", 1, 4, 2, 0), "F32"),
        (gguf_head() + struct.pack("<Q1sIQIQ", 1, b"a", 1, 4, 0, 2**63), "truncated"),
        (gguf_head() + struct.pack("<Q1sIQIQ", 1, b"a", 1, 4, 0, 0) + b"\0" * 64, "direction.N"),
        (gguf_head(0), "no directions"),
    ],
)
def test_a_gguf_file_that_lies(tmp_path, data, expected):
    (tmp_path / "v.gguf").write_bytes(data)
    with pytest.raises(PackageError, match=expected):
        import_vector(tmp_path / "v.gguf", format="gguf")


def test_another_architecture_is_refused(tmp_path):
    tools.write_gguf(tmp_path / "v.gguf", {1: some_direction()}, architecture="glp")
    with pytest.raises(PackageError, match="'glp'"):
        import_vector(tmp_path / "v.gguf", format="gguf")
    with pytest.raises(UsageError, match="--format"):
        import_vector(tmp_path / "v.gguf")


@pytest.mark.parametrize(
    ("directions", "expected"),
    [
        ({"1": [1.0, "2"]}, "list of numbers"),
        ({"1": [1.0, True]}, "list of numbers"),
        ({"1": [1.0, None]}, "list of numbers"),
        ({"1": []}, "1-D"),
        ({"1": [[1.0], [2.0]]}, "token position"),
        ({"-1": [1.0]}, "layer from 0"),
        ({"1": [1.0], "01": [2.0]}, "two directions"),
        ({"one": [1.0]}, "layer from 0"),
        ({"1": [10**400]}, "too large"),
        ({"1": [float("inf")]}, "infinite"),
        ({}, "directions"),
        ([], "directions"),
    ],
)
def test_an_svec_that_is_none(tmp_path, directions, expected):
    text = json.dumps({"model_type": "llama", "directions": directions})
    (tmp_path / "v.svec").write_text(text)
    with pytest.raises(PackageError, match=expected):
        import_vector(tmp_path / "v.svec", format="svec")


@pytest.mark.parametrize("text", ["", "[1]", "{", '{"a": ' * 100_000])
def test_json_that_is_none(tmp_path, text):
    (tmp_path / "v.svec").write_text(text)
    with pytest.raises(PackageError, match="JSON"):
        import_vector(tmp_path / "v.svec", format="svec")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"action": "clamp"}, "only the action 'add'"),
        ({"head_index": 2}, "head_index"),
        ({"bias": torch.zeros(4)}, "bias"),
        ({"steering_coefficient": float("nan")}, "finite"),
        ({"steering_vector": None}, "floating-point"),
    ],
)
def test_an_lm_eval_file_that_does_more_than_add(tmp_path, change, expected):
    entry = {"steering_vector": torch.ones(4), "steering_coefficient": 1.0, "action": "add"}
    file = saved(tmp_path / "v.pt", {"layers.1": entry | change})
    with pytest.raises(PackageError, match=expected):
        import_vector(file)


def test_a_hookpoint_inside_a_block_is_refused(tmp_path):
    entry = {"steering_vector": torch.ones(4), "steering_coefficient": 1.0, "action": "add"}
    file = saved(tmp_path / "v.pt", {"layers.1.mlp": entry})
    with pytest.raises(PackageError, match="output of a block"):
        import_vector(file)


@pytest.mark.parametrize("name", [name for name, kind in FORMATS.items() if kind.read])
@pytest.mark.parametrize("what", ["empty", "folder", "absent"])
def test_nothing_at_all(tmp_path, name, what):
    place = tmp_path / "place"
    if what == "empty":
        place.write_bytes(b"")
    elif what == "folder":
        place.mkdir()
    with pytest.raises(PackageError):
        import_vector(place, format=name, layer=1, row=0)


@given(st.data())
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("make", [tools.gguf_file, tools.lm_eval_file, tools.saklas_profile])
def test_a_damaged_file_ends_in_an_error_of_ours_or_is_read(tmp_path, make, data):
    file = make(tmp_path, {1: some_direction(8)})
    whole = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    name = {"vector.gguf": "gguf", "steered.pt": "lm-eval"}.get(file.name, "saklas")
    try:
        imported = import_vector(file, format=name)
    except PalrsHubError:
        return
    assert all(np.isfinite(array).all() for array in imported.directions.values())
