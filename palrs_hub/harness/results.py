"""Reads what the harness returns: metrics, standard errors, and the score of each logged sample."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.measured import STEERED, Measured, measured_by_scores

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from palrs_hub.evidence import Settings
    from palrs_hub.harness.load import Foreign
    from palrs_hub.measured import Scores

_NO_FILTER: Final = "none"


@dataclass(frozen=True)
class Results:
    """What the harness returns of one arm."""

    raw: Mapping[str, Any]

    def reported(self, names: Sequence[str], manager: Foreign) -> list[str]:
        """Tasks and groups that have numbers of their own, in the order in which they were asked.

        A group without a number is replaced by its members, a tag by its tasks.
        """
        reported: list[str] = []
        for name in names:
            if name in self.raw["results"] and self.metrics(name):
                reported.append(name)
            elif members := self.raw["group_subtasks"].get(name):
                reported += self.reported(members, manager)
            else:
                reported += sorted(manager.task_index[name].tags & set(self.raw["results"]))
        return list(dict.fromkeys(reported))

    def metrics(self, name: str) -> dict[tuple[str, str], float]:
        """(metric, filter) to the value, standard errors left out."""
        numbers = {}
        for key, value in self.raw["results"][name].items():
            metric, found, filter_name = key.partition(",")
            if found and not metric.endswith("_stderr"):
                numbers[metric, filter_name] = float(value)
        return numbers

    def standard_error(self, name: str, metric: str, filter_name: str) -> float | None:
        """The harness's own; None where it has none."""
        value = self.raw["results"][name].get(f"{metric}_stderr,{filter_name}")
        return float(value) if isinstance(value, float) and math.isfinite(value) else None

    def samples(self, name: str) -> list[Mapping[str, Any]]:
        """Logged samples of a task, or of all of a group's together."""
        if name in self.raw["samples"]:
            return list(self.raw["samples"][name])
        members = self.raw["group_subtasks"].get(name, ())
        return [sample for member in members for sample in self.samples(member)]

    def scores(self, name: str, metric: str, filter_name: str) -> Scores:
        """The score of each problem; empty where the metric is not the mean of such scores."""
        logged = [s for s in self.samples(name) if s["filter"] == filter_name and metric in s]
        numbers = (int, float)
        if not logged or not all(isinstance(sample[metric], numbers) for sample in logged):
            return ()
        scores = tuple(float(sample[metric]) for sample in logged)
        claimed = self.metrics(name)[metric, filter_name]
        return scores if abs(sum(scores) / len(scores) - claimed) < 1e-9 else ()

    def data_sha256(self, name: str) -> str:
        """Hash of the documents' and the answers' hashes: the same data, the same hash."""
        logged = ("".join((s["doc_hash"], s["target_hash"])) for s in self.samples(name))
        return hashlib.sha256("\n".join(logged).encode()).hexdigest()

    def version(self, name: str) -> str:
        """Version of the harness and of the task's file, which may change what is asked."""
        task = self.raw["versions"].get(name)
        harness = f"lm-eval {importlib.metadata.version('lm_eval')}"
        return harness if task is None else f"{harness}, task version {task}"


def measured_of(name: str, found: Mapping[str, Results], settings: Settings) -> Iterator[Measured]:
    """One for each metric of a task or group whose direction the task states.

    Args:
        name: The task or group.
        found: The harness's results by arm.
        settings: What all tasks of this run share.
    """
    steered = found[STEERED]
    directions = steered.raw["higher_is_better"].get(name) or {}
    own = {"data_sha256": steered.data_sha256(name), "version": steered.version(name)}
    for metric, filter_name in steered.metrics(name):
        if directions.get(metric) is None:
            continue
        facts: dict[str, Any] = {
            "task": name,
            "metric": metric if filter_name == _NO_FILTER else f"{metric} ({filter_name})",
            "split": _split(steered, name),
            "settings": settings.model_copy(update=own),
            "higher_is_better": directions[metric],
            "standard_error": steered.standard_error(name, metric, filter_name),
        }
        scores = {arm: each.scores(name, metric, filter_name) for arm, each in found.items()}
        if all(scores.values()):
            yield measured_by_scores(scores, **facts)
        else:
            values = {arm: each.metrics(name)[metric, filter_name] for arm, each in found.items()}
            samples = len({(s["doc_id"], s["doc_hash"]) for s in steered.samples(name)})
            yield Measured(values=values, samples=samples, **facts)


def _split(results: Results, name: str) -> str:
    """Which split the harness reads: a task's test split, else its validation split."""
    if members := results.raw["group_subtasks"].get(name):
        splits = dict.fromkeys(_split(results, member) for member in members)
        return ", ".join(splits)[:256]
    configuration = results.raw["configs"].get(name, {})
    known = (configuration.get(key) for key in ("test_split", "validation_split"))
    return next((str(split) for split in known if split), "training")
