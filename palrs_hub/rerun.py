"""Runs the evaluations of a registry's entry again, and compares them with what is claimed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from palrs_hub.compatibility import Finding
from palrs_hub.errors import PalrsHubError, RegistryError
from palrs_hub.evaluate import compare
from palrs_hub.loading import load_model_and_tokenizer
from palrs_hub.tasks import TASKS
from palrs_hub.tasks.claims import check_claim, check_samples, claims_of, random_directions_of
from palrs_hub.tasks.read import read_problems
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from palrs_hub.evidence import Evaluation
    from palrs_hub.registry import Record
    from palrs_hub.registry.entry import Rerun
    from palrs_hub.tasks.claims import CheckedNumber

_RANDOM_DIRECTIONS = 4


@dataclass(frozen=True)
class Rerunned:
    """One claim, and every number of it measured again."""

    claim: Evaluation
    numbers: tuple[CheckedNumber, ...]


def rerun(record: Record, *, progress: bool = False) -> tuple[Rerunned, ...]:
    """Run an entry's evaluations again, on its own model and problems.

    Args:
        record: The entry.
        progress: Show progress bars.

    Raises:
        PalrsHubError: Vector, model or problems cannot be had.
    """
    entry = record.entry
    source, base = entry.source, entry.base_model
    vector = (
        SteeringVector.load(record.inside(source.path))
        if source.path
        else SteeringVector.from_pretrained(str(source))
    )
    name = str(record.inside(base.path)) if base.path else str(base.repo)
    model, tokenizer = load_model_and_tokenizer(name, revision=base.commit)
    done = []
    for wanted in entry.evidence.reruns:
        for claim, problems in _claims(record, vector, wanted):
            number = random_directions_of(claim) or _RANDOM_DIRECTIONS
            measured = compare(
                *(model, tokenizer, vector, problems), random_directions=number, progress=progress
            )
            numbers = check_claim(claim, measured, tolerance=wanted.tolerance)
            done.append(Rerunned(claim, numbers))
    return tuple(done)


def findings(record: Record, *, progress: bool = False) -> tuple[Finding, ...]:
    """The same as findings: an error for each number that does not hold."""
    if not record.entry.evidence.reruns:
        return (
            Finding(
                *("rerun", "note", "an evaluation that can be run again", "none named"),
                "Name one under evidence.reruns, with its problems beside.",
            ),
        )
    try:
        done = rerun(record, progress=progress)
    except PalrsHubError as error:
        advice = "Correct evidence.reruns, or make model and vector available."
        return (Finding("rerun", "error", "an evaluation to run again", str(error), advice),)
    return tuple(
        _differs(again.claim, number)
        for again in done
        for number in again.numbers
        if number.holds is False
    )


def _claims(record: Record, vector: SteeringVector, wanted: Rerun) -> list[tuple[Evaluation, Any]]:
    task = TASKS.get(wanted.task)
    if task is None or task.runs_code:
        # What a model writes is not run because a file from a pull request says so.
        raise RegistryError(f"The task {wanted.task!r} is not one that is run again here.")
    runs = []
    for claim in claims_of(vector.manifest, wanted.name, task.metric):
        problems = read_problems(
            task,
            record.inside(f"{record.evidence_folder}/{wanted.file}"),
            name=wanted.name,
            split=claim.split,
            limit=claim.samples,
            max_new_tokens=wanted.max_new_tokens,
        )
        check_samples(claim, problems)
        runs.append((claim, problems))
    return runs


def _differs(claim: Evaluation, number: CheckedNumber) -> Finding:
    return Finding(
        "rerun",
        "error",
        f"{claim.metric} {number.claimed:.4f} ({number.name}) on {claim.task!r}",
        f"{number.found:.4f}",
        "The claim does not hold on this machine; allow a tolerance, or correct the verdict.",
    )
