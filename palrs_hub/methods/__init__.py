"""Extraction methods: METHODS is the table, one file a method."""

from typing import Final

from palrs_hub.methods.mean_difference import MEAN_DIFFERENCE
from palrs_hub.methods.method import CHOICES, Choice, Direction, Method, Switches
from palrs_hub.methods.palrs import PALRS
from palrs_hub.methods.pca import PCA
from palrs_hub.methods.probe import PROBE

__all__ = ["CHOICES", "METHODS", "Choice", "Direction", "Method", "Switches"]

METHODS: Final[dict[str, Method]] = {
    method.name: method
    for method in (
        PALRS,
        MEAN_DIFFERENCE,
        PCA,
        PROBE,
    )
}
