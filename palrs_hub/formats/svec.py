"""``.svec``: JSON of IBM activation-steering and of AISteer360.

A direction is read at the output of block b. IBM's tool then adds it at the input of that block,
one block earlier than it was read; here it steers where it was read, as AISteer360 has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from palrs_hub.errors import PackageError
from palrs_hub.formats.files import (
    MAX_TENSORS,
    direction,
    layer_index,
    read_object,
    said,
    says,
    starts_with,
)
from palrs_hub.formats.format import Format, Found

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Wanted


def _read(path: Path, wanted: Wanted) -> Found:
    data = read_object(path)
    found = data.get("directions")
    if not isinstance(found, dict) or not 1 <= len(found) <= MAX_TENSORS:
        raise PackageError(f"{path} should map layers to 'directions'; it does not.")
    if data.get("num_heads") is not None or data.get("probe_accuracies") is not None:
        raise PackageError(
            f"{path} holds directions of attention heads, not of the residual stream: it cannot "
            "be imported."
        )
    directions = {
        layer_index(key, f"{path}: directions"): direction(
            _single(values, path, key), f"{path}: direction {key}"
        )
        for key, values in found.items()
    }
    if len(directions) != len(found):
        raise PackageError(f"{path} holds two directions for one layer.")
    return Found(
        directions,
        model_type=said(data.get("model_type")),
        provenance=says({"dialect": _dialect(found)}),
    )


def _single(values: object, path: Path, key: str) -> object:
    """One direction: IBM's list of numbers, or AISteer360's list of such lists, with one in it."""
    if not isinstance(values, list) or not values or not isinstance(values[0], list):
        return values
    if len(values) != 1:
        raise PackageError(
            f"{path}: layer {key:.20} has {len(values)} directions, one for each token position; "
            "only one can be steered with."
        )
    return values[0]


def _dialect(found: dict[str, Any]) -> str:
    nested = any(isinstance(values, list) and isinstance(values[0], list)
                 for values in found.values() if values)  # fmt: skip
    return "AISteer360" if nested else "IBM activation-steering"


def _recognises(path: Path) -> bool:
    if not starts_with(path, b"{"):
        return False
    data = read_object(path)
    return isinstance(data.get("directions"), dict) and "model_type" in data


SVEC = Format(
    name="svec",
    tools="IBM activation-steering, AISteer360",
    files="`.svec`, JSON with `model_type` and `directions`",
    site="block output",
    shift=0,
    norm="PCA: norm 1; the scale is the coefficient",
    read=_read,
    recognises=_recognises,
)
