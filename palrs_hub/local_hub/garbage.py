"""Removing what nothing refers to: contents of no commit, and what uploads have left behind.

A content is stored before the commit that refers to it, so that there is always some that is only
waiting for its commit. Contents that were stored or asked for within the time of grace are left
alone; and the last look before a removal is taken with writing locked, so that no commit can come
to refer to the content in between.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palrs_hub.local_hub import limits, parts, xet
from palrs_hub.local_hub.claim import claimed
from palrs_hub.local_hub.verification import open_existing

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence
    from pathlib import Path

    from palrs_hub.local_hub.store import Store

_AT_ONCE = 200


@dataclass(frozen=True)
class Collected:
    """What ``collect_garbage`` removed.

    Attributes:
        contents: How many contents that no commit referred to.
        content_bytes: How much disk they took.
        xet_folders: How many folders in which clients had left files by Xet.
        leftovers: How many parts and temporary files of uploads that were given up.
    """

    contents: int
    content_bytes: int
    xet_folders: int
    leftovers: int


def collect_garbage(
    root: Path | str, *, grace_seconds: float = limits.GARBAGE_GRACE_SECONDS
) -> Collected:
    """Removes what nothing refers to from a hub folder.

    Args:
        root: The folder.
        grace_seconds: How long ago something must have been touched last to be garbage. Beside a
            running server it must be longer than any upload takes; with none running, 0 is safe.

    Raises:
        LocalHubError: There is no hub in the folder.
    """
    before = time.time() - grace_seconds
    with open_existing(root) as store, claimed(store.root) as alone:
        contents = _collect_contents(store, before)
        return Collected(
            contents=len(contents),
            content_bytes=sum(contents),
            xet_folders=_collect_xet(store, before),
            leftovers=collect_leftovers(store, float("inf") if alone else before)
            + _collect_parts(store, before),
        )


def collect_leftovers(store: Store, before: float = float("inf")) -> int:
    """Removes temporary files of uploads that were last written before a time."""
    return sum(
        _remove(path) for path in store.blobs.incoming.iterdir() if _last_written(path) < before
    )


def _collect_parts(store: Store, before: float) -> int:
    return sum(_remove(path) for path in parts.all_folders(store) if _last_written(path) < before)


def _collect_contents(store: Store, before: float) -> list[int]:
    """Returns the sizes of the contents that are removed."""
    with store.reading() as connection:
        candidates = [path for path in store.blobs.all() if _is_garbage(connection, path, before)]
    sizes: list[int] = []
    for start in range(0, len(candidates), _AT_ONCE):
        with store.writing() as connection:
            some = candidates[start : start + _AT_ONCE]
            sizes += _remove_contents(connection, some, before)
    return sizes


def _remove_contents(
    connection: sqlite3.Connection, paths: Sequence[Path], before: float
) -> list[int]:
    gone = [path for path in paths if _is_garbage(connection, path, before)]
    marks = ", ".join("?" for _ in gone)
    connection.execute(
        f"DELETE FROM large_files WHERE sha256 IN ({marks})", [path.name for path in gone]
    )
    sizes = [path.stat().st_size for path in gone]
    for path in gone:
        path.unlink()
    return sizes


def _is_garbage(connection: sqlite3.Connection, path: Path, before: float) -> bool:
    row = connection.execute(
        "SELECT 1 FROM tree_entries WHERE sha256 = ? LIMIT 1", (path.name,)
    ).fetchone()
    return row is None and _last_written(path) < before


def _collect_xet(store: Store, before: float) -> int:
    removed = 0
    for key, folder in xet.all_leavings(store):
        away = store.blobs.incoming / f"xet-{key}-{folder.name}"
        with store.writing() as connection:
            known = connection.execute("SELECT 1 FROM repositories WHERE key = ?", (key,))
            if known.fetchone() is not None and _last_written(folder) >= before:
                continue
            # Moved at once and removed at leisure, so that writers need not wait for it.
            folder.rename(away)
        removed += _remove(away)
    return removed


def _last_written(path: Path) -> float:
    """When the file, or anything in the folder, was last written; never, if it is gone."""
    found = float("-inf")
    for item in (path, *path.rglob("*")):
        try:
            found = max(found, item.stat().st_mtime)
        except FileNotFoundError:
            continue
    return found


def _remove(path: Path) -> int:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    return 1
