"""What a manifest claims of a task: made from a comparison, and checked against another one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import ValidationError

from palrs_hub.errors import UsageError
from palrs_hub.evidence import Evaluation
from palrs_hub.manifest import MANIFEST_FILE
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.evaluate import Comparison, Problems
    from palrs_hub.manifest import Manifest

STEERED: Final = "steered"
_RANDOM: Final = re.compile(r"random directions \((mean|highest) of ([1-9][0-9]?)\)")
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class CheckedNumber:
    """One number that a manifest claims, and what was measured again.

    Attributes:
        name: ``steered`` for the evaluation's value, else the name of the baseline.
        claimed: What the manifest says.
        found: What was measured; None if it could not be measured again.
        holds: Whether they agree; None if it could not be measured again.
    """

    name: str
    claimed: float
    found: float | None
    holds: bool | None

    def row(self) -> tuple[str, str, str, str]:
        """The same for people."""
        found = "not measured" if self.found is None else f"{self.found:.4f}"
        verdict = {True: "yes", False: "NO", None: "not checked"}[self.holds]
        return self.name, f"{self.claimed:.4f}", found, verdict


def evaluation_of(problems: Problems, metric: str, comparison: Comparison) -> Evaluation:
    """A comparison as a manifest keeps it.

    Raises:
        UsageError: The problems' name or split cannot stand in a manifest.
    """
    try:
        return Evaluation(
            task=problems.name,
            metric=metric,
            split=problems.split,
            samples=len(problems.prompts),
            value=comparison.steered,
            higher_is_better=True,
            baselines=_baselines(comparison),
        )
    except ValidationError as error:
        raise UsageError(
            "Expected a name and a split of one printable line each, at most 256 characters; "
            f"found {problems.name!r:.80} and {problems.split!r:.80}."
        ) from error


def with_evaluation(vector: SteeringVector, evaluation: Evaluation) -> SteeringVector:
    """A vector whose manifest holds an evaluation, in the place of one of the same kind.

    Of the same kind are those of the same task, metric and split.
    """
    kept = list(vector.manifest.evaluations)
    kinds = [_kind(known) for known in kept]
    if _kind(evaluation) in kinds:
        kept[kinds.index(_kind(evaluation))] = evaluation
    else:
        kept.append(evaluation)
    manifest = vector.manifest.model_copy(update={"evaluations": tuple(kept)})
    return SteeringVector.build(manifest, vector.arrays)


def refuse_another_vector(folder: Path, vector: SteeringVector) -> None:
    """Let a folder be written unless it holds another vector.

    Raises:
        UsageError: It does.
        PackageError: It holds one that cannot be read.
    """
    if not (folder / MANIFEST_FILE).exists():
        return
    there = SteeringVector.load(folder).manifest
    if there.tensors.sha256 != vector.manifest.tensors.sha256:
        raise UsageError(f"{folder} holds another vector, {there.name!r}. Choose another folder.")


def claims_of(
    manifest: Manifest, task: str, metric: str, split: str | None = None
) -> tuple[Evaluation, ...]:
    """The evaluations that a manifest claims for a task, on one split or on any.

    Raises:
        UsageError: There are none.
    """
    found = tuple(
        claim
        for claim in manifest.evaluations
        if (claim.task, claim.metric) == (task, metric) and split in (None, claim.split)
    )
    if not found:
        known = [f"{c.task} ({c.metric}, {c.split})" for c in manifest.evaluations]
        raise UsageError(
            f"{manifest.name!r} claims no {metric} for {task!r}"
            f"{f' on {split!r}' if split else ''}; it claims: {'; '.join(known) or 'nothing'}. "
            "Choose with --task, --name and --split."
        )
    return found


def check_samples(claim: Evaluation, problems: Problems) -> None:
    """Check that there are as many problems as a claim was measured on.

    Raises:
        UsageError: There are not.
    """
    if len(problems.prompts) != claim.samples:
        raise UsageError(
            f"The manifest claims {claim.metric} on {claim.samples} problems; the file has "
            f"{len(problems.prompts)}. Give the file that it was measured on."
        )


def random_directions_of(claim: Evaluation) -> int | None:
    """How many random directions a claim was measured with; None if it does not tell."""
    known = [int(found[2]) for name in claim.baselines if (found := _RANDOM.fullmatch(name))]
    return max(known, default=None)


def check_claim(
    claim: Evaluation, comparison: Comparison, *, tolerance: float = 0.0
) -> tuple[CheckedNumber, ...]:
    """Compare what a manifest claims with what was measured again.

    Args:
        claim: The manifest's evaluation.
        comparison: The same problems, with as many random directions.
        tolerance: Largest difference that still holds; 0 asks for as many problems solved.
    """
    measured = {STEERED: comparison.steered, **_baselines(comparison)}
    claimed = {STEERED: claim.value, **claim.baselines}

    def check(name: str, value: float) -> CheckedNumber:
        found = measured.get(name)
        holds = None if found is None else abs(found - value) <= tolerance + _ROUNDING
        return CheckedNumber(name, value, found, holds)

    return tuple(check(name, value) for name, value in claimed.items())


def _baselines(comparison: Comparison) -> dict[str, float]:
    number = len(comparison.random_each)
    baselines = {
        "unsteered": comparison.unsteered,
        f"random directions (mean of {number})": comparison.random,
        f"random directions (highest of {number})": max(comparison.random_each),
        "negated": comparison.negated,
    }
    if comparison.prompted is not None:
        baselines["prompted"] = comparison.prompted
    return baselines


def _kind(evaluation: Evaluation) -> tuple[str, str, str]:
    return evaluation.task, evaluation.metric, evaluation.split
