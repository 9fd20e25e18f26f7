"""Which cells of a grid are worth scoring: from the gentlest coefficient up, while they help.

A small addition moves the margin in proportion: the gentlest coefficients tell which places are
worth a second look. And a coefficient that harms is followed by a larger one that harms more. So
each position and layer, and each sign of the coefficient there, is a track of its own. It is left
after its first cell if others gain far more, and at the second cell in a row that does not help.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Place = tuple[str, int, float]

PATIENCE: Final = 2
"""Cells in a row that do not help, at which a track is left."""

SHARE: Final = 0.25
"""Of the largest gain of a first cell that helps: a track that begins with less is left."""


class Score(NamedTuple):
    """What the race hears of a cell.

    Attributes:
        gain: By how much it raises the margin, in nats per token.
        helps: Whether it helps, and harms nothing.
    """

    gain: float
    helps: bool


@dataclass
class _Track:
    """The cells of one position, layer and sign, the gentlest first."""

    cells: list[int]
    done: int = 0
    in_vain: int = 0
    left: bool = False

    @property
    def runs(self) -> bool:
        return not self.left and self.done < len(self.cells)


@dataclass
class Race:
    """The tracks of a grid.

    Attributes:
        grid: Position, layer and coefficient of each cell.
        patience: Cells in a row that do not help, at which a track is left; None runs all to their
            end.
        share: Of the largest gain of a first cell that helps; a track whose first cell gains less
            is left. None compares none.
    """

    grid: Sequence[Place]
    patience: int | None
    share: float | None = None
    _tracks: list[_Track] = field(init=False)

    def __post_init__(self) -> None:
        by_track: dict[tuple[str, int, bool], list[int]] = {}
        for index, (position, layer, coefficient) in enumerate(self.grid):
            by_track.setdefault((position, layer, coefficient < 0), []).append(index)
        self._tracks = [
            _Track(sorted(cells, key=lambda index: abs(self.grid[index][2])))
            for cells in by_track.values()
        ]

    def wave(self) -> list[int]:
        """The cells to score next, in the order of the grid; none if the race is over.

        They are as many of each track as could end it, for what is scored together is cheaper.
        """
        return sorted(cell for track in self._tracks if track.runs for cell in self._next_of(track))

    def judge(self, score: Callable[[int], Score]) -> None:
        """Hear of each cell of the wave what it does."""
        is_first = not any(track.done for track in self._tracks)
        wave = [(track, self._next_of(track)) for track in self._tracks if track.runs]
        for track, cells in wave:
            for cell in cells:
                track.done += 1
                track.in_vain = 0 if score(cell).helps else track.in_vain + 1
                if self.patience is not None and track.in_vain >= self.patience:
                    track.left = True
                    break
        if is_first and self.share is not None:
            self._compare([score(track.cells[0]) for track in self._tracks], self.share)

    def _compare(self, first: Sequence[Score], share: float) -> None:
        best = max((score.gain for score in first if score.helps), default=-math.inf)
        for track, score in zip(self._tracks, first, strict=True):
            track.left |= score.gain < share * best

    def _next_of(self, track: _Track) -> list[int]:
        if self.share is not None and not track.done:
            return track.cells[:1]
        more = None if self.patience is None else track.done + self.patience - track.in_vain
        return track.cells[track.done : more]
