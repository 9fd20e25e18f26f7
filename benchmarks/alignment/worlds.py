"""The models that arms are compared on, each with its pairs, problems and ordinary text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from benchmarks.alignment.sizes import Sizes
from palrs_hub.demo import model_folder
from palrs_hub.demo import problems as sums
from palrs_hub.demo.search import as_problems
from palrs_hub.evaluate import Problems
from palrs_hub.pairs import PreferencePair
from palrs_hub.pairs.pair import Text

Texts = tuple[tuple[Text, Text], ...]
"""Prompts and responses."""


@dataclass(frozen=True)
class Domain:
    """A preference, and how a program tells whether it is met.

    Attributes:
        name: For instance ``sums``.
        pairs: To learn from; the first ``Sizes.pairs`` of them but in the ablation of their number.
        validation: Pairs to choose settings with.
        problems: Problems to choose settings with.
        test: Problems of the reported result.
        ablation: The first few of them, for the ablations.
        neutral: Texts that settings are chosen with, on which little may change.
        instruction: The preference in words, for the prompt baseline.
    """

    name: str
    pairs: tuple[PreferencePair, ...]
    validation: tuple[PreferencePair, ...]
    problems: Problems
    test: Problems
    ablation: Problems
    neutral: Texts
    instruction: str


@dataclass(frozen=True)
class World:
    """A model and everything that is asked of it.

    Attributes:
        name: Its name in the results.
        title: What the page calls it.
        folder: Where the model lies.
        domains: The preferences.
        guardrail: Texts of the reported perplexity.
    """

    name: str
    title: str
    folder: Path
    domains: tuple[Domain, ...]
    guardrail: Texts


def demonstration(sizes: Sizes) -> World:
    """The demonstration model."""
    return World(
        name="demonstration",
        title="The demonstration model",
        folder=model_folder(),
        domains=(_sums(sizes),),
        guardrail=tuple((p.prompt, p.careful) for p in sums.guardrail_for_test(sizes.guardrail)),
    )


def _sums(sizes: Sizes) -> Domain:
    def paired(problems: list[sums.Problem]) -> tuple[PreferencePair, ...]:
        return tuple(PreferencePair(p.prompt, p.careful, p.sloppy) for p in problems)

    return Domain(
        name="sums",
        pairs=paired(sums.problems_for_pairs(sizes.most_pairs)),
        validation=paired(sums.problems_for_validation(sizes.validation_pairs)),
        problems=as_problems(
            sums.problems_for_validation(sizes.validation_problems), "validation", "sums"
        ),
        test=as_problems(sums.problems_for_test(sizes.test_problems), "test", "sums"),
        ablation=as_problems(sums.problems_for_test(sizes.ablation_problems), "test", "sums"),
        neutral=tuple((p.prompt, p.careful) for p in sums.guardrail_for_validation(sizes.neutral)),
        instruction="Be careful and do not forget a carry.",
    )
