"""Writing a file so that it is there whole or not at all, whatever happens in between."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path


def write_whole(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Replace a file in one step: readers see the old content or the new, never a part.

    A process that is killed meanwhile leaves at most a hidden file beside it, which nothing reads.

    Args:
        path: The file; its folder must be there.
        content: Bytes, or text that is written as UTF-8.

    Raises:
        OSError: It cannot be written; what was there still is.
    """
    target = Path(path)
    data = content.encode() if isinstance(content, str) else content
    if target.exists() and not target.is_file():  # a terminal or a pipe, which nothing can replace
        target.write_bytes(data)
        return
    temporary = name_beside(target)
    try:
        write_new(temporary, data)
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise


def name_beside(target: Path) -> Path:
    """A hidden name for what is to replace a file.

    It is known before anything is made: an interruption at any moment can remove what it names.
    """
    return target.with_name(f".{target.name}.{secrets.token_hex(8)}")


@contextlib.contextmanager
def folder_beside(target: Path) -> Iterator[Path]:
    """A hidden, empty folder beside what will be moved out of it into its place; gone in the end.

    Raises:
        OSError: It cannot be made.
    """
    place = name_beside(target)
    try:
        place.mkdir(mode=0o700)
        yield place
    finally:
        try:
            _remove(place)
        except BaseException:  # an interruption: what was begun is ended, and then it may go on
            _remove(place)
            raise


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


def write_new(path: Path, data: bytes) -> None:
    """Write a file that must not be there yet, to the disk itself."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.chmod(path, 0o644)
