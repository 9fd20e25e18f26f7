"""The route that hands out files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.local_hub import access, refs, repositories, trees
from palrs_hub.local_hub.refusals import entry_not_found
from palrs_hub.local_hub.responses import file_answer

if TYPE_CHECKING:
    from starlette.responses import Response

    from palrs_hub.local_hub.calls import Call

COUNTED_FILES = frozenset({"config.json", "steering_config.json"})
"""One of these is read once for each use of a repository, so to count them is to count uses."""


def resolve(call: Call) -> Response:
    """Answers with a file of a revision, a part of it, or its headers alone."""
    path = call.parameters["path"]
    with call.store.reading() as connection:
        repository = access.readable(connection, *call.target)
        commit = refs.resolve(connection, repository, call.revision)
        entry = trees.read_entry(connection, commit.tree, path)
    if entry is None:
        refusal = entry_not_found(path, call.revision)
        # The client remembers that the file is absent, for this commit only.
        refusal.headers["X-Repo-Commit"] = commit.oid
        raise refusal
    known = call.headers.get("if-none-match")
    answer = file_answer(call.store.blobs, repository, commit, entry, known=known)
    if call.method == "GET" and path in COUNTED_FILES and answer.status_code != 304:
        with call.store.writing() as connection:
            repositories.count_download(connection, repository)
    return answer
