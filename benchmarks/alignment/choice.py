"""The rule by which a training run's settings are chosen: selection's rule for vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from palrs_hub.evidence import MAX_SIDE_EFFECT

PATIENCE: Final = 2


@dataclass(frozen=True)
class Check:
    """A training run judged on the validation split on its way.

    Attributes:
        rate: Its learning rate.
        passes: Passes over the pairs so far.
        accuracy: On the validation problems.
        side_effect: Mean divergence of the predictions on the neutral texts, in nats per token.
    """

    rate: float
    passes: int
    accuracy: float
    side_effect: float

    @property
    def harmless(self) -> bool:
        """Whether it keeps the bound that a vector's cells must keep."""
        return self.side_effect <= MAX_SIDE_EFFECT


def choose(checks: Sequence[Check]) -> Check:
    """Of the harmless the most accurate, of equals the one that changes least.

    Where none is harmless, of all of them: a trained arm always has a result.
    """
    allowed = [check for check in checks if check.harmless] or checks
    return max(allowed, key=lambda check: (check.accuracy, -check.side_effect))


def is_hopeless(run: Sequence[Check]) -> bool:
    """Whether a run may stop: its last checks were all harmful, or worse than one before."""
    best = max(check.accuracy for check in run)
    last = run[-PATIENCE:]
    return len(last) == PATIENCE and all(
        not check.harmless or check.accuracy < best for check in last
    )
