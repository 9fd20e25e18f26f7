"""What ``--hf-overrides`` tells the plugin: which vectors, and which of them steers at first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

from pydantic import Field, ValidationError

from palrs_hub.errors import UsageError
from palrs_hub.fields import Finite, Line, Sha256, Strict
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Mapping

# The name in the model's config under which the settings stand.
KEY: Final = "palrs_hub"
MAX_VECTORS: Final = 64


class VectorPlace(Strict):
    """A vector's folder, and the hash that its tensors must have."""

    folder: Annotated[str, Field(min_length=1, max_length=4096)]
    sha256: Sha256


class Settings(Strict):
    """The vectors that a server loads.

    Attributes:
        vectors: By the name that requests to the server use.
        active: The one that steers at first; None for none.
        coefficient: Its coefficient, instead of its own.
    """

    vectors: dict[Line, VectorPlace] = Field(min_length=1, max_length=MAX_VECTORS)
    active: Line | None
    coefficient: Finite | None = None


def read_settings(data: object) -> Settings:
    """Check the settings of a server.

    Raises:
        UsageError: They are missing or not valid; the message says what is expected.
    """
    try:
        settings = Settings.model_validate(data)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise UsageError(
            f"--hf-overrides should hold {KEY!r} with the vectors, as `palrs-hub vllm ID` prints "
            f"it: {'.'.join(map(str, fault['loc']))}: {fault['msg']}."
        ) from error
    if settings.active is not None and settings.active not in settings.vectors:
        raise UsageError(f"{KEY}: the active vector {settings.active!r} is not among the vectors.")
    return settings


def load_vectors(settings: Settings) -> dict[str, SteeringVector]:
    """Read the vectors, each checked against the hash that the command line gave.

    Raises:
        PackageError: A vector cannot be read, or is another one than when the command was made.
    """
    vectors = {}
    for name, place in settings.vectors.items():
        vector = SteeringVector.load(place.folder)
        found = vector.manifest.tensors.sha256
        if found != place.sha256:
            raise UsageError(
                f"The vector {name!r} in {place.folder} should have the sha256 {place.sha256}; it "
                f"has {found}. Make the command again: `palrs-hub vllm ID`."
            )
        vectors[name] = vector
    return vectors


def overrides(
    architecture: str, vectors: Mapping[str, SteeringVector], folders: Mapping[str, str],
    *, active: str | None, coefficient: float | None,
) -> dict[str, Any]:  # fmt: skip
    """The value of ``--hf-overrides`` for a server.

    Args:
        architecture: The steered class, as ``steered_name`` gives it.
        vectors: The vectors by name.
        folders: Where each lies.
        active: The one that steers at first; None for none.
        coefficient: Its coefficient, instead of its own.
    """
    settings = Settings(
        vectors={
            name: VectorPlace(folder=folders[name], sha256=vector.manifest.tensors.sha256)
            for name, vector in vectors.items()
        },
        active=active,
        coefficient=coefficient,
    )
    return {"architectures": [architecture], KEY: settings.model_dump()}
