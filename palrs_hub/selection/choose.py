"""The choice of position, layer and coefficient from a scored grid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np

from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.evidence import MAX_SIDE_EFFECT, Cell, Selection
from palrs_hub.methods import METHODS, TrainedMethod
from palrs_hub.selection.cells import gentleness
from palrs_hub.selection.judge import Judge, halves
from palrs_hub.selection.race import PATIENCE, SHARE
from palrs_hub.selection.record import Record, Subject
from palrs_hub.selection.sweep import Sweep
from palrs_hub.steer import suspended

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.candidates import Extraction
    from palrs_hub.evaluate import Problems
    from palrs_hub.evidence import Evaluation
    from palrs_hub.pairs.pair import PreferencePair, Text
    from palrs_hub.selection.sweep import Place
    from palrs_hub.vector import SteeringVector

STRENGTHS: Final = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0)
"""Coefficients to try, in units of the mean chosen activation's norm."""

TRAINED_STRENGTHS: Final = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
"""Coefficients to try of a vector that was trained, in units of itself."""


@dataclass(frozen=True)
class Selected:
    """What selection chose, and the grid that it chose from.

    Attributes:
        position: Read position of the candidate.
        layer: Its layer, which is also the one that it steers.
        coefficient: The coefficient, in the extraction's unit.
        selection: The grid and the rule, as the manifest keeps them.
        extraction: The candidates.
    """

    position: str
    layer: int
    coefficient: float
    selection: Selection
    extraction: Extraction = field(compare=False, repr=False)

    def vector(
        self,
        *,
        name: str,
        task: str,
        description: str = "",
        license: str = "apache-2.0",
        evaluations: Sequence[Evaluation] = (),
    ) -> SteeringVector:
        """Make what was chosen a vector that can be saved, attached and pushed.

        Args:
            name: A short name.
            task: What it does, in a word or two to search for.
            description: What it does, in a sentence or two.
            license: An SPDX identifier.
            evaluations: What was measured on a test split.
        """
        return self.extraction.vector(
            position=self.position,
            layer=self.layer,
            coefficient=self.coefficient,
            name=name,
            task=task,
            description=description,
            license=license,
            selection=self.selection,
            evaluations=evaluations,
        )


def select(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    extraction: Extraction,
    validation: Sequence[PreferencePair],
    *,
    problems: Problems | None = None,
    neutral: Sequence[tuple[Text, Text]] = (),
    position: str | None = None,
    layer: int | None = None,
    coefficients: Sequence[float] | None = None,
    finalists: int = 8,
    patience: int | None = PATIENCE,
    resume: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Selected:
    """Choose the best cell of a grid of positions, layers and coefficients.

    Every cell is scored by the teacher-forced preference margin, which is cheap; where there are
    problems to solve, the best few are run on them. With the switch ``choice="alignment"`` position
    and layer are PaLRS's (eq. 3) and only the coefficient is chosen here.

    Args:
        model: The model that the extraction was made from.
        tokenizer: Its tokenizer.
        extraction: The candidates.
        validation: Pairs that were not extracted from.
        problems: A validation split of problems to generate answers to.
        neutral: Prompts and responses that steering should leave alone; cells that move the
            predictions on them by more than 0.1 nats per token are out.
        position: Choose among candidates of this read position alone.
        layer: Choose among candidates of this layer alone.
        coefficients: Coefficients to try, in the extraction's unit; by default a range of
            fractions and multiples of the mean chosen activation's norm.
        finalists: How many cells are run on the problems.
        patience: Coefficients are tried from the gentlest up; a position and layer is left at so
            many in a row that do not help, and after the gentlest of the default coefficients if
            others gain four times as much; of the finalists the better half goes on after a
            quarter and after half of the problems. None scores the whole grid, and lets every
            finalist answer every problem.
        resume: A file that keeps what was measured, and from which a selection that was cut off
            goes on; made if need be.
        progress: Show a progress bar.

    Raises:
        UsageError: There is no such position or layer, or ``resume`` holds what was measured of
            something else.
        ExtractionError: No cell prefers the chosen responses more than the unsteered model does.
    """
    if not validation:
        raise ExtractionError("Selection needs validation pairs; hold some out.")
    places = _places(extraction, position, layer)
    grid = [
        (position, layer, coefficient)
        for position, layer in places
        for coefficient in coefficients or _default_coefficients(extraction, position, layer)
    ]
    with suspended(model):
        sweep = Sweep(model, tokenizer, extraction, validation, neutral, progress=progress)
        sizes = sweep.sizes(len(grid), len(problems.prompts) if problems else 0)
        record = Record(sizes)
        if resume is not None:
            subject = _subject(extraction, grid, sweep, problems)
            record = Record.resume(resume, subject, sizes)
        share = SHARE if patience is not None and coefficients is None else None
        unsteered, cells = sweep.run(grid, record, patience=patience, share=share)
        ranked = _ranked(cells, unsteered)
        if problems is not None:
            judge = Judge(
                model, tokenizer, extraction, problems, grid, record, halves=patience is not None
            )
            ranked = judge.judged(ranked[:finalists], progress=progress)
    best = _best(extraction, ranked)
    judged = {cell.place: cell for cell in ranked}
    selection = Selection(
        rule=_rule(extraction, problems, bool(neutral), finalists, patience, share),
        split="validation",
        pairs=len(validation),
        problems=len(problems.prompts) if problems else 0,
        unsteered=unsteered,
        cells=tuple(judged.get(cell.place, cell) for cell in cells),
    )
    return Selected(best.position, best.layer, best.coefficient, selection, extraction)


def _places(
    extraction: Extraction, position: str | None, layer: int | None
) -> list[tuple[str, int]]:
    if position is None and layer is None and extraction.switches.choice == "alignment":
        return [extraction.most_aligned()]
    places = [
        (name, index)
        for name in extraction.positions
        for index in extraction.layers
        if position in (None, name)
        and layer in (None, index)
        and np.linalg.norm(extraction.direction(name, index)) > 0
    ]
    if not places:
        raise UsageError(
            f"No candidate at position {position or 'any'}, layer {layer}. Positions: "
            f"{', '.join(extraction.positions)}; layers: 0 to {extraction.layers[-1]}."
        )
    return places


def _default_coefficients(extraction: Extraction, position: str, layer: int) -> list[float]:
    method = METHODS.get(extraction.method)
    if isinstance(method, TrainedMethod) and extraction.switches.scale == "raw":
        return list(TRAINED_STRENGTHS)
    norm = float(np.linalg.norm(extraction.direction(position, layer)))
    row = next(
        row for row in extraction.diagnostics if (row.position, row.layer) == (position, layer)
    )
    return [float(f"{strength * row.mean_chosen_norm / norm:.3g}") for strength in STRENGTHS]


def _ranked(cells: Sequence[Cell], unsteered: Cell) -> list[Cell]:
    """The cells that help without harm, best margin first."""
    helpful = [cell for cell in cells if cell.helps(unsteered)]
    if not helpful:
        raise ExtractionError(
            f"None of {len(cells)} cells makes the chosen responses likelier, raises the margin "
            f"above the unsteered model's {unsteered.margin:.3f} and leaves neutral text alone. "
            "Try other read positions, the choice 'validation', smaller coefficients, or clearer "
            "pairs."
        )
    return sorted(helpful, key=lambda cell: (-cell.margin, abs(cell.coefficient)))


def _subject(
    extraction: Extraction, grid: Sequence[Place], sweep: Sweep, problems: Problems | None
) -> Subject:
    """What a record must be the record of."""
    base = extraction.base_model
    fingerprint = base.fingerprint
    asked = problems and (problems.name, problems.prompts, problems.max_new_tokens)
    places = dict.fromkeys((position, layer) for position, layer, _ in grid)
    return Subject(
        same={
            "model": base.model_dump(exclude={"fingerprint"}),
            "grid": list(grid),
            "problems": repr(asked),
            **sweep.subject(),
        },
        near={
            "fingerprint of the model": np.array(fingerprint.projections),
            "candidates": np.stack([extraction.direction(*place) for place in places]),
        },
    )


def _best(extraction: Extraction, ranked: Sequence[Cell]) -> Cell:
    """The highest accuracy, of equals the gentlest; without accuracies the highest margin."""

    def merit(cell: Cell) -> tuple[float, float]:
        return cell.accuracy or 0.0, gentleness(extraction, cell)

    judged = [cell for cell in ranked if cell.accuracy is not None]
    return max(judged, key=merit) if judged else ranked[0]


def _rule(
    extraction: Extraction,
    problems: Problems | None,
    neutral: bool,
    finalists: int,
    patience: int | None,
    share: float | None,
) -> str:
    parts = []
    if extraction.switches.choice == "alignment":
        parts.append(
            "Position and layer: the candidate most aligned with the mean chosen activation."
        )
    if patience is not None:
        parts.append(
            "Coefficients are tried from the gentlest up, at each position and layer until "
            f"{patience} in a row do not help."
        )
    if share is not None:
        parts.append(
            f"Where the gentlest raises the margin by less than {share:.0%} of what the best of "
            "them does, it is the last."
        )
    harmless = f" and move neutral predictions by at most {MAX_SIDE_EFFECT} nats per token"
    parts.append(
        "Of the cells that make the chosen responses at least as likely as without steering"
        f"{harmless if neutral else ''}: the highest mean margin per token of chosen over rejected "
        "on validation pairs"
    )
    if problems is None:
        return " ".join(parts) + "."
    rule = (
        " ".join(parts) + f" names {finalists} finalists; of these the highest accuracy of greedy "
        f"generation on validation problems ({problems.name}), of equals the smallest addition."
    )
    if patience is not None and halves(finalists, len(problems.prompts)):
        rule += " The better half of them goes on after a quarter and after half of the problems."
    return rule
