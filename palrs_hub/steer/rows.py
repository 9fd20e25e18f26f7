"""Which vector steers which row of a batch, and how strongly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from palrs_hub.errors import SteeringError

if TYPE_CHECKING:
    from palrs_hub.vector import SteeringVector

    Coefficient = float | Sequence[float] | None


@dataclass(frozen=True)
class Row:
    """What steers one row of a batch.

    Attributes:
        vector: Which of the attached vectors, from 0.
        coefficient: One for all its interventions, or one each; None for the manifest's own.
    """

    vector: int
    coefficient: float | Sequence[float] | None = None


@dataclass(frozen=True)
class Doses:
    """The coefficient of every intervention of every vector, for all rows or row by row.

    Attributes:
        each: By vector and intervention; for all rows alike.
        rows: By row, the vector and its coefficients, or None where a row is left alone; None if
            all rows are steered alike.
    """

    each: tuple[tuple[float, ...], ...]
    rows: tuple[tuple[int, tuple[float, ...]] | None, ...] | None = None

    def of(self, vector: int, index: int) -> torch.Tensor:
        """Coefficients of one intervention, float64: a number, or ``[rows, 1, 1]``."""
        if self.rows is None:
            return torch.tensor(self.each[vector][index], dtype=torch.float64)
        found = [row[1][index] if row and row[0] == vector else 0.0 for row in self.rows]
        return torch.tensor(found, dtype=torch.float64)[:, None, None]

    def active(self, vector: int) -> torch.Tensor | None:
        """The rows that a vector steers, bool ``[rows, 1, 1]``; None for all."""
        if self.rows is None:
            return None
        return torch.tensor([bool(row and row[0] == vector) for row in self.rows])[:, None, None]

    def used(self, vector: int, index: int) -> tuple[float, ...]:
        """The coefficients of one intervention that are in force in some row."""
        if self.rows is None:
            return (self.each[vector][index],)
        return tuple(row[1][index] for row in self.rows if row and row[0] == vector)


def doses(
    vectors: Sequence[SteeringVector],
    coefficient: Coefficient,
    rows: Sequence[int | Row | None] | None = None,
) -> Doses:
    """Check coefficients and rows against the vectors.

    Raises:
        SteeringError: They do not fit.
    """
    own = tuple(
        tuple(change.coefficient for change in vector.manifest.interventions) for vector in vectors
    )
    if rows is None:
        return Doses(_split(own, coefficient))
    if coefficient is not None:
        raise SteeringError("With rows, each row has its coefficient: Row(vector, coefficient).")
    if not rows:
        raise SteeringError("Expected an entry for each row of the batch; found none.")
    return Doses(own, tuple(_row(own, row, number) for number, row in enumerate(rows)))


def check_rows(known: int, found: int) -> None:
    """Refuse a batch of another size.

    Raises:
        SteeringError: It has not one text for each entry of ``rows``.
    """
    if known != found:
        raise SteeringError(
            f"This steering was attached for a batch of {known} rows; found {found}. Set "
            "`steering.rows` for this batch, or attach again."
        )


def _row(
    own: tuple[tuple[float, ...], ...], row: int | Row | None, number: int
) -> tuple[int, tuple[float, ...]] | None:
    if row is None:
        return None
    asked = Row(row) if isinstance(row, int) else row
    if not isinstance(asked, Row) or isinstance(row, bool) or not 0 <= asked.vector < len(own):
        raise SteeringError(
            f"Row {number} should be None, a vector from 0 to {len(own) - 1}, or "
            f"Row(vector, coefficient); found {row!r}."
        )
    return asked.vector, _split((own[asked.vector],), asked.coefficient)[0]


def _split(
    own: tuple[tuple[float, ...], ...], coefficient: Coefficient
) -> tuple[tuple[float, ...], ...]:
    number = sum(len(each) for each in own)
    if coefficient is None:
        return own
    several = isinstance(coefficient, Sequence)
    values = list(map(float, coefficient)) if several else [float(coefficient)] * number  # type: ignore[arg-type]
    if len(values) != number or not all(math.isfinite(value) for value in values):
        raise SteeringError(
            f"Expected one finite coefficient, or one for each of {number} interventions; "
            f"found {coefficient!r}."
        )
    rest = iter(values)
    return tuple(tuple(next(rest) for _ in each) for each in own)
