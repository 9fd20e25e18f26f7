"""Extraction methods: METHODS is the table, one file a method."""

from typing import Final

from palrs_hub.methods.bipo import BIPO
from palrs_hub.methods.mean_difference import MEAN_DIFFERENCE
from palrs_hub.methods.method import (
    CHOICES,
    AnyMethod,
    Choice,
    Direction,
    Objective,
    ReadMethod,
    Switches,
    TrainedMethod,
    Training,
)
from palrs_hub.methods.palrs import PALRS
from palrs_hub.methods.pca import PCA
from palrs_hub.methods.probe import PROBE

__all__ = [
    "CHOICES",
    "METHODS",
    "AnyMethod",
    "Choice",
    "Direction",
    "Objective",
    "ReadMethod",
    "Switches",
    "TrainedMethod",
    "Training",
]

METHODS: Final[dict[str, AnyMethod]] = {
    method.name: method
    for method in (
        PALRS,
        MEAN_DIFFERENCE,
        PCA,
        PROBE,
        BIPO,
    )
}
