"""A checkpoint's safetensors files, read and written piece by piece.

A model of many gigabytes passes through a few megabytes of memory: the header of a file says where
each tensor's bytes lie, and most of them are copied as they are. The library that reads such files
can only write one that it holds in memory whole.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palrs_hub.errors import ModelError

CHUNK_BYTES: Final = 8 * 1024 * 1024
INDEX_FILE: Final = "model.safetensors.index.json"
SINGLE_FILE: Final = "model.safetensors"

_MAX_HEADER_BYTES: Final = 100 * 1024 * 1024  # the limit of safetensors itself
_LENGTH_BYTES: Final = 8
_ITEM_BYTES: Final = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
    "I64": 8, "I32": 4, "I16": 2, "I8": 1, "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Stored:
    """A tensor of a checkpoint: where its bytes lie.

    Attributes:
        name: Its name in the file.
        dtype: As safetensors writes it, for instance ``BF16``.
        shape: Its shape.
        file: The file.
        start: Offset of its first byte in the file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    file: Path
    start: int

    @property
    def row_bytes(self) -> int:
        """Bytes of one row: of what one index of the first dimension holds."""
        return _ITEM_BYTES[self.dtype] * math.prod(self.shape[1:])

    def read(self, first: int = 0, rows: int | None = None) -> Iterator[bytes]:
        """The bytes of some rows, all by default, in chunks of whole rows where these are small."""
        number = self.shape[0] if self.shape else 1
        rows = number - first if rows is None else rows
        left = rows * self.row_bytes
        chunk = max(1, CHUNK_BYTES // max(1, self.row_bytes)) * self.row_bytes
        with self.file.open("rb") as file:
            file.seek(self.start + first * self.row_bytes)
            while left:
                data = file.read(min(left, chunk))
                if not data:
                    raise ModelError(f"{self.file} is truncated. Fetch the model again.")
                left -= len(data)
                yield data


@dataclass(frozen=True)
class Piece:
    """A tensor that is to be written.

    Attributes:
        name: Its name in the new file.
        dtype: As safetensors writes it.
        shape: Its shape.
        chunks: Gives its bytes, a part at a time.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    chunks: Callable[[], Iterator[bytes]]

    @property
    def size(self) -> int:
        """Its number of bytes."""
        return _ITEM_BYTES[self.dtype] * math.prod(self.shape)


Files = dict[str, list[Piece]]


def read_checkpoint(folder: Path) -> dict[str, list[Stored]]:
    """Where the tensors of a checkpoint lie: its files, and the tensors of each.

    Raises:
        ModelError: The folder holds no checkpoint of safetensors, or a file of it is malformed.
    """
    if (folder / INDEX_FILE).is_file():
        names = sorted(set(_weight_map(folder / INDEX_FILE).values()))
    elif (folder / SINGLE_FILE).is_file():
        names = [SINGLE_FILE]
    else:
        raise ModelError(
            f"{folder} should hold {SINGLE_FILE} or {INDEX_FILE}. Save the model in that form "
            "first: model.save_pretrained(FOLDER)."
        )
    return {name: _read_header(folder / name) for name in names}


def write_checkpoint(folder: Path, files: Mapping[str, Sequence[Piece]]) -> None:
    """Write a checkpoint's files, and the index that several of them need."""
    for name, pieces in files.items():
        _write_file(folder / name, pieces)
    if len(files) > 1:
        total = sum(piece.size for pieces in files.values() for piece in pieces)
        places = {piece.name: name for name, pieces in files.items() for piece in pieces}
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(places.items()))}
        (folder / INDEX_FILE).write_text(json.dumps(index, indent=2) + "\n", encoding="utf-8")


def unchanged(tensor: Stored) -> Piece:
    """A tensor, byte by byte as it is."""
    return Piece(tensor.name, tensor.dtype, tensor.shape, tensor.read)


def some_rows(tensor: Stored, name: str, first: int, rows: int) -> Piece:
    """Some rows of a tensor, under another name."""
    shape = (rows, *tensor.shape[1:])
    return Piece(name, tensor.dtype, shape, lambda: tensor.read(first, rows))


def given(name: str, dtype: str, shape: tuple[int, ...], data: bytes) -> Piece:
    """A small tensor that is at hand."""
    return Piece(name, dtype, shape, lambda: iter([data]))


def _write_file(path: Path, pieces: Sequence[Piece]) -> None:
    # Larger items first: so every tensor begins where its type may.
    ordered = sorted(pieces, key=lambda piece: (-_ITEM_BYTES[piece.dtype], piece.name))
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for piece in ordered:
        start, end = end, end + piece.size
        header[piece.name] = {
            "dtype": piece.dtype,
            "shape": list(piece.shape),
            "data_offsets": [start, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH_BYTES)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(_LENGTH_BYTES, "little") + text)
        for piece in ordered:
            for chunk in piece.chunks():
                file.write(chunk)
        if file.tell() != _LENGTH_BYTES + len(text) + end:
            raise ModelError(f"{path.name} came out with the wrong size; nothing was kept.")


def _weight_map(path: Path) -> dict[str, str]:
    found = _object(path.read_bytes(), path).get("weight_map")
    # A name is a file beside the index: nothing may lead out of the folder.
    if not isinstance(found, dict) or not all(
        isinstance(name, str) and Path(name).name == name and name.endswith(".safetensors")
        for name in found.values()
    ):
        raise ModelError(f"{path} should name a safetensors file beside it for each tensor.")
    return found


def _read_header(path: Path) -> list[Stored]:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(_LENGTH_BYTES), "little")
            if length > min(_MAX_HEADER_BYTES, size - _LENGTH_BYTES):
                raise ModelError(f"{path} is truncated, or lies about its header.")
            header = _object(file.read(length), path)
    except OSError as error:
        raise ModelError(f"Cannot read {path}: {error}") from error
    header.pop("__metadata__", None)
    start = _LENGTH_BYTES + length
    return [_stored(name, entry, path, start, size) for name, entry in header.items()]


def _stored(name: str, entry: object, path: Path, start: int, size: int) -> Stored:
    try:
        dtype, shape = entry["dtype"], tuple(entry["shape"])  # type: ignore[index]
        first, last = entry["data_offsets"]  # type: ignore[index]
        sound = (
            all(type(number) is int and number >= 0 for number in (*shape, first, last))
            and last - first == _ITEM_BYTES[dtype] * math.prod(shape)
            and start + last <= size
        )
    except (TypeError, KeyError, ValueError) as error:
        raise ModelError(f"{path}: tensor {name!r:.80} is not described soundly.") from error
    if not sound:
        raise ModelError(f"{path}: tensor {name!r:.80} does not lie within the file as it says.")
    return Stored(name, dtype, shape, path, start + first)


def _object(data: bytes, path: Path) -> dict[str, object]:
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is unreadable: {error!s:.200}") from error
    if not isinstance(found, dict):
        raise ModelError(f"{path} should begin with one JSON object.")
    return found
