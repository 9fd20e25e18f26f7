"""One metric of one task, measured on every arm of a comparison, and what is made of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from pydantic import ValidationError

from palrs_hub.bootstrap import Interval, paired_mean_difference
from palrs_hub.errors import UsageError
from palrs_hub.evidence import Evaluation, Gain, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

UNSTEERED: Final = "unsteered"
STEERED: Final = "steered"
PROMPTED: Final = "prompted"
NEGATED: Final = "negated"
RANDOM: Final = "random "
NEUTRAL: Final = "neutral text"
"""Kind of the measurements to which the prompt baseline does not apply."""
DIVERGENCE: Final = "kl"
"""The metric of neutral text that is measured from the unsteered model, which has none itself."""
SHARES: Final = ("accuracy", "pass@1", "refused")
"""Metrics that are shares of problems, shown in percent."""

Scores = tuple[float, ...]


@dataclass(frozen=True)
class Measured:
    """One metric of one task on every arm that was run.

    Attributes:
        task: What was run.
        metric: Name of the metric.
        split: Which split the problems are.
        samples: Number of problems.
        higher_is_better: Which way is up.
        values: Arm to value: ``unsteered``, ``steered``, ``prompted`` if it was run, ``negated``,
            ``random 1`` and so on. An arm that a metric says nothing of is absent.
        settings: What it was measured with.
        scores: Arm to the score of each problem, where the metric is their mean; else empty.
        beyond: Arm to its value minus the unsteered model's, with a 95 % interval.
        standard_error: Of the steered value, by the tool that measured it.
    """

    task: str
    metric: str
    split: str
    samples: int
    higher_is_better: bool
    values: Mapping[str, float]
    settings: Settings
    scores: Mapping[str, Scores] = field(default_factory=dict)
    beyond: Mapping[str, Interval] = field(default_factory=dict)
    standard_error: float | None = None

    @property
    def noun(self) -> str:
        """What the samples are."""
        return "texts" if self.settings.kind == NEUTRAL else "problems"

    @property
    def random_each(self) -> tuple[float, ...]:
        """With random directions of the same norm, one each."""
        return tuple(value for arm, value in self.values.items() if arm.startswith(RANDOM))

    @property
    def worse(self) -> float | None:
        """Share of problems that the steered model does worse on; None without their scores."""
        if not {STEERED, UNSTEERED} <= set(self.scores):
            return None
        change = np.subtract(self.scores[STEERED], self.scores[UNSTEERED])
        return float(np.mean(change < 0 if self.higher_is_better else change > 0))

    @property
    def baselines(self) -> dict[str, float]:
        """What stands beside the steered value; of the random directions, mean and spread."""
        named = {arm: self.values[arm] for arm in (UNSTEERED,) if arm in self.values}
        if each := self.random_each:
            summary = {"mean": float(np.mean(each)), "lowest": min(each), "highest": max(each)}
            named |= {
                f"random directions ({name} of {len(each)})": value
                for name, value in summary.items()
            }
        return named | {a: self.values[a] for a in (NEGATED, PROMPTED) if a in self.values}

    def evaluation(self) -> Evaluation:
        """The same as a manifest keeps it.

        Raises:
            UsageError: A name cannot stand in a manifest, or a number is not finite.
        """
        gain = self.beyond.get(STEERED)
        try:
            return Evaluation(
                task=self.task,
                metric=self.metric,
                split=self.split,
                samples=self.samples,
                value=self.values[STEERED],
                higher_is_better=self.higher_is_better,
                baselines=self.baselines,
                gain=None if gain is None else Gain(**asdict(gain)),
                worse=self.worse,
                standard_error=self.standard_error,
                settings=self.settings,
            )
        except ValidationError as error:
            wrong = ", ".join(".".join(map(str, fault["loc"])) for fault in error.errors()[:5])
            raise UsageError(
                "Expected a name and a split of one printable line each, at most 256 characters, "
                f"and finite numbers; found otherwise: {wrong} of {self.task!r:.80}, "
                f"{self.metric!r:.80} on {self.split!r:.80}."
            ) from error

    def as_json(self) -> dict[str, Any]:
        """The arms for machines."""
        return {
            arm: {
                "value": value,
                "beyond_unsteered": asdict(self.beyond[arm]) if arm in self.beyond else None,
                "scores": list(self.scores[arm]) if arm in self.scores else None,
            }
            for arm, value in self.values.items()
        }

    def rows(self) -> list[tuple[str, str, str]]:
        """Name, value and difference of each arm, for people; the random ones in one row."""
        rows = [
            (arm, self._shown(value), self._difference(self.beyond.get(arm)))
            for arm, value in self.values.items()
            if not arm.startswith(RANDOM)
        ]
        if PROMPTED not in self.values and self.settings.kind != NEUTRAL:
            rows.append((PROMPTED, "not run", "give --instruction TEXT to run this baseline"))
        if each := self.random_each:
            spread = f"{self._shown(min(each))} to {self._shown(max(each))}"
            value = f"{self._shown(float(np.mean(each)))} ({spread})"
            rows.append((f"{len(each)} random directions of the same norm", value, ""))
        if self.worse is not None:
            rows.append(("made worse by steering", f"{self.worse:.1%}", "of the problems"))
        return rows

    def _shown(self, value: float) -> str:
        return f"{value:.1%}" if self.metric in SHARES else f"{value:.4g}"

    def _difference(self, interval: Interval | None) -> str:
        if interval is None:
            return ""
        form = "+.1%" if self.metric in SHARES else "+.4g"
        low, high = format(interval.low, form), format(interval.high, form)
        return f"{interval.difference:{form}} ({low} to {high})"


def measured_by_scores(
    scores: Mapping[str, Sequence[float]],
    *,
    task: str,
    metric: str,
    split: str,
    settings: Settings,
    higher_is_better: bool = True,
    standard_error: float | None = None,
) -> Measured:
    """A metric that is the mean of the problems' scores, with paired bootstrap intervals."""
    exact = {arm: tuple(float(score) for score in each) for arm, each in scores.items()}
    return Measured(
        task=task,
        metric=metric,
        split=split,
        samples=len(exact[STEERED]),
        higher_is_better=higher_is_better,
        values={arm: float(np.mean(each)) for arm, each in exact.items()},
        settings=settings,
        scores=exact,
        beyond={
            arm: paired_mean_difference(each, exact[UNSTEERED])
            for arm, each in exact.items()
            if arm != UNSTEERED
        },
        standard_error=standard_error,
    )


def is_divergence(evaluation: Evaluation) -> bool:
    """Whether it tells how far from the unsteered model it is: that model is no baseline of it."""
    settings = evaluation.settings
    return bool(settings and settings.kind == NEUTRAL and evaluation.metric == DIVERGENCE)
