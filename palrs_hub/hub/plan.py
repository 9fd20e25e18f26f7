"""What a push would do, found out without changing anything."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from huggingface_hub import errors as hf

from palrs_hub.card import CARD_FILE, render_card
from palrs_hub.errors import NotOnHubError, PackageError, PalrsHubError, UsageError
from palrs_hub.hub.download import fetch_manifest
from palrs_hub.hub.origin import Origin, origin_of
from palrs_hub.hub.remote import MAIN, PULL_REQUESTS, Remote, files_at, look
from palrs_hub.manifest import MANIFEST_FILE, TENSORS_FILE, read_manifest
from palrs_hub.package_files import SIGNATURE_FILE
from palrs_hub.tensors import write_tensors
from palrs_hub.vector import SteeringVector, pictures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from huggingface_hub import HfApi

Change = Literal["new", "changed", "same"]


@dataclass(frozen=True)
class PlannedFile:
    """One file of a push, and whether the Hub has it already."""

    path: str
    size: int
    change: Change


@dataclass(frozen=True)
class PushPlan:
    """What a push would do.

    Attributes:
        repo_id: Where it goes.
        revision: The branch or pull request that it goes to; None for the default branch.
        create_pr: Whether it opens a pull request.
        tag: The tag that it puts on the commit.
        private: Visibility that a new repository would get, that which an old one has; None for
            the account's default.
        files: What would be sent.
        replaces: What would be replaced, by a pull request once merged, in words; None if nothing.
        refusal: Why it is refused unless it is forced; None if it is not.
        name: The vector's name.
        card: Text of the card.
    """

    repo_id: str
    revision: str | None
    create_pr: bool
    tag: str | None
    private: bool | None
    files: tuple[PlannedFile, ...]
    replaces: str | None
    refusal: str | None
    name: str
    card: str
    remote: Remote = field(repr=False)
    contents: Mapping[str, bytes] = field(repr=False)

    @property
    def changes_nothing(self) -> bool:
        """Whether the Hub has every file as it is here."""
        return all(file.change == "same" for file in self.files)


@dataclass(frozen=True)
class Destination:
    """Where a push goes, as the caller asked.

    Attributes:
        repo_id: ``org/name``.
        revision: A branch or ``refs/pr/N``; None for the default branch.
        private: Visibility of a repository that is made.
        create_pr: Open a pull request.
        tag: Tag to put on the commit.
    """

    repo_id: str
    revision: str | None = None
    private: bool | None = None
    create_pr: bool = False
    tag: str | None = None


def make_plan(
    api: HfApi, package: SteeringVector | str | os.PathLike[str], destination: Destination
) -> PushPlan:
    """Check a package, look at where it is to go and compare.

    Raises:
        PackageError: The folder is not a package that could be loaded again.
        UsageError: What was asked for contradicts itself or the repository as it is.
    """
    vector, card = _package(package, destination.repo_id)
    contents = {
        CARD_FILE: card.encode(),
        **pictures(vector.manifest),
        MANIFEST_FILE: vector.manifest.to_json().encode(),
        TENSORS_FILE: write_tensors(vector.arrays),
        **({} if vector.signature is None else {SIGNATURE_FILE: vector.signature}),
    }
    remote = look(api, destination.repo_id, destination.revision)
    _check(destination, remote)
    changes = {path: _change(remote, path, data) for path, data in contents.items()}
    _check_tag(destination, remote, moves=set(changes.values()) != {"same"})
    overwrites = remote.ref_exists and "changed" in changes.values()
    replaces = _replaced(api, destination, remote, changes) if overwrites else None
    refusal = None
    if replaces and not destination.create_pr:
        refusal = _refusal(api, destination, remote, origin_of(package), replaces)
    return PushPlan(
        repo_id=destination.repo_id,
        revision=destination.revision,
        create_pr=destination.create_pr,
        tag=destination.tag,
        private=remote.private if remote.exists else destination.private,
        files=tuple(PlannedFile(p, len(contents[p]), change) for p, change in changes.items()),
        replaces=replaces,
        refusal=refusal,
        name=vector.manifest.name,
        card=card,
        remote=remote,
        contents=contents,
    )


def _package(
    package: SteeringVector | str | os.PathLike[str], repo_id: str
) -> tuple[SteeringVector, str]:
    if isinstance(package, SteeringVector):
        return package, render_card(package.manifest, repo_id=repo_id)
    folder = Path(package)
    if not folder.is_dir():
        raise UsageError(
            f"There is no folder {folder}. Make one with `palrs-hub extract ... --output {folder}`."
        )
    vector = SteeringVector.load(folder)
    rendered = render_card(vector.manifest, repo_id=repo_id)
    card = folder / CARD_FILE
    if not card.is_file():
        return vector, rendered
    try:
        text = card.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PackageError(f"Cannot read {card}: {error}") from error
    return vector, rendered if text == render_card(vector.manifest) else text


def _check(destination: Destination, remote: Remote) -> None:
    repo_id, tag = destination.repo_id, destination.tag
    if destination.create_pr and tag:
        raise UsageError("A pull request cannot be tagged: tag the commit once it is merged.")
    if destination.create_pr and not remote.exists:
        raise NotOnHubError(
            f"There is no repository {repo_id} to open a pull request in, or this token may not "
            "see it. Check the name, or push without --create-pr to make it."
        )
    if destination.create_pr and destination.revision and not remote.ref_exists:
        raise NotOnHubError(f"{repo_id} has no branch {destination.revision!r} to propose to.")
    if destination.create_pr and (destination.revision or "").startswith(PULL_REQUESTS):
        raise UsageError(
            f"{destination.revision} is a pull request: push to it without --create-pr, or open "
            "another one against a branch."
        )
    if remote.exists and destination.private not in (None, remote.private):
        asked, found = ("private", "public") if destination.private else ("public", "private")
        raise UsageError(
            f"{repo_id} is there already and is {found}, not {asked}. Nothing was sent. Change its "
            "visibility in its settings on the Hub, or push without that option."
        )


def _check_tag(destination: Destination, remote: Remote, *, moves: bool) -> None:
    tagged = remote.tags.get(destination.tag or "")
    if tagged is not None and (moves or tagged != remote.head):
        raise UsageError(
            f"{destination.repo_id} has a tag {destination.tag!r} already, on commit {tagged}. A "
            "tag is what others have pinned: choose another name. Nothing was sent."
        )


def _change(remote: Remote, path: str, data: bytes) -> Change:
    if path not in remote.files:
        return "new"
    return "same" if remote.holds(path, data) else "changed"


def _replaced(
    api: HfApi, destination: Destination, remote: Remote, changes: Mapping[str, Change]
) -> str:
    """What the push replaces, in words."""
    files = ", ".join(path for path, change in changes.items() if change == "changed")
    at = f"commit {remote.head}"
    if MANIFEST_FILE not in remote.files:
        return f"{files} of {at}, which is no vector of palrs-hub"
    try:
        found = fetch_manifest(destination.repo_id, revision=remote.head, token=api.token)
        manifest = read_manifest((found.folder / MANIFEST_FILE).read_bytes())
    except PalrsHubError:
        return f"{files} of {at}, which no palrs-hub of this version can read"
    return f"the vector {manifest.name!r} of {at} ({files})"


def _refusal(
    api: HfApi, destination: Destination, remote: Remote, origin: Origin | None, replaced: str
) -> str | None:
    """Why what is there must not be replaced without being told to; None if it may."""
    repo_id, branch = destination.repo_id, destination.revision or MAIN
    if origin is None or origin.repo_id.lower() != repo_id.lower():
        return (
            f"{repo_id} ({branch}) holds {replaced}, and this vector was not made from it. Choose "
            "another name, another --revision or --create-pr, or replace it with --force."
        )
    if origin.commit == remote.head:
        return None
    newer = _changed_since(api, repo_id, origin.commit, remote)
    if not newer:
        return None
    return (
        f"{repo_id} ({branch}) is at commit {remote.head}, newer than {origin.commit}, which this "
        f"copy came from; {newer} Look with `palrs-hub diff "
        f"{repo_id}@{origin.commit} {repo_id}@{branch}` and pull it again, or use --create-pr; "
        f"--force would replace {replaced}."
    )


def _changed_since(api: HfApi, repo_id: str, commit: str, remote: Remote) -> str | None:
    """Which files of a package changed since a commit; files of others do not matter."""
    try:
        before = files_at(api, repo_id, commit)
    except (hf.RevisionNotFoundError, hf.EntryNotFoundError):
        return "that commit is not there any more."
    package = (CARD_FILE, MANIFEST_FILE, TENSORS_FILE, SIGNATURE_FILE)
    changed = [path for path in package if before.get(path) != remote.files.get(path)]
    return f"since then changed: {', '.join(changed)}." if changed else None
