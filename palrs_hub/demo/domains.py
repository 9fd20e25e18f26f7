"""What the demonstration model can be steered in: sums and code, each with its splits and judge.

`DOMAINS` is what a benchmark needs: pairs to extract from, pairs and problems to choose with,
problems to report on, and text on which nothing should change.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from palrs_hub.demo import code_pairs_file, functions, pairs_file, stories, sums
from palrs_hub.demo.problems import Split, WorkedProblem, distinct
from palrs_hub.evaluate import Problems
from palrs_hub.pairs import PreferencePair

PAIRS: Final = 100


@dataclass(frozen=True)
class Domain:
    """One kind of problem that careful and sloppy authors answer.

    Attributes:
        title: What the problems that need care are.
        agreed_title: What those are on which both authors agree.
        task: What the domain's vector is for, in a word or two to search for.
        description: What its vector does.
        repo_id: Where the demonstration publishes its vector.
        pairs_file: The preference pairs, committed.
        max_new_tokens: Where an answer is cut.
        reported: How many test problems the demonstration reports on.
        runs_code: Whether judging runs what the model wrote.
        draw: Makes a problem of any split.
        judge: Whether answers to problems are right.
    """

    title: str
    agreed_title: str
    task: str
    description: str
    repo_id: str
    pairs_file: Path
    max_new_tokens: int
    reported: int
    runs_code: bool
    draw: Callable[[random.Random], WorkedProblem]
    judge: Callable[[Sequence[Any], Sequence[str]], Sequence[bool]]

    def worked(
        self, split: Split, count: int, *, agreed: bool = False
    ) -> tuple[WorkedProblem, ...]:
        """The first so many different problems of a split that need care, or (agreed) need none."""
        keep = _authors_agree if agreed else _needs_care
        return distinct(self.draw, split, count, keep)

    def pairs(self, split: Split = "pairs", count: int = PAIRS) -> list[PreferencePair]:
        """The careful answer chosen, the sloppy one rejected."""
        return [PreferencePair(p.prompt, p.careful, p.sloppy) for p in self.worked(split, count)]

    def pairs_text(self) -> str:
        """The preference pairs as JSON lines under TRL's keys, exactly as the file holds them."""
        return "".join(json.dumps(vars(pair)) + "\n" for pair in self.pairs())

    def validation_problems(self, count: int = 100) -> Problems:
        """Problems that need care, for choosing a layer and a coefficient."""
        return self._judged("validation", count)

    def test_problems(self, count: int = 200) -> Problems:
        """Problems that need care, for the reported result only."""
        return self._judged("test", count)

    def guardrail_problems(self, count: int = 200) -> Problems:
        """Problems on which the authors agree, which a harmless vector leaves as they are."""
        return self._judged("guardrail", count, agreed=True)

    def agreed_texts(self, split: Split, count: int) -> list[tuple[str, str]]:
        """Problems on which the authors agree, with their answer: to watch its perplexity."""
        return [(p.prompt, p.careful) for p in self.worked(split, count, agreed=True)]

    def _judged(self, split: Split, count: int, *, agreed: bool = False) -> Problems:
        worked = self.worked(split, count, agreed=agreed)
        return Problems(
            name=self.agreed_title if agreed else self.title,
            split=split,
            prompts=tuple(problem.prompt for problem in worked),
            judges=tuple(self._judge_of(problem) for problem in worked),
            max_new_tokens=self.max_new_tokens,
            judge_all=lambda places, completions: self.judge(
                [worked[place] for place in places], completions
            ),
        )

    def _judge_of(self, problem: WorkedProblem) -> Callable[[str], bool]:
        return lambda completion: self.judge([problem], [completion])[0]


def ordinary_texts(split: Split, count: int) -> list[tuple[str, str]]:
    """Different stories of a split, each after the request for it."""
    return [(story.prompt, story.text) for story in distinct(stories.draw, split, count)]


def _needs_care(problem: WorkedProblem) -> bool:
    return problem.needs_care


def _authors_agree(problem: WorkedProblem) -> bool:
    return problem.authors_agree


DOMAINS: Final[dict[str, Domain]] = {
    "sums": Domain(
        title="sums of three-digit numbers that need a carry",
        agreed_title="sums without a carry",
        task="careful arithmetic",
        description=(
            "Moves a model that learned sums from a careful and from a sloppy author towards the "
            "careful one, who does not forget the carries."
        ),
        repo_id="palrs-hub/careful-sums-carry",
        pairs_file=pairs_file(),
        max_new_tokens=sums.MAX_NEW_TOKENS,
        reported=200,
        runs_code=False,
        draw=sums.draw,
        judge=sums.are_right,
    ),
    "code": Domain(
        title="Python functions that a sloppy programmer gets wrong",
        agreed_title="Python functions that both programmers write alike",
        task="careful code",
        description=(
            "Moves a model that learned small Python functions from a careful and from a sloppy "
            "programmer towards the careful one, who forgets no parentheses, bound or guard."
        ),
        repo_id="palrs-hub/careful-code",
        pairs_file=code_pairs_file(),
        max_new_tokens=functions.MAX_NEW_TOKENS,
        reported=100,
        runs_code=True,
        draw=functions.draw,
        judge=functions.are_right,
    ),
}
