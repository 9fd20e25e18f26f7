"""Rows side by side in one long row, without padding, whose texts attend branch by branch."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import torch

from palrs_hub.activations.branch_attention import attending, layout_of
from palrs_hub.activations.forward import input_device
from palrs_hub.activations.packing import filled, side_by_side
from palrs_hub.activations.steps import reads_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from palrs_hub.activations.packing import Row
    from palrs_hub.activations.steps import Limits, Step, Text


def branch_by_branch(
    model: torch.nn.Module, texts: Sequence[Text], rows: Sequence[Row], limits: Limits
) -> Iterator[Step]:
    """As many rows in one as a batch may have tokens."""
    for batch in filled(rows, max_tokens=limits.max_tokens, batch_size=limits.batch_size):
        yield _forward(model, batch), reads_of(texts, batch, side_by_side(batch))


def _forward(model: torch.nn.Module, batch: Sequence[Row]) -> Callable[[], object]:
    device, layout = input_device(model), layout_of(batch)
    ids = torch.tensor([list(chain.from_iterable(row.token_ids for row in batch))], device=device)
    depths = torch.tensor([list(chain.from_iterable(row.depths for row in batch))], device=device)

    def forward() -> object:
        with attending(model, layout):
            return model(input_ids=ids, position_ids=depths, use_cache=False)

    return forward
