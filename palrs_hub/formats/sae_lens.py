"""SAELens: one row of ``W_dec`` is the direction of one feature of a sparse autoencoder."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from palrs_hub.errors import PackageError, UsageError
from palrs_hub.formats.files import direction, layer_index, read_object, said, says
from palrs_hub.formats.format import Format, Found
from palrs_hub.formats.safe_file import open_safetensors

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Wanted

_CONFIG, _WEIGHTS, _TENSOR = "cfg.json", "sae_weights.safetensors", "W_dec"
_HOOK = re.compile(r"blocks\.(\d{1,5})\.hook_resid_post", re.ASCII)


def _read(path: Path, wanted: Wanted) -> Found:
    config = read_object(path / _CONFIG)
    nested = config.get("metadata")
    about = nested if isinstance(nested, dict) else config
    hook = about.get("hook_name")
    match = _HOOK.fullmatch(hook) if isinstance(hook, str) else None
    if not match:
        raise PackageError(
            f"{path / _CONFIG}: expected the hook blocks.b.hook_resid_post, the output of a block; "
            f"found {said(hook)!r}."
        )
    index = layer_index(match[1], path / _CONFIG)
    with open_safetensors(path / _WEIGHTS) as file:
        shape = file.shape(_TENSOR) if _TENSOR in file.names else ()
        if len(shape) != 2:
            raise PackageError(f"{path / _WEIGHTS} should hold {_TENSOR}, [features, hidden].")
        if wanted.row is None or not 0 <= wanted.row < shape[0]:
            raise UsageError(f"{path} holds {shape[0]:,} features. Choose one, from 0: `--row N`.")
        array = direction(file.row(_TENSOR, wanted.row), f"{path / _WEIGHTS}: row {wanted.row}")
    return Found(
        {index: array},
        model_name=said(about.get("model_name")),
        method="sparse_autoencoder",
        provenance=says({"hook": hook, "row": wanted.row}),
    )


def _recognises(path: Path) -> bool:
    if not path.is_dir() or not (path / _CONFIG).is_file() or not (path / _WEIGHTS).is_file():
        return False
    with open_safetensors(path / _WEIGHTS) as file:
        return _TENSOR in file.names


SAE_LENS = Format(
    name="sae-lens",
    tools="SAELens",
    files="folder with `cfg.json` and `sae_weights.safetensors`",
    site="block output",
    shift=0,
    norm="rows of `W_dec`, usually norm 1",
    read=_read,
    recognises=_recognises,
    asks=("row",),
)
