"""Texts of similar length in batches, with the places where their responses are predicted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from palrs_hub.activations import pad_rows
from palrs_hub.scores import predictable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.inputs import Sample

MAX_TEXTS: Final = 32
MAX_TOKENS: Final = 2048


@dataclass(frozen=True)
class Batch:
    """A few texts, padded on the right, and every prediction of a response's token.

    Attributes:
        indices: Which of the texts these are, ``[rows]``.
        token_ids: ``[rows, tokens]``.
        mask: 1 for text and 0 for padding, ``[rows, tokens]``.
        rows: The row of each prediction, ``[predictions]``.
        places: The token that each prediction is made at, ``[predictions]``.
        targets: The token that stands next in the text, ``[predictions]``.
    """

    indices: tuple[int, ...]
    token_ids: torch.Tensor
    mask: torch.Tensor
    rows: torch.Tensor
    places: torch.Tensor
    targets: torch.Tensor


def make_batches(samples: Sequence[Sample], device: torch.device) -> list[Batch]:
    """Sort texts by length and cut them where a batch would grow too large.

    Args:
        samples: Texts whose only span is the response.
        device: Where the model takes its tokens.
    """
    order = sorted(range(len(samples)), key=lambda index: len(samples[index].token_ids))
    batches: list[Batch] = []
    indices: list[int] = []
    for index in order:
        width = len(samples[index].token_ids)
        if indices and (len(indices) == MAX_TEXTS or (len(indices) + 1) * width > MAX_TOKENS):
            batches.append(make_batch(samples, indices, device))
            indices = []
        indices.append(index)
    if indices:
        batches.append(make_batch(samples, indices, device))
    return batches


def make_batch(samples: Sequence[Sample], indices: Sequence[int], device: torch.device) -> Batch:
    """One batch of the texts with these indices."""
    spans = [predictable(samples[index]) for index in indices]
    # The last token of a response, and what a template writes after it, predict nothing here.
    texts = [
        samples[index].token_ids[:stop] for index, (_, stop) in zip(indices, spans, strict=True)
    ]
    ids, mask = pad_rows([text[:-1] for text in texts], "right")
    rows = [row for row, (start, stop) in enumerate(spans) for _ in range(start, stop)]
    places = [place - 1 for start, stop in spans for place in range(start, stop)]
    targets = [t for text, (start, _) in zip(texts, spans, strict=True) for t in text[start:]]
    at = torch.tensor(rows), torch.tensor(places)
    return Batch(
        indices=tuple(indices),
        token_ids=ids.to(device),
        mask=mask.to(device),
        rows=at[0].to(device),
        places=at[1].to(device),
        targets=torch.tensor(targets, device=device),
    )
