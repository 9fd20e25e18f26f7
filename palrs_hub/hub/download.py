"""Pull: the files of a package come by name, all from one commit, and are checked on arrival.

What was fetched is not trusted here: ``SteeringVector.load`` checks what it says.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import huggingface_hub
from huggingface_hub import errors as hf

from palrs_hub.card import CARD_FILE
from palrs_hub.errors import HubError, NotOnHubError, PackageError
from palrs_hub.hub import cache
from palrs_hub.hub.client import client, endpoint
from palrs_hub.hub.failures import translated
from palrs_hub.hub.names import split_revision
from palrs_hub.hub.origin import Origin, write_origin
from palrs_hub.hub.revisions import commit_of
from palrs_hub.manifest import MANIFEST_FILE, MAX_MANIFEST_BYTES, TENSORS_FILE
from palrs_hub.model_config import CONFIG_FILES
from palrs_hub.package_files import MAX_SIGNATURE_BYTES, SIGNATURE_FILE
from palrs_hub.tensors import MAX_FILE_BYTES
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from huggingface_hub import HfApi

MAX_CARD_BYTES: Final = 4 * 1024 * 1024
MAX_CONFIG_BYTES: Final = 256 * 1024 * 1024

_LIMITS: Final = {
    MANIFEST_FILE: MAX_MANIFEST_BYTES,
    TENSORS_FILE: MAX_FILE_BYTES,
    CARD_FILE: MAX_CARD_BYTES,
    SIGNATURE_FILE: MAX_SIGNATURE_BYTES,
}


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

    def copy_to(self, folder: str | os.PathLike[str]) -> Path:
        """Copy the package, once it is verified, to a folder that remembers where it came from.

        Raises:
            PackageError: It is not a vector that can be trusted, or the folder cannot be written.
        """
        vector = SteeringVector.load(self.folder)
        path = vector.save_pretrained(folder, card=self.card())
        try:
            write_origin(path, Origin(self.repo_id, self.commit))
        except OSError as error:
            raise PackageError(f"Cannot write to {path}: {error}. Free some space.") from error
        return path


@dataclass(frozen=True)
class _Source:
    """One commit of one repository, and by which way it may be had."""

    api: HfApi
    repo_id: str
    commit: str
    cache_dir: str | None
    local_files_only: bool

    @property
    def asks_nobody(self) -> bool:
        return self.local_files_only or huggingface_hub.is_offline_mode()


def pull(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> Pulled:
    """Fetch a package from the Hub into the cache, every file from the same commit.

    A commit that is cached already is not asked for again. A cached file that was damaged is
    fetched once more.

    Args:
        repo_id: ``org/name`` or ``org/name@revision``.
        revision: Branch, tag, ``refs/pr/N`` or commit; the default branch if not given.
        token: As huggingface_hub takes it.
        cache_dir: The cache to use instead of the default one.
        local_files_only: Use the cache alone.

    Raises:
        HubError: It cannot be had; subclasses tell why.
        PackageError: It is not a package, or a file is larger than a package's may be.
    """
    return _fetch(
        repo_id,
        required=(MANIFEST_FILE, TENSORS_FILE),
        optional=(CARD_FILE, SIGNATURE_FILE),
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
    )


def fetch_manifest(
    repo_id: str,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> Pulled:
    """Fetch a package's manifest alone, to see what it is; its tensors remain unverified.

    Raises:
        HubError: It cannot be had; subclasses tell why.
    """
    return _fetch(
        repo_id,
        required=(MANIFEST_FILE,),
        optional=(),
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
    return _fetch(
        repo_id,
        required=CONFIG_FILES[:1],
        optional=CONFIG_FILES[1:],
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
    )


def _fetch(
    repo_id: str,
    *,
    required: tuple[str, ...],
    optional: tuple[str, ...],
    revision: str | None,
    token: str | bool | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
) -> Pulled:
    repo_id, revision = split_revision(repo_id, revision)
    place = None if cache_dir is None else os.fspath(cache_dir)
    with translated(repo_id, revision):
        commit = commit_of(
            repo_id,
            revision=revision,
            token=token,
            cache_dir=place,
            local_files_only=local_files_only,
        )
        source = _Source(client(token), repo_id, commit, place, local_files_only)
        paths = [_fetch_required(source, name) for name in required]
        for name in optional:
            _fetch_optional(source, name)
    return Pulled(repo_id, source.commit, paths[0].parent)


def _fetch_required(source: _Source, name: str) -> Path:
    path = _fetch_sound(source, name)
    if path is None:
        raise NotOnHubError(
            f"{source.repo_id} has no {name} at commit {source.commit}: it holds something else. "
            f"A vector has {MANIFEST_FILE} and {TENSORS_FILE}, a model {CONFIG_FILES[0]}; check "
            "the name and the revision."
        )
    return path


def _fetch_optional(source: _Source, name: str) -> None:
    try:
        _fetch_sound(source, name)
    except hf.LocalEntryNotFoundError:
        # The client's word for a way to the Hub that broke off too: that is no absence.
        if not source.asks_nobody:
            raise


def _fetch_sound(source: _Source, name: str) -> Path | None:
    """A file as the Hub has it: what is damaged in the cache or on the way is fetched once more."""
    for _ in range(2):
        path = _fetch_file(source, name)
        if path is None or cache.is_intact(path):
            return path
        if source.asks_nobody:
            raise PackageError(
                f"The cached {name} of {source.repo_id} is damaged: its content is not what its "
                f"hash says. Pull it again while online; that replaces {path}."
            )
        cache.drop(path)
    raise HubError(
        f"{endpoint()} sent {name} of {source.repo_id} twice with content that is not what its "
        "hash says. Nothing of it was kept. Is a proxy in between? Try again later."
    )


def _fetch_file(source: _Source, name: str) -> Path | None:
    """The cached file, fetched if need be; None if the commit has no such file."""
    cached = huggingface_hub.try_to_load_from_cache(
        source.repo_id, name, revision=source.commit, cache_dir=source.cache_dir
    )
    if isinstance(cached, str):
        return Path(cached)
    if cached is huggingface_hub._CACHED_NO_EXIST:
        return None
    try:
        return _download(source, name)
    except hf.RemoteEntryNotFoundError:
        return None
    except RuntimeError as error:  # of the client's library for large files
        raise HubError(
            f"{name} of {source.repo_id} could not be fetched: {error} Try again; with "
            "HF_HUB_DISABLE_XET=1 large files come another way."
        ) from error


def _download(source: _Source, name: str) -> Path:
    if not source.local_files_only:
        announced = source.api.hf_hub_download(
            source.repo_id, name, revision=source.commit, cache_dir=source.cache_dir, dry_run=True
        )
        _check_size(source, name, announced.file_size or 0)
    path = Path(
        source.api.hf_hub_download(
            source.repo_id,
            name,
            revision=source.commit,
            cache_dir=source.cache_dir,
            local_files_only=source.local_files_only,
        )
    )
    _check_size(source, name, path.stat().st_size)
    return path


def _check_size(source: _Source, name: str, size: int) -> None:
    limit = _LIMITS.get(name, MAX_CONFIG_BYTES)
    if size > limit:
        raise PackageError(
            f"{name} of {source.repo_id} has {size:,} bytes; at most {limit:,} are fetched. This "
            "is not a package made by palrs-hub."
        )
