"""What a published vector says of itself: strict models of ``steering_config.json``.

The manifest is read from strangers, so everything in it is bounded, finite and printable, unknown
fields are refused, and no field can switch a check off. ``layer = k`` always means the output of
decoder block ``k``, counted from 0 (``hidden_states[k + 1]`` in transformers).
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Final, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from palrs_hub.errors import ManifestError, NewerFormatError

FORMAT: Final = "palrs-hub"
FORMAT_VERSION: Final = 1
MANIFEST_FILE: Final = "steering_config.json"
TENSORS_FILE: Final = "steering_vectors.safetensors"
MAX_MANIFEST_BYTES = 4 * 1024 * 1024
MAX_INTERVENTIONS = 512
MAX_SIDE_EFFECT = 0.1
"""Nats per token on neutral text; the bound of PaLRS's parent method (Arditi et al. 2024)."""


def _printable(text: str) -> str:
    if any(not (character.isprintable() or character == "\n") for character in text):
        raise ValueError("holds control or invisible characters")
    return text


Line = Annotated[
    str, Field(min_length=1, max_length=256, pattern=r"^[^\n]*$"), AfterValidator(_printable)
]
Prose = Annotated[str, Field(max_length=10_000), AfterValidator(_printable)]
_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]*"
RepoId = Annotated[str, Field(max_length=96, pattern=rf"^{_NAME}(/{_NAME})?$")]
Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TensorName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.]{0,63}$")]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0, le=10**12)]
Layer = Annotated[int, Field(ge=0, le=10_000)]
Switch = str | bool | int | Finite | None

Unit = Literal["raw", "unit_norm", "mean_chosen_norm"]
UNITS: tuple[Unit, ...] = get_args(Unit)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Fingerprint(_Strict):
    """The functional fingerprint: a direction-free summary of the residual stream.

    Measured at the steered layers on a fixed short text, in one forward pass; it tells whether
    loaded weights are those that the vector was made for, casts and quantised copies included.

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


class BaseModelFacts(_Strict):
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


class Intervention(_Strict):
    """One change to the residual stream.

    Attributes:
        layer: Output of this decoder block, from 0.
        operation: ``add``: residual += coefficient * tensor.
        tensor: Name of the tensor in the tensors' file.
        coefficient: The coefficient to use unless the caller gives one.
        coefficient_range: Lowest and highest coefficient that validation found to help; None if
            nothing was validated.
        unit: What a coefficient of 1 adds: the raw difference of means, a vector of norm 1, or
            one of the mean chosen activation's norm (PaLRS, eq. 4).
        tokens: Tokens that are steered: all of the prompt and of the generation.
        condition: Reserved for conditional steering.
    """

    layer: Layer
    operation: Literal["add"]
    tensor: TensorName
    coefficient: Finite
    coefficient_range: tuple[Finite, Finite] | None
    unit: Unit
    tokens: Literal["all"]
    condition: None

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Self:
        if self.coefficient_range and self.coefficient_range[0] > self.coefficient_range[1]:
            raise ValueError("coefficient_range must be (lowest, highest)")
        return self


class Task(_Strict):
    """What the vector does: a short name to search for and a sentence or two."""

    name: Line
    description: Prose


class Method(_Strict):
    """How the direction was found: the method's name and every switch, in plain values.

    The name is a plain string so that an old reader can attach a vector of a new method.
    """

    name: Line
    switches: dict[Line, Switch] = Field(max_length=64)


class Data(_Strict):
    """The preference pairs: where they came from and their hash, never their text."""

    name: Line
    revision: Line | None
    pairs: Count
    sha256: Sha256


class LayerDiagnostics(_Strict):
    """How promising a candidate was before any generation (Braun et al. 2025).

    Attributes:
        position: Read position, as the method names it.
        layer: Output of this decoder block.
        difference_norm: Norm of the mean difference, raw.
        mean_chosen_norm: Norm of the mean chosen activation.
        cosine_mean: Mean cosine of each pair's difference to the mean difference.
        cosine_std: Standard deviation of that cosine.
        separation: Distance of the classes along the direction, in pooled standard deviations.
        alignment: Cosine of the candidate to the mean chosen activation (PaLRS, eq. 3).
        pairs: Number of pairs that cosines and separation were measured on.
    """

    position: Line
    layer: Layer
    difference_norm: Finite
    mean_chosen_norm: Finite
    cosine_mean: Finite
    cosine_std: Finite
    separation: Finite
    alignment: Finite
    pairs: Count


class Cell(_Strict):
    """One cell of the selection grid, measured on the validation split.

    Attributes:
        margin: Mean log-probability per token of chosen minus rejected, in nats.
        preferred: Share of pairs whose margin is positive.
        worse: Share of pairs whose margin fell below the unsteered model's.
        chosen_log_probability: Mean log-probability per token of the chosen responses.
        side_effect: Mean divergence of the next-token predictions on neutral texts from the
            unsteered model's, in nats per token; None if there were no such texts.
        accuracy: Share of validation problems solved by greedy generation; None if not run.
    """

    position: Line
    layer: Layer
    coefficient: Finite
    margin: Finite
    preferred: Finite
    worse: Finite
    chosen_log_probability: Finite
    side_effect: Finite | None = None
    accuracy: Finite | None = None

    def helps(self, unsteered: Cell) -> bool:
        """Whether it raises the margin, keeps the chosen responses likely and harms nothing."""
        return (
            self.margin > unsteered.margin
            and self.chosen_log_probability >= unsteered.chosen_log_probability
            and (self.side_effect is None or self.side_effect <= MAX_SIDE_EFFECT)
        )


class Selection(_Strict):
    """How position, layer and coefficient were chosen: the rule in words and the whole grid.

    Attributes:
        unsteered: The cell of coefficient 0 (its layer and position say nothing).
    """

    rule: Prose
    split: Line
    pairs: Count
    problems: Count
    unsteered: Cell
    cells: tuple[Cell, ...] = Field(max_length=20_000)


class Evaluation(_Strict):
    """One measured number of the steered model, beside its baselines.

    Attributes:
        task: What was run, for instance ``two-digit sums with a carry``.
        metric: For instance ``accuracy`` or ``perplexity``.
        split: The split that it was measured on; never the one that selection used.
        higher_is_better: Which way is up.
        baselines: The same number for ``unsteered``, ``random``, ``negated`` and others.
    """

    task: Line
    metric: Line
    split: Line
    samples: Count
    value: Finite
    higher_is_better: bool
    baselines: dict[Line, Finite] = Field(max_length=32)


class TensorsFile(_Strict):
    """The tensors' file: its fixed name and the sha256 of its bytes."""

    file: Literal["steering_vectors.safetensors"] = TENSORS_FILE
    sha256: Sha256


class Manifest(_Strict):
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
    diagnostics: tuple[LayerDiagnostics, ...] = Field(max_length=20_000)
    selection: Selection | None
    evaluations: tuple[Evaluation, ...] = Field(max_length=256)
    software: dict[Line, Line] = Field(max_length=32)
    tensors: TensorsFile

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        tensors = [intervention.tensor for intervention in self.interventions]
        if len(set(tensors)) != len(tensors):
            raise ValueError("two interventions name the same tensor")
        steered = {intervention.layer for intervention in self.interventions}
        if beyond := sorted(layer for layer in steered if layer >= self.base_model.num_blocks):
            raise ValueError(
                f"layer {beyond[0]} is steered, but the base model has blocks 0 to "
                f"{self.base_model.num_blocks - 1}"
            )
        if missing := sorted(steered - set(self.base_model.fingerprint.layers)):
            raise ValueError(f"layer {missing[0]} is steered but has no fingerprint")
        return self

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
    try:
        return Manifest.model_validate_json(json.dumps(data))
    except (ValidationError, ValueError, RecursionError) as error:
        raise ManifestError(f"{MANIFEST_FILE} is not valid: {_explain(error)}") from error


def _parse(text: str | bytes) -> dict[str, Any]:
    if len(text) > MAX_MANIFEST_BYTES:
        raise ManifestError(
            f"{MANIFEST_FILE} has {len(text):,} bytes; at most {MAX_MANIFEST_BYTES:,} are read."
        )
    try:
        data = json.loads(text, object_pairs_hook=_refuse_duplicates)
    except (ValueError, RecursionError) as error:
        raise ManifestError(f"{MANIFEST_FILE} is not readable JSON: {error}") from error
    if not isinstance(data, dict):
        raise ManifestError(f"{MANIFEST_FILE} should hold one JSON object.")
    return data


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
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
