"""Routes for branches and tags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.local_hub import access, names, refs
from palrs_hub.local_hub.responses import empty_answer, json_answer

if TYPE_CHECKING:
    from starlette.responses import Response

    from palrs_hub.local_hub.calls import Call


def list_refs(call: Call) -> Response:
    """Lists branches and tags, and pull requests if they are asked for."""
    with call.store.reading() as connection:
        repository = access.visible(connection, *call.target)
        found = refs.all_refs(connection, repository)
    groups = {"branches": refs.BRANCHES, "tags": refs.TAGS}
    if call.flag("include_prs"):
        groups["pullRequests"] = refs.PULL_REQUESTS
    told: dict[str, object] = {
        group: [
            {"name": item.short_name, "ref": item.ref, "targetCommit": item.target}
            for item in found
            if item.ref.startswith(prefix)
        ]
        for group, prefix in groups.items()
    }
    return json_answer(told | {"converts": []})


def create_branch(call: Call) -> Response:
    """Makes a branch, at main unless told otherwise."""
    start = names.check_text("startingPoint", call.json().get("startingPoint") or "main")
    with call.store.writing() as connection:
        repository = access.writable(connection, *call.target)
        refs.create_branch(connection, repository, call.revision, start)
    return empty_answer()


def delete_branch(call: Call) -> Response:
    """Removes a branch."""
    with call.store.writing() as connection:
        repository = access.writable(connection, *call.target)
        refs.delete(connection, repository, refs.BRANCHES + call.revision)
    return empty_answer()


def create_tag(call: Call) -> Response:
    """Puts a tag on a revision."""
    fields = call.json()
    tag = names.check_revision_name(fields.get("tag"))
    message = fields.get("message")
    checked = None if message is None else names.check_text("message", message)
    with call.store.writing() as connection:
        repository = access.writable(connection, *call.target)
        refs.create_tag(connection, repository, tag, call.revision, checked)
    return empty_answer()


def delete_tag(call: Call) -> Response:
    """Removes a tag."""
    with call.store.writing() as connection:
        repository = access.writable(connection, *call.target)
        refs.delete(connection, repository, refs.TAGS + call.revision)
    return empty_answer()
