"""Doubts about coefficients: beyond what validation found to help, or beyond all proportion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from palrs_hub.compatibility import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from palrs_hub.intervention import Intervention
    from palrs_hub.manifest import Manifest
    from palrs_hub.steer.rows import Doses
    from palrs_hub.vector import SteeringVector

_BY_LENGTH: Final = ("add", "norm_preserving_add", "clamp")


def strength_findings(number: int, vector: SteeringVector, given: Doses) -> tuple[Finding, ...]:
    """Warnings about a vector's coefficients, each intervention's worst.

    Args:
        number: Which of the attached vectors it is, from 0.
        vector: The vector.
        given: The coefficients of all vectors.
    """
    return tuple(_findings(number, vector, given))


def _findings(number: int, vector: SteeringVector, given: Doses) -> Iterator[Finding]:
    for index, change in enumerate(vector.manifest.interventions):
        used = given.used(number, index)
        if used and change.coefficient_range is not None:
            yield from _beyond_range(change.coefficient_range, used)
        if used and change.operation in _BY_LENGTH:
            yield from _too_long(vector, change, max(used, key=abs))


def _beyond_range(known: tuple[float, float], used: Sequence[float]) -> Iterator[Finding]:
    low, high = known
    if outside := [value for value in used if not low <= value <= high]:
        yield Finding(
            "coefficient_range",
            "warning",
            f"a coefficient from {low:g} to {high:g}, where validation found it to help",
            f"{max(outside, key=abs):g}",
            "Beyond that the model may break: measure it.",
        )


def _too_long(vector: SteeringVector, change: Intervention, value: float) -> Iterator[Finding]:
    length = abs(value) * float(np.linalg.norm(vector.arrays[change.tensor].astype(np.float64)))
    usual = _usual_norm(vector.manifest, change.layer)
    if length > usual:
        yield Finding(
            "strength",
            "warning",
            f"a vector that is shorter, times its coefficient, than what it steers, whose norm at "
            f"layer {change.layer} is {usual:.3g} in the mean",
            f"{length:.3g} with the coefficient {value:g}",
            "It drowns what the model computes: lower the coefficient, or measure it.",
        )


def _usual_norm(manifest: Manifest, layer: int) -> float:
    fingerprint = manifest.base_model.fingerprint
    return float(np.mean(fingerprint.norms[fingerprint.layers.index(layer)]))
