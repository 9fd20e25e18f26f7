"""Adding: the operation of PaLRS and of most steering vectors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.operations.operation import Operation

if TYPE_CHECKING:
    import torch

    from palrs_hub.operations.operation import Constants


def _constants(vector: torch.Tensor, coefficient: torch.Tensor) -> Constants:
    return (coefficient * vector,)


def _apply(hidden: torch.Tensor, product: torch.Tensor) -> torch.Tensor:
    return hidden + product


ADD = Operation(
    name="add",
    formula="h + c v",
    source="Turner et al. 2023, arXiv 2308.10248; PaLRS, arXiv 2509.23982",
    constants=_constants,
    apply=_apply,
    in_model_dtype=True,
)
