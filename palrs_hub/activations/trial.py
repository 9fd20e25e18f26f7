"""Tries which ways of reading are right for a model, by reading the longest row in each of them.

A mask of its own shape or a cache that is reused is understood by most architectures and silently
misunderstood by some: windows, biases by distance, states that run through the row.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from palrs_hub.activations.packing import Branch, Row
from palrs_hub.activations.reader import CHOSEN, Reader
from palrs_hub.activations.ways import SEPARATELY, WAYS, Limits, Text, Way
from palrs_hub.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.blocks import DecoderBlocks

TOLERANCES: Final = {torch.float32: 1e-4, torch.float64: 1e-8}
"""Relative difference of an activation that is rounding."""

HALF_TOLERANCE: Final = 3e-2
"""The same in float16 and bfloat16."""

# What a model may raise, in any way, when it is asked in a way that it does not know.
_REFUSALS: Final = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError, ModelError),
    *(NotImplementedError, RuntimeError, TypeError, ValueError),
)

Activations = np.ndarray[Any, np.dtype[np.float32]]


@dataclass
class _Known:
    """Rows of up to so many tokens were right, and of so many and more were wrong."""

    right_to: int = 0
    wrong_from: int | float = float("inf")

    def is_open(self, length: int) -> bool:
        return self.right_to < length < self.wrong_from

    def learn(self, length: int, is_right: bool) -> None:
        if is_right:
            self.right_to = length
        else:
            self.wrong_from = length


class Trials:
    """Which ways of WAYS a model allows, tried when rows are longer than any before."""

    def __init__(
        self,
        model: torch.nn.Module,
        blocks: DecoderBlocks,
        layers: tuple[int, ...],
        limits: Limits,
    ) -> None:
        self._model, self._blocks, self._layers, self._limits = model, blocks, layers, limits
        self._known = {way.name: _Known() for way in WAYS}

    def cheapest(self, texts: Sequence[Text], rows: Sequence[Row]) -> Way:
        """The cheapest way that is right for rows as long as these."""
        shared = [row for row in rows if len(row.branches) > 1]
        if not shared:
            return SEPARATELY
        longest, shortest = max(shared, key=len), min(shared, key=len)
        for way in WAYS:
            known = self._known[way.name]
            if known.is_open(len(longest)):
                tried = [longest, shortest] if way.pads else [longest]
                known.learn(len(longest), self._is_right(way, texts, tried))
            if len(longest) <= known.right_to:
                return way
        return SEPARATELY

    def _is_right(self, way: Way, texts: Sequence[Text], rows: Sequence[Row]) -> bool:
        if not way.fits(self._model, max(map(len, rows))):
            return False
        try:
            found = self._read(way, texts, rows)
        except _REFUSALS:
            return False
        # The texts of a row that come first stand there as they would alone; the last does not.
        last = [row.branches[-1].text for row in rows]
        expected = self._read(SEPARATELY, texts, [_alone(texts, text) for text in last])
        place = np.cumsum([len(row.branches) for row in rows]) - 1
        found = found[place]
        dtype = self._model.get_input_embeddings().weight.dtype  # type: ignore[operator]
        tolerance = TOLERANCES.get(dtype, HALF_TOLERANCE)
        difference = np.linalg.norm(found - expected, axis=-1)
        return bool((difference <= tolerance * np.linalg.norm(expected, axis=-1)).all())

    def _read(self, way: Way, texts: Sequence[Text], rows: Sequence[Row]) -> Activations:
        """What is read of each text of the rows, ``[texts, positions, layers, hidden]``."""
        branches = [branch for row in rows for branch in row.branches]
        # Each counts as a pair of its own, so that the activations of every one are kept.
        alone = [
            replace(texts[branch.text], group=CHOSEN, pair=index)
            for index, branch in enumerate(branches)
        ]
        number = iter(range(len(branches)))
        renumbered = [
            replace(row, branches=[Branch(next(number), branch.places) for branch in row.branches])
            for row in rows
        ]
        names = [str(name) for name in range(1 + max(texts[0].positions))]
        reader = Reader(self._blocks, self._layers, names, len(alone))
        with reader.reading():
            for forward, reads in way.steps(self._model, alone, renumbered, self._limits):
                reader.run(forward, reads)
        found: Activations = reader.sums(len(alone)).samples[CHOSEN]
        return found


def _alone(texts: Sequence[Text], text: int) -> Row:
    row = Row()
    row.add(text, texts[text].sample.token_ids, 0)
    return row
