"""persona-vectors: a folder with ``steering_vector.safetensors`` and ``metadata.json``.

Its other files hold mean activations of one persona, which are no direction before a baseline is
taken away from them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.errors import PackageError
from palrs_hub.formats.files import coefficient, direction, layer_index, read_object, said, says
from palrs_hub.formats.format import Format, Found
from palrs_hub.formats.safe_file import open_safetensors

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Wanted

_FILE, _METADATA, _TENSOR = "steering_vector.safetensors", "metadata.json", "steering_vector"
_MEANS = {"activations", "per_question_vectors"}


def _read(path: Path, wanted: Wanted) -> Found:
    if path.is_file():
        raise PackageError(_refusal_of_a_file(path))
    about = read_object(path / _METADATA)
    index = layer_index(about.get("layer"), f"{path / _METADATA}: layer")
    alpha = coefficient(about.get("suggested_alpha"), f"{path / _METADATA}: suggested_alpha")
    with open_safetensors(path / _FILE) as file:
        shape = file.shape(_TENSOR) if file.names == (_TENSOR,) else ()
        if len(shape) != 3 or shape[:2] != (1, 1):
            raise PackageError(
                f"{path / _FILE} should hold {_TENSOR!r} of shape [1, 1, hidden]; found "
                f"{', '.join(file.names)[:80]!r} of shape {shape}."
            )
        values = file.tensor(_TENSOR)
    array = direction(values[0, 0], str(path / _FILE))  # type: ignore[index]
    return Found(
        {index: array},
        {index: alpha},
        model_name=said(about.get("model_id")),
        method="mean_difference",
        provenance=says({"persona": about.get("persona_id"), "pairs": about.get("n_qa_pairs")}),
    )


def _refusal_of_a_file(path: Path) -> str:
    with open_safetensors(path) as file:
        means = _MEANS & set(file.names)
    if not means:
        return f"Expected the folder that holds {_FILE} and {_METADATA}; found the file {path}."
    return (
        f"{path} holds {means.pop()!r}: mean activations of one persona, no direction. Compute a "
        f"steering vector with persona-vectors and import the folder that holds {_FILE}."
    )


def _recognises(path: Path) -> bool:
    if path.is_dir() and (path / _METADATA).is_file() and (path / _FILE).is_file():
        return {"suggested_alpha", "layer"} <= set(read_object(path / _METADATA))
    if path.suffix != ".safetensors" or not path.is_file():
        return False
    with open_safetensors(path) as file:
        return bool(_MEANS & set(file.names))


PERSONA_VECTORS = Format(
    name="persona-vectors",
    tools="persona-vectors",
    files="folder with `steering_vector.safetensors` and `metadata.json`",
    site="block output",
    shift=0,
    norm="raw difference of means; the coefficient is `suggested_alpha`",
    read=_read,
    recognises=_recognises,
)
