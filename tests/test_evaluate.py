"""Evaluation: a vector beside the unsteered model, random directions and its own opposite."""

import math

import numpy as np
import pytest
import torch

from palrs_hub.demo import pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.errors import UsageError
from palrs_hub.evaluate import Problems, accuracy, compare
from palrs_hub.experiment import random_like
from palrs_hub.extraction import extract
from palrs_hub.generation import complete
from palrs_hub.pairs import PreferencePair, read_pairs
from palrs_hub.scores import (
    encode_pairs,
    mean_divergence,
    perplexity,
    response_log_probabilities,
    response_predictions,
)
from palrs_hub.steer import attached
from tests.vectors import vector_for


@pytest.fixture(scope="module")
def vector(demo_model, demo_tokenizer):
    extraction = extract(demo_model, demo_tokenizer, read_pairs(pairs_file()))
    return extraction.vector(position="-3", layer=5, coefficient=1.2, name="n", task="t")


def test_the_vector_is_compared_with_what_it_must_beat(demo_model, demo_tokenizer, vector):
    problems = DOMAINS["sums"].test_problems(20)
    found = compare(demo_model, demo_tokenizer, vector, problems, random_directions=3)
    assert found.unsteered <= 0.25
    assert found.steered >= 0.75
    assert len(found.random_each) == 3
    assert found.random == pytest.approx(np.mean(found.random_each))
    assert found.random < 0.25
    assert found.negated <= found.unsteered
    assert attached(demo_model) == ()


def test_what_is_attached_does_not_count(demo_model, demo_tokenizer, vector):
    problems = DOMAINS["sums"].test_problems(8)
    with vector.attach(demo_model):
        assert accuracy(demo_model, demo_tokenizer, problems) == 1
        found = compare(demo_model, demo_tokenizer, vector, problems, random_directions=1)
    assert found.unsteered == 0


def test_random_directions_have_the_norm_and_nothing_else_in_common():
    addend = np.arange(64.0)
    drawn = random_like(addend, 50, seed=0)
    assert np.allclose([np.linalg.norm(d) for d in drawn], np.linalg.norm(addend))
    cosines = [d @ addend / np.linalg.norm(addend) ** 2 for d in drawn]
    assert abs(np.mean(cosines)) < 0.1
    assert np.array_equal(drawn, random_like(addend, 50, seed=0))


def test_problems_need_a_judge_each():
    with pytest.raises(UsageError, match="a judge for each"):
        Problems("p", "test", ("1+1=",), (), 5)


def test_completions_come_back_in_the_order_of_the_prompts(demo_model, demo_tokenizer):
    problems = DOMAINS["sums"].worked("guardrail", 7, agreed=True)
    prompts = [problem.prompt for problem in problems]
    texts = complete(demo_model, demo_tokenizer, prompts, max_new_tokens=40, batch_size=3)
    assert texts == [problem.careful for problem in problems]


def test_scores_equal_the_models_own_loss(demo_model, demo_tokenizer):
    pair = PreferencePair("478+356=", "8+6=14", "8+6=13")
    (sample,), _ = encode_pairs(demo_tokenizer, [pair])
    ids = torch.tensor([sample.token_ids])
    labels = ids.clone()
    start, stop = sample.spans[0]
    labels[:, :start] = -100
    labels[:, stop:] = -100
    with torch.no_grad():
        loss = demo_model(input_ids=ids, labels=labels).loss.item()
    (total,), (count,) = response_log_probabilities(demo_model, [sample])
    assert -total / count == pytest.approx(loss, rel=1e-4)
    text = [(pair.prompt, pair.chosen)]
    assert perplexity(demo_model, demo_tokenizer, text) == pytest.approx(math.exp(loss), rel=1e-4)


def test_batching_changes_no_score(demo_model, demo_tokenizer):
    chosen, _ = encode_pairs(demo_tokenizer, read_pairs(pairs_file())[:9])
    alone, _ = response_log_probabilities(demo_model, chosen, batch_size=1)
    together, _ = response_log_probabilities(demo_model, chosen, batch_size=9)
    np.testing.assert_allclose(alone, together, atol=1e-4)


def test_divergence_is_zero_without_a_change_and_grows_with_it(demo_model, demo_tokenizer):
    chosen, _ = encode_pairs(demo_tokenizer, read_pairs(pairs_file())[:3])
    before = response_predictions(demo_model, chosen)
    assert mean_divergence(before, before) == 0
    flatter = (before / 2).log_softmax(-1)
    flattest = (before / 8).log_softmax(-1)
    assert 0 < mean_divergence(before, flatter) < mean_divergence(before, flattest)


def test_more_than_adding_to_every_token_is_not_measured_as_if_it_were(demo_model, demo_tokenizer):
    vector = vector_for(demo_model, operation="project_out")
    with pytest.raises(UsageError, match="operation project_out"):
        compare(demo_model, demo_tokenizer, vector, Problems("one", "test", ("1+1=",), (bool,), 2))
