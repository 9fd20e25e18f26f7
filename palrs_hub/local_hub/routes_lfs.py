"""Routes for files that are too large to travel inside a commit."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from palrs_hub.local_hub import access, large_files, limits, names, signing, xet
from palrs_hub.local_hub.calls import list_field
from palrs_hub.local_hub.refusals import Refusal, bad_request, too_large
from palrs_hub.local_hub.responses import empty_answer, json_answer

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

    from palrs_hub.local_hub.calls import Call
    from palrs_hub.local_hub.records import Repository

UPLOAD_PATH = "/lfs/upload"


def batch(call: Call) -> Response:
    """Tells for each object whether and where to send it."""
    fields = call.json()
    if fields.get("operation") != "upload":
        raise bad_request("This Hub's LFS route serves uploads; files are read by their URLs.")
    asked = list_field(fields, "objects", most=limits.OBJECTS_PER_LFS_BATCH)
    with call.store.reading() as connection:
        repository = access.contributable(connection, *call.target)
        objects = [_object(call, connection, repository, item) for item in asked]
    return json_answer({"transfer": "basic", "objects": objects})


def _object(
    call: Call, connection: sqlite3.Connection, repository: Repository, item: dict[str, object]
) -> dict[str, object]:
    oid, size = names.check_sha256(item.get("oid")), item.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise bad_request(f"The size of {oid} must be a number of bytes; got {size!r}.")
    told: dict[str, object] = {"oid": oid, "size": size}
    if size > limits.LARGE_FILE_BYTES:
        return told | {
            "error": {"code": 413, "message": str(too_large(oid, limits.LARGE_FILE_BYTES))}
        }
    if large_files.has(connection, repository, oid, size):
        return told
    query = signing.sign(call.store.signing_key, repository=repository.key, oid=oid, size=size)
    base = f"{call.base_url}{repository.page}.git/info/lfs"
    actions = {
        "upload": {"href": f"{call.base_url}{UPLOAD_PATH}?{urlencode(query)}"},
        "verify": {"href": f"{base}/verify"},
    }
    return told | {"actions": actions}


def check_link(call: Call) -> None:
    """Refuses an upload that no link allows; the client sends no token along with its files."""
    _, oid, size = signing.check(call.store.signing_key, call.query)
    announced = call.headers.get("content-length")
    if announced is not None and announced != str(size):
        raise bad_request(f"The link is for {oid} of {size} bytes; announced are {announced}.")


def upload(call: Call) -> Response:
    """Takes in one object."""
    repository, oid, size = signing.check(call.store.signing_key, call.query)
    try:
        call.store.blobs.put(call.body, expected=(oid, size))
    except ValueError as error:
        raise bad_request(f"The upload is not the object that was announced: {error}.") from error
    with call.store.writing() as connection:
        large_files.add(connection, repository, oid, size)
    return empty_answer()


def verify(call: Call) -> Response:
    """Confirms that an object has arrived."""
    fields = call.json()
    oid, size = names.check_sha256(fields.get("oid")), fields.get("size")
    with call.store.reading() as connection:
        repository = access.contributable(connection, *call.target)
        arrived = isinstance(size, int) and large_files.has(connection, repository, oid, size)
    if not arrived:
        raise Refusal(404, f"The object {oid} of {size} bytes has not arrived.")
    return empty_answer()


def xet_token(call: Call) -> Response:
    """Tells the client's Xet library where to leave large files."""
    with call.store.reading() as connection:
        repository = access.contributable(connection, *call.target)
    if not (call.from_loopback and xet.available()):
        raise Refusal(
            404,
            "This Hub takes files by Xet only from its own machine. Set HF_HUB_DISABLE_XET=1 "
            "before huggingface_hub is imported; large files then go through LFS.",
        )
    told = xet.connection_info(call.store, repository)
    headers = {
        "X-Xet-Cas-Url": str(told["casUrl"]),
        "X-Xet-Access-Token": str(told["accessToken"]),
        "X-Xet-Token-Expiration": str(told["exp"]),
    }
    return json_answer(told, headers=headers)
