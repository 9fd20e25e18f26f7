"""The demonstration's vector and test problems, for engines that are asked to solve them."""

from __future__ import annotations

from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.evaluate import Problems
from palrs_hub.extraction import extract
from palrs_hub.loading import load_model_and_tokenizer
from palrs_hub.pairs import read_pairs, split_pairs
from palrs_hub.selection import select
from palrs_hub.vector import SteeringVector

PROBLEMS = 100
SUMS = DOMAINS["sums"]


def demonstration_vector() -> SteeringVector:
    """A vector that is extracted and chosen as a user would do it."""
    model, tokenizer = load_model_and_tokenizer(model_folder())
    training, validation = split_pairs(read_pairs(pairs_file()), validation=0.2)
    extraction = extract(
        model, tokenizer, training, "palrs", input_format="response_as_user", choice="validation"
    )
    problems = SUMS.validation_problems(40)
    chosen = select(model, tokenizer, extraction, validation, problems=problems)
    return extraction.vector(
        position=chosen.position,
        layer=chosen.layer,
        coefficient=chosen.coefficient,
        selection=chosen.selection,
        name="careful",
        task="careful arithmetic",
    )


def demonstration_problems() -> Problems:
    """Problems of the test split, which nothing was chosen with."""
    return SUMS.test_problems(PROBLEMS)


def accuracy_of(problems: Problems, completions: list[str]) -> float:
    """Share of the completions that are right."""
    right = [judge(text) for judge, text in zip(problems.judges, completions, strict=True)]
    return sum(right) / len(right)
