"""A registry on disk: its entries with all that belongs to them, read one by one.

What cannot be read is kept as the error that says why, so that a check of the whole registry
finishes whatever one entry holds.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import PackageError, PalrsHubError, RegistryError
from palrs_hub.manifest import MANIFEST_FILE, MAX_MANIFEST_BYTES, Manifest, read_manifest
from palrs_hub.registry.entry import Entry, parse_entry
from palrs_hub.registry.facts import MAX_BYTES as MAX_FACTS_BYTES
from palrs_hub.registry.facts import Facts, read_facts
from palrs_hub.registry.yaml_file import MAX_BYTES, read_yaml
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping

ENTRIES: Final = "registry"
CARDS: Final = "cards"
EVIDENCE: Final = "registry/evidence"
VECTORS: Final = "registry/vectors"
FACTS_FILE: Final = "evidence.json"
MAX_CARD_BYTES: Final = 64 * 1024


@dataclass(frozen=True)
class Record:
    """One entry and where everything of it lies.

    Attributes:
        root: The registry's repository.
        slug: The name of the entry's file.
        entry: What it says.
        unwritten: Files of it that are not on disk yet, by their path inside ``root``.
    """

    root: Path
    slug: str
    entry: Entry
    unwritten: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def evidence_folder(self) -> str:
        """Where its evidence lies, inside ``root``."""
        return f"{EVIDENCE}/{self.slug}"

    @property
    def vector_id(self) -> str:
        """What ``from_pretrained`` takes."""
        return str(self.entry.source)

    def inside(self, path: str) -> Path:
        """A path of the entry as a place on disk.

        Raises:
            RegistryError: A link leads it out of the repository.
        """
        place = self.root / path
        if not place.resolve().is_relative_to(self.root.resolve()):
            raise RegistryError(f"{path} is a link out of the repository; it holds plain files")
        return place

    @functools.cached_property
    def vector(self) -> SteeringVector | PalrsHubError | None:
        """The package in this repository; None for one that is on the Hub."""
        if self.entry.source.path is None:
            return None
        try:
            return SteeringVector.load(self.inside(self.entry.source.path))
        except (PackageError, RegistryError) as error:
            return error

    @functools.cached_property
    def manifest_bytes(self) -> bytes | RegistryError:
        """The manifest, of the package here or the copy of the one on the Hub."""
        folder = self.entry.source.path or self.evidence_folder
        return self._read(f"{folder}/{MANIFEST_FILE}", MAX_MANIFEST_BYTES)

    @functools.cached_property
    def manifest(self) -> Manifest | PalrsHubError:
        """What the package says of itself."""
        data = self.manifest_bytes
        try:
            return data if isinstance(data, RegistryError) else read_manifest(data)
        except PackageError as error:
            return error

    @functools.cached_property
    def facts_bytes(self) -> bytes | RegistryError:
        """The bytes of ``evidence.json``."""
        return self.read_evidence(FACTS_FILE, MAX_FACTS_BYTES)

    @functools.cached_property
    def facts(self) -> Facts | RegistryError:
        """The base model's facts, the sketches and the samples."""
        data = self.facts_bytes
        try:
            return data if isinstance(data, RegistryError) else read_facts(data)
        except RegistryError as error:
            return error

    @functools.cached_property
    def card(self) -> str | RegistryError:
        """The curator's card, Markdown."""
        data = self._read(f"{CARDS}/{self.slug}.md", MAX_CARD_BYTES)
        try:
            return data if isinstance(data, RegistryError) else data.decode("utf-8")
        except UnicodeDecodeError:
            return RegistryError(f"cards/{self.slug}.md is not UTF-8 text")

    def read_evidence(self, name: str, limit: int) -> bytes | RegistryError:
        """A file of its evidence."""
        return self._read(f"{self.evidence_folder}/{name}", limit)

    def _read(self, path: str, limit: int) -> bytes | RegistryError:
        if path in self.unwritten:
            return self.unwritten[path]
        try:
            return _read(self.inside(path), limit)
        except RegistryError as error:
            return error


@dataclass(frozen=True)
class Shelf:
    """A registry.

    Attributes:
        root: The folder that holds ``registry`` and ``cards``.
        records: Its entries, by slug.
        unreadable: The files of ``registry`` that hold no entry, and why.
    """

    root: Path
    records: tuple[Record, ...]
    unreadable: dict[str, RegistryError]


def read_shelf(root: str | os.PathLike[str], only: Iterable[str] = ()) -> Shelf:
    """Read the entries of a registry.

    Args:
        root: The folder that holds ``registry`` and ``cards``.
        only: The slugs to read; all by default.

    Raises:
        RegistryError: There is no registry, or none of a name that was asked for.
    """
    folder = Path(root) / ENTRIES
    if not folder.is_dir():
        raise RegistryError(
            f"{root} holds no folder {ENTRIES!r}. Give the registry's repository with --root."
        )
    wanted = set(only)
    records, unreadable = [], {}
    for path in sorted(folder.glob("*.yaml")):
        if wanted and path.stem not in wanted:
            continue
        try:
            records.append(Record(Path(root), path.stem, read_entry(path)))
        except RegistryError as error:
            unreadable[path.stem] = error
    known = {record.slug for record in records} | set(unreadable)
    if missing := sorted(wanted - known):
        raise RegistryError(f"There is no {ENTRIES}/{missing[0]}.yaml in {root}.")
    return Shelf(Path(root), tuple(records), unreadable)


def read_entry(path: Path) -> Entry:
    """Read one entry's file.

    Raises:
        RegistryError: It holds none; the message says why.
    """
    data = _read(path, MAX_BYTES)
    if isinstance(data, RegistryError):
        raise data
    return parse_entry(read_yaml(data))


def sha256_of(data: bytes) -> str:
    """As the entries write it."""
    return hashlib.sha256(data).hexdigest()


def _read(path: Path, limit: int) -> bytes | RegistryError:
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        return RegistryError(f"{path.parent.name}/{path.name} cannot be read: {error.strerror}")
    if len(data) > limit:
        return RegistryError(f"{path.name} has more than {limit:,} bytes")
    return data
