"""Every method that reads activations finds a direction that was planted in synthetic ones."""

import numpy as np
import pytest

from palrs_hub.methods import METHODS, ReadMethod
from palrs_hub.methods.probe import PENALTY, _direction
from palrs_hub.moments import Moments

HIDDEN = 24
READ = [name for name, method in METHODS.items() if isinstance(method, ReadMethod)]


def moments(samples):
    rows = np.asarray(samples, dtype=np.float32)
    return Moments(count=len(rows), mean=rows.mean(axis=0, dtype=np.float64), samples=rows)


def cosine(left, right):
    return float(left @ right / np.linalg.norm(left) / np.linalg.norm(right))


@pytest.fixture(scope="module")
def planted():
    """Two positions, three layers; another direction in each place, and the same pairs' noise."""
    generator = np.random.default_rng(7)
    direction = generator.standard_normal((2, 3, HIDDEN))
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    common = generator.standard_normal((128, 2, 3, HIDDEN)) + 5
    noise = 0.3 * generator.standard_normal((2, 128, 2, 3, HIDDEN))
    chosen = common + 1.5 * direction + noise[0]
    rejected = common - 1.5 * direction + noise[1]
    return direction, moments(chosen), moments(rejected)


@pytest.mark.parametrize("method", READ)
def test_the_planted_direction_is_found_in_every_place(method, planted):
    direction, chosen, rejected = planted
    found = METHODS[method].direction(chosen, rejected)
    assert found.shape == direction.shape
    assert found.dtype == np.float64
    for place in np.ndindex(2, 3):
        assert cosine(found[place], direction[place]) > (0.9 if method == "probe" else 0.98)


@pytest.mark.parametrize("method", READ)
def test_swapping_the_classes_turns_the_direction_round(method, planted):
    _, chosen, rejected = planted
    there = METHODS[method].direction(chosen, rejected)
    back = METHODS[method].direction(rejected, chosen)
    np.testing.assert_allclose(there, -back, atol=1e-6)


@pytest.mark.parametrize("method", READ)
def test_where_the_classes_do_not_differ_there_is_no_direction(method, planted):
    _, chosen, _ = planted
    same = METHODS[method].direction(chosen, chosen)
    assert np.abs(same).max() < 1e-9 or method == "probe"
    constant = moments(np.ones((4, 1, 1, HIDDEN)))
    assert not METHODS[method].direction(constant, constant).any()


def test_pca_takes_the_component_and_not_the_mean():
    # Differences (3, 1) and (-2.9, 1): the mean is nearly (0, 1), the component nearly (1, 0).
    chosen = moments([[[[3.0, 1.0]]], [[[-2.9, 1.0]]]])
    rejected = moments(np.zeros((2, 1, 1, 2)))
    (component,) = METHODS["pca"].direction(chosen, rejected)[0]
    assert np.linalg.norm(component) == pytest.approx(1)
    assert component[0] > 0.99  # its sign is that of the mean difference, (0.05, 1)


def test_the_probes_weights_are_the_optimum_of_the_penalised_loss():
    generator = np.random.default_rng(3)
    labels = np.repeat([1.0, 0.0], 30)
    rows = generator.standard_normal((60, 5)) * [1, 10, 0.1, 1, 1] + labels[:, None] * 0.7
    standard = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    weights, intercept = np.zeros(5), 0.0
    for _ in range(20_000):  # plain gradient descent, for the same loss
        residual = 1 / (1 + np.exp(-(standard @ weights + intercept))) - labels
        weights = weights - 0.02 * (standard.T @ residual + PENALTY * weights)
        intercept -= 0.02 * residual.sum()
    expected = weights / rows.std(axis=0)
    found = _direction(rows, labels)
    assert cosine(found, expected) == pytest.approx(1, abs=1e-9)
    assert np.linalg.norm(found) == pytest.approx(1)


def test_a_probe_on_more_dimensions_than_samples_separates_its_samples():
    generator = np.random.default_rng(5)
    chosen = moments(generator.standard_normal((8, 1, 1, 400)))
    rejected = moments(generator.standard_normal((8, 1, 1, 400)))
    (direction,) = METHODS["probe"].direction(chosen, rejected)[0]
    plus, minus = chosen.samples[:, 0, 0] @ direction, rejected.samples[:, 0, 0] @ direction
    assert plus.min() > minus.max()


def test_the_probe_does_not_magnify_what_is_almost_constant():
    generator = np.random.default_rng(11)
    rows = generator.standard_normal((2, 64, 1, 1, 6))
    rows[0, ..., 0] += 2
    rows[..., 5] = 1e-7 * generator.standard_normal((2, 64, 1, 1))
    (direction,) = METHODS["probe"].direction(moments(rows[0]), moments(rows[1]))[0]
    assert abs(direction[5]) < 0.1
    assert direction[0] > 0.9
