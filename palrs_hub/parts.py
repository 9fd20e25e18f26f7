"""Sums on disk: what one share of the pairs gave, to go on from or to be joined with the others."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import numpy as np
import safetensors
import safetensors.numpy
from pydantic import Field, ValidationError

from palrs_hub.errors import PackageError, UsageError
from palrs_hub.fields import Count, Layer, Line, Strict, Switch
from palrs_hub.fingerprint import distance
from palrs_hub.manifest import BaseModelFacts, Data
from palrs_hub.reading import Progress, shards_of
from palrs_hub.sums import Sums
from palrs_hub.whole_file import name_beside

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_PART_BYTES: Final = 8 * 1024**3
SAME_MODEL: Final = 1e-3
"""Distance of fingerprints up to which two machines have measured the same weights."""

_KEY: Final = "palrs-hub"


class PartFacts(Strict):
    """What sums are of.

    Attributes:
        method: Name of the method.
        switches: Every switch.
        base_model: The model, fingerprinted at every layer.
        data: The pairs, all of them.
        shards: Those that are in the sums.
        count: Number of pairs in the sums.
        positions: Names of the read positions.
        layers: The layers that were read.
    """

    format: Literal["palrs-hub sums"] = "palrs-hub sums"
    format_version: Literal[1] = 1
    method: Line
    switches: dict[Line, Switch] = Field(max_length=64)
    base_model: BaseModelFacts
    data: Data
    shards: tuple[Count, ...] = Field(max_length=10**8)
    count: Count
    positions: tuple[Line, ...] = Field(min_length=1, max_length=4096)
    layers: Annotated[tuple[Layer, ...], Field(min_length=1)]

    def differs_from(self, other: PartFacts) -> str | None:
        """The first thing in which two sums are not of the same extraction."""
        for name in ("method", "switches", "data", "layers"):
            if getattr(self, name) != getattr(other, name):
                return name
        apart = {"fingerprint": other.base_model.fingerprint}
        if self.base_model.model_copy(update=apart) != other.base_model:
            return "base model"
        far = distance(self.base_model.fingerprint, other.base_model.fingerprint)
        return None if far <= SAME_MODEL else "weights"


@dataclass(frozen=True)
class Part:
    """Sums, and what they are of."""

    facts: PartFacts
    sums: Sums

    def save(self, path: Path) -> None:
        """Write the part, all of it or nothing.

        Raises:
            PackageError: The file cannot be written.
        """
        tensors: dict[str, np.ndarray[Any, Any]] = {
            "totals": np.ascontiguousarray(self.sums.totals),
            "samples": np.ascontiguousarray(self.sums.samples),
        }
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = name_beside(path)
            try:
                safetensors.numpy.save_file(
                    tensors, temporary, metadata={_KEY: self.facts.model_dump_json()}
                )
                os.replace(temporary, path)
            finally:
                temporary.unlink(missing_ok=True)
        except (OSError, safetensors.SafetensorError) as error:
            raise PackageError(f"Cannot write the sums to {path}: {error}") from error

    @classmethod
    def load(cls, path: Path) -> Part:
        """Read a part, trusting nothing in it.

        Raises:
            PackageError: It is not one, or contradicts itself.
        """
        try:
            if path.stat().st_size > MAX_PART_BYTES:
                raise PackageError(f"{path} has more than {MAX_PART_BYTES:,} bytes: not sums.")
            with safetensors.safe_open(path, framework="numpy") as file:
                facts = PartFacts.model_validate_json((file.metadata() or {}).get(_KEY, ""))
                if set(file.keys()) != {"totals", "samples"}:
                    raise PackageError(f"{path} should hold the tensors totals and samples.")
                totals, samples = file.get_tensor("totals"), file.get_tensor("samples")
        except OSError as error:
            raise PackageError(f"Cannot read the sums {path}: {error}") from error
        except (safetensors.SafetensorError, ValidationError) as error:
            raise PackageError(
                f"{path} does not hold sums that `palrs-hub extract --checkpoint` wrote, or was "
                f"cut: {error}"
            ) from error
        _check_arrays(path, facts, totals, samples)
        return cls(facts, Sums(facts.positions, facts.layers, facts.count, totals, samples))


@dataclass(frozen=True)
class Checkpoint:
    """Sums kept in a file while they grow.

    Attributes:
        path: The file; what is there already is gone on from.
        every: Pairs after which it is written again.
        facts: What the sums will be of; its shards and its count are not used.
    """

    path: Path
    every: int
    facts: PartFacts

    def kept(self) -> Progress:
        """What the file holds, if there is one.

        Raises:
            UsageError: It belongs to another extraction.
            PackageError: It cannot be read.
        """
        if not self.path.exists():
            return Progress((), None)
        part = Part.load(self.path)
        if difference := part.facts.differs_from(self.facts):
            raise UsageError(
                f"{self.path} holds sums of another extraction: {difference} is not the same. "
                "Remove it, or give another --checkpoint."
            )
        return Progress(part.facts.shards, part.sums)

    def keep(self, progress: Progress) -> None:
        """Write the file."""
        part_of(self.facts, progress).save(self.path)


def part_of(facts: PartFacts, progress: Progress) -> Part:
    """The part of an extraction that has been read."""
    sums = progress.sums
    if sums is None:
        raise ValueError("nothing has been read")
    update = {
        "shards": tuple(sorted(progress.shards)),
        "count": sums.count,
        "positions": sums.positions,
    }
    return Part(facts.model_copy(update=update), sums)


def join(parts: Sequence[Part]) -> Part:
    """Add up parts that together hold every pair once.

    Raises:
        UsageError: They are not of one extraction, overlap, or leave pairs out.
    """
    first = parts[0]
    progress = Progress(first.facts.shards, first.sums)
    for number, part in enumerate(parts[1:], start=2):
        if difference := first.facts.differs_from(part.facts):
            raise UsageError(
                f"Part {number} is not of the same extraction as part 1: {difference} differs."
            )
        if twice := set(progress.shards) & set(part.facts.shards):
            raise UsageError(f"Part {number} holds shard {min(twice)}, which another part holds.")
        sums = part.sums if progress.sums is None else progress.sums + part.sums
        progress = Progress((*progress.shards, *part.facts.shards), sums)
    wanted = set(range(shards_of(first.facts.data.pairs)))
    if missing := sorted(wanted - set(progress.shards)):
        raise UsageError(
            f"Of {len(wanted)} shards of pairs {len(missing)} are in no part, the first is shard "
            f"{missing[0]}. Finish the extraction that should have read it, or add its part."
        )
    return part_of(first.facts, progress)


def _check_arrays(path: Path, facts: PartFacts, totals: object, samples: object) -> None:
    shape = (len(facts.positions), len(facts.layers), facts.base_model.hidden_size)
    if not (
        isinstance(totals, np.ndarray)
        and isinstance(samples, np.ndarray)
        and (totals.dtype, totals.shape) == (np.float64, (2, *shape))
        and (samples.dtype, samples.shape) == (np.float32, (2, samples.shape[1], *shape))
        and len(set(facts.shards)) == len(facts.shards)
        and facts.count <= facts.data.pairs
        and all(shard < shards_of(facts.data.pairs) for shard in facts.shards)
    ):
        raise PackageError(f"{path} contradicts itself: its sums are not of what it says.")
