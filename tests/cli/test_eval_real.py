"""``palrs-hub eval`` on GSM8K and HumanEval as they are published, with a real small model."""

import pytest

from palrs_hub.extraction import extract
from palrs_hub.loading import load_model_and_tokenizer
from palrs_hub.pairs import PreferencePair
from palrs_hub.vector import SteeringVector
from tests.shared_data import SHARED_DATA

FILES = {"gsm8k": "gsm8k_test.jsonl", "humaneval": "HumanEval.jsonl.gz"}


@pytest.fixture(scope="module")
def stories(tmp_path_factory):
    """A vector for stories260K, which writes short stories and knows neither sums nor Python."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real model and data beside the checkout (../shared/data)")
    model, tokenizer = load_model_and_tokenizer(SHARED_DATA / "models" / "stories260K")
    pairs = [
        PreferencePair("Tom went to the park.", f"{name} was happy.", f"{name} was sad.")
        for name in ("He", "She", "Lily", "Ben")
    ]
    extraction = extract(
        model, tokenizer, pairs, "mean_difference", input_format="raw", positions="response_mean"
    )
    vector = extraction.vector(
        position="response_mean", layer=3, coefficient=1.0, name="happy", task="happy stories"
    )
    return vector.save_pretrained(tmp_path_factory.mktemp("stories") / "happy")


@pytest.mark.slow
@pytest.mark.parametrize("task", FILES)
def test_a_published_file_is_measured_and_verified(run, shared_data, stories, tmp_path, task):
    file = shared_data / "tasks" / FILES[task]
    model = ("--model", shared_data / "models" / "stories260K")
    words = ("--task", task, "--file", file, "--limit", 3, "--random", 1, "--max-new-tokens", 24)
    allowed = ("--allow-code-execution",) if task == "humaneval" else ()
    done = run(
        *("eval", stories, *model, *words, *allowed),
        *("--instruction", "Be happy.", "--write", tmp_path / "out", "--json"),
    )
    assert done.code == 0
    (measured,) = done.json["measured"]
    assert measured["evaluation"]["task"] == task
    assert measured["evaluation"]["value"] == 0  # a model of stories solves none
    (evaluation,) = SteeringVector.load(tmp_path / "out").manifest.evaluations
    assert (evaluation.samples, evaluation.settings.limit) == (3, 3)
    again = run("eval", tmp_path / "out", *model, "--verify", "--file", file, *allowed)
    assert again.code == 0
