"""Options that say what selection looks at beside the pairs, shared by the commands that select."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from palrs_hub.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Callable

EVIDENCE: Final = (
    "neutral",
    "problems",
    "problems_task",
    "finalists",
    "allow_code_execution",
    "resume",
)
_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)

_OPTIONS: Final = (
    click.option(
        "--neutral",
        type=_FILE,
        help="Texts to leave alone, objects with prompt and response: what moves the predictions "
        "on them by more than 0.1 nats per token is not chosen.",
    ),
    click.option("--problems", type=_FILE, help="Problems of a validation split: JSON lines."),
    click.option(
        "--problems-task",
        type=click.Choice(list(TASKS)),
        help="What they are. The best few are chosen from by greedy answers to them.",
    ),
    click.option(
        "--finalists",
        type=click.IntRange(min=1),
        default=8,
        show_default=True,
        help="How many those are.",
    ),
    click.option(
        "--allow-code-execution",
        is_flag=True,
        help="Run what the model writes, confined; humaneval needs it.",
    ),
    click.option(
        "--resume",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Keep in this file what was measured, and go on from it.",
    ),
)


def evidence_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, in this order, to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_evidence(
    *,
    neutral: Path | None,
    problems: Path | None,
    problems_task: str | None,
    finalists: int,
    allow_code_execution: bool,
    resume: Path | None,
) -> dict[str, Any]:
    """What ``palrs_hub.selection.select`` takes of it.

    Raises:
        PairsError: The neutral texts cannot be read.
        TaskFileError: The problems cannot be read.
    """
    from palrs_hub.pairs.neutral import read_neutral
    from palrs_hub.tasks.read import read_problems

    if (problems is None) != (problems_task is None):
        raise click.UsageError("--problems and --problems-task go together.")
    asked = None
    if problems is not None and problems_task is not None:
        asked = read_problems(
            TASKS[problems_task],
            problems,
            split="validation",
            allow_code_execution=allow_code_execution,
        )
    return {
        "neutral": read_neutral(neutral) if neutral else (),
        "problems": asked,
        "finalists": finalists,
        "resume": resume,
    }
