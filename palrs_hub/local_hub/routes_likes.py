"""Routes for likes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.local_hub import access, likes
from palrs_hub.local_hub.responses import empty_answer, json_answer

if TYPE_CHECKING:
    from starlette.responses import Response

    from palrs_hub.local_hub.calls import Call


def like(call: Call) -> Response:
    """Likes a repository."""
    user = access.check_may_write(call.caller)
    with call.store.writing() as connection:
        likes.like(connection, access.visible(connection, *call.target), user)
    return empty_answer()


def unlike(call: Call) -> Response:
    """Takes the like back."""
    user = access.check_may_write(call.caller)
    with call.store.writing() as connection:
        likes.unlike(connection, access.visible(connection, *call.target), user)
    return empty_answer()


def list_likers(call: Call) -> Response:
    """Lists who likes a repository."""
    with call.store.reading() as connection:
        found = likes.likers(connection, access.visible(connection, *call.target))
    return json_answer([{"user": user, "fullname": user, "avatarUrl": ""} for user in found])


def list_liked(call: Call) -> Response:
    """Lists what a user likes, as far as the caller may see it."""
    with call.store.reading() as connection:
        found = likes.liked_by(connection, call.parameters["user"])
    return json_answer(
        [
            {"createdAt": since, "repo": {"name": repository.id, "type": repository.kind}}
            for repository, since in found
            if access.may_see(call.caller, repository)
        ]
    )
