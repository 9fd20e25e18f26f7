"""Projecting out: directional ablation. A coefficient of 1 leaves nothing along the vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from palrs_hub.operations.operation import Operation, component_along, unit_of

if TYPE_CHECKING:
    from palrs_hub.operations.operation import Constants


def _constants(vector: torch.Tensor, coefficient: torch.Tensor) -> Constants:
    return unit_of(vector), coefficient


def _apply(hidden: torch.Tensor, unit: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    before = hidden.to(torch.float32)
    return (before - share * component_along(before, unit)).to(hidden.dtype)


PROJECT_OUT = Operation(
    name="project_out",
    formula="h - c (h · u) u",
    source="directional ablation, Arditi et al. 2024, arXiv 2406.11717, eq. 4",
    constants=_constants,
    apply=_apply,
)
