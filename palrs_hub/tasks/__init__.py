"""Tasks that judge a model from a file of problems: TASKS is the table, one file a task."""

from typing import Final

from palrs_hub.tasks.answers import PROBLEMS
from palrs_hub.tasks.gsm8k import GSM8K
from palrs_hub.tasks.humaneval import HUMANEVAL
from palrs_hub.tasks.refusals import REFUSALS
from palrs_hub.tasks.task import Task, TaskProblem

__all__ = ["TASKS", "Task", "TaskProblem"]

TASKS: Final[dict[str, Task]] = {
    task.name: task
    for task in (
        GSM8K,
        HUMANEVAL,
        PROBLEMS,
        REFUSALS,
    )
}
