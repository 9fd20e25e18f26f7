"""What is kept of one class of activations: streamed means, and a few samples for diagnostics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Moments:
    """Activations of one class (all chosen, or all rejected responses), summed as they streamed by.

    Attributes:
        count: Number of samples in the mean.
        mean: Mean activation, float64 ``[positions, layers, hidden]``.
        samples: Activations of a bounded number of samples, float32
            ``[samples, positions, layers, hidden]``; the same pairs in both classes.
    """

    count: int
    mean: Array
    samples: np.ndarray[Any, np.dtype[np.float32]]
