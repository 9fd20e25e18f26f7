"""Probe: the weights of a logistic regression that tells chosen from rejected activations.

A regression needs samples, so it is fitted on the bounded number of pairs that ``Moments`` keeps,
evenly spaced over the file (at most 128); the manifest's diagnostics tell how many (``pairs``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from palrs_hub.methods.method import ReadMethod, Switches

if TYPE_CHECKING:
    from palrs_hub.moments import Array, Moments

PENALTY: Final = 1.0
"""L2 penalty on the weights of standardised activations, beside the summed log-loss."""

MAX_STEPS: Final = 100
PRECISION: Final = 1e-10
SMALLEST_SCALE: Final = 1e-3
"""Share of the largest standard deviation that none falls below: rounding is not amplified."""


def probe(chosen: Moments, rejected: Moments) -> Array:
    """Weights of a logistic regression on standardised activations, mapped back to activations.

    Returns:
        Directions of norm 1, ``[positions, layers, hidden]``, along which chosen activations lie
        farther than rejected ones on average; zero where the classes do not differ.
    """
    plus, minus = chosen.samples.astype(np.float64), rejected.samples.astype(np.float64)
    labels = np.repeat([1.0, 0.0], [len(plus), len(minus)])
    found = np.zeros_like(chosen.mean)
    for place in np.ndindex(*found.shape[:2]):
        at = (slice(None), *place)
        found[place] = _direction(np.concatenate([plus[at], minus[at]]), labels)
    return found


def _direction(rows: Array, labels: Array) -> Array:
    """Direction of norm 1 from activations ``[samples, hidden]`` and labels 1 and 0."""
    spread = rows.std(axis=0)
    scale = np.maximum(spread, SMALLEST_SCALE * spread.max())
    scale[scale == 0] = 1
    standard = (rows - rows.mean(axis=0)) / scale
    # The weights are a combination of the samples: solve among these, not among all dimensions.
    left, values, right = np.linalg.svd(standard, full_matrices=False)
    direction: Array = (_fit(left * values, labels) @ right) / scale
    apart = rows[labels == 1].mean(axis=0) - rows[labels == 0].mean(axis=0)
    norm = np.linalg.norm(direction)
    if norm == 0:
        return direction
    return direction / (-norm if direction @ apart < 0 else norm)


def _fit(features: Array, labels: Array) -> Array:
    """Newton's method with step halving on the penalised log-loss; the intercept is not returned.

    Args:
        features: ``[samples, features]``.
        labels: 1 or 0, ``[samples]``.
    """
    design = np.column_stack([features, np.ones(len(labels))])
    penalty = np.full(design.shape[1], PENALTY)
    penalty[-1] = 1e-9  # the intercept is free; this keeps the system solvable
    weights = np.zeros(design.shape[1])
    for _ in range(MAX_STEPS):
        # Half of the hyperbolic tangent: the logistic function without overflow.
        likely = 0.5 + 0.5 * np.tanh(design @ weights / 2)
        slope = design.T @ (likely - labels) + penalty * weights
        curvature = (design.T * (likely * (1 - likely))) @ design + np.diag(penalty)
        step = np.linalg.solve(curvature, slope)
        weights = _descend(design, labels, penalty, weights, step)
        if np.abs(step).max() < PRECISION:
            break
    return weights[:-1]


def _descend(design: Array, labels: Array, penalty: Array, weights: Array, step: Array) -> Array:
    """The longest of a few halvings of a step that does not raise the loss."""

    def loss(at: Array) -> float:
        scores = design @ at
        return float(
            (np.logaddexp(0, scores) - labels * scores).sum() + (penalty * at**2).sum() / 2
        )

    before = loss(weights)
    for halvings in range(20):
        found: Array = weights - step / 2.0**halvings
        if loss(found) <= before:
            return found
    return weights


PROBE: Final = ReadMethod(
    name="probe",
    summary="weights of a logistic regression on (at most 128) pairs' activations, of norm 1",
    source="Alain and Bengio 2016, arXiv 1610.01644; to steer: Li et al. 2023, arXiv 2306.03341",
    preset=Switches(
        input_format="conversation",
        positions="response_mean",
        choice="validation",
        scale="unit_norm",
        drop_last_layers=0.0,
    ),
    direction=probe,
)
