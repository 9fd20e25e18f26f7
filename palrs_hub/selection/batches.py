"""Texts of similar length in batches, with the places where their responses are predicted.

The two responses of a pair begin alike: they share the prompt, and often more. What they share can
stand in a row once, followed by the rest of one and then by the rest of the other::

    prompt  chosen  rejected
    0 1 2   3 4 5   3 4       positions
    t t t   t t t             what a token of the chosen rest sees
    t t t           t t       what a token of the rejected rest sees
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import torch

from palrs_hub.activations import pad_rows
from palrs_hub.scores import predictable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from palrs_hub.inputs import Sample

MAX_ROWS: Final = 32
MAX_TOKENS: Final = 4096
MAX_TOKENS_ON_CPU: Final = 1024
"""More would not stay in a core's cache from one operation to the next."""

Group = tuple[int, ...]
"""Texts that share a row: one, or the two of a pair."""


@dataclass(frozen=True)
class Batch:
    """A few rows of texts, padded on the right, and every prediction of a response's token.

    Attributes:
        indices: Which of the texts these are, ``[texts]``.
        token_ids: ``[rows, tokens]``.
        mask: 1 for text and 0 for padding, ``[rows, tokens]``.
        rows: The row of each prediction, ``[predictions]``.
        places: The token that each prediction is made at, ``[predictions]``.
        texts: The text of each response's token, as a place in ``indices``, ``[targets]``.
        at: The prediction that each of them is looked up in, ``[targets]``; texts that share a row
            share predictions.
        targets: The tokens, ``[targets]``.
        positions: Each token's position in its text, ``[rows, tokens]``; None where a row holds one
            text.
        sees: What each token may attend to, ``[rows, 1, tokens, tokens]``; None likewise.
    """

    indices: tuple[int, ...]
    token_ids: torch.Tensor
    mask: torch.Tensor
    rows: torch.Tensor
    places: torch.Tensor
    texts: torch.Tensor
    at: torch.Tensor
    targets: torch.Tensor
    positions: torch.Tensor | None = None
    sees: torch.Tensor | None = None


def tokens_at_once(device: torch.device) -> int:
    """Tokens that one run of a model should have."""
    return MAX_TOKENS_ON_CPU if device.type == "cpu" else MAX_TOKENS


def make_batches(
    samples: Sequence[Sample], groups: Sequence[Group], device: torch.device
) -> list[Batch]:
    """Sort rows by length and cut them where a batch would grow too large.

    Args:
        samples: Texts whose only span is the response.
        groups: Which of them share a row.
        device: Where the model takes its tokens.
    """
    widths = {group: len(_Row(samples, group).tokens) for group in groups}
    batches: list[Batch] = []
    taken: list[Group] = []
    for group in sorted(groups, key=widths.__getitem__):
        too_wide = (len(taken) + 1) * widths[group] > tokens_at_once(device)
        if taken and (len(taken) == MAX_ROWS or too_wide):
            batches.append(make_batch(samples, taken, device))
            taken = []
        taken.append(group)
    if taken:
        batches.append(make_batch(samples, taken, device))
    return batches


def make_batch(samples: Sequence[Sample], groups: Sequence[Group], device: torch.device) -> Batch:
    """One batch of these rows."""
    rows = [_Row(samples, group) for group in groups]
    ids, mask = pad_rows([row.tokens for row in rows], "right")
    found = _Targets()
    for number, row in enumerate(rows):
        for index, text in enumerate(row.places):
            found.add(number, samples[row.group[index]], text)
    predictions = torch.tensor(list(found.predictions))
    packed = any(len(group) > 1 for group in groups)
    return Batch(
        indices=tuple(index for group in groups for index in group),
        token_ids=ids.to(device),
        mask=mask.to(device),
        rows=predictions[:, 0].to(device),
        places=predictions[:, 1].to(device),
        texts=torch.tensor(found.texts, device=device),
        at=torch.tensor(found.at, device=device),
        targets=torch.tensor(found.targets, device=device),
        positions=pad_rows([row.positions for row in rows], "right")[0].to(device)
        if packed
        else None,
        sees=_sees(rows, ids.shape[1]).to(device) if packed else None,
    )


class _Row:
    """The tokens of one row, and where each of its texts stands in it.

    The last token of a response, and what a template writes after it, predict nothing here.
    """

    def __init__(self, samples: Sequence[Sample], group: Group) -> None:
        self.group = group
        first, *others = [samples[i].token_ids[: predictable(samples[i])[1] - 1] for i in group]
        self.tokens = list(first)
        self.positions = list(range(len(first)))
        self.places = [list(range(len(first)))]
        self.hidden: list[tuple[int, int, int]] = []
        for other in others:
            shared = _common(first, other)
            begin = len(self.tokens)
            self.tokens += other[shared:]
            self.positions += range(shared, len(other))
            self.places.append([*range(shared), *range(begin, len(self.tokens))])
            self.hidden.append((begin, shared, begin))


@dataclass
class _Targets:
    """The responses' tokens, and the predictions that they are looked up in."""

    predictions: dict[tuple[int, int], int] = field(default_factory=dict)
    texts: list[int] = field(default_factory=list)
    at: list[int] = field(default_factory=list)
    targets: list[int] = field(default_factory=list)
    count: int = 0

    def add(self, row: int, sample: Sample, places: Sequence[int]) -> None:
        for token in range(*predictable(sample)):
            place = row, places[token - 1]
            self.at.append(self.predictions.setdefault(place, len(self.predictions)))
            self.texts.append(self.count)
            self.targets.append(sample.token_ids[token])
        self.count += 1


def _sees(rows: Sequence[_Row], width: int) -> torch.Tensor:
    """Every token sees itself and what stands before it, but no other text's rest."""
    sees = torch.ones(width, width, dtype=torch.bool).tril().repeat(len(rows), 1, 1, 1)
    for number, row in enumerate(rows):
        for begin, first, last in row.hidden:
            sees[number, 0, begin:, first:last] = False
    return sees


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    pairs: Iterator[tuple[int, int]] = zip(left, right, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))
