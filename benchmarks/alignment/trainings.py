"""The ways to train that are compared; nothing of TRL is imported here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Training:
    """A way to train.

    Attributes:
        loss: ``DPO`` or ``SimPO``.
        lora: Whether adapters are trained instead of all weights.
    """

    loss: str
    lora: bool


TRAININGS: Final[dict[str, Training]] = {
    "DPO, all weights": Training("DPO", lora=False),
    "DPO, LoRA": Training("DPO", lora=True),
    "SimPO, all weights": Training("SimPO", lora=False),
    "SimPO, LoRA": Training("SimPO", lora=True),
}
