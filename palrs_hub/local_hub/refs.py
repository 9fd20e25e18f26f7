"""Branches, tags and pull requests: names that point to commits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from palrs_hub.local_hub import names
from palrs_hub.local_hub.records import Commit
from palrs_hub.local_hub.refusals import bad_request, conflict, forbidden, revision_not_found

if TYPE_CHECKING:
    import sqlite3

    from palrs_hub.local_hub.records import Repository

BRANCHES = "refs/heads/"
TAGS = "refs/tags/"
PULL_REQUESTS = "refs/pr/"
MAIN = BRANCHES + "main"

_SHORTEST_COMMIT_PREFIX = 7


@dataclass(frozen=True)
class Ref:
    """A name and the commit that it points to."""

    ref: str
    target: str

    @property
    def short_name(self) -> str:
        """The name as people say it: ``main``, ``v1``; pull requests keep theirs."""
        return self.ref.removeprefix(BRANCHES).removeprefix(TAGS)


def all_refs(connection: sqlite3.Connection, repository: Repository) -> list[Ref]:
    """Every ref of the repository by name."""
    rows = connection.execute(
        "SELECT ref, target FROM refs WHERE repository = ? ORDER BY ref", (repository.key,)
    )
    return [Ref(row["ref"], row["target"]) for row in rows]


def resolve(connection: sqlite3.Connection, repository: Repository, revision: str) -> Commit:
    """The commit that a revision means: a ref, a branch, a tag, a commit hash or its beginning.

    ``HEAD`` is main, as some clients ask for it.
    """
    wanted = "main" if revision in ("", "HEAD") else revision
    for ref in (wanted, BRANCHES + wanted, TAGS + wanted):
        target = find_target(connection, repository, ref)
        if target is not None:
            return read_commit(connection, repository, target)
    return _by_hash(connection, repository, wanted)


def _by_hash(connection: sqlite3.Connection, repository: Repository, revision: str) -> Commit:
    if len(revision) < _SHORTEST_COMMIT_PREFIX or set(revision) - set("0123456789abcdef"):
        raise revision_not_found(revision)
    rows = connection.execute(
        "SELECT * FROM commits WHERE repository = ? AND oid >= ? AND oid <= ? LIMIT 2",
        (repository.key, revision, revision + "g"),
    ).fetchall()
    if len(rows) != 1:
        raise revision_not_found(revision)
    return _commit(rows[0])


def find_target(connection: sqlite3.Connection, repository: Repository, ref: str) -> str | None:
    """The hash that a whole ref name points to."""
    row = connection.execute(
        "SELECT target FROM refs WHERE repository = ? AND ref = ?", (repository.key, ref)
    ).fetchone()
    return None if row is None else str(row["target"])


def read_commit(connection: sqlite3.Connection, repository: Repository, oid: str) -> Commit:
    """The commit of that whole hash."""
    row = connection.execute(
        "SELECT * FROM commits WHERE repository = ? AND oid = ?", (repository.key, oid)
    ).fetchone()
    if row is None:
        raise revision_not_found(oid)
    return _commit(row)


def writable_ref(connection: sqlite3.Connection, repository: Repository, revision: str) -> str:
    """The whole name of the branch or pull request that a commit may go to."""
    wanted = "main" if revision in ("", "HEAD") else revision
    for ref in (BRANCHES + wanted, wanted):
        if ref.startswith((BRANCHES, PULL_REQUESTS)) and find_target(connection, repository, ref):
            return ref
    resolve(connection, repository, wanted)
    raise bad_request(f"{wanted!r} is not a branch; commits go to a branch or a pull request.")


def create_branch(
    connection: sqlite3.Connection, repository: Repository, name: str, start: str
) -> None:
    """Makes a branch at a revision."""
    _create(connection, repository, BRANCHES + names.check_revision_name(name), start, None)


def create_tag(
    connection: sqlite3.Connection,
    repository: Repository,
    name: str,
    revision: str,
    message: str | None,
) -> None:
    """Makes a tag on a revision."""
    _create(connection, repository, TAGS + names.check_revision_name(name), revision, message)


def _create(
    connection: sqlite3.Connection,
    repository: Repository,
    ref: str,
    revision: str,
    message: str | None,
) -> None:
    target = resolve(connection, repository, revision)
    if find_target(connection, repository, ref) is not None:
        raise conflict(f"Reference {ref} already exists in {repository.id}.")
    connection.execute(
        "INSERT INTO refs VALUES (?, ?, ?, ?)", (repository.key, ref, target.oid, message)
    )


def point(connection: sqlite3.Connection, repository: Repository, ref: str, target: str) -> None:
    """Makes the ref, or moves it."""
    connection.execute(
        "INSERT INTO refs VALUES (?, ?, ?, NULL) "
        "ON CONFLICT (repository, ref) DO UPDATE SET target = excluded.target",
        (repository.key, ref, target),
    )


def delete(connection: sqlite3.Connection, repository: Repository, ref: str) -> None:
    """Removes a branch or a tag; its commits stay reachable by their hashes."""
    if ref == MAIN:
        raise forbidden("The main branch cannot be deleted.")
    done = connection.execute(
        "DELETE FROM refs WHERE repository = ? AND ref = ?", (repository.key, ref)
    )
    if done.rowcount == 0:
        raise revision_not_found(ref)


def _commit(row: sqlite3.Row) -> Commit:
    return Commit(
        oid=row["oid"],
        tree=row["tree"],
        parent=row["parent"],
        title=row["title"],
        message=row["message"],
        author=row["author"],
        created_at=row["created_at"],
    )
