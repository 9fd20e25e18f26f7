"""Versions: the branches, tags, open pull requests and commits of a repository."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palrs_hub.hub.client import client
from palrs_hub.hub.failures import translated
from palrs_hub.hub.names import split_revision
from palrs_hub.hub.retries import patiently

if TYPE_CHECKING:
    from huggingface_hub import GitCommitInfo

MOST_PULL_REQUESTS: Final = 100


@dataclass(frozen=True)
class Named:
    """A name for a commit: a branch or a tag."""

    name: str
    commit: str


@dataclass(frozen=True)
class PullRequest:
    """A pull request that is open.

    Attributes:
        revision: ``refs/pr/N``, to load it by.
        commit: Its newest commit, None if the Hub does not list it.
    """

    revision: str
    title: str
    author: str
    commit: str | None


@dataclass(frozen=True)
class Commit:
    """A commit: its hash, its date (ISO 8601), its first line and its authors."""

    commit: str
    date: str
    title: str
    authors: tuple[str, ...]


@dataclass(frozen=True)
class Versions:
    """All by which a repository's vector can be loaded.

    Attributes:
        commits: Of the revision that was asked for, newest first.
    """

    repo_id: str
    branches: tuple[Named, ...]
    tags: tuple[Named, ...]
    pull_requests: tuple[PullRequest, ...]
    commits: tuple[Commit, ...]


def versions(
    repo_id: str, *, revision: str | None = None, token: str | bool | None = None
) -> Versions:
    """List what revisions a repository has.

    Args:
        repo_id: ``org/name`` or ``org/name@revision``.
        revision: Where the list of commits begins; the default branch if not given.
        token: As huggingface_hub takes it.

    Raises:
        HubError: The repository cannot be seen; subclasses tell why.
    """
    repo_id, revision = split_revision(repo_id, revision)
    api = client(token)
    with translated(repo_id, revision):
        refs = patiently(lambda: api.list_repo_refs(repo_id, include_pull_requests=True))
        heads = {ref.ref: str(ref.target_commit) for ref in refs.pull_requests or ()}
        opened = patiently(
            lambda: [
                *itertools.islice(
                    api.get_repo_discussions(
                        repo_id, discussion_type="pull_request", discussion_status="open"
                    ),
                    MOST_PULL_REQUESTS,
                )
            ]
        )
        commits = api.list_repo_commits(repo_id, revision=revision)
    return Versions(
        repo_id,
        tuple(Named(ref.name, str(ref.target_commit)) for ref in refs.branches),
        tuple(Named(ref.name, str(ref.target_commit)) for ref in refs.tags),
        tuple(
            PullRequest(
                f"refs/pr/{item.num}", item.title, item.author, heads.get(f"refs/pr/{item.num}")
            )
            for item in opened
        ),
        tuple(map(_commit, commits)),
    )


def _commit(info: GitCommitInfo) -> Commit:
    return Commit(
        info.commit_id, info.created_at.isoformat(timespec="seconds"), info.title, (*info.authors,)
    )
