"""The ``steered`` model of lm-evaluation-harness: ``{hookpoint: direction and coefficient}``."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

from palrs_hub.errors import PackageError, UsageError
from palrs_hub.formats.files import (
    MAX_TENSORS,
    coefficient,
    direction,
    layer_index,
    read_torch,
    starts_with,
)
from palrs_hub.formats.format import Format, Found
from palrs_hub.formats.steered import steered_layers

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Array, Wanted
    from palrs_hub.vector import SteeringVector

_HOOKPOINT = re.compile(r"(?:\w+\.){0,8}(?:layers|h|blocks|block|layer)\.(\d{1,5})", re.ASCII)
_VECTOR = "steering_vector"


def _read(path: Path, wanted: Wanted) -> Found:
    data = read_torch(path)
    if not isinstance(data, dict) or not 1 <= len(data) <= MAX_TENSORS:
        raise PackageError(f"{path} should map hookpoints to what is added there; it does not.")
    directions: dict[int, Array] = {}
    coefficients: dict[int, float] = {}
    for hookpoint, entry in data.items():
        match = _HOOKPOINT.fullmatch(hookpoint) if isinstance(hookpoint, str) else None
        if not match or not isinstance(entry, dict):
            raise PackageError(
                f"{path}: expected hookpoints such as layers.3, the output of a block; found "
                f"{hookpoint!r:.80}."
            )
        index = layer_index(match[1], f"{path}: {hookpoint}")
        if index in directions:
            raise PackageError(f"{path} holds two directions for layer {index}.")
        _refuse_more_than_adding(entry, f"{path}: {hookpoint}")
        directions[index] = direction(entry.get(_VECTOR), f"{path}: {hookpoint}")
        coefficients[index] = coefficient(
            entry.get("steering_coefficient", 1.0), f"{path}: {hookpoint}: steering_coefficient"
        )
    return Found(directions, coefficients)


def _refuse_more_than_adding(entry: dict[object, object], where: str) -> None:
    if entry.get("action") != "add":
        raise PackageError(
            f"{where}: only the action 'add' can be imported; found {entry.get('action')!r:.40}."
        )
    for name in ("bias", "head_index"):
        if entry.get(name) is not None:
            raise PackageError(f"{where}: {name} is set, which adding one direction cannot say.")


def _recognises(path: Path) -> bool:
    if not starts_with(path, b"PK\x03\x04"):
        return False
    data = read_torch(path)
    return isinstance(data, dict) and bool(data) and all(
        isinstance(entry, dict) and _VECTOR in entry for entry in data.values()
    )  # fmt: skip


def _write(vector: SteeringVector, path: Path, fold: bool) -> None:
    import torch

    if path.suffix not in (".pt", ".pth"):
        raise UsageError(f"lm-eval reads .pt and .pth; the output is {path.name!r}.")
    prefix = _blocks_path(vector.manifest.base_model.architecture)
    data = io.BytesIO()  # torch tells of a full disk in an error of its own
    torch.save(
        {
            f"{prefix}.{layer}": {
                _VECTOR: torch.tensor(array),
                "steering_coefficient": scale,
                "action": "add",
                "bias": None,
                "head_index": None,
            }
            for layer, (array, scale) in steered_layers(vector, fold=fold).items()
        },
        data,
    )
    path.write_bytes(data.getvalue())


def _blocks_path(architecture: str) -> str:
    """Where an architecture keeps its blocks, relative to its base model as lm-eval counts.

    The class itself tells: an empty one is made on the meta device, without weights.
    """
    import torch
    import transformers

    from palrs_hub.blocks import find_blocks

    try:
        kind: Any = getattr(transformers, architecture)
        with torch.device("meta"):
            model = kind(kind.config_class())
    except (AttributeError, TypeError, ValueError, ImportError, RuntimeError) as error:
        raise UsageError(
            f"transformers cannot make a model of class {architecture!r:.80}: it cannot be told "
            f"where lm-eval would find its blocks. The reason: {error!s:.200}"
        ) from error
    path = find_blocks(model).path
    return path.removeprefix(f"{model.base_model_prefix}.")


LM_EVAL = Format(
    name="lm-eval",
    tools="lm-evaluation-harness (`--model steered`)",
    files="`.pt`, hookpoint to `steering_vector` and `steering_coefficient`",
    site="block output",
    shift=0,
    norm="as it is, times `steering_coefficient`",
    read=_read,
    recognises=_recognises,
    write=_write,
)
