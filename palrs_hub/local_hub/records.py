"""The values that the store hands out: repositories, commits, files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime


def timestamp() -> str:
    """The time now, in the form that the Hub's clients parse."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@dataclass(frozen=True)
class Repository:
    """A repository as the listing knows it; its files hang on commits.

    Attributes:
        key: The row in the database; it survives a rename.
        gated: ``"auto"``, ``"manual"`` or False.
        card: The YAML front matter of README.md on main, or None.
    """

    key: int
    kind: str
    namespace: str
    name: str
    private: bool
    gated: str | bool
    created_at: str
    last_modified: str
    downloads: int
    likes: int
    card: dict[str, object] | None
    tags: tuple[str, ...]

    @property
    def id(self) -> str:
        """``namespace/name``."""
        return f"{self.namespace}/{self.name}"

    @property
    def page(self) -> str:
        """The path of its web page, which resolve URLs begin with too."""
        return f"/{self.id}" if self.kind == "model" else f"/{self.kind}s/{self.id}"


@dataclass(frozen=True)
class Entry:
    """A file in a tree.

    Attributes:
        oid: The git hash of the blob; of the pointer file if it is an LFS file.
        sha256: The hash of the content, by which it is stored.
    """

    path: str
    oid: str
    sha256: str
    size: int
    large: bool

    @property
    def etag(self) -> str:
        """What clients name their cached copy by."""
        return self.sha256 if self.large else self.oid


@dataclass(frozen=True)
class Commit:
    """A state of a repository's files."""

    oid: str
    tree: str
    parent: str | None
    title: str
    message: str
    author: str
    created_at: str


Tree = dict[str, Entry]
"""All files of a commit by path."""
