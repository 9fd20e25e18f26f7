"""PCA: the direction along which the activations of a pair differ most.

Differences are not centred: each pair counts in both orders, as in the reading of representations,
where the order is drawn at random. Components need samples, so they are those of the bounded number
of pairs that ``Moments`` keeps, evenly spaced over the file (at most 128); the manifest's
diagnostics tell how many (``pairs``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from palrs_hub.methods.method import ReadMethod, Switches

if TYPE_CHECKING:
    from palrs_hub.moments import Array, Moments


def first_component(chosen: Moments, rejected: Moments) -> Array:
    """First principal component of the kept pairs' differences, for each position and layer.

    Returns:
        Directions of norm 1, ``[positions, layers, hidden]``, that point from the mean rejected to
        the mean chosen activation; zero where no pair differs.
    """
    differences = chosen.samples.astype(np.float64) - rejected.samples.astype(np.float64)
    means = chosen.mean - rejected.mean
    found = np.zeros_like(means)
    for place in np.ndindex(*means.shape[:2]):
        component = _component(differences[(slice(None), *place)])
        found[place] = -component if component @ means[place] < 0 else component
    return found


def _component(rows: Array) -> Array:
    """First right singular vector of ``[pairs, hidden]``, by way of the smaller matrix of pairs."""
    _, vectors = np.linalg.eigh(rows @ rows.T)
    component: Array = vectors[:, -1] @ rows
    norm = np.linalg.norm(component)
    return component / norm if norm > 0 else component


PCA: Final = ReadMethod(
    name="pca",
    summary="first principal component of the differences of (at most 128) pairs, of norm 1",
    source="Zou et al. 2023, arXiv 2310.01405",
    preset=Switches(
        input_format="conversation",
        positions="last",
        choice="validation",
        scale="unit_norm",
        drop_last_layers=0.0,
    ),
    direction=first_component,
)
