"""Reads the residual stream in one streaming pass over shards of pairs.

A shard of a few pairs is laid out on its own, so that it is computed in the same way whoever
computes it, and memory does not depend on the number of pairs. What texts of a shard begin with is
computed once, where a trial on its rows shows that the model allows it; each forward stops
after the last block that is wanted (so no final norm and no lm_head ever run); only float64 sums of
what is read are kept.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from tqdm.auto import tqdm

from palrs_hub.activations.agreement import tolerance_of
from palrs_hub.activations.forward import (
    PaddingSide,
    inference,
    input_device,
    keep_freed_memory,
)
from palrs_hub.activations.packing import pack
from palrs_hub.activations.reader import CHOSEN, REJECTED, Reader
from palrs_hub.activations.steps import Limits, Text
from palrs_hub.activations.trial import Trials
from palrs_hub.blocks import find_blocks
from palrs_hub.compiled import eagerly, uncompiled
from palrs_hub.errors import ExtractionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch

    from palrs_hub.inputs import Sample
    from palrs_hub.moments import Moments
    from palrs_hub.sums import Sums

SHARD_PAIRS: Final = 64

CPU_TOKENS: Final = 640
"""Tokens in a batch on a CPU: measured, see docs/performance.md; more are no quicker."""

DEVICE_TOKENS: Final = 8192
"""Tokens in a batch elsewhere; not measured."""


def read_moments(
    model: torch.nn.Module,
    chosen: Sequence[Sample],
    rejected: Sequence[Sample],
    *,
    batch_size: int | None = None,
    padding_side: PaddingSide = "right",
    layers: Sequence[int] | None = None,
    progress: bool = False,
) -> tuple[Moments, Moments]:
    """Stream both classes through the model and average their activations.

    Args:
        model: A transformers model, in any floating-point type.
        chosen: Samples of the chosen responses.
        rejected: Samples of the rejected ones, pair by pair.
        batch_size: Rows in a batch; by default as many as a number of tokens hold.
        padding_side: Where to pad; the result does not depend on it.
        layers: Layers to read; all by default.
        progress: Show a progress bar.

    Returns:
        Moments of the chosen and of the rejected responses.

    Raises:
        ModelError: The model's blocks cannot be read.
        ExtractionError: Activations are not finite, or a text does not fit the model.
    """
    names = tuple(str(index) for index in range(len(chosen[0].spans)))
    stream = Stream(
        model,
        names,
        len(chosen),
        layers=layers,
        batch_size=batch_size,
        padding_side=padding_side,
    )
    bar = tqdm(total=len(chosen), desc="Reading activations", unit="pair", disable=not progress)
    with bar, stream.reading():
        for first in range(0, len(chosen), SHARD_PAIRS):
            shard = slice(first, first + SHARD_PAIRS)
            stream.add(chosen[shard], rejected[shard], positions=names, first=first)
            bar.update(len(chosen[shard]))
    return stream.sums().moments()


class Stream:
    """Sums over the shards that it is given, of one model.

    Args:
        model: A transformers model, in any floating-point type.
        positions: Names of the read positions.
        pairs: Number of all pairs.
        layers: Layers to read; all by default.
        batch_size: Rows in a batch; by default as many as a number of tokens hold.
        padding_side: Where to pad; the result does not depend on it.

    Attributes:
        ways: Names of the ways in which shards were read.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        positions: Sequence[str],
        pairs: int,
        *,
        layers: Sequence[int] | None = None,
        batch_size: int | None = None,
        padding_side: PaddingSide = "right",
    ) -> None:
        model = uncompiled(model)
        self._model, self._blocks = model, find_blocks(model)
        wanted = range(len(self._blocks)) if layers is None else sorted(layers)
        self._layers = tuple(wanted)
        tolerance = tolerance_of(model)
        self._reader = Reader(self._blocks, self._layers, positions, pairs, tolerance)
        on_cpu = input_device(model).type == "cpu"
        tokens = CPU_TOKENS if on_cpu else DEVICE_TOKENS
        self._limits = Limits(tokens, batch_size, padding_side)
        self._trials = Trials(model, self._reader, self._limits, tolerance)
        self._positions = tuple(positions)
        self._count = 0
        self.ways: set[str] = set()

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """Within, shards can be added."""
        if input_device(self._model).type == "cpu":
            keep_freed_memory(self._limits.max_tokens * self._blocks.hidden_size)
        with eagerly(), inference(self._model):
            yield

    def add(
        self,
        chosen: Sequence[Sample],
        rejected: Sequence[Sample],
        *,
        positions: Sequence[str],
        first: int,
    ) -> None:
        """Read one shard.

        Args:
            chosen: Samples of the chosen responses.
            rejected: Samples of the rejected ones, pair by pair.
            positions: Names of what their spans are; any that this shard lacks are left out in the
                end.
            first: The first pair's place among all pairs.

        Raises:
            ModelError: The model's blocks cannot be read.
            ExtractionError: A text does not fit the model.
        """
        self._positions = tuple(name for name in self._positions if name in positions)
        places = tuple(self._reader.positions.index(name) for name in positions)
        texts = [
            Text(sample, group, first + index, places)
            for group, samples in ((CHOSEN, chosen), (REJECTED, rejected))
            for index, sample in enumerate(samples)
        ]
        self._check_lengths(texts)
        rows = pack([text.sample for text in texts], self._blocks.hidden_size)
        with self._reader.reading():
            way, held = self._trials.cheapest(texts, rows)
            tried, rest = way.split(rows)
            for found in held:
                self._reader.add(found)
            for part in [rest] if held else [tried, rest]:
                for forward, reads in way.steps(self._model, texts, part, self._limits):
                    self._reader.run(forward, reads)
        self.ways.add(way.name)
        self._count += len(chosen)

    def sums(self) -> Sums:
        """The sums over everything that was added."""
        return self._reader.sums(self._count).only(self._positions)

    def _check_lengths(self, texts: Sequence[Text]) -> None:
        limit = getattr(getattr(self._model, "config", None), "max_position_embeddings", None)
        longest = max(texts, key=lambda text: len(text.sample.token_ids))
        length = len(longest.sample.token_ids)
        if isinstance(limit, int) and length > limit:
            raise ExtractionError(
                f"Pair {longest.pair + 1} has {length} tokens; the model takes {limit}. Shorten "
                "or remove it: a text that was cut would be read in the wrong place."
            )
