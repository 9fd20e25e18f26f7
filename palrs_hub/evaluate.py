"""Evaluation: what a vector does, always beside what it must be compared with."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from palrs_hub.bootstrap import Interval, paired_difference
from palrs_hub.errors import UsageError
from palrs_hub.experiment import Experiment
from palrs_hub.generation import complete
from palrs_hub.instruction import instructed
from palrs_hub.measured import NEGATED, PROMPTED, RANDOM, STEERED, UNSTEERED

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.pairs.pair import Text
    from palrs_hub.vector import SteeringVector

Judge = Callable[[str], bool]
"""Whether a completion solves its problem."""

JudgeAll = Callable[[Sequence[int], Sequence[str]], Sequence[bool]]
"""Whether each completion solves its problem, from the places of the problems and completions."""


@dataclass(frozen=True)
class Problems:
    """Problems that a program can judge.

    Attributes:
        name: What they are, for instance ``sums with a carry``.
        split: Which split they are.
        prompts: One prompt a problem.
        judges: One judge a problem.
        max_new_tokens: Where a completion is cut.
        judge_all: Judges many completions at once, where that is quicker than one by one; it is
            told the place of each one's problem.
    """

    name: str
    split: str
    prompts: tuple[Text, ...]
    judges: tuple[Judge, ...]
    max_new_tokens: int
    judge_all: JudgeAll | None = None

    def __post_init__(self) -> None:
        if not self.prompts or len(self.prompts) != len(self.judges):
            raise UsageError(
                f"Expected a judge for each of at least one prompt; found {len(self.prompts)} "
                f"prompts and {len(self.judges)} judges."
            )

    def solved(self, completions: Sequence[str], places: Sequence[int] | None = None) -> Solved:
        """Which problems these completions solve.

        Args:
            completions: One for each problem, or for each of ``places``.
            places: Which problem each of them completes; by default all, in their order.
        """
        where = range(len(self.prompts)) if places is None else places
        if self.judge_all is not None:
            return tuple(map(bool, self.judge_all(where, completions)))
        judged = zip(where, completions, strict=True)
        return tuple(bool(self.judges[place](text)) for place, text in judged)


Solved = tuple[bool, ...]
"""Whether each problem was solved, in the order of the problems."""


@dataclass(frozen=True)
class Outcomes:
    """Problem by problem, what each arm of a comparison solved.

    Attributes:
        unsteered: Without the vector.
        steered: With it.
        random: With random directions of the same norm at the same layer, one each.
        negated: With the vector's opposite.
        prompted: Without the vector, with an instruction instead; None if none was given.
    """

    unsteered: Solved
    steered: Solved
    random: tuple[Solved, ...]
    negated: Solved
    prompted: Solved | None = None


@dataclass(frozen=True)
class Comparison:
    """Accuracy of a steered model beside its baselines.

    Attributes:
        outcomes: The same, problem by problem: for paired statistics.
    """

    outcomes: Outcomes

    @property
    def unsteered(self) -> float:
        """Without the vector."""
        return _share(self.outcomes.unsteered)

    @property
    def steered(self) -> float:
        """With the vector."""
        return _share(self.outcomes.steered)

    @property
    def random_each(self) -> tuple[float, ...]:
        """With random directions of the same norm at the same layer, one each."""
        return tuple(_share(solved) for solved in self.outcomes.random)

    @property
    def random(self) -> float:
        """Mean over the random directions."""
        return float(np.mean(self.random_each))

    @property
    def negated(self) -> float:
        """With the vector's opposite."""
        return _share(self.outcomes.negated)

    @property
    def prompted(self) -> float | None:
        """With an instruction instead of the vector; None if none was given."""
        return None if self.outcomes.prompted is None else _share(self.outcomes.prompted)

    @property
    def gain(self) -> Interval:
        """Steered minus unsteered, with a 95 % interval over the choice of problems."""
        return paired_difference(self.outcomes.steered, self.outcomes.unsteered)

    @property
    def worse(self) -> float:
        """Share of problems that the unsteered model solves and the steered one does not."""
        pairs = zip(self.outcomes.unsteered, self.outcomes.steered, strict=True)
        return _share(tuple(before and not after for before, after in pairs))


def accuracy(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    problems: Problems,
    *,
    batch_size: int = 64,
) -> float:
    """Share of problems that the model, as it is now, solves by greedy generation."""
    return _share(solve(model, tokenizer, problems, batch_size=batch_size))


def solve(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    problems: Problems,
    *,
    batch_size: int = 64,
) -> Solved:
    """Which problems the model, as it is now, solves by greedy generation."""
    completions = complete(
        model,
        tokenizer,
        problems.prompts,
        max_new_tokens=problems.max_new_tokens,
        batch_size=batch_size,
    )
    return problems.solved(completions)


def compare(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    vector: SteeringVector,
    problems: Problems,
    *,
    random_directions: int = 8,
    instruction: str | None = None,
    seed: int = 0,
    batch_size: int = 64,
    progress: bool = False,
) -> Comparison:
    """Measure a vector beside what it must beat.

    That is the unsteered model, random directions, the vector's own opposite and, if one is given,
    an instruction that asks for the same. Whatever steers the model is suspended meanwhile.

    Args:
        model: The vector's model.
        tokenizer: Its tokenizer.
        vector: The vector, at its default coefficients.
        problems: A test split; never the one that chose the vector.
        random_directions: How many; with few dimensions their spread is wide.
        instruction: The preference in words; see ``palrs_hub.instruction``.
        seed: Seed of the random directions.
        batch_size: Prompts in a batch.
        progress: Show a progress bar.
    """
    experiment = Experiment(
        model,
        tokenizer,
        vector,
        random_directions=random_directions,
        seed=seed,
        instruction=instruction,
        batch_size=batch_size,
        progress=progress,
    )

    solved = solve_each(experiment, problems)
    outcomes = Outcomes(
        unsteered=solved[UNSTEERED],
        steered=solved[STEERED],
        random=tuple(each for arm, each in solved.items() if arm.startswith(RANDOM)),
        negated=solved[NEGATED],
        prompted=solved.get(PROMPTED),
    )
    return Comparison(outcomes)


def solve_each(experiment: Experiment, problems: Problems) -> dict[str, Solved]:
    """Which problems each arm of an experiment solves."""
    model, tokenizer = experiment.model, experiment.tokenizer

    def measure(instruction: str | None) -> Solved:
        asked = problems
        if instruction is not None:
            prompts = instructed(tokenizer, problems.prompts, instruction)
            asked = dataclasses.replace(problems, prompts=prompts)
        return solve(model, tokenizer, asked, batch_size=experiment.batch_size)

    return experiment.run(measure)


def _share(solved: Solved) -> float:
    return float(np.mean(solved))
