"""``palrs-hub extract``: pairs and a model on the Hub give a package in a folder."""

import json

import pytest

from palrs_hub.demo import pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.vector import SteeringVector


def test_the_package_says_where_it_comes_from(extracted, base):
    manifest = SteeringVector.load(extracted).manifest
    assert f"{manifest.base_model.repo_id}@{manifest.base_model.revision}" == base
    assert manifest.data.name == "sums.jsonl"
    assert manifest.data.pairs == 80
    assert manifest.method.switches["positions"] == "template_suffix"
    assert manifest.task.name == "careful arithmetic"


def test_every_cell_that_was_scored_is_kept(extracted):
    manifest = SteeringVector.load(extracted).manifest
    selection = manifest.selection
    (intervention,) = manifest.interventions
    chosen = [
        cell
        for cell in selection.cells
        if (cell.position, cell.layer, cell.coefficient)
        == (manifest.method.switches["position"], intervention.layer, intervention.coefficient)
    ]
    assert {cell.layer for cell in selection.cells} == set(range(manifest.base_model.num_blocks))
    assert selection.pairs == 20
    assert chosen[0].margin > selection.unsteered.margin
    assert intervention.coefficient_range[0] == 0
    assert intervention.coefficient_range[1] >= intervention.coefficient


def test_json_gives_the_same_facts(run, base, tmp_path):
    found = run(
        *("extract", "--model", base, "--pairs", pairs_file(), "--positions", "response_mean"),
        *("--layer", 2, "--coefficient", 0.3),
        *("--output", tmp_path / "v", "--json"),
    )
    assert (found.code, found.json["layer"], found.json["coefficient"]) == (0, 2, 0.3)
    assert SteeringVector.load(tmp_path / "v").manifest.tensors.sha256 == found.json["sha256"]


def test_without_validation_it_says_so(run, base, tmp_path):
    found = run(
        *("extract", "--model", base, "--pairs", pairs_file(), "--validation", 0),
        *("--output", tmp_path / "v"),
    )
    assert found.code == 0
    assert "not evaluated" in found.out
    assert SteeringVector.load(tmp_path / "v").manifest.selection is None


def test_a_choice_by_validation_is_not_silently_another_one(run, base, tmp_path):
    words = ("extract", "--model", base, "--pairs", pairs_file(), "--validation", 0)
    refused = run(*words, "--method", "mean_difference", "--output", tmp_path / "v")
    assert refused.code == 2
    assert "needs held-out pairs" in refused.err.replace("\n", " ")
    assert not (tmp_path / "v").exists()


def test_a_vector_is_not_overwritten_unasked(run, base, extracted):
    words = ("extract", "--model", base, "--pairs", pairs_file(), "--output", extracted)
    before = (extracted / "steering_config.json").read_bytes()
    found = run(*words)
    assert found.code == 2
    assert "--overwrite" in found.err
    assert (extracted / "steering_config.json").read_bytes() == before


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "not JSON"),
        ('{"prompt": "1+1=", "chosen": "2"}', "'rejected' is missing"),
        ('{"prompt": "1+1=", "chosen": "2", "rejected": "2"}', "nothing to prefer"),
    ],
)
def test_a_bad_line_is_named(run, base, tmp_path, line, reason):
    good = json.dumps({"prompt": "1+1=", "chosen": "2", "rejected": "3"})
    file = tmp_path / "pairs.jsonl"
    file.write_text(f"{good}\n{line}\n")
    found = run("extract", "--model", base, "--pairs", file, "--output", tmp_path / "v")
    assert found.code == 3
    assert "line 2" in found.err
    assert reason in found.err
    assert not (tmp_path / "v").exists()


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--model", "lab/nowhere"), 5, "no repository lab/nowhere"),
        (("--model", "not a name"), 2, "org/name"),
        (("--pairs", "nowhere.jsonl"), 3, "no file"),
        (("--layer", "99"), 2, "layers: 0 to"),
        (("--input-format", "raw"), 2, "need a chat template"),
        (("--device", "cuda:77"), 2, "Cannot use device"),
    ],
)
def test_bad_input_ends_in_a_message(run, base, tmp_path, words, code, text):
    given = {"--model": base, "--pairs": str(pairs_file()), "--output": str(tmp_path / "v")}
    given |= dict([words])
    found = run("extract", *(word for pair in given.items() for word in pair))
    assert found.code == code, found.err
    assert text in found.err.replace("\n", " ")
    assert not (tmp_path / "v").exists()


def test_another_operation_on_other_tokens_is_written_and_shown(run, base, tmp_path):
    words = ("extract", "--model", base, "--pairs", pairs_file(), "--positions", "response_mean")
    asked = ("--operation", "clamp", "--tokens", "3:9", "--output", tmp_path / "v")
    refused = run(*words, *asked)
    assert refused.code == 2
    assert "give --layer, --position and --coefficient" in refused.err
    assert not (tmp_path / "v").exists()
    chosen = ("--layer", 2, "--position", "response_mean", "--coefficient", 0.3)
    found = run(*words, *asked, *chosen, "--json")
    assert (found.code, found.json["operation"], found.json["tokens"]) == (0, "clamp", "3:9")
    manifest = SteeringVector.load(tmp_path / "v").manifest
    assert manifest.selection is None
    assert "clamp" in run("info", tmp_path / "v").out
    card = (tmp_path / "v" / "README.md").read_text()
    assert "| 2 | clamp | 0.3 | not validated |" in card
    assert "| 3:9 |" in card
    assert run(*words, "--tokens", "last", "--output", tmp_path / "w").code == 2


def lines(file, records):
    file.write_text("\n".join(map(json.dumps, records)))
    return file


def test_selection_looks_at_neutral_texts_and_at_problems_and_goes_on(run, base, tmp_path):
    calm, hard = (
        DOMAINS["sums"].agreed_texts("validation", 3),
        DOMAINS["sums"].worked("validation", 4),
    )
    neutral = [{"prompt": prompt, "response": response} for prompt, response in calm]
    problems = [{"prompt": p.prompt, "answer": p.careful} for p in hard]
    words = (
        *("extract", "--model", base, "--pairs", pairs_file(), "--limit", 30, "--overwrite"),
        *("--choice", "validation", "--positions", "suffix:-2", "--layer", 3),
        *("--neutral", lines(tmp_path / "neutral.jsonl", neutral)),
        *("--problems", lines(tmp_path / "problems.jsonl", problems)),
        *("--problems-task", "problems", "--finalists", 2, "--output", tmp_path / "v", "--json"),
    )
    found = run(*words, "--resume", tmp_path / "record")
    assert found.code == 0, found.err
    selection = found.json["selection"]
    assert selection["problems"] == 4
    asked = [cell["side_effect"] is not None for cell in selection["cells"]]
    assert asked == [
        cell["margin"] > selection["unsteered"]["margin"]
        and cell["chosen_log_probability"] >= selection["unsteered"]["chosen_log_probability"]
        for cell in selection["cells"]
    ]
    assert any(asked)
    assert sum(cell["accuracy"] is not None for cell in selection["cells"]) == 2
    assert {cell["position"] for cell in selection["cells"]} == {"-2"}
    assert found.json["method"]["switches"]["positions"] == "suffix:-2"
    again = run(*words, "--resume", tmp_path / "record")
    assert again.json["selection"] == selection
    other = run(*words, "--resume", tmp_path / "record", "--seed", 1)
    assert other.code == 2
    assert "record of another selection" in other.json["message"]


def test_a_trained_vector_comes_out_like_the_others(run, base, tmp_path):
    found = run(
        *("extract", "--model", base, "--pairs", pairs_file(), "--limit", 20, "--method", "bipo"),
        *("--layer", 3, "--epochs", 2, "--learning-rate", 0.005, "--pairs-per-step", 8),
        *("--output", tmp_path / "v", "--json"),
    )
    assert found.code == 0, found.err
    switches = found.json["method"]["switches"]
    assert (switches["epochs"], switches["learning_rate"], switches["seed"]) == (2, 0.005, 0)
    assert {cell["layer"] for cell in found.json["selection"]["cells"]} == {3}
    assert run("check", tmp_path / "v", "--model", base).code == 0


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--positions", "middle"), 2, "Expected read positions"),
        (("--positions", "response:99"), 3, "Pair 1: the chosen response has"),
        (("--layers", "1,x"), 2, "expected block numbers"),
        (("--layers", "1,9"), 2, "layers: 0 to 5"),
        (("--epochs", "3"), 2, "'palrs' is not trained: leave out --epochs"),
        (("--problems", str(pairs_file())), 2, "go together"),
        (("--neutral", str(pairs_file())), 3, "line 1: 'prompt' or 'response' is missing"),
        (("--validation", "0", "--resume", "r"), 2, "needs held-out pairs"),
        (("--validation", "0", "--whole-grid"), 2, "--whole-grid are for selection"),
        (
            ("--part", "0/2", "--checkpoint", "p", "--whole-grid"),
            2,
            "--whole-grid are for selection",
        ),
        (
            (
                *("--operation", "clamp", "--layer", "2", "--position", "-2"),
                *("--coefficient", "1", "--resume", "r"),
            ),
            2,
            "adding to all tokens",
        ),
    ],
)
def test_what_cannot_be_meant_is_said(run, base, tmp_path, words, code, text):
    found = run(
        *("extract", "--model", base, "--pairs", pairs_file(), "--output", tmp_path / "v", *words)
    )
    assert found.code == code, found.err
    assert text in " ".join(found.err.split())
    assert not (tmp_path / "v").exists()
