"""``palrs-hub eval``: a vector on task files, its manifest's numbers, and an altered one caught."""

import json
import shutil

import pytest

from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.demo import problems as sums
from palrs_hub.extraction import extract
from palrs_hub.manifest import MANIFEST_FILE
from palrs_hub.pairs import read_pairs
from palrs_hub.vector import SteeringVector
from tests import tiny_models

PROBLEMS = 6


@pytest.fixture(scope="module")
def vector(demo_model, demo_tokenizer, tmp_path_factory):
    extraction = extract(demo_model, demo_tokenizer, read_pairs(pairs_file()))
    made = extraction.vector(position="-2", layer=3, coefficient=0.6, name="careful", task="sums")
    return made.save_pretrained(tmp_path_factory.mktemp("vector") / "careful")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tasks") / "carries.jsonl"
    records = [
        {"prompt": p.prompt, "answer": sums.final_answer(p.careful), "mark": "#"}
        for p in sums.problems_for_test(PROBLEMS)
    ]
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


@pytest.fixture
def evaluate(run, file):
    def evaluated(vector, *words, task="problems", file=file):
        short = () if "--max-new-tokens" in words else ("--max-new-tokens", 40)
        return run(
            *("eval", vector, "--task", task, "--file", file, "--model", model_folder()),
            *("--random", 2, *short, *words),
        )

    return evaluated


@pytest.fixture(scope="module")
def written(vector, file, tmp_path_factory):
    """The vector with its numbers, written by the command."""
    from palrs_hub.cli import main

    folder = tmp_path_factory.mktemp("written") / "careful"
    words = [
        *("eval", vector, "--task", "problems", "--file", file, "--model", model_folder()),
        *("--random", 2, "--max-new-tokens", 40, "--write", folder, "--instruction", "1"),
    ]
    assert main([str(word) for word in words]) == 0
    return folder


def altered(written, folder, change):
    """A copy of a vector whose manifest claims something else."""
    shutil.copytree(written, folder)
    manifest = json.loads((folder / MANIFEST_FILE).read_text())
    change(manifest["evaluations"][0])
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest))
    return folder


def test_every_arm_is_shown(evaluate, vector):
    found = evaluate(vector)
    assert found.code == 0
    for arm in ("unsteered", "steered", "negated", "2 random directions", "prompted"):
        assert arm in found.out
    assert "not run" in found.out
    assert "carries (test), 6 problems" in found.out


def test_json_has_every_outcome(evaluate, vector):
    found = evaluate(vector, "--instruction", "1", "--limit", 3, "--json").json
    arms = found["arms"]
    assert list(arms) == [
        *("unsteered", "steered", "prompted", "negated", "random 1", "random 2"),
    ]
    assert all(len(arm["solved"]) == 3 for arm in arms.values())
    assert arms["unsteered"]["beyond_unsteered"] is None
    assert arms["steered"]["share"] > arms["unsteered"]["share"]
    beyond = arms["steered"]["beyond_unsteered"]
    assert beyond["low"] <= beyond["difference"] <= beyond["high"]
    assert found["evaluation"]["samples"] == 3
    assert found["not_run"] == []


def test_the_numbers_are_written_into_the_manifest(written, vector):
    manifest = SteeringVector.load(written).manifest
    (evaluation,) = manifest.evaluations
    assert (evaluation.task, evaluation.metric, evaluation.split) == ("carries", "accuracy", "test")
    assert evaluation.samples == PROBLEMS
    assert set(evaluation.baselines) == {
        *("unsteered", "negated", "prompted"),
        *("random directions (mean of 2)", "random directions (highest of 2)"),
    }
    assert manifest.tensors == SteeringVector.load(vector).manifest.tensors
    assert "carries" in (written / "README.md").read_text()
    assert SteeringVector.load(vector).manifest.evaluations == ()


def test_the_same_task_and_split_is_replaced_and_another_is_added(evaluate, written, tmp_path):
    folder = tmp_path / "again"
    assert evaluate(written, "--limit", 2, "--write", folder).code == 0
    (evaluation,) = SteeringVector.load(folder).manifest.evaluations
    assert evaluation.samples == 2
    assert evaluate(folder, "--limit", 1, "--split", "dev", "--write", folder).code == 0
    evaluations = SteeringVector.load(folder).manifest.evaluations
    assert [(e.split, e.samples) for e in evaluations] == [("test", 2), ("dev", 1)]


def test_another_vector_is_not_overwritten(evaluate, vector, tmp_path, demo_model, demo_tokenizer):
    extraction = extract(demo_model, demo_tokenizer, read_pairs(pairs_file(), limit=4))
    other = extraction.vector(position="-1", layer=1, coefficient=1.0, name="other", task="t")
    other.save_pretrained(tmp_path / "other")
    found = evaluate(vector, "--write", tmp_path / "other")
    assert found.code == 2
    assert "another vector" in found.err
    assert SteeringVector.load(tmp_path / "other").manifest.name == "other"


def test_true_claims_hold(evaluate, written):
    found = evaluate(written, "--verify", "--instruction", "1", "--json")
    assert (found.code, found.json["holds"]) == (0, True)
    (claim,) = found.json["claims"]
    assert len(claim["numbers"]) == 6
    assert all(number["holds"] for number in claim["numbers"])


def test_what_cannot_be_measured_again_is_named(evaluate, written):
    found = evaluate(written, "--verify")
    assert found.code == 0
    assert "not checked" in found.out


@pytest.mark.parametrize("number", ["value", "unsteered", "random directions (mean of 2)"])
def test_an_altered_number_is_caught(evaluate, written, tmp_path, number):
    def change(evaluation):
        where = evaluation if number == "value" else evaluation["baselines"]
        where[number] = 0.5

    folder = altered(written, tmp_path / "altered", change)
    found = evaluate(folder, "--verify", "--json")
    assert (found.code, found.json["holds"]) == (3, False)
    name = "steered" if number == "value" else number
    wrong = [n for n in found.json["claims"][0]["numbers"] if n["holds"] is False]
    assert [(n["name"], n["claimed"]) for n in wrong] == [(name, 0.5)]
    shown = evaluate(folder, "--verify")
    assert shown.code == 3
    assert "0.5000" in shown.out
    assert "NO" in shown.out
    assert evaluate(folder, "--verify", "--tolerance", 1).code == 0


def test_a_file_of_another_length_is_refused(evaluate, written, tmp_path):
    folder = altered(written, tmp_path / "altered", lambda claim: claim.update(samples=7))
    found = evaluate(folder, "--verify")
    assert found.code == 2
    assert "claims accuracy on 7 problems" in found.err


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--verify", "--limit", "1"), "leave out --limit"),
        (("--verify", "--write", "x"), "leave out --limit"),
        (("--verify", "--name", "unknown"), "it claims: carries (accuracy, test)"),
        (("--verify", "--split", "dev"), "on 'dev'"),
        (("--instruction", " "), "empty"),
        (("--limit", "1", "--name", "x" * 300), "at most 256"),
    ],
)
def test_what_cannot_be_is_refused(evaluate, written, words, reason):
    found = evaluate(written, *words)
    assert found.code == 2
    assert reason in " ".join(found.err.split())


def test_a_bad_line_is_named(evaluate, vector, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"prompt": "1+1=", "answer": "2"}\n{"prompt": "1+1="}\n')
    found = evaluate(vector, file=bad)
    assert found.code == 3
    assert "line 2: 'answer' is missing" in found.err


def test_gsm8k(evaluate, vector, tmp_path):
    file = tmp_path / "gsm8k.jsonl"
    file.write_text(json.dumps({"question": "478+356=", "answer": "#### 834"}) + "\n")
    found = evaluate(vector, "--json", task="gsm8k", file=file)
    assert found.json["evaluation"]["task"] == "gsm8k"


def test_humaneval_only_when_allowed(evaluate, vector, tmp_path):
    record = {
        "prompt": "def one():\n",
        "test": "def check(candidate):\n    assert candidate() == 1\n",
        "entry_point": "one",
    }
    file = tmp_path / "humaneval.jsonl"
    file.write_text(json.dumps(record) + "\n")
    refused = evaluate(vector, task="humaneval", file=file)
    assert refused.code == 2
    assert "--allow-code-execution" in refused.err
    found = evaluate(vector, "--allow-code-execution", "--json", task="humaneval", file=file)
    assert found.json["evaluation"]["metric"] == "pass@1"
    assert found.json["evaluation"]["value"] == 0


def test_a_tiny_random_model_from_one_end_to_the_other(run, file, tmp_path, demo_tokenizer):
    model = tiny_models.build("llama")
    model.save_pretrained(tmp_path / "model")
    demo_tokenizer.save_pretrained(tmp_path / "model")
    extraction = extract(model, demo_tokenizer, read_pairs(pairs_file(), limit=6))
    made = extraction.vector(position="-1", layer=1, coefficient=1.0, name="n", task="t")
    made.save_pretrained(tmp_path / "vector")
    words = ("--task", "problems", "--file", file, "--model", tmp_path / "model", "--random", 2)
    short = ("--max-new-tokens", 4)
    done = run("eval", tmp_path / "vector", *words, *short, "--write", tmp_path / "vector")
    assert done.code == 0
    assert run("eval", tmp_path / "vector", *words, *short, "--verify").code == 0
