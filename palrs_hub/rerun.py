"""Measures the evaluations of a registry's entry again, on the problems that lie beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.compatibility import Finding
from palrs_hub.errors import PalrsHubError
from palrs_hub.loading import load_model_and_tokenizer
from palrs_hub.vector import SteeringVector
from palrs_hub.verification import Sources, measure_again, plan_verification

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.registry import Record
    from palrs_hub.verification import CheckedClaim


def rerun(record: Record, *, progress: bool = False) -> tuple[CheckedClaim, ...]:
    """Measure again what an entry's problems allow, on its own model.

    What a model writes is never run for it: a file from a pull request is no reason to do so.

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
    folder = record.evidence_folder
    files = tuple(record.inside(f"{folder}/{name}") for name in entry.evidence.problems)
    runs, _ = plan_verification(vector.manifest, Sources(files=files))
    name = str(record.inside(base.path)) if base.path else str(base.repo)
    checked: list[CheckedClaim] = []
    for again in runs:
        model, tokenizer = load_model_and_tokenizer(
            name, revision=base.commit, dtype=again.dtype or "auto"
        )
        with vector.attach(model, tokenizer=tokenizer):
            pass  # attaching checks vector and model; each arm adds what it needs itself
        checked += measure_again(
            *(again, model, tokenizer, vector),
            tolerance=entry.evidence.tolerance,
            progress=progress,
        )
    return tuple(checked)


def findings(record: Record, *, progress: bool = False) -> Iterator[Finding]:
    """The same as findings: an error for each number that does not hold."""
    if not record.entry.evidence.problems:
        yield Finding(
            *("rerun", "note", "problems to measure an evaluation on again", "none"),
            "Add them: palrs-hub registry add ... --problems FILE.",
        )
        return
    try:
        done = rerun(record, progress=progress)
    except PalrsHubError as error:
        advice = "Make vector, model and problems available, or leave the problems out."
        found = str(error).rstrip(".")
        yield Finding("rerun", "error", "evaluations to measure again", found, advice)
        return
    for each in done:
        for number in each.numbers:
            if number.holds is False:
                yield Finding(
                    "rerun",
                    "error",
                    f"{each.claim.metric} {number.claimed:.4f} ({number.name}) on "
                    f"{each.claim.task!r}",
                    f"{number.found:.4f}",
                    "The claim does not hold on this machine; allow a tolerance, or correct the "
                    "verdict.",
                )
