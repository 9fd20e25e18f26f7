"""Commits: apply operations to a branch, and walk its history."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING

from palrs_hub.local_hub import cards, large_files, limits, refs, repositories, trees
from palrs_hub.local_hub.blobs import git_hash
from palrs_hub.local_hub.operations import DeleteFile, DeleteFolder, Header, Put
from palrs_hub.local_hub.records import Commit, Entry, timestamp
from palrs_hub.local_hub.refusals import Refusal, bad_request, entry_not_found, stale_parent

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from palrs_hub.local_hub.blobs import Blobs
    from palrs_hub.local_hub.operations import Operation
    from palrs_hub.local_hub.records import Repository, Tree

GIT_ATTRIBUTES = ".gitattributes"
_INITIAL_ATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
_SHORTEST_PARENT = 7


def start_history(
    connection: sqlite3.Connection, blobs: Blobs, repository: Repository, author: str
) -> None:
    """Gives a new repository its first commit, with the one file that they all begin with."""
    content = _INITIAL_ATTRIBUTES
    entry = Entry(
        GIT_ATTRIBUTES, git_hash(content), blobs.put_bytes(content), len(content), large=False
    )
    record(
        connection,
        blobs,
        repository,
        ref=refs.MAIN,
        parent=None,
        files={entry.path: entry},
        header=Header("initial commit", "", None),
        author=author,
    )


def commit(
    connection: sqlite3.Connection,
    blobs: Blobs,
    repository: Repository,
    *,
    start: str,
    ref: str,
    header: Header,
    operations: Sequence[Operation],
    author: str,
) -> str:
    """Applies operations to the state of ``start`` and points ``ref`` to the result.

    The two differ when a pull request is opened. Must run in a writing transaction: the check of
    the parent is worth something only while nobody else can move the branch.
    """
    head = refs.find_target(connection, repository, start)
    if head is None:
        raise bad_request(f"{start} is not there.")
    if header.parent is not None:
        _check_parent(header.parent, head)
    parent = refs.read_commit(connection, repository, head)
    files = trees.read_tree(connection, parent.tree)
    for operation in operations:
        _apply(connection, blobs, repository, files, operation, start)
    return record(
        connection,
        blobs,
        repository,
        ref=ref,
        parent=head,
        files=files,
        header=header,
        author=author,
    )


def _check_parent(expected: str, head: str) -> None:
    if len(expected) < _SHORTEST_PARENT or not head.startswith(expected):
        raise stale_parent(expected, head)


def _apply(
    connection: sqlite3.Connection,
    blobs: Blobs,
    repository: Repository,
    files: Tree,
    operation: Operation,
    revision: str,
) -> None:
    match operation:
        case Put(entry):
            if entry.large:
                _check_uploaded(connection, blobs, repository, entry)
            elif not blobs.has(entry.sha256):
                # Garbage was collected between the two steps; now that this transaction is alone
                # in writing, it cannot be any more.
                raise Refusal(503, f"The content of {entry.path!r} is gone; commit it again.")
            files[entry.path] = entry
        case DeleteFile(path):
            if files.pop(path, None) is None:
                raise entry_not_found(path, revision)
        case DeleteFolder(path):
            inside = [name for name in files if name.startswith(f"{path}/")]
            if not inside:
                raise entry_not_found(path, revision)
            for name in inside:
                del files[name]


def _check_uploaded(
    connection: sqlite3.Connection, blobs: Blobs, repository: Repository, entry: Entry
) -> None:
    arrived = large_files.has(connection, repository, entry.sha256, entry.size)
    if not arrived or not blobs.has(entry.sha256):
        raise bad_request(
            f"{entry.path!r} refers to the large file {entry.sha256} of {entry.size} bytes, which "
            f"has not arrived for {repository.id}. If it was sent by Xet from another machine than "
            "this Hub's, set HF_HUB_DISABLE_XET=1 before huggingface_hub is imported."
        )


def record(
    connection: sqlite3.Connection,
    blobs: Blobs,
    repository: Repository,
    *,
    ref: str,
    parent: str | None,
    files: Tree,
    header: Header,
    author: str,
) -> str:
    """Writes the commit of a finished tree and points the ref to it."""
    tree, now = trees.write_tree(connection, files), timestamp()
    # The random part keeps two equal commits of one millisecond apart.
    told = "\0".join(
        (tree, parent or "", author, now, header.title, header.message, secrets.token_hex(8))
    )
    oid = hashlib.sha1(told.encode(), usedforsecurity=False).hexdigest()
    connection.execute(
        "INSERT INTO commits VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (repository.key, oid, tree, parent, header.title, header.message, author, now),
    )
    refs.point(connection, repository, ref, oid)
    repositories.touch(connection, repository)
    if ref == refs.MAIN:
        describe_main(connection, blobs, repository, files)
    return oid


def describe_main(
    connection: sqlite3.Connection, blobs: Blobs, repository: Repository, files: Tree
) -> None:
    """Files the repository under what its README on main says."""
    readme = read_readme(blobs, files)
    card = cards.judge(readme).card
    repositories.describe(
        connection,
        repository,
        card=card,
        tags=cards.derive_tags(repository.kind, card, files),
        readme=readme,
    )


def read_readme(blobs: Blobs, files: Tree) -> str:
    """The text of README.md; empty if there is none or it is too large to be one."""
    entry = files.get(cards.README)
    if entry is None or entry.size > limits.README_BYTES:
        return ""
    return blobs.read(entry.sha256).decode("utf-8", "replace")


def history(
    connection: sqlite3.Connection, repository: Repository, newest: Commit
) -> Iterator[Commit]:
    """The commit and all before it, newest first."""
    current: Commit | None = newest
    while current is not None:
        yield current
        parent = current.parent
        current = None if parent is None else refs.read_commit(connection, repository, parent)


def last_changes(
    connection: sqlite3.Connection, repository: Repository, newest: Commit, paths: Sequence[str]
) -> dict[str, Commit]:
    """For each file or folder, the last commit that changed it."""
    found: dict[str, Commit] = {}
    current, current_hashes = newest, _hashes(connection, newest)
    waiting = {path for path in paths if path in current_hashes}
    for older in history(connection, repository, newest):
        if older is newest:
            continue
        if not waiting:
            break
        older_hashes = _hashes(connection, older)
        changed = {path for path in waiting if current_hashes[path] != older_hashes.get(path)}
        found |= dict.fromkeys(changed, current)
        waiting -= changed
        current, current_hashes = older, older_hashes
    return found | dict.fromkeys(waiting, current)


def _hashes(connection: sqlite3.Connection, commit: Commit) -> dict[str, str]:
    files = trees.read_tree(connection, commit.tree)
    return {path: entry.sha256 for path, entry in files.items()} | trees.folders(files)
