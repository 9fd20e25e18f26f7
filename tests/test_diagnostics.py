"""Diagnostics, against numbers that were worked out by hand."""

import math

import numpy as np
import pytest

from palrs_hub.diagnostics import diagnose
from palrs_hub.methods import METHODS
from palrs_hub.moments import Moments


def moments(*samples):
    """Activations of one read position and one layer; the mean is that of these samples."""
    rows = np.array(samples, dtype=np.float32)[:, None, None, :]
    return Moments(count=len(rows), mean=rows.mean(axis=0, dtype=np.float64), samples=rows)


def diagnose_one(chosen, rejected, candidate=None):
    if candidate is None:
        candidate = (chosen.mean - rejected.mean)[0, 0]
    candidates = np.array(candidate, dtype=np.float64)[None, None]
    (row,) = diagnose(chosen, rejected, candidates, ["last"], [5])
    return row


def test_pairs_that_all_agree_have_cosine_one():
    row = diagnose_one(moments((2, 1), (2, 3)), moments((0, 1), (0, 3)))
    assert (row.cosine_mean, row.cosine_std) == (1.0, 0.0)
    assert row.difference_norm == 2.0


def test_cosines_of_each_pair_to_the_mean_difference():
    # Differences (1, 0) and (0, 1): both at 45 degrees to their mean (1/2, 1/2).
    row = diagnose_one(moments((1, 0), (0, 1)), moments((0, 0), (0, 0)))
    assert row.cosine_mean == pytest.approx(math.sqrt(0.5))
    assert row.cosine_std == pytest.approx(0, abs=1e-7)
    assert row.difference_norm == pytest.approx(math.sqrt(0.5))
    assert row.pairs == 2


def test_the_spread_of_the_cosines():
    # Differences (3, 0) and (-1, 0); their mean (1, 0) lies along one and against the other.
    row = diagnose_one(moments((3, 0), (-1, 0)), moments((0, 0), (0, 0)))
    assert (row.cosine_mean, row.cosine_std) == (0.0, 1.0)


def test_separation_in_pooled_standard_deviations():
    # Along (1, 0): chosen 4 and 6 (mean 5, variance 1), rejected 0 and 2 (mean 1, variance 1).
    row = diagnose_one(moments((4, 0), (6, 0)), moments((0, 9), (2, 9)), candidate=(1, 0))
    assert row.separation == 4.0


def test_separation_pools_both_variances():
    # Variances 1 and 9: the pooled deviation is the root of their mean, 5.
    row = diagnose_one(moments((4, 0), (6, 0)), moments((-3, 0), (3, 0)), candidate=(1, 0))
    assert row.separation == pytest.approx(5 / math.sqrt(5))


@pytest.mark.parametrize("length", [0.001, 1, 1000])
def test_a_candidates_length_changes_nothing(length):
    chosen, rejected = moments((4, 1), (6, 2)), moments((0, 1), (2, -3))
    reference = diagnose_one(chosen, rejected, candidate=(0.6, 0.8))
    scaled = diagnose_one(chosen, rejected, candidate=(0.6 * length, 0.8 * length))
    assert scaled.separation == pytest.approx(reference.separation)
    assert scaled.alignment == pytest.approx(reference.alignment)


def test_alignment_with_the_mean_chosen_activation():
    # Mean chosen (3, 4), of norm 5: its cosine to (1, 0) is 3/5.
    row = diagnose_one(moments((3, 3), (3, 5)), moments((0, 0), (0, 1)), candidate=(1, 0))
    assert row.alignment == pytest.approx(0.6)
    assert row.mean_chosen_norm == pytest.approx(5)


def test_a_candidate_against_the_mean_chosen_activation_has_negative_alignment():
    row = diagnose_one(moments((3, 4)), moments((0, 0)), candidate=(-3, -4))
    assert row.alignment == pytest.approx(-1)


def test_where_nothing_varies_nothing_is_nan():
    row = diagnose_one(moments((1, 1), (1, 1)), moments((1, 1), (1, 1)))
    assert (row.difference_norm, row.cosine_mean, row.separation, row.alignment) == (0, 0, 0, 0)


def test_every_position_and_layer_has_its_row():
    shape = (6, 2, 3, 4)  # samples, positions, layers, hidden
    generator = np.random.default_rng(0)
    samples = [generator.standard_normal(shape, dtype=np.float32) for _ in range(2)]
    chosen, rejected = (Moments(6, s.mean(axis=0, dtype=np.float64), s) for s in samples)
    candidates = METHODS["mean_difference"].direction(chosen, rejected)
    rows = diagnose(chosen, rejected, candidates, ["-2", "-1"], [4, 7, 9])
    assert [(row.position, row.layer) for row in rows] == [
        ("-2", 4),
        ("-2", 7),
        ("-2", 9),
        ("-1", 4),
        ("-1", 7),
        ("-1", 9),
    ]
    for index, row in enumerate(rows):
        p, k = divmod(index, 3)
        assert row.difference_norm == pytest.approx(np.linalg.norm(candidates[p, k]))
        assert row.mean_chosen_norm == pytest.approx(np.linalg.norm(chosen.mean[p, k]))


def test_norms_are_of_all_samples_though_cosines_are_of_few():
    few = np.array([[[[1.0, 0.0]]]], dtype=np.float32)
    chosen = Moments(count=1000, mean=np.array([[[3.0, 4.0]]]), samples=few)
    rejected = Moments(count=1000, mean=np.array([[[0.0, 0.0]]]), samples=np.zeros_like(few))
    row = diagnose_one(chosen, rejected)
    assert (row.difference_norm, row.pairs) == (5.0, 1)
    assert row.cosine_mean == pytest.approx(0.6)
