"""What a field of the manifest may hold: bounded, finite, printable."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


class Strict(BaseModel):
    """Base of the manifest's models: unknown fields are refused, nothing is converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


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
_Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Switch = Prose | bool | _Whole | Finite | None
