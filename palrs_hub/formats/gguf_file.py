"""Reads a small GGUF file whole, each count and length checked against the bytes that are there."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from palrs_hub.errors import PackageError
from palrs_hub.formats.files import MAX_TENSORS, MAX_WIDTH, direction, read_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Array

MAGIC: Final = b"GGUF"

_VERSIONS = (2, 3)
_MAX_VALUES = 65_536
_FLOAT32 = 0
_STRING, _ARRAY = 8, 9
# Value types of the GGUF specification -> struct format.
_SCALARS: Final = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip


@dataclass(frozen=True)
class GgufFile:
    """What a GGUF file of directions holds.

    Attributes:
        metadata: Texts and numbers; arrays are passed over.
        tensors: Finite float32 ``[hidden]`` by name.
    """

    metadata: dict[str, str | int | float]
    tensors: dict[str, Array]


def read_gguf(path: Path) -> GgufFile:
    """Read a GGUF file that holds nothing but 1-D float32 tensors.

    Raises:
        PackageError: It is malformed, truncated, or holds other tensors.
    """
    cursor = _Cursor(path, read_bytes(path))
    if cursor.take(4) != MAGIC:
        raise PackageError(f"{path} is not a GGUF file: it does not begin with GGUF.")
    version = cursor.number("I")
    if version not in _VERSIONS:
        raise PackageError(f"{path}: expected GGUF version 2 or 3; found {version}.")
    tensors, values = cursor.count(MAX_TENSORS), cursor.count(_MAX_VALUES)
    metadata: dict[str, str | int | float] = {}
    for _ in range(values):
        key = cursor.text()
        value = cursor.value(int(cursor.number("I")))
        if value is not None:
            metadata[key] = value
    infos = [cursor.tensor_info() for _ in range(tensors)]
    if len({name for name, _, _ in infos}) != len(infos):
        raise PackageError(f"{path} names a tensor twice.")
    alignment = metadata.get("general.alignment", 32)
    if not isinstance(alignment, int) or not 1 <= alignment <= 65_536:
        raise PackageError(f"{path} claims an alignment of {alignment!r:.40}.")
    start = -(-cursor.place // alignment) * alignment
    return GgufFile(
        metadata, {name: cursor.floats(name, start + at, width) for name, width, at in infos}
    )


class _Cursor:
    """A place in the bytes that never leaves them."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.path, self.data, self.place = path, data, 0

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.place:
            raise PackageError(f"{self.path} is truncated, or lies about a length.")
        taken = self.data[self.place : self.place + size]
        self.place += size
        return taken

    def number(self, form: str) -> int | float:
        value: int | float = struct.unpack(f"<{form}", self.take(struct.calcsize(f"<{form}")))[0]
        return value

    def count(self, limit: int) -> int:
        found = int(self.number("Q"))
        if found > limit:
            raise PackageError(f"{self.path} claims {found:,} entries; at most {limit:,} are read.")
        return found

    def text(self) -> str:
        return self.take(int(self.number("Q"))).decode("utf-8", errors="replace")

    def value(self, kind: int) -> str | int | float | None:
        if kind == _STRING:
            return self.text()
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind != _ARRAY:
            raise PackageError(f"{self.path} holds a value of the unknown type {kind}.")
        item, length = int(self.number("I")), int(self.number("Q"))
        if item in _SCALARS:
            self.take(struct.calcsize(f"<{_SCALARS[item]}") * length)
        elif item == _STRING and length <= _MAX_VALUES:
            for _ in range(length):
                self.text()
        else:
            raise PackageError(f"{self.path} holds a nested array, or one too long.")
        return None

    def tensor_info(self) -> tuple[str, int, int]:
        """Name, length and offset of a tensor."""
        name, dimensions = self.text(), self.number("I")
        width = int(self.number("Q")) if dimensions == 1 else 0
        if dimensions != 1 or not 1 <= width <= MAX_WIDTH:
            raise PackageError(
                f"{self.path}: tensor {name!r:.80} should be 1-D, as long as the model is wide; "
                f"it has {dimensions} dimensions."
            )
        kind = self.number("I")
        if kind != _FLOAT32:
            raise PackageError(
                f"{self.path}: tensor {name!r:.80} should be F32; found GGUF type {kind}."
            )
        return name, width, int(self.number("Q"))

    def floats(self, name: str, start: int, width: int) -> Array:
        self.place = min(start, len(self.data))
        found = np.frombuffer(self.take(4 * width), dtype="<f4")
        return direction(found, f"{self.path}: tensor {name!r:.80}")
