"""The embedded Hub described in OpenAPI 3.1, from the table of its routes.

The paths are those of the table. What a request may hold stands in ``BODIES`` and ``QUERIES``; an
answer is told apart by its class alone, for the clients know the Hub's answers.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from palrs_hub.local_hub.calls import Row

    Schema = Mapping[str, object]

PATH: Final = "/.well-known/openapi.json"
"""Where the Hub has its own description."""

_TEXT: Final = {"type": "string"}
_FLAG: Final = {"type": "boolean"}
_NUMBER: Final = {"type": "integer"}
_KIND: Final = {"enum": ["model", "dataset", "space"]}
_STATUS: Final = {"enum": ["open", "closed"]}


def _object(*required: str, **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


def _list(item: Schema) -> Schema:
    return {"type": "array", "items": item}


_COMMENT: Final = _object("comment", comment=_TEXT)
_LARGE: Final = _object("oid", "size", oid=_TEXT, size=_NUMBER)

BODIES: Final[Mapping[str, Schema]] = {
    "POST /api/validate-yaml": _object("content", content=_TEXT, repoType=_KIND),
    "POST /api/repos/create": _object(
        "name", name=_TEXT, organization=_TEXT, type=_KIND, private=_FLAG, visibility=_TEXT
    ),
    "DELETE /api/repos/delete": _object("name", name=_TEXT, organization=_TEXT, type=_KIND),
    "POST /api/repos/move": _object("fromRepo", "toRepo", fromRepo=_TEXT, toRepo=_TEXT, type=_KIND),
    "POST /lfs/complete": _object(
        "parts", oid=_TEXT, parts=_list(_object(partNumber=_NUMBER, etag=_TEXT))
    ),
    "POST {page}.git/info/lfs/objects/batch": _object(
        "operation",
        "objects",
        operation={"enum": ["upload", "download"]},
        transfers=_list({"enum": ["basic", "multipart", "xet"]}),
        objects=_list(_LARGE),
    ),
    "POST {page}.git/info/lfs/verify": _LARGE,
    "PUT {api}/settings": _object(
        private=_FLAG, visibility=_TEXT, gated={"enum": ["auto", "manual", False]}
    ),
    "POST {api}/preupload/{revision}": _object(
        "files", files=_list(_object("path", "size", path=_TEXT, size=_NUMBER, sample=_TEXT))
    ),
    "POST {api}/paths-info/{revision}": _object("paths", paths=_list(_TEXT), expand=_FLAG),
    "POST {api}/branch/{revision}": _object(
        startingPoint=_TEXT, emptyBranch=_FLAG, overwrite=_FLAG
    ),
    "POST {api}/tag/{revision}": _object("tag", tag=_TEXT, message=_TEXT),
    "POST {api}/discussions": _object("title", title=_TEXT, description=_TEXT, pullRequest=_FLAG),
    "POST {api}/discussions/{num}/comment": _COMMENT,
    "POST {api}/discussions/{num}/status": _object("status", status=_STATUS, comment=_TEXT),
    "POST {api}/discussions/{num}/title": _object("title", title=_TEXT),
    "POST {api}/discussions/{num}/merge": _object(comment=_TEXT),
    "POST {api}/user-access-request/handle": _object(
        "status",
        status={"enum": ["accepted", "rejected", "pending"]},
        user=_TEXT,
        requestId=_TEXT,
    ),
    "POST {api}/user-access-request/grant": _object("user", user=_TEXT),
}
"""JSON bodies by route."""

_DESCRIBED: Final = {"expand": _list(_TEXT), "blobs": _FLAG, "securityStatus": _FLAG}
_PAGE: Final = {"limit": _NUMBER, "cursor": _TEXT}
_FOLDER: Final = {"recursive": _FLAG, "expand": _FLAG, **_PAGE}
_LINK: Final = dict.fromkeys(("action", "repository", "oid", "size", "expires", "signature"), _TEXT)

QUERIES: Final[Mapping[str, Mapping[str, Schema]]] = {
    "PUT /lfs/upload": _LINK,
    "PUT /lfs/part/{number}": _LINK,
    "POST /lfs/complete": _LINK,
    "GET /lfs/download": _LINK,
    "GET {list}": {
        **dict.fromkeys(("author", "sort", "gated"), _TEXT),
        **{name: _list(_TEXT) for name in ("search", "filter", "expand")},
        **dict.fromkeys(("full", "cardData"), _FLAG),
        **_PAGE,
    },
    "GET {api}": _DESCRIBED,
    "GET {api}/revision/{revision}": _DESCRIBED,
    "POST {api}/commit/{revision}": {"create_pr": _FLAG},
    "GET {api}/commits/{revision}": {"p": _NUMBER, **_PAGE},
    "GET {api}/tree/{revision}": _FOLDER,
    "GET {api}/tree/{revision}/{path:path}": _FOLDER,
    "GET {api}/refs": {"include_prs": _FLAG},
    "GET {api}/discussions": {
        "p": _NUMBER,
        "author": _TEXT,
        "type": {"enum": ["all", "discussion", "pull_request"]},
        "status": {"enum": ["all", "open", "closed"]},
    },
    "GET {api}/discussions/{num}": {"diff": _FLAG},
}
"""Parameters of the query, by route."""

_ANSWERS: Final = {
    "2XX": {"description": "Done."},
    "3XX": {"description": "It is elsewhere, or the caller has it."},
    "4XX": {
        "description": "Refused; X-Error-Message says why.",
        "content": {"application/json": {"schema": _object("error", error=_TEXT)}},
    },
}


def describe(rows: Mapping[str, Row], version: str) -> Schema:
    """The description of the routes.

    Args:
        rows: By path, as Starlette writes it and with its method in front.
        version: Of palrs-hub.
    """
    paths: dict[str, dict[str, object]] = {}
    for key, row in rows.items():
        method, _, path = key.partition(" ")
        plain = re.sub(r":path\}", "}", path)
        paths.setdefault(plain, {})[method.lower()] = _operation(row, plain)
    return {
        "openapi": "3.1.0",
        "info": {"title": "The embedded Hub of palrs-hub", "version": version},
        "components": {"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}, {}],
        "paths": paths,
    }


def _operation(row: Row, path: str) -> Schema:
    route = f"{row.method} {row.pattern}"
    summary = (row.handler.__doc__ or "").strip().splitlines()[0]
    found = {"summary": summary, "parameters": [*_parameters(route, path)], "responses": _ANSWERS}
    if route in BODIES:
        found["requestBody"] = {"content": {"application/json": {"schema": BODIES[route]}}}
    elif row.method in ("POST", "PUT"):
        kind = "application/x-ndjson" if "/commit/" in path else "application/octet-stream"
        found["requestBody"] = {"content": {kind: {"schema": _TEXT}}}
    return found


def _parameters(route: str, path: str) -> Iterator[Schema]:
    for name in re.findall(r"\{(\w+)\}", path):
        yield {"name": name, "in": "path", "required": True, "schema": _TEXT}
    for name, schema in QUERIES.get(route, {}).items():
        yield {"name": name, "in": "query", "schema": schema}
