"""The functional fingerprint: tells whether two models compute the same residual stream.

It holds no direction that could be steered with: for each token of a short fixed text the norm of
the residual stream, and its unit vector seen through a fixed random projection of four dimensions.
A random projection keeps distances on average (Johnson and Lindenstrauss 1984), so over fifteen
tokens the distance of two fingerprints estimates that of the full activations.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from palrs_hub.errors import ModelError
from palrs_hub.manifest import Fingerprint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PROBE_TEXT: Final = "Q: 47+85=? The old clock struck nine, and nobody in the quiet house woke up."
PROBE_TOKENS: Final = 15
DIMENSIONS: Final = 4
_SIGNIFICANT_DIGITS: Final = 6

Matrix = np.ndarray[Any, np.dtype[np.float64]]


def projection(hidden_size: int) -> Matrix:
    """The fixed random projection, ``[hidden_size, 4]``, of entries +-1/2.

    Its signs are the bits of SHAKE-256, so that they never depend on a library's generator.
    """
    count = hidden_size * DIMENSIONS
    seed = b"palrs-hub functional fingerprint 1"
    data = np.frombuffer(hashlib.shake_256(seed).digest(math.ceil(count / 8)), dtype=np.uint8)
    signs = np.unpackbits(data)[:count].astype(np.float64) * 2 - 1
    return signs.reshape(hidden_size, DIMENSIONS) / math.sqrt(DIMENSIONS)


def summarise(token_ids: Sequence[int], residuals: Mapping[int, Matrix]) -> Fingerprint:
    """Summarise residual streams, ``{layer: [tokens, hidden]}``, measured on the given tokens.

    Raises:
        ModelError: A residual stream is not finite.
    """
    norms, projections = [], []
    for layer, residual in residuals.items():
        if not np.isfinite(residual).all():
            raise ModelError(
                f"The output of layer {layer} holds NaN or infinite values: load the model in "
                "another dtype (bfloat16 or float32)."
            )
        length = np.linalg.norm(residual, axis=-1)
        unit = residual / np.maximum(length, np.finfo(np.float64).tiny)[:, None]
        norms.append(tuple(_rounded(value) for value in length))
        seen = unit @ projection(residual.shape[-1])
        projections.append(tuple(_rounded(value) for value in seen.ravel()))
    return Fingerprint(
        token_ids=tuple(token_ids),
        layers=tuple(residuals),
        norms=tuple(norms),
        projections=tuple(projections),
    )


def distance(expected: Fingerprint, found: Fingerprint) -> float:
    """How differently two models compute: 0 for the same weights, about 1.4 for unrelated ones.

    For each layer the relative root-mean-square difference of the projections and the mean
    relative difference of the norms, whichever is larger; over the layers the largest.

    Args:
        expected: The manifest's fingerprint.
        found: That of a loaded model, on the same tokens and layers; in a pipeline, on those of
            them that this process computes.
    """
    worst = 0.0
    places = {layer: index for index, layer in enumerate(found.layers)}
    shared = [layer for layer in expected.layers if layer in places]
    if not shared:
        return math.inf
    for layer in shared:
        index = expected.layers.index(layer)
        p = np.array(expected.projections[index])
        q = np.array(found.projections[places[layer]])
        if p.shape != q.shape:
            return math.inf
        n, m = np.array(expected.norms[index]), np.array(found.norms[places[layer]])
        tiny = np.finfo(np.float64).tiny
        with np.errstate(all="ignore"):  # a manifest may state numbers that overflow
            directions = np.linalg.norm(p - q) / max(float(np.linalg.norm(p)), tiny)
            lengths = np.mean(np.abs(n - m) / np.maximum(np.maximum(n, m), tiny))
        if not (math.isfinite(directions) and math.isfinite(lengths)):
            return math.inf
        worst = max(worst, float(directions), float(lengths))
    return worst


def _rounded(value: float) -> float:
    return float(f"{value:.{_SIGNIFICANT_DIGITS}g}")
