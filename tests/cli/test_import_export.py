"""``palrs-hub import`` and ``export``: to another tool's file and back."""

import json

import numpy as np
import pytest

from palrs_hub.vector import SteeringVector


@pytest.fixture
def exported(run, extracted, tmp_path):
    path = tmp_path / "careful.gguf"
    assert run("export", extracted, "--format", "gguf", "--output", path).code == 0
    return path


def test_there_and_back(run, base, extracted, exported, tmp_path):
    found = run("import", exported, "--model", base, "--output", tmp_path / "back", "--json")
    assert found.code == 0, found.err
    ours, theirs = SteeringVector.load(extracted), SteeringVector.load(tmp_path / "back")
    (change,) = ours.manifest.interventions
    assert found.json["format"] == "gguf"
    assert (found.json["layers"], found.json["coefficients"]) == (
        [change.layer],
        [change.coefficient],
    )
    assert theirs.manifest.base_model == ours.manifest.base_model
    np.testing.assert_array_equal(theirs.arrays[change.tensor], ours.arrays[change.tensor])


def test_the_imported_vector_fits_its_model(run, base, exported, tmp_path):
    words = ("import", exported, "--model", base, "--output", tmp_path / "v", "--name", "again")
    found = run(*words, "--coefficient", "-1", "--task", "sums")
    assert found.code == 0, found.err
    assert "not proven" in found.out
    assert SteeringVector.load(tmp_path / "v").manifest.name == "again"
    assert run("check", tmp_path / "v", "--model", base, "--weights").code == 0


def test_export_says_how_to_use_it(run, published, tmp_path):
    words = ("export", published, "--format", "lm-eval", "--output", tmp_path / "v.pt")
    found = run(*words, "--fold", "--json")
    assert (found.code, found.json["folded"], found.json["coefficients"]) == (0, True, [1.0])
    assert "use with coefficient" in run(*words, "--overwrite").out


def test_nothing_is_overwritten_unasked(run, base, extracted, exported):
    before = exported.read_bytes()
    found = run("export", extracted, "--format", "gguf", "--output", exported)
    assert (found.code, exported.read_bytes()) == (2, before)
    found = run("import", exported, "--model", base, "--output", extracted)
    assert found.code == 2
    assert "--overwrite" in found.err


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--format", "lm-eval"), 3, "zip archive"),
        (("--layer", "0"), 2, "Layers:"),
        (("--format", "nonsense"), 2, "Invalid value"),
        (("--model", "lab/nowhere"), 5, "no repository"),
    ],
)
def test_bad_input_ends_in_a_message(run, base, exported, tmp_path, words, code, text):
    given = {"--model": base, "--output": str(tmp_path / "v")} | dict([words])
    found = run("import", exported, *(word for pair in given.items() for word in pair))
    assert found.code == code, found.err
    assert text in found.err.replace("\n", " ")
    assert not (tmp_path / "v").exists()


def test_errors_are_json_too(run, base, tmp_path):
    (tmp_path / "v.svec").write_text(json.dumps({"model_type": "llama", "directions": {}}))
    words = ("import", tmp_path / "v.svec", "--model", base, "--output", tmp_path / "v", "--json")
    assert run(*words).json["error"] == "PackageError"


def test_a_vector_of_another_model_is_refused(run, base, tmp_path):
    direction = {"1": [1.0] * 95}
    path = tmp_path / "v.svec"
    path.write_text(json.dumps({"model_type": "llama", "directions": direction}))
    words = ("import", path, "--model", base, "--coefficient", 1, "--output", tmp_path / "v")
    found = run(*words)
    assert found.code == 4
    assert "width 128" in found.err
