"""Adding for a moment, without checks: what candidates and random directions are measured with."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from palrs_hub.blocks import find_blocks, residual_of, with_residual
from palrs_hub.compiled import forget_graphs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.moments import Array


@contextlib.contextmanager
def adding(model: torch.nn.Module, layer: int, addend: Array) -> Iterator[None]:
    """Within, an array is added at the output of one block: for candidates and random directions.

    No checks: the array must come from this very model.

    Args:
        model: A transformers model.
        layer: Output of this decoder block.
        addend: ``[hidden]``, multiplied by its coefficient already.
    """
    blocks = find_blocks(model)
    product = torch.tensor(addend, dtype=torch.float32)

    def hook(module: torch.nn.Module, arguments: object, output: object) -> object:
        hidden = residual_of(output, blocks.hidden_size, layer)
        return with_residual(output, hidden + product.to(hidden))

    handle = blocks.modules[layer].register_forward_hook(hook, prepend=True)
    forget_graphs()
    try:
        yield
    finally:
        handle.remove()
