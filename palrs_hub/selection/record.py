"""What a selection has measured so far, in memory and in a file from which it goes on.

The file says of what it is the record: model, candidates, pairs, neutral texts, problems and grid.
A record of anything else is refused. It holds numbers alone, and is replaced whole or not at all.
Candidates are compared as numbers, for those of a second extraction may differ in the last digits.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from palrs_hub.errors import UsageError
from palrs_hub.whole_file import write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from palrs_hub.moments import Array
    from palrs_hub.scores import Scores

FORMAT: Final = "palrs-hub selection 2"
SECONDS_BETWEEN_WRITES: Final = 5.0
MAX_RECORD_BYTES: Final = 1024 * 1024 * 1024
CLOSE: Final = 1e-3
"""Relative difference of two rows of numbers that count as the same."""

Numbers = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Subject:
    """What is selected from: a record of another subject is of no use.

    Attributes:
        same: Facts that must be the same, in values that JSON knows.
        near: Rows of numbers that must agree but for rounding, ``[rows, numbers]``.
    """

    same: Mapping[str, object]
    near: Mapping[str, Array]


@dataclass(frozen=True)
class Sizes:
    """How many cells, validation texts, neutral texts and problems there are."""

    cells: int
    texts: int
    neutral: int
    problems: int = 0


class Record:
    """Numbers of a selection; NaN where nothing was measured yet.

    Attributes:
        before: Mean log-probability per token of each text, unsteered, ``[texts]``.
        after: The same in each cell, ``[cells, texts]``.
        divergence: Summed divergence on each neutral text in each cell, ``[cells, neutral]``.
        solved: 1 where a cell solves a problem and 0 where it does not, ``[cells, problems]``.
    """

    def __init__(self, sizes: Sizes) -> None:
        self.before: Scores = np.full(sizes.texts, np.nan)
        self.after: Scores = np.full((sizes.cells, sizes.texts), np.nan)
        self.divergence: Scores = np.full((sizes.cells, sizes.neutral), np.nan)
        self.solved: Scores = np.full((sizes.cells, sizes.problems), np.nan)
        self._file: Path | None = None
        self._same: dict[str, str] = {}
        self._near: dict[str, Numbers] = {}
        self._written = 0.0

    @classmethod
    def resume(cls, file: str | os.PathLike[str], subject: Subject, sizes: Sizes) -> Record:
        """The record in a file, or an empty one that will be written there.

        Args:
            file: The file; it need not be there yet.
            subject: What is selected from.
            sizes: The number of cells and texts.

        Raises:
            UsageError: The file is the record of another selection, or of none, or cannot be used.
        """
        record = cls(sizes)
        record._file = Path(file)
        record._same = {name: _hash(value) for name, value in subject.same.items()}
        record._near = {name: value.astype(np.float32) for name, value in subject.near.items()}
        if record._file.exists():
            record._read(record._file)
        else:
            record.write()  # now, and not after hours, is the time to hear that it cannot be
        return record

    def is_done(self, cells: Sequence[int], texts: Sequence[int], *, neutral: bool) -> bool:
        """Whether these cells were measured on these texts."""
        numbers = self.divergence if neutral else self.after
        known = bool(np.isfinite(numbers[np.ix_(cells, texts)]).all())
        return known and (neutral or bool(np.isfinite(self.before[list(texts)]).all()))

    def write_now_and_then(self) -> None:
        """Write if a few seconds have passed since the last time."""
        if time.monotonic() - self._written > SECONDS_BETWEEN_WRITES:
            self.write()

    def write(self) -> None:
        """Replace the file, if there is one.

        Raises:
            UsageError: It cannot be written.
        """
        if self._file is None:
            return
        metadata = {"format": FORMAT, "subject": json.dumps(self._same)}
        try:
            write_whole(self._file, safetensors.numpy.save(self._near | self._arrays(), metadata))
        except OSError as error:
            raise UsageError(f"Cannot write the record {self._file}: {error}") from error
        self._written = time.monotonic()

    def _arrays(self) -> dict[str, Numbers]:
        return {name: getattr(self, name) for name in ("before", "after", "divergence", "solved")}

    def _read(self, file: Path) -> None:
        try:
            if file.stat().st_size > MAX_RECORD_BYTES:
                raise UsageError(f"{file} is too large to be the record of a selection.")
            with safe_open(file, framework="numpy") as opened:
                metadata = opened.metadata() or {}
                found = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
            subject = json.loads(metadata.get("subject", "{}"))
        except (OSError, SafetensorError, ValueError) as error:
            raise UsageError(
                f"{file} is not the record of a selection: {error}. Give another file, or remove "
                "it to begin anew."
            ) from error
        self._check(file, metadata, subject, found)
        for name, array in self._arrays().items():
            if name not in found or (found[name].dtype, found[name].shape) != (
                array.dtype,
                array.shape,
            ):
                raise UsageError(f"{file} is damaged: remove it to begin anew.")
            array[...] = found[name]

    def _check(
        self,
        file: Path,
        metadata: Mapping[str, str],
        subject: object,
        found: Mapping[str, Numbers],
    ) -> None:
        if metadata.get("format") != FORMAT or not isinstance(subject, dict):
            raise UsageError(
                f"{file} is not the record of a selection by this palrs-hub. Give another file, or "
                "remove it to begin anew."
            )
        changed = [name for name, value in self._same.items() if subject.get(name) != value]
        changed += [name for name, rows in self._near.items() if not _agree(rows, found.get(name))]
        if changed:
            raise UsageError(
                f"{file} is the record of another selection; not the same: {', '.join(changed)}. "
                "Give another file, or remove it to begin anew."
            )


def _agree(rows: Numbers, found: Numbers | None) -> bool:
    if found is None or (found.dtype, found.shape) != (rows.dtype, rows.shape):
        return False
    apart = np.linalg.norm(rows - found, axis=-1)
    return bool((apart <= CLOSE * np.linalg.norm(rows, axis=-1)).all())


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
