"""refusal_direction (Arditi et al. 2024): the direction is added at the input of a block."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.formats.files import direction, layer_index, read_object, read_torch, says
from palrs_hub.formats.format import Format, Found

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Wanted

_TENSOR, _METADATA = "direction.pt", "direction_metadata.json"


def _read(path: Path, wanted: Wanted) -> Found:
    about = read_object(path / _METADATA)
    index = layer_index(about.get("layer"), f"{path / _METADATA}: layer")
    return Found(
        {index: direction(read_torch(path / _TENSOR), str(path / _TENSOR))},
        method="mean_difference",
        provenance=says({"position": about.get("pos")}),
    )


def _recognises(path: Path) -> bool:
    if not path.is_dir() or not (path / _METADATA).is_file() or not (path / _TENSOR).is_file():
        return False
    return {"pos", "layer"} <= set(read_object(path / _METADATA))


REFUSAL_DIRECTION = Format(
    name="refusal-direction",
    tools="refusal_direction",
    files="folder with `direction.pt` and `direction_metadata.json`",
    site="block input",
    shift=-1,
    norm="raw difference of means",
    read=_read,
    recognises=_recognises,
)
