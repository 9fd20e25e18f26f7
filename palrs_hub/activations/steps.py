"""Forward passes and what is read in each: the least that every way to run texts has in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from palrs_hub.activations.forward import PaddingSide, run_padded
from palrs_hub.activations.packing import Row, alone, batches
from palrs_hub.activations.reader import Read, Whose

if TYPE_CHECKING:
    import torch

    from palrs_hub.inputs import Sample


@dataclass(frozen=True)
class Text:
    """One text of a pair, and where its read positions are counted.

    Attributes:
        sample: The tokens, and the spans to read.
        group: Whether it is the chosen or the rejected response.
        pair: Its pair, counted over all pairs.
        positions: The read position of each span.
    """

    sample: Sample
    group: int
    pair: int
    positions: tuple[int, ...]

    @property
    def whose(self) -> Whose:
        """What tells it from all others."""
        return (self.group, self.pair)

    def reads(self, cells: Sequence[int], first: int = 0) -> Iterator[Read]:
        """What is to be read of it where its tokens from ``first`` on are in these cells."""
        for position, (start, stop) in zip(self.positions, self.sample.spans, strict=True):
            inside = tuple(cells[max(start - first, 0) : max(stop - first, 0)])
            if inside:
                yield Read(inside, self.group, self.pair, position, 1 / (stop - start))


@dataclass(frozen=True)
class Limits:
    """How large a batch may be, and where it is padded."""

    max_tokens: int
    batch_size: int | None
    padding_side: PaddingSide


Step = tuple[Callable[[], object], list[Read]]
"""One forward pass, and what is read in it."""


def separately(
    model: torch.nn.Module, texts: Sequence[Text], rows: Sequence[Row], limits: Limits
) -> Iterator[Step]:
    """Each text in a row of its own, padded to the longest of its batch."""
    which = [branch.text for row in rows for branch in row.branches]
    single = [alone(text, texts[text].sample.token_ids) for text in which]
    for batch in batches(single, max_tokens=limits.max_tokens, batch_size=limits.batch_size):
        ids = [row.token_ids for row in batch]
        reads = reads_of(texts, batch, cells_of(batch, limits.padding_side))
        yield (lambda ids=ids: run_padded(model, ids, limits.padding_side)), reads  # type: ignore[misc]


def one_by_one(
    model: torch.nn.Module, texts: Sequence[Text], rows: Sequence[Row], limits: Limits
) -> Iterator[Step]:
    """Each text in a pass of its own, whatever the limits."""
    return separately(model, texts, rows, replace(limits, batch_size=1))


def reads_of(
    texts: Sequence[Text], batch: Sequence[Row], cells: Sequence[Sequence[int]]
) -> list[Read]:
    """What is to be read in a batch, the tokens of whose rows are in these cells."""
    return [
        read
        for row, at in zip(batch, cells, strict=True)
        for branch in row.branches
        for read in texts[branch.text].reads([at[place] for place in branch.places])
    ]


def cells_of(batch: Sequence[Row], padding_side: PaddingSide) -> list[range]:
    """The cells of each row's tokens among all cells of a padded batch."""
    width = max(map(len, batch))
    shifts = [width - len(row) if padding_side == "left" else 0 for row in batch]
    return [
        range(index * width + shift, index * width + shift + len(row))
        for index, (row, shift) in enumerate(zip(batch, shifts, strict=True))
    ]
