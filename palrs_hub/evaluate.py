"""Evaluation: what a vector does, always beside what it must be compared with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from palrs_hub.errors import UsageError
from palrs_hub.generation import complete
from palrs_hub.steer import adding, suspended

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.moments import Array
    from palrs_hub.pairs.pair import Text
    from palrs_hub.vector import SteeringVector

Judge = Callable[[str], bool]
"""Whether a completion solves its problem."""


@dataclass(frozen=True)
class Problems:
    """Problems that a program can judge.

    Attributes:
        name: What they are, for instance ``sums with a carry``.
        split: Which split they are.
        prompts: One prompt a problem.
        judges: One judge a problem.
        max_new_tokens: Where a completion is cut.
    """

    name: str
    split: str
    prompts: tuple[Text, ...]
    judges: tuple[Judge, ...]
    max_new_tokens: int

    def __post_init__(self) -> None:
        if not self.prompts or len(self.prompts) != len(self.judges):
            raise UsageError(
                f"Expected a judge for each of at least one prompt; found {len(self.prompts)} "
                f"prompts and {len(self.judges)} judges."
            )


@dataclass(frozen=True)
class Comparison:
    """Accuracy of a steered model beside its baselines.

    Attributes:
        unsteered: Without the vector.
        steered: With it.
        random_each: With random directions of the same norm at the same layer, one each.
        negated: With the vector's opposite.
    """

    unsteered: float
    steered: float
    random_each: tuple[float, ...]
    negated: float

    @property
    def random(self) -> float:
        """Mean over the random directions."""
        return float(np.mean(self.random_each))


def accuracy(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    problems: Problems,
    *,
    batch_size: int = 64,
) -> float:
    """Share of problems that the model, as it is now, solves by greedy generation."""
    completions = complete(
        model,
        tokenizer,
        problems.prompts,
        max_new_tokens=problems.max_new_tokens,
        batch_size=batch_size,
    )
    solved = [judge(text) for judge, text in zip(problems.judges, completions, strict=True)]
    return float(np.mean(solved))


def compare(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    vector: SteeringVector,
    problems: Problems,
    *,
    random_directions: int = 8,
    seed: int = 0,
    progress: bool = False,
) -> Comparison:
    """Measure a vector beside the unsteered model, random directions and its own opposite.

    Whatever steers the model is suspended meanwhile.

    Args:
        model: The vector's model.
        tokenizer: Its tokenizer.
        vector: The vector, at its default coefficients.
        problems: A test split; never the one that chose the vector.
        random_directions: How many; with few dimensions their spread is wide.
        seed: Seed of the random directions.
        progress: Show a progress bar.
    """
    if len(vector.manifest.interventions) != 1:
        raise UsageError("Random directions are compared with vectors of one intervention.")
    intervention = vector.manifest.interventions[0]
    addend = intervention.coefficient * vector.arrays[intervention.tensor].astype(np.float64)
    random = random_like(addend, random_directions, seed)
    bar = tqdm(total=random_directions + 3, desc="Evaluating", unit="run", disable=not progress)

    def measure(added: Array | None) -> float:
        if added is None:
            result = accuracy(model, tokenizer, problems)
        else:
            with adding(model, intervention.layer, added):
                result = accuracy(model, tokenizer, problems)
        bar.update()
        return result

    with bar, suspended(model):
        return Comparison(
            unsteered=measure(None),
            steered=measure(addend),
            random_each=tuple(measure(direction) for direction in random),
            negated=measure(-addend),
        )


def random_like(addend: Array, number: int, seed: int) -> list[Array]:
    """Random directions of the same norm, uniform on the sphere, ``number`` of ``[hidden]``."""
    generator = np.random.default_rng(seed)
    drawn = generator.standard_normal((number, addend.shape[-1]))
    norm = np.linalg.norm(addend)
    return [direction / np.linalg.norm(direction) * norm for direction in drawn]
