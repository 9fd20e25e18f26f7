"""Sums of two three-digit numbers, worked column by column by a careful and by a sloppy solver.

Both write every column (`8+6=14,7+5+1=13,4+3+1=8#834` for 478+356); the sloppy one forgets every
carry (`8+6=14,7+5=12,4+3=7#724`), so that each answer holds a decision for each column that needs
a carry. On problems without one the two write the same text.

Each problem belongs to exactly one split, decided by a hash of its operands in sorted order, so
that no problem of one split can appear in another, not even with its operands swapped.
"""

import hashlib
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Split = Literal["training", "pairs", "validation", "test", "guardrail"]

# Shares in percent: a problem goes to the first split whose bound exceeds its hash bucket.
SPLIT_BOUNDS: dict[Split, int] = {
    "pairs": 4,
    "validation": 8,
    "test": 14,
    "guardrail": 20,
    "training": 100,
}
DIGITS = 3
ANSWER_MARK = "#"

Judge = Callable[[str], bool]


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
    def needs_carry(self) -> bool:
        """Whether the two worked answers differ."""
        return self.careful != self.sloppy

    @property
    def split(self) -> Split:
        """The only split in which this problem may appear."""
        return _split_of(self.operands)


def sample(
    split: Split, source: random.Random, *, needs_carry: bool | None = None
) -> Iterator[Problem]:
    """Draw problems of one split without end, repeats included.

    Args:
        split: The split that every drawn problem belongs to.
        source: Where the randomness comes from; the same state gives the same problems.
        needs_carry: Keep only problems that do (or do not) need a carry; None keeps both.
    """
    while True:
        smallest, largest = 10 ** (DIGITS - 1), 10**DIGITS - 1
        left, right = (source.randint(smallest, largest) for _ in range(2))
        problem = Problem((left, right))
        if needs_carry is not None and problem.needs_carry != needs_carry:
            continue
        if problem.split == split:
            yield problem


def problems_for_training(seed: int = 0) -> Iterator[Problem]:
    """Problems of the training text, without end."""
    return sample("training", random.Random(seed))


def problems_for_pairs(count: int = 100) -> list[Problem]:
    """The problems behind the preference pairs; each needs a carry."""
    return _distinct("pairs", count, needs_carry=True)


def problems_for_validation(count: int = 100) -> list[Problem]:
    """Problems that need a carry, for choosing a layer and a coefficient."""
    return _distinct("validation", count, needs_carry=True)


def guardrail_for_validation(count: int = 100) -> list[Problem]:
    """Problems without a carry, to watch for damage while choosing."""
    return _distinct("validation", count, needs_carry=False)


def problems_for_test(count: int = 200) -> list[Problem]:
    """Problems that need a carry, for the reported result only."""
    return _distinct("test", count, needs_carry=True)


def guardrail_for_test(count: int = 200) -> list[Problem]:
    """Problems without a carry, which a harmless vector leaves as they are."""
    return _distinct("guardrail", count, needs_carry=False)


def preference_pairs(count: int = 100) -> list[dict[str, str]]:
    """Preference pairs under TRL's keys: the careful answer chosen, the sloppy one rejected."""
    return [
        {"prompt": problem.prompt, "chosen": problem.careful, "rejected": problem.sloppy}
        for problem in problems_for_pairs(count)
    ]


def preference_pairs_text(count: int = 100) -> str:
    """The preference pairs as JSON lines, exactly as `pairs.jsonl` holds them."""
    return "".join(json.dumps(pair) + "\n" for pair in preference_pairs(count))


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


def _split_of(operands: tuple[int, int]) -> Split:
    digest = hashlib.sha256("+".join(map(str, sorted(operands))).encode()).digest()
    bucket = int.from_bytes(digest[:4], "big") % 100
    return next(split for split, bound in SPLIT_BOUNDS.items() if bucket < bound)


def _distinct(split: Split, count: int, *, needs_carry: bool) -> list[Problem]:
    found: dict[Problem, None] = {}
    # The seed is part of the data: another one would be another test set.
    for problem in sample(split, random.Random(0), needs_carry=needs_carry):
        found.setdefault(problem)
        if len(found) == count:
            break
    return list(found)
