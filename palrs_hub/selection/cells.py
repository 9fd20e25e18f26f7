"""What is told of a cell, from the logits of its runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import torch

from palrs_hub.evidence import Cell
from palrs_hub.scores import Scores

if TYPE_CHECKING:
    from palrs_hub.candidates import Extraction
    from palrs_hub.moments import Array
    from palrs_hub.selection.batches import Batch

    Place = tuple[str, int, float]

ROUNDING: Final = 1e-6
"""Nats per token by which a margin may fall and count as unchanged."""


def cell(place: Place, scores: Scores, unsteered: Scores, side_effect: float | None) -> Cell:
    """A cell of the grid.

    Args:
        place: Position, layer and coefficient.
        scores: Mean log-probability per token of the chosen and then the rejected responses.
        unsteered: The same of the unsteered model.
        side_effect: Nats per token on neutral texts, if it was measured.
    """
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


def addend(extraction: Extraction, cell: Cell) -> Array:
    """What a cell adds to the residual stream, ``[hidden]``."""
    return cell.coefficient * extraction.direction(cell.position, cell.layer)


def gentleness(extraction: Extraction, cell: Cell) -> float:
    """Higher where less is added: of cells that do as well, the gentlest is preferred."""
    return -float(np.linalg.norm(addend(extraction, cell)))


def per_token(batch: Batch, logits: torch.Tensor) -> Scores:
    """Mean log-probability per token of each text, ``[copies, texts]``."""
    at, targets = batch.at.to(logits.device), batch.targets.to(logits.device)
    # Only the targets' log-probabilities: a softmax would write the vocabulary once more.
    found = logits[:, at, targets] - logits.logsumexp(dim=-1)[:, at]
    mean: Scores = _by_text(batch, found) / _lengths(batch)
    return mean


def divergence(batch: Batch, reference: torch.Tensor, logits: torch.Tensor) -> Scores:
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
