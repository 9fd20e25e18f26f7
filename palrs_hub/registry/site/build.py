"""The gallery: ``index.json`` and static pages around it, written aside and then moved in place."""

from __future__ import annotations

import functools
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import jinja2

from palrs_hub.errors import RegistryError
from palrs_hub.registry.entry import VERDICTS
from palrs_hub.registry.index import INDEX_FILE, Index, index_entry, make_index, readable
from palrs_hub.registry.site.vector_page import Page, context
from palrs_hub.whole_file import folder_beside

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from palrs_hub.registry.index import IndexEntry
    from palrs_hub.registry.shelf import Record, Shelf

TEMPLATES: Final = Path(__file__).parents[2] / "templates" / "gallery"
_MARK: Final = "palrs-hub registry build"
_DESCRIPTION: Final = 180
_PAGES: Final = ("index", "compare", "about")


@dataclass(frozen=True)
class Built:
    """A gallery that was built."""

    folder: Path
    index: Index


def build(shelf: Shelf, output: str | os.PathLike[str]) -> Built:
    """Write a registry's index and gallery to a folder: all of it, or nothing.

    Args:
        shelf: The registry; it should have passed its checks.
        output: The folder; one that such a build wrote is replaced, no other.

    Raises:
        RegistryError: An entry cannot be read, or the folder holds something else.
    """
    for slug, error in shelf.unreadable.items():
        raise RegistryError(f"registry/{slug}.yaml: {error}. `palrs-hub registry check` tells all.")
    return write_gallery([_page(record) for record in shelf.records], output)


def write_gallery(pages: Sequence[Page], output: str | os.PathLike[str]) -> Built:
    """Write the index and the gallery of pages that were read: all of it, or nothing.

    Raises:
        RegistryError: The folder holds something else, or cannot be written.
    """
    folder = Path(output)
    _refuse_other(folder)
    by_slug = {page.entry.slug: (index_entry(page.entry, page.manifest), page) for page in pages}
    index = make_index(entry for entry, _ in by_slug.values())
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with folder_beside(folder) as aside:
            new, old = aside / "new", aside / "old"
            new.mkdir()
            _write(new, index, by_slug)
            try:
                if folder.exists():
                    os.replace(folder, old)
                os.replace(new, folder)
            except BaseException:  # also an interruption between the two
                if old.exists() and not folder.exists():
                    os.replace(old, folder)
                raise
    except OSError as error:
        raise RegistryError(f"The gallery could not be written to {folder}: {error}") from error
    return Built(folder, index)


def _page(record: Record) -> Page:
    facts = readable(record, record.facts)
    manifest, card = readable(record, record.manifest), readable(record, record.card)
    return Page(record.entry, manifest, facts.samples, card)


def _refuse_other(folder: Path) -> None:
    if not folder.exists():
        return
    readme = folder / "README.md"
    empty = folder.is_dir() and not any(folder.iterdir())
    if empty or (
        readme.is_file() and _MARK in readme.read_text(encoding="utf-8", errors="replace")
    ):
        return
    raise RegistryError(f"{folder} is there and was not written by `{_MARK}`. Give another folder.")


def _write(folder: Path, index: Index, pages: Mapping[str, tuple[IndexEntry, Page]]) -> None:
    shutil.copytree(TEMPLATES / "assets", folder / "assets")
    (folder / INDEX_FILE).write_text(index.to_json(), encoding="utf-8")
    # In the index's order, which is the order of the list.
    ordered = [pages[entry.slug] for entry in index.entries]
    (folder / "assets" / "entries.js").write_text(_entries(ordered), encoding="utf-8")
    shared = {"digest": index.digest, "total": len(index.entries), "verdicts": VERDICTS}
    for name in _PAGES:
        text = template(f"{name}.html.jinja").render(**shared, page=name, up="")
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    space = template("space.md.jinja").render(**shared)
    (folder / "README.md").write_text(space, encoding="utf-8")
    (folder / "vectors").mkdir()
    vector_page = template("vector.html.jinja")
    for entry, page in ordered:
        text = vector_page.render(**shared, **context(page, entry), page="vector", up="../")
        (folder / "vectors" / f"{entry.slug}.html").write_text(text, encoding="utf-8")


def _entries(pages: list[tuple[IndexEntry, Page]]) -> str:
    """What the list needs, as a script: a page that is opened from a disk may fetch no file."""
    rows = [dict(_row(entry, page)) for entry, page in pages]
    names = list(rows[0]) if rows else []
    text = json.dumps(
        {"fields": names, "rows": [list(row.values()) for row in rows]}, separators=(",", ":")
    )
    # A string that is parsed is read several times faster than an expression. It is all ASCII.
    literal = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"window.PALRS_ENTRIES = JSON.parse('{literal}');\n"


def _row(entry: IndexEntry, page: Page) -> Iterator[tuple[str, Any]]:
    yield "slug", entry.slug
    yield "name", entry.name
    yield "base", entry.base_model
    yield "task", entry.task
    yield "method", entry.method
    yield "verdict", entry.verdict
    yield "date", entry.date
    yield "reason", entry.reason
    yield "tags", list(entry.tags)
    yield "license", entry.license
    yield "source", str(page.entry.source)
    yield "layers", list(entry.layers)
    yield "coefficient", entry.coefficient
    yield "range", entry.coefficient_range
    yield "side", entry.side_effect
    yield "description", _short(page.manifest.task.description)
    head = entry.headline
    yield (
        "head",
        None
        if head is None
        else {
            "task": head.task,
            "metric": head.metric,
            "samples": head.samples,
            "steered": head.steered,
            "unsteered": head.unsteered,
            "random": head.random,
            "higher": head.higher_is_better,
        },
    )


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _DESCRIPTION else f"{line[: _DESCRIPTION - 1].rstrip()}…"


@functools.cache
def _environment() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def template(name: str) -> jinja2.Template:
    """A template of the gallery, which escapes every text."""
    return _environment().get_template(name)
