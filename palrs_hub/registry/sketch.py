"""Sketches of directions: small enough for a registry, and enough to see that two are the same.

A random projection keeps angles on average (Johnson and Lindenstrauss 1984): with 256 dimensions
the cosine of two sketches is off by about (1 - cosine**2) / 16, so that copies stand out. A vector
cannot be steered with what a sketch holds.
"""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.vector import Array

DIMENSIONS: Final = 256
STEPS: Final = 127


def sketch(direction: Array) -> tuple[int, ...]:
    """A direction of shape ``[hidden_size]`` as 256 whole numbers from -127 to 127."""
    seen = direction.astype(np.float64) @ _projection(direction.shape[0])
    largest = float(np.abs(seen).max())
    return tuple(int(value) for value in np.rint(seen / (largest or 1.0) * STEPS))


def cosines(sketches: Sequence[Sequence[int]]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """The cosine of each sketch to each other one."""
    rows = np.array(sketches, dtype=np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return rows @ rows.T


def _projection(hidden_size: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Signs from the bits of SHAKE-256, so that they never depend on a library's generator."""
    count = hidden_size * DIMENSIONS
    data = hashlib.shake_256(b"palrs-hub registry sketch 1").digest(math.ceil(count / 8))
    signs = np.unpackbits(np.frombuffer(data, dtype=np.uint8))[:count].astype(np.float64) * 2 - 1
    return signs.reshape(hidden_size, DIMENSIONS)
