"""Fetch a base model's files whole: what baking a vector into them needs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from palrs_hub.hub.client import client
from palrs_hub.hub.download import Pulled
from palrs_hub.hub.failures import translated
from palrs_hub.hub.names import split_revision
from palrs_hub.hub.revisions import commit_of

# Weights in one form, and what stands beside them; no code.
_WANTED: Final = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "LICENSE*", "NOTICE*")


def fetch_checkpoint(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> Pulled:
    """Fetch a model's configuration, tokenizer and safetensors weights, all from one commit.

    Args:
        repo_id: ``org/name`` or ``org/name@revision``.
        revision: Branch, tag or commit; the default branch if not given.
        token: As huggingface_hub takes it.
        cache_dir: The cache to use instead of the default one.
        local_files_only: Use the cache alone.

    Raises:
        HubError: It cannot be had; subclasses tell why.
    """
    repo_id, revision = split_revision(repo_id, revision)
    with translated(repo_id, revision):
        commit = commit_of(
            repo_id,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        folder = client(token).snapshot_download(
            repo_id,
            revision=commit,
            cache_dir=None if cache_dir is None else os.fspath(cache_dir),
            local_files_only=local_files_only,
            allow_patterns=list(_WANTED),
            ignore_patterns=["*/*"],
        )
    return Pulled(repo_id, commit, Path(folder))
