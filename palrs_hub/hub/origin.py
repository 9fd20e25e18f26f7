"""Where a local copy came from: the commit that a push may safely replace.

A folder remembers it in a small hidden file beside the package, which is never sent; a vector that
was loaded from the Hub names it in its ``source``.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palrs_hub.hub.client import endpoint
from palrs_hub.vector import SteeringVector
from palrs_hub.whole_file import write_whole

ORIGIN_FILE: Final = ".palrs-hub.json"
_LARGEST: Final = 4096


@dataclass(frozen=True)
class Origin:
    """The repository and the commit that a local copy was last the same as."""

    repo_id: str
    commit: str


def origin_of(package: SteeringVector | str | os.PathLike[str]) -> Origin | None:
    """Where a vector or a folder came from, None where that is not known."""
    if not isinstance(package, SteeringVector):
        return read_origin(Path(package))
    source = package.source or ""
    if os.path.isdir(source):
        return read_origin(Path(source))
    repo_id, _, commit = source.partition("@")
    return Origin(repo_id, commit) if commit else None


def read_origin(folder: Path) -> Origin | None:
    """What a folder remembers of the Hub in use; what cannot be read counts as not known."""
    try:
        with (folder / ORIGIN_FILE).open("rb") as file:
            facts = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(facts, dict) or facts.get("endpoint") != endpoint():
        return None
    repo_id, commit = facts.get("repo_id"), facts.get("commit")
    if not (isinstance(repo_id, str) and isinstance(commit, str)):
        return None
    return Origin(repo_id, commit)


def write_origin(folder: Path, origin: Origin) -> None:
    """Let a folder remember where its package is on the Hub in use."""
    facts = {"endpoint": endpoint(), "repo_id": origin.repo_id, "commit": origin.commit}
    write_whole(folder / ORIGIN_FILE, json.dumps(facts, indent=2) + "\n")
