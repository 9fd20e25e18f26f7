"""Diff: two vectors field by field, and how their tensors point."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from palrs_hub.vector import Array

_LONGEST_TEXT = 200
_MOST_ROWS = 8


@dataclass(frozen=True)
class FieldDifference:
    """A field of the manifest that differs; None where one of the two has none such."""

    field: str
    left: str | None
    right: str | None


@dataclass(frozen=True)
class TensorComparison:
    """Two tensors of one layer.

    Attributes:
        cosine: Of the angle between them; None where the layer is steered by one of the vectors
            alone, or where their widths differ.
        left_norm: Norm of the first vector's tensor.
        right_norm: Norm of the second vector's tensor.
    """

    layer: int
    left: str | None
    right: str | None
    cosine: float | None
    left_norm: float | None
    right_norm: float | None


@dataclass(frozen=True)
class Difference:
    """What two vectors do not share, and how their tensors compare, layer by layer."""

    fields: tuple[FieldDifference, ...]
    tensors: tuple[TensorComparison, ...]


def diff(left: SteeringVector, right: SteeringVector) -> Difference:
    """Compare two vectors.

    Long lists of numbers (fingerprints, grids) count as one field each.
    """
    a = dict(_fields(left.manifest.model_dump(mode="json")))
    b = dict(_fields(right.manifest.model_dump(mode="json")))
    names = [*a, *(name for name in b if name not in a)]
    fields = [FieldDifference(name, a.get(name), b.get(name)) for name in names]
    return Difference(
        tuple(field for field in fields if field.left != field.right),
        tuple(_tensors(left, right)),
    )


def _fields(value: object, name: str = "") -> Iterator[tuple[str, str]]:
    """Every leaf with its dotted name."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _fields(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and len(value) <= _MOST_ROWS and _has_objects(value):
        for index, item in enumerate(value):
            yield from _fields(item, f"{name}.{index}")
    else:
        yield name, _shown(value)


def _has_objects(value: list[Any]) -> bool:
    return any(isinstance(item, dict) for item in value)


def _shown(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    if len(text) <= _LONGEST_TEXT:
        return text
    size = f"{len(value)} entries" if isinstance(value, list) else f"{len(text)} characters"
    return f"({size}, sha256 {hashlib.sha256(text.encode()).hexdigest()[:12]})"


def _tensors(left: SteeringVector, right: SteeringVector) -> Iterator[TensorComparison]:
    a, b = _by_layer(left), _by_layer(right)
    for layer in sorted({*a, *b}):
        if layer in a and layer in b:
            for one, first in a[layer]:
                for other, second in b[layer]:
                    angle = _cosine(first, second)
                    yield TensorComparison(layer, one, other, angle, _norm(first), _norm(second))
            continue
        for one, first in a.get(layer, ()):
            yield TensorComparison(layer, one, None, None, _norm(first), None)
        for other, second in b.get(layer, ()):
            yield TensorComparison(layer, None, other, None, None, _norm(second))


def _by_layer(vector: SteeringVector) -> dict[int, list[tuple[str, Array]]]:
    found: dict[int, list[tuple[str, Array]]] = {}
    for intervention in vector.manifest.interventions:
        pair = (intervention.tensor, vector.arrays[intervention.tensor])
        found.setdefault(intervention.layer, []).append(pair)
    return found


def _norm(array: Array) -> float:
    return float(np.linalg.norm(array.astype(np.float64)))


def _cosine(first: Array, second: Array) -> float | None:
    if first.shape != second.shape:
        return None
    product = float(first.astype(np.float64) @ second.astype(np.float64))
    return max(-1.0, min(1.0, product / (_norm(first) * _norm(second))))
