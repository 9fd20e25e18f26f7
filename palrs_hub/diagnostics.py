"""How promising each candidate is, before anything is generated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from palrs_hub.evidence import LayerDiagnostics

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.moments import Array, Moments

_TINY = float(np.finfo(np.float64).tiny)


def diagnose(
    chosen: Moments,
    rejected: Moments,
    candidates: Array,
    positions: Sequence[str],
    layers: Sequence[int],
) -> tuple[LayerDiagnostics, ...]:
    """Diagnose every candidate.

    The cosine of each pair's difference to the mean difference and the separation of the classes
    along the candidate predict whether steering will work (Braun et al. 2025); they are measured
    on a bounded number of pairs, all else on all of them.

    Args:
        chosen: Activations of the chosen responses.
        rejected: Activations of the rejected responses.
        candidates: Directions of any length, ``[positions, layers, hidden]``.
        positions: Names of the read positions.
        layers: The layers that were read.
    """
    return tuple(
        _diagnose_one(chosen, rejected, candidates[p, k], (p, k), position, layer)
        for p, position in enumerate(positions)
        for k, layer in enumerate(layers)
    )


def _diagnose_one(
    chosen: Moments,
    rejected: Moments,
    candidate: Array,
    place: tuple[int, int],
    position: str,
    layer: int,
) -> LayerDiagnostics:
    p, k = place
    difference = chosen.mean[p, k] - rejected.mean[p, k]
    plus = chosen.samples[:, p, k].astype(np.float64)
    minus = rejected.samples[:, p, k].astype(np.float64)
    cosines = [_cosine(row, difference) for row in plus - minus]
    return LayerDiagnostics(
        position=position,
        layer=layer,
        difference_norm=float(np.linalg.norm(difference)),
        mean_chosen_norm=float(np.linalg.norm(chosen.mean[p, k])),
        cosine_mean=float(np.mean(cosines)),
        cosine_std=float(np.std(cosines)),
        separation=_separation(plus @ candidate, minus @ candidate),
        alignment=_cosine(candidate, chosen.mean[p, k]),
        pairs=len(cosines),
    )


def _cosine(left: Array, right: Array) -> float:
    norms = float(np.linalg.norm(left) * np.linalg.norm(right))
    return float(left @ right) / max(norms, _TINY)


def _separation(plus: Array, minus: Array) -> float:
    """Difference of the means in pooled standard deviations; 0 where nothing varies."""
    pooled = float(np.sqrt((plus.var() + minus.var()) / 2))
    return float(plus.mean() - minus.mean()) / pooled if pooled > _TINY else 0.0
