"""Problems of anybody's own: a prompt and the one right final answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import TaskFileError
from palrs_hub.pairs.pair import Message
from palrs_hub.tasks.task import Record, Task, TaskProblem, text_of

if TYPE_CHECKING:
    from palrs_hub.pairs.pair import Text


def final_answer(completion: str, mark: str | None = None) -> str | None:
    """The answer that a completion ends in.

    Args:
        completion: What the model wrote.
        mark: Stands before the answer, which then is the rest of that line.

    Returns:
        The last line that is not empty; with a mark, what follows the last one, None without it.
    """
    if mark is None:
        lines = [line.strip() for line in completion.splitlines() if line.strip()]
        return lines[-1] if lines else None
    _, found, after = completion.rpartition(mark)
    return (after.splitlines() or [""])[0].strip() if found else None


def _parse(record: Record) -> TaskProblem:
    answer = text_of(record, "answer").strip()
    mark = text_of(record, "mark") if "mark" in record else None
    return TaskProblem(prompt_of(record), lambda text: final_answer(text, mark) == answer)


def prompt_of(record: Record) -> Text:
    """The prompt of a record: a text, or a list of messages.

    Raises:
        TaskFileError: It is neither.
    """
    prompt = record.get("prompt")
    if isinstance(prompt, Sequence) and not isinstance(prompt, str) and prompt:
        return tuple(_message(turn) for turn in prompt)
    return text_of(record, "prompt")


def _message(turn: object) -> Message:
    if not isinstance(turn, Mapping):
        raise TaskFileError(f"each message of 'prompt' should be an object; found {turn!r:.80}")
    return Message(text_of(turn, "role"), text_of(turn, "content"))


PROBLEMS: Final = Task(
    name="problems",
    summary="prompt and answer (and a mark before it, if any); the final answer must be equal",
    metric="accuracy",
    max_new_tokens=256,
    runs_code=False,
    parse=_parse,
)
