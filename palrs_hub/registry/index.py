"""``index.json``: what programs need of a registry, small, versioned and with a digest.

The digest is the sha256 of the entries' canonical JSON. Who wants to know more than that the file
is whole signs the digest: see "Signatures" in docs/registry.md.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, TypeVar

from pydantic import Field, ValidationError

from palrs_hub.errors import PalrsHubError, RegistryError
from palrs_hub.fields import Commit, Finite, Layer, Line, RepoId, Sha256, Strict
from palrs_hub.measured import is_divergence
from palrs_hub.registry.entry import Slug, Tag, Verdict, best_first, explained

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from palrs_hub.evidence import Evaluation
    from palrs_hub.manifest import Manifest
    from palrs_hub.registry.entry import Entry
    from palrs_hub.registry.shelf import Record, Shelf

T = TypeVar("T")

INDEX_FILE: Final = "index.json"
FORMAT: Final = "palrs-hub-index"
VERSION: Final = 1
MAX_BYTES: Final = 64 * 1024 * 1024


class Headline(Strict):
    """The first of a vector's evaluations; None where a baseline is not there."""

    task: Line
    metric: Line
    samples: int
    steered: Finite
    unsteered: Finite | None
    random: Finite | None
    higher_is_better: bool


class IndexEntry(Strict):
    """One vector.

    Attributes:
        repo: ``org/name``; None for one that lies in the registry itself.
        date: Of the verdict.
        side_effect: Nats per token on neutral text, as selection measured it.
    """

    slug: Slug
    name: Line
    repo: RepoId | None
    commit: Commit | None
    path: Line | None
    sha256: Sha256
    base_model: Line
    base_commit: Commit | None
    task: Line
    method: Line
    license: Line
    tags: tuple[Tag, ...] = Field(max_length=16)
    verdict: Verdict
    date: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\d$")]
    reason: Line
    superseded_by: Slug | None
    layers: tuple[Layer, ...] = Field(max_length=512)
    coefficient: Finite
    coefficient_range: tuple[Finite, Finite] | None
    side_effect: Finite | None
    headline: Headline | None


class Index(Strict):
    """All vectors of a registry."""

    format: Literal["palrs-hub-index"] = FORMAT
    version: Annotated[int, Field(ge=1)] = VERSION
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    entries: tuple[IndexEntry, ...] = Field(max_length=200_000)

    def to_json(self) -> str:
        """The text of ``index.json``, one line an entry."""
        head = {"format": self.format, "version": self.version, "digest": self.digest}
        rows = ",\n".join(_canonical(entry.model_dump(mode="json")) for entry in self.entries)
        return f'{json.dumps(head)[:-1]}, "entries": [\n{rows}\n]}}\n'


def index_of(shelf: Shelf) -> Index:
    """The index of a registry whose packages can all be read.

    Raises:
        RegistryError: An entry or a manifest cannot be read; ``registry check`` tells all of them.
    """
    for slug, error in shelf.unreadable.items():
        raise RegistryError(f"registry/{slug}.yaml: {error}")
    return make_index(index_entry(r.entry, readable(r, r.manifest)) for r in shelf.records)


def make_index(entries: Iterable[IndexEntry]) -> Index:
    """An index of entries: the best verdicts first, then by slug."""
    ordered = sorted(entries, key=lambda entry: (best_first(entry.verdict), entry.slug))
    return Index(digest=digest_of(ordered), entries=tuple(ordered))


def readable(record: Record, part: T | PalrsHubError) -> T:
    """A part of a record, unless it could not be read.

    Raises:
        RegistryError: It could not.
    """
    if isinstance(part, PalrsHubError):
        raise RegistryError(f"{record.slug}: {part}. `palrs-hub registry check` tells all faults.")
    return part


def index_entry(entry: Entry, manifest: Manifest) -> IndexEntry:
    """What the index says of one entry."""
    first = manifest.interventions[0]
    return IndexEntry(
        slug=entry.slug,
        name=entry.name,
        repo=entry.source.repo,
        commit=entry.source.commit,
        path=entry.source.path,
        sha256=entry.sha256,
        base_model=entry.base_model.repo or str(entry.base_model.path),
        base_commit=entry.base_model.commit,
        task=entry.task,
        method=entry.method,
        license=entry.license,
        tags=entry.tags,
        verdict=entry.curator.verdict,
        date=entry.curator.date.isoformat(),
        reason=entry.curator.reason,
        superseded_by=entry.curator.superseded_by,
        layers=tuple(change.layer for change in manifest.interventions),
        coefficient=first.coefficient,
        coefficient_range=first.coefficient_range,
        side_effect=side_effect_of(manifest),
        headline=headline_of(manifest.evaluations[0]) if manifest.evaluations else None,
    )


def headline_of(evaluation: Evaluation) -> Headline:
    """An evaluation with the two baselines that matter most."""
    random = [v for name, v in evaluation.baselines.items() if name.startswith("random")]
    return Headline(
        task=evaluation.task,
        metric=evaluation.metric,
        samples=evaluation.samples,
        steered=evaluation.value,
        unsteered=evaluation.baselines.get("unsteered"),
        random=random[0] if random else None,
        higher_is_better=evaluation.higher_is_better,
    )


def side_effect_of(manifest: Manifest) -> float | None:
    """Nats per token on neutral texts at the vector's coefficient; None if it was not measured.

    An evaluation's figure if there is one, else what selection measured at the vector's place.
    """
    for evaluation in manifest.evaluations:
        if is_divergence(evaluation):
            return evaluation.value
    change, selection = manifest.interventions[0], manifest.selection
    place = (manifest.method.switches.get("position"), change.layer, change.coefficient)
    cells = () if selection is None else selection.cells
    return next(
        (c.side_effect for c in cells if (c.position, c.layer, c.coefficient) == place), None
    )


def read_index(data: bytes, *, verify: Callable[[str], None] | None = None) -> Index:
    """Check the bytes of an ``index.json``.

    Args:
        data: The file.
        verify: Given the digest once it is known to be right; raises if it is not signed by
            somebody who is trusted.

    Raises:
        RegistryError: It is too large, malformed, of a newer version, or not what its digest says.
    """
    if len(data) > MAX_BYTES:
        raise RegistryError(f"The index has {len(data):,} bytes; at most {MAX_BYTES:,} are read.")
    try:
        facts = json.loads(data)
        _refuse_newer(facts)
        index = Index.model_validate_json(data)
    except (ValidationError, ValueError, RecursionError) as error:
        raise RegistryError(f"The index is not valid: {explained(error):.500}") from error
    if (found := digest_of(index.entries)) != index.digest:
        raise RegistryError(
            f"The index says {index.digest}, and its entries have {found}: it was altered or cut. "
            "Build it again, or fetch it again."
        )
    if verify is not None:
        verify(index.digest)
    return index


def digest_of(entries: Iterable[IndexEntry]) -> str:
    """``sha256:`` and the hash of the entries' canonical JSON."""
    rows = [entry.model_dump(mode="json") for entry in entries]
    return f"sha256:{hashlib.sha256(_canonical(rows).encode()).hexdigest()}"


def _refuse_newer(facts: object) -> None:
    version = facts.get("version") if isinstance(facts, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise RegistryError(
            f"The index has version {version}; this palrs-hub reads up to {VERSION}. Upgrade: "
            "pip install --upgrade palrs-hub"
        )


def _canonical(value: Any) -> str:  # noqa: ANN401 - JSON
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
