"""Finds and loads tasks of the harness, and refuses those that run code unless that was allowed."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.errors import MissingExtraError, TaskFileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Foreign = Any
"""An object of the harness or of transformers, which have no types of their own."""

_EVAL_CODE: Final = "HF_ALLOW_CODE_EVAL"


@dataclass(frozen=True)
class HarnessTasks:
    """What is asked of the harness.

    Attributes:
        names: Tasks, groups or tags, as the harness names them.
        folder: More task files (YAML); they may name Python functions, which then run: give only
            folders that you trust.
        limit: Only the first so many problems of each task.
        few_shot: Solved examples before each problem; None leaves it to the task.
        max_new_tokens: Where completions are cut; None leaves it to the task.
        allow_code_execution: Let tasks run what the model writes, as the harness confines it.
    """

    names: tuple[str, ...]
    folder: Path | None = None
    limit: int | None = None
    few_shot: int | None = None
    max_new_tokens: int | None = None
    allow_code_execution: bool = False


@dataclass(frozen=True)
class LoadedTasks:
    """Tasks of the harness with their data.

    Attributes:
        asked: What was asked for.
        manager: The harness's own index of tasks.
        tasks: The harness's tasks and groups.
    """

    asked: HarnessTasks
    manager: Foreign
    tasks: tuple[Foreign, ...]


def load_tasks(asked: HarnessTasks) -> LoadedTasks:
    """Find tasks, groups and tags by name and load their data.

    Raises:
        MissingExtraError: The harness is not installed.
        UsageError: It knows no such task, or one of them runs code and that was not allowed.
        TaskFileError: A task's data cannot be had, or its files are not right.
    """
    try:
        import datasets
        from lm_eval.tasks import TaskManager
    except ImportError as error:
        raise MissingExtraError("lm-evaluation-harness", "eval") from error
    manager = _manager(TaskManager, asked)
    if unknown := [name for name in asked.names if name not in manager.task_index]:
        raise UsageError(
            f"lm-evaluation-harness has no task, group or tag {', '.join(unknown)}. Its task list "
            "is printed by `lm-eval ls tasks`; your own come with --harness-tasks DIR."
        )
    unsafe = [name for name in asked.names if _runs_code(manager, name)]
    if unsafe and not asked.allow_code_execution:
        raise UsageError(
            f"{', '.join(unsafe)} runs programs that the model writes, on this machine, confined "
            "as the harness does it, which is less than palrs-hub does: the network stays open. "
            "Allow it with --allow-code-execution, or use --task humaneval --file FILE."
        )
    try:
        with code_execution(asked.allow_code_execution):
            loaded = manager.load(list(asked.names))
    except (
        *(OSError, ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError),
        datasets.exceptions.DatasetsError,
    ) as error:
        raise TaskFileError(
            f"lm-evaluation-harness cannot load {', '.join(asked.names)}: "
            f"{type(error).__name__}: {error!s:.300}. Its data sets and metrics come from the "
            "Hub: load them once with a connection and they stay in the cache, or describe files "
            "of your own in a folder of task files (--harness-tasks DIR)."
        ) from error
    grouped = [group.get_all_tasks() for group in loaded["groups"].values()]
    names = {task.task_name for tasks in grouped for task in tasks}
    nested = {g.name for group in loaded["groups"].values() for g in group.get_all_groups()}
    top = [group for name, group in loaded["groups"].items() if name not in nested]
    alone = [task for name, task in loaded["tasks"].items() if name not in names]
    return LoadedTasks(asked, manager, (*top, *alone))


@contextlib.contextmanager
def code_execution(allowed: bool) -> Iterator[None]:
    """Within, the harness's metric for programs, which asks the environment, is allowed or not."""
    before = os.environ.pop(_EVAL_CODE, None)
    if allowed:
        os.environ[_EVAL_CODE] = "1"
    try:
        yield
    finally:
        os.environ.pop(_EVAL_CODE, None)
        if before is not None:
            os.environ[_EVAL_CODE] = before


def _manager(kind: Foreign, asked: HarnessTasks) -> Foreign:
    if asked.folder is None:
        return kind()
    alone = kind(include_path=str(asked.folder), include_defaults=False)
    known = [alone.task_index.get(name) for name in asked.names]
    # Reading the harness's own thousands of task files takes long; single tasks do not need them.
    if all(entry is not None and entry.kind.name.endswith("TASK") for entry in known):
        return alone
    return kind(include_path=str(asked.folder))


def _runs_code(manager: Foreign, name: str) -> bool:
    """Whether a task, or a member of a group or tag, is marked as running what the model wrote."""
    entry = manager.task_index.get(name)
    if entry is None:
        return False
    configuration = entry.cfg or {}
    members = configuration.get("task")
    listed = members if isinstance(members, list) else []
    names = [m if isinstance(m, str) else m.get("task") or m.get("group") for m in listed]
    inner = [each for each in [*names, *entry.tags] if isinstance(each, str) and each != name]
    return bool(configuration.get("unsafe_code")) or any(_runs_code(manager, m) for m in inner)
