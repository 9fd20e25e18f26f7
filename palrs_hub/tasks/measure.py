"""Measures a vector on a file of problems, on every arm, into what a manifest keeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from palrs_hub.evaluate import solve_each
from palrs_hub.measured import Measured, measured_by_scores
from palrs_hub.tasks.read import sha256_of

if TYPE_CHECKING:
    import os

    from palrs_hub.evaluate import Problems
    from palrs_hub.experiment import Experiment
    from palrs_hub.tasks.task import Task


def measure_problems(
    experiment: Experiment,
    task: Task,
    problems: Problems,
    file: str | os.PathLike[str],
    *,
    limit: int | None = None,
) -> Measured:
    """Measure the share of solved problems on every arm.

    Args:
        experiment: The vector on its model.
        task: The kind of problem.
        problems: The problems, as ``read_problems`` reads them from the file.
        file: The file: its hash goes into the settings.
        limit: With how many at most they were read.
    """
    settings = experiment.settings(task.name).model_copy(
        update={
            "data_sha256": sha256_of(Path(file)),
            "limit": limit,
            "max_new_tokens": problems.max_new_tokens,
        }
    )
    return measured_by_scores(
        solve_each(experiment, problems),
        task=problems.name,
        metric=task.metric,
        split=problems.split,
        settings=settings,
    )
