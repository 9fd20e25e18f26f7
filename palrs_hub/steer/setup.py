"""From vectors to what hooks do: entries for sites, nothing of the model changed yet."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from palrs_hub.blocks import find_blocks
from palrs_hub.errors import SteeringError
from palrs_hub.steer.action import Action, Part, joined
from palrs_hub.steer.gate import Gate
from palrs_hub.steer.site import Entry, Site, site

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.intervention import Condition
    from palrs_hub.steer.site import Owner
    from palrs_hub.steer.tokens import Tokens
    from palrs_hub.vector import SteeringVector

    Gates = dict[tuple[int, Condition], Gate]


@dataclass(frozen=True)
class Place:
    """What is done at one block, and where."""

    site: Site
    entry: Entry


def set_up(
    vectors: Sequence[SteeringVector], model: torch.nn.Module, tokens: Tokens, owner: Owner
) -> list[Place]:
    """Prepare vectors for a model: within a block in their order, and in the manifest's.

    Args:
        vectors: The vectors.
        model: A transformers model.
        tokens: What will be known of the model's tokens.
        owner: Whoever steers.

    Raises:
        SteeringError: A condition would have to be known in another process of a pipeline.
    """
    blocks = find_blocks(model)
    parts: dict[int, list[Part]] = {}
    for number, vector in enumerate(vectors):
        for index, change in enumerate(vector.manifest.interventions):
            direction = torch.tensor(vector.arrays[change.tensor], dtype=torch.float64)
            parts.setdefault(change.layer, []).append(Part(number, index, change, direction))
    gates = _gates(vectors, tokens)
    if gates and len(blocks.local) < len(blocks):
        raise SteeringError(
            "A condition is read in one process of a pipeline and needed in others. Load the model "
            "without pipeline parallelism, or steer without condition."
        )
    layers = sorted({*parts, *(condition.layer for _, condition in gates)} & blocks.local)
    places = []
    for layer in layers:
        block = blocks.modules[layer]
        actions = _actions(parts.get(layer, []), gates, tokens, block)
        read = [gate for (_, condition), gate in gates.items() if condition.layer == layer]
        where = site(block, layer, blocks.hidden_size)
        places.append(Place(where, Entry(owner, read, actions)))
    return places


def _gates(vectors: Sequence[SteeringVector], tokens: Tokens) -> Gates:
    """One gate for each condition of each vector, however many layers it rules."""
    found: Gates = {}
    for number, vector in enumerate(vectors):
        for change in vector.manifest.interventions:
            if change.condition is not None and (number, change.condition) not in found:
                array = torch.tensor(vector.arrays[change.condition.tensor], dtype=torch.float64)
                found[number, change.condition] = Gate(change.condition, array, tokens)
    return found


def _actions(
    parts: Sequence[Part], gates: Gates, tokens: Tokens, block: torch.nn.Module
) -> list[Action]:
    device, dtype = _home(block)
    actions = []
    for group in joined(parts):
        vector, condition = group[0].vector, group[0].change.condition
        gate = None if condition is None else gates[vector, condition]
        actions.append(Action(group, gate, tokens, device=device, dtype=dtype))
    return actions


def _home(block: torch.nn.Module) -> tuple[torch.device, torch.dtype]:
    """Where a block computes, and in which type, as far as its weights tell."""
    weights = [weight for weight in block.parameters() if weight.is_floating_point()]
    if not weights or weights[0].device.type == "meta":  # offloaded: they arrive with the call
        return torch.device("cpu"), weights[0].dtype if weights else torch.float32
    return weights[0].device, weights[0].dtype
