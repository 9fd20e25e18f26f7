"""Routes for files that are too large to travel inside a commit: what to do with each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.local_hub import access, large_files, limits, names, routes_transfer, xet
from palrs_hub.local_hub.calls import list_field
from palrs_hub.local_hub.refusals import Refusal, bad_request, too_large
from palrs_hub.local_hub.responses import empty_answer, json_answer

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

    from palrs_hub.local_hub.calls import Call
    from palrs_hub.local_hub.records import Repository

_MULTIPART = "multipart"


def batch(call: Call) -> Response:
    """Tells for each object whether and where to send it, or where to get it."""
    fields = call.json()
    operation = fields.get("operation")
    if operation not in ("upload", "download"):
        raise bad_request(f'"operation" must be "upload" or "download"; got {operation!r}.')
    asked = list_field(fields, "objects", most=limits.OBJECTS_PER_LFS_BATCH)
    objects = [(names.check_sha256(item.get("oid")), _size(item)) for item in asked]
    if operation == "download":
        return json_answer({"transfer": "basic", "objects": _downloads(call, objects)})
    transfers = fields.get("transfers")
    in_parts = isinstance(transfers, list) and _MULTIPART in transfers
    told = _uploads(call, objects, in_parts=in_parts)
    return json_answer({"transfer": _MULTIPART if in_parts else "basic", "objects": told})


def _size(item: dict[str, object]) -> int:
    size = item.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise bad_request(f"The size of {item.get('oid')} must be a number of bytes; got {size!r}.")
    return size


def _uploads(
    call: Call, objects: list[tuple[str, int]], *, in_parts: bool
) -> list[dict[str, object]]:
    with call.store.reading() as connection:
        repository = access.contributable(connection, *call.target)
        room = limits.REPOSITORY_BYTES - large_files.total_size(connection, repository)
        told = []
        for oid, size in objects:
            item: dict[str, object] = {"oid": oid, "size": size}
            if _is_there(call, connection, repository, oid, size):
                told.append(item)
                continue
            refusal = _refusal(oid, size, room)
            if refusal is not None:
                told.append(item | {"error": {"code": refusal.status, "message": str(refusal)}})
                continue
            room -= size
            upload = routes_transfer.upload_action(call, repository, oid, size, in_parts=in_parts)
            verify = {"href": f"{call.base_url}{repository.page}.git/info/lfs/verify"}
            told.append(item | {"actions": {"upload": upload, "verify": verify}})
    return told


def _is_there(
    call: Call, connection: sqlite3.Connection, repository: Repository, oid: str, size: int
) -> bool:
    # The touch keeps it there until the commit that the client now goes on to.
    return large_files.has(connection, repository, oid, size) and call.store.blobs.touch(oid)


def _refusal(oid: str, size: int, room: int) -> Refusal | None:
    if size > limits.LARGE_FILE_BYTES:
        return too_large(oid, limits.LARGE_FILE_BYTES)
    if size > room:
        return too_large("What this repository is sent", limits.REPOSITORY_BYTES)
    return None


def _downloads(call: Call, objects: list[tuple[str, int]]) -> list[dict[str, object]]:
    with call.store.reading() as connection:
        repository = access.readable(connection, *call.target)
        told = []
        for oid, size in objects:
            item: dict[str, object] = {"oid": oid, "size": size}
            if large_files.has(connection, repository, oid, size) and call.store.blobs.has(oid):
                action = routes_transfer.download_action(call, repository, oid, size)
                told.append(item | {"actions": {"download": action}})
            else:
                message = f"{repository.id} has no object {oid} of {size} bytes."
                told.append(item | {"error": {"code": 404, "message": message}})
    return told


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
        access.contributable(connection, *call.target)
    if not (call.from_loopback and xet.available()):
        raise Refusal(
            404,
            "This Hub takes files by Xet only from its own machine. Set HF_HUB_DISABLE_XET=1 "
            "before huggingface_hub is imported; large files then go through LFS.",
        )
    with call.store.writing() as connection:
        repository = access.contributable(connection, *call.target)
        told = xet.connection_info(call.store, repository)
    headers = {
        "X-Xet-Cas-Url": str(told["casUrl"]),
        "X-Xet-Access-Token": str(told["accessToken"]),
        "X-Xet-Token-Expiration": str(told["exp"]),
    }
    return json_answer(told, headers=headers)
