"""The tensors' file: safetensors under our own, tighter caps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import numpy as np
import safetensors
import safetensors.numpy

from palrs_hub.errors import TensorsError
from palrs_hub.manifest import MAX_INTERVENTIONS, TENSORS_FILE, refuse_duplicates

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_FILE_BYTES: Final = 64 * 1024 * 1024
MAX_HEADER_BYTES: Final = 1024 * 1024

_LENGTH_BYTES = 8


def write_tensors(arrays: Mapping[str, np.ndarray[tuple[int], np.dtype[np.float32]]]) -> bytes:
    """The bytes of the tensors' file; the same arrays always give the same bytes."""
    return safetensors.numpy.save({name: np.ascontiguousarray(a) for name, a in arrays.items()})


def read_tensors(data: bytes) -> dict[str, np.ndarray[tuple[int], np.dtype[np.float32]]]:
    """Read 1-D float32 tensors from the bytes of a safetensors file.

    Raises:
        TensorsError: The file or its header is larger than a package may be, is not safetensors,
            or holds anything but 1-D float32 tensors.
    """
    for name, entry in _header(data).items():
        if name == "__metadata__":
            continue
        kind, shape = entry.get("dtype"), entry.get("shape")
        if kind != "F32" or not isinstance(shape, list) or len(shape) != 1:
            raise TensorsError(
                f"{TENSORS_FILE}: tensor {name!r:.80} should be 1-D F32; "
                f"found {kind!r:.20} of shape {shape!r:.80}."
            )
    try:
        loaded = safetensors.numpy.load(data)
    except safetensors.SafetensorError as error:
        raise TensorsError(f"{TENSORS_FILE} is not valid safetensors: {error}") from error
    return {name: np.array(array, dtype=np.float32) for name, array in loaded.items()}


def _header(data: bytes) -> dict[str, dict[str, object]]:
    if len(data) > MAX_FILE_BYTES:
        raise TensorsError(
            f"{TENSORS_FILE} has {len(data):,} bytes; a package may have {MAX_FILE_BYTES:,}."
        )
    length = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if len(data) < _LENGTH_BYTES or length > min(MAX_HEADER_BYTES, len(data) - _LENGTH_BYTES):
        raise TensorsError(
            f"{TENSORS_FILE} is truncated or lies about its header: the header should have at most "
            f"{MAX_HEADER_BYTES:,} bytes within a file of {len(data):,}; it claims {length:,}."
        )
    try:
        text = data[_LENGTH_BYTES : _LENGTH_BYTES + length].decode("utf-8")
        header = json.loads(text, object_pairs_hook=refuse_duplicates)
    except (ValueError, RecursionError) as error:
        raise TensorsError(f"{TENSORS_FILE} has an unreadable header: {error}") from error
    if not isinstance(header, dict) or any(not isinstance(e, dict) for e in header.values()):
        raise TensorsError(f"{TENSORS_FILE} has a header that is not a table of tensors.")
    if len(header) > 2 * MAX_INTERVENTIONS + 1:  # a condition may have a tensor of its own
        raise TensorsError(f"{TENSORS_FILE} holds {len(header):,} tensors; far too many.")
    return header
