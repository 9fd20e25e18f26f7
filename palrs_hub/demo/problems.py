"""What the demonstration's problems have in common: two authors, and a split that cannot leak.

Each problem belongs to exactly one split, decided by a hash of what makes it this problem, so that
no problem of one split can appear in another.
"""

from __future__ import annotations

import functools
import hashlib
import random
from typing import TYPE_CHECKING, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Split = Literal["training", "pairs", "validation", "test", "guardrail"]

# Shares in percent: a problem goes to the first split whose bound exceeds its hash bucket.
SPLIT_BOUNDS: dict[Split, int] = {
    "pairs": 4,
    "validation": 8,
    "test": 14,
    "guardrail": 20,
    "training": 100,
}


class InSplit(Protocol):
    """What belongs to one split."""

    @property
    def split(self) -> Split:
        """The only split in which this may appear."""


class WorkedProblem(InSplit, Protocol):
    """A problem that a careful and a sloppy author answer, each in their way."""

    @property
    def prompt(self) -> str:
        """The problem as the model sees it."""

    @property
    def careful(self) -> str:
        """The careful author's answer, which is right."""

    @property
    def sloppy(self) -> str:
        """The sloppy author's answer."""

    @property
    def needs_care(self) -> bool:
        """Whether the sloppy answer is wrong."""

    @property
    def authors_agree(self) -> bool:
        """Whether both authors write the same."""


Drawn = TypeVar("Drawn", bound=InSplit)


def split_of(identity: str) -> Split:
    """The split of the problem that this text identifies."""
    digest = hashlib.sha256(identity.encode()).digest()
    bucket = int.from_bytes(digest[:4], "big") % 100
    return next(split for split, bound in SPLIT_BOUNDS.items() if bucket < bound)


def sample(
    draw: Callable[[random.Random], Drawn],
    split: Split,
    source: random.Random,
    keep: Callable[[Drawn], bool] | None = None,
) -> Iterator[Drawn]:
    """Draw problems of one split without end, repeats included.

    Args:
        draw: Makes one problem of any split.
        split: The split that every problem belongs to.
        source: Where the randomness comes from; the same state gives the same problems.
        keep: Which of them to keep; None keeps all.
    """
    while True:
        problem = draw(source)
        if (keep is None or keep(problem)) and problem.split == split:
            yield problem


@functools.cache
def distinct(
    draw: Callable[[random.Random], Drawn],
    split: Split,
    count: int,
    keep: Callable[[Drawn], bool] | None = None,
) -> tuple[Drawn, ...]:
    """The first so many different problems of a split; the same ones whenever it is asked."""
    found: dict[Drawn, None] = {}
    # The seed is part of the data: another one would be another test set.
    for problem in sample(draw, split, random.Random(0), keep):
        found.setdefault(problem)
        if len(found) == count:
            break
    return tuple(found)
