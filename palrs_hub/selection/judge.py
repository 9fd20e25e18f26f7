"""Runs finalists on problems: all of them in the same batches, a row a finalist's answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from tqdm.auto import tqdm

from palrs_hub.generation import complete
from palrs_hub.inputs import encode_prompt
from palrs_hub.steer import adding_by_row

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.candidates import Extraction
    from palrs_hub.evaluate import Problems
    from palrs_hub.evidence import Cell
    from palrs_hub.selection.record import Record

MIN_ROWS: Final = 64
MAX_TOKENS: Final = 16_384
"""Of a batch, prompts and answers together, where that is more than so many rows."""


@dataclass(frozen=True)
class Judge:
    """Judges cells by the problems that they solve, and remembers how they did.

    Attributes:
        model: The model, unsteered.
        tokenizer: Its tokenizer.
        extraction: The candidates.
        problems: A validation split.
        grid: Position, layer and coefficient of each cell of the record.
        record: Where accuracies are kept.
    """

    model: torch.nn.Module
    tokenizer: PreTrainedTokenizerBase
    extraction: Extraction
    problems: Problems
    grid: Sequence[tuple[str, int, float]]
    record: Record

    def judged(self, finalists: Sequence[Cell], *, progress: bool) -> list[Cell]:
        """The finalists with their accuracies."""
        places = {cell.place: self.grid.index(cell.place) for cell in finalists}
        accuracies = self.record.accuracy
        unknown = [cell for cell in finalists if np.isnan(accuracies[places[cell.place]])]
        rows = self._rows()
        at_once = max(1, rows // len(self.problems.prompts))
        with tqdm(total=len(unknown), desc="Judging", unit="cell", disable=not progress) as bar:
            for first in range(0, len(unknown), at_once):
                few = unknown[first : first + at_once]
                for cell, answers in zip(few, self._answers(few, rows), strict=True):
                    accuracies[places[cell.place]] = np.mean(self.problems.solved(answers))
                self.record.write()
                bar.update(len(few))
        return [
            cell.model_copy(update={"accuracy": float(accuracies[places[cell.place]])})
            for cell in finalists
        ]

    def _answers(self, cells: Sequence[Cell], batch_size: int) -> list[list[str]]:
        """Each cell's answers to all problems."""
        number = len(self.problems.prompts)
        addends = np.stack(
            [c.coefficient * self.extraction.direction(c.position, c.layer) for c in cells]
        )
        layers = [cell.layer for cell in cells]

        def steered(rows: Sequence[int]) -> AbstractContextManager[None]:
            of = [row // number for row in rows]
            return adding_by_row(self.model, [layers[index] for index in of], addends[of])

        written = complete(
            self.model,
            self.tokenizer,
            self.problems.prompts * len(cells),
            max_new_tokens=self.problems.max_new_tokens,
            batch_size=batch_size,
            around=steered,
        )
        return [written[first : first + number] for first in range(0, len(written), number)]

    def _rows(self) -> int:
        longest = max(len(encode_prompt(self.tokenizer, text)) for text in self.problems.prompts)
        return max(MIN_ROWS, MAX_TOKENS // (longest + self.problems.max_new_tokens))
