"""Checks of one entry against the Hub: what it pins is there, and is still what it was."""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING, Final

from palrs_hub.compatibility import Finding
from palrs_hub.errors import HubUnreachableError, PackageError, PalrsHubError
from palrs_hub.hub import config_facts, pull
from palrs_hub.hub.revisions import commit_of
from palrs_hub.manifest import MANIFEST_FILE
from palrs_hub.registry.checks.fault import said
from palrs_hub.registry.facts import BaseFacts, Facts, sketches_of
from palrs_hub.registry.shelf import sha256_of
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.compatibility import ModelFacts
    from palrs_hub.registry.shelf import Record

_WITHDRAW: Final = "Withdraw the entry, or pin a commit that holds a sound package."
_CHANGED: Final = "The registry's copy is wrong: write the entry again from the Hub."


def pinned(record: Record) -> Iterator[Finding]:
    """The package is on the Hub at that commit, and is byte for byte what the entry says."""
    source = record.entry.source
    if source.repo is None or source.commit is None:
        return
    try:
        pulled = pull(source.repo, revision=source.commit)
        vector = SteeringVector.load(pulled.folder)
        manifest = sha256_of((pulled.folder / MANIFEST_FILE).read_bytes())
    except PackageError as error:
        yield Finding("pinned", "error", "a package that can be trusted", said(error), _WITHDRAW)
        return
    except PalrsHubError as error:
        yield _absent("pinned", str(source), error)
        return
    found = vector.manifest.tensors.sha256
    if found != record.entry.sha256:
        yield Finding("pinned", "error", f"tensors {record.entry.sha256}", found, _CHANGED)
    elif manifest != record.entry.evidence.manifest:
        wanted = record.entry.evidence.manifest
        yield Finding("pinned", "error", f"a manifest {wanted}", manifest, _CHANGED)
    elif isinstance(record.facts, Facts) and record.facts.directions != sketches_of(vector):
        yield Finding("pinned", "error", "sketches of its directions", "others", _CHANGED)


def newest(record: Record) -> Iterator[Finding]:
    """Whether there is a newer commit than the one that was judged."""
    source = record.entry.source
    if source.repo is None:
        return
    # What is not there at all was told by ``pinned``.
    with contextlib.suppress(PalrsHubError):
        pull(source.repo, revision=source.commit)
        if (head := commit_of(source.repo)) != source.commit:
            yield Finding(
                "newest",
                "note",
                f"commit {source.commit} to be the newest",
                head,
                "The verdict is on the older one; look at what changed: palrs-hub diff.",
            )


def base_online(record: Record) -> Iterator[Finding]:
    """The base model is on the Hub at that commit, with the configuration that was recorded."""
    base = record.entry.base_model
    if base.repo is None or not isinstance(record.facts, Facts):
        return
    try:
        found = BaseFacts.of(_config_facts(base.repo, str(base.commit)))
    except PalrsHubError as error:
        yield _absent("base_online", str(base), error)
        return
    if found != record.facts.base:
        there, kept = found.model_dump(), record.facts.base.model_dump()
        differing = ", ".join(name for name, value in there.items() if kept[name] != value)
        yield Finding(
            "base_online", "error", "the recorded configuration", f"another {differing}", _CHANGED
        )


@functools.lru_cache(maxsize=64)
def _config_facts(repo: str, commit: str) -> ModelFacts:
    return config_facts(f"{repo}@{commit}")


def _absent(check: str, place: str, error: PalrsHubError) -> Finding:
    advice = "Pin a commit that is there, or withdraw the entry."
    if isinstance(error, HubUnreachableError):
        advice = "Try again when the Hub answers."
    return Finding(check, "error", f"{place} on the Hub", said(error), advice)
