"""Large files by Xet, the protocol that the client prefers: taken over from a local folder.

The client's Xet library can write to a folder in the place of Xet's servers. Told to use one below
this hub's root, it leaves there what it would have sent; when a commit then names a file, its
content is put together again and moved among the other blobs, and is read like any other. Client
and hub must share a file system for that, so only callers on loopback are told of the folder.
"""

from __future__ import annotations

import importlib
import importlib.util
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
_SHARDS = "xet/xorbs/shards/*.mdb"
_TOKEN = "local"

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
    """
    folder = _folder(store, repository)
    folder.mkdir(parents=True, exist_ok=True)
    return f"local://{folder}"


def connection_info(store: Store, repository: Repository) -> dict[str, str | int]:
    """What the client's Xet library wants to know before it begins."""
    expires = int(time.time()) + limits.UPLOAD_LINK_SECONDS
    return {"casUrl": endpoint(store, repository), "accessToken": _TOKEN, "exp": expires}


def take_over(store: Store, repository: Repository, entry: Entry) -> bool:
    """Moves a file that the client has left for this repository among the blobs, if it is there.

    Raises:
        ValueError: What was left is not the content that the commit names.
    """
    folder = _folder(store, repository)
    for shard in sorted(folder.glob(_SHARDS)):
        for xet_hash, sha256 in _files(shard.read_bytes()):
            if sha256 == entry.sha256:
                _put_together(store, folder, xet_hash, entry)
                return True
    return False


def forget(store: Store, repository: Repository) -> None:
    """Removes all that the client has left for a repository."""
    shutil.rmtree(_folder(store, repository), ignore_errors=True)


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
    # hf_xet has no type hints, and comes with the client of the Hub, not with this package.
    library = importlib.import_module("hf_xet")
    with tempfile.TemporaryDirectory(dir=store.blobs.incoming) as scratch:
        target = Path(scratch) / "content"
        downloads = library.XetSession().new_file_download_group(
            endpoint=f"local://{folder}",
            token=_TOKEN,
            token_expiry_unix_secs=int(time.time()) + limits.UPLOAD_LINK_SECONDS,
        )
        try:
            with downloads as group:
                group.start_download_file(library.XetFileInfo(xet_hash, entry.size), str(target))
        except (RuntimeError, OSError) as error:
            raise ValueError(f"the Xet library cannot put it together: {error}") from error
        with target.open("rb") as content:
            store.blobs.put(content, expected=(entry.sha256, entry.size))
