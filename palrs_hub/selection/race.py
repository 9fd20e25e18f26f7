"""Which cells of a grid are worth scoring: from the gentlest coefficient up, while they help.

A coefficient that harms is followed by a larger one that harms more. So each position and layer,
and each sign of the coefficient there, is a track of its own, which is left at the second cell in a
row that does not help.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Place = tuple[str, int, float]

PATIENCE: Final = 2
"""Cells in a row that do not help, at which a track is left."""


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
    """

    grid: Sequence[Place]
    patience: int | None
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

    def judge(self, helps: Callable[[int], bool]) -> None:
        """Tell of each cell of the wave whether it helps."""
        for track in self._tracks:
            if not track.runs:
                continue
            for cell in self._next_of(track):
                track.done += 1
                track.in_vain = 0 if helps(cell) else track.in_vain + 1
                if self.patience is not None and track.in_vain >= self.patience:
                    track.left = True
                    break

    def _next_of(self, track: _Track) -> list[int]:
        more = None if self.patience is None else track.done + self.patience - track.in_vain
        return track.cells[track.done : more]
