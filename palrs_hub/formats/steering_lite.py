"""steering-lite: safetensors with ``layerb.name`` and its configuration in the header."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from palrs_hub.errors import PackageError
from palrs_hub.formats.files import coefficient, direction, layer_index, parse_object, said, says
from palrs_hub.formats.format import Format, Found
from palrs_hub.formats.safe_file import open_safetensors

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Wanted

_KEY = re.compile(r"layer(\d{1,5})\.\w{1,64}", re.ASCII)


def _read(path: Path, wanted: Wanted) -> Found:
    directions = {}
    with open_safetensors(path) as file:
        about = parse_object(file.metadata.get("cfg", ""), f"{path}: cfg of the header")
        for name in file.names:
            match = _KEY.fullmatch(name)
            if not match:
                raise PackageError(f"{path}: expected tensors layerb.name; found {name!r:.80}.")
            index = layer_index(match[1], f"{path}: {name}")
            if index in directions:
                raise PackageError(
                    f"{path} holds several tensors for layer {index}: the method "
                    f"{said(about.get('method'))!r} is more than adding one direction."
                )
            directions[index] = direction(file.tensor(name), f"{path}: {name}")
    if not directions:
        raise PackageError(f"{path} holds no directions.")
    given = about.get("coeff")
    number = None if given is None else coefficient(given, f"{path}: coeff")
    return Found(
        directions,
        {} if number is None else dict.fromkeys(directions, number),
        method=said(about.get("method")),
        provenance=says({key: about.get(key) for key in ("target", "normalize", "dtype", "seed")}),
    )


def _recognises(path: Path) -> bool:
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    with open_safetensors(path) as file:
        matches = [_KEY.fullmatch(name) for name in file.names]
        return "cfg" in file.metadata and bool(matches) and all(matches)


STEERING_LITE = Format(
    name="steering-lite",
    tools="steering-lite",
    files="`.safetensors` with `layerb.name`, `cfg` in the header",
    site="block output",
    shift=0,
    norm="`normalize` of the header; the coefficient is `coeff`",
    read=_read,
    recognises=_recognises,
)
