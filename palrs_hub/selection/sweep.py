"""The whole grid of cells, scored with the work that cells have in common done once."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from tqdm.auto import tqdm

from palrs_hub.activations import inference
from palrs_hub.blocks import architecture_of
from palrs_hub.evidence import Cell
from palrs_hub.inputs import encode_response
from palrs_hub.scores import Scores, encode_pairs, mean_divergence
from palrs_hub.selection.batches import Batch, make_batch, make_batches
from palrs_hub.selection.replay import Replay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

    from palrs_hub.extraction import Extraction
    from palrs_hub.inputs import Sample
    from palrs_hub.pairs.pair import PreferencePair, Text

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

    def run(self, grid: Sequence[Place]) -> tuple[Cell, list[Cell]]:
        """Score every cell of a grid.

        Returns:
            The cell of coefficient 0, at the grid's first place, and the grid's cells in order.
        """
        by_layer: dict[int, list[int]] = {}
        for index, (_, layer, _) in enumerate(grid):
            by_layer.setdefault(layer, []).append(index)
        addends = torch.tensor(
            np.stack([c * self._extraction.direction(p, k) for p, k, c in grid]),
            dtype=torch.float32,
            device=self._device,
        )
        batches = make_batches(self._texts, self._device)
        others = make_batches(self._neutral, self._device)
        total = len(grid) * (len(batches) + len(others))
        bar = tqdm(total=total, desc="Selecting", unit="run", disable=not self._progress)
        with bar, inference(self._model):
            replay = self._replay(by_layer, addends)
            tally = _Tally(len(grid), len(self._texts), bool(others))
            for batch in [*batches, *others]:
                is_neutral = any(batch is other for other in others)
                before, outputs = replay.unsteered(batch)
                tally.add_unsteered(batch, before, is_neutral)
                for layer, cells in by_layer.items():
                    done = 0
                    for logits in replay.steered(batch, outputs, layer, addends[cells]):
                        few = cells[done : done + len(logits)]
                        tally.add(batch, few, before, logits, is_neutral)
                        done += len(logits)
                        bar.update(len(few))
        first = grid[0]
        return tally.unsteered((first[0], first[1], 0.0)), tally.cells(grid)

    def _replay(self, by_layer: dict[int, list[int]], addends: torch.Tensor) -> Replay:
        """A replay that skips blocks only if that was tried at every layer and changed nothing."""
        replay = Replay(self._model, tuple(sorted(by_layer)))
        shortest = sorted(range(len(self._texts)), key=lambda i: len(self._texts[i].token_ids))
        batch = make_batch(self._texts, shortest[:2], self._device)
        last = {layer: addends[cells[-1]] for layer, cells in by_layer.items()}
        replay.skips = replay.is_exact(batch, last)
        if not replay.skips:
            warnings.warn(
                f"{architecture_of(self._model)} does not compute the same when the blocks below "
                "the steered one are skipped: every cell runs the whole model, which is slower.",
                RuntimeWarning,
                stacklevel=4,
            )
        return replay


class _Tally:
    """What the runs add up to: log-probabilities by cell and text, divergences by cell."""

    def __init__(self, cells: int, texts: int, has_neutral: bool) -> None:
        self.before: Scores = np.zeros(texts)
        self.after: Scores = np.zeros((cells, texts))
        self.divergence: Scores | None = np.zeros(cells) if has_neutral else None
        self.predictions = 0

    def add_unsteered(self, batch: Batch, logits: torch.Tensor, is_neutral: bool) -> None:
        if is_neutral:
            self.predictions += len(batch.targets)
        else:
            self.before[list(batch.indices)] = _per_token(batch, logits[None])[0]

    def add(
        self,
        batch: Batch,
        cells: Sequence[int],
        before: torch.Tensor,
        logits: torch.Tensor,
        is_neutral: bool,
    ) -> None:
        if not is_neutral:
            self.after[np.ix_(cells, batch.indices)] = _per_token(batch, logits)
            return
        reference = before.log_softmax(dim=-1)
        for cell, row in zip(cells, logits, strict=True):
            divergence = mean_divergence(reference, row.log_softmax(dim=-1))
            self.divergence[cell] += divergence * len(batch.targets)  # type: ignore[index]

    def unsteered(self, place: Place) -> Cell:
        side_effect = None if self.divergence is None else 0.0
        return self._cell(place, self.before, side_effect)

    def cells(self, grid: Sequence[Place]) -> list[Cell]:
        harms = [None] * len(grid) if self.divergence is None else self.divergence
        return [
            self._cell(place, scores, None if harm is None else float(harm) / self.predictions)
            for place, scores, harm in zip(grid, self.after, harms, strict=True)
        ]

    def _cell(self, place: Place, scores: Scores, side_effect: float | None) -> Cell:
        position, layer, coefficient = place
        pairs = len(scores) // 2
        margins = scores[:pairs] - scores[pairs:]
        before = self.before[:pairs] - self.before[pairs:]
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
    """Mean log-probability per token of each text, ``[copies, rows]``."""
    targets, rows = batch.targets.to(logits.device), batch.rows.to(logits.device)
    found = logits.gather(2, targets[None, :, None].expand(len(logits), -1, 1))[..., 0]
    predicted = (found - logits.logsumexp(dim=-1)).cpu().to(torch.float64)
    sums = torch.zeros(len(logits), len(batch.indices), dtype=torch.float64)
    sums.index_add_(1, rows.cpu(), predicted)
    mean: Scores = (sums / rows.cpu().bincount(minlength=len(batch.indices))).numpy()
    return mean
