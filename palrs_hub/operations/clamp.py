"""Clamping: whatever stands along the vector is replaced by ``c v``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from palrs_hub.operations.operation import Operation, component_along, unit_of

if TYPE_CHECKING:
    from palrs_hub.operations.operation import Constants


def _constants(vector: torch.Tensor, coefficient: torch.Tensor) -> Constants:
    return unit_of(vector), coefficient * vector


def _apply(hidden: torch.Tensor, unit: torch.Tensor, product: torch.Tensor) -> torch.Tensor:
    before = hidden.to(torch.float32)
    return (before - component_along(before, unit) + product).to(hidden.dtype)


CLAMP = Operation(
    name="clamp",
    formula="h - (h · u) u + c v",
    source="feature clamping, Templeton et al. 2024, Scaling Monosemanticity",
    constants=_constants,
    apply=_apply,
)
