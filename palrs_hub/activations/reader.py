"""Hooks that add up what is read of the residual stream, on the device where it is computed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from palrs_hub.activations.last_block import LastBlock
from palrs_hub.blocks import residual_of
from palrs_hub.errors import ModelError
from palrs_hub.sums import Sums, sampled_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from palrs_hub.blocks import DecoderBlocks

CHOSEN, REJECTED = 0, 1

Whose = tuple[int, int]
"""A text: its group, and its pair."""


class StopForward(Exception):
    """The last wanted block has been read: not an error, the end of a forward pass."""


@dataclass(frozen=True)
class Read:
    """Tokens of one text in a batch that belong to one read position.

    Attributes:
        cells: Their indices among all cells of the batch, padding included.
        group: Whether the text is a chosen or a rejected response.
        pair: The text's pair, counted over all pairs.
        position: Which read position it is.
        weight: The share of each token in the mean over that position's tokens.
    """

    cells: tuple[int, ...]
    group: int
    pair: int
    position: int
    weight: float


@dataclass(frozen=True)
class _Wanted:
    """What the hooks do with the cells of one forward pass.

    Attributes:
        cells: The cells that are read, ``[cells]``.
        weights: Rows of sums, then of samples, then of watched texts, float64 ``[rows, cells]``.
        slots: Where each row of samples is kept.
    """

    cells: torch.Tensor
    weights: torch.Tensor
    slots: torch.Tensor

    def to(self, device: torch.device) -> _Wanted:
        return _Wanted(self.cells.to(device), self.weights.to(device), self.slots.to(device))


@dataclass(frozen=True)
class Held:
    """What one forward pass read and nobody has added up yet.

    Attributes:
        read: What each layer gave, float64 ``[rows, hidden]``.
        slots: Where each row of samples is kept.
        watched: Number of rows at the end that are of watched texts.
    """

    read: dict[int, torch.Tensor]
    slots: torch.Tensor
    watched: int

    def activations(self) -> torch.Tensor:
        """Those of the watched texts, float64 ``[texts * positions, layers, hidden]``."""
        rows = [read[len(read) - self.watched :].cpu() for read in self.read.values()]
        return torch.stack(rows, dim=1)


class Reader:
    """Sums of both classes at every wanted layer, and the samples kept for diagnostics.

    Args:
        blocks: The model's blocks.
        layers: Those to read, in order.
        positions: Names of the read positions.
        pairs: Number of all pairs, which may be more than this reader will see.
        tolerance: Relative difference of an activation that is rounding.
    """

    def __init__(
        self,
        blocks: DecoderBlocks,
        layers: tuple[int, ...],
        positions: Sequence[str],
        pairs: int,
        tolerance: float,
    ) -> None:
        self.positions = tuple(positions)
        self._blocks, self._layers = blocks, layers
        numbers = len(positions) * len(layers) * blocks.hidden_size
        self._kept: Mapping[int, int] = sampled_pairs(pairs, numbers)
        self._sums: dict[int, torch.Tensor] = {}
        self._samples: dict[int, torch.Tensor] = {}
        self._wanted: dict[torch.device, _Wanted] = {}
        self._taken: Callable[[int, torch.Tensor], None] = self._add
        self._seen: set[int] = set()
        last = layers[-1]
        self._last = LastBlock(blocks.modules[last], blocks.hidden_size, last, tolerance)

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Within, forward passes are read and end after the last wanted block."""
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._last.hooked())
            for layer in self._layers:
                hook = self._hook(layer)
                handle = self._blocks.modules[layer].register_forward_hook(hook, with_kwargs=True)
                stack.callback(handle.remove)
            yield

    def run(self, forward: Callable[[], object], reads: Sequence[Read]) -> None:
        """Read the given tokens in one forward pass.

        Args:
            forward: Runs the model.
            reads: What to read, of any number of texts.

        Raises:
            ModelError: A block did not run, or does not return the residual stream.
        """
        self._go(forward, self._weigh(reads, ()), self._add)

    def hold(
        self, forward: Callable[[], object], reads: Sequence[Read], watched: Sequence[Whose]
    ) -> Held:
        """The same, not yet in the sums, and with the activations of some texts of their own."""
        found: dict[int, torch.Tensor] = {}
        wanted = self._weigh(reads, watched)
        self._go(forward, wanted, found.__setitem__)
        return Held(found, wanted.slots, len(watched) * len(self.positions))

    def add(self, held: Held) -> None:
        """Add up what was held."""
        for layer, read in held.read.items():
            self._add_up(layer, read[: len(read) - held.watched], held.slots.to(read.device))

    def sums(self, count: int) -> Sums:
        """What was read so far, copied to the host, as the sums of so many pairs."""
        shape = (2, len(self.positions), len(self._layers), self._blocks.hidden_size)
        totals = np.zeros(shape)
        samples = np.zeros((2, len(self._kept), *shape[1:]), dtype=np.float32)
        for slot, layer in enumerate(self._layers):
            if layer in self._sums:
                totals[:, :, slot] = self._sums[layer].cpu().numpy()
                samples[:, :, :, slot] = self._samples[layer].cpu().numpy()
        return Sums(self.positions, self._layers, count, totals, samples)

    def _go(
        self,
        forward: Callable[[], object],
        wanted: _Wanted,
        taken: Callable[[int, torch.Tensor], None],
    ) -> None:
        self._wanted = {torch.device("cpu"): wanted}
        self._taken = taken
        self._seen.clear()
        self._last.begin(lambda device: self._wanted_on(device).cells)
        with contextlib.suppress(StopForward):
            forward()
        if missing := set(self._layers) - self._seen:
            raise ModelError(
                f"Block {min(missing)} did not run in a forward pass: its residual stream cannot "
                "be read. Is the model compiled? Load it without torch.compile."
            )

    def _weigh(self, reads: Sequence[Read], watched: Sequence[Whose]) -> _Wanted:
        # Of what texts begin with, often nothing is read.
        cells = np.unique(np.fromiter(chain.from_iterable(r.cells for r in reads), np.int64))
        positions, sums = len(self.positions), 2 * len(self.positions)
        rows: dict[int, int] = {}
        for read in reads:
            if read.pair in self._kept:
                rows.setdefault(self._slot(read), sums + len(rows))
        first = {whose: sums + len(rows) + i * positions for i, whose in enumerate(watched)}
        weights = np.zeros((sums + len(rows) + len(watched) * positions, len(cells)))
        for read in reads:
            columns = np.searchsorted(cells, read.cells)
            weights[read.group * positions + read.position, columns] += read.weight
            if read.pair in self._kept:
                weights[rows[self._slot(read)], columns] += read.weight
            if (read.group, read.pair) in first:
                weights[first[read.group, read.pair] + read.position, columns] += read.weight
        slots = torch.tensor(list(rows), dtype=torch.long)
        return _Wanted(torch.from_numpy(cells), torch.from_numpy(weights), slots)

    def _slot(self, read: Read) -> int:
        place = read.group * len(self._kept) + self._kept[read.pair]
        return place * len(self.positions) + read.position

    def _hook(self, layer: int) -> Callable[[torch.nn.Module, Any, Any, object], None]:
        def hook(module: torch.nn.Module, arguments: Any, named: Any, output: object) -> None:  # noqa: ANN401
            hidden = residual_of(output, self._blocks.hidden_size, layer)
            is_last = layer == self._layers[-1]
            if is_last:
                hidden = self._last.proven(arguments, named, hidden)
            if hidden.device.type == "mps":  # has no float64
                hidden = hidden.cpu()
            wanted = self._wanted_on(hidden.device)
            # Other cells are never touched: padding that attends to nothing may be NaN.
            read = hidden.flatten(0, 1)[wanted.cells].to(torch.float64)
            self._taken(layer, wanted.weights @ read)
            self._seen.add(layer)
            if is_last:
                raise StopForward

        return hook

    def _add(self, layer: int, read: torch.Tensor) -> None:
        self._add_up(layer, read, self._wanted_on(read.device).slots)

    def _add_up(self, layer: int, read: torch.Tensor, slots: torch.Tensor) -> None:
        """Add rows of sums, then of samples."""
        sums, samples = self._buffers(layer, read.device)
        number = len(sums.flatten(0, 1))
        sums.flatten(0, 1).add_(read[:number])
        samples.flatten(0, 2).index_add_(0, slots, read[number:].to(torch.float32))

    def _wanted_on(self, device: torch.device) -> _Wanted:
        if device not in self._wanted:
            self._wanted[device] = self._wanted[torch.device("cpu")].to(device)
        return self._wanted[device]

    def _buffers(self, layer: int, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
        """Sums ``[2, positions, hidden]``, and samples ``[2, samples, positions, hidden]``."""
        if layer not in self._sums:
            shape = (len(self.positions), self._blocks.hidden_size)
            self._sums[layer] = torch.zeros(2, *shape, dtype=torch.float64, device=device)
            self._samples[layer] = torch.zeros(2, len(self._kept), *shape, device=device)
        return self._sums[layer], self._samples[layer]
