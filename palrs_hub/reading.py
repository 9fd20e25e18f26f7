"""Reads preference pairs with a model, a shard of them at a time, and keeps sums.

A shard is tokenised when its turn comes, so that neither texts nor tokens nor activations of all
pairs are ever in memory at once. Shards are dealt out in turn to those who share the work.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from tqdm.auto import tqdm

from palrs_hub.activations import SHARD_PAIRS, Stream
from palrs_hub.inputs import PreparedPairs, prepare_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.activations import PaddingSide
    from palrs_hub.inputs import InputFormat
    from palrs_hub.pairs.pair import PreferencePair
    from palrs_hub.positions import Positions
    from palrs_hub.sums import Sums


@dataclass(frozen=True)
class Share:
    """One of several equal shares of the work.

    Attributes:
        index: Which one, from 0.
        of: How many there are.
    """

    index: int = 0
    of: int = 1

    def shards(self, pairs: int) -> range:
        """The shards of this share, of so many pairs."""
        return range(self.index, shards_of(pairs), self.of)


@dataclass(frozen=True)
class Progress:
    """What has been read.

    Attributes:
        shards: The shards that are in the sums.
        sums: The sums; None before the first shard.
    """

    shards: tuple[int, ...]
    sums: Sums | None


class Keeper(Protocol):
    """Keeps what has been read, so that it need not be read again."""

    @property
    def every(self) -> int:
        """Pairs after which to keep again."""

    def kept(self) -> Progress:
        """What was kept before."""

    def keep(self, progress: Progress) -> None:
        """Keep this instead."""


@dataclass(frozen=True)
class Source:
    """Pairs as a model reads them.

    Attributes:
        tokenizer: The model's tokenizer.
        pairs: The pairs.
        input_format: How a pair becomes text.
        positions: Which tokens are read.
    """

    tokenizer: PreTrainedTokenizerBase
    pairs: Sequence[PreferencePair]
    input_format: InputFormat
    positions: Positions

    def names(self) -> tuple[str, ...]:
        """Names of the read positions, as the first pair has them."""
        return self._prepared(self.pairs[:1]).positions

    def shard(self, index: int) -> PreparedPairs:
        """One shard's samples.

        The tokens of a template that are read are those that its texts share with the first pair.
        """
        first = index * SHARD_PAIRS
        pairs = list(self.pairs[first : first + SHARD_PAIRS])
        if not first:
            return self._prepared(pairs)
        found = self._prepared([self.pairs[0], *pairs], number=first)
        return replace(found, chosen=found.chosen[1:], rejected=found.rejected[1:])

    def _prepared(self, pairs: Sequence[PreferencePair], number: int = 1) -> PreparedPairs:
        return prepare_pairs(
            self.tokenizer,
            pairs,
            input_format=self.input_format,
            positions=self.positions,
            number=number,
        )


def shards_of(pairs: int) -> int:
    """Number of shards that so many pairs make."""
    return -(-pairs // SHARD_PAIRS)


def read_share(
    model: torch.nn.Module,
    source: Source,
    *,
    layers: Sequence[int] | None = None,
    share: Share | None = None,
    keeper: Keeper | None = None,
    batch_size: int | None = None,
    padding_side: PaddingSide = "right",
    progress: bool = False,
) -> tuple[Progress, tuple[str, ...]]:
    """Read the pairs of one share.

    Args:
        model: A transformers model, in any floating-point type.
        source: The pairs.
        layers: Layers to read; all by default.
        share: Which shards to read; all by default.
        keeper: Where to keep sums on the way, and to go on from.
        batch_size: Rows in a batch; by default as many as a number of tokens hold.
        padding_side: Where to pad; the result does not depend on it.
        progress: Show a progress bar.

    Returns:
        What was read, and the names of the ways in which texts were run through the model.

    Raises:
        ModelError: The model's blocks cannot be read.
        ExtractionError: A text does not fit the model, or cannot be read so.
        UsageError: What was kept belongs to another extraction.
    """
    pairs = len(source.pairs)
    stream = Stream(
        model,
        source.names(),
        pairs,
        layers=layers,
        batch_size=batch_size,
        padding_side=padding_side,
    )
    before = keeper.kept() if keeper else Progress((), None)
    todo = [s for s in (share or Share()).shards(pairs) if s not in set(before.shards)]
    bar = tqdm(total=pairs, desc="Reading activations", unit="pair", disable=not progress)
    with bar, stream.reading():
        unkept = 0
        for number, shard in enumerate(todo, start=1):
            found, first = source.shard(shard), shard * SHARD_PAIRS
            stream.add(found.chosen, found.rejected, positions=found.positions, first=first)
            bar.update(len(found.chosen))
            unkept += len(found.chosen)
            if keeper and unkept >= keeper.every and number < len(todo):
                done = (*before.shards, *todo[:number])
                keeper.keep(Progress(done, _added(before.sums, stream)))
                unkept = 0
    whole = Progress((*before.shards, *todo), _added(before.sums, stream))
    # Kept even where there was nothing to do, so that each process leaves a file to be merged.
    if keeper and (todo or before.sums is None):
        keeper.keep(whole)
    return whole, tuple(sorted(stream.ways))


def _added(before: Sums | None, stream: Stream) -> Sums:
    sums = stream.sums()
    return sums if before is None else before + sums
