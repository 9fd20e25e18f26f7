"""The paired bootstrap: what holds for all outcomes, and what must be refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from palrs_hub.bootstrap import paired_difference, paired_mean_difference
from palrs_hub.errors import UsageError

pairs_of_outcomes = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)
seeds = st.integers(0, 2**32 - 1)


def interval_of(outcomes, **options):
    first, second = zip(*outcomes, strict=True)
    return paired_difference(first, second, resamples=500, **options)


@given(pairs_of_outcomes, seeds, st.floats(0.01, 0.99))
def test_the_interval_contains_the_observed_difference(outcomes, seed, confidence):
    found = interval_of(outcomes, seed=seed, confidence=confidence)
    observed = np.mean([a - b for a, b in outcomes])
    assert found.difference == pytest.approx(observed)
    assert -1 <= found.low <= found.difference <= found.high <= 1
    assert found.excludes_zero == (found.low > 0 or found.high < 0)


@given(pairs_of_outcomes, seeds)
def test_the_same_seed_gives_the_same_interval(outcomes, seed):
    assert interval_of(outcomes, seed=seed) == interval_of(outcomes, seed=seed)


@given(pairs_of_outcomes, seeds, st.randoms())
def test_the_order_of_the_problems_does_not_matter(outcomes, seed, random):
    mixed = list(outcomes)
    random.shuffle(mixed)
    assert interval_of(mixed, seed=seed) == interval_of(outcomes, seed=seed)


@given(st.lists(st.booleans(), min_size=1, max_size=60), seeds)
def test_equal_outcomes_differ_by_nothing(outcomes, seed):
    found = paired_difference(outcomes, outcomes, seed=seed)
    assert (found.difference, found.low, found.high) == (0, 0, 0)
    assert not found.excludes_zero


@given(st.integers(1, 60), seeds)
def test_opposite_outcomes_have_no_spread(number, seed):
    found = paired_difference([True] * number, [False] * number, seed=seed)
    assert (found.difference, found.low, found.high) == (1, 1, 1)
    swapped = paired_difference([False] * number, [True] * number, seed=seed)
    assert (swapped.difference, swapped.low, swapped.high) == (-1, -1, -1)


@given(pairs_of_outcomes, seeds)
def test_more_confidence_is_wider(outcomes, seed):
    narrow = interval_of(outcomes, seed=seed, confidence=0.5)
    wide = interval_of(outcomes, seed=seed, confidence=0.95)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


def test_the_width_is_that_of_the_normal_approximation():
    first = [True] * 600 + [False] * 400
    second = [True] * 450 + [False] * 500 + [True] * 50
    found = paired_difference(first, second)
    gains = np.array(first, dtype=float) - np.array(second, dtype=float)
    half = 1.96 * gains.std() / np.sqrt(len(gains))
    assert found.low == pytest.approx(gains.mean() - half, abs=0.003)
    assert found.high == pytest.approx(gains.mean() + half, abs=0.003)
    assert found.excludes_zero


def test_it_covers_the_truth_about_as_often_as_it_says():
    source = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        first, second = source.random(150) < 0.6, source.random(150) < 0.5
        found = paired_difference(first.tolist(), second.tolist(), resamples=1000, seed=trial)
        covered += found.low <= 0.1 <= found.high
    assert 180 <= covered <= 199


@pytest.mark.parametrize(
    ("first", "second", "options"),
    [
        ([], [], {}),
        ([True], [True, False], {}),
        ([True], [True], {"confidence": 1.0}),
        ([True], [True], {"confidence": float("nan")}),
        ([True], [True], {"resamples": 0}),
    ],
)
def test_what_cannot_be_resampled_is_refused(first, second, options):
    with pytest.raises(UsageError):
        paired_difference(first, second, **options)


def test_scores_of_zero_and_one_are_outcomes():
    first, second = [1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 0.0]
    outcomes = paired_difference([s == 1 for s in first], [s == 1 for s in second])
    assert paired_mean_difference(first, second) == outcomes


def test_any_scores_have_the_width_of_the_normal_approximation():
    source = np.random.default_rng(0)
    second = source.standard_normal(500)
    first = second + 0.2 + 0.5 * source.standard_normal(500)
    found = paired_mean_difference(first.tolist(), second.tolist(), resamples=4000)
    gains = first - second
    half = 1.96 * gains.std() / np.sqrt(len(gains))
    assert found.difference == pytest.approx(gains.mean())
    assert found.low == pytest.approx(gains.mean() - half, abs=0.003)
    assert found.high == pytest.approx(gains.mean() + half, abs=0.003)


def test_scores_that_do_not_pair_are_refused():
    with pytest.raises(UsageError):
        paired_mean_difference([0.5], [0.5, 0.7])
