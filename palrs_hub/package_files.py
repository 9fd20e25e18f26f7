"""The files of a package: their names, and reading and writing them with care."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from palrs_hub.card import CARD_FILE
from palrs_hub.errors import PackageError, SignatureError
from palrs_hub.manifest import MANIFEST_FILE, TENSORS_FILE
from palrs_hub.whole_file import name_beside, write_new

if TYPE_CHECKING:
    from collections.abc import Mapping

PACKAGE_FILES = (CARD_FILE, MANIFEST_FILE, TENSORS_FILE)
"""What every package has and what is fetched of it; pictures are drawn anew from the manifest."""

SIGNATURE_FILE = "model.sig"
"""A signature of manifest and tensors, which a package may have; see ``palrs_hub.signing``."""
MAX_SIGNATURE_BYTES = 256 * 1024


def read_signature(path: Path) -> bytes | None:
    """A package's signature, None where it has none.

    Raises:
        SignatureError: It is no file, or larger than a signature is.
    """
    if not os.path.lexists(path):
        return None
    return read_bytes(path, MAX_SIGNATURE_BYTES, SignatureError)


def read_bytes(path: Path, limit: int, error: type[PackageError]) -> bytes:
    """Read a file of a package, at most so many bytes.

    Raises:
        PackageError: Of the given class: it is missing, is no file, or is larger.
    """
    try:
        # Opening a pipe would wait for a writer: it is opened without, and then refused.
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        with open(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise error(f"{path} should be a file; it is something else.")
            data = file.read(limit + 1)
    except FileNotFoundError as cause:
        raise error(
            f"{path.parent} holds no {path.name}: it is not a palrs-hub vector. "
            f"A package has {', '.join(PACKAGE_FILES)}."
        ) from cause
    except OSError as cause:
        raise error(f"Cannot read {path}: {cause}") from cause
    if len(data) > limit:
        raise error(f"{path} has more than {limit:,} bytes; no package is so large.")
    return data


def write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files so that a full disk leaves the old ones: none moves before all are written."""
    written = {name: name_beside(folder / name) for name in files}
    try:
        for name, data in files.items():
            write_new(written[name], data)
        for name in files:
            os.replace(written[name], folder / name)
    except BaseException:
        for temporary in written.values():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
        raise
