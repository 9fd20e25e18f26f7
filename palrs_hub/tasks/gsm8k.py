"""GSM8K: word problems whose answer is one number (Cobbe et al. 2021)."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Final

from palrs_hub.errors import TaskFileError
from palrs_hub.tasks.task import Record, Task, TaskProblem, text_of

ANSWER_MARK: Final = "####"
# A minus behind a digit or a bracket subtracts, as in 5-3; elsewhere it is the number's own. Only
# ASCII digits: \d would read those of other scripts, too.
_NUMBER: Final = re.compile(
    r"(?:(?<![0-9)])[-\N{MINUS SIGN}])?(?:\$ ?)?(?:[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?|\.[0-9]+)"
)
# A model without a chat template goes on with a question of its own.
_NEXT_QUESTION: Final = re.compile(r"\n\s*Question:")


def final_number(text: str) -> Decimal | None:
    """The number that a solution ends in: the one after the first ``####``, else the last one.

    Thousands' commas and dollar signs are dropped; None where there is no number.
    """
    _, mark, marked = text.partition(ANSWER_MARK)
    if mark and (first := _NUMBER.search(marked)):
        return _value(first.group())
    found = _NUMBER.findall(text)
    return _value(found[-1]) if found else None


def _value(number: str) -> Decimal:
    return Decimal(re.sub("[,$ ]", "", number).replace("\N{MINUS SIGN}", "-"))


def _parse(record: Record) -> TaskProblem:
    question, answer = text_of(record, "question"), text_of(record, "answer")
    _, _, after = answer.partition(ANSWER_MARK)
    right = final_number(answer)
    if right is None or not _NUMBER.search(after):
        raise TaskFileError(
            f"'answer' should end in '{ANSWER_MARK} number'; found {answer[-40:]!r}"
        )

    def judge(completion: str) -> bool:
        return final_number(_NEXT_QUESTION.split(completion, maxsplit=1)[0]) == right

    return TaskProblem(f"Question: {question}\nAnswer:", judge)


GSM8K: Final = Task(
    name="gsm8k",
    summary="word problems; the final number must be right",
    metric="accuracy",
    max_new_tokens=512,
    runs_code=False,
    parse=_parse,
)
