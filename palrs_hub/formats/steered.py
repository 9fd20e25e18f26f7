"""What an export writes of a vector: one direction and one coefficient for each layer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from palrs_hub.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palrs_hub.formats.format import Array
    from palrs_hub.vector import SteeringVector


def steered_layers(vector: SteeringVector, *, fold: bool) -> dict[int, tuple[Array, float]]:
    """Directions and coefficients by layer, in order.

    Args:
        vector: The vector.
        fold: Multiply each direction by its coefficient, which then is 1.

    Raises:
        UsageError: Two interventions steer one layer, or one does more than adding to every token:
            other tools cannot say that.
    """
    refuse_beyond_adding(vector)
    found: dict[int, tuple[Array, float]] = {}
    for change in sorted(vector.manifest.interventions, key=lambda change: change.layer):
        if change.layer in found:
            raise UsageError(
                f"This vector steers layer {change.layer} twice; other tools' files hold one "
                "direction for a layer. Export is not possible."
            )
        array = vector.arrays[change.tensor]
        found[change.layer] = (
            (_multiplied(array, change.coefficient), 1.0) if fold else (array, change.coefficient)
        )
    return found


def refuse_beyond_adding(vector: SteeringVector) -> None:
    """Refuse what no other format or engine can carry out: anything but adding to every token.

    Raises:
        UsageError: An intervention is of another operation, on some tokens only, or conditional.
    """
    for change in vector.manifest.interventions:
        if beyond := change.beyond_adding:
            raise UsageError(
                f"This vector asks at layer {change.layer} for {beyond}. Other formats and engines "
                "can only add to every token: exported, it would steer otherwise than it says. "
                "Use it with palrs-hub and transformers."
            )


def one_coefficient(layers: Mapping[int, tuple[Array, float]]) -> float:
    """The coefficient that all layers share.

    Raises:
        UsageError: They have different ones, and the format has one for all.
    """
    different = sorted({coefficient for _, coefficient in layers.values()})
    if len(different) > 1:
        raise UsageError(
            f"The layers of this vector have different coefficients ({different[0]:g} to "
            f"{different[-1]:g}), and this format has one for all. Fold them in: `--fold`."
        )
    return different[0]


def one_direction(layers: Mapping[int, tuple[Array, float]]) -> tuple[int, Array, float]:
    """Layer, direction and coefficient of a vector that steers one layer.

    Raises:
        UsageError: It steers several.
    """
    if len(layers) != 1:
        raise UsageError(
            f"This vector steers {len(layers)} layers; this format holds one direction. Export to "
            "gguf or lm-eval."
        )
    ((layer, (array, coefficient)),) = layers.items()
    return layer, array, coefficient


def _multiplied(array: Array, coefficient: float) -> Array:
    with np.errstate(over="ignore"):
        folded: Array = (array.astype(np.float64) * coefficient).astype(np.float32)
    if not np.isfinite(folded).all() or not folded.any():
        raise UsageError(f"Folding in the coefficient {coefficient:g} leaves no usable direction.")
    return folded
