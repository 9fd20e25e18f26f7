"""File contents, each stored once under the sha256 of its bytes."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

CHUNK_BYTES = 1024 * 1024


class Blobs:
    """A folder of contents; a content is there complete or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._incoming.mkdir(parents=True, exist_ok=True)

    @property
    def incoming(self) -> Path:
        """Where contents wait until they are complete; on the same file system as the rest."""
        return self._incoming

    def path(self, sha256: str) -> Path:
        """Where the content of that hash is, or would be."""
        return self._folder / sha256[:2] / sha256[2:4] / sha256

    def has(self, sha256: str) -> bool:
        """Whether the content is there."""
        return self.path(sha256).is_file()

    def read(self, sha256: str) -> bytes:
        """The whole content."""
        return self.path(sha256).read_bytes()

    def put_bytes(self, content: bytes) -> str:
        """Stores the content unless it is there already; returns its sha256."""
        sha256 = hashlib.sha256(content).hexdigest()
        if not self.touch(sha256):
            self.put(io.BytesIO(content))
        return sha256

    def touch(self, sha256: str) -> bool:
        """Keeps the content from being collected for a while; False if it is not there."""
        try:
            os.utime(self.path(sha256))
        except FileNotFoundError:
            return False
        return True

    def all(self) -> Iterator[Path]:
        """The files of all contents; each is named by the hash that it should have."""
        for folder in sorted(self._folder.glob("??/??")):
            yield from sorted(folder.iterdir())

    def put(self, content: BinaryIO, *, expected: tuple[str, int] | None = None) -> tuple[str, int]:
        """Stores what the stream still holds; returns its sha256 and its size.

        Raises:
            ValueError: As ``put_chunks``.
        """
        return self.put_chunks(read_chunks(content), expected=expected)

    def put_chunks(
        self, chunks: Iterable[bytes], *, expected: tuple[str, int] | None = None
    ) -> tuple[str, int]:
        """Stores a content that comes in pieces; returns its sha256 and its size.

        Raises:
            ValueError: The content has not the sha256 and the size that are expected of it; then
                nothing is stored.
        """
        digest = hashlib.sha256()
        size = 0
        handle, name = tempfile.mkstemp(dir=self._incoming)
        waiting = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                for chunk in chunks:
                    digest.update(chunk)
                    size += file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            found = (digest.hexdigest(), size)
            if expected is not None and found != expected:
                raise ValueError(f"expected {expected}, found {found}")
            self._keep(waiting, found[0])
        finally:
            waiting.unlink(missing_ok=True)
        return found

    def _keep(self, waiting: Path, sha256: str) -> None:
        target = self.path(sha256)
        if self.touch(sha256):
            return
        fresh = not target.parent.is_dir()
        target.parent.mkdir(parents=True, exist_ok=True)
        waiting.replace(target)
        _sync_folder(target.parent)
        if fresh:
            _sync_folder(target.parent.parent)
            _sync_folder(self._folder)


def git_hash(content: bytes) -> str:
    """The name that git gives to a blob of this content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """The pointer file that stands for a large file in git."""
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n".encode()
    )


def read_chunks(content: BinaryIO) -> Iterator[bytes]:
    """What the stream still holds, in pieces that fit into memory."""
    while chunk := content.read(CHUNK_BYTES):
        yield chunk


def _sync_folder(folder: Path) -> None:
    # Windows cannot open folders; there the rename is as durable as it gets.
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
