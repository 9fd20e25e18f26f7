"""Routes for requests for access to gated repositories."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.local_hub import access, access_requests, tokens
from palrs_hub.local_hub.calls import text_field
from palrs_hub.local_hub.refusals import Refusal, bad_request
from palrs_hub.local_hub.responses import empty_answer, json_answer

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

    from palrs_hub.local_hub.access_requests import AccessRequest
    from palrs_hub.local_hub.calls import Call
    from palrs_hub.local_hub.records import Repository

_NAME_CHARACTERS = 200


def ask(call: Call) -> Response:
    """Asks for access to the files of a gated repository; what a form says besides is ignored."""
    user = access.check_known(call.caller)
    with call.store.writing() as connection:
        repository = access.visible(connection, *call.target)
        _check_gated(repository)
        made = access_requests.ask(connection, repository, user)
    return json_answer(_described(made))


def list_of_status(call: Call) -> Response:
    """Lists the requests that are pending, accepted or rejected, for the repository's owners."""
    status = call.parameters["status"]
    if status not in access_requests.STATUSES:
        raise Refusal(404, f"A request is one of {', '.join(access_requests.STATUSES)}.")
    with call.store.reading() as connection:
        repository = access.writable(connection, *call.target)
        _check_gated(repository)
        found = access_requests.of_status(connection, repository, status)
    return json_answer([_described(item) for item in found])


def handle(call: Call) -> Response:
    """Accepts a request, rejects it, or makes it wait again."""
    fields = call.json()
    status = fields.get("status")
    if status not in access_requests.STATUSES:
        raise bad_request(f'"status" must be one of {", ".join(access_requests.STATUSES)}.')
    with call.store.writing() as connection:
        repository = access.writable(connection, *call.target)
        _check_gated(repository)
        request = _asked_for(connection, repository, fields)
        access_requests.decide(connection, repository, request, str(status))
    return empty_answer()


def _asked_for(
    connection: sqlite3.Connection, repository: Repository, fields: dict[str, object]
) -> AccessRequest:
    if "user" in fields:
        user = text_field(fields, "user", most=_NAME_CHARACTERS)
        found = access_requests.find(connection, repository, user)
    else:
        identifier = text_field(fields, "requestId", most=_NAME_CHARACTERS)
        found = access_requests.find_by_id(connection, repository, identifier)
    if found is None:
        raise Refusal(404, f"{repository.id} has no such request for access.")
    return found


def grant(call: Call) -> Response:
    """Lets a user in who has not asked."""
    user = text_field(call.json(), "user", most=_NAME_CHARACTERS)
    with call.store.writing() as connection:
        repository = access.writable(connection, *call.target)
        _check_gated(repository)
        known = tokens.find_user(connection, user)
        if known is None:
            raise Refusal(404, f"This Hub has no user {user!r}.")
        found = access_requests.find(connection, repository, known)
        if found is not None and found.status == "accepted":
            raise bad_request(f"{known!r} has access to {repository.id} already.")
        made = access_requests.grant(connection, repository, known)
    return json_answer(_described(made))


def _check_gated(repository: Repository) -> None:
    if not repository.gated:
        raise bad_request(f"{repository.id} is not gated; everybody who sees it may read it.")


def _described(request: AccessRequest) -> dict[str, object]:
    return {
        "requestId": request.id,
        "user": {"user": request.user, "fullname": request.user},
        "status": request.status,
        "timestamp": request.created_at,
    }
