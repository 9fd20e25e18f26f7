"""What a model, as it is now, does on a world's test split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks.alignment.results import Measured, marks
from benchmarks.alignment.sizes import Sizes
from benchmarks.alignment.worlds import World
from palrs_hub.evaluate import solve
from palrs_hub.scores import perplexity


@dataclass(frozen=True)
class Bench:
    """The things that every arm works with.

    Attributes:
        model: The base model; nothing may change it.
        tokenizer: Its tokenizer.
        world: Pairs, problems and texts.
        sizes: How much is run.
    """

    model: Any
    tokenizer: Any
    world: World
    sizes: Sizes


def measure(bench: Bench, model: Any = None) -> Measured:  # noqa: ANN401
    """Answer every domain's test problems and score the guardrail's texts.

    Args:
        bench: The world.
        model: Another model than the bench's own.
    """
    model = bench.model if model is None else model
    return Measured(
        solved={
            domain.name: marks(solve(model, bench.tokenizer, domain.test))
            for domain in bench.world.domains
        },
        perplexity=perplexity(model, bench.tokenizer, bench.world.guardrail),
    )
