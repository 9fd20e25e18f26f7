"""Whether two ways of computing the same activations agree."""

from __future__ import annotations

from typing import Final

import torch

from palrs_hub.errors import ModelError

TOLERANCES: Final = {torch.float32: 1e-4, torch.float64: 1e-8}
"""Relative difference of an activation that is rounding."""

HALF_TOLERANCE: Final = 3e-2
"""The same in float16 and bfloat16."""

# What a model may raise, in any way, when it is asked in a way that it does not know.
REFUSALS: Final = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, ModelError),
    *(NotImplementedError, RuntimeError, TypeError, ValueError),
)


def tolerance_of(model: torch.nn.Module) -> float:
    """Relative difference of this model's activations that is rounding."""
    dtype = model.get_input_embeddings().weight.dtype  # type: ignore[operator]
    return TOLERANCES.get(dtype, HALF_TOLERANCE)


def agree(found: torch.Tensor, expected: torch.Tensor, tolerance: float) -> bool:
    """Whether every activation ``[..., hidden]`` is the expected one, and none is NaN."""
    found, expected = found.double(), expected.double()
    difference = (found - expected).norm(dim=-1)
    return bool((difference <= tolerance * expected.norm(dim=-1)).all())
