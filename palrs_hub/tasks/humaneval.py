"""HumanEval: Python functions to complete, judged by running their tests (Chen et al. 2021)."""

from __future__ import annotations

import re
from typing import Final

from palrs_hub.errors import TaskFileError
from palrs_hub.tasks.sandbox import run_program
from palrs_hub.tasks.task import Record, Task, TaskProblem, text_of

# Where a function's body has ended: what follows begins in the first column.
STOPS: Final = ("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint", "\n@", "\n```", "\nassert ")
_BLOCK: Final = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:\n```|\Z)", re.DOTALL)


def program_of(prompt: str, completion: str, entry_point: str) -> str:
    """The text of the program that a completion makes of a prompt.

    A chat model answers in prose with a block of code: a block that defines the function whole is
    put behind the prompt, which it redefines. Anything else continues the prompt and is cut at the
    usual stop sequences.
    """
    defined = re.compile(rf"^def {re.escape(entry_point)}\b", re.MULTILINE)
    for block in _BLOCK.findall(completion):
        if defined.search(block):
            return f"{prompt.rstrip()}\n    pass\n\n{block}\n"
    cut = min((at for stop in STOPS if (at := completion.find(stop)) >= 0), default=None)
    return f"{prompt}{completion[:cut]}\n"


def _parse(record: Record) -> TaskProblem:
    prompt, test = text_of(record, "prompt"), text_of(record, "test")
    entry_point = text_of(record, "entry_point")
    if not entry_point.isidentifier():
        raise TaskFileError(f"'entry_point' should be a function's name; found {entry_point!r:.80}")

    def judge(completion: str) -> bool:
        program = program_of(prompt, completion, entry_point)
        return run_program(f"{program}\n{test}\n\ncheck({entry_point})\n").passed

    return TaskProblem(prompt, judge)


HUMANEVAL: Final = Task(
    name="humaneval",
    summary="Python functions; their tests are run, which needs --allow-code-execution",
    metric="pass@1",
    max_new_tokens=512,
    runs_code=True,
    parse=_parse,
)
