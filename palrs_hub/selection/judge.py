"""Runs finalists on problems: all of them in the same batches, a row a finalist's answer.

To generate is what selection spends most on. So finalists answer a quarter of the problems first,
the better half of them another quarter, and the better half of those the rest: successive halving
(Jamieson and Talwalkar, 2016, arXiv 1502.07943).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np
from tqdm.auto import tqdm

from palrs_hub.generation import complete
from palrs_hub.inputs import encode_prompt
from palrs_hub.selection.cells import addend, gentleness
from palrs_hub.steer import adding_by_row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.candidates import Extraction
    from palrs_hub.evaluate import Problems
    from palrs_hub.evidence import Cell
    from palrs_hub.selection.record import Record
    from palrs_hub.selection.sweep import Place

MIN_ROWS: Final = 64
MAX_TOKENS: Final = 16_384
"""Of a batch, prompts and answers together, where that is more than so many rows."""

MIN_PROBLEMS: Final = 32
"""Fewer are answered by all finalists: a quarter of them would tell little."""

MIN_FINALISTS: Final = 2
"""As many answer all problems."""


def halves(finalists: int, problems: int) -> bool:
    """Whether so many finalists and problems are worth to be halved."""
    return finalists > MIN_FINALISTS and problems >= MIN_PROBLEMS


@dataclass(frozen=True)
class Judge:
    """Judges cells by the problems that they solve, and remembers how they did.

    Attributes:
        model: The model, unsteered.
        tokenizer: Its tokenizer.
        extraction: The candidates.
        problems: A validation split.
        grid: Position, layer and coefficient of each cell of the record.
        record: Where it is kept what they solve.
        halves: Whether the worse half is left after a quarter and after half of the problems.
    """

    model: torch.nn.Module
    tokenizer: PreTrainedTokenizerBase
    extraction: Extraction
    problems: Problems
    grid: Sequence[Place]
    record: Record
    halves: bool = False

    def judged(self, finalists: Sequence[Cell], *, progress: bool) -> list[Cell]:
        """The finalists; those that answered all problems with their accuracies."""
        solved = self.record.solved
        at = {cell.place: self.grid.index(cell.place) for cell in finalists}
        rungs = self._rungs(len(finalists))
        running = list(finalists)
        total = len(finalists) * len(self.problems.prompts)
        with tqdm(total=total, desc="Judging", unit="answer", disable=not progress) as bar:
            for number, places in enumerate(rungs):
                if number:
                    running = self._better_half(running, at)
                self._run(running, [at[cell.place] for cell in running], places, bar)
            bar.update(total - bar.n)  # what was left out is done, too
        accuracies = {cell.place: float(solved[at[cell.place]].mean()) for cell in running}
        return [
            cell.model_copy(update={"accuracy": accuracies.get(cell.place)}) for cell in finalists
        ]

    def _rungs(self, finalists: int) -> list[list[int]]:
        """Which problems are answered together; problems in a row may be alike."""
        places = list(range(len(self.problems.prompts)))
        if not (self.halves and halves(finalists, len(places))):
            return [places]
        return [places[::4], places[2::4], places[1::2]]

    def _better_half(self, cells: Sequence[Cell], at: Mapping[Place, int]) -> list[Cell]:
        """In the order of the cells; of equals those that add least."""

        def merit(cell: Cell) -> tuple[float, float]:
            right = float(np.nansum(self.record.solved[at[cell.place]]))
            return right, gentleness(self.extraction, cell)

        number = max(MIN_FINALISTS, (len(cells) + 1) // 2)
        kept = {cell.place for cell in sorted(cells, key=merit, reverse=True)[:number]}
        return [cell for cell in cells if cell.place in kept]

    def _run(
        self,
        cells: Sequence[Cell],
        rows: Sequence[int],
        places: Sequence[int],
        bar: tqdm[NoReturn],
    ) -> None:
        """Fill in what the record lacks of these problems."""
        solved = self.record.solved
        pairs = zip(cells, rows, strict=True)
        unknown = [(cell, row) for cell, row in pairs if np.isnan(solved[row, places]).any()]
        batch_size = self._rows()
        at_once = max(1, batch_size // len(places))
        bar.update((len(cells) - len(unknown)) * len(places))
        for first in range(0, len(unknown), at_once):
            few = unknown[first : first + at_once]
            answers = self._answers([cell for cell, _ in few], places, batch_size)
            right = self.problems.solved(answers, [*places] * len(few))
            solved[np.ix_([row for _, row in few], places)] = np.reshape(right, (len(few), -1))
            self.record.write()
            bar.update(len(few) * len(places))

    def _answers(self, cells: Sequence[Cell], places: Sequence[int], batch_size: int) -> list[str]:
        """Each cell's answers to these problems, cell by cell."""
        number = len(places)
        addends = np.stack([addend(self.extraction, cell) for cell in cells])
        layers = [cell.layer for cell in cells]

        def steered(rows: Sequence[int]) -> AbstractContextManager[None]:
            of = [row // number for row in rows]
            return adding_by_row(self.model, [layers[index] for index in of], addends[of])

        return complete(
            self.model,
            self.tokenizer,
            [self.problems.prompts[place] for place in places] * len(cells),
            max_new_tokens=self.problems.max_new_tokens,
            batch_size=batch_size,
            around=steered,
        )

    def _rows(self) -> int:
        longest = max(len(encode_prompt(self.tokenizer, text)) for text in self.problems.prompts)
        return max(MIN_ROWS, MAX_TOKENS // (longest + self.problems.max_new_tokens))
