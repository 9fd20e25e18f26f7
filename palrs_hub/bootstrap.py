"""How sure a difference of two means over the same problems is: a paired bootstrap."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from palrs_hub.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from palrs_hub.moments import Array

    Indices = np.ndarray[Any, np.dtype[np.int64]]

RESAMPLES: Final = 10_000
_CHUNK: Final = 2**22
"""Drawn indices that are held in memory at once."""
CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Interval:
    """A difference and the interval that holds it with some confidence.

    Attributes:
        difference: As observed: the mean of the first scores minus that of the second.
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
    _check(len(first), len(second), confidence, resamples)
    gains = np.asarray(first, dtype=np.int64) - np.asarray(second, dtype=np.int64)
    # Only three values occur, so drawing their counts is drawing the problems.
    worse, better = int((gains < 0).sum()), int((gains > 0).sum())
    shares = np.array([worse, len(gains) - worse - better, better]) / len(gains)
    drawn = np.random.default_rng(seed).multinomial(len(gains), shares, size=resamples)
    difference = (better - worse) / len(gains)
    return _interval((drawn[:, 2] - drawn[:, 0]) / len(gains), difference, confidence)


def paired_mean_difference(
    first: Sequence[float],
    second: Sequence[float],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The same for scores of any value, for instance log-probabilities or a harness's metrics.

    Where every score is 0 or 1 it is ``paired_difference``.

    Args:
        first: The score of each problem, for instance with the steered model.
        second: The same problems in the same order, for instance with the unsteered model.
        confidence: Share of resampled differences within the interval.
        resamples: How often to draw.
        seed: The same seed gives the same interval.

    Raises:
        UsageError: As there.
    """
    if set(first) | set(second) <= {0, 1}:
        return paired_difference(
            [score == 1 for score in first],
            [score == 1 for score in second],
            confidence=confidence,
            resamples=resamples,
            seed=seed,
        )
    _check(len(first), len(second), confidence, resamples)
    gains = np.asarray(first, dtype=np.float64) - np.asarray(second, dtype=np.float64)
    return resampled(
        lambda rows: gains[rows].mean(axis=1),
        len(gains),
        float(gains.mean()),
        confidence=confidence,
        resamples=resamples,
        seed=seed,
    )


def resampled(
    statistic: Callable[[Indices], Array],
    number: int,
    observed: float,
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Interval:
    """The same for any difference that can be computed from drawn problems.

    Args:
        statistic: From indices of problems ``[draws, number]``, the difference in each draw.
        number: Number of problems.
        observed: The difference over all problems, each once.
        confidence: Share of resampled differences within the interval.
        resamples: How often to draw.
        seed: The same seed gives the same interval.
    """
    generator = np.random.default_rng(seed)
    rows = max(1, _CHUNK // number)
    drawn = [
        statistic(generator.integers(number, size=(min(rows, resamples - done), number)))
        for done in range(0, resamples, rows)
    ]
    return _interval(np.concatenate(drawn), observed, confidence)


def _check(first: int, second: int, confidence: float, resamples: int) -> None:
    if not first or first != second:
        raise UsageError(
            "A paired bootstrap needs both outcomes of each of at least one problem; found "
            f"{first} and {second}."
        )
    if not 0 < confidence < 1 or resamples < 1:
        raise UsageError(
            "Expected a confidence between 0 and 1 and at least one resample; found "
            f"{confidence} and {resamples}."
        )


def _interval(drawn: Array, difference: float, confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = (float(end) for end in np.quantile(drawn, [tail, 1 - tail]))
    # Few resamples, or a low confidence, may miss what was observed.
    return Interval(difference, min(low, difference), max(high, difference), confidence)
