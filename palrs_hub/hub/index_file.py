"""The index of a curated registry, from a Space or any other address; kept for times without one.

It is asked for once in a process, and in vain for a few seconds at most: a vector can be loaded
without it.
"""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path
from typing import Final

import huggingface_hub
from huggingface_hub import get_session, hf_raise_for_status

from palrs_hub.errors import HubError, HubUnreachableError
from palrs_hub.hub.client import client
from palrs_hub.hub.failures import CLIENT_ERRORS, translated
from palrs_hub.whole_file import write_whole

MAX_BYTES: Final = 64 * 1024 * 1024
SPACES: Final = "spaces/"
_FILE: Final = "index.json"
_TIMEOUT: Final = 5.0


def fetch_index(location: str, *, offline: bool = False) -> bytes:
    """The bytes of an ``index.json``, unchecked.

    Args:
        location: ``spaces/org/name``, or an address of the file or of the folder it is in.
        offline: Ask no server; what was fetched before does. It also does where none answers.

    Raises:
        HubError: It cannot be had; subclasses tell why.
    """
    offline = offline or huggingface_hub.is_offline_mode()
    if location.startswith(SPACES):
        return _from_space(location.removeprefix(SPACES), offline)
    url = location if location.endswith(".json") else f"{location.rstrip('/')}/{_FILE}"
    kept = _kept(url)
    if not offline:
        try:
            data = _download(url)
        except HubError:
            if not kept.is_file():
                raise
        else:
            _keep(kept, data)
            return data
    try:
        return kept.read_bytes()
    except OSError as error:
        raise HubUnreachableError(
            f"{url} was not fetched before, and no server is asked."
        ) from error


def _from_space(repo_id: str, offline: bool) -> bytes:
    api = client(None)
    with translated(repo_id):
        if not offline:
            announced = api.hf_hub_download(repo_id, _FILE, repo_type="space", dry_run=True)
            _check_size(repo_id, announced.file_size or 0)
        path = Path(
            api.hf_hub_download(repo_id, _FILE, repo_type="space", local_files_only=offline)
        )
        _check_size(repo_id, path.stat().st_size)
        return path.read_bytes()


def _download(url: str) -> bytes:
    data = bytearray()
    with (
        translated(url),
        get_session().stream("GET", url, timeout=_TIMEOUT, follow_redirects=False) as answer,
    ):
        hf_raise_for_status(answer)
        for part in answer.iter_bytes():
            data += part
            _check_size(url, len(data))
    return bytes(data)


def _check_size(what: str, size: int) -> None:
    if size > MAX_BYTES:
        raise HubError(f"The index of {what} has more than {MAX_BYTES:,} bytes: not fetched.")


def _kept(url: str) -> Path:
    name = hashlib.sha256(url.encode()).hexdigest()[:32]
    return Path(huggingface_hub.constants.HF_HOME) / "palrs-hub" / f"index-{name}.json"


def _keep(path: Path, data: bytes) -> None:
    """Keep a copy; a disk that is full or cannot be written is no reason to do without."""
    with contextlib.suppress(*CLIENT_ERRORS):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
