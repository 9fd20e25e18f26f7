"""Whether a cached file is still what the Hub sent: its name in the cache is its hash."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

_SHA1 = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def git_sha1(data: bytes) -> str:
    """What git, and so the Hub, calls a small file by."""
    header = b"blob %d\0" % len(data)
    return hashlib.sha1(header + data, usedforsecurity=False).hexdigest()


def is_intact(path: Path) -> bool:
    """Whether a file of the cache has the content that it was filed under.

    Where the file system has no links the cache has copies under their own names, which cannot be
    judged here; the tensors' hash in the manifest still is.
    """
    try:
        name = os.path.basename(os.readlink(path))
    except OSError:
        return path.is_file()
    try:
        data = path.read_bytes()
    except OSError:
        return False
    if _SHA256.fullmatch(name):
        return hashlib.sha256(data).hexdigest() == name
    if _SHA1.fullmatch(name):
        # A mirror may file it under the plain hash.
        return name in (git_sha1(data), hashlib.sha1(data, usedforsecurity=False).hexdigest())
    return True


def drop(path: Path) -> None:
    """Take a damaged file out of the cache, so that it is fetched again."""
    if path.is_symlink():
        path.resolve().unlink(missing_ok=True)
    path.unlink(missing_ok=True)
