"""The ways to run texts through a model: WAYS is the table, the cheapest first.

Each gives the same activations to rounding where an architecture allows it at all; whether it does
is tried, see ``palrs_hub.activations.trial``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palrs_hub.activations.by_branch import branch_by_branch
from palrs_hub.activations.forward import input_device, takes
from palrs_hub.activations.from_cache import from_a_cache
from palrs_hub.activations.steps import separately
from palrs_hub.activations.trees import as_trees, attention_of
from palrs_hub.blocks import text_config

if TYPE_CHECKING:
    import torch

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
        joins: Whether rows of a batch stand beside each other, or are padded, in a way that an
            architecture may not understand.
    """

    name: str
    fits: Callable[[torch.nn.Module, int], bool]
    steps: Callable[[torch.nn.Module, Sequence[Text], Sequence[Row], Limits], Iterator[Step]]
    joins: bool = False

    def split(self, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
        """The rows that a trial needs, and all others.

        Rows are split so even where nothing is tried any more: how a row is computed must not
        depend on what was read before it.
        """
        shared = [row for row in rows if len(row.branches) > 1]
        if self.fits is _always or not shared:
            return [], list(rows)
        longest, shortest = max(shared, key=len), min(shared, key=len)
        tried = [longest, shortest] if self.joins and shortest is not longest else [longest]
        return tried, [row for row in rows if all(row is not other for other in tried)]


def _takes_masks(model: torch.nn.Module, longest: int) -> bool:
    """Whether attention can be told what each token sees, and looks no other way at the row."""
    windows = [getattr(text_config(model), name, None) for name in _WINDOWS]
    return (
        takes(model, "position_ids")
        and attention_of(model) in _MASKED_ATTENTION
        and all(not isinstance(window, int) or window >= longest for window in windows)
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
    return takes(model, "past_key_values") or takes(model, "cache_params")


def _always(model: torch.nn.Module, longest: int) -> bool:
    return True


WAYS: Final = (
    Way("rows side by side, branch by branch", _takes_branches, branch_by_branch, joins=True),
    Way("one masked row for texts that begin alike", _takes_masks, as_trees),
    Way("a cache of what texts begin with", _takes_a_cache, from_a_cache, joins=True),
)

SEPARATELY: Final = Way("each text by itself", _always, separately)
"""Right for every architecture."""
