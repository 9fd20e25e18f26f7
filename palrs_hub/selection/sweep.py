"""The whole grid of cells, scored with the work that cells have in common done once."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np
import torch
from tqdm.auto import tqdm

from palrs_hub.activations import inference
from palrs_hub.blocks import architecture_of
from palrs_hub.evidence import Cell
from palrs_hub.inputs import encode_response
from palrs_hub.scores import Scores, encode_pairs, predictable
from palrs_hub.selection.batches import Batch, make_batch, make_batches
from palrs_hub.selection.record import Record, Sizes
from palrs_hub.selection.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

    from palrs_hub.candidates import Extraction
    from palrs_hub.inputs import Sample
    from palrs_hub.pairs.pair import PreferencePair, Text
    from palrs_hub.selection.batches import Group

Place = tuple[str, int, float]
"""Position, layer and coefficient."""

ROUNDING: Final = 1e-6
"""Nats per token by which a margin may fall and count as unchanged."""


class Sweep:
    """Scores cells by teacher forcing, with the work that cells share done once.

    Args:
        model: The model; whatever steers it is suspended by the caller.
        tokenizer: Its tokenizer.
        extraction: The candidates.
        validation: Pairs for the margins.
        neutral: Prompts and responses for the side effect.
        progress: Show a progress bar.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        extraction: Extraction,
        validation: Sequence[PreferencePair],
        neutral: Sequence[tuple[Text, Text]] = (),
        *,
        progress: bool = False,
    ) -> None:
        self._model, self._extraction, self._progress = model, extraction, progress
        chosen, rejected = encode_pairs(tokenizer, validation)
        self._texts: list[Sample] = [*chosen, *rejected]
        self._neutral = [encode_response(tokenizer, *text) for text in neutral]
        self._device = model.get_input_embeddings().weight.device  # type: ignore[operator]

    def subject(self) -> dict[str, object]:
        """The tokens that cells are scored on, for a record to tell them from others."""
        return {
            name: [(text.token_ids, text.spans) for text in texts]
            for name, texts in (("validation pairs", self._texts), ("neutral", self._neutral))
        }

    def sizes(self, cells: int) -> Sizes:
        """Sizes of the record of so many cells."""
        return Sizes(cells, len(self._texts), len(self._neutral))

    def run(self, grid: Sequence[Place], record: Record | None = None) -> tuple[Cell, list[Cell]]:
        """Score every cell of a grid.

        Args:
            grid: The cells.
            record: What was measured of this very grid before, and will be now.

        Returns:
            The cell of coefficient 0, at the grid's first place, and the grid's cells in order.
        """
        record = record or Record(self.sizes(len(grid)))
        with inference(self._model):
            self._measure(grid, record)
        counts = np.array([np.subtract(*predictable(text)[::-1]) for text in self._neutral])
        place = (*grid[0][:2], 0.0)
        unsteered = _cell(place, record.before, record.before, 0.0 if len(counts) else None)
        harms = record.divergence.sum(axis=1) / counts.sum() if len(counts) else [None] * len(grid)
        cells = [
            _cell(place, scores, record.before, None if harm is None else float(harm))
            for place, scores, harm in zip(grid, record.after, harms, strict=True)
        ]
        return unsteered, cells

    def _measure(self, grid: Sequence[Place], record: Record) -> None:
        """Fill in what the record lacks, batch by batch and in each layer by layer."""
        by_layer: dict[int, list[int]] = {}
        for index, (_, layer, _) in enumerate(grid):
            by_layer.setdefault(layer, []).append(index)
        addends = torch.tensor(
            np.stack([c * self._extraction.direction(p, k) for p, k, c in grid]),
            dtype=torch.float32,
            device=self._device,
        )
        replay = Replay(self._model, tuple(sorted(by_layer)))
        groups = self._try(replay, {k: addends[cells[-1]] for k, cells in by_layer.items()})
        batches = [(batch, False) for batch in make_batches(self._texts, groups, self._device)]
        alone = [(index,) for index in range(len(self._neutral))]
        batches += [(b, True) for b in make_batches(self._neutral, alone, self._device)]
        total = len(grid) * len(batches)
        with tqdm(total=total, desc="Selecting", unit="run", disable=not self._progress) as bar:
            try:
                for batch, is_neutral in batches:
                    self._measure_batch(replay, batch, is_neutral, by_layer, addends, record, bar)
            finally:
                record.write()

    def _measure_batch(
        self,
        replay: Replay,
        batch: Batch,
        is_neutral: bool,
        by_layer: dict[int, list[int]],
        addends: torch.Tensor,
        record: Record,
        bar: tqdm[NoReturn],
    ) -> None:
        missing = {
            layer: cells
            for layer, cells in by_layer.items()
            if not record.is_done(cells, batch.indices, neutral=is_neutral)
        }
        bar.update(len(addends) - sum(map(len, missing.values())))
        if not missing:
            return
        before, outputs = replay.unsteered(batch)
        if not is_neutral:
            record.before[list(batch.indices)] = _per_token(batch, before[None])[0]
        reference = before.log_softmax(dim=-1) if is_neutral else None
        for layer, cells in missing.items():
            done = 0
            for logits in replay.steered(batch, outputs, layer, addends[cells]):
                few = np.ix_(cells[done : done + len(logits)], batch.indices)
                if reference is None:
                    record.after[few] = _per_token(batch, logits)
                else:
                    record.divergence[few] = _divergence(batch, reference, logits)
                done += len(logits)
                bar.update(len(logits))
            record.write_now_and_then()

    def _try(self, replay: Replay, addends: dict[int, torch.Tensor]) -> list[Group]:
        """Find out what may be shared: nothing that was not seen to change nothing.

        Blocks are skipped only if that was tried at every layer. Responses share a row only if that
        was tried on the shortest and on the longest pair, for a model may look back a certain way
        and no farther.

        Returns:
            The texts that share a row.
        """
        number = len(self._texts) // 2
        pairs = sorted(
            ((index, index + number) for index in range(number)),
            key=lambda pair: sum(len(self._texts[index].token_ids) for index in pair),
        )
        tried = [pairs[0], pairs[-1]]
        apart = [(index,) for pair in tried for index in pair]
        shares = replay.shares_rows(
            make_batch(self._texts, apart, self._device),
            make_batch(self._texts, tried, self._device),
        )
        groups: list[Group] = [*pairs] if shares else [(index,) for p in pairs for index in p]
        replay.skips = replay.is_exact(
            make_batch(self._texts, groups[: 1 if shares else 2], self._device), addends
        )
        if not replay.skips:
            warnings.warn(
                f"{architecture_of(self._model)} does not compute the same when the blocks below "
                "the steered one are skipped: every cell runs the whole model, which is slower.",
                RuntimeWarning,
                stacklevel=5,
            )
        return groups


def _cell(place: Place, scores: Scores, unsteered: Scores, side_effect: float | None) -> Cell:
    position, layer, coefficient = place
    pairs = len(scores) // 2
    margins = scores[:pairs] - scores[pairs:]
    before = unsteered[:pairs] - unsteered[pairs:]
    return Cell(
        position=position,
        layer=layer,
        coefficient=coefficient,
        margin=float(margins.mean()),
        preferred=float((margins > 0).mean()),
        worse=float((margins < before - ROUNDING).mean()),
        chosen_log_probability=float(scores[:pairs].mean()),
        side_effect=side_effect,
    )


def _per_token(batch: Batch, logits: torch.Tensor) -> Scores:
    """Mean log-probability per token of each text, ``[copies, texts]``."""
    at, targets = batch.at.to(logits.device), batch.targets.to(logits.device)
    # Only the targets' log-probabilities: a softmax would write the vocabulary once more.
    found = logits[:, at, targets] - logits.logsumexp(dim=-1)[:, at]
    mean: Scores = _by_text(batch, found) / _lengths(batch)
    return mean


def _divergence(batch: Batch, reference: torch.Tensor, logits: torch.Tensor) -> Scores:
    """Summed divergence from the unsteered log-probabilities on each text, ``[copies, texts]``."""
    likely = reference.exp()
    entropies = (likely * reference).sum(dim=-1)
    crossed = torch.einsum("pv,cpv->cp", likely, logits) - logits.logsumexp(dim=-1)
    return _by_text(batch, (entropies - crossed)[:, batch.at.to(logits.device)])


def _by_text(batch: Batch, values: torch.Tensor) -> Scores:
    """Sums of ``[copies, targets]`` over the tokens of each text, float64 ``[copies, texts]``."""
    sums = torch.zeros(len(values), len(batch.indices), dtype=torch.float64)
    sums.index_add_(1, batch.texts.cpu(), values.cpu().to(torch.float64))
    found: Scores = sums.numpy()
    return found


def _lengths(batch: Batch) -> Scores:
    counts: Scores = batch.texts.cpu().bincount(minlength=len(batch.indices)).numpy()
    return counts
