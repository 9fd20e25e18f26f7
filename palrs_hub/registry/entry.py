"""What ``registry/<slug>.yaml`` may say: a pinned package, and what a curator thinks of it."""

from __future__ import annotations

import datetime
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from palrs_hub.errors import RegistryError
from palrs_hub.fields import Commit, Line, RepoId, Sha256

Verdict = Literal[
    "recommended", "accepted", "experimental", "unreviewed", "superseded", "withdrawn"
]

VERDICTS: Final[dict[Verdict, str]] = {
    "recommended": "The evaluations were reproduced, and it does what it says at little cost.",
    "accepted": "Package, evidence and card hold; the evaluations were not run again.",
    "experimental": "It works under narrow conditions, which the card names.",
    "unreviewed": "It passed the automatic checks; no curator has looked at it yet.",
    "superseded": "There is a better one, which the entry names.",
    "withdrawn": "Do not use it; the reason says why.",
}
"""The verdicts, best first, and what each means."""

WARNED_OF: Final = ("superseded", "withdrawn")

Slug = Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,62}[a-z0-9])?$")]
Tag = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9 -]{0,39}$")]
RelativePath = Annotated[
    str,
    Field(max_length=200, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$"),
]
"""A path inside the registry's repository; no part of it begins with a dot, so none leads out."""
FileName = Annotated[str, Field(max_length=100, pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$")]
Reason = Annotated[Line, Field(min_length=10)]


class Plain(BaseModel):
    """Base of what is read from YAML, where every value is a text: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Place(Plain):
    """Where a package or a model is: on the Hub at a commit, or in this repository.

    Attributes:
        repo: ``org/name``.
        commit: The commit, all 40 digits of it: a branch or a tag can be moved.
        path: A folder inside the registry's repository.
    """

    repo: RepoId | None = None
    commit: Commit | None = None
    path: RelativePath | None = None

    @model_validator(mode="after")
    def _is_one_of_two(self) -> Self:
        if (self.path is None) == (self.repo is None) or (self.repo is None) != (
            self.commit is None
        ):
            raise ValueError("give repo and commit, or path alone")
        return self

    def __str__(self) -> str:
        return self.path or f"{self.repo}@{self.commit}"


class Curator(Plain):
    """What the curator thinks of it.

    Attributes:
        verdict: One of VERDICTS.
        date: The day of the verdict.
        reason: Why, in a sentence; users are shown it when a vector was withdrawn.
        superseded_by: The slug of the better one.
    """

    verdict: Verdict
    date: datetime.date
    reason: Reason
    superseded_by: Slug | None = None

    @model_validator(mode="after")
    def _names_its_successor(self) -> Self:
        if (self.verdict == "superseded") != (self.superseded_by is not None):
            raise ValueError("superseded_by belongs to the verdict 'superseded', and only to it")
        return self


class Evidence(Plain):
    """What ``registry/evidence/<slug>/`` holds, by its hashes.

    Attributes:
        manifest: sha256 of the package's ``steering_config.json``, of which a copy lies there if
            the package is on the Hub.
        facts: sha256 of ``evidence.json``: the base model's facts, a sketch of the directions and
            samples of text.
        problems: Files that evaluations were measured on, which ``registry check --rerun`` finds
            by the hashes in the manifest.
        tolerance: Largest difference that still holds when they are measured again.
    """

    manifest: Sha256
    facts: Sha256
    problems: tuple[FileName, ...] = Field(default=(), max_length=16)
    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.0


class Entry(Plain):
    """One vector of the registry: ``registry/<slug>.yaml``.

    Attributes:
        slug: The name of this file, of the card and of the gallery's page.
        name: The name in the manifest.
        source: The package.
        sha256: Of its tensors' file.
        base_model: The model that it was made for.
        task: What it does, as the manifest has it.
        method: How it was extracted.
        license: Its licence.
        tags: Words to find it by.
        curator: The verdict.
        evidence: What the registry keeps of its evidence.
    """

    slug: Slug
    name: Line
    source: Place
    sha256: Sha256
    base_model: Place
    task: Line
    method: Line
    license: Line
    tags: tuple[Tag, ...] = Field(default=(), max_length=16)
    curator: Curator
    evidence: Evidence


def parse_entry(data: object) -> Entry:
    """Check what a YAML file held.

    Raises:
        RegistryError: It is no entry; the message names every field that is wrong.
    """
    try:
        return Entry.model_validate(data)
    except (ValidationError, ValueError, RecursionError) as error:
        raise RegistryError(explained(error)) from error


def explained(error: Exception) -> str:
    """What a validation found, in one line; a stranger's keys do not speak to the terminal."""
    if not isinstance(error, ValidationError):
        return str(error)
    faults = error.errors(include_input=False, include_url=False)[:10]
    places = (".".join(map(str, fault["loc"])) or "entry" for fault in faults)
    shown = (place if place.isprintable() else ascii(place) for place in places)
    return "; ".join(
        f"{place:.100}: {fault['msg']}" for place, fault in zip(shown, faults, strict=True)
    )


def best_first(verdict: Verdict) -> int:
    """Sorts verdicts, the best first."""
    return get_args(Verdict).index(verdict)
