"""Conditions: which rows are steered, decided on their prompts (CAST, Lee et al. 2024).

A row's gate opens where ``|cos(h, c)|`` is above, or below, a threshold; ``h`` is the mean over the
prompt's tokens of the residual stream at the condition's layer. The paper's equation is
``sim(h, proj_c h)``, which is that; its code's further tanh is not applied. It stays as it is for
all that is generated after the prompt.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from palrs_hub.errors import SteeringError

if TYPE_CHECKING:
    from palrs_hub.intervention import Condition
    from palrs_hub.steer.tokens import Tokens


class Gate:
    """One condition at work: read at its layer, asked at the layers that it rules."""

    def __init__(self, condition: Condition, vector: torch.Tensor, tokens: Tokens) -> None:
        self.condition = condition
        self._unit = (vector / vector.norm()).to(torch.float32)
        self._tokens = tokens
        self._open: torch.Tensor | None = None
        self._round = -1

    def read(self, hidden: torch.Tensor) -> None:
        """Decide on the rows, if this forward pass holds their prompts."""
        read = self._tokens.is_read
        if read is None:
            return
        weights = read.to(hidden.device, torch.float32).unsqueeze(-1)
        # Padding that attends to nothing may be NaN, and 0 * NaN would spread it.
        states = hidden.to(torch.float32).masked_fill(weights == 0, 0)
        mean = states.sum(dim=1)  # the cosine does not depend on the number
        along = (mean @ self._unit.to(hidden.device)).abs()
        similarity = along / mean.norm(dim=-1).clamp_min(torch.finfo(torch.float32).tiny)
        above = similarity > self.condition.threshold
        decided = above if self.condition.comparison == "above" else ~above
        if self._open is not None and self._open.shape == decided.shape:
            self._open.copy_(decided)
        else:
            self._open = decided
        self._round = self._tokens.round

    def rows(self, hidden: torch.Tensor) -> torch.Tensor:
        """Which rows of a batch are steered, bool ``[batch, 1, 1]``."""
        number = hidden.shape[0]
        if self._open is None or self._round != self._tokens.round or number % len(self._open):
            raise SteeringError(
                "A condition was not read before it was needed: the prompt did not pass through "
                f"layer {self.condition.layer} with this batch. Generate from the prompt on."
            )
        found = self._open.to(hidden.device).repeat_interleave(number // len(self._open), dim=0)
        return found[:, None, None]
