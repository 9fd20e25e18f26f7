"""Routes behind the signed links of LFS: they take in large files, whole or in parts, or send one.

The client sends no token along with its files, so the links carry their own permission.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from palrs_hub.local_hub import large_files, limits, parts, signing
from palrs_hub.local_hub.calls import list_field
from palrs_hub.local_hub.refusals import Refusal, bad_request
from palrs_hub.local_hub.responses import blob_answer, empty_answer

if TYPE_CHECKING:
    from starlette.responses import Response

    from palrs_hub.local_hub.calls import Call
    from palrs_hub.local_hub.records import Repository
    from palrs_hub.local_hub.signing import Link

UPLOAD_PATH = "/lfs/upload"
PART_PATH = "/lfs/part/{number}"
COMPLETE_PATH = "/lfs/complete"
DOWNLOAD_PATH = "/lfs/download"

_UPLOAD = "upload"
_PART = "part"
_COMPLETE = "complete"
_DOWNLOAD = "download"
_MOST_PARTS = 100_000


def upload_action(
    call: Call, repository: Repository, oid: str, size: int, *, in_parts: bool
) -> dict[str, object]:
    """Where and how the client shall send an object."""
    if not in_parts or size <= limits.LFS_PART_BYTES:
        return {"href": _href(call, UPLOAD_PATH, _UPLOAD, repository, oid, size)}
    header: dict[str, object] = {"chunk_size": str(limits.LFS_PART_BYTES)}
    for number in range(1, parts.count(size) + 1):
        path = PART_PATH.format(number=number)
        header[str(number)] = _href(call, path, f"{_PART} {number}", repository, oid, size)
    href = _href(call, COMPLETE_PATH, _COMPLETE, repository, oid, size)
    return {"href": href, "header": header}


def download_action(call: Call, repository: Repository, oid: str, size: int) -> dict[str, object]:
    """Where the client gets an object."""
    return {"href": _href(call, DOWNLOAD_PATH, _DOWNLOAD, repository, oid, size)}


def _href(call: Call, path: str, action: str, repository: Repository, oid: str, size: int) -> str:
    link = signing.Link(action, repository.key, oid, size)
    return f"{call.base_url}{path}?{urlencode(signing.sign(call.store.signing_key, link))}"


def _link(call: Call, action: str) -> Link:
    return signing.check(call.store.signing_key, call.query, action)


def check_upload(call: Call) -> None:
    """Refuses an upload that no link allows."""
    link = _link(call, _UPLOAD)
    announced = call.headers.get("content-length")
    if announced is not None and announced != str(link.size):
        raise bad_request(
            f"The link is for {link.oid} of {link.size} bytes; announced are {announced}."
        )


def upload(call: Call) -> Response:
    """Takes in one object."""
    link = _link(call, _UPLOAD)
    try:
        call.store.blobs.put(call.body, expected=(link.oid, link.size))
    except ValueError as error:
        raise bad_request(f"The upload is not the object that was announced: {error}.") from error
    _note_arrival(call, link)
    return empty_answer()


def check_part(call: Call) -> None:
    """Refuses a part that no link allows."""
    _link(call, f"{_PART} {_number(call)}")


def upload_part(call: Call) -> Response:
    """Takes in a part of an object; the answer's ETag goes into the request that completes it."""
    number = _number(call)
    link = _link(call, f"{_PART} {number}")
    answer = empty_answer()
    answer.headers["ETag"] = f'"{parts.put(call.store, link, number, call.body)}"'
    return answer


def _number(call: Call) -> int:
    text = call.parameters["number"]
    if not (text.isascii() and text.isdigit() and len(text) < 9 and 0 < int(text) <= _MOST_PARTS):
        raise Refusal(404, f"There is no part {text!r:.40}.")
    return int(text)


def complete(call: Call) -> Response:
    """Puts an object together from its parts."""
    link = _link(call, _COMPLETE)
    told = list_field(call.json(), "parts", most=_MOST_PARTS)
    # A number of its own kind alone: a list, for one, could not be looked up.
    given = {str(item.get("partNumber")): str(item.get("etag")).strip('"') for item in told}
    with call.store.reading() as connection:
        arrived = large_files.has_by_key(connection, link.repository, link.oid, link.size)
    # Whoever sends the same object at the same time may have completed it before.
    if not (arrived and call.store.blobs.touch(link.oid)):
        parts.put_together(call.store, link, given)
        _note_arrival(call, link)
    parts.forget(call.store, link)
    return empty_answer()


def _note_arrival(call: Call, link: Link) -> None:
    with call.store.writing() as connection:
        large_files.add(connection, link.repository, link.oid, link.size)


def download(call: Call) -> Response:
    """Sends an object."""
    link = _link(call, _DOWNLOAD)
    if not call.store.blobs.has(link.oid):
        raise Refusal(404, f"The object {link.oid} is not there any more.")
    return blob_answer(call.store.blobs, link.oid)
