"""The answers that the Hub's clients understand: JSON, errors, files, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from starlette.responses import FileResponse, JSONResponse, Response

if TYPE_CHECKING:
    from palrs_hub.local_hub.blobs import Blobs
    from palrs_hub.local_hub.records import Commit, Entry, Repository
    from palrs_hub.local_hub.refusals import Refusal

# What is stored here was written by others: a browser must neither run it nor guess what it is.
_INERT = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
_LONGEST_HEADER = 500


def json_answer(
    content: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """An answer in JSON."""
    return JSONResponse(content, status_code=status, headers=headers)


def empty_answer() -> Response:
    """An answer that says only that it was done."""
    return json_answer({})


def refusal_answer(refusal: Refusal, request_id: str) -> Response:
    """An error, told in the headers and in the body, as different clients look at either."""
    headers = refusal.headers | {
        "X-Error-Message": _header_text(refusal.message),
        "X-Request-Id": request_id,
    }
    if refusal.code is not None:
        headers["X-Error-Code"] = refusal.code
    body: dict[str, object] = {"error": refusal.message} | refusal.extra
    return json_answer(body, status=refusal.status, headers=headers)


def file_answer(
    blobs: Blobs, repository: Repository, commit: Commit, entry: Entry, *, known: str | None
) -> Response:
    """A file with the headers by which clients name and check their cached copies.

    Args:
        blobs: Where the content is.
        repository: Whose file it is.
        commit: The commit that the revision meant.
        entry: The file.
        known: The request's If-None-Match.
    """
    etag = f'"{entry.etag}"'
    headers = {"ETag": etag, "X-Repo-Commit": commit.oid, **_INERT}
    if entry.large:
        headers |= {"X-Linked-Etag": etag, "X-Linked-Size": str(entry.size)}
    if known is not None and _matches(known, etag):
        return Response(status_code=304, headers=headers)
    return FileResponse(
        blobs.path(entry.sha256),
        headers=headers,
        media_type="application/octet-stream",
        filename=entry.path.rsplit("/", 1)[-1],
        content_disposition_type="inline",
    )


def blob_answer(blobs: Blobs, sha256: str) -> Response:
    """A content by its hash alone."""
    return FileResponse(blobs.path(sha256), headers=_INERT, media_type="application/octet-stream")


def page_answer(items: object, *, next_page: str | None) -> Response:
    """One page of a list; the address of the next one is in the Link header."""
    headers = {} if next_page is None else {"Link": f'<{next_page}>; rel="next"'}
    return json_answer(items, headers=headers)


def _matches(known: str, etag: str) -> bool:
    given = {item.strip().removeprefix("W/") for item in known.split(",")}
    return "*" in given or etag in given


def _header_text(message: str) -> str:
    # Headers are one line of Latin-1; whatever is not is spelled out in percent signs.
    line = " ".join(message.split())[:_LONGEST_HEADER]
    return quote(line, safe=" !\"#$&'()*+,-./:;<=>?@[]^_`{|}~")
