"""The functional fingerprint: near for the same weights, far for others, and fixed for ever."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palrs_hub.compatibility import RELATED_MODEL, SAME_MODEL, SAME_WEIGHTS
from palrs_hub.errors import ModelError
from palrs_hub.fingerprint import DIMENSIONS, PROBE_TOKENS, distance, projection, summarise
from palrs_hub.manifest import Fingerprint

HIDDEN = 256
TOKENS = tuple(range(PROBE_TOKENS))


def activations(seed=0, *, layers=(1, 4), hidden=HIDDEN, tokens=PROBE_TOKENS):
    generator = np.random.default_rng(seed)
    return {layer: generator.standard_normal((tokens, hidden)) for layer in layers}


def noisy(residuals, amount, seed=1):
    """Activations with noise of so many times their own length."""
    generator = np.random.default_rng(seed)
    return {
        layer: residual + amount * generator.standard_normal(residual.shape)
        for layer, residual in residuals.items()
    }


def fingerprint(residuals):
    return summarise(TOKENS, residuals)


# The projection can never change: fingerprints in published manifests depend on it.


@pytest.mark.parametrize(
    ("hidden_size", "sha256"),
    [
        (8, "71978ac46df6cf6c7970f160eb0856508d3c4cf91da8e607e29b970593c80131"),
        (64, "823d83b32fec99ab1eb5201729aa545c87160a8963f06e38aea7f904b7f5bb31"),
        (4096, "f57f168e14f6d05e5f3320a114c7f610fa6878161c618a6d94b2817152868ae8"),
    ],
)
def test_the_projection_never_changes(hidden_size, sha256):
    matrix = projection(hidden_size)
    assert matrix.shape == (hidden_size, DIMENSIONS)
    assert hashlib.sha256(matrix.astype("<f8").tobytes()).hexdigest() == sha256


def test_the_projection_is_of_signs_and_about_balanced():
    matrix = projection(4096)
    assert set(np.unique(matrix)) == {-0.5, 0.5}
    assert abs(matrix.mean()) < 0.02
    gram = matrix.T @ matrix / 4096
    np.testing.assert_allclose(gram, np.eye(DIMENSIONS) / DIMENSIONS, atol=0.02)


# What it holds.


def test_it_holds_norms_and_projected_unit_vectors():
    residuals = {3: np.array([[3.0, 4.0], [0.0, 2.0]])}
    found = summarise((7, 9), residuals)
    unit = np.array([[0.6, 0.8], [0.0, 1.0]])
    assert (found.token_ids, found.layers, found.norms) == ((7, 9), (3,), ((5.0, 2.0),))
    assert found.projections[0] == pytest.approx((unit @ projection(2)).ravel())


def test_numbers_have_six_digits():
    found = fingerprint(activations())
    numbers = [x for row in (*found.norms, *found.projections) for x in row]
    assert all(number == float(f"{number:.6g}") for number in numbers)
    assert distance(found, fingerprint({k: v * (1 + 1e-9) for k, v in activations().items()})) == 0


def test_a_token_without_activation_is_no_obstacle():
    residuals = activations()
    residuals[1][0] = 0
    found = fingerprint(residuals)
    assert found.norms[0][0] == 0
    assert distance(found, found) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_activations_that_are_not_finite_are_the_models_fault(value):
    residuals = activations()
    residuals[4][3, 5] = value  # as float16 gives when it overflows
    with pytest.raises(ModelError, match="layer 4"):
        fingerprint(residuals)


# The distance.


def test_a_model_is_at_no_distance_from_itself():
    assert distance(fingerprint(activations()), fingerprint(activations())) == 0


def test_unrelated_activations_are_about_the_root_of_two_apart():
    apart = [
        distance(fingerprint(activations(seed)), fingerprint(activations(seed + 1000)))
        for seed in range(40)
    ]
    assert np.mean(apart) == pytest.approx(math.sqrt(2), abs=0.15)
    assert min(apart) > RELATED_MODEL


def test_the_distance_grows_with_the_noise():
    clean = fingerprint(activations())
    amounts = [0.003, 0.01, 0.03, 0.1, 0.3, 1.0]
    apart = [distance(clean, fingerprint(noisy(activations(), amount))) for amount in amounts]
    assert apart == sorted(apart)
    # As large as the noise itself, as long as that is small.
    assert apart[:4] == pytest.approx(amounts[:4], rel=0.35)


def test_half_precision_is_the_same_weights():
    residuals = activations()
    half = {k: v.astype(np.float16).astype(np.float64) for k, v in residuals.items()}
    assert distance(fingerprint(residuals), fingerprint(half)) < SAME_WEIGHTS


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.25, 2.0, 10.0])
def test_other_lengths_alone_are_a_distance(factor):
    scaled = {layer: residual * factor for layer, residual in activations().items()}
    expected = 1 - min(factor, 1 / factor)
    assert distance(fingerprint(activations()), fingerprint(scaled)) == pytest.approx(
        expected, abs=1e-5
    )


def test_the_worst_layer_counts():
    residuals = activations()
    other = {**residuals, 4: activations(seed=5)[4]}
    apart = distance(fingerprint(residuals), fingerprint(other))
    assert apart == distance(fingerprint({4: residuals[4]}), fingerprint({4: other[4]}))
    assert apart > RELATED_MODEL


def test_layers_are_compared_by_number_and_not_by_place():
    residuals = activations()
    backwards = dict(reversed(residuals.items()))
    assert distance(fingerprint(residuals), fingerprint(backwards)) == 0


def test_more_layers_than_asked_for_do_not_matter():
    residuals = activations()
    assert distance(fingerprint({1: residuals[1]}), fingerprint(residuals)) == 0


@settings(deadline=None)
@given(st.integers(0, 2**32), st.floats(0.001, 2))
def test_the_distance_is_about_symmetric(seed, amount):
    left, right = activations(seed), noisy(activations(seed), amount, seed=seed + 1)
    there = distance(fingerprint(left), fingerprint(right))
    back = distance(fingerprint(right), fingerprint(left))
    assert there == pytest.approx(back, rel=0.4)


def test_the_order_of_norm_between_sizes_of_change_is_that_of_the_thresholds():
    assert 0 < SAME_WEIGHTS < SAME_MODEL < RELATED_MODEL < math.sqrt(2)


# A manifest may say anything; the answer is never "the same" by accident.


def stated(**changes):
    """What a manifest might say: the fingerprint of the activations, with changes."""
    return Fingerprint(**{**fingerprint(activations()).model_dump(), **changes})


@pytest.mark.parametrize("number", [1e155, 1e200, 1.7e308, -1e200])
def test_numbers_that_overflow_are_never_the_same_weights(number):
    width = PROBE_TOKENS * DIMENSIONS
    with np.errstate(over="ignore", invalid="ignore"):
        apart = distance(stated(projections=((number,) * width,) * 2), stated())
    assert apart > RELATED_MODEL


@pytest.mark.parametrize("number", [0.0, -1.0, 1e308, -1e308])
def test_absurd_norms_are_never_the_same_weights(number):
    with np.errstate(over="ignore", invalid="ignore"):
        apart = distance(stated(norms=((number,) * PROBE_TOKENS,) * 2), stated())
    assert apart > RELATED_MODEL


@pytest.mark.parametrize("width", [0, PROBE_TOKENS, 2 * PROBE_TOKENS, 64 * PROBE_TOKENS])
def test_projections_of_another_width_are_infinitely_far(width):
    assert distance(stated(projections=((0.5,) * width,) * 2), stated()) == math.inf
