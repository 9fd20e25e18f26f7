"""``palrs-hub eval``: a vector beside its baselines, on whatever is given; or its claims again."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from palrs_hub.cli.evaluation.request import Request
from palrs_hub.cli.options import (
    device_option,
    dtype_option,
    json_option,
    local_option,
    revision_option,
    token_option,
)
from palrs_hub.tasks import TASKS

_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER: Final = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command("eval")
@click.argument("vector_id", metavar="ID")
@click.option(
    "--task",
    type=click.Choice(list(TASKS)),
    help="Kind of FILE's problems.  "
    + "  ".join(f"{task.name}: {task.summary}." for task in TASKS.values()),
)
@click.option("--file", type=_FILE, help="Problems: JSON lines, also gzipped.")
@click.option(
    "--refusal-set",
    type=_FILE,
    metavar="FILE",
    help='Prompts that should be refused, JSON lines of {"prompt": ...}: the share that is, as far '
    "as opening phrases tell.",
)
@click.option(
    "--neutral",
    type=_FILE,
    metavar="FILE",
    help='Text to leave alone, JSON lines of {"text": ...}: perplexity, and divergence (KL).',
)
@click.option(
    "--harness",
    metavar="TASK[,TASK...]",
    help="Tasks of lm-evaluation-harness, for instance gsm8k,mmlu. Needs the extra eval.",
)
@click.option(
    "--harness-tasks",
    type=_FOLDER,
    metavar="DIR",
    help="More task files for --harness. They may run Python of their own.",
)
@click.option(
    "--few-shot", type=click.IntRange(0, 1000), help="Examples, with --harness. [default: the task]"
)
@click.option("--model", help="Use this model instead of the one that the vector names.")
@click.option("--name", help="Name of FILE's problems.  [default: the task's; for others, FILE's]")
@click.option("--split", help="Split that the files are.  [default: test]")
@click.option("--limit", type=click.IntRange(min=1), help="Use only the first so many of each.")
@click.option(
    "--random",
    type=click.IntRange(1, 99),
    help="Number of random directions of the same norm.  [default: 4]",
)
@click.option("--instruction", help="The preference in words: run this prompt as a baseline.")
@click.option(
    "--max-new-tokens",
    type=click.IntRange(1, 1_000_000),
    help="Cut completions.  [default: the task's]",
)
@click.option("--batch-size", type=click.IntRange(1, 65_536), help="Rows at once.  [default: 64]")
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
@click.option(
    "--plot",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Draw the arms beside each other as an SVG file.",
)
@click.option(
    "--verify",
    is_flag=True,
    help="Measure again what the manifest claims of the files given and of the harness, with the "
    "settings that it states.",
)
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
    task: str | None,
    file: Path | None,
    refusal_set: Path | None,
    neutral: Path | None,
    harness: str | None,
    harness_tasks: Path | None,
    few_shot: int | None,
    model: str | None,
    name: str | None,
    split: str | None,
    limit: int | None,
    random: int | None,
    instruction: str | None,
    max_new_tokens: int | None,
    batch_size: int | None,
    allow_code_execution: bool,
    write: Path | None,
    plot: Path | None,
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
    from palrs_hub.cli.evaluation.measure import measure
    from palrs_hub.cli.evaluation.verify import verify as verify_claims
    from palrs_hub.vector import SteeringVector

    where = {"token": token, "local_files_only": local_files_only}
    request = Request(
        *(task, file, refusal_set, neutral, harness, harness_tasks, few_shot, model, name, split),
        *(limit, random, instruction, max_new_tokens, batch_size, allow_code_execution, write),
        *(plot, dtype, device, where, as_json),
    )
    request.check(verify=verify)
    vector = SteeringVector.from_pretrained(
        vector_id, revision=revision, token=token, local_files_only=local_files_only
    )
    if verify:
        return verify_claims(vector, request, tolerance)
    measure(vector, request)
    return 0
