"""Routes that lead to a new commit, and the one that lists commits."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from palrs_hub.local_hub import (
    access,
    commits,
    discussions,
    large_files,
    limits,
    names,
    paging,
    refs,
    trees,
    xet,
)
from palrs_hub.local_hub.calls import list_field
from palrs_hub.local_hub.operations import Put, read_request
from palrs_hub.local_hub.refusals import bad_request, forbidden, too_large
from palrs_hub.local_hub.responses import json_answer, page_answer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from starlette.responses import Response

    from palrs_hub.local_hub.calls import Call
    from palrs_hub.local_hub.discussions import Discussion
    from palrs_hub.local_hub.operations import Header, Operation
    from palrs_hub.local_hub.records import Repository, Tree


def preupload(call: Call) -> Response:
    """Tells for each file how to send it, and what is there under its name already."""
    asked = list_field(call.json(), "files", most=limits.FILES_PER_PREUPLOAD)
    with call.store.reading() as connection:
        repository = access.contributable(connection, *call.target)
        commit = refs.resolve(connection, repository, call.revision)
        files = trees.read_tree(connection, commit.tree)
    return json_answer({"files": [_upload_mode(item, files) for item in asked]})


def _upload_mode(item: dict[str, object], files: Tree) -> dict[str, object]:
    path, size = names.check_path(item.get("path")), item.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise bad_request(f"The size of {path!r} must be a number of bytes; got {size!r}.")
    told: dict[str, object] = {
        "path": path,
        "uploadMode": "regular" if size <= limits.REGULAR_FILE_BYTES else "lfs",
        "shouldIgnore": False,
    }
    if path in files:
        told["oid"] = files[path].etag
    return told


def check_may_commit(call: Call) -> None:
    """Refuses a caller who may not commit, before anything is stored for them."""
    with call.store.reading() as connection:
        _destination(call, connection)


def commit(call: Call) -> Response:
    """Applies operations to a branch or a pull request, or opens a pull request with them."""
    header, operations = read_request(call.body, call.store.blobs)
    _take_over_large_files(call, operations)
    with call.store.writing() as connection:
        repository, start = _destination(call, connection)
        user = access.check_may_write(call.caller)
        opened: Discussion | None = None
        if call.flag("create_pr"):
            opened = _open(connection, repository, start, header, user)
        ref = start if opened is None else opened.ref
        oid = commits.commit(
            connection,
            call.store.blobs,
            repository,
            start=start,
            ref=ref,
            header=header,
            operations=operations,
            author=user,
        )
        if ref.startswith(refs.PULL_REQUESTS):
            _note(connection, repository, ref, header, oid, user)
    return json_answer(_committed(call, repository, header, oid, opened))


def _take_over_large_files(call: Call, operations: Sequence[Operation]) -> None:
    """Fetches what the client's Xet library has left; what came by LFS is here already."""
    entries = [item.entry for item in operations if isinstance(item, Put) and item.entry.large]
    with call.store.reading() as connection:
        repository, _ = _destination(call, connection)
        missing = [
            entry
            for entry in entries
            if not large_files.has(connection, repository, entry.sha256, entry.size)
        ]
        room = limits.REPOSITORY_BYTES - large_files.total_size(connection, repository)
    if sum(entry.size for entry in missing) > room:
        raise too_large("What this repository is sent", limits.REPOSITORY_BYTES)
    for entry in missing:
        try:
            taken = xet.take_over(call.store, repository, entry)
        except ValueError as error:
            raise bad_request(f"{entry.path!r} was not left as announced: {error}.") from error
        if taken:
            with call.store.writing() as connection:
                large_files.add(connection, repository.key, entry.sha256, entry.size)


def _destination(call: Call, connection: sqlite3.Connection) -> tuple[Repository, str]:
    repository = access.contributable(connection, *call.target)
    ref = refs.writable_ref(connection, repository, call.revision)
    if call.flag("create_pr"):
        if not ref.startswith(refs.BRANCHES):
            raise bad_request("A pull request is opened against a branch.")
    elif ref.startswith(refs.PULL_REQUESTS):
        pull_request = discussions.find(connection, repository, _number_of(ref))
        check_may_change(call, repository, pull_request)
        if pull_request.status not in discussions.OPEN_STATUSES:
            raise forbidden(f"Pull request {pull_request.num} is {pull_request.status}")
    else:
        access.check_owner(call.caller, repository.namespace)
    return repository, ref


def check_may_change(call: Call, repository: Repository, discussion: Discussion) -> None:
    """A discussion is changed by who opened it and by the repository's owners."""
    if access.check_may_write(call.caller) != discussion.author:
        access.check_owner(call.caller, repository.namespace)


def _number_of(ref: str) -> int:
    return int(ref.removeprefix(refs.PULL_REQUESTS))


def _open(
    connection: sqlite3.Connection, repository: Repository, base: str, header: Header, user: str
) -> Discussion:
    return discussions.create(
        connection,
        repository,
        title=header.title,
        description=header.message,
        author=user,
        status="open",
        base_ref=base,
    )


def _note(
    connection: sqlite3.Connection,
    repository: Repository,
    ref: str,
    header: Header,
    oid: str,
    user: str,
) -> None:
    data: dict[str, object] = {"subject": header.title, "oid": oid}
    discussions.add_event(connection, repository, _number_of(ref), "commit", user, data)


def _committed(
    call: Call, repository: Repository, header: Header, oid: str, opened: Discussion | None
) -> dict[str, object]:
    page = call.base_url + repository.page
    told: dict[str, object] = {
        "success": True,
        "commitOid": oid,
        "commitUrl": f"{page}/commit/{oid}",
        "commitTitle": header.title,
        "hookOutput": "",
    }
    if opened is not None:
        told["pullRequestUrl"] = f"{page}/discussions/{opened.num}"
    return told


def history(call: Call) -> Response:
    """Lists the commits of a revision, newest first."""
    size = min(paging.number(call, "limit", limits.COMMITS_PAGE), limits.LISTING_PAGE_LARGEST)
    with call.store.reading() as connection:
        repository = access.visible(connection, *call.target)
        newest = refs.resolve(connection, repository, call.revision)
        found = [*islice(commits.history(connection, repository, newest), size + 1)]
    items = [
        {
            "id": item.oid,
            "title": item.title,
            "message": item.message,
            "authors": [{"user": item.author}],
            "date": item.created_at,
        }
        for item in found[:size]
    ]
    if not len(found) > size > 0:
        return page_answer(items, next_page=None)
    # The next page is that of the next commit: what is committed meanwhile shifts nothing.
    path = f"/api/{call.kind}s/{repository.id}/commits/{found[size].oid}"
    return page_answer(items, next_page=paging.next_page(call, path))
