"""One forward pass over texts of different lengths, without gradients, dropout or a cache."""

from __future__ import annotations

import contextlib
import inspect
from typing import TYPE_CHECKING, Literal

import torch

from palrs_hub.compiled import uncompiled

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

PaddingSide = Literal["right", "left"]

_IN_A_BLOCK = 8
"""How many times the residual stream of a batch a block has in memory, at most at one time."""


@contextlib.contextmanager
def inference(model: torch.nn.Module) -> Iterator[None]:
    """No gradients and no dropout within; the model's mode is restored after.

    Not ``torch.inference_mode``: buffers that a model updates as it runs (some rotary embeddings)
    would be useless for training from then on.
    """
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def run_padded(
    model: torch.nn.Module,
    rows: Sequence[Sequence[int]],
    padding_side: PaddingSide = "right",
    *,
    predicts: bool = True,
) -> object:
    """One forward pass over texts of different lengths, without a cache.

    Args:
        model: A transformers model.
        rows: Token ids, a row a text.
        padding_side: Where shorter rows are filled up; masked either way.
        predicts: Whether predictions are wanted at every token; the projection to a large
            vocabulary is a good part of a small model's work.

    Returns:
        What the model returns.
    """
    device = input_device(model)
    ids, mask = pad_rows(rows, padding_side)
    arguments: dict[str, object] = {
        "input_ids": ids.to(device),
        "attention_mask": mask.to(device),
        "use_cache": False,
    }
    if padding_side == "left" and takes(model, "position_ids"):
        arguments["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0).to(device)
    if not predicts and takes(model, "logits_to_keep"):
        arguments["logits_to_keep"] = 1
    return model(**arguments)


def pad_rows(
    rows: Sequence[Sequence[int]], padding_side: PaddingSide
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids ``[rows, tokens]`` and their mask; padding is token 0, which every model has."""
    width = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        place = slice(0, len(row)) if padding_side == "right" else slice(width - len(row), width)
        ids[index, place] = torch.tensor(row, dtype=torch.long)
        mask[index, place] = 1
    return ids, mask


def input_device(model: torch.nn.Module) -> torch.device:
    """Where a model takes its tokens."""
    weight = getattr(model.get_input_embeddings(), "weight", None)  # type: ignore[operator]
    # Later parts of a pipeline have no embeddings.
    device: torch.device = next(model.parameters()).device if weight is None else weight.device
    # Offloaded weights arrive with the call, and so do the tokens.
    return torch.device("cpu") if device.type == "meta" else device


def keep_freed_memory(numbers: int) -> None:
    """Have the C library keep what is freed, where it would hand it back after every block.

    glibc gives the end of its heap back when more lies idle there than twice the largest mapping
    that was ever freed (32 MB count at most), and faults it in anew, page by page, for the next
    block: up to a fifth of the time of a small model. So a mapping of several times a batch is
    freed, whose pages were never touched. Other allocators do not notice.

    Args:
        numbers: Tokens of a batch times the width of the residual stream.
    """
    most = 32 * 1024 * 1024 - 64 * 1024
    torch.empty(min(_IN_A_BLOCK * numbers * 4, most), dtype=torch.uint8)


def takes(model: torch.nn.Module, argument: str) -> bool:
    """Whether a model's forward has an argument of this name."""
    forward = uncompiled(model).forward
    return argument in inspect.signature(forward).parameters
