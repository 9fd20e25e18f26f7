"""What a run writes to its results file, and reads back to draw the page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.alignment.clock import Seconds
from palrs_hub.bootstrap import Interval, paired_difference


@dataclass(frozen=True)
class Measured:
    """What a model did on the test split.

    Attributes:
        solved: By domain, problem by problem in order: "1" solved, "0" not.
        perplexity: Of the guardrail's texts.
    """

    solved: dict[str, str]
    perplexity: float

    def accuracy(self, domain: str) -> float:
        """Share of a domain's problems that were solved."""
        return self.solved[domain].count("1") / len(self.solved[domain])

    def first(self, number: int) -> Measured:
        """The same of the first so many problems."""
        return Measured(
            {name: all_[:number] for name, all_ in self.solved.items()}, self.perplexity
        )

    def beyond(self, other: Measured, domain: str) -> Interval:
        """Its share minus another's on the same problems, with a 95 % interval."""
        first, second = ([mark == "1" for mark in each.solved[domain]] for each in (self, other))
        return paired_difference(first, second)


@dataclass(frozen=True)
class Arm:
    """One way to align a model with a domain's preference, and what came of it.

    Attributes:
        name: What the page calls it.
        kind: ``baseline``, ``steering`` or ``training``.
        domain: Whose pairs it learned from; empty if from none.
        measured: On the test split; several for random directions.
        validation: Accuracy on the validation problems at the chosen settings.
        settings: The chosen settings.
        tried: How many settings answered the validation problems.
        grid: What was tried: settings and their validation accuracy and side effect.
        seconds: Up to the chosen model, every setting that was tried included.
        one_run: Of one extraction, or of one training run at the chosen settings.
        weights_bytes: Of the file of tensors that would be published.
        failed: Why there is no result.
    """

    name: str
    kind: str
    domain: str = ""
    measured: tuple[Measured, ...] = ()
    validation: float | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    tried: int = 0
    grid: tuple[dict[str, Any], ...] = ()
    seconds: Seconds | None = None
    one_run: Seconds | None = None
    weights_bytes: int | None = None
    failed: str = ""

    def accuracy(self, domain: str) -> float:
        """Mean accuracy on a domain's test problems."""
        return sum(each.accuracy(domain) for each in self.measured) / len(self.measured)

    @property
    def perplexity(self) -> float:
        """Mean perplexity of the guardrail's texts."""
        return sum(each.perplexity for each in self.measured) / len(self.measured)


@dataclass(frozen=True)
class Point:
    """One point of an ablation.

    Attributes:
        arm: Which arm.
        domain: Which domain's pairs and problems.
        axis: What was varied: ``pairs``, ``noise``, ``layer`` or ``position``.
        value: What it was.
        accuracies: On the test problems, one for each draw.
    """

    arm: str
    domain: str
    axis: str
    value: float | int | str
    accuracies: tuple[float, ...]


@dataclass(frozen=True)
class WorldResults:
    """Everything that was measured on one model.

    Attributes:
        name: The world's name.
        title: What the page calls it.
        parameters: Of the model.
        domains: Names, in order, with the number of test problems.
        arms: Every arm.
        points: Every point of the ablations.
    """

    name: str
    title: str
    parameters: int
    domains: dict[str, int]
    arms: tuple[Arm, ...]
    points: tuple[Point, ...] = ()

    def arm(self, name: str, domain: str) -> Arm | None:
        """One arm that has a result, or None; baselines that learn nothing belong to each."""
        fitting = (a for a in self.arms if a.name == name and a.domain in ("", domain))
        return next((arm for arm in fitting if not arm.failed), None)


@dataclass(frozen=True)
class Results:
    """A whole run.

    Attributes:
        settings: Sizes, threads and versions.
        worlds: What was measured, model by model.
        skipped: What was not run, and why.
    """

    settings: dict[str, Any]
    worlds: tuple[WorldResults, ...]
    skipped: tuple[str, ...] = ()

    def write(self, path: Path) -> None:
        """Write the results file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_rounded(asdict(self)), indent=1) + "\n", encoding="utf-8")


def read_results(path: Path) -> Results:
    """Read a results file."""
    raw = json.loads(path.read_text(encoding="utf-8"))
    return Results(
        settings=raw["settings"],
        worlds=tuple(_world(world) for world in raw["worlds"]),
        skipped=tuple(raw["skipped"]),
    )


def marks(solved: Sequence[bool]) -> str:
    """Outcomes as they are written."""
    return "".join("1" if each else "0" for each in solved)


def _world(raw: dict[str, Any]) -> WorldResults:
    return WorldResults(
        name=raw["name"],
        title=raw["title"],
        parameters=raw["parameters"],
        domains=raw["domains"],
        arms=tuple(_arm(arm) for arm in raw["arms"]),
        points=tuple(
            Point(**{**point, "accuracies": tuple(point["accuracies"])}) for point in raw["points"]
        ),
    )


def _arm(raw: dict[str, Any]) -> Arm:
    times = {
        name: None if raw[name] is None else Seconds(**raw[name]) for name in ("seconds", "one_run")
    }
    measured = tuple(Measured(**each) for each in raw["measured"])
    return Arm(**{**raw, **times, "measured": measured, "grid": tuple(raw["grid"])})


def _rounded(value: Any) -> Any:  # noqa: ANN401
    """Numbers to six significant digits: the rest is noise that would fill a diff."""
    if isinstance(value, float):
        return float(f"{value:.6g}")
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list | tuple) else value
