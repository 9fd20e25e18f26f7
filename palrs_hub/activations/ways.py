"""The ways to run texts through a model: WAYS is the table, the cheapest first.

Each gives the same activations to rounding where an architecture allows it at all; whether it does
is tried, see ``palrs_hub.activations.trial``. Padding is tried as well: not every architecture
heeds its mask.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from palrs_hub.activations.by_branch import branch_by_branch
from palrs_hub.activations.forward import input_device, takes
from palrs_hub.activations.from_cache import from_a_cache
from palrs_hub.activations.steps import one_by_one, separately
from palrs_hub.activations.trees import as_trees, attention_of
from palrs_hub.blocks import text_config

if TYPE_CHECKING:
    from palrs_hub.activations.packing import Row
    from palrs_hub.activations.steps import Limits, Step, Text

_MASKED_ATTENTION: Final = ("sdpa", "eager")
_WINDOWS: Final = ("sliding_window", "attention_chunk_size", "local_attention", "window_size")

BRANCHES_FROM: Final = 192
"""Tokens of the longest row from which attention branch by branch is quicker than behind a mask.

Measured on a Llama of 30 M parameters on one CPU thread, see docs/performance.md: many small
products cost more than they spare where rows are shorter.
"""


@dataclass(frozen=True)
class Way:
    """A way to run texts through a model.

    Attributes:
        name: Its name, for people.
        fits: Whether the model can be asked so at all, rows up to this number of tokens.
        steps: The forward passes, one after the other.
        shares: Whether it is for texts that begin alike, in rows of several.
        certain: Whether it is right for every architecture.
    """

    name: str
    fits: Callable[[torch.nn.Module, int], bool]
    steps: Callable[[torch.nn.Module, Sequence[Text], Sequence[Row], Limits], Iterator[Step]]
    shares: bool = True
    certain: bool = False

    def split(self, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
        """The rows that a trial needs, and all others.

        A short row is tried beside the longest, for the padding. Rows are split so even where
        nothing is tried any more: how a row is computed must not depend on what was read before it.
        """
        concerned = [row for row in rows if len(row.branches) > 1 or not self.shares]
        if self.certain or not concerned:
            return [], list(rows)
        longest, shortest = max(concerned, key=len), min(concerned, key=len)
        tried = [longest] if shortest is longest else [longest, shortest]
        return tried, [row for row in rows if all(row is not other for other in tried)]

    def is_shown_by(self, tried: Sequence[Row]) -> bool:
        """Whether a trial of these rows is one for other rows too: with something to pad."""
        return len({len(row) for row in tried}) > 1


def _takes_masks(model: torch.nn.Module, longest: int) -> bool:
    """Whether attention can be told what each token sees, and looks no other way at the row."""
    windows = [getattr(text_config(model), name, None) for name in _WINDOWS]
    return (
        takes(model, "position_ids")
        and attention_of(model) in _MASKED_ATTENTION
        and _is_dense(model, longest)
        and all(not isinstance(window, int) or window >= longest for window in windows)
        # Convolutions along the row, as state-space models have, know of no mask.
        and not any(isinstance(module, torch.nn.Conv1d) for module in model.modules())
    )


def _takes_branches(model: torch.nn.Module, longest: int) -> bool:
    """Whether attention can be ours, and that is worth it: other devices like large products."""
    return (
        longest >= BRANCHES_FROM
        and input_device(model).type == "cpu"
        and attention_of(model) == "sdpa"
        and _takes_masks(model, longest)
    )


def _takes_a_cache(model: torch.nn.Module, longest: int) -> bool:
    takes_one = takes(model, "past_key_values") or takes(model, "cache_params")
    return takes_one and _is_dense(model, longest)


def _is_dense(model: torch.nn.Module, longest: int) -> bool:
    """Whether attention looks at all tokens: where it picks some, it may pick what a mask hides."""
    picked = getattr(text_config(model), "index_topk", None)
    return not isinstance(picked, int) or picked >= longest


def _always(model: torch.nn.Module, longest: int) -> bool:
    return True


WAYS: Final = (
    Way("rows side by side, branch by branch", _takes_branches, branch_by_branch),
    Way("one masked row for texts that begin alike", _takes_masks, as_trees),
    Way("a cache of what texts begin with", _takes_a_cache, from_a_cache),
    Way("each text by itself", _is_dense, separately, shares=False),
)

ALONE: Final = Way("each text in a pass of its own", _always, one_by_one, certain=True)
"""Right for every architecture."""
