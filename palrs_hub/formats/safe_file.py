"""Tensors of a safetensors file, one at a time, once their shapes are known to be small enough."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import safetensors

from palrs_hub.errors import PackageError
from palrs_hub.formats.files import MAX_BYTES, MAX_TENSORS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class SafeFile:
    """An open safetensors file: nothing but its header was read."""

    def __init__(self, path: Path, opened: Any) -> None:  # noqa: ANN401 - no public type
        self.path = path
        self._opened = opened
        self.names: tuple[str, ...] = tuple(sorted(opened.keys()))
        self.metadata: dict[str, str] = opened.metadata() or {}
        if len(self.names) > MAX_TENSORS:
            raise PackageError(f"{path} holds {len(self.names):,} tensors; far too many.")

    def shape(self, name: str) -> tuple[int, ...]:
        """Shape of a tensor."""
        return tuple(self._opened.get_slice(name).get_shape())

    def tensor(self, name: str) -> object:
        """A whole tensor, unless it is larger than a vector may be."""
        size = 8
        for length in self.shape(name):
            size *= length
        if size > MAX_BYTES * 2:
            raise PackageError(f"{self.path}: tensor {name!r:.80} is far too large for a vector.")
        return self._opened.get_tensor(name)

    def row(self, name: str, row: int) -> object:
        """One row of a 2-D tensor of any length, without reading the others."""
        return self._opened.get_slice(name)[row]


@contextlib.contextmanager
def open_safetensors(path: Path) -> Iterator[SafeFile]:
    """Open a safetensors file.

    Raises:
        PackageError: It is absent or not safetensors.
    """
    if not path.is_file():
        raise PackageError(f"Expected a file at {path}; there is none.")
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            yield SafeFile(path, opened)
    except (safetensors.SafetensorError, OSError) as error:
        raise PackageError(f"{path} is not valid safetensors: {error}") from error
