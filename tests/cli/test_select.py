"""``palrs-hub select``: another coefficient for a vector, and the picture of its grid."""

import dataclasses
import json
import shutil
import xml.etree.ElementTree as ET

import pytest

from palrs_hub.demo.domains import DOMAINS
from palrs_hub.vector import SteeringVector


@pytest.fixture
def folder(extracted, tmp_path):
    return shutil.copytree(extracted, tmp_path / "vector")


@pytest.fixture
def held_out(tmp_path):
    file = tmp_path / "held_out.jsonl"
    lines = [json.dumps(vars(pair)) for pair in DOMAINS["sums"].pairs("validation", 12)]
    file.write_text("\n".join(lines))
    return file


def content(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_nothing_is_written_unasked(run, base, folder, held_out):
    before = content(folder)
    found = run(
        *("select", folder, "--model", base, "--pairs", held_out),
        *("--coefficients", "0.05,0.1", "--json"),
    )
    assert (found.code, found.json["written"]) == (0, False), found.err
    assert found.json["coefficient"] in (0.05, 0.1)
    assert [cell["coefficient"] for cell in found.json["selection"]["cells"]] == [0.05, 0.1]
    assert content(folder) == before


def test_with_write_the_manifest_and_the_card_follow(run, base, folder, held_out):
    before = SteeringVector.load(folder)
    found = run(
        *("select", folder, "--model", base, "--pairs", held_out, "--write"),
        *("--coefficients", "0.05,0.1"),
    )
    assert found.code == 0, found.err
    after = SteeringVector.load(folder)
    (intervention,) = after.manifest.interventions
    assert after.manifest.selection.pairs == 12
    assert intervention.coefficient in (0.05, 0.1)
    assert intervention.coefficient_range == (0, intervention.coefficient)
    assert intervention.layer == before.manifest.interventions[0].layer
    assert after.manifest.tensors == before.manifest.tensors
    assert f"{intervention.coefficient:g}" in (folder / "README.md").read_text()


def test_coefficients_come_from_the_diagnostics(run, base, folder, held_out):
    found = run("select", folder, "--model", base, "--pairs", held_out, "--json")
    assert found.code == 0, found.err
    assert len(found.json["selection"]["cells"]) == 9


def test_neutral_texts_and_problems_count_and_the_record_serves_again(
    run, base, folder, held_out, tmp_path
):
    calm, hard = (
        DOMAINS["sums"].agreed_texts("validation", 3),
        DOMAINS["sums"].worked("validation", 3),
    )
    neutral, problems = tmp_path / "neutral.jsonl", tmp_path / "problems.jsonl"
    neutral.write_text(
        "\n".join(json.dumps({"prompt": prompt, "completion": text}) for prompt, text in calm)
    )
    problems.write_text(
        "\n".join(json.dumps({"prompt": p.prompt, "answer": p.careful}) for p in hard)
    )
    words = (
        *("select", folder, "--model", base, "--pairs", held_out, "--coefficients", "0.05,0.1"),
        *("--neutral", neutral, "--problems", problems, "--problems-task", "problems", "--json"),
        *("--resume", tmp_path / "record"),
    )
    found = run(*words)
    assert found.code == 0, found.err
    cells = found.json["selection"]["cells"]
    assert all(cell["side_effect"] is not None for cell in cells)
    assert all(cell["accuracy"] is not None for cell in cells)
    assert run(*words).json == found.json


def test_the_recorded_grid_is_drawn_without_a_model(run, folder, tmp_path):
    before = content(folder)
    found = run("select", folder, "--plot", tmp_path / "grid.svg")
    assert found.code == 0, found.err
    assert ET.parse(tmp_path / "grid.svg").getroot().tag.endswith("svg")
    assert "Grid at this layer" in found.out
    assert content(folder) == before


def test_evaluations_of_another_coefficient_are_dropped(extracted):
    from palrs_hub.selection import Selected, with_selection
    from tests.builders import an_evaluation

    manifest = SteeringVector.load(extracted).manifest
    manifest = manifest.model_copy(update={"evaluations": (an_evaluation(),)})
    (intervention,) = manifest.interventions
    place = manifest.method.switches["position"], intervention.layer
    same = Selected(*place, intervention.coefficient, manifest.selection, extraction=None)
    assert with_selection(manifest, same).evaluations == manifest.evaluations
    other = dataclasses.replace(same, coefficient=intervention.coefficient / 2)
    assert with_selection(manifest, other).evaluations == ()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--model", "lab/base"), 2, "go together"),
        (("--write",), 2, "need --model"),
        (("--resume", "record"), 2, "need --model"),
        (("--coefficients", "1,many"), 2, "expected numbers"),
        (("--coefficients", "nan"), 2, "expected numbers"),
        (("--plot", "/nowhere/at/all.svg"), 2, "Cannot write"),
    ],
)
def test_bad_input_ends_in_a_message(run, folder, words, code, text):
    found = run("select", folder, *words)
    assert found.code == code
    assert text in found.err.replace("\n", " ")


def test_a_folder_without_a_vector(run, tmp_path):
    assert run("select", tmp_path).code == 3
