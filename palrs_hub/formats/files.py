"""Bounded reading of other tools' files: nothing is executed, nothing is trusted."""

from __future__ import annotations

import io
import json
import pickle
import re
import struct
import warnings
import zipfile
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from palrs_hub.errors import PackageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch

    from palrs_hub.formats.format import Array

MAX_BYTES: Final = 64 * 1024 * 1024
MAX_WIDTH: Final = 1_000_000
MAX_LAYERS: Final = 10_000
MAX_TENSORS: Final = 4_096
_MAX_TEXT: Final = 200
_UNSAFE = re.compile(r"GLOBAL ([\w.]+)")
_LOAD_ERRORS = (
    pickle.UnpicklingError,
    struct.error,
    RuntimeError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    AssertionError,
    EOFError,
    OverflowError,
    MemoryError,
)


def starts_with(path: Path, magic: bytes) -> bool:
    """Whether a regular file begins with these bytes."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(len(magic)) == magic
    except OSError as error:
        raise PackageError(f"Cannot read {path}: {error}") from error


def read_bytes(path: Path) -> bytes:
    """All bytes of a regular file of at most MAX_BYTES.

    Raises:
        PackageError: It is absent, no regular file, unreadable or too large.
    """
    if not path.is_file():
        raise PackageError(f"Expected a file at {path}; there is none.")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise PackageError(f"Cannot read {path}: {error}") from error
    if len(data) > MAX_BYTES:
        raise PackageError(f"{path} has more than {MAX_BYTES:,} bytes; no vector is so large.")
    return data


def parse_object(text: str | bytes, where: object) -> dict[str, Any]:
    """Parse one JSON object.

    Raises:
        PackageError: It is anything else.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PackageError(f"{where} is not readable JSON: {error}") from error
    if not isinstance(data, dict):
        raise PackageError(f"{where} should hold one JSON object; found {type(data).__name__}.")
    return data


def read_object(path: Path) -> dict[str, Any]:
    """Read a file with one JSON object."""
    return parse_object(read_bytes(path), path)


def read_torch(path: Path) -> object:
    """Read a file of ``torch.save`` that holds only tensors and plain containers.

    Raises:
        PackageError: It is no such archive, or it asks to run code.
    """
    import torch

    data = read_bytes(path)
    _check_archive(path, data)
    try:
        with warnings.catch_warnings():
            # torch speaks to its own users of pickles that it does not know; here they end below.
            warnings.simplefilter("ignore")
            return torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except _LOAD_ERRORS as error:
        found = _UNSAFE.search(str(error))
        reason = f"it wants to load the Python object {found[1]}" if found else "it is malformed"
        raise PackageError(
            f"{path} is a pickle that is not read: expected tensors in plain containers, but "
            f"{reason}. Loading such a file can run any code. If you trust it, load it with the "
            "tool that wrote it and save the bare tensor: torch.save(tensor, 'vector.pt')."
        ) from error


def _check_archive(path: Path, data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error) as error:
        raise PackageError(
            f"{path} is not a zip archive as torch.save writes them since torch 1.6: {error}. Load "
            "it with the tool that wrote it and save it again."
        ) from error
    if len(entries) > MAX_TENSORS or sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise PackageError(f"{path} unpacks to more than {MAX_BYTES:,} bytes; no vector does.")


def direction(value: object, where: str) -> Array:
    """Check one direction and make it float32 ``[hidden]``.

    Args:
        value: A tensor, an array or a list of numbers.
        where: What to call it in an error.

    Raises:
        PackageError: It is not 1-D, not of floating point, too long, empty or not finite.
    """
    array = _floats(value, where)
    if array.ndim != 1 or not 1 <= array.size <= MAX_WIDTH:
        raise PackageError(
            f"{where} should be 1-D, as long as the model is wide; found shape {array.shape}."
        )
    if not np.isfinite(array).all():
        raise PackageError(f"{where} holds NaN or infinite values, or overflows float32.")
    result: Array = array
    return result


def stack(value: object, where: str) -> list[Array]:
    """Check a stack of directions ``[layers, hidden]``: a row for each layer."""
    shape = tuple(getattr(value, "shape", ()))
    if len(shape) != 2 or not 1 <= shape[0] <= MAX_LAYERS:
        raise PackageError(f"{where} should be 2-D, [layers, hidden]; found shape {shape}.")
    return [direction(row, f"{where}, row {k}") for k, row in enumerate(_floats(value, where))]


def _floats(value: object, where: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    import torch

    if isinstance(value, list):
        numbers = len(value) <= MAX_WIDTH and all(type(x) in (int, float) for x in value)
        if not numbers:
            raise PackageError(f"{where} should be a list of numbers; found something else.")
        value = _quietly(value, where)
    if isinstance(value, torch.Tensor):
        value = _dense(value, where)
    if not isinstance(value, np.ndarray) or value.dtype.kind != "f":
        found = getattr(value, "dtype", type(value).__name__)
        raise PackageError(f"{where} should hold floating-point numbers; found {found}.")
    with np.errstate(over="ignore"):
        return np.array(value, dtype=np.float32)


def _quietly(values: list[float], where: str) -> object:
    try:
        return np.array(values, dtype=np.float64)
    except (OverflowError, ValueError) as error:
        raise PackageError(f"{where} holds a number that is too large: {error}") from error


def _dense(tensor: torch.Tensor, where: str) -> object:
    # A few bytes can claim any shape by a stride of 0: the shape is checked before it is copied.
    import torch

    if tensor.numel() * 4 > MAX_BYTES or tensor.layout != torch.strided or tensor.is_quantized:
        raise PackageError(
            f"{where} should be a dense tensor of at most {MAX_BYTES:,} bytes; "
            f"found {tensor.layout} of shape {tuple(tensor.shape)}."
        )
    if tensor.dtype not in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        raise PackageError(f"{where} should hold floating-point numbers; found {tensor.dtype}.")
    wide = torch.float64 if tensor.dtype == torch.float64 else torch.float32
    return tensor.detach().to("cpu", wide).numpy()


def said(value: object) -> str | None:
    """A short printable text that a file says, None for anything else."""
    if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
        return None
    text = str(value)[:_MAX_TEXT]
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def says(facts: Mapping[str, object]) -> tuple[str, ...]:
    """Lines of provenance: each name with what the file says, where it says something."""
    lines = ((name, said(value)) for name, value in facts.items())
    return tuple(f"{name}: {text}" for name, text in lines if text)


def layer_index(value: object, where: object) -> int:
    """Check a layer index that a file says."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,5}", value, re.ASCII):
        value = int(value)
    if type(value) is not int or not 0 <= value < MAX_LAYERS:
        raise PackageError(f"{where} should name a layer from 0; found {value!r:.40}.")
    return value


def coefficient(value: object, where: object) -> float:
    """Check a coefficient that a file says."""
    number = float(value) if type(value) in (int, float) else np.nan  # type: ignore[arg-type]
    if not np.isfinite(number):
        raise PackageError(f"{where} should be a finite number; found {value!r:.40}.")
    return number
