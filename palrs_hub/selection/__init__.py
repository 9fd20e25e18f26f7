"""Selection: position, layer and coefficient, chosen on a validation split and nowhere else."""

from palrs_hub.selection.again import select_coefficient, with_selection
from palrs_hub.selection.choose import STRENGTHS, Selected, select
from palrs_hub.selection.race import PATIENCE

__all__ = ["PATIENCE", "STRENGTHS", "Selected", "select", "select_coefficient", "with_selection"]
