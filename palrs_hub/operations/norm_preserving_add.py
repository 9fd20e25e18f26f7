"""Adding, and then scaling back: the direction turns, the length stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from palrs_hub.operations.operation import Operation

if TYPE_CHECKING:
    from palrs_hub.operations.operation import Constants


def _constants(vector: torch.Tensor, coefficient: torch.Tensor) -> Constants:
    return (coefficient * vector,)


def _apply(hidden: torch.Tensor, product: torch.Tensor) -> torch.Tensor:
    before = hidden.to(torch.float32)
    moved = before + product
    # Where the vector cancels the state to zero, there is no direction to scale: it stays zero.
    length = moved.norm(dim=-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    turned: torch.Tensor = moved / length * before.norm(dim=-1, keepdim=True)
    return turned.to(hidden.dtype)


NORM_PRESERVING_ADD = Operation(
    name="norm_preserving_add",
    formula="(h + c v) ‖h‖ / ‖h + c v‖",
    source="the normalised control of repeng, github.com/vgel/repeng",
    constants=_constants,
    apply=_apply,
)
