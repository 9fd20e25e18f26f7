"""Routes about the caller, and the few that are about no repository."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.local_hub import access, cards, limits
from palrs_hub.local_hub.calls import text_field
from palrs_hub.local_hub.refusals import Refusal, unauthenticated
from palrs_hub.local_hub.responses import empty_answer, json_answer

if TYPE_CHECKING:
    from starlette.responses import Response

    from palrs_hub.local_hub.calls import Call


def whoami(call: Call) -> Response:
    """Tells whom the token stands for."""
    caller = call.caller
    if caller.user is None:
        raise unauthenticated("Invalid username or password.")
    return json_answer(
        {
            "type": "user",
            "id": caller.user,
            "name": caller.user,
            "fullname": caller.user,
            "isPro": False,
            "canPay": False,
            "orgs": [
                {"type": "org", "id": name, "name": name, "fullname": name, "roleInOrg": "admin"}
                for name in caller.organizations
            ],
            "auth": {
                "type": "access_token",
                "accessToken": {"displayName": "palrs-hub", "role": caller.role},
            },
        }
    )


def validate_yaml(call: Call) -> Response:
    """Judges the front matter of a README before it is committed."""
    fields = call.json()
    verdict = cards.judge(text_field(fields, "content", most=limits.README_BYTES))
    body = {
        "errors": [{"message": message} for message in verdict.errors],
        "warnings": [{"message": message} for message in verdict.warnings],
    }
    return json_answer(body, status=400 if verdict.errors else 200)


def agent_harnesses(call: Call) -> Response:
    """Answers a question of the client's telemetry, so that it stops asking."""
    del call
    return empty_answer()


def check_read(call: Call) -> Response:
    """Tells whether the caller may read the repository's files."""
    with call.store.reading() as connection:
        access.readable(connection, *call.target)
    return empty_answer()


def check_write(call: Call) -> Response:
    """Tells whether the caller may change the repository."""
    with call.store.reading() as connection:
        access.writable(connection, *call.target)
    return empty_answer()


def unserved(call: Call) -> Response:
    """Says that the path is none of this hub's."""
    path = call.parameters["rest"]
    raise Refusal(
        501 if path.startswith("api/") else 404,
        f"The embedded Hub of palrs-hub does not serve {call.method} /{path}.",
    )


def without_namespace(call: Call) -> Response:
    """Answers for repositories with a name only; every repository of this hub has a namespace."""
    status, hint = (401, " A token may be needed.") if call.caller.anonymous else (404, "")
    raise Refusal(
        status,
        f"Repository {call.parameters['name']} not found; here all have a namespace.{hint}",
        code="RepoNotFound",
    )
