"""Measures again what a manifest claims, with the settings that it states.

The settings are a stranger's, but bounded: they choose how often something is run, never what may
be run. The problems themselves are not in a package; a file is the right one if its sha256 is that
which the claim states.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.claims import CheckedNumber, check_claim
from palrs_hub.errors import TaskFileError, UsageError
from palrs_hub.experiment import Experiment
from palrs_hub.harness import KIND as HARNESS
from palrs_hub.harness import HarnessTasks, load_tasks, measure_with_harness
from palrs_hub.measured import NEUTRAL
from palrs_hub.side_effects import measure_side_effects
from palrs_hub.tasks import TASKS
from palrs_hub.tasks.measure import measure_problems
from palrs_hub.tasks.read import read_problems, sha256_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from palrs_hub.evidence import Evaluation, Settings
    from palrs_hub.manifest import Manifest
    from palrs_hub.measured import Measured
    from palrs_hub.vector import SteeringVector

DTYPES: Final = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Sources:
    """What may be used to measure again.

    Attributes:
        files: Files of problems and of neutral text, in any order.
        harness: Names of the harness's tasks to measure again; empty for all, None for none.
        harness_folder: More task files for the harness.
        allow_code_execution: Let tasks run what the model writes.
    """

    files: tuple[Path, ...] = ()
    harness: tuple[str, ...] | None = None
    harness_folder: Path | None = None
    allow_code_execution: bool = False


@dataclass(frozen=True)
class Again:
    """Claims that one run measures again.

    Attributes:
        claims: They share all settings but the hash and the version of their data.
        settings: Those settings.
        file: The file that they were measured on; None with the harness.
        sources: What may be used.
    """

    claims: tuple[Evaluation, ...]
    settings: Settings
    file: Path | None
    sources: Sources

    @property
    def dtype(self) -> str | None:
        """Floating-point type to load the model in; None if it was not reported."""
        return self.settings.dtype


@dataclass(frozen=True)
class CheckedClaim:
    """A claim, number by number."""

    claim: Evaluation
    numbers: tuple[CheckedNumber, ...]


@dataclass(frozen=True)
class NotMeasured:
    """A claim that is not measured again, and why."""

    claim: Evaluation
    reason: str


def plan_verification(
    manifest: Manifest, sources: Sources
) -> tuple[tuple[Again, ...], tuple[NotMeasured, ...]]:
    """Sort a manifest's claims into those that can be measured again and those that cannot.

    Raises:
        UsageError: None can; or a file is none that the manifest was measured on.
        TaskFileError: A file cannot be read.
    """
    files = {sha256_of(file): file for file in sources.files}
    groups: dict[tuple[Settings, str], list[Evaluation]] = defaultdict(list)
    left_out: list[NotMeasured] = []
    for claim in manifest.evaluations:
        reason = _why_not(claim, files, sources)
        if reason is None and claim.settings is not None:
            groups[_shared(claim, claim.settings)].append(claim)
        else:
            left_out.append(NotMeasured(claim, reason or ""))
    _check_files(manifest, files)
    runs = tuple(
        Again(tuple(claims), settings, files.get(settings.data_sha256 or ""), sources)
        for (settings, _), claims in groups.items()
    )
    if not runs:
        reasons = "; ".join(f"{each.claim.task}: {each.reason}" for each in left_out[:5])
        raise UsageError(
            f"Nothing that {manifest.name!r} claims can be measured again: "
            f"{reasons or 'it claims nothing'}."
        )
    return runs, tuple(left_out)


def measure_again(
    again: Again,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    vector: SteeringVector,
    *,
    tolerance: float = 0.0,
    progress: bool = False,
) -> tuple[CheckedClaim, ...]:
    """Measure claims again and compare every number.

    Args:
        again: From ``plan_verification``.
        model: The vector's model, in the claims' floating-point type.
        tokenizer: Its tokenizer.
        vector: The vector.
        tolerance: Largest difference that still holds; see ``check_claim``.
        progress: Show a progress bar.

    Raises:
        TaskFileError: The harness has other data than the claim was measured on.
        PalrsHubError: As the measurement itself.
    """
    stated = again.settings
    reported = {
        "random_directions": stated.random_directions,
        "seed": stated.seed,
        "batch_size": stated.batch_size,
    }
    known: dict[str, Any] = {key: value for key, value in reported.items() if value is not None}
    experiment = Experiment(
        model, tokenizer, vector, instruction=stated.instruction, progress=progress, **known
    )
    found = {(m.task, m.metric): m for m in _measure(again, experiment)}
    return tuple(_checked(claim, found, tolerance) for claim in again.claims)


def _measure(again: Again, experiment: Experiment) -> Sequence[Measured]:
    claim, settings = again.claims[0], again.settings
    if again.file is None:
        asked = HarnessTasks(
            names=tuple(dict.fromkeys(claim.task for claim in again.claims)),
            folder=again.sources.harness_folder,
            limit=settings.limit,
            few_shot=settings.few_shot,
            max_new_tokens=settings.max_new_tokens,
            allow_code_execution=again.sources.allow_code_execution,
        )
        return measure_with_harness(experiment, load_tasks(asked))
    named: dict[str, Any] = {
        "name": claim.task,
        "split": claim.split,
        "limit": settings.limit,
    }
    if settings.kind == NEUTRAL:
        return measure_side_effects(experiment, again.file, **named)
    task = TASKS[settings.kind]
    problems = read_problems(
        task,
        again.file,
        max_new_tokens=settings.max_new_tokens,
        allow_code_execution=again.sources.allow_code_execution,
        **named,
    )
    return [measure_problems(experiment, task, problems, again.file, limit=settings.limit)]


def _checked(
    claim: Evaluation, found: dict[tuple[str, str], Measured], tolerance: float
) -> CheckedClaim:
    measured = found.get((claim.task, claim.metric))
    if measured is None:
        raise TaskFileError(
            f"{claim.task} reports no {claim.metric} any more; it reports: "
            f"{', '.join(metric for task, metric in found if task == claim.task) or 'nothing'}."
        )
    if (data := _data_of(claim)) not in (None, measured.settings.data_sha256):
        raise TaskFileError(
            f"The harness has other data for {claim.task} (sha256 {measured.settings.data_sha256}) "
            f"than the claim was measured on ({data}). Use the same version of the data set."
        )
    return CheckedClaim(claim, check_claim(claim, measured, tolerance=tolerance))


def _why_not(claim: Evaluation, files: dict[str, Path], sources: Sources) -> str | None:
    """Why a claim cannot be measured again; None if it can."""
    settings = claim.settings
    if settings is None:
        return "the manifest does not say how it was measured"
    if settings.dtype not in (None, *DTYPES):
        return f"it was measured with weights in {settings.dtype}, which is not known here"
    if settings.kind == HARNESS:
        asked = sources.harness is not None and claim.task in (sources.harness or (claim.task,))
        return None if asked else f"give --harness {claim.task} to measure it again"
    if settings.kind != NEUTRAL and settings.kind not in TASKS:
        return f"this palrs-hub knows no kind of measurement called {settings.kind!r}"
    if settings.data_sha256 is None:
        return "the manifest does not say which file it was measured on"
    if settings.data_sha256 not in files:
        return f"give the file with the sha256 {settings.data_sha256}"
    return None


def _check_files(manifest: Manifest, files: dict[str, Path]) -> None:
    claimed = {_data_of(claim) for claim in manifest.evaluations}
    for sha256, file in files.items():
        if sha256 not in claimed:
            known = [f"{c.task}: {_data_of(c)}" for c in manifest.evaluations if _data_of(c)]
            raise UsageError(
                f"{file} is no file that {manifest.name!r} was measured on: its sha256 is {sha256};"
                f" the manifest states {'; '.join(known) or 'none'}. Give the very same file."
            )


def _shared(claim: Evaluation, settings: Settings) -> tuple[Settings, str]:
    """What claims that one run measures have in common."""
    if settings.kind == HARNESS:
        return settings.model_copy(update={"data_sha256": None, "version": None}), ""
    return settings, f"{claim.split}\n{claim.task}"


def _data_of(claim: Evaluation) -> str | None:
    return claim.settings.data_sha256 if claim.settings else None
