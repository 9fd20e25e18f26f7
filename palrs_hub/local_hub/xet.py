"""Large files by Xet, the protocol that the client prefers: taken over from a local folder.

The client's Xet library can write to a folder in the place of Xet's servers. Told to use one below
this hub's root, it leaves there what it would have sent; when a commit then names a file, its
content is put together again and moved among the other blobs, and is read like any other. Client
and hub must share a file system for that, so only callers on loopback are told of the folder.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import secrets
import shutil
import struct
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from palrs_hub.local_hub import limits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.local_hub.records import Entry, Repository
    from palrs_hub.local_hub.store import Store

FOLDER = "xet"
_XORBS = "xet/xorbs"
_SHARDS = f"{_XORBS}/shards/*.mdb"
_TOKEN = "local"
_ATTEMPTS = 10
_PAUSE_SECONDS = 0.1

_RECORD_BYTES = 48
_FILE_HEADER = struct.Struct("<4Q2I8x")
_HASH = struct.Struct("<4Q")
_HAS_VERIFICATION = 1 << 31
_HAS_METADATA = 1 << 30
# The list of a shard's files ends with a hash of ones only.
_END = (2**64 - 1,) * 4


def available() -> bool:
    """Whether this machine can put together what the client's Xet library took apart."""
    return importlib.util.find_spec("hf_xet") is not None


def endpoint(store: Store, repository: Repository) -> str:
    """Where the client shall leave files for a repository; each has a folder of its own.

    Were there one for all, the hash of a private file would be enough to commit it elsewhere.
    Inside it there is a folder for each time since garbage was collected: the client remembers
    what it left at an address and does not leave it there again, so a folder that was emptied must
    not come back under the same address. To be called in a writing transaction, which keeps the
    collection away.
    """
    folder = _folder(store, repository)
    chosen = next(iter(_leavings(folder)), folder / secrets.token_hex(8))
    chosen.mkdir(parents=True, exist_ok=True)
    os.utime(chosen)
    return f"local://{chosen}"


def connection_info(store: Store, repository: Repository) -> dict[str, str | int]:
    """What the client's Xet library wants to know before it begins."""
    expires = int(time.time()) + limits.UPLOAD_LINK_SECONDS
    return {"casUrl": endpoint(store, repository), "accessToken": _TOKEN, "exp": expires}


def take_over(store: Store, repository: Repository, entry: Entry) -> bool:
    """Moves a file that the client has left for this repository among the blobs, if it is there.

    Raises:
        ValueError: What was left is not the content that the commit names.
    """
    for folder in _leavings(_folder(store, repository)):
        for shard in sorted(folder.glob(_SHARDS)):
            for xet_hash, sha256 in _files(shard.read_bytes()):
                if sha256 == entry.sha256:
                    _put_together(store, folder, xet_hash, entry)
                    return True
    return False


def forget(store: Store, repository: Repository) -> None:
    """Removes all that the client has left for a repository."""
    shutil.rmtree(_folder(store, repository), ignore_errors=True)


def all_leavings(store: Store) -> list[tuple[int, Path]]:
    """Every folder that clients leave files in, with the key of its repository."""
    found = []
    for folder in sorted((store.root / FOLDER).glob("*/")):
        if folder.name.isascii() and folder.name.isdigit():
            found += [(int(folder.name), leavings) for leavings in _leavings(folder)]
    return found


def _leavings(folder: Path) -> list[Path]:
    return sorted(path for path in folder.glob("*/") if path.is_dir())


def _folder(store: Store, repository: Repository) -> Path:
    return store.root / FOLDER / str(repository.key)


def _files(shard: bytes) -> Iterator[tuple[str, str]]:
    """The Xet hash and the sha256 of every file that a shard describes."""
    position = _RECORD_BYTES
    while position + _RECORD_BYTES <= len(shard):
        *file_hash, flags, count = _FILE_HEADER.unpack_from(shard, position)
        if tuple(file_hash) == _END:
            return
        records = 1 + count * (2 if flags & _HAS_VERIFICATION else 1)
        position += records * _RECORD_BYTES
        if flags & _HAS_METADATA and position + _RECORD_BYTES <= len(shard):
            yield _hex(file_hash), _hex([*_HASH.unpack_from(shard, position)])
            position += _RECORD_BYTES


def _hex(words: list[int]) -> str:
    return "".join(f"{word:016x}" for word in words)


def _put_together(store: Store, folder: Path, xet_hash: str, entry: Entry) -> None:
    for attempt in range(_ATTEMPTS):
        with tempfile.TemporaryDirectory(dir=store.blobs.incoming) as scratch:
            target = Path(scratch) / "content"
            try:
                _download(_readable_copy(folder, Path(scratch)), xet_hash, entry.size, target)
            except RuntimeError as error:
                if attempt == _ATTEMPTS - 1:
                    raise ValueError(f"the Xet library cannot put it together: {error}") from error
            else:
                with target.open("rb") as content:
                    store.blobs.put(content, expected=(entry.sha256, entry.size))
                return
        time.sleep(_PAUSE_SECONDS)


def _readable_copy(folder: Path, scratch: Path) -> Path:
    """The folder as it is now, in a form that can be opened.

    A client that sends a folder of files commits some while it sends others, and keeps the index of
    what it left locked all the time. So a copy of that is read, beside the contents themselves; one
    that was copied in the middle of a change cannot be read, and is copied again.
    """
    copy = scratch / "left"
    (copy / _XORBS).mkdir(parents=True)
    for item in (folder / _XORBS).iterdir():
        if item.is_dir():
            (copy / _XORBS / item.name).symlink_to(item, target_is_directory=True)
        else:
            shutil.copyfile(item, copy / _XORBS / item.name)
    return copy


def _download(folder: Path, xet_hash: str, size: int, target: Path) -> None:
    # hf_xet has no type hints, and comes with the client of the Hub, not with this package.
    library = importlib.import_module("hf_xet")
    downloads = library.XetSession().new_file_download_group(
        endpoint=f"local://{folder}",
        token=_TOKEN,
        token_expiry_unix_secs=int(time.time()) + limits.UPLOAD_LINK_SECONDS,
    )
    with downloads as group:
        group.start_download_file(library.XetFileInfo(xet_hash, size), str(target))
