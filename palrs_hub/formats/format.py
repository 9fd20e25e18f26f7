"""What an importer finds, what an import gives, and what a row of FORMATS states."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from palrs_hub.vector import SteeringVector

Array = np.ndarray[tuple[int], np.dtype[np.float32]]
Site = Literal["block output", "block input"]


@dataclass(frozen=True)
class Wanted:
    """What the caller asks of a file that cannot say it.

    Attributes:
        layer: Our layer index (output of this block, from 0).
        row: Row of a dictionary of directions.
    """

    layer: int | None = None
    row: int | None = None


@dataclass(frozen=True)
class Found:
    """What a reader found in a file, by the layer index of the tool that wrote it.

    Attributes:
        directions: Finite float32 ``[hidden]`` by the tool's own index.
        coefficients: The coefficients that the file recommends, by the same index.
        model_type: The transformers model type that the file names, for instance ``llama``.
        model_name: The model's name as the file has it, which may be of any convention.
        method: The method that the file names.
        provenance: What else the file says of itself, a line each.
    """

    directions: Mapping[int, Array]
    coefficients: Mapping[int, float] = field(default_factory=dict)
    model_type: str | None = None
    model_name: str | None = None
    method: str | None = None
    provenance: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Imported:
    """Directions of another tool's file, by our layer index: output of block k, from 0.

    It is no vector yet: only a loaded model can complete the manifest (``to_vector``).

    Attributes:
        format: Name of the format in FORMATS.
        file: Name of the file or folder, without its path.
        sha256: Hash of the file's bytes; None for a folder.
        directions: Finite float32 ``[hidden]``, read-only, by layer.
        coefficients: The coefficients that the file recommends, by layer; empty if it is silent.
        model_type: The transformers model type that the file names.
        model_name: The model's name as the file has it.
        method: The method that the file names.
        provenance: What else the file says of itself, a line each.
    """

    format: str
    file: str
    sha256: str | None
    directions: Mapping[int, Array]
    coefficients: Mapping[int, float]
    model_type: str | None
    model_name: str | None
    method: str | None
    provenance: tuple[str, ...]

    def __post_init__(self) -> None:
        for array in self.directions.values():
            array.flags.writeable = False
        object.__setattr__(self, "directions", MappingProxyType(dict(self.directions)))
        object.__setattr__(self, "coefficients", MappingProxyType(dict(self.coefficients)))


@dataclass(frozen=True)
class Format:
    """One row of FORMATS: a kind of file, and where its directions belong.

    Attributes:
        name: The name for ``--format``.
        tools: Who writes and reads such files.
        files: What the file or folder is.
        site: Where the tool steers with a direction of index n.
        shift: Our layer is the tool's index plus this.
        norm: What the length of a direction means.
        read: Reads a file; None if it is only exported.
        recognises: Tells by content whether a file is of this format; None if content cannot tell,
            so that the format must be named.
        write: Writes a vector to a file, with the coefficients folded in or not; None if it is only
            imported.
        asks: Options that an import needs, because the file cannot say it.
    """

    name: str
    tools: str
    files: str
    site: Site
    shift: int
    norm: str
    read: Callable[[Path, Wanted], Found] | None = None
    recognises: Callable[[Path], bool] | None = None
    write: Callable[[SteeringVector, Path, bool], None] | None = None
    asks: tuple[Literal["layer", "row"], ...] = ()
