"""A saklas profile: ``X.safetensors`` with ``layer_b``, beside it ``X.json``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from palrs_hub.errors import PackageError
from palrs_hub.formats.files import direction, layer_index, read_object, said, says
from palrs_hub.formats.format import Format, Found
from palrs_hub.formats.safe_file import open_safetensors

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Wanted

_VERSION = 6
_KEY = re.compile(r"layer_(\d{1,5})", re.ASCII)


def _read(path: Path, wanted: Wanted) -> Found:
    about = read_object(path.with_suffix(".json"))
    if about.get("format_version") != _VERSION:
        raise PackageError(
            f"{path.with_suffix('.json')}: expected a saklas profile of format version "
            f"{_VERSION}; found {about.get('format_version')!r:.40}."
        )
    directions = {}
    with open_safetensors(path) as file:
        for name in file.names:
            match = _KEY.fullmatch(name)
            if not match:
                raise PackageError(f"{path}: expected tensors layer_b only; found {name!r:.80}.")
            index = layer_index(match[1], f"{path}: {name}")
            if index in directions:
                raise PackageError(f"{path} holds two directions for layer {index}.")
            directions[index] = direction(file.tensor(name), f"{path}: {name}")
    if not directions:
        raise PackageError(f"{path} holds no directions.")
    return Found(
        directions,
        method=said(about.get("method")),
        provenance=says({"saklas version": about.get("saklas_version")}),
    )


def _recognises(path: Path) -> bool:
    beside = path.with_suffix(".json")
    if path.suffix != ".safetensors" or not path.is_file() or not beside.is_file():
        return False
    return "saklas_version" in read_object(beside)


SAKLAS = Format(
    name="saklas",
    tools="saklas",
    files="`X.safetensors` with `layer_b`, and `X.json`",
    site="block output",
    shift=0,
    norm="the scale is in the direction: coefficient 1 is meant",
    read=_read,
    recognises=_recognises,
)
