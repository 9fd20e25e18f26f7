"""Models that are nearly the one that a vector was made for: three tables.

Each is built anew from an architecture of ``tests.tiny_models``; ``COPIES`` compute the same but
for rounding, ``TUNED`` ones nearly so, ``WRONG`` ones do not.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Final

import torch

from palrs_hub.blocks import find_blocks
from tests.tiny_models import HIDDEN, build

if TYPE_CHECKING:
    from collections.abc import Callable

    Variant = Callable[[str], torch.nn.Module]

LAYER: Final = 1
"""The layer that a vector for any of them steers."""

_WIDE: Final = {
    "gpt2": {"n_embd": 2 * HIDDEN},
    "opt": {"hidden_size": 2 * HIDDEN, "word_embed_proj_dim": 2 * HIDDEN},
}
_DEEP: Final = {"gpt2": {"n_layer": 5}, "bloom": {"n_layer": 5}}


def trained(model: torch.nn.Module, *, steps: int, rate: float) -> torch.nn.Module:
    """A copy trained by AdamW to repeat a few random sequences of tokens."""
    tuned = copy.deepcopy(model)
    generator = torch.Generator().manual_seed(7)
    ids = torch.randint(3, tuned.config.vocab_size, (8, 16), generator=generator)
    optimiser = torch.optim.AdamW(tuned.parameters(), lr=rate, weight_decay=0.0)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = tuned(input_ids=ids, labels=ids, use_cache=False).loss
        loss.backward()
        optimiser.step()
    return tuned.eval()


def rounded(model: torch.nn.Module, bits: int = 8) -> torch.nn.Module:
    """A copy whose matrices are rounded to so many bits, each row by its own scale."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 2:
                scale = parameter.abs().amax(1, keepdim=True) / (2 ** (bits - 1) - 1)
                parameter.copy_((parameter / scale).round() * scale)
    return model


def _other_end(name: str) -> torch.nn.Module:
    """The same up to the steered block, and other blocks behind it."""
    model, other = (
        find_blocks(whole := build(name)).modules,
        find_blocks(build(name, seed=1)).modules,
    )
    for mine, foreign in zip(model[LAYER + 1 :], other[LAYER + 1 :], strict=True):
        mine.load_state_dict(foreign.state_dict())
    return whole


COPIES: Final[dict[str, Variant]] = {
    "itself": build,
    "bfloat16": lambda name: build(name).to(torch.bfloat16),
    "8 bits": lambda name: rounded(build(name)),
}
TUNED: Final[dict[str, Variant]] = {
    "fine-tuned very little": lambda name: trained(build(name), steps=1, rate=1e-4),
    "fine-tuned a little": lambda name: trained(build(name), steps=5, rate=1e-4),
}
WRONG: Final[dict[str, Variant]] = {
    "fine-tuned a lot": lambda name: trained(build(name), steps=30, rate=1e-2),
    "another seed": lambda name: build(name, seed=1),
    "twice the width": lambda name: build(name, **_WIDE.get(name, {"hidden_size": 2 * HIDDEN})),
    "a block more": lambda name: build(name, **_DEEP.get(name, {"num_hidden_layers": 5})),
    "other blocks behind the steered one": _other_end,
}
