"""The body of a commit request: one JSON object a line, a header and then operations."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from palrs_hub.local_hub import limits, names
from palrs_hub.local_hub.blobs import git_hash, pointer
from palrs_hub.local_hub.records import Entry
from palrs_hub.local_hub.refusals import bad_request, too_large

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.local_hub.blobs import Blobs


@dataclass(frozen=True)
class Header:
    """What a commit says of itself.

    Attributes:
        parent: The commit (or its first characters) that the branch must be at.
    """

    title: str
    message: str
    parent: str | None


@dataclass(frozen=True)
class Put:
    """Adds the file or replaces it."""

    entry: Entry


@dataclass(frozen=True)
class DeleteFile:
    """Removes a file, which must be there."""

    path: str


@dataclass(frozen=True)
class DeleteFolder:
    """Removes all files of a folder, which must be there."""

    path: str


Operation = Put | DeleteFile | DeleteFolder


def read_request(body: BinaryIO, blobs: Blobs) -> tuple[Header, list[Operation]]:
    """Parses the body; the contents in it are stored already, though nothing refers to them yet."""
    header: Header | None = None
    operations: list[Operation] = []
    for key, value in _lines(body):
        if header is None:
            if key != "header":
                raise bad_request(f"A commit begins with its header; got {key!r}.")
            header = _header(value)
        elif len(operations) >= limits.OPERATIONS_PER_COMMIT:
            raise too_large("A commit", limits.OPERATIONS_PER_COMMIT, "operations")
        else:
            operations.append(_operation(key, value, blobs))
    if header is None:
        raise bad_request("The commit has no header.")
    return header, operations


def _lines(body: BinaryIO) -> Iterator[tuple[object, dict[str, object]]]:
    while line := body.readline(limits.COMMIT_LINE_BYTES + 1):
        if len(line) > limits.COMMIT_LINE_BYTES:
            raise too_large("A file inside a commit", limits.REGULAR_FILE_BYTES)
        if not line.strip():
            continue
        try:
            item = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise bad_request(f"A line of the commit is not JSON: {error}.") from error
        if not isinstance(item, dict) or not isinstance(item.get("value"), dict):
            raise bad_request('Each line of a commit reads {"key": ..., "value": {...}}.')
        yield item.get("key"), item["value"]


def _header(value: dict[str, object]) -> Header:
    title = names.check_text(
        "The commit's summary", value.get("summary"), most=limits.COMMIT_TITLE_CHARACTERS
    )
    if not title.strip():
        raise bad_request("A commit needs a summary that is not empty.")
    parent = value.get("parentCommit")
    return Header(
        title=title,
        message=names.check_text("The commit's description", value.get("description") or ""),
        parent=None if parent is None else names.check_text("parentCommit", parent, most=40),
    )


def _operation(key: object, value: dict[str, object], blobs: Blobs) -> Operation:
    match key:
        case "file":
            return Put(_regular_file(value, blobs))
        case "lfsFile":
            return Put(_large_file(value))
        case "deletedFile":
            return DeleteFile(names.check_path(value.get("path")))
        case "deletedFolder":
            path = names.check_text("The path", value.get("path"), most=limits.PATH_CHARACTERS)
            return DeleteFolder(names.check_path(path.rstrip("/")))
        case _:
            raise bad_request(f"This Hub knows no commit operation {key!r}.")


def _regular_file(value: dict[str, object], blobs: Blobs) -> Entry:
    path = names.check_path(value.get("path"))
    content, encoding = value.get("content"), value.get("encoding", "utf-8")
    if not isinstance(content, str) or encoding not in ("base64", "utf-8"):
        raise bad_request(f'The content of {path!r} must be text in "base64" or "utf-8".')
    if encoding == "utf-8":
        decoded = names.check_encodable(f"The content of {path!r}", content)
    else:
        try:
            decoded = base64.b64decode(content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise bad_request(f"The content of {path!r} is not base64: {error}.") from error
    if len(decoded) > limits.REGULAR_FILE_BYTES:
        raise too_large(f"{path!r} inside a commit", limits.REGULAR_FILE_BYTES)
    return Entry(path, git_hash(decoded), blobs.put_bytes(decoded), len(decoded), large=False)


def _large_file(value: dict[str, object]) -> Entry:
    path = names.check_path(value.get("path"))
    if value.get("algo", "sha256") != "sha256":
        raise bad_request("LFS files are named by sha256.")
    sha256, size = names.check_sha256(value.get("oid")), value.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise bad_request(f"The size of {path!r} must be a number of bytes; got {size!r}.")
    return Entry(path, git_hash(pointer(sha256, size)), sha256, size, large=True)
