"""The folder in which an embedded Hub keeps everything: a database, contents, a signing key."""

from __future__ import annotations

import secrets
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from palrs_hub.errors import LocalHubError
from palrs_hub.local_hub import database, tokens
from palrs_hub.local_hub.blobs import Blobs
from palrs_hub.local_hub.guesses import Guesses

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType

    from palrs_hub.local_hub.tokens import Token

DATABASE_FILE = "hub.sqlite3"
BLOBS_FOLDER = "blobs"


class Store:
    """An open hub folder; use it in a ``with`` statement, or close it.

    Attributes:
        root: The folder.
        blobs: The contents of all files.
        signing_key: Signs upload links; it outlives a restart, and so do the links.
        guesses: What came with unknown tokens of late.
        protected: Whether there are tokens. Without any, every caller is the local user.
    """

    def __init__(self, root: Path | str, *, new_tokens: Sequence[Token] = ()) -> None:
        self.root = Path(root).absolute()
        try:
            self.blobs = Blobs(self.root / BLOBS_FOLDER)
        except OSError as error:
            raise LocalHubError(
                f"The embedded Hub cannot use the folder {self.root}: {error}. "
                "Choose one that can be written to."
            ) from error
        self.guesses = Guesses()
        self._database = self.root / DATABASE_FILE
        self._anchor = database.prepare(self._database)
        try:
            with self.writing() as connection:
                for token in new_tokens:
                    tokens.add_token(connection, token)
                self.protected = tokens.any_token(connection)
                self.signing_key = _signing_key(connection)
        except BaseException:
            self._anchor.close()
            raise

    def reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection that sees one state of the database."""
        return database.transaction(self._database, write=False)

    def writing(self) -> AbstractContextManager[sqlite3.Connection]:
        """A connection that is alone in writing; all of its changes are kept, or none."""
        return database.transaction(self._database, write=True)

    def close(self) -> None:
        """Lets go of the database."""
        self._anchor.close()

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _signing_key(connection: sqlite3.Connection) -> bytes:
    connection.execute(
        "INSERT OR IGNORE INTO settings VALUES ('signing_key', ?)", (secrets.token_hex(32),)
    )
    row = connection.execute("SELECT value FROM settings WHERE name = 'signing_key'").fetchone()
    return bytes.fromhex(row["value"])
