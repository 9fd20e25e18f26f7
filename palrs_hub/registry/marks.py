"""What the curated index says of a vector: a mark beside it, or a warning before it is used.

The index is the copy that comes with palrs-hub, or what ``PALRS_HUB_REGISTRY`` names: a file, a
folder, an address, or ``spaces/org/name``. One that cannot be used is told of once; it never keeps
a vector from being loaded.
"""

from __future__ import annotations

import functools
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.errors import PalrsHubError, RegistryError
from palrs_hub.registry.entry import WARNED_OF
from palrs_hub.registry.index import INDEX_FILE, Index, IndexEntry, read_index

if TYPE_CHECKING:
    from palrs_hub.vector import SteeringVector

VARIABLE: Final = "PALRS_HUB_REGISTRY"
_PACKAGED: Final = Path(__file__).with_name(INDEX_FILE)


class CuratorWarning(UserWarning):
    """The curated registry withdrew or superseded this vector, or cannot be read."""


@dataclass(frozen=True)
class Mark:
    """What the registry says of a vector.

    Attributes:
        entry: The registry's entry.
        exact: Whether the very tensors that were judged are meant, not others of the same
            repository.
    """

    entry: IndexEntry
    exact: bool

    def __str__(self) -> str:
        told = f"{self.entry.verdict} ({self.entry.date})"
        return told if self.exact else f"{told}, of another commit"

    def as_json(self) -> dict[str, Any]:
        """The facts for machines."""
        known = ("slug", "verdict", "date", "reason", "superseded_by", "commit")
        return {**{name: getattr(self.entry, name) for name in known}, "exact": self.exact}


def mark_of(vector: SteeringVector, *, offline: bool = False) -> Mark | None:
    """What the registry says of a vector: by its tensors, wherever they come from, or its name."""
    repo_id, at, _ = (vector.source or "").partition("@")
    by_content, by_repo = _places(_location(), offline)
    if (entry := by_content.get(vector.manifest.tensors.sha256)) is not None:
        return Mark(entry, exact=True)
    entry = by_repo.get(repo_id.lower()) if at else None
    return None if entry is None else Mark(entry, exact=False)


def marks_by_repo(commits: dict[str, str | None]) -> dict[str, Mark]:
    """What the registry says of repositories, by what their listing names as their commits.

    Args:
        commits: ``org/name`` -> commit.
    """
    _, by_repo = _places(_location(), False)
    found = {name: by_repo.get(name.lower()) for name in commits}
    return {
        name: Mark(entry, exact=entry.commit == commits[name])
        for name, entry in found.items()
        if entry is not None
    }


def warn_of(vector: SteeringVector, *, offline: bool = False) -> None:
    """Warn of a vector that was withdrawn or superseded, with the curator's reason."""
    mark = mark_of(vector, offline=offline)
    if mark is None or not mark.exact or mark.entry.verdict not in WARNED_OF:
        return
    entry = mark.entry
    instead = f" Use {entry.superseded_by} instead." if entry.superseded_by else ""
    warnings.warn(
        f"{entry.name!r} was {entry.verdict} by the registry on {entry.date}: "
        f"{entry.reason}{instead}",
        CuratorWarning,
        stacklevel=3,
    )


def _location() -> str:
    return os.environ.get(VARIABLE) or str(_PACKAGED)


@functools.cache
def _places(location: str, offline: bool) -> tuple[dict[str, IndexEntry], dict[str, IndexEntry]]:
    """The index's entries by sha256 and by repository; none if it cannot be used."""
    try:
        entries = load_index(location, offline=offline).entries
    except PalrsHubError as error:
        warnings.warn(
            f"The curated registry at {location} cannot be used, so no vector is marked and none "
            f"is warned of: {error} Correct or unset {VARIABLE}.",
            CuratorWarning,
            stacklevel=2,
        )
        entries = ()
    # The better verdict comes first in an index, and must not hide a warning.
    worst_last = {entry.sha256: entry for entry in entries}
    return worst_last, {entry.repo.lower(): entry for entry in entries if entry.repo}


def load_index(location: str, *, offline: bool = False) -> Index:
    """Read an index from where it is.

    Args:
        location: A file, a folder with an ``index.json``, an address, or ``spaces/org/name``.
        offline: Ask no server, use what was fetched before.

    Raises:
        RegistryError: It is not valid.
        HubError: It cannot be had.
    """
    if location.startswith(("https://", "http://", "spaces/")):
        from palrs_hub.hub.index_file import fetch_index

        return read_index(fetch_index(location, offline=offline))
    path = Path(location)
    try:
        return read_index((path / INDEX_FILE if path.is_dir() else path).read_bytes())
    except OSError as error:
        raise RegistryError(f"{path} cannot be read: {error.strerror}.") from error
