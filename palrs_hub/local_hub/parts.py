"""Parts of large files that have arrived while others are under way.

They lie in a folder for each object and repository until the object is put together; those of an
upload that is given up are collected as garbage.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from palrs_hub.local_hub import limits
from palrs_hub.local_hub.blobs import read_chunks
from palrs_hub.local_hub.refusals import bad_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from palrs_hub.local_hub.signing import Link
    from palrs_hub.local_hub.store import Store

FOLDER = "parts"


def count(size: int) -> int:
    """How many parts an object of that size has."""
    return -(-size // limits.LFS_PART_BYTES)


def put(store: Store, link: Link, number: int, content: BinaryIO) -> str:
    """Stores a part in the place of an earlier one of its number; returns its sha256."""
    target = _folder(store, link) / str(number)
    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    handle, name = tempfile.mkstemp(dir=store.blobs.incoming)
    waiting = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            for chunk in read_chunks(content):
                digest.update(chunk)
                file.write(chunk)
        waiting.replace(target)
    finally:
        waiting.unlink(missing_ok=True)
    return digest.hexdigest()


def put_together(store: Store, link: Link, etags: Mapping[str, str]) -> None:
    """Makes the object of its parts.

    Args:
        store: Where it goes.
        link: What it should be.
        etags: What each part was confirmed with, by its number as text.
    """
    try:
        store.blobs.put_chunks(_joined(store, link, etags), expected=(link.oid, link.size))
    except ValueError as error:
        raise bad_request(f"The parts are not the object that was announced: {error}.") from error


def _joined(store: Store, link: Link, etags: Mapping[str, str]) -> Iterator[bytes]:
    for number in range(1, count(link.size) + 1):
        digest = hashlib.sha256()
        try:
            with (_folder(store, link) / str(number)).open("rb") as part:
                for chunk in read_chunks(part):
                    digest.update(chunk)
                    yield chunk
        except FileNotFoundError as error:
            raise bad_request(f"Part {number} of {link.oid} has not arrived.") from error
        if etags.get(str(number)) != digest.hexdigest():
            raise bad_request(f"Part {number} of {link.oid} has another ETag.")


def forget(store: Store, link: Link) -> None:
    """Removes the parts of an object."""
    shutil.rmtree(_folder(store, link), ignore_errors=True)


def all_folders(store: Store) -> list[Path]:
    """The folders of all objects of which parts are there."""
    return sorted((store.root / FOLDER).glob("*/"))


def _folder(store: Store, link: Link) -> Path:
    return store.root / FOLDER / f"{link.repository}-{link.oid}"
