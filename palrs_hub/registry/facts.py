"""``evidence.json``: what the registry keeps of a package's evidence beside its manifest."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Final, Literal

from pydantic import AfterValidator, Field, ValidationError

from palrs_hub.compatibility import ModelFacts
from palrs_hub.errors import RegistryError
from palrs_hub.fields import Commit, Finite, Layer, Line, RepoId, Sha256, Strict
from palrs_hub.registry.entry import explained
from palrs_hub.registry.sketch import DIMENSIONS, STEPS, sketch

if TYPE_CHECKING:
    from collections.abc import Iterable

    from palrs_hub.vector import SteeringVector

MAX_BYTES: Final = 1024 * 1024
MAX_SAMPLES: Final = 12
MAX_CHARACTERS: Final = 2_000


def _speakable(text: str) -> str:
    # What a model wrote may hold anything: what is no text is shown as such.
    if any(not (character.isprintable() or character in "\n\t") for character in text):
        raise ValueError("holds control or invisible characters")
    return text


Passage = Annotated[str, Field(max_length=MAX_CHARACTERS), AfterValidator(_speakable)]
Whole = Annotated[int, Field(ge=1, le=10_000_000)]


class Sample(Strict):
    """One prompt, and what the model writes after it without and with the vector."""

    prompt: Passage
    unsteered: Passage
    steered: Passage
    coefficient: Finite


class BaseFacts(Strict):
    """What the base model's configuration files say; see ``compatibility.ModelFacts``."""

    name: Line
    model_type: Line | None
    architecture: Line | None
    hidden_size: Whole | None
    num_blocks: Whole | None
    vocab_size: Whole | None
    repo_id: RepoId | None
    revision: Commit | None
    tokenizer_known: bool
    tokenizer_sha256: Sha256 | None
    chat_template_sha256: Sha256 | None
    dtype: Line | None
    quantization: Line | None

    @classmethod
    def of(cls, facts: ModelFacts) -> BaseFacts:
        """What was read of a model, as the registry keeps it."""
        return cls(**{key: value for key, value in asdict(facts).items() if key != "fingerprint"})

    def as_facts(self) -> ModelFacts:
        """For ``compatibility.check``."""
        return ModelFacts(**self.model_dump())


class Sketched(Strict):
    """The sketch of one direction and the layer that it steers."""

    layer: Layer
    sketch: tuple[Annotated[int, Field(ge=-STEPS, le=STEPS)], ...] = Field(
        min_length=DIMENSIONS, max_length=DIMENSIONS
    )


class Facts(Strict):
    """The content of ``evidence.json``."""

    format_version: Literal[1] = 1
    base: BaseFacts
    directions: tuple[Sketched, ...] = Field(min_length=1, max_length=512)
    samples: tuple[Sample, ...] = Field(max_length=MAX_SAMPLES)

    def to_json(self) -> str:
        """The text of the file, one line a field."""
        lines = (f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in self.model_dump().items())
        return "{\n" + ",\n".join(lines) + "\n}\n"


def facts_of(vector: SteeringVector, base: ModelFacts, samples: Iterable[Sample] = ()) -> Facts:
    """What the registry keeps of a vector, its base model and samples of text."""
    return Facts(
        base=BaseFacts.of(base),
        directions=sketches_of(vector),
        samples=tuple(samples),
    )


def sketches_of(vector: SteeringVector) -> tuple[Sketched, ...]:
    """The sketch of each intervention's direction."""
    return tuple(
        Sketched(layer=change.layer, sketch=sketch(vector.arrays[change.tensor]))
        for change in vector.manifest.interventions
    )


def read_facts(data: bytes) -> Facts:
    """Check the bytes of ``evidence.json``.

    Raises:
        RegistryError: They are too many, or not what the file may hold.
    """
    if len(data) > MAX_BYTES:
        raise RegistryError(
            f"evidence.json has {len(data):,} bytes; at most {MAX_BYTES:,} are read"
        )
    try:
        return Facts.model_validate_json(data)
    except (ValidationError, ValueError, RecursionError) as error:
        raise RegistryError(f"evidence.json is not valid: {explained(error)}") from error


def read_samples(data: bytes) -> tuple[Sample, ...]:
    """Samples from JSON lines, or from what ``palrs-hub generate --compare --json`` printed.

    Raises:
        RegistryError: They are no samples, or too many.
    """
    try:
        rows = _rows(data)
        samples = tuple(Sample.model_validate_json(json.dumps(row)) for row in rows)
    except (ValidationError, ValueError, TypeError, RecursionError) as error:
        raise RegistryError(
            "The samples should be what `palrs-hub generate --compare --json` prints, or lines of "
            f"prompt, unsteered, steered and coefficient: {explained(error)}"
        ) from error
    if len(samples) > MAX_SAMPLES:
        raise RegistryError(
            f"There are {len(samples)} samples; an entry has {MAX_SAMPLES} at most."
        )
    return samples


def _rows(data: bytes) -> list[object]:
    try:
        whole = json.loads(data)
    except ValueError:
        return [json.loads(line) for line in data.splitlines() if line.strip()]
    if not (isinstance(whole, dict) and "generations" in whole):
        return [whole]
    coefficient = whole["coefficient"]
    number = coefficient[0] if isinstance(coefficient, list) else coefficient
    return [{**row, "coefficient": number} for row in whole["generations"]]
