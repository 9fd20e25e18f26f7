"""Rows of the table: a ratio, the goal it has, and whether it was reached."""

from __future__ import annotations

import json
import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any


def row(
    name: str, ratio: float, goal: float, *, smaller_is_better: bool = True, **facts: object
) -> dict[str, Any]:
    """A row that was measured.

    Args:
        name: What was measured.
        ratio: The measured ratio.
        goal: What it should be at most, or at least.
        smaller_is_better: Whether it is at most.
        facts: What else is worth knowing.
    """
    ratio = round(ratio, 3)
    return {
        "row": name,
        "ratio": ratio,
        "goal": goal,
        "bound": "at most" if smaller_is_better else "at least",
        "reached": ratio <= goal if smaller_is_better else ratio >= goal,
        **facts,
    }


def not_measured(name: str, goal: float, why: str) -> dict[str, Any]:
    """A row that was not measured here."""
    return {"row": name, "ratio": None, "goal": goal, "bound": "at most", "reached": None} | {
        "why": why
    }


def show(line: Mapping[str, Any]) -> None:
    """Print a row."""
    print(json.dumps(line), flush=True)


def in_turns(
    ways: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    clock: Callable[[], float] = time.process_time,
    within: Mapping[str, Callable[[], AbstractContextManager[object]]] | None = None,
) -> dict[str, list[float]]:
    """Seconds of each way in each round, every other round in the opposite order.

    Args:
        ways: What to measure.
        rounds: How often.
        clock: Tells the time.
        within: What a way is run in, outside its time.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(rounds):
        names = list(ways) if number % 2 == 0 else list(reversed(ways))
        for name in names:
            with (within or {}).get(name, nullcontext)():
                start = clock()
                ways[name]()
                seconds[name].append(clock() - start)
    return seconds


def medians(seconds: Mapping[str, list[float]]) -> dict[str, float]:
    """The median of each."""
    return {name: statistics.median(times) for name, times in seconds.items()}


def ratios(seconds: Mapping[str, list[float]], one: str, *others: str) -> list[float]:
    """One way's time by the mean of others' in the same round."""
    by = [statistics.mean(times) for times in zip(*(seconds[name] for name in others), strict=True)]
    return [a / b for a, b in zip(seconds[one], by, strict=True)]


def median_ratio(seconds: Mapping[str, list[float]], one: str, other: str) -> float:
    """The median over the rounds of one way's time by another's in the same round."""
    return statistics.median(ratios(seconds, one, other))


def median_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """The values between which the median lies with some confidence, whatever is distributed how.

    Each value is below the median with a chance of a half, so the number of those that are is
    binomial (the interval of the sign test). Fewer than six values do not tell it to 95 %: then all
    are between.
    """
    ordered, number = sorted(values), len(values)
    outside = 0
    while 2 * sum(math.comb(number, k) for k in range(outside + 1)) <= (1 - confidence) * 2**number:
        outside += 1
    place = max(outside - 1, 0)
    return ordered[place], ordered[-1 - place]
