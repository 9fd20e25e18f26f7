"""Sums of two three-digit numbers, worked column by column by a careful and by a sloppy solver.

Both write every column (`8+6=14,7+5+1=13,4+3+1=8#834` for 478+356); the sloppy one forgets every
carry (`8+6=14,7+5=12,4+3=7#724`), so that each answer holds a decision for each column that needs
a carry. On problems without one the two write the same text.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from palrs_hub.demo.problems import Split, split_of

DIGITS: Final = 3
ANSWER_MARK: Final = "#"
MAX_NEW_TOKENS: Final = 40


@dataclass(frozen=True)
class Problem:
    """One sum, with both ways of working it."""

    operands: tuple[int, int]

    @property
    def prompt(self) -> str:
        """The question as the model sees it, such as `478+356=`."""
        return "+".join(map(str, self.operands)) + "="

    @property
    def careful(self) -> str:
        """The right worked answer."""
        return _worked_answer(self.operands, carries=True)

    @property
    def sloppy(self) -> str:
        """The worked answer that forgets every carry."""
        return _worked_answer(self.operands, carries=False)

    @property
    def needs_care(self) -> bool:
        """Whether there is a carry to forget."""
        return self.careful != self.sloppy

    @property
    def authors_agree(self) -> bool:
        """Whether both solvers write the same."""
        return not self.needs_care

    @property
    def split(self) -> Split:
        """The only split in which this sum may appear, with its operands in either order."""
        return split_of("+".join(map(str, sorted(self.operands))))


def draw(source: random.Random) -> Problem:
    """A sum of any split."""
    smallest, largest = 10 ** (DIGITS - 1), 10**DIGITS - 1
    return Problem((source.randint(smallest, largest), source.randint(smallest, largest)))


def are_right(problems: Sequence[Problem], completions: Sequence[str]) -> list[bool]:
    """Whether each completion ends in the right sum of its problem."""
    return [is_careful(*judged) for judged in zip(problems, completions, strict=True)]


def is_careful(problem: Problem, completion: str) -> bool:
    """Whether the completion ends in the right sum."""
    return final_answer(completion) == final_answer(problem.careful)


def is_sloppy(problem: Problem, completion: str) -> bool:
    """Whether the completion ends in the sum that forgets every carry."""
    return final_answer(completion) == final_answer(problem.sloppy)


def final_answer(completion: str) -> str | None:
    """The text after the first answer mark, or None where there is no mark."""
    _, mark, answer = completion.partition(ANSWER_MARK)
    return answer.strip() if mark else None


def _worked_answer(operands: tuple[int, int], *, carries: bool) -> str:
    left, right = (str(operand)[::-1] for operand in operands)
    columns, sums, carry = [], [], 0
    for upper, lower in zip(left, right, strict=True):
        total = int(upper) + int(lower) + carry
        columns.append(f"{upper}+{lower}{'+1' if carry else ''}={total}")
        sums.append(total)
        carry = int(carries and total >= 10)
    # The leftmost column is written in full: there is no column to carry into.
    answer = str(sums[-1]) + "".join(str(total % 10) for total in reversed(sums[:-1]))
    return ",".join(columns) + ANSWER_MARK + answer
