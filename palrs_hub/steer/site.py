"""The one hook at a block, and everything that steers there, in the order of attachment."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

from palrs_hub.blocks import residual_of, with_residual

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch.utils.hooks import RemovableHandle

    from palrs_hub.steer.action import Action
    from palrs_hub.steer.gate import Gate

_SITES: weakref.WeakKeyDictionary[torch.nn.Module, weakref.ref[Site]] = weakref.WeakKeyDictionary()


class Owner(Protocol):
    """Whoever steers, and may pause."""

    is_suspended: bool


@dataclass(frozen=True, eq=False)
class Entry:
    """What one owner does at one block: first its conditions are read, then its actions run."""

    owner: Owner
    gates: Sequence[Gate]
    actions: Sequence[Action]


class Site:
    """A block's hook; it is there while somebody steers at the block."""

    def __init__(self, block: torch.nn.Module, layer: int, hidden_size: int) -> None:
        self._block = weakref.ref(block)
        self._layer = layer
        self._hidden_size = hidden_size
        self._entries: list[Entry] = []
        self._handle: RemovableHandle | None = None

    def add(self, entry: Entry) -> None:
        """Steer here too, after those who do already."""
        if self._handle is None:
            self._handle = self._hooked()
        self._entries.append(entry)

    def remove(self, entry: Entry) -> None:
        """Steer here no more; the hook goes with the last one."""
        if entry in self._entries:
            self._entries.remove(entry)
        if not self._entries and self._handle is not None:
            self._handle.remove()
            self._handle = None

    def _hooked(self) -> RemovableHandle:
        block, entries, layer, width = self._block(), self._entries, self._layer, self._hidden_size
        assert block is not None

        def hook(module: torch.nn.Module, arguments: object, output: object) -> object:
            # A deep copy of the model takes its hooks along, but no handle could ever detach them.
            if module is not block:
                return output
            hidden = before = residual_of(output, width, layer)
            for entry in entries:
                if not entry.owner.is_suspended:
                    for gate in entry.gates:
                        gate.read(hidden)
                    for action in entry.actions:
                        hidden = action(hidden)
            return output if hidden is before else with_residual(output, hidden)

        # Before transformers' own capture hooks, so that hidden_states show the steering.
        return block.register_forward_hook(hook, prepend=True)


def site(block: torch.nn.Module, layer: int, hidden_size: int) -> Site:
    """The site of a block; whoever adds an entry keeps it alive."""
    known = _SITES.get(block)
    found = known() if known else None
    if found is None:
        found = Site(block, layer, hidden_size)
        _SITES[block] = weakref.ref(found)
    return found
