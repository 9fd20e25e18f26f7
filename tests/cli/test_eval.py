"""``palrs-hub eval``: a vector on task files, its manifest's numbers, and an altered one caught."""

import hashlib
import importlib.util
import json
import shutil

import pytest

from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.demo.sums import final_answer
from palrs_hub.extraction import extract
from palrs_hub.manifest import MANIFEST_FILE
from palrs_hub.pairs import read_pairs
from palrs_hub.vector import SteeringVector
from tests import tiny_models

PROBLEMS = 6


@pytest.fixture(scope="module")
def vector(demo_model, demo_tokenizer, tmp_path_factory):
    extraction = extract(demo_model, demo_tokenizer, read_pairs(pairs_file()))
    made = extraction.vector(position="-3", layer=5, coefficient=1.2, name="careful", task="sums")
    return made.save_pretrained(tmp_path_factory.mktemp("vector") / "careful")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("tasks") / "carries.jsonl"
    records = [
        {"prompt": p.prompt, "answer": final_answer(p.careful), "mark": "#"}
        for p in DOMAINS["sums"].worked("test", PROBLEMS)
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
    assert "made worse by steering" in found.out
    assert "carries (test), 6 problems" in found.out


def test_json_has_every_outcome(evaluate, vector):
    found = evaluate(vector, "--instruction", "1", "--limit", 3, "--json").json
    (measured,) = found["measured"]
    arms = measured["arms"]
    assert list(arms) == [
        *("unsteered", "steered", "prompted", "negated", "random 1", "random 2"),
    ]
    assert all(len(arm["scores"]) == 3 for arm in arms.values())
    assert arms["unsteered"]["beyond_unsteered"] is None
    assert arms["steered"]["value"] > arms["unsteered"]["value"]
    beyond = arms["steered"]["beyond_unsteered"]
    assert beyond["low"] <= beyond["difference"] <= beyond["high"]
    assert measured["evaluation"]["samples"] == 3
    assert found["not_run"] == []


def test_the_numbers_are_written_into_the_manifest(written, vector, file):
    manifest = SteeringVector.load(written).manifest
    (evaluation,) = manifest.evaluations
    assert (evaluation.task, evaluation.metric, evaluation.split) == ("carries", "accuracy", "test")
    assert evaluation.samples == PROBLEMS
    assert set(evaluation.baselines) == {
        *("unsteered", "negated", "prompted"),
        *(f"random directions ({of} of 2)" for of in ("mean", "lowest", "highest")),
    }
    gain = evaluation.gain
    assert gain.difference == evaluation.value - evaluation.baselines["unsteered"]
    assert gain.low <= gain.difference <= gain.high
    assert evaluation.worse == 0
    settings = evaluation.settings
    assert settings.data_sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    assert (settings.kind, settings.max_new_tokens, settings.dtype) == ("problems", 40, "float32")
    assert (settings.random_directions, settings.seed, settings.instruction) == (2, 0, "1")
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


def verify(run, vector, *words):
    return run("eval", vector, "--model", model_folder(), "--verify", *words)


def test_true_claims_hold_with_nothing_but_the_file(run, written, file):
    found = verify(run, written, "--file", file, "--json")
    assert (found.code, found.json["holds"]) == (0, True)
    (claim,) = found.json["claims"]
    names = [number["name"] for number in claim["numbers"]]
    assert {"steered", "unsteered", "prompted", "gain", "made worse", "samples"} <= set(names)
    assert all(number["holds"] for number in claim["numbers"])
    assert found.json["not_measured"] == []


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (lambda claim: claim.update(value=0.5), "steered"),
        (lambda claim: claim["baselines"].update(unsteered=0.5), "unsteered"),
        (lambda claim: claim["gain"].update(low=0.5), "gain, lower end"),
        (lambda claim: claim.update(worse=0.5), "made worse"),
        (lambda claim: claim.update(samples=7), "samples"),
    ],
    ids=["value", "baseline", "interval", "worse", "samples"],
)
def test_an_altered_number_is_caught(run, written, file, tmp_path, change, name):
    folder = altered(written, tmp_path / "altered", change)
    found = verify(run, folder, "--file", file, "--json")
    assert (found.code, found.json["holds"]) == (3, False)
    wrong = [n["name"] for n in found.json["claims"][0]["numbers"] if n["holds"] is False]
    assert wrong == [name]


def test_what_was_altered_is_shown(run, written, file, tmp_path):
    folder = altered(written, tmp_path / "altered", lambda claim: claim.update(value=0.5))
    shown = verify(run, folder, "--file", file)
    assert shown.code == 3
    assert "0.5000" in shown.out
    assert "NO" in shown.out
    assert verify(run, folder, "--file", file, "--tolerance", 1).code == 0


def test_an_altered_card_on_the_hub_is_caught(run, hub, base, extracted, file, tmp_path):
    """The whole way: measured, pushed, pulled by somebody else, who measures again."""
    folder = tmp_path / "vector"
    words = ("--task", "problems", "--file", file, "--random", 1, "--max-new-tokens", 40)
    assert run("eval", extracted, *words, "--write", folder).code == 0
    assert run("push", folder, "lab/honest").code == 0
    honest = run("eval", "lab/honest", "--verify", "--file", file, "--json")
    assert (honest.code, honest.json["holds"]) == (0, True)
    boasted = altered(folder, tmp_path / "boast", lambda c: c["baselines"].update(unsteered=-0.1))
    assert run("push", boasted, "lab/boast").code == 0
    caught = run("eval", "lab/boast", "--verify", "--file", file, "--json")
    assert (caught.code, caught.json["holds"]) == (3, False)


def test_another_file_is_refused(run, written, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text('{"prompt": "1+1=", "answer": "2"}\n')
    found = verify(run, written, "--file", other)
    assert found.code == 2
    assert "is no file that 'careful' was measured on: its sha256 is" in found.err


def test_without_the_file_it_is_named(run, written):
    found = verify(run, written)
    assert found.code == 2
    assert "give the file with the sha256" in " ".join(found.err.split())


def test_a_claim_that_says_not_how_it_was_measured_is_not_called_true(run, written, tmp_path):
    folder = altered(written, tmp_path / "altered", lambda claim: claim.update(settings=None))
    found = verify(run, folder)
    assert found.code == 2
    assert "does not say how it was measured" in " ".join(found.err.split())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--verify", "--limit", "1", "--random", "2"), "leave out --limit, --random"),
        (("--verify", "--write", "x"), "leave out --write"),
        (("--task", "gsm8k"), "give both"),
        ((), "Nothing to evaluate on"),
        (("--neutral", __file__, "--few-shot", "1"), "belong to --harness"),
        (("--neutral", __file__, "--plot", "/nowhere/x.svg"), "no folder /nowhere"),
    ],
)
def test_what_cannot_be_asked_is_refused(run, written, words, reason):
    found = run("eval", written, *words)
    assert found.code == 2
    assert reason in " ".join(found.err.split())


@pytest.mark.parametrize(
    ("words", "reason"),
    [
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
    assert found.json["measured"][0]["evaluation"]["task"] == "gsm8k"


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
    evaluation = found.json["measured"][0]["evaluation"]
    assert (evaluation["metric"], evaluation["value"]) == ("pass@1", 0)


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
    again = ("--verify", "--file", file, "--model", tmp_path / "model")
    assert run("eval", tmp_path / "vector", *again).code == 0


def test_several_measurements_in_one_run(run, vector, file, tmp_path):
    neutral, refusals = tmp_path / "neutral.jsonl", tmp_path / "refusals.jsonl"
    neutral.write_text("".join(f'{{"text": "{n}+{n}={n}#{n}"}}\n' for n in range(10, 16)))
    refusals.write_text('{"prompt": "12+13="}\n')
    given = ("--file", file, "--neutral", neutral, "--refusal-set", refusals)
    words = ("--task", "problems", *given, "--random", 1, "--max-new-tokens", 40)
    picture, folder = tmp_path / "arms.svg", tmp_path / "vector"
    done = run(
        *("eval", vector, "--model", model_folder(), *words),
        *("--write", folder, "--plot", picture),
    )
    assert done.code == 0
    evaluations = SteeringVector.load(folder).manifest.evaluations
    assert [(e.task, e.metric) for e in evaluations] == [
        *(("carries", "accuracy"), ("refusals", "refused")),
        *(("neutral", "perplexity"), ("neutral", "kl")),
    ]
    assert "carries: accuracy" in picture.read_text()
    assert verify(run, folder, *given).code == 0
    only = verify(run, folder, "--neutral", neutral, "--json")
    assert only.code == 0
    assert [claim["metric"] for claim in only.json["claims"]] == ["perplexity", "kl"]
    assert len(only.json["not_measured"]) == 2


def test_the_harness_needs_its_extra(run, vector):
    if importlib.util.find_spec("lm_eval"):
        pytest.skip("lm-evaluation-harness is installed here: see tests/harness")
    found = run("eval", vector, "--model", model_folder(), "--harness", "gsm8k")
    assert found.code == 7
    assert "palrs-hub[eval]" in found.err
