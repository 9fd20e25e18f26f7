"""What a method is: a direction from two classes of activations, and a preset of switches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from palrs_hub.inputs import InputFormat, Positions
from palrs_hub.manifest import Unit
from palrs_hub.moments import Array, Moments

Choice = Literal["alignment", "validation"]
CHOICES: tuple[Choice, ...] = get_args(Choice)

Direction = Callable[[Moments, Moments], Array]
"""Candidates from the chosen and the rejected activations, float64 [positions, layers, hidden]."""


@dataclass(frozen=True)
class Switches:
    """Every choice that extraction leaves open.

    Attributes:
        input_format: How a pair becomes text; see ``palrs_hub.inputs.prepare_pairs``.
        positions: Which tokens are read.
        choice: How position and layer are chosen: ``alignment`` with the mean chosen activation
            (PaLRS, eq. 3), or ``validation`` (the margin on a validation split).
        scale: Norm of the vector, which is the unit of the coefficient.
        drop_last_layers: Share of the last layers that ``alignment`` does not choose from.
    """

    input_format: InputFormat
    positions: Positions
    choice: Choice
    scale: Unit
    drop_last_layers: float


@dataclass(frozen=True)
class Method:
    """An extraction method.

    Attributes:
        name: Its name in METHODS, in manifests and on the command line.
        summary: What it does, in one line.
        source: The paper.
        preset: The paper's own switches.
        direction: The candidates from the activations.
    """

    name: str
    summary: str
    source: str
    preset: Switches
    direction: Direction
