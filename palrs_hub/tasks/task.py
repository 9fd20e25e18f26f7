"""What a task is: how a line of its file becomes a prompt and a judge."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palrs_hub.errors import TaskFileError

if TYPE_CHECKING:
    from palrs_hub.pairs.pair import Text

Record = Mapping[str, object]


@dataclass(frozen=True)
class TaskProblem:
    """A prompt, and whether a completion of it is right."""

    prompt: Text
    judge: Callable[[str], bool]


@dataclass(frozen=True)
class Task:
    """A kind of problem that comes in files.

    Attributes:
        name: Its name on the command line and in manifests.
        summary: One line of help.
        metric: What its share of solved problems is called.
        max_new_tokens: Where a completion is cut unless the caller says otherwise.
        runs_code: Whether judging runs what the model wrote.
        parse: Makes a problem of one record of the file; raises TaskFileError with the reason.
    """

    name: str
    summary: str
    metric: str
    max_new_tokens: int
    runs_code: bool
    parse: Callable[[Record], TaskProblem]


def text_of(record: Record, key: str) -> str:
    """A text that a record must have.

    Raises:
        TaskFileError: It is missing, empty or not a string.
    """
    if key not in record:
        raise TaskFileError(f"{key!r} is missing (found: {', '.join(sorted(record)):.200})")
    value = record[key]
    if not isinstance(value, str) or not value.strip():
        raise TaskFileError(f"{key!r} should be a text that is not empty; found {value!r:.80}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise TaskFileError(f"{key!r} holds half a character (a lone surrogate)") from None
    return value
