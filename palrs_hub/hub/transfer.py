"""Push and pull, through the real huggingface_hub client.

Only the files of a package are ever sent or fetched, by name; a pull fetches them all from one
commit. What was fetched is not trusted here: ``SteeringVector.load`` checks it.
"""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import huggingface_hub
from huggingface_hub import CommitOperationAdd
from huggingface_hub import errors as hf

from palrs_hub.card import CARD_FILE, render_card
from palrs_hub.errors import PackageError, UsageError
from palrs_hub.hub.client import client, translated
from palrs_hub.hub.names import split_revision
from palrs_hub.manifest import MANIFEST_FILE, MAX_MANIFEST_BYTES, TENSORS_FILE
from palrs_hub.model_config import CONFIG_FILES
from palrs_hub.tensors import MAX_FILE_BYTES, write_tensors
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAX_CARD_BYTES: Final = 4 * 1024 * 1024
MAX_CONFIG_BYTES: Final = 256 * 1024 * 1024

_LIMITS: Final = {
    MANIFEST_FILE: MAX_MANIFEST_BYTES,
    TENSORS_FILE: MAX_FILE_BYTES,
    CARD_FILE: MAX_CARD_BYTES,
}


@dataclass(frozen=True)
class PushResult:
    """What a push did.

    Attributes:
        repo_id: Where it went.
        commit: The commit that holds the package now.
        url: The commit's page.
        pull_request: Page of the pull request, if one was asked for.
    """

    repo_id: str
    commit: str
    url: str
    pull_request: str | None


@dataclass(frozen=True)
class Pulled:
    """Files of one repository at one commit, in the local cache."""

    repo_id: str
    commit: str
    folder: Path

    def card(self) -> str | None:
        """Text of the card, None where there is none.

        Raises:
            PackageError: It is not text.
        """
        path = self.folder / CARD_FILE
        try:
            return path.read_text(encoding="utf-8") if path.is_file() else None
        except UnicodeDecodeError as error:
            raise PackageError(f"{CARD_FILE} of {self.repo_id} is not text: {error}") from error


@dataclass(frozen=True)
class _Place:
    """Which cache, and whether it is all that may be used."""

    cache_dir: str | None
    local_files_only: bool


def push(
    package: SteeringVector | str | os.PathLike[str],
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    commit_message: str | None = None,
    token: str | bool | None = None,
) -> PushResult:
    """Send a vector to the Hub in one commit, creating the repository if need be.

    Args:
        package: A vector, or a folder that ``save_pretrained`` wrote; a card that was edited there
            is sent as it is.
        repo_id: ``org/name``.
        private: Visibility of a repository that is created; the account's default if not given.
        revision: Branch to commit to, created if need be.
        create_pr: Open a pull request instead.
        commit_message: First line of the commit.
        token: As huggingface_hub takes it.

    Raises:
        PackageError: The folder is not a package that could be loaded again.
        HubError: The Hub refused; subclasses tell why.
    """
    repo_id, revision = split_revision(repo_id, revision)
    vector, card = _package(package, repo_id)
    contents = {
        CARD_FILE: card.encode(),
        MANIFEST_FILE: vector.manifest.to_json().encode(),
        TENSORS_FILE: write_tensors(vector.arrays),
    }
    api = client(token)
    with translated(repo_id, revision):
        api.create_repo(repo_id, private=private, exist_ok=True)
        if revision and not create_pr:
            api.create_branch(repo_id, branch=revision, exist_ok=True)
        done = api.create_commit(
            repo_id,
            [CommitOperationAdd(name, data) for name, data in contents.items()],
            commit_message=commit_message or f"Upload {vector.manifest.name} with palrs-hub",
            revision=revision,
            create_pr=create_pr,
        )
    return PushResult(repo_id, done.oid, str(done.commit_url), done.pr_url)


def pull(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> Pulled:
    """Fetch a package from the Hub into the cache, every file from the same commit.

    A commit that is cached already is not asked for again.

    Args:
        repo_id: ``org/name`` or ``org/name@revision``.
        revision: Branch, tag or commit; the default branch if not given.
        token: As huggingface_hub takes it.
        cache_dir: The cache to use instead of the default one.
        local_files_only: Use the cache alone.

    Raises:
        HubError: It cannot be had; subclasses tell why.
        PackageError: It is not a package, or a file is larger than a package's may be.
    """
    return _fetch(
        repo_id,
        required={name: _LIMITS[name] for name in (MANIFEST_FILE, TENSORS_FILE)},
        optional={CARD_FILE: _LIMITS[CARD_FILE]},
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
    )


def fetch_config(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> Pulled:
    """Fetch a model's configuration and tokenizer files, no weights.

    Raises:
        HubError: They cannot be had; subclasses tell why.
    """
    config, *others = CONFIG_FILES
    return _fetch(
        repo_id,
        required={config: MAX_CONFIG_BYTES},
        optional=dict.fromkeys(others, MAX_CONFIG_BYTES),
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
    )


def _fetch(
    repo_id: str,
    *,
    required: dict[str, int],
    optional: dict[str, int],
    revision: str | None,
    token: str | bool | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
) -> Pulled:
    repo_id, revision = split_revision(repo_id, revision)
    api = client(token)
    place = _Place(None if cache_dir is None else os.fspath(cache_dir), local_files_only)
    with translated(repo_id, revision):
        resolved = api.resolve_revision(
            repo_id,
            revision=revision,
            cache_dir=place.cache_dir,
            local_files_only=place.local_files_only,
        )
        commit = str(resolved.resolved)
        paths = {
            name: _fetch_file(api, repo_id, name, commit, limit, place)
            for name, limit in required.items()
        }
        for name, limit in optional.items():
            with contextlib.suppress(hf.EntryNotFoundError):
                _fetch_file(api, repo_id, name, commit, limit, place)
    return Pulled(repo_id, commit, next(iter(paths.values())).parent)


def _fetch_file(
    api: HfApi, repo_id: str, name: str, commit: str, limit: int, place: _Place
) -> Path:
    cached = huggingface_hub.try_to_load_from_cache(
        repo_id, name, cache_dir=place.cache_dir, revision=commit
    )
    if isinstance(cached, str):
        return Path(cached)
    if not place.local_files_only:
        announced = api.hf_hub_download(
            repo_id, name, revision=commit, cache_dir=place.cache_dir, dry_run=True
        )
        if announced.file_size > limit:
            raise PackageError(
                f"{name} of {repo_id} has {announced.file_size:,} bytes; at most {limit:,} are "
                "fetched. This is not a package made by palrs-hub."
            )
    path = api.hf_hub_download(
        repo_id,
        name,
        revision=commit,
        cache_dir=place.cache_dir,
        local_files_only=place.local_files_only,
    )
    return Path(path)


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
    text = card.read_text(encoding="utf-8")
    return vector, rendered if text == render_card(vector.manifest) else text
