"""Access tokens and the callers that they stand for."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from palrs_hub.errors import LocalHubError
from palrs_hub.local_hub import names
from palrs_hub.local_hub.refusals import Refusal

if TYPE_CHECKING:
    import sqlite3

Role = Literal["read", "write"]


@dataclass(frozen=True)
class Token:
    """A token together with what it lets its bearer do.

    Attributes:
        value: The secret that the client sends; only its hash is stored.
        user: The user, who owns the namespace of that name.
        role: A reading token sees what the user sees; a writing one changes what the user owns.
        organizations: Further namespaces that the user owns.
    """

    value: str
    user: str
    role: Role = "write"
    organizations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Caller:
    """Who makes a request.

    Attributes:
        user: None if the request carries no token.
        owns_all: Set for the one user of a hub without tokens.
    """

    user: str | None
    role: Role = "read"
    organizations: tuple[str, ...] = ()
    owns_all: bool = False

    @property
    def anonymous(self) -> bool:
        """Whether the request carries no token."""
        return self.user is None

    def owns(self, namespace: str) -> bool:
        """Whether the namespace is the user's own or an organisation of theirs."""
        if self.owns_all:
            return True
        wanted = namespace.lower()
        return any(wanted == name.lower() for name in self.namespaces)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces that the caller owns by name."""
        return () if self.user is None else (self.user, *self.organizations)


ANONYMOUS = Caller(user=None)
LOCAL_USER = Caller(user="local", role="write", owns_all=True)
"""Who everybody is on a hub without tokens."""


def new_token(user: str, *, role: Role = "write", organizations: tuple[str, ...] = ()) -> Token:
    """Makes a token with an unguessable value; some clients insist on the ``hf_`` in front."""
    return Token("hf_" + secrets.token_hex(20), user, role, organizations)


def add_token(connection: sqlite3.Connection, token: Token) -> None:
    """Stores the token's hash and rights, replacing those of an earlier one of the same value."""
    try:
        for namespace in (token.user, *token.organizations):
            names.check_namespace(namespace)
    except Refusal as refusal:
        raise LocalHubError(f"The token of {token.user!r} cannot be used: {refusal}") from refusal
    if not token.value or token.role not in ("read", "write"):
        raise LocalHubError("A token needs a value that is not empty, and the role read or write.")
    connection.execute(
        "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)",
        (_hash(token.value), token.user, token.role, json.dumps(token.organizations)),
    )


def find_caller(connection: sqlite3.Connection, value: str) -> Caller | None:
    """Returns whom the token stands for, or None if it is unknown.

    All stored hashes are compared in constant time, so that timing tells nothing about them.
    """
    wanted = _hash(value)
    found = None
    for row in connection.execute("SELECT sha256, user, role, organizations FROM tokens"):
        if hmac.compare_digest(row["sha256"], wanted):
            found = Caller(row["user"], row["role"], tuple(json.loads(row["organizations"])))
    return found


def find_user(connection: sqlite3.Connection, name: str) -> str | None:
    """The user of that name in whatever case, as far as there is a token for them."""
    row = connection.execute(
        "SELECT user FROM tokens WHERE user = ? COLLATE NOCASE LIMIT 1", (name,)
    ).fetchone()
    return None if row is None else str(row["user"])


def any_token(connection: sqlite3.Connection) -> bool:
    """Whether the hub has tokens; without any it takes every caller for its one local user."""
    return connection.execute("SELECT 1 FROM tokens LIMIT 1").fetchone() is not None


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
