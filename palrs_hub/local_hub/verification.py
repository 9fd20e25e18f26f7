"""Whether a hub folder is sound: every content, every reference, nothing left behind."""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from palrs_hub.errors import LocalHubError
from palrs_hub.local_hub import refs, trees
from palrs_hub.local_hub.blobs import read_chunks
from palrs_hub.local_hub.claim import claimed
from palrs_hub.local_hub.store import DATABASE_FILE, Store

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Defect:
    """Something in the folder that should not be so.

    Attributes:
        subject: The content, commit, ref or file that it is about.
        message: What is wrong with it.
    """

    subject: str
    message: str


@dataclass(frozen=True)
class Report:
    """What ``verify`` found.

    Attributes:
        defects: All that is wrong; empty if the folder is sound.
        repositories: How many there are.
        commits: How many there are.
        contents: How many files of contents were read and hashed.
        content_bytes: How much that was.
        unreferenced: How many of them no commit refers to. That is no defect: uploads come before
            their commits, and garbage collection removes what is left over.
    """

    defects: tuple[Defect, ...]
    repositories: int
    commits: int
    contents: int
    content_bytes: int
    unreferenced: int

    @property
    def sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.defects


def verify(root: Path | str) -> Report:
    """Reads everything in a hub folder and checks that it belongs together.

    May run beside a server; what is being uploaded at the time is left out.

    Args:
        root: The folder.

    Raises:
        LocalHubError: There is no hub in the folder, or its database cannot be read.
    """
    with open_existing(root) as store, claimed(store.root) as alone, store.reading() as connection:
        # Contents after the database: what it refers to was stored before.
        try:
            referenced = dict(_referenced(connection))
            defects = [*_database_defects(connection)]
            repositories, commits = (
                int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
                for table in ("repositories", "commits")
            )
        except sqlite3.DatabaseError as error:
            raise LocalHubError(
                f"The database of {store.root} cannot be read: {error}. Restore it from a backup."
            ) from error
        sizes: dict[str, int] = {}
        defects += _content_defects(store, referenced, sizes)
        if alone:
            defects += _leftover_defects(store)
    return Report(
        defects=tuple(defects),
        repositories=repositories,
        commits=commits,
        contents=len(sizes),
        content_bytes=sum(sizes.values()),
        unreferenced=len(sizes.keys() - referenced.keys()),
    )


def open_existing(root: Path | str) -> Store:
    """Opens a hub folder that is there already.

    Raises:
        LocalHubError: There is none.
    """
    if not (Path(root) / DATABASE_FILE).is_file():
        raise LocalHubError(f"{root} is not the folder of an embedded Hub: it has no database.")
    return Store(root)


def _referenced(connection: sqlite3.Connection) -> Iterator[tuple[str, int]]:
    rows = connection.execute("SELECT DISTINCT sha256, size FROM tree_entries")
    return ((row["sha256"], row["size"]) for row in rows)


def _database_defects(connection: sqlite3.Connection) -> Iterator[Defect]:
    for (message,) in connection.execute("PRAGMA integrity_check"):
        if message != "ok":
            yield Defect("database", message)
    for row in connection.execute("PRAGMA foreign_key_check"):
        yield Defect(f"table {row['table']}", f"refers to a missing row of {row['parent']}")
    yield from _commit_defects(connection)
    yield from _tree_defects(connection)
    rows = connection.execute(
        "SELECT namespace || '/' || name AS id FROM repositories WHERE NOT EXISTS "
        "(SELECT 1 FROM refs WHERE repository = key AND ref = ?)",
        (refs.MAIN,),
    )
    for row in rows:
        yield Defect(row["id"], "has no main branch")


def _commit_defects(connection: sqlite3.Connection) -> Iterator[Defect]:
    rows = connection.execute(
        "SELECT child.oid, child.parent FROM commits AS child LEFT JOIN commits AS parent "
        "ON parent.repository = child.repository AND parent.oid = child.parent "
        "WHERE child.parent IS NOT NULL AND parent.oid IS NULL"
    )
    for row in rows:
        yield Defect(f"commit {row['oid']}", f"has the parent {row['parent']}, which is missing")
    # Refs to missing commits are in the check of foreign keys already; it names no names.
    rows = connection.execute(
        "SELECT ref, target FROM refs LEFT JOIN commits "
        "ON commits.repository = refs.repository AND oid = target WHERE oid IS NULL"
    )
    for row in rows:
        yield Defect(row["ref"], f"points to the commit {row['target']}, which is missing")


def _tree_defects(connection: sqlite3.Connection) -> Iterator[Defect]:
    # The name of a tree is a hash of all that is in it, so a missing or altered row shows.
    for row in connection.execute("SELECT DISTINCT tree FROM commits"):
        tree = row["tree"]
        if trees.tree_hash(trees.read_tree(connection, tree).values()) != tree:
            yield Defect(f"tree {tree}", "is not what the commits mean by it")


def _content_defects(
    store: Store, referenced: dict[str, int], sizes: dict[str, int]
) -> Iterator[Defect]:
    for path in store.blobs.all():
        try:
            sha256, sizes[path.name] = _measure(path)
        except FileNotFoundError:
            continue  # Collected as garbage meanwhile.
        except OSError as error:
            yield Defect(f"content {path.name}", f"cannot be read: {error}")
            continue
        if sha256 != path.name:
            yield Defect(f"content {path.name}", f"is altered: its sha256 is {sha256}")
    for sha256, size in referenced.items():
        if sha256 not in sizes:
            yield Defect(f"content {sha256}", "is missing")
        elif sizes[sha256] != size:
            yield Defect(f"content {sha256}", f"has {sizes[sha256]} bytes, should have {size}")


def _measure(path: Path) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        for chunk in read_chunks(file):
            digest.update(chunk)
            size += len(chunk)
    return digest.hexdigest(), size


def _leftover_defects(store: Store) -> Iterator[Defect]:
    for path in sorted(store.blobs.incoming.iterdir()):
        yield Defect(str(path.relative_to(store.root)), "was left behind by an upload")
