"""Which commit a name means now."""

from __future__ import annotations

import os

from palrs_hub.hub.client import client
from palrs_hub.hub.failures import translated
from palrs_hub.hub.names import split_revision
from palrs_hub.hub.retries import patiently


def commit_of(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> str:
    """The commit of a repository's branch or tag; a commit is returned as it is, unasked.

    Args:
        repo_id: ``org/name`` or ``org/name@revision``.
        revision: Branch, tag or commit; the default branch if not given.
        token: As huggingface_hub takes it.
        cache_dir: The cache to use instead of the default one.
        local_files_only: Use what the cache knows alone.

    Raises:
        HubError: It cannot be told; subclasses tell why.
    """
    name, wanted = split_revision(repo_id, revision)
    api = client(token)
    with translated(name, wanted):
        resolved = patiently(
            lambda: api.resolve_revision(
                name,
                revision=wanted,
                cache_dir=None if cache_dir is None else os.fspath(cache_dir),
                local_files_only=local_files_only,
            )
        )
    return str(resolved.resolved)
