"""Checks of one entry against the files that lie beside it: package, evidence and base model."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Final

from palrs_hub import compatibility
from palrs_hub.compatibility import Finding, ModelFacts
from palrs_hub.errors import ModelError, RegistryError
from palrs_hub.manifest import Manifest
from palrs_hub.measured import is_divergence
from palrs_hub.model_config import facts_from_folder
from palrs_hub.registry.checks.fault import said
from palrs_hub.registry.facts import Facts, sketches_of
from palrs_hub.registry.shelf import sha256_of
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.registry.shelf import Record

_ADD_AGAIN: Final = "Write it again with `palrs-hub registry add`."
_MAX_PROBLEMS_BYTES: Final = 16 * 1024 * 1024


def slug(record: Record) -> Iterator[Finding]:
    """The slug is the name of the file."""
    if record.entry.slug != record.slug:
        yield Finding(
            "slug",
            "error",
            f"slug {record.slug!r}, as the file is called",
            repr(record.entry.slug),
            "Rename the file or correct the slug.",
        )


def package(record: Record) -> Iterator[Finding]:
    """The package here, or the manifest's copy, is whole and the one that is meant."""
    broken = next(
        (part for part in (record.vector, record.manifest) if isinstance(part, Exception)), None
    )
    if broken is not None:
        yield Finding("package", "error", "a package that can be trusted", said(broken), _ADD_AGAIN)
    elif isinstance(record.manifest, Manifest):
        found = record.manifest.tensors.sha256
        if found != record.entry.sha256:
            yield _differs("package", "sha256 of the tensors", record.entry.sha256, found)


def manifest_hash(record: Record) -> Iterator[Finding]:
    """The manifest is the one that the entry was written for."""
    data, wanted = record.manifest_bytes, record.entry.evidence.manifest
    if isinstance(data, bytes) and (found := sha256_of(data)) != wanted:
        yield _differs("manifest", "sha256 of the manifest", wanted, found)


def evidence(record: Record) -> Iterator[Finding]:
    """``evidence.json`` can be read, is the one that was submitted, and is about this vector."""
    data, facts = record.facts_bytes, record.facts
    if not isinstance(data, bytes) or not isinstance(facts, Facts):
        yield Finding("evidence", "error", "evidence.json beside it", said(facts), _ADD_AGAIN)
        return
    if (found := sha256_of(data)) != record.entry.evidence.facts:
        yield _differs("evidence", "sha256 of evidence.json", record.entry.evidence.facts, found)
    elif isinstance(record.vector, SteeringVector) and facts.directions != sketches_of(
        record.vector
    ):
        yield Finding(
            "evidence", "error", "sketches of this package's directions", "others", _ADD_AGAIN
        )


def told(record: Record) -> Iterator[Finding]:
    """What the entry says is what the manifest says."""
    manifest, entry = record.manifest, record.entry
    if not isinstance(manifest, Manifest):
        return
    base = manifest.base_model
    pairs = [
        ("name", entry.name, manifest.name),
        ("task", entry.task, manifest.task.name),
        ("method", entry.method, manifest.method.name),
        ("license", entry.license, manifest.license),
    ]
    # A package may not know where on the Hub its model is; then its configuration decides.
    if entry.base_model.repo and base.repo_id:
        pairs.append(("base_model.repo", entry.base_model.repo, base.repo_id))
    if entry.base_model.commit and base.revision:
        pairs.append(("base_model.commit", entry.base_model.commit, base.revision))
    for name, written, found in pairs:
        if written != found:
            yield Finding(
                "told",
                "error",
                f"{name} {found!r}, as the manifest has it",
                repr(written),
                "An entry repeats its manifest; correct the entry.",
            )


def base_model(record: Record) -> Iterator[Finding]:
    """The vector fits its base model, as far as the model's configuration tells."""
    try:
        facts = _base_facts(record)
    except (ModelError, RegistryError) as error:
        yield Finding(
            "base_model", "error", "the base model's config.json", said(error), _ADD_AGAIN
        )
        return
    if facts is None or not isinstance(record.manifest, Manifest):
        return
    for found in compatibility.check(record.manifest, facts):
        if found.severity != "note":
            advice = "The vector is for another model or another commit of it."
            yield Finding("base_model", "error", found.expected, found.found, advice)


def evaluations(record: Record) -> Iterator[Finding]:
    """Every evaluation has the unsteered model beside it, and one of them random directions."""
    if not isinstance(record.manifest, Manifest):
        return
    measured = record.manifest.evaluations
    if not measured:
        yield Finding(
            *("evaluations", "error", "at least one evaluation", "none"),
            "Measure one: palrs-hub eval ID --task ... --write DIR, then publish that.",
        )
        return
    for evaluation in measured:
        if "unsteered" not in evaluation.baselines and not is_divergence(evaluation):
            yield Finding(
                "evaluations",
                "error",
                f"the baseline 'unsteered' beside {evaluation.task!r} ({evaluation.metric})",
                ", ".join(evaluation.baselines) or "no baseline",
                "A number alone tells nothing: run palrs-hub eval, which runs the baselines too.",
            )
    if not any(name.startswith("random") for e in measured for name in e.baselines):
        yield Finding(
            "evaluations",
            "error",
            "random directions of the same norm as a baseline of one evaluation",
            "none",
            "Without them it is not known whether this direction matters: run palrs-hub eval.",
        )


def problems(record: Record) -> Iterator[Finding]:
    """The files to measure on again are there, and are those that were measured on."""
    if not isinstance(record.manifest, Manifest):
        return
    claimed = {e.settings.data_sha256 for e in record.manifest.evaluations if e.settings}
    for name in record.entry.evidence.problems:
        data = record.read_evidence(name, _MAX_PROBLEMS_BYTES)
        if not isinstance(data, bytes):
            yield Finding("problems", "error", f"the file {name}", said(data), _ADD_AGAIN)
        elif sha256_of(data) not in claimed:
            yield Finding(
                "problems",
                "error",
                "a file that an evaluation of the manifest was measured on",
                f"{name} with another hash than any of them states",
                "Give the very same file.",
            )


def verdict(record: Record) -> Iterator[Finding]:
    """The verdict is not from tomorrow."""
    given = record.entry.curator.date
    # A day for those who are ahead of this machine's time zone.
    if given > datetime.datetime.now(datetime.UTC).date() + datetime.timedelta(days=1):
        yield Finding("verdict", "error", "a date of the past", str(given), "Correct the date.")


def _base_facts(record: Record) -> ModelFacts | None:
    place = record.entry.base_model
    if place.path is not None:
        return facts_from_folder(record.inside(place.path), name=place.path)
    if not isinstance(record.facts, Facts):
        return None
    return record.facts.base.as_facts()


def _differs(check: str, what: str, said: str, found: str) -> Finding:
    return Finding(
        check,
        "error",
        f"{what} {_short(said)}",
        _short(found),
        f"It was altered, or another version is meant. {_ADD_AGAIN}",
    )


def _short(sha256: str) -> str:
    return re.sub(r"^(.{16}).*$", r"\1...", sha256)
