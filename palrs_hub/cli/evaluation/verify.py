"""``palrs-hub eval --verify``: what a manifest claims, measured again with its own settings."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.cli import output
from palrs_hub.cli.evaluation.request import Request, load_model

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.compatibility import Finding
    from palrs_hub.vector import SteeringVector
    from palrs_hub.verification import Again, CheckedClaim, NotMeasured

DOES_NOT_HOLD: Final = 3
_VERDICTS: Final = {
    True: "Every number that was measured again holds.",
    False: "Not every number holds. Is the model the right one? Another machine may flip a problem "
    "or two, or round otherwise: see --tolerance.",
}


def verify(vector: SteeringVector, request: Request, tolerance: float) -> int:
    """Measure again what can be, show every number, and tell by the exit code whether all hold."""
    from palrs_hub.verification import Sources, plan_verification

    files = tuple(f for f in (request.file, request.refusal_set, request.neutral) if f)
    asked = bool(request.harness_names or request.harness_tasks or not files)
    sources = Sources(
        files=files,
        harness=request.harness_names if asked else None,
        harness_folder=request.harness_tasks,
        allow_code_execution=request.allow_code_execution,
    )
    runs, left_out = plan_verification(vector.manifest, sources)
    findings, checked = _measure(vector, request, runs, tolerance)
    holds = not any(number.holds is False for each in checked for number in each.numbers)
    if request.as_json:
        output.show_json(_as_json(vector, holds, checked, left_out, findings))
    else:
        output.show_findings(findings)
        _show(checked, left_out)
        output.show_line(_VERDICTS[holds])
    return 0 if holds else DOES_NOT_HOLD


def _measure(
    vector: SteeringVector, request: Request, runs: Sequence[Again], tolerance: float
) -> tuple[Sequence[Finding], list[CheckedClaim]]:
    """The model is loaded once for each floating-point type that the claims state."""
    from palrs_hub.verification import measure_again

    findings: Sequence[Finding] = ()
    checked: list[CheckedClaim] = []

    def dtype_of(again: Again) -> str:
        return request.dtype if request.dtype != "auto" else again.dtype or "auto"

    for dtype, same in groupby(sorted(runs, key=dtype_of), key=dtype_of):
        model, tokenizer, findings = load_model(vector, request, dtype)
        for again in same:
            checked += measure_again(
                again,
                model,
                tokenizer,
                vector,
                tolerance=tolerance,
                progress=output.wants_progress(),
            )
    return findings, checked


def _as_json(
    vector: SteeringVector,
    holds: bool,
    checked: Sequence[CheckedClaim],
    left_out: Sequence[NotMeasured],
    findings: Sequence[Finding],
) -> dict[str, Any]:
    def named(each: CheckedClaim | NotMeasured) -> dict[str, Any]:
        claim = each.claim
        return {"task": claim.task, "metric": claim.metric, "split": claim.split}

    return {
        "vector": vector.source,
        "holds": holds,
        "claims": [
            named(each) | {"numbers": [vars(number) for number in each.numbers]} for each in checked
        ],
        "not_measured": [named(each) | {"reason": each.reason} for each in left_out],
        "findings": [vars(finding) for finding in findings],
    }


def _show(checked: Sequence[CheckedClaim], left_out: Sequence[NotMeasured]) -> None:
    for each in checked:
        claim = each.claim
        title = f"{claim.task} ({claim.split}), {claim.metric} on {claim.samples} problems"
        rows = [number.row() for number in each.numbers]
        output.show_table(title, ["", "claimed", "found", "holds"], rows)
    for other in left_out:
        claim = other.claim
        output.show_line(f"Not measured: {claim.task}, {claim.metric}: {other.reason}.")
