"""SteeringVector: saved and loaded again to the bit, and nothing altered is ever loaded."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from palrs_hub.card import CARD_FILE, render_card
from palrs_hub.errors import ManifestError, PackageError, TensorsError
from palrs_hub.manifest import MANIFEST_FILE, PLOT_FILE, TENSORS_FILE
from palrs_hub.package_files import PACKAGE_FILES
from palrs_hub.plots import selection_plot
from palrs_hub.tensors import write_tensors
from palrs_hub.vector import SteeringVector
from tests.builders import HIDDEN, a_manifest, a_vector


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def put_tensors(folder, data):
    """Replace the tensors' file, and its hash in the manifest: a well-made forgery."""
    (folder / TENSORS_FILE).write_bytes(data)
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    manifest["tensors"]["sha256"] = hashlib.sha256(data).hexdigest()
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))


@pytest.fixture
def package(tmp_path):
    return a_vector().save_pretrained(tmp_path / "package")


def test_a_vector_loads_as_it_was_saved(tmp_path):
    vector = a_vector(layers=(1, 2))
    folder = vector.save_pretrained(tmp_path / "a" / "new" / "folder")
    again = SteeringVector.load(folder)
    assert again.manifest == vector.manifest
    assert again.source == str(folder)
    assert set(again.arrays) == {"layer_1", "layer_2"}
    for name, array in vector.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)


def test_a_package_is_a_card_with_its_picture_a_manifest_and_tensors(package):
    assert sorted(contents(package)) == sorted([*PACKAGE_FILES, PLOT_FILE])
    assert f"]({PLOT_FILE})" in (package / CARD_FILE).read_text()
    assert (package / CARD_FILE).read_text() == render_card(a_vector().manifest)
    assert {path.stat().st_mode & 0o777 for path in package.iterdir()} == {0o644}


def test_saving_again_gives_the_same_bytes(package, tmp_path):
    again = SteeringVector.load(package).save_pretrained(tmp_path / "again")
    assert contents(again) == contents(package)


def test_a_card_of_ones_own_is_kept(tmp_path):
    folder = a_vector().save_pretrained(tmp_path, card="# Mine, with ünïcode\n")
    assert (folder / CARD_FILE).read_text(encoding="utf-8") == "# Mine, with ünïcode\n"


def test_from_pretrained_reads_a_folder(package):
    vector = SteeringVector.from_pretrained(package)
    assert vector.manifest == a_vector().manifest
    assert SteeringVector.from_pretrained(str(package)).source == str(package)


def test_build_records_the_hash_of_the_arrays(package):
    sha256 = hashlib.sha256((package / TENSORS_FILE).read_bytes()).hexdigest()
    assert a_vector().manifest.tensors.sha256 == sha256
    assert a_vector(seed=1).manifest.tensors.sha256 != sha256


def test_it_shows_what_it_is_for():
    assert repr(a_vector()) == "SteeringVector('careful sums' for org/base, layer 2)"


# It does not change.


def test_arrays_are_read_only(package):
    for vector in (a_vector(), SteeringVector.load(package)):
        with pytest.raises(ValueError, match="read-only"):
            vector.arrays["layer_2"][0] = 1
        with pytest.raises(TypeError):
            vector.arrays["layer_3"] = np.ones(HIDDEN, np.float32)


def test_building_copies_what_it_was_given():
    mine = np.ones(HIDDEN, np.float32)
    vector = SteeringVector.build(a_manifest(), {"layer_2": mine})
    mine[0] = 7
    assert vector.arrays["layer_2"][0] == 1


# What must not be loaded.


def test_altered_tensors_are_refused_with_both_hashes(package):
    data = bytearray((package / TENSORS_FILE).read_bytes())
    data[-1] ^= 1
    (package / TENSORS_FILE).write_bytes(data)
    with pytest.raises(TensorsError) as caught:
        SteeringVector.load(package)
    assert a_vector().manifest.tensors.sha256 in str(caught.value)
    assert hashlib.sha256(data).hexdigest() in str(caught.value)
    assert "pull the vector again" in str(caught.value)


@pytest.mark.parametrize("size", [0, 4, 40, -1])
def test_truncated_tensors_are_refused(package, size):
    data = (package / TENSORS_FILE).read_bytes()
    (package / TENSORS_FILE).write_bytes(data[:size])
    with pytest.raises(TensorsError, match="truncated or altered"):
        SteeringVector.load(package)


def with_value(value):
    array = np.ones(HIDDEN, np.float32)
    array[3] = value
    return array


WRONG = {
    "NaN": ({"layer_2": with_value(np.nan)}, "NaN or infinite"),
    "infinite": ({"layer_2": with_value(-np.inf)}, "NaN or infinite"),
    "zero": ({"layer_2": np.zeros(HIDDEN, np.float32)}, "is zero"),
    "too short": ({"layer_2": np.ones(HIDDEN - 1, np.float32)}, r"\(8,\).*found .*\(7,\)"),
    "empty": ({"layer_2": np.ones(0, np.float32)}, r"\(8,\).*found .*\(0,\)"),
    "superfluous": (
        {"layer_2": with_value(2), "layer_3": with_value(2)},
        r"names the tensors \['layer_2'\]; the file holds \['layer_2', 'layer_3'\]",
    ),
    "another": ({"layer_3": with_value(2)}, "names the tensors"),
    "none": ({}, "names the tensors"),
}


@pytest.mark.parametrize(("arrays", "message"), WRONG.values(), ids=WRONG)
def test_unusable_arrays_are_refused_however_they_come(package, arrays, message):
    with pytest.raises(TensorsError, match=message):
        SteeringVector.build(a_manifest(), arrays)
    put_tensors(package, write_tensors(arrays))
    with pytest.raises(TensorsError, match=message):
        SteeringVector.load(package)


def test_arrays_of_another_type_are_refused():
    with pytest.raises(TensorsError, match=r"should be float32 .* found float64"):
        SteeringVector(a_manifest(), {"layer_2": np.ones(HIDDEN)})


def test_small_and_large_values_are_fine(tmp_path):
    for value in (1e-30, 1e25):
        array = np.full(HIDDEN, value, np.float32)
        folder = SteeringVector.build(a_manifest(), {"layer_2": array}).save_pretrained(tmp_path)
        np.testing.assert_array_equal(SteeringVector.load(folder).arrays["layer_2"], array)


@pytest.mark.parametrize("value", [1e-40, -1e-45])
def test_denormal_values_steer_nothing(value):
    # Many a processor takes them for zero.
    with pytest.raises(TensorsError, match="steer nothing"):
        SteeringVector.build(a_manifest(), {"layer_2": np.full(HIDDEN, value, np.float32)})


def test_a_vector_that_would_overflow_the_residual_stream_is_refused():
    with pytest.raises(TensorsError, match=r"by its coefficient 1\.5 .* overflow"):
        SteeringVector.build(a_manifest(), {"layer_2": np.full(HIDDEN, 1e30, np.float32)})


def test_garbage_with_the_right_hash_is_refused(package):
    put_tensors(package, b"not tensors at all")
    with pytest.raises(TensorsError):
        SteeringVector.load(package)


@pytest.mark.parametrize(
    ("name", "error"), [(MANIFEST_FILE, ManifestError), (TENSORS_FILE, TensorsError)]
)
def test_a_missing_file_is_named(package, name, error):
    (package / name).unlink()
    with pytest.raises(error, match=f"holds no {name}: it is not a palrs-hub vector"):
        SteeringVector.load(package)


@pytest.mark.parametrize(
    ("name", "error"), [(MANIFEST_FILE, ManifestError), (TENSORS_FILE, TensorsError)]
)
def test_a_folder_in_place_of_a_file_is_refused(package, name, error):
    (package / name).unlink()
    (package / name).mkdir()
    with pytest.raises(error, match="Cannot read"):
        SteeringVector.load(package)


def test_files_larger_than_any_package_are_not_read_whole(package):
    os.truncate(package / TENSORS_FILE, 10 * 1024**3)  # a sparse file
    with pytest.raises(TensorsError, match="no package is so large"):
        SteeringVector.load(package)
    os.truncate(package / MANIFEST_FILE, 10 * 1024**3)
    with pytest.raises(ManifestError, match="no package is so large"):
        SteeringVector.load(package)


def test_loading_from_nowhere_is_refused(tmp_path):
    with pytest.raises(ManifestError, match="it is not a palrs-hub vector"):
        SteeringVector.load(tmp_path / "nowhere")


def test_the_card_is_not_needed(package):
    (package / CARD_FILE).unlink()
    assert SteeringVector.load(package).manifest == a_vector().manifest


# Each file is written whole or not at all.


def test_saving_replaces_an_older_vector_and_leaves_nothing_behind(package):
    (package / "notes.txt").write_text("mine")
    newer = a_vector(seed=1, name="newer")
    newer.save_pretrained(package)
    assert SteeringVector.load(package).manifest == newer.manifest
    assert sorted(contents(package)) == sorted([*PACKAGE_FILES, PLOT_FILE, "notes.txt"])


def test_a_picture_is_drawn_from_the_manifest_and_goes_with_its_selection(package):
    (package / PLOT_FILE).write_text("<svg onload='alert(1)'/>")
    vector = SteeringVector.load(package)
    vector.save_pretrained(package)
    assert (package / PLOT_FILE).read_text() == selection_plot(vector.manifest)
    a_vector(selection=None).save_pretrained(package)
    assert sorted(contents(package)) == sorted(PACKAGE_FILES)
    assert PLOT_FILE not in (package / CARD_FILE).read_text()


def test_saving_through_a_link_leaves_its_target_alone(package, tmp_path):
    target = tmp_path / "blob"  # as files of the Hub's cache are
    (package / TENSORS_FILE).rename(target)
    (package / TENSORS_FILE).symlink_to(target)
    before = target.read_bytes()
    a_vector(seed=1).save_pretrained(package)
    assert target.read_bytes() == before
    assert not (package / TENSORS_FILE).is_symlink()


def test_a_file_where_the_folder_should_be_is_refused(tmp_path):
    (tmp_path / "taken").write_text("a file")
    for folder in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(PackageError, match="Cannot write the vector to"):
            a_vector().save_pretrained(folder)
    assert (tmp_path / "taken").read_text() == "a file"


def test_a_save_that_fails_leaves_no_temporary_file(tmp_path):
    (tmp_path / MANIFEST_FILE).mkdir()  # the last file cannot be put in its place
    with pytest.raises(PackageError, match="Cannot write"):
        a_vector().save_pretrained(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*PACKAGE_FILES, PLOT_FILE])


# No torch.


def test_reading_and_writing_a_vector_loads_neither_torch_nor_transformers(package):
    script = f"""
import sys
import palrs_hub
from palrs_hub.card import render_card

vector = palrs_hub.SteeringVector.load({str(package)!r})
vector.save_pretrained({str(package)!r})
render_card(vector.manifest)
print([name for name in ("torch", "transformers") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("[]", "")
