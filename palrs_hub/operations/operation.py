"""What a row of OPERATIONS states."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

Constants = tuple[torch.Tensor, ...]
"""What an operation needs of a vector and its coefficient, computed once for many tokens."""


@dataclass(frozen=True)
class Operation:
    """One way to change the residual stream ``h`` with a vector ``v`` and a coefficient ``c``.

    Attributes:
        name: As the manifest names it.
        formula: What becomes of ``h``; ``u = v / ‖v‖``.
        source: The paper that it follows.
        constants: From ``v``, float64 ``[..., hidden]``, and ``c``, float64 that broadcasts to it.
        apply: From ``h``, ``[batch, tokens, hidden]`` in the model's dtype, and the constants,
            which broadcast to it, to the new ``h``, in the same dtype.
        in_model_dtype: Whether the constants are rounded to the model's dtype. Otherwise they stay
            float32 and so does the arithmetic; the result alone is rounded.
    """

    name: str
    formula: str
    source: str
    constants: Callable[[torch.Tensor, torch.Tensor], Constants]
    apply: Callable[..., torch.Tensor]
    in_model_dtype: bool = False


def unit_of(vector: torch.Tensor) -> torch.Tensor:
    """The vector at norm 1."""
    unit: torch.Tensor = vector / vector.norm(dim=-1, keepdim=True)
    return unit


def component_along(hidden: torch.Tensor, unit: torch.Tensor) -> torch.Tensor:
    """The part of the residual stream along a unit vector, ``[batch, tokens, hidden]``."""
    along: torch.Tensor = (hidden * unit).sum(dim=-1, keepdim=True) * unit
    return along
