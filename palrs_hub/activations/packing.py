"""Texts as rows of tokens in which a beginning that texts share stands once.

The tokens of a row are a tree in depth-first order: those that follow a token directly or farther
on are a contiguous range behind it. So a token sees exactly the tokens whose range it lies in, and
its position is its depth, whatever else stands in the row.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from palrs_hub.inputs import Sample

ATTENTION_SHARE = 6
"""A token costs as much as this many times the hidden size of entries of attention.

A block's matrices take about 24 H² operations a token, an entry of attention 4 H. Measured on a
Llama of 30 M parameters on one CPU thread it was 5.7 times.
"""

MAX_SHARED_TOKENS = 512
"""No row of more than two texts is longer: a text of the longest is read twice, to check it."""


@dataclass(frozen=True)
class Branch:
    """One text in a row.

    Attributes:
        text: Which of the texts it is.
        places: Where each of its tokens stands in the row.
    """

    text: int
    places: tuple[int, ...]


@dataclass
class Row:
    """Tokens of one row.

    Attributes:
        token_ids: The tokens, in depth-first order.
        depths: Position of each token in its text.
        ends: Where the range of what follows each token ends.
        branches: The texts.
    """

    token_ids: list[int] = field(default_factory=list)
    depths: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.token_ids)

    def add(self, text: int, token_ids: Sequence[int], shared: int) -> None:
        """Append a text whose first ``shared`` tokens are those of the text added before."""
        first, count = len(self), len(token_ids) - shared
        before = self.branches[-1].places[:shared] if shared else ()
        self.token_ids += token_ids[shared:]
        self.depths += range(shared, len(token_ids))
        self.ends += [first + count] * count
        for place in before:
            self.ends[place] = first + count
        self.branches.append(Branch(text, (*before, *range(first, first + count))))


def alone(text: int, token_ids: Sequence[int]) -> Row:
    """A row of one text."""
    row = Row()
    row.add(text, token_ids, 0)
    return row


def pack(samples: Sequence[Sample], hidden_size: int) -> list[Row]:
    """Rows of texts that begin alike, as long as that saves more than its attention costs.

    Args:
        samples: The texts.
        hidden_size: Width of the model, which a token's cost depends on.
    """
    rows: list[Row] = []
    before: Sequence[int] = ()
    for index in sorted(range(len(samples)), key=lambda index: samples[index].token_ids):
        ids = samples[index].token_ids
        shared = _shared(before, ids)
        if not (rows and _pays(rows[-1], len(ids), shared, hidden_size)):
            rows.append(Row())
            shared = 0
        rows[-1].add(index, ids, shared)
        before = ids
    return rows


def batches(
    rows: Sequence[Row], *, max_tokens: int, batch_size: int | None = None
) -> Iterator[list[Row]]:
    """Rows of similar length, cut by their number or by their tokens with padding."""
    batch: list[Row] = []
    for row in sorted(rows, key=len):
        number = len(batch) + 1
        if batch and (number > batch_size if batch_size else number * len(row) > max_tokens):
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def filled(
    rows: Sequence[Row], *, max_tokens: int, batch_size: int | None = None
) -> list[list[Row]]:
    """Rows of any length in full batches, cut by their number or by their tokens without padding.

    The longest row comes first, and each into the first batch that has room for it.
    """
    found: list[tuple[list[Row], int]] = []
    for row in sorted(rows, key=len, reverse=True):
        for place, (batch, tokens) in enumerate(found):
            if len(batch) < batch_size if batch_size else tokens + len(row) <= max_tokens:
                found[place] = ([*batch, row], tokens + len(row))
                break
        else:
            found.append(([row], len(row)))
    return [batch for batch, _ in found]


def side_by_side(rows: Sequence[Row]) -> list[range]:
    """The cells of each row where they follow each other in one."""
    bounds = [0, *accumulate(map(len, rows))]
    return [range(start, stop) for start, stop in pairwise(bounds)]


def _pays(row: Row, text: int, shared: int, hidden_size: int) -> bool:
    total = len(row) + text - shared
    more_attention = total**2 - len(row) ** 2 - text**2
    fits = len(row.branches) < 2 or total <= MAX_SHARED_TOKENS
    return fits and shared * ATTENTION_SHARE * hidden_size > more_attention


def _shared(left: Sequence[int], right: Sequence[int]) -> int:
    pairs = zip(left, right, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
