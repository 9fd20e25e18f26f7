"""What texts begin with in one pass, and what follows on it from the cache that it left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import torch
from transformers import DynamicCache

from palrs_hub.activations.forward import input_device, pad_rows, takes
from palrs_hub.activations.steps import separately
from palrs_hub.blocks import text_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from palrs_hub.activations.packing import Row
    from palrs_hub.activations.steps import Limits, Step, Text

WORTH: Final = 16
"""Tokens that a row must save for its two passes to be worth it."""


def from_a_cache(
    model: torch.nn.Module, texts: Sequence[Text], rows: Sequence[Row], limits: Limits
) -> Iterator[Step]:
    """Two passes for rows that save enough; texts of the others by themselves."""
    saved = [(len(row.branches) - 1) * _beginning(row) for row in rows]
    shared = [row for row, tokens in zip(rows, saved, strict=True) if tokens >= WORTH]
    for batch in _alike(shared, limits):
        yield from _two_passes(model, texts, batch)
    rest = [row for row, tokens in zip(rows, saved, strict=True) if tokens < WORTH]
    yield from separately(model, texts, rest, limits)


def _two_passes(
    model: torch.nn.Module, texts: Sequence[Text], batch: Sequence[Row]
) -> Iterator[Step]:
    """The beginnings, and then what follows on each of them from the cache that they left."""
    cache = DynamicCache(config=text_config(model))
    lengths = [_beginning(row) for row in batch]
    owners = [index for index, row in enumerate(batch) for _ in row.branches]
    members = [texts[branch.text] for row in batch for branch in row.branches]
    starts_at = [lengths[row] for row in owners]
    firsts = [texts[row.branches[0].text].sample.token_ids for row in batch]
    ids, mask = pad_rows(
        [first[:length] for first, length in zip(firsts, lengths, strict=True)], "left"
    )
    depths = (mask.cumsum(-1) - 1).clamp(min=0)
    ends = [(row + 1) * ids.shape[1] for row in owners]
    reads = [
        read
        for text, start, end in zip(members, starts_at, ends, strict=True)
        for read in text.reads(range(end - start, end))
    ]
    yield _pass(model, ids, mask, depths, cache), reads
    rows = torch.tensor(owners, device=input_device(model))
    cache.reorder_cache(rows)  # type: ignore[arg-type]
    rest = [text.sample.token_ids[start:] for text, start in zip(members, starts_at, strict=True)]
    ids, more = pad_rows(rest, "right")
    width = ids.shape[1]
    depths = torch.tensor(starts_at)[:, None] + torch.arange(width)
    reads = [
        read
        for index, (text, start) in enumerate(zip(members, starts_at, strict=True))
        for read in text.reads(range(index * width, index * width + len(rest[index])), start)
    ]
    yield _pass(model, ids, torch.cat([mask[owners], more], dim=1), depths, cache), reads


def _pass(
    model: torch.nn.Module,
    ids: torch.Tensor,
    mask: torch.Tensor,
    depths: torch.Tensor,
    cache: DynamicCache,
) -> Callable[[], object]:
    device = input_device(model)
    name = "past_key_values" if takes(model, "past_key_values") else "cache_params"
    arguments: dict[str, object] = {
        "input_ids": ids.to(device),
        "attention_mask": mask.to(device),
        "use_cache": True,
        name: cache,
    }
    if takes(model, "position_ids"):
        arguments["position_ids"] = depths.to(device)
    return lambda: model(**arguments)


def _beginning(row: Row) -> int:
    """Number of tokens that all texts of a row begin with, leaving each one of its own."""
    first, last = row.branches[0].places, row.branches[-1].places
    shared = sum(a == b for a, b in zip(first, last, strict=False))
    return min(shared, *(len(branch.places) - 1 for branch in row.branches))


def _alike(rows: Sequence[Row], limits: Limits) -> Iterator[list[Row]]:
    """Rows whose beginnings are of similar length, few enough for both passes."""
    batch: list[Row] = []
    for row in sorted(rows, key=lambda row: (_beginning(row), len(row))):
        more = [*batch, row]
        texts = [branch.places for each in more for branch in each.branches]
        longest = max(map(len, texts)) - min(map(_beginning, more))
        full = (
            len(more) > limits.batch_size
            if limits.batch_size
            else max(len(texts) * longest, len(more) * _beginning(row)) > limits.max_tokens
        )
        if batch and full:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch
