"""Merging a pull request: what it changes, what stands in its way, and how to apply it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from palrs_hub.local_hub import commits, discussions, limits, refs, trees
from palrs_hub.local_hub.operations import Header
from palrs_hub.local_hub.refusals import Refusal, bad_request

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from palrs_hub.local_hub.blobs import Blobs
    from palrs_hub.local_hub.discussions import Discussion
    from palrs_hub.local_hub.records import Entry, Repository, Tree


def _states(
    connection: sqlite3.Connection, repository: Repository, pull_request: Discussion
) -> tuple[Tree, Tree, Tree]:
    """The files where the two parted, those of the target branch, those of the pull request."""
    base = pull_request.base_commit or ""
    target = refs.find_target(connection, repository, pull_request.base_ref or "") or base
    proposed = refs.find_target(connection, repository, pull_request.ref) or base
    first, second, third = (
        trees.read_tree(connection, refs.read_commit(connection, repository, oid).tree)
        for oid in (base, target, proposed)
    )
    return first, second, third


def _changes(base: Tree, proposed: Tree) -> dict[str, Entry | None]:
    return {
        path: proposed.get(path)
        for path in sorted(base.keys() | proposed.keys())
        if base.get(path) != proposed.get(path)
    }


def conflicts(
    connection: sqlite3.Connection, repository: Repository, pull_request: Discussion
) -> list[str]:
    """The files that both sides changed, each in its own way."""
    if pull_request.status not in discussions.OPEN_STATUSES:
        return []
    base, target, proposed = _states(connection, repository, pull_request)
    return _conflicts(base, target, proposed)


def _conflicts(base: Tree, target: Tree, proposed: Tree) -> list[str]:
    return [
        path
        for path, entry in _changes(base, proposed).items()
        if target.get(path) not in (base.get(path), entry)
    ]


def merge(
    connection: sqlite3.Connection,
    blobs: Blobs,
    repository: Repository,
    pull_request: Discussion,
    author: str,
) -> str:
    """Puts the changes of a pull request on its target branch, as one commit."""
    if not pull_request.is_pull_request or pull_request.base_ref is None:
        raise bad_request(f"Discussion {pull_request.num} is not a pull request.")
    if pull_request.status != "open":
        raise bad_request(
            f"Pull request {pull_request.num} has the status {pull_request.status!r}; only an open "
            "one can be merged. A draft is opened by changing its status."
        )
    head = refs.find_target(connection, repository, pull_request.base_ref)
    base, target, proposed = _states(connection, repository, pull_request)
    blocked = _conflicts(base, target, proposed)
    if head is None or blocked:
        raise Refusal(409, f"The pull request has conflicts in: {', '.join(blocked) or 'its base'}")
    oid = commits.record(
        connection,
        blobs,
        repository,
        ref=pull_request.base_ref,
        parent=head,
        files=_merged(target, _changes(base, proposed)),
        header=Header(f"{pull_request.title} (#{pull_request.num})", "", None),
        author=author,
    )
    connection.execute(
        "UPDATE discussions SET merge_commit = ? WHERE repository = ? AND num = ?",
        (oid, repository.key, pull_request.num),
    )
    return oid


def _merged(target: Tree, changes: dict[str, Entry | None]) -> Tree:
    files = dict(target)
    for path, entry in changes.items():
        if entry is None:
            files.pop(path, None)
        else:
            files[path] = entry
    return files


def diff(
    connection: sqlite3.Connection, blobs: Blobs, repository: Repository, pull_request: Discussion
) -> str:
    """The changes of a pull request as a unified diff; of files that are not text, a line each."""
    base, _, proposed = _states(connection, repository, pull_request)
    told = ""
    for path in _changes(base, proposed):
        told += "".join(_file_diff(blobs, path, base.get(path), proposed.get(path)))
        if len(told) > limits.DIFF_CHARACTERS:
            return told[: limits.DIFF_CHARACTERS]
    return told


def _file_diff(blobs: Blobs, path: str, old: Entry | None, new: Entry | None) -> Iterator[str]:
    yield f"diff --git a/{path} b/{path}\n"
    before, after = _lines(blobs, old), _lines(blobs, new)
    if before is None or after is None:
        yield f"Binary files a/{path} and b/{path} differ\n"
        return
    old_name = "/dev/null" if old is None else f"a/{path}"
    new_name = "/dev/null" if new is None else f"b/{path}"
    for line in difflib.unified_diff(before, after, old_name, new_name):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"


def _lines(blobs: Blobs, entry: Entry | None) -> list[str] | None:
    if entry is None:
        return []
    if entry.large or entry.size > limits.DIFF_FILE_BYTES:
        return None
    try:
        return blobs.read(entry.sha256).decode("utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return None
