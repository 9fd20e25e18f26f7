"""A new entry with its card, filled from a package: checked as a whole, then written as a whole."""

from __future__ import annotations

import contextlib
import datetime
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import yaml
from pydantic import ValidationError

from palrs_hub.card import markdown_environment
from palrs_hub.errors import RegistryError
from palrs_hub.hub import config_facts, pull
from palrs_hub.manifest import MANIFEST_FILE
from palrs_hub.registry.checks import ENTRY_CHECKS, SHELF_CHECKS, Fault
from palrs_hub.registry.entry import Curator, Entry, Evidence, Place, explained
from palrs_hub.registry.facts import facts_of
from palrs_hub.registry.index import side_effect_of
from palrs_hub.registry.shelf import (
    CARDS,
    ENTRIES,
    EVIDENCE,
    FACTS_FILE,
    Record,
    Shelf,
    read_shelf,
    sha256_of,
)
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from palrs_hub.compatibility import ModelFacts
    from palrs_hub.manifest import Manifest
    from palrs_hub.registry.facts import Sample

SUBMITTED: Final = "Submitted with the evidence of its author; no curator has looked at it yet."
_HEAD: Final = "# yaml-language-server: $schema=schema.json\n"


@dataclass(frozen=True)
class Wanted:
    """What a submitter says beside the package.

    Attributes:
        slug: The entry's name; by default the package's.
        base_model: ``org/name@commit``, or a folder of the registry's repository; by default what
            the manifest records.
        tags: Words to find it by.
        samples: Text without and with the vector.
        problems: Files that were measured on, to keep beside it for ``--rerun``.
        curator: The verdict; by default ``unreviewed``, of today.
    """

    slug: str | None = None
    base_model: str | None = None
    tags: Sequence[str] = ()
    samples: Sequence[Sample] = ()
    problems: Sequence[Path] = ()
    curator: Curator | None = None


def draft(
    root: Path,
    vector_id: str,
    wanted: Wanted | None = None,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
) -> Record:
    """Make an entry of a package, without writing anything.

    Args:
        root: The registry's repository.
        vector_id: ``org/name``, ``org/name@revision``, or a folder inside ``root``.
        wanted: What the package does not say.
        revision: Branch, tag or commit.
        token: As huggingface_hub takes it.

    Raises:
        RegistryError: The package lacks what an entry needs.
        HubError: Package or base model cannot be had.
        PackageError: It is not a package that can be trusted.
    """
    wanted = wanted or Wanted()
    folder, source = _package(root, vector_id, revision, token)
    vector = SteeringVector.load(folder)
    manifest = vector.manifest
    base, facts = _base_model(root, manifest, wanted.base_model, token)
    kept = facts_of(vector, facts, wanted.samples).to_json().encode()
    problems = {path.name: path.read_bytes() for path in wanted.problems}
    manifest_bytes = (folder / MANIFEST_FILE).read_bytes()
    hashes = {"manifest": sha256_of(manifest_bytes), "facts": sha256_of(kept)}
    entry = _entry(manifest, source, base, {**hashes, "problems": tuple(problems)}, wanted)
    slug = entry.slug
    files = {
        f"{EVIDENCE}/{slug}/{FACTS_FILE}": kept,
        **{f"{EVIDENCE}/{slug}/{name}": data for name, data in problems.items()},
        f"{CARDS}/{slug}.md": render_curators_card(entry, manifest).encode(),
    }
    if source.path is None:
        files[f"{EVIDENCE}/{slug}/{MANIFEST_FILE}"] = manifest_bytes
    # The entry comes last: without it, the rest is nobody's.
    files[f"{ENTRIES}/{slug}.yaml"] = to_yaml(entry).encode()
    return Record(root, slug, entry, files)


def _entry(
    manifest: Manifest, source: Place, base: Place, evidence: dict[str, Any], wanted: Wanted
) -> Entry:
    slug = wanted.slug or slug_of((source.repo or str(source.path)).rpartition("/")[2])
    try:
        return Entry(
            slug=slug,
            name=manifest.name,
            source=source,
            sha256=manifest.tensors.sha256,
            base_model=base,
            task=manifest.task.name,
            method=manifest.method.name,
            license=manifest.license,
            tags=tuple(wanted.tags),
            curator=wanted.curator or _unreviewed(),
            evidence=Evidence(**evidence),
        )
    except ValidationError as error:
        raise RegistryError(f"No entry can be made of this: {explained(error)}") from error


def faults_of(record: Record) -> tuple[Fault, ...]:
    """What speaks against a draft, by itself and beside the entries that are there."""
    found = [
        Fault(record.slug, finding) for run in ENTRY_CHECKS.values() for finding in run(record)
    ]
    shelf = read_shelf(record.root)
    others = tuple(other for other in shelf.records if other.slug != record.slug)
    without, beside = Shelf(shelf.root, others, {}), Shelf(shelf.root, (*others, record), {})
    for check in SHELF_CHECKS.values():
        # Of two entries that are alike it may be the other one that is blamed.
        known = set(check(without))
        found += [fault for fault in check(beside) if fault not in known]
    return tuple(found)


def write(record: Record, *, over: bool = False) -> tuple[Path, ...]:
    """Write a draft's files: all of them, or none.

    Args:
        record: The draft.
        over: Replace an entry of the same slug, but keep a card that is there.

    Raises:
        RegistryError: There is such an entry already, or the files cannot be written.
    """
    card = f"{CARDS}/{record.slug}.md"
    files = {record.root / name: data for name, data in record.unwritten.items()}
    there = [path for path in files if path.exists()]
    if there and not over:
        raise RegistryError(
            f"{there[0].relative_to(record.root)} is there already. Choose another --slug, or "
            "replace the entry with --replace, which keeps the card."
        )
    if (record.root / card).exists():
        del files[record.root / card]
    try:
        _write_all(files)
    except OSError as error:
        raise RegistryError(f"Nothing was written: {error}. Free some space.") from error
    return tuple(files)


def slug_of(name: str) -> str:
    """A name as a slug."""
    return re.sub(r"[^a-z0-9.]+", "-", name.lower()).strip("-.")[:64].strip("-.")


def to_yaml(entry: Entry) -> str:
    """The text of an entry's file."""
    data = entry.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    return _HEAD + yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def render_curators_card(entry: Entry, manifest: Manifest) -> str:
    """A card to begin with: what the package says, under the headings that a card must have."""
    body = markdown_environment().get_template("curators_card.md.jinja")
    return body.render(entry=entry, manifest=manifest, side_effect=side_effect_of(manifest))


def _package(
    root: Path, vector_id: str, revision: str | None, token: str | bool | None
) -> tuple[Path, Place]:
    if os.path.isdir(vector_id):
        return Path(vector_id), Place(path=_inside(root, vector_id, "Push the vector to the Hub"))
    pulled = pull(vector_id, revision=revision, token=token)
    return pulled.folder, Place(repo=pulled.repo_id, commit=pulled.commit)


def _base_model(
    root: Path, manifest: Manifest, given: str | None, token: str | bool | None
) -> tuple[Place, ModelFacts]:
    recorded = manifest.base_model
    if given is not None and os.path.isdir(given):
        path = _inside(root, given, "Name a model on the Hub")
        # Where the repository lies on this machine is nobody's business.
        return Place(path=path), replace(config_facts(root / path), name=path)
    name = given or (recorded.repo_id and f"{recorded.repo_id}@{recorded.revision or 'main'}")
    if name is None:
        raise RegistryError(
            f"{manifest.name!r} was made from a model in a folder. Give the model that it fits: "
            "--base-model ORG/NAME@COMMIT."
        )
    facts = config_facts(name, token=token)
    return Place(repo=facts.repo_id, commit=facts.revision), facts


def _inside(root: Path, folder: str, otherwise: str) -> str:
    path, base = Path(folder).resolve(), root.resolve()
    if not path.is_relative_to(base):
        raise RegistryError(f"{folder} is not inside {root}. {otherwise}, or move it there.")
    return path.relative_to(base).as_posix()


def _unreviewed() -> Curator:
    today = datetime.datetime.now(datetime.UTC).date()
    return Curator(verdict="unreviewed", date=today, reason=SUBMITTED)


def _write_all(files: Mapping[Path, bytes]) -> None:
    """None moves to its place before all are written; what was new is taken back on a failure."""
    written: dict[Path, Path] = {}
    moved: list[Path] = []
    try:
        for path, data in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f".{path.name}.{os.getpid()}")
            written[path] = temporary
            temporary.write_bytes(data)
        for path, temporary in written.items():
            is_new = not path.exists()
            os.replace(temporary, path)
            if is_new:
                moved.append(path)
    except BaseException:
        for path in (*written.values(), *moved):
            with contextlib.suppress(OSError):
                path.unlink()
        for path in files:
            with contextlib.suppress(OSError):
                path.parent.rmdir()  # only if nothing is in it
        raise
