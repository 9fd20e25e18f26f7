"""Routes for discussions and pull requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.local_hub import access, discussions, limits, merges, paging, refs
from palrs_hub.local_hub.calls import text_field
from palrs_hub.local_hub.refusals import Refusal, bad_request
from palrs_hub.local_hub.responses import json_answer
from palrs_hub.local_hub.routes_commit import check_may_change

if TYPE_CHECKING:
    from starlette.responses import Response

    from palrs_hub.local_hub.calls import Call
    from palrs_hub.local_hub.discussions import Discussion
    from palrs_hub.local_hub.records import Repository

_TITLE_CHARACTERS = 200
_MOST_DIGITS = 9


def _number(call: Call) -> int:
    text = call.parameters["num"]
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        raise Refusal(404, f"There is no discussion {text!r}.")
    return int(text)


def create(call: Call) -> Response:
    """Opens a discussion, or a pull request against main, which begins as a draft."""
    fields = call.json()
    title = text_field(fields, "title", most=_TITLE_CHARACTERS).strip()
    if not title:
        raise bad_request("A discussion needs a title.")
    is_pull_request = fields.get("pullRequest") is True
    with call.store.writing() as connection:
        repository = access.contributable(connection, *call.target)
        made = discussions.create(
            connection,
            repository,
            title=title,
            description=text_field({"description": "", **fields}, "description"),
            author=access.check_may_write(call.caller),
            status="draft" if is_pull_request else "open",
            base_ref=refs.MAIN if is_pull_request else None,
        )
    url = f"{call.base_url}{repository.page}/discussions/{made.num}"
    return json_answer({"num": made.num, "url": url, "pullRequest": is_pull_request})


def list_all(call: Call) -> Response:
    """Lists the discussions of a repository, a page at a time."""
    start = paging.number(call, "p", 0) * limits.DISCUSSIONS_PAGE
    with call.store.reading() as connection:
        repository = access.visible(connection, *call.target)
        found = discussions.all_of(
            connection,
            repository,
            kind=call.query.get("type"),
            status=call.query.get("status"),
            author=call.query.get("author"),
        )
    page = found[start : start + limits.DISCUSSIONS_PAGE]
    items = [_described(repository, item) for item in page]
    return json_answer({"discussions": items, "count": len(found), "start": start})


def details(call: Call) -> Response:
    """Shows a discussion with its record and, of a pull request, its changes."""
    with call.store.reading() as connection:
        repository = access.readable(connection, *call.target)
        found = discussions.find(connection, repository, _number(call))
        told = _described(repository, found)
        told["events"] = discussions.events(connection, repository, found.num)
        if found.is_pull_request:
            told["changes"] = {"base": found.base_ref, "mergeCommitId": found.merge_commit}
            told["filesWithConflicts"] = merges.conflicts(connection, repository, found)
            if call.flag("diff"):
                told["diff"] = merges.diff(connection, call.store.blobs, repository, found)
    return json_answer(told)


def _described(repository: Repository, item: Discussion) -> dict[str, object]:
    return {
        "num": item.num,
        "title": item.title,
        "author": {"name": item.author},
        "createdAt": item.created_at,
        "status": item.status,
        "isPullRequest": item.is_pull_request,
        "repo": {"name": repository.id, "type": repository.kind},
    }


def comment(call: Call) -> Response:
    """Adds a comment."""
    text = text_field(call.json(), "comment")
    with call.store.writing() as connection:
        repository = access.contributable(connection, *call.target)
        found = discussions.find(connection, repository, _number(call))
        user = access.check_may_write(call.caller)
        data = discussions.comment_data(text)
        event = discussions.add_event(connection, repository, found.num, "comment", user, data)
    return json_answer({"newMessage": event})


def change_status(call: Call) -> Response:
    """Opens or closes; what is merged stays merged."""
    fields = call.json()
    status = fields.get("status")
    if status not in ("open", "closed"):
        raise bad_request(f'"status" must be "open" or "closed"; got {status!r}.')
    with call.store.writing() as connection:
        repository = access.contributable(connection, *call.target)
        found = discussions.find(connection, repository, _number(call))
        check_may_change(call, repository, found)
        if found.status in ("merged", status):
            raise bad_request(f"{found.num} has the status {found.status!r} already.")
        user = access.check_may_write(call.caller)
        if fields.get("comment"):
            data = discussions.comment_data(text_field(fields, "comment"))
            discussions.add_event(connection, repository, found.num, "comment", user, data)
        event = discussions.change_status(connection, repository, found.num, str(status), user)
    return json_answer({"newStatus": event})


def change_title(call: Call) -> Response:
    """Renames a discussion."""
    title = text_field(call.json(), "title", most=_TITLE_CHARACTERS).strip()
    if not title:
        raise bad_request("A discussion needs a title.")
    with call.store.writing() as connection:
        repository = access.contributable(connection, *call.target)
        found = discussions.find(connection, repository, _number(call))
        check_may_change(call, repository, found)
        user = access.check_may_write(call.caller)
        event = discussions.change_title(connection, repository, found.num, title, user)
    return json_answer({"newTitle": event})


def merge(call: Call) -> Response:
    """Merges a pull request into the branch that it is for."""
    fields = call.json()
    with call.store.writing() as connection:
        repository = access.writable(connection, *call.target)
        found = discussions.find(connection, repository, _number(call))
        user = access.check_owner(call.caller, repository.namespace)
        if fields.get("comment"):
            data = discussions.comment_data(text_field(fields, "comment"))
            discussions.add_event(connection, repository, found.num, "comment", user, data)
        oid = merges.merge(connection, call.store.blobs, repository, found, user)
        discussions.change_status(connection, repository, found.num, "merged", user)
    return json_answer({"mergeCommitId": oid})
