"""What a repository holds now, at the place that a push is for."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from huggingface_hub import errors as hf
from huggingface_hub.hf_api import RepoFile

from palrs_hub.errors import NotOnHubError, UsageError
from palrs_hub.hub.cache import git_sha1
from palrs_hub.hub.retries import patiently

if TYPE_CHECKING:
    from collections.abc import Mapping

    from huggingface_hub import GitRefs, HfApi

MAIN: Final = "main"
PULL_REQUESTS: Final = "refs/pr/"

_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class Remote:
    """One look at a repository.

    Attributes:
        exists: Whether it is there and this token may see it.
        head: The commit that a push would be made on.
        ref_exists: Whether the branch that was asked for is there; if not, ``head`` is main's.
        tags: The commit of each tag.
        pull_requests: Pull requests, as revisions, with their commits.
        files: Hash of each file at its root, as the Hub tells it.
    """

    exists: bool
    private: bool | None = None
    head: str | None = None
    ref_exists: bool = False
    tags: Mapping[str, str] = field(default_factory=dict)
    pull_requests: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)

    def holds(self, path: str, data: bytes) -> bool:
        """Whether a file there has this content already."""
        return is_same(self.files, path, data)


def look(api: HfApi, repo_id: str, revision: str | None) -> Remote:
    """Look at a repository without changing anything.

    Args:
        api: The client.
        repo_id: ``org/name``.
        revision: A branch, there or not, or a pull request's ``refs/pr/N``; main if None.

    Raises:
        UsageError: The revision is a tag or a commit, which nothing can be pushed to.
        NotOnHubError: The repository was renamed, or has no such pull request.
    """
    try:
        info = patiently(lambda: api.model_info(repo_id))
    except hf.GatedRepoError:
        raise
    except hf.RepositoryNotFoundError:
        return Remote(exists=False)
    if info.id.lower() != repo_id.lower():
        raise NotOnHubError(f"{repo_id} was renamed to {info.id}: use that name.")
    refs = patiently(lambda: api.list_repo_refs(repo_id, include_pull_requests=True))
    target = _target(refs, repo_id, revision)
    head = target or info.sha
    return Remote(
        exists=True,
        private=info.private,
        head=head,
        ref_exists=target is not None,
        tags={ref.name: ref.target_commit for ref in refs.tags},
        pull_requests={ref.ref: ref.target_commit for ref in refs.pull_requests or ()},
        files={} if head is None else files_at(api, repo_id, head),
    )


def files_at(api: HfApi, repo_id: str, commit: str) -> dict[str, str]:
    """The hash of each file at a commit's root: sha256 of large ones, git's own of small ones."""
    tree = api.list_repo_tree(repo_id, revision=commit)
    return {
        item.path: item.lfs.sha256 if item.lfs else item.blob_id
        for item in tree
        if isinstance(item, RepoFile)
    }


def is_same(files: Mapping[str, str], path: str, data: bytes) -> bool:
    """Whether a file, among the hashes that ``files_at`` returned, has this content."""
    return files.get(path) in (hashlib.sha256(data).hexdigest(), git_sha1(data))


def _target(refs: GitRefs, repo_id: str, revision: str | None) -> str | None:
    name = revision or MAIN
    if name.startswith(PULL_REQUESTS):
        found = {ref.ref: ref.target_commit for ref in refs.pull_requests or ()}
        if name not in found:
            raise NotOnHubError(f"{repo_id} has no pull request {name}. Make one with --create-pr.")
        return str(found[name])
    branches = {ref.name: str(ref.target_commit) for ref in refs.branches}
    if name not in branches and (
        name in {ref.name for ref in refs.tags} or _COMMIT.fullmatch(name)
    ):
        raise UsageError(
            f"{name!r} of {repo_id} is a tag or a commit, which never changes. Push to a branch, "
            "and put a new tag on it with --tag."
        )
    return branches.get(name)
