"""What a published vector says of itself: strict models of ``steering_config.json``.

The manifest is read from strangers, so everything in it is bounded, finite and printable, unknown
fields are refused, and no field can switch a check off. ``layer = k`` always means the output of
decoder block ``k``, counted from 0 (``hidden_states[k + 1]`` in transformers).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from palrs_hub.errors import ManifestError, NewerFormatError
from palrs_hub.evidence import Evaluation, LayerDiagnostics, Selection
from palrs_hub.fields import (
    Commit,
    Count,
    Finite,
    Layer,
    Line,
    Prose,
    RepoId,
    Sha256,
    Strict,
    Switch,
)
from palrs_hub.intervention import OPERATION_NAMES
from palrs_hub.intervention import UNITS as UNITS
from palrs_hub.intervention import Intervention as Intervention
from palrs_hub.intervention import Unit as Unit

FORMAT: Final = "palrs-hub"
FORMAT_VERSION: Final = 1
MANIFEST_FILE: Final = "steering_config.json"
TENSORS_FILE: Final = "steering_vectors.safetensors"
PLOT_FILE: Final = "selection.svg"
MAX_MANIFEST_BYTES = 8 * 1024 * 1024
MAX_INTERVENTIONS = 512
MAX_EVALUATIONS: Final = 256
MAX_ITEMS: Final = 8_192
MAX_VALUES: Final = 250_000
"""In one object or list, and in all of them: a wrong value each would make as many complaints."""


class Fingerprint(Strict):
    """The functional fingerprint: a direction-free summary of the residual stream.

    Measured at the steered layers and the last on a fixed short text, in one forward pass; it tells
    whether loaded weights are those that the vector was made for, casts and quantised copies
    included.

    Attributes:
        token_ids: The probe text's token ids, so that no tokenizer is needed to measure again.
        layers: The layers that were measured, in the order of ``norms`` and ``projections``.
        norms: Euclidean norm of the residual stream, ``[layer][token]``.
        projections: The normalised residual stream, seen through a fixed random projection,
            ``[layer][token * dimensions]``.
    """

    token_ids: tuple[Annotated[int, Field(ge=0, le=2**31)], ...] = Field(
        min_length=2, max_length=32
    )
    layers: tuple[Layer, ...] = Field(min_length=1, max_length=MAX_INTERVENTIONS)
    norms: tuple[tuple[Finite, ...], ...]
    projections: tuple[tuple[Finite, ...], ...]

    @model_validator(mode="after")
    def _shapes_agree(self) -> Self:
        tokens = len(self.token_ids)
        if not len(self.layers) == len(self.norms) == len(self.projections):
            raise ValueError("norms and projections need one row for each layer")
        if any(len(row) != tokens for row in self.norms):
            raise ValueError(f"each row of norms needs {tokens} numbers, one for each token")
        widths = {len(row) for row in self.projections}
        if len(widths) != 1 or (width := widths.pop()) % tokens or width > 64 * tokens:
            raise ValueError("each row of projections needs the same few numbers for each token")
        return self


class BaseModelFacts(Strict):
    """The model that the vector was made for.

    Attributes:
        repo_id: Its name on the Hub; None when it was read from a folder.
        revision: The commit that was loaded.
        architecture: The class that transformers loaded, for instance ``LlamaForCausalLM``.
        hidden_size: Width of the residual stream.
        num_blocks: Number of decoder blocks.
        tokenizer_sha256: Hash of the vocabulary (token to id).
        chat_template_sha256: Hash of the chat template's text; None when there is none.
        dtype: Floating-point type of the weights at extraction, for instance ``bfloat16``.
        quantization: Quantisation method at extraction; None for plain weights.
    """

    repo_id: RepoId | None
    revision: Commit | None
    model_type: Line
    architecture: Line
    hidden_size: Annotated[int, Field(ge=1, le=1_000_000)]
    num_blocks: Annotated[int, Field(ge=1, le=10_000)]
    tokenizer_sha256: Sha256 | None
    chat_template_sha256: Sha256 | None
    dtype: Line
    quantization: Line | None
    fingerprint: Fingerprint


class Task(Strict):
    """What the vector does: a short name to search for and a sentence or two."""

    name: Line
    description: Prose


class Method(Strict):
    """How the direction was found: the method's name and every switch, in plain values.

    The name is a plain string so that an old reader can attach a vector of a new method.
    """

    name: Line
    switches: dict[Line, Switch] = Field(max_length=64)


class Data(Strict):
    """The preference pairs: where they came from and their hash, never their text."""

    name: Line
    revision: Line | None
    pairs: Count
    sha256: Sha256


class TensorsFile(Strict):
    """The tensors' file: its fixed name and the sha256 of its bytes."""

    file: Literal["steering_vectors.safetensors"] = TENSORS_FILE
    sha256: Sha256


class Manifest(Strict):
    """All that is needed to attach a vector and to judge whether to trust it."""

    format: Literal["palrs-hub"] = FORMAT
    format_version: Annotated[int, Field(ge=1)] = FORMAT_VERSION
    name: Line
    task: Task
    license: Line
    base_model: BaseModelFacts
    interventions: tuple[Intervention, ...] = Field(min_length=1, max_length=MAX_INTERVENTIONS)
    method: Method
    data: Data
    diagnostics: tuple[LayerDiagnostics, ...] = Field(max_length=8_000)
    selection: Selection | None
    evaluations: tuple[Evaluation, ...] = Field(max_length=MAX_EVALUATIONS)
    software: dict[Line, Line] = Field(max_length=32)
    tensors: TensorsFile

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        tensors = [intervention.tensor for intervention in self.interventions]
        if len(set(tensors)) != len(tensors):
            raise ValueError("two interventions name the same tensor")
        steered = {intervention.layer for intervention in self.interventions}
        read = {change.condition.layer for change in self.interventions if change.condition}
        if beyond := sorted(layer for layer in steered if layer >= self.base_model.num_blocks):
            raise ValueError(
                f"layer {beyond[0]} is steered, but the base model has blocks 0 to "
                f"{self.base_model.num_blocks - 1}"
            )
        if missing := sorted((steered | read) - set(self.base_model.fingerprint.layers)):
            kind = "steered" if missing[0] in steered else "read for a condition"
            raise ValueError(f"layer {missing[0]} is {kind} but has no fingerprint")
        return self

    @property
    def tensor_names(self) -> frozenset[str]:
        """The tensors that the file must hold: those of interventions and of conditions."""
        conditions = [change.condition for change in self.interventions if change.condition]
        return frozenset(
            [change.tensor for change in self.interventions]
            + [condition.tensor for condition in conditions]
        )

    def to_json(self) -> str:
        """The text of ``steering_config.json``: indented, in the order of the fields."""
        return self.model_dump_json(indent=2) + "\n"


def read_manifest(text: str | bytes) -> Manifest:
    """Parse and check the text of a ``steering_config.json``.

    Raises:
        NewerFormatError: It was written in a format version unknown to this palrs-hub.
        ManifestError: It is not a palrs-hub manifest, is malformed or contradicts itself; the
            message names every field that is wrong.
    """
    data = _parse(text)
    if data.get("format") != FORMAT:
        raise ManifestError(
            f'{MANIFEST_FILE} should say "format": "{FORMAT}"; found {data.get("format")!r:.80}. '
            "Other tools use the same file name: this is not a palrs-hub package."
        )
    version = data.get("format_version")
    if isinstance(version, int) and not isinstance(version, bool) and version > FORMAT_VERSION:
        raise NewerFormatError(
            f"This vector has format version {version}; this palrs-hub reads up to "
            f"{FORMAT_VERSION}. Upgrade palrs-hub: pip install --upgrade palrs-hub"
        )
    _refuse_unknown_operations(data)
    try:
        return Manifest.model_validate_json(json.dumps(data))
    except (ValidationError, ValueError, RecursionError) as error:
        raise ManifestError(f"{MANIFEST_FILE} is not valid: {_explain(error)}") from error


def _refuse_unknown_operations(data: dict[str, Any]) -> None:
    changes = data.get("interventions")
    for change in changes if isinstance(changes, list) else ():
        name = change.get("operation") if isinstance(change, dict) else None
        if isinstance(name, str) and name not in OPERATION_NAMES:
            raise NewerFormatError(
                f"This vector asks for the operation {name!r:.80}; this palrs-hub knows "
                f"{', '.join(OPERATION_NAMES)}. Upgrade palrs-hub: pip install --upgrade palrs-hub"
            )


def _parse(text: str | bytes) -> dict[str, Any]:
    if len(text) > MAX_MANIFEST_BYTES:
        raise ManifestError(
            f"{MANIFEST_FILE} has {len(text):,} bytes; at most {MAX_MANIFEST_BYTES:,} are read."
        )
    try:
        # Bytes alone would be taken for UTF-16 where they look like it.
        text = text if isinstance(text, str) else text.decode("utf-8")
        data = json.loads(text, object_pairs_hook=refuse_duplicates)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{MANIFEST_FILE} is not readable JSON: {error}") from error
    if not isinstance(data, dict):
        raise ManifestError(f"{MANIFEST_FILE} should hold one JSON object.")
    _check_extent(data)
    return data


def _check_extent(data: dict[str, Any]) -> None:
    values = 0
    waiting: list[dict[str, Any] | list[Any]] = [data]
    while waiting:
        node = waiting.pop()
        values += len(node)
        if len(node) > MAX_ITEMS or values > MAX_VALUES:
            raise ManifestError(
                f"{MANIFEST_FILE} should hold at most {MAX_ITEMS:,} values in one place and "
                f"{MAX_VALUES:,} in all; it holds more. This is not a package made by palrs-hub."
            )
        inner = node.values() if isinstance(node, dict) else node
        waiting += [value for value in inner if isinstance(value, (dict, list))]


def refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """For ``json.loads``: of two values under one key, every reader might take another.

    Raises:
        ValueError: A key stands twice.
    """
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return result


def _explain(error: Exception) -> str:
    if not isinstance(error, ValidationError):
        return str(error)
    lines = [
        f"{_place(fault['loc'])}: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)[:10]
    ]
    return "; ".join(lines)


def _place(location: tuple[int | str, ...]) -> str:
    # Unknown keys are a stranger's text too: they must not speak to the terminal.
    path = ".".join(str(part) for part in location) or "manifest"
    return f"{path if path.isprintable() else ascii(path):.100}"
