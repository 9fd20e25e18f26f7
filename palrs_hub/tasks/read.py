"""Reads a task's file: JSON lines, also gzipped, into problems that a program can judge."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import TaskFileError, UsageError
from palrs_hub.evaluate import Problems

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from palrs_hub.tasks.task import Task, TaskProblem

_SHOWN_FAULTS: Final = 5
_NAMED_BY_FILE: Final = ("problems", "refusals")


def read_problems(
    task: Task,
    file: str | os.PathLike[str],
    *,
    name: str | None = None,
    split: str = "test",
    limit: int | None = None,
    max_new_tokens: int | None = None,
    allow_code_execution: bool = False,
) -> Problems:
    """Read problems from a file.

    Args:
        task: The kind of problem.
        file: A ``.jsonl`` or ``.jsonl.gz`` file.
        name: What to call them; see ``name_of``.
        split: Which split they are.
        limit: Read only the first so many.
        max_new_tokens: Where a completion is cut; by default what suits the task.
        allow_code_execution: Let judges run what the model wrote, where the task needs it.

    Raises:
        UsageError: The task runs what the model writes, and that was not allowed.
        TaskFileError: The file cannot be read, holds no problems or a line that is none.
    """
    if task.runs_code and not allow_code_execution:
        raise UsageError(
            f"The task {task.name!r} runs programs that the model writes, on this machine. They "
            "are confined, but not as a virtual machine would. Allow it with "
            "allow_code_execution=True, on the command line with --allow-code-execution."
        )
    found = _parse_all(task, Path(file), limit)
    return Problems(
        name=name or name_of(task, Path(file)),
        split=split,
        prompts=tuple(problem.prompt for problem in found),
        judges=tuple(problem.judge for problem in found),
        max_new_tokens=max_new_tokens or task.max_new_tokens,
    )


def name_of(task: Task, file: Path) -> str:
    """What problems are called unless the caller says: the task's name, or the file's own.

    Of one's own problems there are many files, so that there the task's name would tell nothing.
    """
    by_file = task.name in _NAMED_BY_FILE
    stem = file.name.removesuffix(".gz").removesuffix(".jsonl")
    return stem if by_file else task.name


def sha256_of(file: Path) -> str:
    """Hash of a file's bytes, as a manifest names the data that a number was measured on.

    Raises:
        TaskFileError: It cannot be read.
    """
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise TaskFileError(f"Cannot read {file}: {error}") from error


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not empty, of a plain or a gzipped file.

    Raises:
        TaskFileError: It cannot be read.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise TaskFileError(f"Cannot read {path}: {error}") from error


def _parse_all(task: Task, path: Path, limit: int | None) -> list[TaskProblem]:
    found: list[TaskProblem] = []
    faults: list[str] = []
    for number, line in read_lines(path):
        if limit is not None and len(found) >= limit:
            break
        try:
            found.append(_parse(task, line))
        except TaskFileError as error:
            faults.append(f"line {number}: {error}")
    if faults:
        more = f" (and {len(faults) - _SHOWN_FAULTS} more)" if len(faults) > _SHOWN_FAULTS else ""
        raise TaskFileError(
            f"{path.name} has {len(faults)} line(s) that are no problem of the task "
            f"{task.name!r}: {'; '.join(faults[:_SHOWN_FAULTS])}{more}. Correct or remove them."
        )
    if not found:
        raise TaskFileError(f"{path.name} holds no problems: expected one JSON object a line.")
    return found


def _parse(task: Task, line: str) -> TaskProblem:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise TaskFileError(f"not JSON ({error})") from error
    if not isinstance(record, dict):
        raise TaskFileError(f"expected a JSON object; found {type(record).__name__}")
    return task.parse(record)
