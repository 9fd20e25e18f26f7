"""A real pretrained model, made by others: a happy/sad vector through the command line."""

import json

import numpy as np
import pytest

from palrs_hub.cli import main
from palrs_hub.hub import push_model
from palrs_hub.loading import load_model, load_tokenizer
from palrs_hub.pairs import read_pairs, split_pairs
from palrs_hub.scores import encode_pairs, response_log_probabilities
from palrs_hub.steer import adding
from palrs_hub.vector import SteeringVector
from tests.happy_pairs import PROMPT, happy_pairs

COEFFICIENTS = (-1.0, -0.5, 0.0, 0.5, 1.0)


@pytest.fixture
def stories(shared_data):
    return shared_data / "models" / "stories260K"


@pytest.fixture
def pairs_file(tmp_path):
    path = tmp_path / "happy.jsonl"
    rows = [{"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected} for p in happy_pairs()]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.usefixtures("hub")
def test_extract_push_pull_generate(stories, pairs_file, tmp_path, capsys):
    base = push_model(stories, "lab/stories260K")
    words = [
        "--method",
        "mean_difference",
        "--input-format",
        "raw",
        "--output",
        str(tmp_path / "v"),
    ]
    model = f"lab/stories260K@{base.commit}"
    assert main(["extract", "--model", model, "--pairs", str(pairs_file), *words]) == 0
    assert main(["push", str(tmp_path / "v"), "lab/happy"]) == 0
    assert main(["pull", "lab/happy", "--output", str(tmp_path / "pulled")]) == 0
    vector = SteeringVector.load(tmp_path / "pulled")
    capsys.readouterr()
    generate = ["generate", "lab/happy", "--prompt", PROMPT, "--compare", "--json"]
    assert main([*generate, "--max-new-tokens", "40"]) == 0
    (generation,) = json.loads(capsys.readouterr().out)["generations"]
    assert generation["steered"] != generation["unsteered"]
    margins = _margins(stories, pairs_file, vector)
    assert np.all(np.diff(margins) > 0), margins


def _margins(stories, pairs_file, vector):
    """Mean margin per token on the held-out pairs at each coefficient, in raw units."""
    model, tokenizer = load_model(stories), load_tokenizer(stories)
    _, held_out = split_pairs(read_pairs(pairs_file), validation=0.2)
    chosen, rejected = encode_pairs(tokenizer, held_out)
    (intervention,) = vector.manifest.interventions
    margins = []
    for coefficient in COEFFICIENTS:
        addend = coefficient * vector.arrays[intervention.tensor].astype(np.float64)
        with adding(model, intervention.layer, addend):
            plus, plus_tokens = response_log_probabilities(model, chosen)
            minus, minus_tokens = response_log_probabilities(model, rejected)
        margins.append(float((plus / plus_tokens - minus / minus_tokens).mean()))
    return margins
