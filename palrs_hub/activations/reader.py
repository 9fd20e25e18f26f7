"""Hooks that add up what is read of the residual stream, on the device where it is computed."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from palrs_hub.blocks import residual_of
from palrs_hub.errors import ModelError
from palrs_hub.sums import Sums, sampled_pairs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from palrs_hub.blocks import DecoderBlocks

CHOSEN, REJECTED = 0, 1


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
        weights: Rows of sums, then rows of samples, float64 ``[rows, cells]``.
        slots: Where each row of samples is kept.
    """

    cells: torch.Tensor
    weights: torch.Tensor
    slots: torch.Tensor

    def to(self, device: torch.device) -> _Wanted:
        return _Wanted(self.cells.to(device), self.weights.to(device), self.slots.to(device))


class Reader:
    """Sums of both classes at every wanted layer, and the samples kept for diagnostics.

    Args:
        blocks: The model's blocks.
        layers: Those to read, in order.
        positions: Names of the read positions.
        pairs: Number of all pairs, which may be more than this reader will see.
    """

    def __init__(
        self,
        blocks: DecoderBlocks,
        layers: tuple[int, ...],
        positions: Sequence[str],
        pairs: int,
    ) -> None:
        self.positions = tuple(positions)
        self._blocks, self._layers = blocks, layers
        numbers = len(positions) * len(layers) * blocks.hidden_size
        self._kept: Mapping[int, int] = sampled_pairs(pairs, numbers)
        self._sums: dict[int, torch.Tensor] = {}
        self._samples: dict[int, torch.Tensor] = {}
        self._wanted: dict[torch.device, _Wanted] = {}
        self._seen: set[int] = set()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Within, forward passes are read and end after the last wanted block."""
        with contextlib.ExitStack() as stack:
            for layer in self._layers:
                handle = self._blocks.modules[layer].register_forward_hook(self._hook(layer))
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
        self._wanted = {torch.device("cpu"): self._weigh(reads)}
        self._seen.clear()
        with contextlib.suppress(StopForward):
            forward()
        if missing := set(self._layers) - self._seen:
            raise ModelError(
                f"Block {min(missing)} did not run in a forward pass: its residual stream cannot "
                "be read. Is the model compiled? Load it without torch.compile."
            )

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

    def _weigh(self, reads: Sequence[Read]) -> _Wanted:
        cells = np.unique(np.concatenate([read.cells for read in reads]))
        positions, sums = len(self.positions), 2 * len(self.positions)
        rows: dict[int, int] = {}
        for read in reads:
            if read.pair in self._kept:
                rows.setdefault(self._slot(read), sums + len(rows))
        weights = np.zeros((sums + len(rows), len(cells)))
        for read in reads:
            columns = np.searchsorted(cells, read.cells)
            weights[read.group * positions + read.position, columns] += read.weight
            if read.pair in self._kept:
                weights[rows[self._slot(read)], columns] += read.weight
        slots = torch.tensor(list(rows), dtype=torch.long)
        return _Wanted(torch.from_numpy(cells), torch.from_numpy(weights), slots)

    def _slot(self, read: Read) -> int:
        place = read.group * len(self._kept) + self._kept[read.pair]
        return place * len(self.positions) + read.position

    def _hook(self, layer: int) -> Callable[[torch.nn.Module, object, object], None]:
        def hook(module: torch.nn.Module, arguments: object, output: object) -> None:
            hidden = residual_of(output, self._blocks.hidden_size, layer)
            self._add(layer, hidden)
            self._seen.add(layer)
            if layer == self._layers[-1]:
                raise StopForward

        return hook

    def _add(self, layer: int, hidden: torch.Tensor) -> None:
        if hidden.device.type == "mps":  # has no float64
            hidden = hidden.cpu()
        wanted = self._wanted_on(hidden.device)
        # Other cells are never touched: padding that attends to nothing may be NaN.
        read = wanted.weights @ hidden.flatten(0, 1)[wanted.cells].to(torch.float64)
        sums, samples = self._buffers(layer, hidden.device)
        number = len(sums.flatten(0, 1))
        sums.flatten(0, 1).add_(read[:number])
        samples.flatten(0, 2).index_add_(0, wanted.slots, read[number:].to(torch.float32))

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
