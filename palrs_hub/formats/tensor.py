"""A bare tensor: BiPO, EasyEdit and many scripts save one direction and nothing else."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np

from palrs_hub.errors import PackageError, UsageError
from palrs_hub.formats.files import (
    MAX_WIDTH,
    coefficient,
    direction,
    parse_object,
    read_bytes,
    read_torch,
    said,
    says,
    starts_with,
)
from palrs_hub.formats.format import Format, Found
from palrs_hub.formats.safe_file import open_safetensors
from palrs_hub.formats.steered import one_direction, steered_layers

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Wanted
    from palrs_hub.vector import SteeringVector

_NUMPY = b"\x93NUMPY"
_ZIP = b"PK\x03\x04"
_OURS = "palrs_hub"
_TENSOR = "direction"


def _read(path: Path, wanted: Wanted) -> Found:
    if wanted.layer is None:
        raise UsageError(
            f"{path} holds a bare tensor and does not say its layer. Give it, as the block whose "
            "output is steered, from 0: `--layer N`."
        )
    if starts_with(path, _NUMPY):
        return Found({wanted.layer: _read_numpy(path)})
    if starts_with(path, _ZIP):
        return Found({wanted.layer: direction(read_torch(path), str(path))})
    return _read_safetensors(path, wanted.layer)


def _read_numpy(path: Path) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    # np.load would allocate whatever the header claims before it looks for the numbers.
    data = read_bytes(path)
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        reader = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        shape, _, dtype = reader(stream) if reader else ((), False, None)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise PackageError(f"{path} has an unreadable npy header: {error!s:.200}") from error
    if dtype is None or dtype.kind != "f" or len(shape) != 1 or not 1 <= shape[0] <= MAX_WIDTH:
        raise PackageError(
            f"{path} should hold one 1-D array of floating-point numbers; "
            f"found {dtype} of shape {shape}."
        )
    rest = data[stream.tell() :]
    if len(rest) != shape[0] * dtype.itemsize:
        raise PackageError(f"{path} is truncated, or lies about its shape.")
    return direction(np.frombuffer(rest, dtype=dtype), str(path))


def _read_safetensors(path: Path, layer: int) -> Found:
    with open_safetensors(path) as file:
        if len(file.names) != 1:
            raise PackageError(
                f"{path} should hold one tensor; found {len(file.names)}. Name its format: "
                "`--format`."
            )
        array = direction(file.tensor(file.names[0]), f"{path}: {file.names[0]!r:.80}")
        text = file.metadata.get(_OURS)
    if text is None:
        return Found({layer: array})
    about = parse_object(text, f"{path}: {_OURS}")
    if about.get("layer") != layer:
        raise UsageError(
            f"{path} says that its direction belongs to layer {about.get('layer')!r:.20}; "
            f"`--layer {layer}` was given."
        )
    recommended = coefficient(about.get("coefficient"), f"{path}: coefficient")
    return Found(
        {layer: array},
        {layer: recommended},
        model_type=said(about.get("model_type")),
        method=said(about.get("method")),
        provenance=says({"name": about.get("name")}),
    )


def _recognises(path: Path) -> bool:
    import torch

    if starts_with(path, _NUMPY):
        return True
    if starts_with(path, _ZIP):
        found = read_torch(path)
        return isinstance(found, torch.Tensor) and found.dim() == 1
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    with open_safetensors(path) as file:
        return file.names == (_TENSOR,) and _OURS in file.metadata


def _write(vector: SteeringVector, path: Path, fold: bool) -> None:
    layer, array, scale = one_direction(steered_layers(vector, fold=fold))
    if path.suffix == ".npy":
        np.save(path, array)
        return
    if path.suffix != ".safetensors":
        raise UsageError(
            f"A bare tensor is written as .npy or .safetensors; the output is {path.name!r}."
        )
    from safetensors.numpy import save

    manifest = vector.manifest
    about = {
        "layer": layer,
        "coefficient": scale,
        "model_type": manifest.base_model.model_type,
        "method": manifest.method.name,
        "name": manifest.name,
    }
    path.write_bytes(save({_TENSOR: np.ascontiguousarray(array)}, {_OURS: json.dumps(about)}))


TENSOR = Format(
    name="tensor",
    tools="BiPO, EasyEdit, numpy, any script",
    files="`.pt`, `.npy` or `.safetensors` with one 1-D tensor",
    site="block output",
    shift=0,
    norm="as it is; the file does not say",
    read=_read,
    recognises=_recognises,
    write=_write,
    asks=("layer",),
)
