"""Side effects on neutral text: perplexity and divergence, on every arm, against plain formulas."""

import math

import pytest
import torch

from palrs_hub.errors import TaskFileError, UsageError
from palrs_hub.experiment import Experiment, addends_of
from palrs_hub.side_effects import measure_side_effects, read_texts
from palrs_hub.steer import adding
from tests import tiny_models
from tests.vectors import vector_for

TEXTS = ("12+34=46#46", "7+8=15#15", "99+1=100#100")


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "plain.jsonl"
    path.write_text("".join(f'{{"text": "{text}"}}\n' for text in TEXTS))
    return path


@pytest.fixture(scope="module")
def model():
    return tiny_models.build("llama")


def log_probabilities(model, tokenizer, text):
    ids = torch.tensor([tokenizer(text)["input_ids"]])
    with torch.no_grad():
        return model(ids).logits[0, :-1].log_softmax(-1), ids[0, 1:]


def test_both_equal_their_formulas(model, demo_tokenizer, file):
    vector = vector_for(model, layers=(1, 2), coefficient=0.3)
    experiment = Experiment(model, demo_tokenizer, vector, random_directions=2, batch_size=2)
    perplexity, divergence = measure_side_effects(experiment, file)
    plain = [log_probabilities(model, demo_tokenizer, text) for text in TEXTS]
    (first, one), (second, other) = addends_of(vector)
    with adding(model, first, one), adding(model, second, other):
        steered = [log_probabilities(model, demo_tokenizer, text) for text in TEXTS]

    def expected(found):
        chosen = torch.cat([scores.gather(1, ids[:, None])[:, 0] for scores, ids in found])
        return math.exp(-chosen.mean())

    moved = torch.cat(
        [(p.exp() * (p - q)).sum(-1) for (p, _), (q, _) in zip(plain, steered, strict=True)]
    )
    assert perplexity.values["unsteered"] == pytest.approx(expected(plain), rel=1e-4)
    assert perplexity.values["steered"] == pytest.approx(expected(steered), rel=1e-4)
    assert divergence.values["steered"] == pytest.approx(float(moved.mean()), rel=1e-3)
    gain = perplexity.beyond["steered"]
    assert gain.low <= gain.difference <= gain.high
    assert gain.difference == pytest.approx(expected(steered) - expected(plain), rel=1e-3)


def test_arms_and_names(model, demo_tokenizer, file):
    vector = vector_for(model, coefficient=0.3)
    experiment = Experiment(model, demo_tokenizer, vector, random_directions=2, instruction="i")
    perplexity, divergence = measure_side_effects(experiment, file, limit=2)
    assert list(perplexity.values) == ["unsteered", "steered", "negated", "random 1", "random 2"]
    # The unsteered model's divergence from itself says nothing.
    assert list(divergence.values) == ["steered", "negated", "random 1", "random 2"]
    evaluation = divergence.evaluation()
    assert (evaluation.task, evaluation.samples, evaluation.gain) == ("plain", 2, None)
    assert not evaluation.higher_is_better


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"text": "a"}\n{"txt": "b"}\n', "line 2.*'text' is missing"),
        ("[]\n", "JSON object"),
        ("{\n", "line 1"),
        ("", "holds no texts"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, reason):
    file = tmp_path / "bad.jsonl"
    file.write_text(text)
    with pytest.raises(TaskFileError, match=reason):
        read_texts(file)


def test_a_text_of_one_token_predicts_nothing(model, demo_tokenizer, tmp_path):
    file = tmp_path / "short.jsonl"
    file.write_text('{"text": "1"}\n')
    experiment = Experiment(model, demo_tokenizer, vector_for(model), random_directions=1)
    if len(demo_tokenizer("1")["input_ids"]) > 1:
        pytest.skip("this tokenizer adds a token of its own")
    with pytest.raises(UsageError, match="two tokens"):
        measure_side_effects(experiment, file)
