"""A sound package as bytes, and the means to forge one."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from palrs_hub.manifest import MANIFEST_FILE, TENSORS_FILE
from tests.builders import HIDDEN, a_vector

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

NAME = "layer_2"


@functools.cache
def sound_files() -> dict[str, bytes]:
    """The files of a package that loads."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = a_vector().save_pretrained(folder)
        return {file.name: file.read_bytes() for file in Path(path).iterdir()}


@dataclass
class Package:
    """The files of a package that is being forged.

    Attributes:
        files: Content by name; a name may have folders in it.
        arrange: Called with the folder once the files are written, for what bytes cannot say.
    """

    files: dict[str, bytes] = field(default_factory=lambda: dict(sound_files()))
    arrange: Callable[[Path], None] | None = None

    def write(self, folder: Path) -> Path:
        """Write it all, as a stranger's upload would lie in a folder."""
        for name, data in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        if self.arrange:
            self.arrange(folder)
        return folder


def with_manifest(text: str | bytes) -> Package:
    """The sound tensors under another manifest."""
    package = Package()
    package.files[MANIFEST_FILE] = text.encode() if isinstance(text, str) else text
    return package


def with_value(path: tuple[str | int, ...], value: object) -> Package:
    """The sound package with one value of its manifest replaced or added."""
    manifest = json.loads(sound_files()[MANIFEST_FILE])
    *parents, last = path
    place = functools.reduce(lambda node, key: node[key], parents, manifest)
    place[last] = value
    return with_manifest(json.dumps(manifest))


def with_literal(path: tuple[str | int, ...], literal: str) -> Package:
    """The same with JSON text that no encoder would write."""
    package = with_value(path, "@@@")
    text = package.files[MANIFEST_FILE].replace(b'"@@@"', literal.encode())
    return with_manifest(text)


def with_tensors(data: bytes) -> Package:
    """Other tensors, whose hash the manifest states truly: the forger is no fool."""
    package = with_value(("tensors", "sha256"), hashlib.sha256(data).hexdigest())
    package.files[TENSORS_FILE] = data
    return package


def safetensors(header: object, body: bytes = b"", *, length: int | None = None) -> bytes:
    """A safetensors file with any header, and any length that it claims to have."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    claimed = len(text) if length is None else length
    return claimed.to_bytes(8, "little") + text + body


def entry(start: int = 0, stop: int = 4 * HIDDEN, **changes: object) -> dict[str, object]:
    """One tensor's entry of a header."""
    return {"dtype": "F32", "shape": [HIDDEN], "data_offsets": [start, stop], **changes}


def with_header(header: object, body: bytes = bytes(4 * HIDDEN)) -> Package:
    """Tensors of any header."""
    return with_tensors(safetensors(header, body))


def with_values(values: object) -> Package:
    """The sound header over other numbers."""
    array = np.broadcast_to(np.array(values, dtype="<f4"), (HIDDEN,))
    return with_header({NAME: entry()}, array.tobytes())


def of_two(**offsets: tuple[int, int]) -> Package:
    """Two tensors at any offsets of a body of two."""
    header = {name: entry(*place) for name, place in offsets.items()}
    return with_header(header, np.ones(2 * HIDDEN, dtype="<f4").tobytes())
