"""Sums over the pairs that were read so far: what a machine keeps, saves, and joins with others'.

They are exact enough to be added in any order: float64, a few numbers for each read position and
layer, however many pairs there are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from palrs_hub.errors import ExtractionError
from palrs_hub.moments import Array, Moments

if TYPE_CHECKING:
    from collections.abc import Sequence

Samples = np.ndarray[Any, np.dtype[np.float32]]

MAX_SAMPLE_BYTES: Final = 256 * 1024 * 1024
MAX_SAMPLES: Final = 128


@dataclass(frozen=True)
class Sums:
    """Activations of both classes, chosen and rejected, added up over some of the pairs.

    Attributes:
        positions: Names of the read positions.
        layers: The layers that were read.
        count: Number of pairs in the sums.
        totals: Sums of the activations, float64 ``[2, positions, layers, hidden]``.
        samples: Activations of the pairs that ``sampled_pairs`` names, float32
            ``[2, samples, positions, layers, hidden]``; zero for a pair that was not read yet.
    """

    positions: tuple[str, ...]
    layers: tuple[int, ...]
    count: int
    totals: Array
    samples: Samples

    def __add__(self, other: Sums) -> Sums:
        """The sums over the pairs of both; no pair may be in both."""
        if self.layers != other.layers or self.samples.shape[1] != other.samples.shape[1]:
            raise ExtractionError(
                "These sums were read in different ways and cannot be added: layers "
                f"{self.layers} and {other.layers}."
            )
        # Texts may leave fewer tokens of a template in common than those of another shard.
        names = tuple(name for name in self.positions if name in other.positions)
        left, right = self.only(names), other.only(names)
        return replace(
            left,
            count=left.count + right.count,
            totals=left.totals + right.totals,
            samples=left.samples + right.samples,
        )

    def only(self, positions: Sequence[str]) -> Sums:
        """The same at fewer read positions."""
        places = [self.positions.index(name) for name in positions]
        return replace(
            self,
            positions=tuple(positions),
            totals=self.totals[:, places],
            samples=self.samples[:, :, places],
        )

    def replaced(self, *, count: int, totals: Array, samples: Samples) -> Sums:
        """The same of other pairs."""
        return replace(self, count=count, totals=totals, samples=samples)

    def moments(self) -> tuple[Moments, Moments]:
        """Means of the chosen and of the rejected responses.

        Raises:
            ExtractionError: Activations are not finite.
        """
        means = self.totals / self.count
        if not np.isfinite(means).all():
            bad = self.layers[np.argwhere(~np.isfinite(means))[:, 2].min()]
            raise ExtractionError(
                f"Activations at layer {bad} are not finite. Load the model in bfloat16 or "
                "float32 (`--dtype`)."
            )
        chosen, rejected = (
            Moments(self.count, mean, samples)
            for mean, samples in zip(means, self.samples, strict=True)
        )
        return chosen, rejected


def sampled_pairs(pairs: int, numbers: int) -> dict[int, int]:
    """The pairs whose activations are kept for diagnostics, each with its place among them.

    Args:
        pairs: Number of all pairs.
        numbers: How many numbers an activation of one text has, positions and layers together.
    """
    kept = min(pairs, max(2, min(MAX_SAMPLES, MAX_SAMPLE_BYTES // (8 * numbers))))
    # Evenly spaced, for a file may be sorted by topic.
    return {index * pairs // kept: index for index in range(kept)}
