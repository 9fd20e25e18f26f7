"""GGUF control vectors: ``direction.N`` is one direction for one block.

repeng, EasySteer and llama.cpp's loader mean the output of block N, from 0. llama.cpp's own
cvector-generator, and what is built on it, writes what it measured at the output of block N - 1.
The files look alike, so that dialect has to be named.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from palrs_hub.errors import MissingExtraError, PackageError, UsageError
from palrs_hub.formats.files import coefficient, layer_index, said, says, starts_with
from palrs_hub.formats.format import Format, Found
from palrs_hub.formats.gguf_file import MAGIC, read_gguf
from palrs_hub.formats.steered import one_coefficient, steered_layers

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Array, Wanted
    from palrs_hub.formats.gguf_file import GgufFile
    from palrs_hub.vector import SteeringVector

ARCHITECTURE = "controlvector"
DIALZ = "steeringvector"
COEFFICIENT = "palrs_hub.coefficient"

_DIRECTION = re.compile(r"direction\.(\d{1,5})", re.ASCII)


def _read(path: Path, wanted: Wanted) -> Found:
    return _found(path, read_gguf(path), ARCHITECTURE)


def _read_dialz(path: Path, wanted: Wanted) -> Found:
    return _found(path, read_gguf(path), DIALZ)


def _read_generator(path: Path, wanted: Wanted) -> Found:
    file = read_gguf(path)
    hint = said(file.metadata.get(f"{ARCHITECTURE}.model_hint"))
    # llama.cpp names its own architectures, which are not transformers' model types.
    return Found(_directions(path, file), provenance=says({"llama.cpp architecture": hint}))


def _found(path: Path, file: GgufFile, architecture: str) -> Found:
    named = file.metadata.get("general.architecture", architecture)
    if named != architecture:
        raise PackageError(
            f"{path} should have the architecture {architecture!r}; it has {said(named)!r}."
        )
    directions = _directions(path, file)
    recommended = file.metadata.get(COEFFICIENT)
    number = None if recommended is None else coefficient(recommended, f"{path}: {COEFFICIENT}")
    about = {
        name: file.metadata.get(f"{architecture}.{name}")
        for name in ("normalize", "n_positive", "n_negative", "token_pos", "layer_count")
    }
    return Found(
        directions,
        {} if number is None else dict.fromkeys(directions, number),
        model_type=said(file.metadata.get(f"{architecture}.model_hint")),
        method=said(file.metadata.get(f"{architecture}.method")),
        provenance=says(about),
    )


def _directions(path: Path, file: GgufFile) -> dict[int, Array]:
    found = {}
    for name, array in file.tensors.items():
        match = _DIRECTION.fullmatch(name)
        if not match:
            raise PackageError(
                f"{path}: expected tensors named direction.N only; found {name!r:.80}."
            )
        found[layer_index(match[1], f"{path}: {name}")] = array
    if not found or len(found) != len(file.tensors):
        raise PackageError(f"{path} holds no directions, or two for one layer.")
    return found


def _recognises(path: Path) -> bool:
    return _architecture(path) == ARCHITECTURE


def _recognises_dialz(path: Path) -> bool:
    return _architecture(path) == DIALZ


def _architecture(path: Path) -> object:
    if not starts_with(path, MAGIC):
        return None
    return read_gguf(path).metadata.get("general.architecture")


def _write(vector: SteeringVector, path: Path, fold: bool) -> None:
    if any(change.layer == 0 for change in vector.manifest.interventions):
        raise UsageError(
            "This vector steers the output of block 0. llama.cpp has no control vector there: it "
            "refuses direction.0 and goes on unsteered. Extract at another layer, or export to "
            "another format."
        )
    _write_repeng(vector, path, fold)


def _write_repeng(vector: SteeringVector, path: Path, fold: bool) -> None:
    layers = steered_layers(vector, fold=fold)
    scale = one_coefficient(layers)
    try:
        import gguf
    except ImportError as error:
        raise MissingExtraError("Writing GGUF", "gguf") from error
    writer = gguf.GGUFWriter(path, ARCHITECTURE)
    manifest = vector.manifest
    writer.add_string(f"{ARCHITECTURE}.model_hint", manifest.base_model.model_type)
    writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(layers))
    writer.add_string(f"{ARCHITECTURE}.method", manifest.method.name)
    writer.add_string("general.name", manifest.name)
    writer.add_float64(COEFFICIENT, scale)
    for layer, (array, _) in layers.items():
        writer.add_tensor(f"direction.{layer}", array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


CONTROL_VECTOR = Format(
    name="gguf",
    tools="repeng, llama.cpp, EasySteer",
    files="`.gguf`, architecture `controlvector`, tensors `direction.N`",
    site="block output",
    shift=0,
    norm="repeng: norm 1; the scale is the coefficient",
    read=_read,
    recognises=_recognises,
    write=_write,
)
REPENG_VECTOR = Format(
    name="repeng",
    tools="repeng, which steers block 0 too",
    files="`.gguf` as above, perhaps with `direction.0`",
    site="block output",
    shift=0,
    norm="norm 1; the scale is the coefficient of `set_control`",
    read=_read,
    write=_write_repeng,
)
DIALZ_VECTOR = Format(
    name="dialz",
    tools="dialz",
    files="`.gguf`, architecture `steeringvector`, tensors `direction.N`",
    site="block output",
    shift=0,
    norm="norm 1; the scale is the coefficient",
    read=_read_dialz,
    recognises=_recognises_dialz,
)
CVECTOR_GENERATOR = Format(
    name="llama-cvector-generator",
    tools="llama.cpp cvector-generator, jukofyork/control-vectors",
    files="`.gguf`, tensors `direction.N`, measured at the output of block N - 1",
    site="block input",
    shift=-1,
    norm="cvector-generator: norm 1; jukofyork: raw, one for each block",
    read=_read_generator,
)
