"""Vectors at work on a model of vLLM: one buffer and one hook for each steered block."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from palrs_hub.engines.addends import addends
from palrs_hub.errors import ModelError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palrs_hub.vector import SteeringVector

_BUFFER: Final = "palrs_hub_addend"


@dataclass(frozen=True)
class State:
    """What steers a server now.

    Attributes:
        vectors: The names that can be chosen.
        active: The one that steers; None for none.
        coefficients: Its coefficients, one for each intervention.
        layers: The layers whose blocks are steered.
    """

    vectors: tuple[str, ...]
    active: str | None
    coefficients: tuple[float, ...]
    layers: tuple[int, ...]

    def as_json(self) -> dict[str, Any]:
        """The facts for machines."""
        return asdict(self)


class LiveSteering:
    """The vectors of a server, one of which steers at a time.

    Buffers and hooks are made once, before anything is compiled: what changes later are numbers.
    """

    def __init__(
        self, blocks: Mapping[int, torch.nn.Module], vectors: Mapping[str, SteeringVector],
        dtype: torch.dtype,
    ) -> None:  # fmt: skip
        self.vectors = dict(vectors)
        steered = {c.layer for v in self.vectors.values() for c in v.manifest.interventions}
        # With pipeline parallelism a rank has only some of the blocks.
        self._blocks = {layer: blocks[layer] for layer in sorted(steered) if layer in blocks}
        self._state = State(tuple(self.vectors), None, (), ())
        for block in self._blocks.values():
            weight = next(block.parameters())
            width = next(iter(self.vectors.values())).manifest.base_model.hidden_size
            zeros = torch.zeros(width, dtype=dtype, device=weight.device)
            # Not persistent: the loader of the weights must not look for it.
            block.register_buffer(_BUFFER, zeros, persistent=False)
            block.register_forward_hook(_add)

    @property
    def state(self) -> State:
        """What steers now."""
        return self._state

    def choose(self, name: str | None, coefficient: float | None = None) -> State:
        """Let one of the vectors steer from the next forward pass on.

        Args:
            name: The vector; None to steer with none.
            coefficient: One coefficient for all its interventions, instead of its own.

        Raises:
            UsageError: There is no such vector, or nothing would be added; nothing has changed.
        """
        used: tuple[float, ...] = ()
        if name is None:
            added = {}
        elif name in self.vectors:
            vector = self.vectors[name]
            added = addends(vector, coefficient)
            own = tuple(change.coefficient for change in vector.manifest.interventions)
            used = own if coefficient is None else (coefficient,) * len(own)
        else:
            known = ", ".join(map(repr, self.vectors))
            raise UsageError(f"No vector {name!r:.80} is loaded. Vectors: {known}.")
        with torch.no_grad():
            for layer, block in self._blocks.items():
                buffer = block.get_buffer(_BUFFER)
                # In place: a compiled model and a CUDA graph go on reading this very tensor.
                if layer in added:
                    buffer.copy_(torch.tensor(added[layer]))
                else:
                    buffer.zero_()
        self._state = State(tuple(self.vectors), name, used, tuple(added))
        return self._state


def blocks_of(model: torch.nn.Module, path: str) -> dict[int, torch.nn.Module]:
    """The blocks that this rank has, by layer.

    Raises:
        ModelError: The model does not keep them there.
    """
    try:
        found = model.get_submodule(path)
    except AttributeError as error:
        raise ModelError(
            f"This vLLM keeps no blocks of {type(model).__name__} at {path}."
        ) from error
    if not isinstance(found, torch.nn.ModuleList):
        raise ModelError(f"{path} of {type(model).__name__} is no list of blocks.")
    return {
        index: block
        for index, block in enumerate(found)
        if next(block.parameters(), None) is not None
    }


def _add(
    module: torch.nn.Module, arguments: object, output: torch.Tensor | tuple[torch.Tensor, ...]
) -> object:
    # vLLM's blocks return the stream, or the last addition to it and the rest: then their sum is
    # the stream, and what is added to either part is added to it.
    addend = module.get_buffer(_BUFFER)
    if isinstance(output, tuple):
        return (output[0] + addend, *output[1:])
    return output + addend
