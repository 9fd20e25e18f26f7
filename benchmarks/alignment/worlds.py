"""The models that arms are compared on, each with its pairs, problems and ordinary text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.alignment.sizes import Sizes
from palrs_hub.demo import domains, model_folder
from palrs_hub.evaluate import Problems
from palrs_hub.pairs import PreferencePair
from palrs_hub.pairs.pair import Text

Texts = tuple[tuple[Text, Text], ...]
"""Prompts and responses."""

INSTRUCTIONS: Final = {
    "sums": "Be careful and do not forget a carry.",
    "code": "Be careful and do not forget parentheses, bounds and guards.",
}


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
        domains=tuple(_domain(name, sizes) for name in domains.DOMAINS),
        guardrail=tuple(domains.ordinary_texts("guardrail", sizes.guardrail)),
    )


def _domain(name: str, sizes: Sizes) -> Domain:
    domain = domains.DOMAINS[name]
    half = sizes.neutral // 2
    agreed = domain.agreed_texts("validation", half)
    return Domain(
        name=name,
        pairs=tuple(domain.pairs("pairs", sizes.most_pairs)),
        validation=tuple(domain.pairs("validation", sizes.validation_pairs)),
        problems=domain.validation_problems(sizes.validation_problems),
        test=domain.test_problems(sizes.test_problems),
        ablation=domain.test_problems(sizes.ablation_problems),
        neutral=(*agreed, *domains.ordinary_texts("validation", half)),
        instruction=INSTRUCTIONS[name],
    )
