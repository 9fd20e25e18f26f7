"""One full run of the model for each cell of the grid: what the shared sweep must equal."""

from __future__ import annotations

import numpy as np

from palrs_hub.evidence import Cell
from palrs_hub.inputs import encode_response
from palrs_hub.scores import (
    encode_pairs,
    mean_divergence,
    response_log_probabilities,
    response_predictions,
)
from palrs_hub.steer import adding


def naive_sweep(model, tokenizer, extraction, validation, neutral, grid):
    """The unsteered cell and the grid's cells, as ``Sweep.run`` returns them."""
    sides = encode_pairs(tokenizer, validation)
    texts = [encode_response(tokenizer, *text) for text in neutral]
    margins_before = None
    predicted = response_predictions(model, texts) if texts else None

    def cell(place):
        nonlocal margins_before
        scores = [np.divide(*response_log_probabilities(model, side)) for side in sides]
        margins = scores[0] - scores[1]
        if margins_before is None:
            margins_before = margins
        return Cell(
            position=place[0],
            layer=place[1],
            coefficient=place[2],
            margin=float(margins.mean()),
            preferred=float((margins > 0).mean()),
            worse=float((margins < margins_before).mean()),
            chosen_log_probability=float(scores[0].mean()),
            side_effect=None
            if predicted is None
            else mean_divergence(predicted, response_predictions(model, texts)),
        )

    unsteered = cell((*grid[0][:2], 0.0))
    cells = []
    for position, layer, coefficient in grid:
        with adding(model, layer, coefficient * extraction.direction(position, layer)):
            cells.append(cell((position, layer, coefficient)))
    return unsteered, cells
