"""Texts that begin alike in one row, kept apart by a mask of its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from palrs_hub.activations.forward import input_device, pad_rows
from palrs_hub.activations.packing import batches
from palrs_hub.activations.steps import cells_of, reads_of
from palrs_hub.blocks import text_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from palrs_hub.activations.forward import PaddingSide
    from palrs_hub.activations.packing import Row
    from palrs_hub.activations.steps import Limits, Step, Text


def as_trees(
    model: torch.nn.Module, texts: Sequence[Text], rows: Sequence[Row], limits: Limits
) -> Iterator[Step]:
    """Rows behind masks of their shapes."""
    for batch in batches(rows, max_tokens=limits.max_tokens, batch_size=limits.batch_size):
        arguments = _arguments(model, batch, limits.padding_side)
        reads = reads_of(texts, batch, cells_of(batch, limits.padding_side))
        yield (lambda arguments=arguments: model(**arguments)), reads  # type: ignore[misc]


def attention_of(model: torch.nn.Module) -> str:
    """The name of a model's attention in its configuration."""
    return str(getattr(text_config(model), "_attn_implementation", ""))


def _arguments(
    model: torch.nn.Module, batch: Sequence[Row], padding_side: PaddingSide
) -> dict[str, object]:
    device = input_device(model)
    ids, mask = pad_rows([row.token_ids for row in batch], padding_side)
    depths, _ = pad_rows([row.depths for row in batch], padding_side)
    allowed = _allowed(batch, mask, padding_side).to(device)
    kind = model.get_input_embeddings().weight.dtype  # type: ignore[operator]
    # Eager attention adds its mask to the scores. The other makes that of a bool in every block; it
    # would take no other type than that of its queries, which is certain of float32 alone.
    if attention_of(model) == "eager" or kind == torch.float32:
        allowed = torch.zeros(allowed.shape, dtype=kind, device=device).masked_fill(
            ~allowed, torch.finfo(kind).min
        )
    return {
        "input_ids": ids.to(device),
        "attention_mask": allowed,
        "position_ids": depths.to(device),
        "use_cache": False,
    }


def _allowed(batch: Sequence[Row], mask: torch.Tensor, padding_side: PaddingSide) -> torch.Tensor:
    """Which token sees which: bool ``[batch, 1, tokens, tokens]``."""
    width = mask.shape[1]
    shifts = [width - len(row) if padding_side == "left" else 0 for row in batch]
    ranges = [[end + shift for end in row.ends] for row, shift in zip(batch, shifts, strict=True)]
    ends, _ = pad_rows(ranges, padding_side)
    place = torch.arange(width)
    # Padding sees itself alone: a row of attention that sees nothing is NaN.
    ends = torch.where(mask.bool(), ends, place + 1)
    sees = (place <= place[:, None]) & (place[:, None] < ends[:, None, :])
    return sees[:, None]
