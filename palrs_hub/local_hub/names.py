"""What may be called what: repositories, revisions, files.

Every name that comes in over the wire passes here once before anything is done with it.
"""

from __future__ import annotations

import re
import unicodedata

from palrs_hub.local_hub import limits
from palrs_hub.local_hub.refusals import bad_request

KINDS = ("model", "dataset", "space")
"""The repository types, as requests name them; in a path they carry a plural s."""

# These words begin other paths of the Hub, so that a namespace of that name could not be reached.
RESERVED_NAMESPACES = frozenset({"api", "models", "datasets", "spaces", "lfs", "resolve-cache"})

_ID_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FORBIDDEN_IN_REVISION = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]")


def check_kind(kind: object) -> str:
    """Returns the repository type; absent means model."""
    if kind is None:
        return "model"
    if kind not in KINDS:
        raise bad_request(f"Repository type must be one of {', '.join(KINDS)}; got {kind!r}.")
    return str(kind)


def split_repository_id(repository_id: object) -> tuple[str, str]:
    """Splits ``namespace/name`` and checks both halves."""
    if not isinstance(repository_id, str) or repository_id.count("/") != 1:
        raise bad_request(f"A repository id reads namespace/name; got {repository_id!r}.")
    namespace, name = repository_id.split("/")
    check_namespace(namespace)
    check_repository_name(name)
    if len(repository_id) > limits.REPOSITORY_ID_CHARACTERS:
        raise bad_request(
            f"A repository id has at most {limits.REPOSITORY_ID_CHARACTERS} characters; "
            f"{repository_id!r} has {len(repository_id)}."
        )
    return namespace, name


def check_namespace(namespace: object) -> str:
    """Returns the name of a user or an organisation if it can be one."""
    checked = _check_id_part("A namespace", namespace)
    if checked.lower() in RESERVED_NAMESPACES:
        raise bad_request(f"{checked!r} is reserved and cannot be a namespace.")
    return checked


def check_repository_name(name: object) -> str:
    """Returns the half of a repository id after the slash if it can be one."""
    checked = _check_id_part("A repository name", name)
    if checked.lower().endswith((".git", ".ipynb")):
        raise bad_request(f"A repository name does not end in .git or .ipynb; got {checked!r}.")
    return checked


def _check_id_part(what: str, part: object) -> str:
    if (
        not isinstance(part, str)
        or len(part) > limits.REPOSITORY_ID_CHARACTERS
        or not _ID_PART.fullmatch(part)
        or "--" in part
        or ".." in part
    ):
        raise bad_request(
            f"{what} has letters, digits, '-', '_' and '.', begins and ends with a letter, a digit "
            f"or '_', has no '--' or '..' and at most {limits.REPOSITORY_ID_CHARACTERS} "
            f"characters; got {part!r}."
        )
    return part


def check_revision_name(name: object) -> str:
    """Returns the name of a branch or tag if git would take it and it hides no other ref."""
    if not isinstance(name, str) or not name or len(name) > limits.REVISION_CHARACTERS:
        raise bad_request(
            f"The name of a branch or tag has 1 to {limits.REVISION_CHARACTERS} characters."
        )
    check_encodable("The name of a branch or tag", name)
    parts = name.split("/")
    if (
        _FORBIDDEN_IN_REVISION.search(name)
        or ".." in name
        or "@{" in name
        or name in {"@", "HEAD"}
        or any(
            not part or part.startswith((".", "-")) or part.endswith((".", ".lock"))
            for part in parts
        )
    ):
        raise bad_request(f"{name!r} cannot be the name of a branch or tag.")
    if parts[0] == "refs" or is_commit(name):
        raise bad_request(f"{name!r} would hide another kind of revision.")
    return name


def is_commit(revision: str) -> bool:
    """Whether the revision is a whole commit hash."""
    return _COMMIT.fullmatch(revision) is not None


def check_sha256(oid: object) -> str:
    """Returns the hash if it is the lower-case hexadecimal form of a sha256."""
    if not isinstance(oid, str) or not _SHA256.fullmatch(oid):
        raise bad_request(f"An LFS oid is a sha256 of 64 lower-case hex digits; got {oid!r}.")
    return oid


def check_path(path: object) -> str:
    """Returns the path of a file in a repository if it stays inside on every system."""
    if not isinstance(path, str) or not path or len(path) > limits.PATH_CHARACTERS:
        raise bad_request(f"A path has 1 to {limits.PATH_CHARACTERS} characters.")
    encoded = check_encodable("A path", path)
    if "\\" in path or any(unicodedata.category(character) == "Cc" for character in path):
        raise bad_request(f"A path has no backslash and no control character; got {path!r}.")
    for part in path.split("/"):
        if part in {"", ".", ".."} or part.lower() == ".git":
            raise bad_request(
                f"A path is relative, with no empty part, no '.', no '..' and no '.git'; "
                f"got {path!r}."
            )
    if any(len(part) > limits.PATH_PART_BYTES for part in encoded.split(b"/")):
        raise bad_request(f"Each part of a path has at most {limits.PATH_PART_BYTES} bytes.")
    return path


def check_text(what: str, text: object, *, most: int = limits.TEXT_CHARACTERS) -> str:
    """Returns free text if it is text, can be stored and is not too long."""
    if not isinstance(text, str):
        raise bad_request(f"{what} must be text; got {type(text).__name__}.")
    if len(text) > most:
        raise bad_request(f"{what} has at most {most} characters; got {len(text)}.")
    check_encodable(what, text)
    return text


def check_encodable(what: str, text: str) -> bytes:
    """Returns the text as UTF-8; half a surrogate pair, which JSON can spell, has no such form."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise bad_request(f"{what} is not valid Unicode: {error.reason}.") from error
