"""What a manifest claims: numbers written into it, and checked against numbers measured again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import UsageError
from palrs_hub.manifest import MANIFEST_FILE, MAX_EVALUATIONS
from palrs_hub.measured import NEUTRAL, STEERED
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from palrs_hub.evidence import Evaluation
    from palrs_hub.measured import Measured

_COUNTED: Final = 1e-9
_COMPUTED: Final = 0.005
"""Relative: other kernels sum log-probabilities in another order."""


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


def with_evaluations(vector: SteeringVector, measured: Iterable[Measured]) -> SteeringVector:
    """A vector whose manifest holds these numbers, each in the place of one of the same kind.

    Of the same kind are those of the same task, metric and split.

    Raises:
        UsageError: A number cannot stand in a manifest.
    """
    kept = {_kind(known): known for known in vector.manifest.evaluations}
    for each in measured:
        evaluation = each.evaluation()
        kept[_kind(evaluation)] = evaluation
    if len(kept) > MAX_EVALUATIONS:
        raise UsageError(
            f"A manifest holds at most {MAX_EVALUATIONS} evaluations; these would be {len(kept)}. "
            "Write fewer tasks: a group of the harness is one, its members are many."
        )
    manifest = vector.manifest.model_copy(update={"evaluations": tuple(kept.values())})
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


def check_claim(
    claim: Evaluation, measured: Measured, *, tolerance: float = 0.0
) -> tuple[CheckedNumber, ...]:
    """Compare what a manifest claims with what was measured again.

    Args:
        claim: The manifest's evaluation.
        measured: The same task, measured with the claim's settings.
        tolerance: Largest difference that still holds, relative to the claim where that is above
            1; 0 asks for as many problems solved, and perplexities to half a percent.
    """
    found = _numbers(measured.evaluation())
    computed = measured.settings.kind == NEUTRAL

    def check(name: str, value: float) -> CheckedNumber:
        again = found.get(name)
        rounding = _COUNTED + (_COMPUTED * abs(value) + 1e-4 if computed else 0.0)
        allowed = tolerance * max(1.0, abs(value)) + rounding
        holds = None if again is None else abs(again - value) <= allowed
        return CheckedNumber(name, value, again, holds)

    return tuple(check(name, value) for name, value in _numbers(claim).items())


def _numbers(claim: Evaluation) -> dict[str, float]:
    """Every number of an evaluation, by name."""
    numbers: dict[str, float | None] = {STEERED: claim.value, **claim.baselines}
    if claim.gain is not None:
        numbers |= {
            "gain": claim.gain.difference,
            "gain, lower end": claim.gain.low,
            "gain, upper end": claim.gain.high,
        }
    numbers |= {"made worse": claim.worse, "standard error": claim.standard_error}
    numbers["samples"] = claim.samples
    return {name: value for name, value in numbers.items() if value is not None}


def _kind(evaluation: Evaluation) -> tuple[str, str, str]:
    return evaluation.task, evaluation.metric, evaluation.split
