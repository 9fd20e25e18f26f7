"""Every reader of what others wrote: TARGETS is the table, a line each.

A reader may raise errors of ours and nothing else, whatever bytes it is given.
"""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palrs_hub.card import CARD_FILE
from palrs_hub.errors import PalrsHubError
from palrs_hub.manifest import MANIFEST_FILE, TENSORS_FILE
from tests.hostile.corpus import HARMLESS, HEADERS, MANIFESTS
from tests.hostile.package import sound_files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT: Final = Path(__file__).parents[2]
LARGEST_SEED: Final = 64 * 1024


@dataclass(frozen=True)
class Target:
    """A reader.

    Attributes:
        read: Read these bytes.
        seeds: Files to begin with, sound and hostile ones.
    """

    read: Callable[[bytes], object]
    seeds: Callable[[], list[bytes]]

    def __call__(self, data: bytes) -> None:
        """Errors of ours are what is expected; anything else is a defect."""
        with contextlib.suppress(PalrsHubError):
            self.read(data)


def _manifest(data: bytes) -> None:
    """What can be read can be written and shown."""
    from palrs_hub.card import render_card
    from palrs_hub.manifest import read_manifest

    manifest = read_manifest(data)
    assert read_manifest(manifest.to_json()) == manifest
    render_card(manifest)


def _tensors(data: bytes) -> None:
    from palrs_hub.tensors import read_tensors

    read_tensors(data)


def _imported(suffix: str, kind: str) -> Callable[[bytes], None]:
    def read(data: bytes) -> None:
        from palrs_hub.formats import import_vector

        with _file(data, suffix) as path:
            import_vector(path, format=kind, layer=1)

    return read


def _pairs(data: bytes) -> None:
    from palrs_hub.pairs import read_pairs

    with _file(data, ".jsonl") as path:
        read_pairs(path)


def _entry(data: bytes) -> None:
    from palrs_hub.registry.entry import parse_entry
    from palrs_hub.registry.yaml_file import read_yaml

    parse_entry(read_yaml(data))


def _card(data: bytes) -> None:
    """As the gallery renders a curator's card, and as the embedded Hub reads an uploaded one."""
    from palrs_hub.local_hub.cards import judge
    from palrs_hub.registry.markdown import active_content, render, sections

    text = data.decode("utf-8", "replace")
    judge(text)
    sections(text)
    list(active_content(text))
    shown = render(text).lower()
    assert "<script" not in shown
    assert "<img" not in shown


@contextlib.contextmanager
def _file(data: bytes, suffix: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"file{suffix}"
        path.write_bytes(data)
        yield path


def _written(*names: str) -> Callable[[], list[bytes]]:
    """Files as other tools write them."""

    def seeds() -> list[bytes]:
        from tests.formats import tool_files

        with tempfile.TemporaryDirectory() as folder:
            directions = {1: tool_files.some_direction(8), 2: tool_files.some_direction(8, 1)}
            return [
                getattr(tool_files, name)(Path(folder), directions).read_bytes() for name in names
            ]

    return seeds


def _corpus(table: dict[str, object], name: str) -> Callable[[], list[bytes]]:
    """A file of every hostile package of a table."""

    def seeds() -> list[bytes]:
        found = {forge().files.get(name, b"") for forge in table.values()}  # type: ignore[operator]
        others = sorted(data for data in found if len(data) <= LARGEST_SEED)
        return [sound_files()[name], *others]

    return seeds


def _lines() -> list[bytes]:
    from palrs_hub.demo import pairs_file

    first = pairs_file().read_bytes().splitlines(keepends=True)[:3]
    rows = [b'{"prompt": [{"role": "user", "content": "a"}], "chosen": "b", "rejected": "c"}']
    rows += [b'{"chosen": [], "rejected": {}}', b"[" * 1000, b'"a"', b"\xff\xfe{\x00}\x00"]
    return [b"".join(first), *rows]


def _files(*patterns: str) -> Callable[[], list[bytes]]:
    return lambda: [path.read_bytes() for each in patterns for path in sorted(ROOT.glob(each))]


TARGETS: Final[dict[str, Target]] = {
    "manifest": Target(_manifest, _corpus(MANIFESTS, MANIFEST_FILE)),
    "safetensors": Target(_tensors, _corpus(HEADERS, TENSORS_FILE)),
    "gguf": Target(_imported(".gguf", "gguf"), _written("gguf_file", "easysteer_file")),
    "svec": Target(_imported(".svec", "svec"), _written("ibm_file", "aisteer_file")),
    "pairs": Target(_pairs, _lines),
    "entry": Target(_entry, _files("registry/*.yaml")),
    "card": Target(_card, lambda: [*_corpus(HARMLESS, CARD_FILE)(), *_files("cards/*.md")()]),
}
