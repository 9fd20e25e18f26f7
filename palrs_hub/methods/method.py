"""What a method is: a preset of switches, and how it finds directions.

There are two kinds: a ``ReadMethod`` computes its directions from activations that were read in one
pass; a ``TrainedMethod`` optimises them on the pairs, the model frozen.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from palrs_hub.errors import UsageError
from palrs_hub.inputs import InputFormat
from palrs_hub.manifest import Unit
from palrs_hub.moments import Array, Moments

if TYPE_CHECKING:
    import torch

Choice = Literal["alignment", "validation"]
CHOICES: tuple[Choice, ...] = get_args(Choice)

Direction = Callable[[Moments, Moments], Array]
"""Candidates from the chosen and the rejected activations, float64 [positions, layers, hidden]."""


class Objective(Protocol):
    """The loss of a step, from what steering changed."""

    def __call__(
        self, chosen: torch.Tensor, rejected: torch.Tensor, sign: torch.Tensor, beta: float
    ) -> torch.Tensor:
        """Mean loss over the step's pairs, all arguments float32 ``[pairs]``.

        Args:
            chosen: Log-probability of the chosen responses, steered minus unsteered, in nats.
            rejected: The same of the rejected responses.
            sign: 1 where the vector was added, -1 where it was subtracted.
            beta: See ``Training``.
        """


@dataclass(frozen=True)
class Switches:
    """Every choice that extraction leaves open.

    Attributes:
        input_format: How a pair becomes text; see ``palrs_hub.inputs.prepare_pairs``.
        positions: Which tokens are read, as ``palrs_hub.positions`` writes it.
        choice: How position and layer are chosen: ``alignment`` with the mean chosen activation
            (PaLRS, eq. 3), or ``validation`` (the margin on a validation split).
        scale: Norm of the vector, which is the unit of the coefficient.
        drop_last_layers: Share of the last layers that ``alignment`` does not choose from.
    """

    input_format: InputFormat
    positions: str
    choice: Choice
    scale: Unit
    drop_last_layers: float


@dataclass(frozen=True)
class Training:
    """How a vector is optimised.

    Attributes:
        epochs: How often every pair is seen.
        learning_rate: The highest one; it rises during the first tenth of the steps and then
            falls along half a cosine.
        beta: How far the steered model is from the unsteered one before the loss saturates, as in
            DPO.
        pairs_per_step: Pairs whose gradient is averaged for a step.
        weight_decay: Of AdamW.
        seed: Seed of the order of the pairs and of the signs.
    """

    epochs: int
    learning_rate: float
    beta: float
    pairs_per_step: int
    weight_decay: float
    seed: int = 0

    def __post_init__(self) -> None:
        numbers = (self.learning_rate, self.beta, self.weight_decay)
        if min(self.epochs, self.pairs_per_step) < 1 or not all(map(math.isfinite, numbers)):
            raise UsageError(
                f"Expected at least one epoch, one pair a step and finite numbers; found {self}."
            )
        if min(self.learning_rate, self.beta) <= 0 or self.weight_decay < 0:
            raise UsageError(f"Expected a positive learning rate and beta; found {self}.")


@dataclass(frozen=True)
class Method:
    """What every extraction method has.

    Attributes:
        name: Its name in METHODS, in manifests and on the command line.
        summary: What it does, in one line.
        source: The paper.
        preset: The paper's own switches.
    """

    name: str
    summary: str
    source: str
    preset: Switches


@dataclass(frozen=True)
class ReadMethod(Method):
    """A method whose directions are computed from activations.

    Attributes:
        direction: The candidates from the activations.
    """

    direction: Direction


@dataclass(frozen=True)
class TrainedMethod(Method):
    """A method whose directions are optimised, one for each layer.

    Attributes:
        objective: What is minimised.
        training: The paper's own settings, as far as they carry over.
    """

    objective: Objective
    training: Training


AnyMethod = ReadMethod | TrainedMethod
