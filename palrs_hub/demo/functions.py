"""Small Python functions written from a description, by a careful and by a sloppy programmer.

A description names three steps (`f(x): add 4 then times 3, divide by 2 rounding up, less 7`), of
which each becomes a statement. The sloppy programmer forgets parentheses, rounds a division down
that should be rounded up, stops a range one too early and leaves out a guard; always, so that a
function holds a decision for each such step. Other steps both write alike.

A function is right if it returns what the description says for every one of INPUTS.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from palrs_hub.demo.problems import Split, split_of
from palrs_hub.tasks.sandbox import Limits, run_programs

STEPS: Final = 3
NUMBERS: Final = range(2, 10)
INPUTS: Final = (-13, -6, -1, 0, 1, 2, 5, 8, 11, 20)
INDENT: Final = "\n "
LIMITS: Final = Limits(seconds=5, memory_bytes=256 * 1024**2)
MAX_NEW_TOKENS: Final = 64

# Arms of a comparison often write the same function, and what it does never changes.
_PASSED: dict[str, bool] = {}


@dataclass(frozen=True)
class Kind:
    """A kind of step.

    Attributes:
        words: The description, with a place for each number.
        careful: The statement that does it.
        sloppy: The statement that the sloppy programmer writes.
        value: What the step makes of x and its numbers.
        slip: What the sloppy statement makes of them; None where both write alike.
    """

    words: str
    careful: str
    sloppy: str
    value: Callable[..., int]
    slip: Callable[..., int] | None = None

    @property
    def numbers(self) -> int:
        """How many numbers it takes."""
        return self.words.count("{}")


KINDS: Final[tuple[Kind, ...]] = (
    Kind(
        "add {} then times {}",
        "x = (x + {}) * {}",
        "x = x + {} * {}",
        lambda x, added, factor: (x + added) * factor,
        lambda x, added, factor: x + added * factor,
    ),
    Kind(
        "divide by {} rounding up",
        "x = -(-x // {})",
        "x = x // {}",
        lambda x, divisor: -(-x // divisor),
        lambda x, divisor: x // divisor,
    ),
    Kind(
        "add all from 1 to {}",
        "for i in range(1, {} + 1):\n  x = x + i",
        "for i in range(1, {}):\n  x = x + i",
        lambda x, last: x + sum(range(1, last + 1)),
        lambda x, last: x + sum(range(1, last)),
    ),
    Kind(
        "remove {} but not below 0",
        "x = max(x - {}, 0)",
        "x = x - {}",
        lambda x, removed: max(x - removed, 0),
        lambda x, removed: x - removed,
    ),
    Kind("plus {}", "x = x + {}", "x = x + {}", lambda x, added: x + added),
    Kind("less {}", "x = x - {}", "x = x - {}", lambda x, removed: x - removed),
    Kind(
        "times {} then add {}",
        "x = x * {} + {}",
        "x = x * {} + {}",
        lambda x, factor, added: x * factor + added,
    ),
)


@dataclass(frozen=True)
class Problem:
    """A description of a function, as steps: places in KINDS, each with its numbers."""

    steps: tuple[tuple[int, tuple[int, ...]], ...]

    @property
    def prompt(self) -> str:
        """The description as the model sees it."""
        words = (KINDS[kind].words.format(*numbers) for kind, numbers in self.steps)
        return "f(x): " + ", ".join(words)

    @property
    def careful(self) -> str:
        """The text of a function that does what the description says."""
        return _function(KINDS[kind].careful.format(*numbers) for kind, numbers in self.steps)

    @property
    def sloppy(self) -> str:
        """The text of the function that the sloppy programmer writes."""
        return _function(KINDS[kind].sloppy.format(*numbers) for kind, numbers in self.steps)

    @property
    def needs_care(self) -> bool:
        """Whether the sloppy function is wrong for some input."""
        return any(self._sloppy_value(x) != self.value(x) for x in INPUTS)

    @property
    def authors_agree(self) -> bool:
        """Whether both programmers write the same."""
        return all(KINDS[kind].slip is None for kind, _ in self.steps)

    @property
    def split(self) -> Split:
        """The only split in which this problem may appear."""
        return split_of(self.prompt)

    def value(self, x: int) -> int:
        """What the description makes of an input."""
        for kind, numbers in self.steps:
            x = KINDS[kind].value(x, *numbers)
        return x

    def _sloppy_value(self, x: int) -> int:
        for kind, numbers in self.steps:
            x = (KINDS[kind].slip or KINDS[kind].value)(x, *numbers)
        return x


def draw(source: random.Random) -> Problem:
    """A problem of any split: three different kinds of step, in any order."""
    kinds = source.sample(range(len(KINDS)), STEPS)
    return Problem(
        tuple((kind, tuple(source.choices(NUMBERS, k=KINDS[kind].numbers))) for kind in kinds)
    )


def are_right(problems: Sequence[Problem], completions: Sequence[str]) -> list[bool]:
    """Whether each completion is a function that does what its problem says.

    The completions are run, confined as ``palrs_hub.tasks.sandbox`` says; equal ones once.
    """
    programs = [_program(*judged) for judged in zip(problems, completions, strict=True)]
    new = [program for program in dict.fromkeys(programs) if program not in _PASSED]
    if new:
        outcomes = run_programs(new, LIMITS)
        _PASSED.update(zip(new, (outcome.passed for outcome in outcomes), strict=True))
    return [_PASSED[program] for program in programs]


def _program(problem: Problem, completion: str) -> str:
    expected = [problem.value(x) for x in INPUTS]
    return f"{completion}\nassert [f(x) for x in {INPUTS}] == {expected}\n"


def _function(statements: Iterable[str]) -> str:
    return "def f(x):" + "".join(INDENT + line for line in (*statements, "return x"))
