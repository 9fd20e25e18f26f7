"""Selection: position, layer and coefficient, chosen on a validation split and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tqdm.auto import tqdm

from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.evaluate import accuracy
from palrs_hub.manifest import Cell, Selection
from palrs_hub.scores import encode_pairs, response_log_probabilities
from palrs_hub.steer import adding, suspended

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.evaluate import Problems
    from palrs_hub.extraction import Extraction
    from palrs_hub.inputs import Sample
    from palrs_hub.pairs.pair import PreferencePair

STRENGTHS: Final = (0.125, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
"""Coefficients to try, in units of the mean chosen activation's norm."""


@dataclass(frozen=True)
class Selected:
    """What selection chose, and the grid that it chose from."""

    position: str
    layer: int
    coefficient: float
    selection: Selection


@dataclass(frozen=True)
class _Scores:
    """Mean log-probability per token of each pair's responses, ``[pairs]``."""

    chosen: Any
    rejected: Any

    @property
    def margins(self) -> Any:  # noqa: ANN401 - a numpy array
        return self.chosen - self.rejected


def select(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    extraction: Extraction,
    validation: Sequence[PreferencePair],
    *,
    problems: Problems | None = None,
    position: str | None = None,
    layer: int | None = None,
    coefficients: Sequence[float] | None = None,
    finalists: int = 6,
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
        position: Choose among candidates of this read position alone.
        layer: Choose among candidates of this layer alone.
        coefficients: Coefficients to try, in the extraction's unit; by default a range of
            fractions and multiples of the mean chosen activation's norm.
        finalists: How many cells are run on the problems.
        progress: Show a progress bar.

    Raises:
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
    encoded = encode_pairs(tokenizer, validation)
    with suspended(model):
        before = _score(model, encoded)
        unsteered = _cell(*places[0], 0.0, before, before)
        cells = list(_sweep(model, extraction, grid, encoded, before, progress))
        ranked = _ranked(cells, unsteered)
        if problems is not None:
            cells = _with_accuracy(
                model, tokenizer, extraction, problems, cells, ranked[:finalists], progress
            )
    best = _best(cells, ranked, judged=problems is not None)
    selection = Selection(
        rule=_rule(extraction, problems, finalists),
        split="validation",
        pairs=len(validation),
        problems=len(problems.prompts) if problems else 0,
        unsteered=unsteered,
        cells=tuple(cells),
    )
    return Selected(best.position, best.layer, best.coefficient, selection)


def _places(
    extraction: Extraction, position: str | None, layer: int | None
) -> list[tuple[str, int]]:
    if position is None and layer is None and extraction.switches.choice == "alignment":
        return [extraction.most_aligned()]
    places = [
        (row.position, row.layer)
        for row in extraction.diagnostics
        if row.difference_norm > 0
        and position in (None, row.position)
        and layer in (None, row.layer)
    ]
    if not places:
        raise UsageError(
            f"No candidate at position {position or 'any'}, layer {layer}. Positions: "
            f"{', '.join(extraction.positions)}; layers: 0 to {extraction.layers[-1]}."
        )
    return places


def _default_coefficients(extraction: Extraction, position: str, layer: int) -> list[float]:
    norm = float(np.linalg.norm(extraction.direction(position, layer)))
    row = next(
        row for row in extraction.diagnostics if (row.position, row.layer) == (position, layer)
    )
    return [float(f"{strength * row.mean_chosen_norm / norm:.3g}") for strength in STRENGTHS]


def _sweep(
    model: torch.nn.Module,
    extraction: Extraction,
    grid: Sequence[tuple[str, int, float]],
    encoded: tuple[list[Sample], list[Sample]],
    before: _Scores,
    progress: bool,
) -> Iterator[Cell]:
    for position, layer, coefficient in tqdm(
        grid, desc="Selecting", unit="cell", disable=not progress
    ):
        with adding(model, layer, coefficient * extraction.direction(position, layer)):
            scores = _score(model, encoded)
        yield _cell(position, layer, coefficient, scores, before)


def _score(model: torch.nn.Module, encoded: tuple[list[Sample], list[Sample]]) -> _Scores:
    (chosen, chosen_counts), (rejected, rejected_counts) = (
        response_log_probabilities(model, side) for side in encoded
    )
    return _Scores(chosen / chosen_counts, rejected / rejected_counts)


def _cell(position: str, layer: int, coefficient: float, scores: _Scores, before: _Scores) -> Cell:
    return Cell(
        position=position,
        layer=layer,
        coefficient=coefficient,
        margin=float(scores.margins.mean()),
        preferred=float((scores.margins > 0).mean()),
        worse=float((scores.margins < before.margins).mean()),
        chosen_log_probability=float(scores.chosen.mean()),
    )


def _ranked(cells: Sequence[Cell], unsteered: Cell) -> list[Cell]:
    better = [
        cell
        for cell in cells
        if cell.margin > unsteered.margin
        and cell.chosen_log_probability >= unsteered.chosen_log_probability
    ]
    if not better:
        raise ExtractionError(
            f"None of {len(cells)} cells makes the chosen responses likelier and raises the margin "
            f"above the unsteered model's {unsteered.margin:.3f}. Try other read positions, the "
            "choice 'validation', smaller coefficients, or clearer pairs."
        )
    return sorted(better, key=lambda cell: (-cell.margin, abs(cell.coefficient)))


def _with_accuracy(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    extraction: Extraction,
    problems: Problems,
    cells: Sequence[Cell],
    finalists: Sequence[Cell],
    progress: bool,
) -> list[Cell]:
    measured: dict[tuple[str, int, float], float] = {}
    for cell in tqdm(finalists, desc="Finalists", unit="cell", disable=not progress):
        addend = cell.coefficient * extraction.direction(cell.position, cell.layer)
        with adding(model, cell.layer, addend):
            measured[_key(cell)] = accuracy(model, tokenizer, problems)
    return [cell.model_copy(update={"accuracy": measured.get(_key(cell))}) for cell in cells]


def _best(cells: Sequence[Cell], ranked: Sequence[Cell], *, judged: bool) -> Cell:
    if not judged:
        return ranked[0]
    run = [cell for cell in cells if cell.accuracy is not None]
    return max(run, key=lambda cell: (cell.accuracy or 0.0, cell.margin))


def _key(cell: Cell) -> tuple[str, int, float]:
    return cell.position, cell.layer, cell.coefficient


def _rule(extraction: Extraction, problems: Problems | None, finalists: int) -> str:
    place = (
        "Position and layer: the candidate most aligned with the mean chosen activation (eq. 3). "
        if extraction.switches.choice == "alignment"
        else ""
    )
    first = (
        "Of the cells that make the chosen responses at least as likely as without steering: the "
        "highest mean margin per token of chosen over rejected on validation pairs"
    )
    if problems is None:
        return f"{place}{first}."
    return (
        f"{place}{first} names {finalists} finalists; of these the highest accuracy of greedy "
        f"generation on validation problems ({problems.name}), ties to the higher margin."
    )
