"""Attention branch by branch: each token of a row meets the tokens of its own text alone.

Behind a mask of a row's own shape attention computes every score and hides most of them; on a CPU
torch skips none in rows of less than 512 tokens. Here each stretch of tokens that a text adds to
its row meets what it follows, through transformers' ``AttentionInterface``.
"""

from __future__ import annotations

import contextlib
from contextvars import ContextVar
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import AttentionInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from palrs_hub.activations.packing import side_by_side
from palrs_hub.blocks import text_config

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from palrs_hub.activations.packing import Row

NAME: Final = "palrs_hub_by_branch"
"""What the attention is called in a model's configuration, while it is in use."""

QUERIES: Final = 64
"""Tokens that attend at once: fewer compute fewer scores that are hidden, in smaller products."""


@dataclass(frozen=True)
class Stretch:
    """Tokens that follow each other in one text, and stand side by side.

    Attributes:
        start: Where the first stands.
        stop: Where the last stands, plus one.
        depth: The first one's position in its text.
        seen: Half-open ranges that hold the text up to the last of them.
    """

    start: int
    stop: int
    depth: int
    seen: tuple[tuple[int, int], ...]


@dataclass
class Layout:
    """Where the texts of one long row stand.

    Attributes:
        stretches: Every token of the row, once.
    """

    stretches: Sequence[Stretch]
    _mask: torch.Tensor | None = field(default=None, repr=False)

    def mask(self, like: torch.Tensor) -> torch.Tensor:
        """What a token must not see of its own text, added to scores: ``[1, 1, depth, depth]``."""
        if self._mask is None or self._mask.dtype != like.dtype or self._mask.device != like.device:
            depth = max(each.depth + each.stop - each.start for each in self.stretches)
            hidden = torch.full((depth, depth), torch.finfo(like.dtype).min)
            self._mask = hidden.triu(1)[None, None].to(like)
        return self._mask


def layout_of(rows: Sequence[Row]) -> Layout:
    """Where the texts of rows stand that follow each other in one."""
    stretches = []
    for row, cells in zip(rows, side_by_side(rows), strict=True):
        known = 0
        for branch in row.branches:
            depth = sum(place < known for place in branch.places)
            if depth < len(branch.places):  # else it is another text's beginning
                places = [cells[place] for place in branch.places]
                seen = tuple(_ranges(places))
                stretches.append(Stretch(places[depth], places[-1] + 1, depth, seen))
                known = branch.places[-1] + 1
    return Layout(stretches)


@contextlib.contextmanager
def attending(model: torch.nn.Module, layout: Layout) -> Iterator[None]:
    """Within, a model's forward pass attends so; its configuration is restored after."""
    config = text_config(model)
    before, token = config._attn_implementation, _LAYOUT.set(layout)
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before
        _LAYOUT.reset(token)


_LAYOUT: ContextVar[Layout] = ContextVar("layout")

PICKED: ContextVar[torch.Tensor | None] = ContextVar("picked", default=None)
"""The cells that a block computes, in order, where it computes not all."""


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: object,
    **others: Any,  # noqa: ANN401
) -> tuple[torch.Tensor, None]:
    """As transformers asks for it: ``[1, heads, tokens, width]`` each."""
    layout, picked = _LAYOUT.get(), PICKED.get()
    mask = layout.mask(query)
    _, heads, tokens, _ = query.shape
    shape = (1, tokens, heads, value.shape[-1])
    found = query.new_empty(shape) if picked is None else query.new_zeros(shape)
    places = None if picked is None else picked.tolist()
    for each in layout.stretches:
        chunks = list(_chunks(each, places))
        if not chunks:
            continue
        keys, values = (_joined(states, each.seen) for states in (key, value))
        for queries, depths, seen in chunks:
            found[:, queries], _ = sdpa_attention_forward(
                module,
                query[:, :, queries],
                keys[:, :, :seen],
                values[:, :, :seen],
                mask[:, :, depths, :seen],
                **others,
            )
    return found, None


AttentionInterface.register(NAME, _attend)


Places = slice | list[int]


def _chunks(stretch: Stretch, picked: Sequence[int] | None) -> Iterator[tuple[Places, Places, int]]:
    """Queries to compute at once: their places, their positions, and how many keys they see."""
    shift = stretch.depth - stretch.start
    if picked is None:
        for start in range(stretch.start, stretch.stop, QUERIES):
            stop = min(start + QUERIES, stretch.stop)
            yield slice(start, stop), slice(start + shift, stop + shift), stop + shift
    elif places := [place for place in picked if stretch.start <= place < stretch.stop]:
        yield places, [place + shift for place in places], places[-1] + shift + 1


def _joined(states: torch.Tensor, ranges: Sequence[tuple[int, int]]) -> torch.Tensor:
    parts = [states[:, :, start:stop] for start, stop in ranges]
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=2)


def _ranges(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    start = places[0]
    for one, following in pairwise([*places, -1]):
        if following != one + 1:
            yield start, one + 1
            start = following
