"""Tries which ways of reading are right for a model, by reading the longest row and a short one.

A mask of its own shape or a cache that is reused is understood by most architectures and silently
misunderstood by some: windows, biases by distance, states that run through the row. So is padding.
What a trial read in a way that is right is added up, so that only two texts are read twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from palrs_hub.activations.agreement import REFUSALS, agree
from palrs_hub.activations.packing import Row, alone
from palrs_hub.activations.steps import Limits, Text
from palrs_hub.activations.ways import ALONE, WAYS, Way

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from palrs_hub.activations.reader import Held, Reader, Whose


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
    """Which ways of WAYS a model allows, tried when rows are longer than any before.

    Args:
        model: A transformers model.
        reader: Reads it.
        limits: How large a batch may be.
        tolerance: Relative difference of an activation that is rounding.
    """

    def __init__(
        self, model: torch.nn.Module, reader: Reader, limits: Limits, tolerance: float
    ) -> None:
        self._model, self._reader, self._limits = model, reader, limits
        self._tolerance = tolerance
        self._known = {way.name: _Known() for way in WAYS}

    def cheapest(self, texts: Sequence[Text], rows: Sequence[Row]) -> tuple[Way, list[Held]]:
        """The cheapest way that is right for rows as long as these.

        Returns:
            The way, and what a trial of it read of the rows that it splits off; empty if there was
            no trial.
        """
        for way in WAYS:
            tried, _ = way.split(rows)
            longest, known, held = max(map(len, tried), default=0), self._known[way.name], None
            # Whether it fits is a matter of these rows, whatever was read before them.
            if not longest or not way.fits(self._model, longest):
                continue
            if known.is_open(longest):
                held = self._tried(way, texts, tried)
                if held is None or way.is_shown_by(tried):
                    known.learn(longest, held is not None)
            if held is not None or longest <= known.right_to:
                return way, held or []
        return ALONE, []

    def _tried(self, way: Way, texts: Sequence[Text], rows: Sequence[Row]) -> list[Held] | None:
        """What was read of the rows; None if the way is wrong for them."""
        # The texts of a row that come first stand there as they would alone; the last does not.
        last = [row.branches[-1].text for row in rows]
        single = [alone(text, texts[text].sample.token_ids) for text in last]
        watched = [texts[text].whose for text in last]
        expected = self._held(ALONE, texts, single, watched)
        try:
            held = self._held(way, texts, rows, watched)
        except REFUSALS:
            return None
        found, wanted = (sum(each.activations() for each in all_) for all_ in (held, expected))
        return held if agree(found, wanted, self._tolerance) else None  # type: ignore[arg-type]

    def _held(
        self, way: Way, texts: Sequence[Text], rows: Sequence[Row], watched: Sequence[Whose]
    ) -> list[Held]:
        steps = way.steps(self._model, texts, rows, self._limits)
        return [self._reader.hold(forward, reads, watched) for forward, reads in steps]
