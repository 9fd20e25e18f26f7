"""Adding for a moment, without checks: what candidates and random directions are measured with."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import torch

from palrs_hub.blocks import find_blocks, residual_of, with_residual
from palrs_hub.compiled import forget_graphs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

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
    with _hooked(model, {layer: torch.tensor(addend, dtype=torch.float32)}):
        yield


@contextlib.contextmanager
def adding_by_row(model: torch.nn.Module, layers: Sequence[int], addends: Array) -> Iterator[None]:
    """Within, each row of a batch has an addition of its own, at a block of its own.

    No checks: the arrays must come from this very model, and the batch must have so many rows.

    Args:
        model: A transformers model.
        layers: The decoder block of each row, ``[rows]``.
        addends: ``[rows, hidden]``, multiplied by their coefficients already.
    """
    products = torch.tensor(addends, dtype=torch.float32)
    at = torch.tensor(layers)
    by_layer = {
        layer: (products * (at == layer)[:, None])[:, None] for layer in sorted(set(layers))
    }
    with _hooked(model, by_layer):
        yield


@contextlib.contextmanager
def _hooked(model: torch.nn.Module, products: Mapping[int, torch.Tensor]) -> Iterator[None]:
    """Within, what broadcasts to ``[batch, tokens, hidden]`` is added at the outputs of blocks."""
    blocks = find_blocks(model)

    def adds(layer: int, product: torch.Tensor) -> Callable[[object, object, object], object]:
        def hook(module: object, arguments: object, output: object) -> object:
            hidden = residual_of(output, blocks.hidden_size, layer)
            return with_residual(output, hidden + product.to(hidden))

        return hook

    with contextlib.ExitStack() as undo:
        for layer, product in products.items():
            hook = adds(layer, product)
            handle = blocks.modules[layer].register_forward_hook(hook, prepend=True)
            undo.callback(handle.remove)
        forget_graphs()
        yield
