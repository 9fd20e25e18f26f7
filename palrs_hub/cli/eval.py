"""``palrs-hub eval``: a vector on a file of problems, beside its baselines; or its claims again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from palrs_hub.cli.options import (
    device_option,
    dtype_option,
    json_option,
    local_option,
    placed,
    revision_option,
    token_option,
)
from palrs_hub.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.compatibility import Finding
    from palrs_hub.evaluate import Comparison, Problems
    from palrs_hub.evidence import Evaluation
    from palrs_hub.tasks import Task
    from palrs_hub.vector import SteeringVector

DOES_NOT_HOLD: Final = 3
_VERDICTS: Final = {
    True: "Every number that was measured again holds.",
    False: "Not every number holds. Were model, --dtype, --max-new-tokens and --instruction those "
    "of the first measurement? Another machine may flip a problem or two: see --tolerance.",
}


@dataclass(frozen=True)
class _Asked:
    """What is to be measured."""

    task: Task
    file: Path
    name: str
    split: str | None
    limit: int | None
    random: int
    instruction: str | None
    max_new_tokens: int | None
    allow_code_execution: bool

    def problems(self, *, split: str, limit: int | None) -> Problems:
        from palrs_hub.tasks.read import read_problems

        return read_problems(
            self.task,
            self.file,
            name=self.name,
            split=split,
            limit=limit,
            max_new_tokens=self.max_new_tokens,
            allow_code_execution=self.allow_code_execution,
        )


@dataclass(frozen=True)
class _Loaded:
    """A model that the checks allow a vector for; nothing is attached."""

    model: Any
    tokenizer: Any
    vector: SteeringVector
    findings: Sequence[Finding]

    def compare(self, problems: Problems, random: int, instruction: str | None) -> Comparison:
        from palrs_hub.cli import output
        from palrs_hub.evaluate import compare

        return compare(
            self.model,
            self.tokenizer,
            self.vector,
            problems,
            random_directions=random,
            instruction=instruction,
            progress=output.wants_progress(),
        )


@click.command("eval")
@click.argument("vector_id", metavar="ID")
@click.option(
    "--task",
    type=click.Choice(list(TASKS)),
    required=True,
    help="  ".join(f"{task.name}: {task.summary}." for task in TASKS.values()),
)
@click.option(
    "--file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    required=True,
    help="The problems: JSON lines, also gzipped.",
)
@click.option("--model", help="Use this model instead of the one that the vector names.")
@click.option("--name", help="Name of the problems.  [default: the task's; for problems, FILE's]")
@click.option("--split", help="Split that they are; with --verify, any.  [default: test]")
@click.option("--limit", type=click.IntRange(min=1), help="Use only the first so many.")
@click.option(
    "--random",
    type=click.IntRange(1, 99),
    default=4,
    show_default=True,
    help="Number of random directions of the same norm.",
)
@click.option("--instruction", help="The preference in words: run this prompt as a baseline.")
@click.option(
    "--max-new-tokens", type=click.IntRange(min=1), help="Cut completions.  [default: the task's]"
)
@click.option(
    "--allow-code-execution",
    is_flag=True,
    help="Run what the model writes, confined; humaneval needs it.",
)
@click.option(
    "--write",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Save the vector to this folder with the numbers in its manifest and a new card.",
)
@click.option("--verify", is_flag=True, help="Measure again what the manifest claims of this file.")
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="With --verify: largest difference that still holds.",
)
@revision_option
@dtype_option
@device_option
@token_option
@local_option
@json_option
def command(
    vector_id: str,
    task: str,
    file: Path,
    model: str | None,
    name: str | None,
    split: str | None,
    limit: int | None,
    random: int,
    instruction: str | None,
    max_new_tokens: int | None,
    allow_code_execution: bool,
    write: Path | None,
    verify: bool,
    tolerance: float,
    revision: str | None,
    dtype: str,
    device: str,
    token: str | None,
    local_files_only: bool,
    as_json: bool,
) -> int:
    """Evaluate the vector ID beside the unsteered model, random directions and its opposite.

    With --verify, exit code 3 if a number that the manifest claims does not hold.
    """
    from palrs_hub.tasks.claims import refuse_another_vector
    from palrs_hub.tasks.read import name_of
    from palrs_hub.vector import SteeringVector

    chosen = TASKS[task]
    asked = _Asked(
        *(chosen, file, name or name_of(chosen, file), split, limit, random, instruction),
        *(max_new_tokens, allow_code_execution),
    )
    vector = SteeringVector.from_pretrained(
        vector_id, revision=revision, token=token, local_files_only=local_files_only
    )
    where = {"token": token, "local_files_only": local_files_only}
    if verify:
        _refuse_with_verify(limit, write)
        runs = _claimed(vector, asked)
        loaded = _load(vector, model, where, dtype=dtype, device=device)
        return _verify(loaded, runs, asked, tolerance, as_json=as_json)
    if write is not None:
        refuse_another_vector(write, vector)
    problems = asked.problems(split=split or "test", limit=limit)
    loaded = _load(vector, model, where, dtype=dtype, device=device)
    _evaluate(loaded, problems, asked, write, as_json=as_json)
    return 0


def _refuse_with_verify(limit: int | None, write: Path | None) -> None:
    if limit is not None or write is not None:
        raise click.UsageError(
            "--verify measures as many problems as the manifest claims and writes nothing: "
            "leave out --limit and --write."
        )


def _load(
    vector: SteeringVector, model: str | None, where: dict[str, Any], *, dtype: str, device: str
) -> _Loaded:
    from palrs_hub.auto import base_of
    from palrs_hub.loading import load_model_and_tokenizer

    name, pinned = base_of(vector, model)
    loaded, tokenizer = load_model_and_tokenizer(name, dtype=dtype, revision=pinned, **where)
    loaded = placed(loaded, device)
    # Attaching checks the vector against the model; each arm attaches what it needs itself.
    with vector.attach(loaded, tokenizer=tokenizer) as steering:
        findings = steering.findings
    return _Loaded(loaded, tokenizer, vector, findings)


def _evaluate(
    loaded: _Loaded, problems: Problems, asked: _Asked, write: Path | None, *, as_json: bool
) -> None:
    from palrs_hub.cli import output
    from palrs_hub.tasks.arms import rows_of
    from palrs_hub.tasks.claims import evaluation_of, with_evaluation

    comparison = loaded.compare(problems, asked.random, asked.instruction)
    evaluation = evaluation_of(problems, asked.task.metric, comparison)
    if write is not None:
        with_evaluation(loaded.vector, evaluation).save_pretrained(write)
    if as_json:
        output.show_json(_as_json(loaded, evaluation, comparison, write))
        return
    output.show_findings(loaded.findings)
    title = f"{evaluation.task} ({evaluation.split}), {evaluation.samples} problems"
    columns = ["", evaluation.metric, "beyond unsteered (95 % interval)"]
    output.show_table(title, columns, rows_of(comparison))
    if write is not None:
        output.show_line(f"Wrote the vector with these numbers to {write}.")


def _as_json(
    loaded: _Loaded, evaluation: Evaluation, comparison: Comparison, write: Path | None
) -> dict[str, Any]:
    from palrs_hub.tasks.arms import arms_of

    return {
        "vector": loaded.vector.source,
        "evaluation": evaluation.model_dump(),
        "arms": {arm.name: arm.as_json() for arm in arms_of(comparison)},
        "not_run": ["prompted"] if comparison.prompted is None else [],
        "written": None if write is None else str(write),
        "findings": [vars(finding) for finding in loaded.findings],
    }


def _claimed(vector: SteeringVector, asked: _Asked) -> list[tuple[Evaluation, Problems]]:
    from palrs_hub.tasks.claims import check_samples, claims_of

    runs = []
    for claim in claims_of(vector.manifest, asked.name, asked.task.metric, asked.split):
        problems = asked.problems(split=claim.split, limit=claim.samples)
        check_samples(claim, problems)
        runs.append((claim, problems))
    return runs


def _verify(
    loaded: _Loaded,
    runs: Sequence[tuple[Evaluation, Problems]],
    asked: _Asked,
    tolerance: float,
    *,
    as_json: bool,
) -> int:
    from palrs_hub.cli import output
    from palrs_hub.tasks.claims import check_claim, random_directions_of

    checked = []
    for claim, problems in runs:
        number = random_directions_of(claim) or asked.random
        comparison = loaded.compare(problems, number, asked.instruction)
        checked.append((claim, check_claim(claim, comparison, tolerance=tolerance)))
    holds = not any(number.holds is False for _, numbers in checked for number in numbers)
    if as_json:
        claims = [
            {"task": claim.task, "metric": claim.metric, "split": claim.split}
            | {"numbers": [vars(number) for number in numbers]}
            for claim, numbers in checked
        ]
        output.show_json({"vector": loaded.vector.source, "holds": holds, "claims": claims})
    else:
        output.show_findings(loaded.findings)
        for claim, numbers in checked:
            title = f"{claim.task} ({claim.split}), {claim.metric} on {claim.samples} problems"
            columns = ["", "claimed", "found", "holds"]
            output.show_table(title, columns, [number.row() for number in numbers])
        output.show_line(_VERDICTS[holds])
    return 0 if holds else DOES_NOT_HOLD
