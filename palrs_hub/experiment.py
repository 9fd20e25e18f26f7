"""A vector on its model and the arms that it is compared with: the same for every measurement."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from tqdm.auto import tqdm

from palrs_hub.errors import UsageError
from palrs_hub.evidence import Settings
from palrs_hub.measured import NEGATED, PROMPTED, RANDOM, STEERED, UNSTEERED
from palrs_hub.model_facts import dtype_of
from palrs_hub.steer import adding, suspended

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.moments import Array
    from palrs_hub.vector import SteeringVector

    Addend = tuple[int, Array]

T = TypeVar("T")


@dataclass(frozen=True)
class Experiment:
    """A vector on its model, beside what it must beat.

    Attributes:
        model: The vector's model; whatever steers it is suspended while an arm runs.
        tokenizer: Its tokenizer.
        vector: The vector, at its default coefficients.
        random_directions: How many; with few dimensions their spread is wide.
        seed: Seed of the random directions.
        instruction: The preference in words, for the prompt baseline; None leaves that arm out.
        batch_size: Rows in a batch.
        progress: Show a progress bar.
    """

    model: torch.nn.Module
    tokenizer: PreTrainedTokenizerBase
    vector: SteeringVector
    random_directions: int = 4
    seed: int = 0
    instruction: str | None = None
    batch_size: int = 64
    progress: bool = False

    def __post_init__(self) -> None:
        if self.random_directions < 1:
            raise UsageError(
                f"Expected at least one random direction; found {self.random_directions}."
            )
        if self.instruction is not None and not self.instruction.strip():
            raise UsageError(
                "Expected an instruction that states the preference; found an empty one."
            )

    def run(self, measure: Callable[[str | None], T], *, prompted: bool = True) -> dict[str, T]:
        """Measure every arm: unsteered, steered, prompted, negated, then the random ones.

        Args:
            measure: Called once for each arm with the model as that arm has it, and with the
                instruction on the prompted one, None on the others.
            prompted: Whether the prompt baseline makes sense for what is measured.
        """
        addends = addends_of(self.vector)
        negated = [(layer, -addend) for layer, addend in addends]
        arms: dict[str, Sequence[Addend]] = {UNSTEERED: (), STEERED: addends}
        if prompted and self.instruction is not None:
            arms[PROMPTED] = ()
        arms[NEGATED] = negated
        random = random_addends(addends, self.random_directions, self.seed)
        arms |= {f"{RANDOM}{number}": each for number, each in enumerate(random, start=1)}
        measured: dict[str, T] = {}
        bar = tqdm(total=len(arms), desc="Evaluating", unit="run", disable=not self.progress)
        with bar, suspended(self.model):
            for arm, added in arms.items():
                with contextlib.ExitStack() as stack:
                    for layer, addend in added:
                        stack.enter_context(adding(self.model, layer, addend))
                    measured[arm] = measure(self.instruction if arm == PROMPTED else None)
                bar.update()
        return measured

    def settings(self, kind: str, *, prompted: bool = True) -> Settings:
        """What every measurement of this experiment shares, to be completed by its kind."""
        return Settings(
            kind=kind,
            instruction=self.instruction if prompted else None,
            random_directions=self.random_directions,
            seed=self.seed,
            batch_size=self.batch_size,
            dtype=dtype_of(self.model),
        )


def addends_of(vector: SteeringVector) -> list[Addend]:
    """What a vector adds at its default coefficients, layer by layer.

    Raises:
        UsageError: It does more than adding to every token, which cannot be measured this way.
    """
    for step in vector.manifest.interventions:
        if beyond := step.beyond_adding:
            raise UsageError(
                f"Evaluation adds to every token; {vector.manifest.name!r} asks at layer "
                f"{step.layer} for {beyond}. Attach it and measure what `generate` writes."
            )
    return [
        (step.layer, step.coefficient * vector.arrays[step.tensor].astype(np.float64))
        for step in vector.manifest.interventions
    ]


def random_addends(addends: Sequence[Addend], number: int, seed: int) -> list[list[Addend]]:
    """Random directions in the place of a vector's own, of the same norms, ``number`` of them."""
    drawn = [random_like(addend, number, seed + i) for i, (_, addend) in enumerate(addends)]
    layers = [layer for layer, _ in addends]
    return [list(zip(layers, each, strict=True)) for each in zip(*drawn, strict=True)]


def random_like(addend: Array, number: int, seed: int) -> list[Array]:
    """Random directions of the same norm, uniform on the sphere, ``number`` of ``[hidden]``."""
    generator = np.random.default_rng(seed)
    drawn = generator.standard_normal((number, addend.shape[-1]))
    norm = np.linalg.norm(addend)
    return [direction / np.linalg.norm(direction) * norm for direction in drawn]
