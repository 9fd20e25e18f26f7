"""How sure a difference of two shares of solved problems is: a paired bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from palrs_hub.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

RESAMPLES: Final = 10_000
CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Interval:
    """A difference and the interval that holds it with some confidence.

    Attributes:
        difference: As observed: the mean of the first outcomes minus that of the second.
        low: Lower end.
        high: Upper end.
        confidence: For instance 0.95.
    """

    difference: float
    low: float
    high: float
    confidence: float

    @property
    def excludes_zero(self) -> bool:
        """Whether chance in the choice of problems does not explain the difference."""
        return self.low > 0 or self.high < 0


def paired_difference(
    first: Sequence[bool],
    second: Sequence[bool],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap over problems of the difference of two shares (Efron 1979).

    Problems are drawn with replacement and both outcomes of a problem stay together, so that a
    problem that is hard for both does not widen the interval. It speaks of the choice of problems
    alone, and with a handful of them it is too narrow. Where no problem's outcomes differ, or all
    differ alike, the interval has no width: the problems say nothing of their spread.

    Args:
        first: Whether each problem was solved, for instance by the steered model.
        second: The same problems in the same order, for instance by the unsteered model.
        confidence: Share of resampled differences within the interval.
        resamples: How often to draw.
        seed: The same seed gives the same interval.

    Raises:
        UsageError: There are no problems, not the same number of both, or no such confidence.
    """
    if not first or len(first) != len(second):
        raise UsageError(
            "A paired bootstrap needs both outcomes of each of at least one problem; found "
            f"{len(first)} and {len(second)}."
        )
    if not 0 < confidence < 1 or resamples < 1:
        raise UsageError(
            "Expected a confidence between 0 and 1 and at least one resample; found "
            f"{confidence} and {resamples}."
        )
    gains = np.asarray(first, dtype=np.int64) - np.asarray(second, dtype=np.int64)
    # Only three values occur, so drawing their counts is drawing the problems.
    worse, better = int((gains < 0).sum()), int((gains > 0).sum())
    shares = np.array([worse, len(gains) - worse - better, better]) / len(gains)
    drawn = np.random.default_rng(seed).multinomial(len(gains), shares, size=resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile((drawn[:, 2] - drawn[:, 0]) / len(gains), [tail, 1 - tail])
    difference = (better - worse) / len(gains)
    # Few resamples, or a low confidence, may miss what was observed.
    return Interval(
        difference, min(float(low), difference), max(float(high), difference), confidence
    )
