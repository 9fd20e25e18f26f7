"""The cells of the grid, scored with the work that cells have in common done once."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np
import torch
from tqdm.auto import tqdm

from palrs_hub.activations import inference
from palrs_hub.blocks import architecture_of
from palrs_hub.evidence import Cell
from palrs_hub.inputs import encode_response
from palrs_hub.scores import encode_pairs, predictable
from palrs_hub.selection.batches import Batch, make_batch, make_batches
from palrs_hub.selection.cells import cell, divergence, per_token
from palrs_hub.selection.race import Race, Score
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

MAX_HELD_BYTES: Final = 256 * 1024 * 1024
"""Of what the unsteered model computed, held from one wave to the next."""


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

    def sizes(self, cells: int, problems: int = 0) -> Sizes:
        """Sizes of the record of so many cells, and problems to judge them by."""
        return Sizes(cells, len(self._texts), len(self._neutral), problems)

    def run(
        self,
        grid: Sequence[Place],
        record: Record | None = None,
        *,
        patience: int | None = None,
        share: float | None = None,
    ) -> tuple[Cell, list[Cell]]:
        """Score the cells of a grid.

        Args:
            grid: The cells.
            record: What was measured of this very grid before, and will be now.
            patience: Leave a position and layer at so many coefficients in a row, from the gentlest
                up, that do not help; None scores all cells.
            share: Leave a position and layer whose gentlest coefficient raises the margin by less
                than this share of what the best of them does; None leaves none for that.

        Returns:
            The cell of coefficient 0, at the grid's first place, and the cells that were scored, in
            the grid's order.
        """
        record = record or Record(self.sizes(len(grid)))
        race = Race(grid, patience, share)
        work = self._prepare(grid)
        total = len(grid) * len(work.batches)
        bar = tqdm(total=total, desc="Selecting", unit="run", disable=not self._progress)
        scored: dict[int, Cell] = {}
        with bar:
            while wave := race.wave():
                self._score(work, wave, record, bar, thrifty=patience is not None)
                unsteered = self._unsteered(grid, record)
                scored |= {index: self._scored(grid, index, record) for index in wave}
                race.judge(lambda index: _score_of(scored[index], unsteered))  # noqa: B023 - called here
            bar.update(total - bar.n)  # what was left out is done, too
        return self._unsteered(grid, record), [scored[index] for index in sorted(scored)]

    def _unsteered(self, grid: Sequence[Place], record: Record) -> Cell:
        harm = 0.0 if self._neutral else None
        return cell((*grid[0][:2], 0.0), record.before, record.before, harm)

    def _scored(self, grid: Sequence[Place], index: int, record: Record) -> Cell:
        counts = [np.subtract(*predictable(text)[::-1]) for text in self._neutral]
        summed = record.divergence[index].sum() if counts else np.nan
        harm = None if np.isnan(summed) else float(summed / sum(counts))
        return cell(grid[index], record.after[index], record.before, harm)

    def _prepare(self, grid: Sequence[Place]) -> _Work:
        addends = torch.tensor(
            np.stack([c * self._extraction.direction(p, k) for p, k, c in grid]),
            dtype=torch.float32,
            device=self._device,
        )
        last = {layer: index for index, (_, layer, _) in enumerate(grid)}
        replay = Replay(self._model, tuple(sorted(last)))
        with inference(self._model):
            groups = self._try(replay, {layer: addends[index] for layer, index in last.items()})
        batches = [(batch, False) for batch in make_batches(self._texts, groups, self._device)]
        alone = [(index,) for index in range(len(self._neutral))]
        batches += [(b, True) for b in make_batches(self._neutral, alone, self._device)]
        return _Work(grid, addends, replay, batches)

    def _score(
        self,
        work: _Work,
        wave: Sequence[int],
        record: Record,
        bar: tqdm[NoReturn],
        *,
        thrifty: bool,
    ) -> None:
        """Measure some cells; the thrifty ask nothing of the side effect of what does not help."""
        with inference(self._model):
            self._measure(work, wave, record, bar, neutral=False)
            if thrifty:
                unsteered = self._unsteered(work.grid, record)
                wave = [i for i in wave if self._scored(work.grid, i, record).helps(unsteered)]
            self._measure(work, wave, record, bar, neutral=True)

    def _measure(
        self,
        work: _Work,
        wave: Sequence[int],
        record: Record,
        bar: tqdm[NoReturn],
        *,
        neutral: bool,
    ) -> None:
        """Fill in what the record lacks of some cells, batch by batch and layer by layer."""
        by_layer: dict[int, list[int]] = {}
        for index in wave:
            by_layer.setdefault(work.grid[index][1], []).append(index)
        try:
            for number, (batch, is_neutral) in enumerate(work.batches):
                if is_neutral != neutral:
                    continue
                missing = {
                    layer: cells
                    for layer, cells in by_layer.items()
                    if not record.is_done(cells, batch.indices, neutral=is_neutral)
                }
                bar.update(len(wave) - sum(map(len, missing.values())))
                if missing:
                    self._measure_batch(work, number, missing, record, bar)
        finally:
            record.write()

    def _measure_batch(
        self,
        work: _Work,
        number: int,
        missing: dict[int, list[int]],
        record: Record,
        bar: tqdm[NoReturn],
    ) -> None:
        batch, is_neutral = work.batches[number]
        before, outputs = work.unsteered(number)
        if not is_neutral:
            record.before[list(batch.indices)] = per_token(batch, before[None])[0]
        reference = before.log_softmax(dim=-1) if is_neutral else None
        for layer, cells in missing.items():
            done = 0
            for logits in work.replay.steered(batch, outputs, layer, work.addends[cells]):
                few = np.ix_(cells[done : done + len(logits)], batch.indices)
                if reference is None:
                    record.after[few] = per_token(batch, logits)
                else:
                    record.divergence[few] = divergence(batch, reference, logits)
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


@dataclass
class _Work:
    """What all waves of a race have in common.

    Attributes:
        grid: The cells.
        addends: What each of them adds, ``[cells, hidden]``.
        replay: Runs the model from the steered block on.
        batches: Of the texts, and of the neutral ones (True).
    """

    grid: Sequence[Place]
    addends: torch.Tensor
    replay: Replay
    batches: list[tuple[Batch, bool]]
    _held: dict[int, tuple[torch.Tensor, dict[int, object]]] = field(default_factory=dict)
    _room: int = MAX_HELD_BYTES

    def unsteered(self, number: int) -> tuple[torch.Tensor, dict[int, object]]:
        """What the unsteered model computes on a batch; from memory where there is room for it."""
        if number in self._held:
            return self._held[number]
        batch, _ = self.batches[number]
        found = self.replay.unsteered(batch)
        layers = len(found[1])
        size = found[0].nbytes + 4 * batch.token_ids.numel() * self.addends.shape[1] * layers
        if size <= self._room:
            self._held[number] = found
            self._room -= size
        return found


def _score_of(cell: Cell, unsteered: Cell) -> Score:
    return Score(cell.margin - unsteered.margin, cell.helps(unsteered))
