"""A request on its way from the wire to a handler and back.

Handlers are plain blocking functions from a ``Call`` to a response. This file alone is
asynchronous: it finds out who calls, takes in the body up to the route's limit, runs the handler in
a thread, and makes an answer of a refusal.
"""

from __future__ import annotations

import errno
import json
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, BinaryIO, cast
from urllib.parse import parse_qs, unquote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect

from palrs_hub.local_hub import limits, names, patience, tokens
from palrs_hub.local_hub.refusals import (
    Moved,
    Refusal,
    bad_request,
    forbidden,
    no_space,
    too_large,
)
from palrs_hub.local_hub.responses import refusal_answer

if TYPE_CHECKING:
    from starlette.datastructures import Headers, QueryParams
    from starlette.requests import Request
    from starlette.responses import Response

    from palrs_hub.local_hub.store import Store
    from palrs_hub.local_hub.tokens import Caller

_LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_WRITE_AT_ONCE = 1 * limits.MIB


@dataclass(frozen=True)
class Call:
    """A request, ready to be worked on.

    Attributes:
        parameters: The parts of the path that the route names, decoded.
        kind: The repository type that the route is for.
        path: The path with its escapes.
        from_loopback: Whether the caller is on this machine.
        base_url: How the caller reached this hub, without a slash at the end.
        body: The body, rewound.
    """

    store: Store
    caller: Caller
    method: str
    path: str
    kind: str
    parameters: Mapping[str, str]
    query: QueryParams
    headers: Headers
    from_loopback: bool
    base_url: str
    body: BinaryIO

    @property
    def target(self) -> tuple[Caller, str, str, str]:
        """Caller, type, namespace and name, in the order in which ``access`` wants them."""
        return self.caller, self.kind, self.parameters["namespace"], self.parameters["name"]

    @property
    def revision(self) -> str:
        """The revision in the path; main if the path has none."""
        return self.parameters.get("revision", "main")

    def flag(self, name: str) -> bool:
        """Whether the query sets a switch; clients spell it 1, true or True."""
        return self.query.get(name, "").lower() in ("1", "true")

    def json(self) -> dict[str, object]:
        """The body as a JSON object; an empty body is an empty object."""
        content = self.body.read()
        if not content.strip():
            return {}
        try:
            value = json.loads(content)
        except (ValueError, RecursionError) as error:
            raise bad_request(f"The body is not JSON: {error}.") from error
        if not isinstance(value, dict):
            raise bad_request("The body must be a JSON object.")
        return value

    def form(self) -> dict[str, list[str]]:
        """The body as the fields of a form."""
        try:
            return parse_qs(
                self.body.read().decode("utf-8"), max_num_fields=limits.PATHS_PER_QUESTION
            )
        except ValueError as error:
            raise bad_request(f"The body is not a form: {error}.") from error


Handler = Callable[[Call], "Response"]


@dataclass(frozen=True)
class Row:
    """One kind of request and what answers it.

    Attributes:
        pattern: The path. With ``{api}``, ``{page}`` or ``{list}`` in front it stands for one path
            for each repository type: that of a repository in the API, of its web page, of the list.
        guard: Refuses a request before its body is taken in, where that may be large.
    """

    method: str
    pattern: str
    handler: Handler
    body_limit: int = limits.JSON_BODY_BYTES
    guard: Callable[[Call], None] | None = None


async def answer(request: Request, store: Store, row: Row, kind: str) -> Response:
    """Runs a handler for a request and answers with what it returns or how it refuses."""
    request_id = str(uuid.uuid4())
    try:
        response = await _run(request, store, row, kind)
    except Moved as moved:
        return refusal_answer(_redirection(request, moved), request_id)
    except Refusal as refusal:
        return refusal_answer(refusal, request_id)
    except ClientDisconnect:
        # Nobody reads this answer; it only ends the matter quietly.
        return refusal_answer(bad_request("The request broke off."), request_id)
    except sqlite3.OperationalError as error:
        return refusal_answer(_database_refusal(error), request_id)
    except OSError as error:
        return refusal_answer(_disk_refusal(error), request_id)
    response.headers["X-Request-Id"] = request_id
    return response


def _database_refusal(error: sqlite3.OperationalError) -> Refusal:
    if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
        return no_space()
    return Refusal(503, f"The database of this Hub is not available: {error}. Try again.")


def _disk_refusal(error: OSError) -> Refusal:
    if error.errno in _DISK_FULL:
        return no_space()
    # Not the error's own text, which names files of this machine.
    return Refusal(500, f"The disk of this Hub failed: {error.strerror}. Check the hub's folder.")


def _redirection(request: Request, moved: Moved) -> Refusal:
    """Leads to the same path of the repository under the name that it has now."""
    parts = request.path_params
    if "namespace" not in parts:
        # The name stands in the body: whoever deletes or moves must say what it is called now.
        return Refusal(404, moved.message, code="RepoNotFound")
    old = f"/{parts['namespace']}/{parts['name']}"
    path = request.scope["path"].replace(old, f"/{moved.repository_id}", 1)
    query = request.url.query
    base = str(request.base_url).rstrip("/")
    moved.headers["Location"] = base + path + (f"?{query}" if query else "")
    return moved


async def _run(request: Request, store: Store, row: Row, kind: str) -> Response:
    _check_origin(request, store)
    host = request.client.host if request.client else ""
    given = request.headers.get("authorization")
    caller = await run_in_threadpool(_identify, store, given, host)
    with tempfile.SpooledTemporaryFile(
        max_size=limits.BODY_IN_MEMORY_BYTES, dir=str(store.blobs.incoming)
    ) as body:
        call = Call(
            store=store,
            caller=caller,
            method=request.method,
            path=request.scope["path"],
            kind=kind,
            parameters={key: unquote(value) for key, value in request.path_params.items()},
            query=request.query_params,
            headers=request.headers,
            from_loopback=_is_loopback(request),
            base_url=str(request.base_url).rstrip("/"),
            body=cast("BinaryIO", body),
        )
        if row.guard is not None:
            await run_in_threadpool(row.guard, call)
        await _receive(request, call.body, row.body_limit)
        return await run_in_threadpool(row.handler, call)


async def _receive(request: Request, body: BinaryIO, limit: int) -> None:
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise too_large("The body of this request", limit)
    received, waiting = 0, bytearray()
    async for chunk in patience.body_of(request):
        received += len(chunk)
        if received > limit:
            raise too_large("The body of this request", limit)
        waiting += chunk
        if len(waiting) >= _WRITE_AT_ONCE:
            await run_in_threadpool(body.write, bytes(waiting))
            waiting.clear()
    if waiting:
        await run_in_threadpool(body.write, bytes(waiting))
    body.seek(0)


def _is_loopback(request: Request) -> bool:
    return request.client is not None and ip_address(request.client.host).is_loopback


def _identify(store: Store, authorization: str | None, host: str) -> Caller:
    if not store.protected:
        return tokens.LOCAL_USER
    if not authorization:
        return tokens.ANONYMOUS
    store.guesses.check(host)
    scheme, _, value = authorization.partition(" ")
    with store.reading() as connection:
        caller = tokens.find_caller(connection, value.strip())
    if scheme.lower() != "bearer" or caller is None:
        store.guesses.note(host)
        # The client knows this sentence; with any other it would report a missing repository.
        raise Refusal(401, "Invalid credentials in Authorization header")
    return caller


def _check_origin(request: Request, store: Store) -> None:
    """Keeps web pages away from a hub without tokens.

    A page in the user's browser can send requests to loopback, under this hub's own name or under
    one that it made resolve to loopback. No client of the Hub sends an Origin.
    """
    if store.protected:
        return
    if request.url.hostname not in _LOOPBACK_NAMES:
        raise forbidden("A hub without tokens answers to loopback names only")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise forbidden("A hub without tokens does not answer to other sites' pages")


def text_field(
    fields: Mapping[str, object], name: str, *, most: int = limits.TEXT_CHARACTERS
) -> str:
    """A field of a JSON body that must be text."""
    return names.check_text(f'"{name}"', fields.get(name), most=most)


def list_field(fields: Mapping[str, object], name: str, *, most: int) -> list[dict[str, object]]:
    """A field of a JSON body that must be a list of objects."""
    value = fields.get(name)
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise bad_request(f'"{name}" must be a list of objects.')
    if len(value) > most:
        raise too_large(f'The list "{name}"', most, "items")
    return value
