"""The ways to run texts through a model: WAYS is the table, the cheapest first.

Each gives the same activations to rounding where an architecture allows it at all; whether it does
is tried, see ``palrs_hub.activations.stream``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch
from transformers import DynamicCache

from palrs_hub.activations.forward import PaddingSide, input_device, pad_rows, run_padded, takes
from palrs_hub.activations.packing import Row, batches, separate
from palrs_hub.activations.reader import Read, Whose
from palrs_hub.blocks import text_config

if TYPE_CHECKING:
    from palrs_hub.inputs import Sample

_MASKED_ATTENTION: Final = ("sdpa", "eager")
_WINDOWS: Final = ("sliding_window", "attention_chunk_size", "local_attention", "window_size")

WORTH: Final = 16
"""Tokens that a row must save for its two passes with a cache to be worth it."""


@dataclass(frozen=True)
class Text:
    """One text of a pair, and where its read positions are counted.

    Attributes:
        sample: The tokens, and the spans to read.
        group: Whether it is the chosen or the rejected response.
        pair: Its pair, counted over all pairs.
        positions: The read position of each span.
    """

    sample: Sample
    group: int
    pair: int
    positions: tuple[int, ...]

    @property
    def whose(self) -> Whose:
        """What tells it from all others."""
        return (self.group, self.pair)

    def reads(self, cells: Sequence[int], first: int = 0) -> Iterator[Read]:
        """What is to be read of it where its tokens from ``first`` on are in these cells."""
        for position, (start, stop) in zip(self.positions, self.sample.spans, strict=True):
            inside = tuple(cells[max(start - first, 0) : max(stop - first, 0)])
            if inside:
                yield Read(inside, self.group, self.pair, position, 1 / (stop - start))


@dataclass(frozen=True)
class Limits:
    """How large a batch may be, and where it is padded."""

    max_tokens: int
    batch_size: int | None
    padding_side: PaddingSide


Step = tuple[Callable[[], object], list[Read]]
"""One forward pass, and what is read in it."""


@dataclass(frozen=True)
class Way:
    """A way to run texts through a model.

    Attributes:
        name: Its name, for people.
        fits: Whether the model can be asked so at all, rows up to this number of tokens.
        steps: The forward passes, one after the other.
        pads: Whether it leans on a kind of padding that an architecture may not understand.
    """

    name: str
    fits: Callable[[torch.nn.Module, int], bool]
    steps: Callable[[torch.nn.Module, Sequence[Text], Sequence[Row], Limits], Iterator[Step]]
    pads: bool = False

    def split(self, rows: Sequence[Row]) -> tuple[list[Row], list[Row]]:
        """The rows that a trial needs, and all others.

        Rows are split so even where nothing is tried any more: how a row is computed must not
        depend on what was read before it.
        """
        shared = [row for row in rows if len(row.branches) > 1]
        if self.fits is _always or not shared:
            return [], list(rows)
        longest, shortest = max(shared, key=len), min(shared, key=len)
        tried = [longest, shortest] if self.pads and shortest is not longest else [longest]
        return tried, [row for row in rows if all(row is not other for other in tried)]


def _separately(
    model: torch.nn.Module, texts: Sequence[Text], rows: Sequence[Row], limits: Limits
) -> Iterator[Step]:
    alone = separate([texts[branch.text].sample for row in rows for branch in row.branches])
    which = [branch.text for row in rows for branch in row.branches]
    for batch in batches(alone, max_tokens=limits.max_tokens, batch_size=limits.batch_size):
        members = [texts[which[row.branches[0].text]] for row in batch]
        cells = _cells(batch, limits.padding_side)
        reads = [read for text, at in zip(members, cells, strict=True) for read in text.reads(at)]
        ids = [row.token_ids for row in batch]
        yield (lambda ids=ids: run_padded(model, ids, limits.padding_side)), reads  # type: ignore[misc]


def _as_trees(
    model: torch.nn.Module, texts: Sequence[Text], rows: Sequence[Row], limits: Limits
) -> Iterator[Step]:
    trees = [row for row in rows if len(row.branches) > 1]
    for batch in batches(trees, max_tokens=limits.max_tokens, batch_size=limits.batch_size):
        arguments = _tree_arguments(model, batch, limits.padding_side)
        reads = [
            read
            for row, at in zip(batch, _cells(batch, limits.padding_side), strict=True)
            for branch in row.branches
            for read in texts[branch.text].reads([at[place] for place in branch.places])
        ]
        yield (lambda arguments=arguments: model(**arguments)), reads  # type: ignore[misc]
    yield from _separately(model, texts, [row for row in rows if len(row.branches) == 1], limits)


def _tree_arguments(
    model: torch.nn.Module, batch: Sequence[Row], padding_side: PaddingSide
) -> dict[str, object]:
    device = input_device(model)
    ids, mask = pad_rows([row.token_ids for row in batch], padding_side)
    depths, _ = pad_rows([row.depths for row in batch], padding_side)
    width = ids.shape[1]
    shifts = [width - len(row) if padding_side == "left" else 0 for row in batch]
    ranges = [[end + shift for end in row.ends] for row, shift in zip(batch, shifts, strict=True)]
    ends, _ = pad_rows(ranges, padding_side)
    place = torch.arange(width)
    # Padding sees itself alone: a row of attention that sees nothing is NaN.
    ends = torch.where(mask.bool(), ends, place + 1)
    ids, depths, ends, place = (tensor.to(device) for tensor in (ids, depths, ends, place))
    sees = (place <= place[:, None]) & (place[:, None] < ends[:, None, :])
    allowed: torch.Tensor = sees[:, None]
    kind = model.get_input_embeddings().weight.dtype  # type: ignore[operator]
    # Eager attention adds its mask to the scores. The other makes that of a bool in every block; it
    # would take no other type than that of its queries, which is certain of float32 alone.
    if _attention(model) == "eager" or kind == torch.float32:
        allowed = torch.zeros(allowed.shape, dtype=kind, device=device).masked_fill(
            ~allowed, torch.finfo(kind).min
        )
    return {
        "input_ids": ids,
        "attention_mask": allowed,
        "position_ids": depths,
        "use_cache": False,
    }


def _from_a_cache(
    model: torch.nn.Module, texts: Sequence[Text], rows: Sequence[Row], limits: Limits
) -> Iterator[Step]:
    saved = [(len(row.branches) - 1) * _beginning(row) for row in rows]
    shared = [row for row, tokens in zip(rows, saved, strict=True) if tokens >= WORTH]
    for batch in _alike(shared, limits):
        yield from _two_passes(model, texts, batch)
    rest = [row for row, tokens in zip(rows, saved, strict=True) if tokens < WORTH]
    yield from _separately(model, texts, rest, limits)


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


def _cells(batch: Sequence[Row], padding_side: PaddingSide) -> list[range]:
    """The cells of each row's tokens among all cells of a padded batch."""
    width = max(map(len, batch))
    shifts = [width - len(row) if padding_side == "left" else 0 for row in batch]
    return [
        range(index * width + shift, index * width + shift + len(row))
        for index, (row, shift) in enumerate(zip(batch, shifts, strict=True))
    ]


def _attention(model: torch.nn.Module) -> str:
    return str(getattr(text_config(model), "_attn_implementation", ""))


def _takes_masks(model: torch.nn.Module, longest: int) -> bool:
    """Whether attention can be told what each token sees, and looks no other way at the row."""
    windows = [getattr(text_config(model), name, None) for name in _WINDOWS]
    return (
        takes(model, "position_ids")
        and _attention(model) in _MASKED_ATTENTION
        and all(not isinstance(window, int) or window >= longest for window in windows)
    )


def _takes_a_cache(model: torch.nn.Module, longest: int) -> bool:
    return takes(model, "past_key_values") or takes(model, "cache_params")


def _always(model: torch.nn.Module, longest: int) -> bool:
    return True


WAYS: Final = (
    Way("one masked row for texts that begin alike", _takes_masks, _as_trees),
    Way("a cache of what texts begin with", _takes_a_cache, _from_a_cache, pads=True),
)

SEPARATELY: Final = Way("each text by itself", _always, _separately)
"""Right for every architecture."""
