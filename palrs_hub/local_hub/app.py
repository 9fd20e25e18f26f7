"""The application: every route of the embedded Hub in one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.routing import Route

from palrs_hub import __version__
from palrs_hub.local_hub import (
    calls,
    limits,
    names,
    openapi,
    routes_access,
    routes_account,
    routes_commit,
    routes_discussions,
    routes_files,
    routes_lfs,
    routes_likes,
    routes_listing,
    routes_refs,
    routes_repos,
    routes_transfer,
)
from palrs_hub.local_hub.calls import Row
from palrs_hub.local_hub.responses import json_answer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Receive, Scope, Send

    from palrs_hub.local_hub.calls import Call
    from palrs_hub.local_hub.store import Store

_EVERY_METHOD = ("GET", "POST", "PUT", "PATCH", "DELETE")


def describe_routes(call: Call) -> Response:
    """Describes these routes in OpenAPI."""
    del call
    served = (row for row in ROUTES if row.handler is not routes_account.unserved)
    paths = {f"{row.method} {path}": row for row in served for _, path in _patterns(row.pattern)}
    return json_answer(openapi.describe(paths, __version__))


ROUTES = (
    Row("GET", openapi.PATH, describe_routes),
    Row("GET", "/api/whoami-v2", routes_account.whoami),
    Row("GET", "/api/agent-harnesses", routes_account.agent_harnesses),
    Row("POST", "/api/validate-yaml", routes_account.validate_yaml),
    Row("POST", "/api/repos/create", routes_repos.create),
    Row("DELETE", "/api/repos/delete", routes_repos.delete),
    Row("POST", "/api/repos/move", routes_repos.move),
    Row(
        "PUT",
        routes_transfer.UPLOAD_PATH,
        routes_transfer.upload,
        limits.LARGE_FILE_BYTES,
        routes_transfer.check_upload,
    ),
    Row(
        "PUT",
        routes_transfer.PART_PATH,
        routes_transfer.upload_part,
        limits.LFS_PART_BYTES,
        routes_transfer.check_part,
    ),
    Row("POST", routes_transfer.COMPLETE_PATH, routes_transfer.complete),
    Row("GET", routes_transfer.DOWNLOAD_PATH, routes_transfer.download),
    Row("POST", "{page}.git/info/lfs/objects/batch", routes_lfs.batch),
    Row("POST", "{page}.git/info/lfs/verify", routes_lfs.verify),
    Row("GET", "{page}/resolve/{revision}/{path:path}", routes_files.resolve),
    Row("GET", "{list}", routes_listing.list_repositories),
    Row("GET", "{api}", routes_repos.describe),
    Row("GET", "{api}/revision/{revision}", routes_repos.describe),
    Row("PUT", "{api}/settings", routes_repos.change_settings),
    Row("GET", "{api}/auth-check", routes_account.check_read),
    Row("GET", "{api}/auth-check/write", routes_account.check_write),
    Row("POST", "{api}/preupload/{revision}", routes_commit.preupload),
    Row(
        "POST",
        "{api}/commit/{revision}",
        routes_commit.commit,
        limits.COMMIT_BODY_BYTES,
        routes_commit.check_may_commit,
    ),
    Row("GET", "{api}/commits/{revision}", routes_commit.history),
    Row("GET", "{api}/tree/{revision}", routes_listing.tree),
    Row("GET", "{api}/tree/{revision}/{path:path}", routes_listing.tree),
    Row("POST", "{api}/paths-info/{revision}", routes_listing.paths_info),
    Row("GET", "{api}/refs", routes_refs.list_refs),
    Row("POST", "{api}/branch/{revision}", routes_refs.create_branch),
    Row("DELETE", "{api}/branch/{revision}", routes_refs.delete_branch),
    Row("POST", "{api}/tag/{revision}", routes_refs.create_tag),
    Row("DELETE", "{api}/tag/{revision}", routes_refs.delete_tag),
    Row("GET", "{api}/discussions", routes_discussions.list_all),
    Row("POST", "{api}/discussions", routes_discussions.create),
    Row("GET", "{api}/discussions/{num}", routes_discussions.details),
    Row("POST", "{api}/discussions/{num}/comment", routes_discussions.comment),
    Row("POST", "{api}/discussions/{num}/status", routes_discussions.change_status),
    Row("POST", "{api}/discussions/{num}/title", routes_discussions.change_title),
    Row("POST", "{api}/discussions/{num}/merge", routes_discussions.merge),
    Row("POST", "{page}/ask-access", routes_access.ask),
    Row("GET", "{api}/user-access-request/{status}", routes_access.list_of_status),
    Row("POST", "{api}/user-access-request/handle", routes_access.handle),
    Row("POST", "{api}/user-access-request/grant", routes_access.grant),
    Row("POST", "{api}/like", routes_likes.like),
    Row("DELETE", "{api}/like", routes_likes.unlike),
    Row("GET", "{api}/likers", routes_likes.list_likers),
    Row("GET", "/api/users/{user}/likes", routes_likes.list_liked),
    Row("GET", "{api}/xet-write-token/{revision}", routes_lfs.xet_token),
    # Names without a namespace come last, for they match what the rows above leave over.
    Row("GET", "{list}/{name}", routes_account.without_namespace),
    Row("GET", "{list}/{name}/revision/{revision}", routes_account.without_namespace),
    Row("GET", "{list}/{name}/tree/{rest:path}", routes_account.without_namespace),
    Row("GET", "/{name}/resolve/{rest:path}", routes_account.without_namespace),
    *(Row(method, "/{rest:path}", routes_account.unserved) for method in _EVERY_METHOD),
)


def build(store: Store) -> ASGIApp:
    """Makes the application that serves a store."""
    application = Starlette(routes=[*_routes(store)])
    application.router.redirect_slashes = False
    return _with_escaped_paths(application)


def _routes(store: Store) -> Iterator[Route]:
    for row in ROUTES:
        for kind, pattern in _patterns(row.pattern):
            yield Route(pattern, _endpoint(store, row, kind), methods=[row.method])


def _patterns(pattern: str) -> Iterator[tuple[str, str]]:
    if not pattern.startswith(("{api}", "{page}", "{list}")):
        yield "model", pattern
        return
    for kind in reversed(names.KINDS):
        page = "" if kind == "model" else f"/{kind}s"
        yield (
            kind,
            pattern.replace("{api}", f"/api/{kind}s/{{namespace}}/{{name}}")
            .replace("{page}", f"{page}/{{namespace}}/{{name}}")
            .replace("{list}", f"/api/{kind}s"),
        )


def _endpoint(store: Store, row: Row, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await calls.answer(request, store, row, kind)

    return endpoint


def _with_escaped_paths(application: ASGIApp) -> ASGIApp:
    """Lets routes match on the path as it was sent.

    Clients escape the slashes of a revision such as refs/pr/1; once decoded, they could not be told
    from those that separate it from the path of a file.
    """

    async def with_escaped_path(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope.get("raw_path"):
            scope = {**scope, "path": scope["raw_path"].decode("latin-1")}
        await application(scope, receive, send)

    return with_escaped_path
