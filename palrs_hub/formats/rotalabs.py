"""rotalabs-steer: a folder with ``layer_b.pt``, ``layer_b.json`` and ``metadata.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.errors import PackageError
from palrs_hub.formats.files import (
    MAX_TENSORS,
    direction,
    layer_index,
    read_object,
    read_torch,
    said,
    says,
)
from palrs_hub.formats.format import Format, Found

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Wanted

_METADATA = "metadata.json"


def _read(path: Path, wanted: Wanted) -> Found:
    about = read_object(path / _METADATA)
    layers = about.get("layers")
    if not isinstance(layers, list) or not 1 <= len(layers) <= MAX_TENSORS:
        raise PackageError(f"{path / _METADATA} should list the 'layers'; it does not.")
    directions, methods = {}, set()
    for index in (layer_index(layer, path / _METADATA) for layer in layers):
        one = read_object(path / f"layer_{index}.json")
        if layer_index(one.get("layer_index"), path / f"layer_{index}.json") != index:
            raise PackageError(f"{path}: layer_{index}.json describes another layer.")
        methods.add(said(one.get("extraction_method")))
        file = path / f"layer_{index}.pt"
        directions[index] = direction(read_torch(file), str(file))
    return Found(
        directions,
        model_name=said(about.get("model_name")),
        method=methods.pop() if len(methods) == 1 else None,
        provenance=says({"behavior": about.get("behavior")}),
    )


def _recognises(path: Path) -> bool:
    if not path.is_dir() or not (path / _METADATA).is_file():
        return False
    return {"behavior", "layers", "model_name"} <= set(read_object(path / _METADATA))


ROTALABS = Format(
    name="rotalabs",
    tools="rotalabs-steer",
    files="folder with `metadata.json`, `layer_b.pt` and `layer_b.json`",
    site="block output",
    shift=0,
    norm="raw difference of means, or as the method has it",
    read=_read,
    recognises=_recognises,
)
