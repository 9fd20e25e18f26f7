"""Which process serves a folder.

The claim is a lock on a database of its own, so that the system lets go of it however the process
ends, and on every system in the same way.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLAIM_FILE = "serving.sqlite3"


@contextlib.contextmanager
def claimed(root: Path, *, patience_seconds: float = 0) -> Iterator[bool]:
    """Claims the folder while the ``with`` statement lasts; False if somebody else has it."""
    connection = sqlite3.connect(
        root / CLAIM_FILE,
        timeout=patience_seconds,
        isolation_level=None,
        check_same_thread=False,
    )
    with contextlib.closing(connection):
        try:
            connection.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            yield False
            return
        yield True
