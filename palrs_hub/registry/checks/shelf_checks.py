"""Checks of the entries against each other, and of files that belong to none."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from palrs_hub.compatibility import Finding
from palrs_hub.manifest import MANIFEST_FILE
from palrs_hub.registry.checks.fault import Fault, said
from palrs_hub.registry.entry import WARNED_OF
from palrs_hub.registry.facts import Facts
from palrs_hub.registry.imitation import Named, imitations
from palrs_hub.registry.shelf import CARDS, ENTRIES, EVIDENCE, FACTS_FILE, VECTORS
from palrs_hub.registry.sketch import cosines

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator

    from palrs_hub.registry.shelf import Record, Shelf

SAME_DIRECTION: Final = 0.98
_AT_ONCE: Final = 1_000


def entries(shelf: Shelf) -> Iterator[Fault]:
    """Every file of ``registry`` is an entry that can be read."""
    for slug, error in shelf.unreadable.items():
        yield Fault(
            slug,
            Finding(
                "entry",
                "error",
                f"an entry as {ENTRIES}/schema.json has it",
                said(error),
                "Correct the file; `palrs-hub registry add` writes one that is right.",
            ),
        )


def strays(shelf: Shelf) -> Iterator[Fault]:
    """Nothing lies about that belongs to no entry."""
    slugs = {record.slug for record in shelf.records} | set(shelf.unreadable)
    cards = {"README.md", *(f"{slug}.md" for slug in slugs)}
    found = [path for path in (shelf.root / CARDS).glob("*") if path.name not in cards]
    found += [path for path in (shelf.root / ENTRIES).glob("*") if not _belongs(path)]
    for place in (EVIDENCE, VECTORS):
        found += [path for path in (shelf.root / place).glob("*") if path.name not in slugs]
    for record in shelf.records:
        known = {FACTS_FILE, MANIFEST_FILE, *record.entry.evidence.problems}
        folder = shelf.root / record.evidence_folder
        found += [path for path in folder.glob("*") if path.name not in known]
    for path in sorted(found):
        yield Fault(
            path.relative_to(shelf.root).as_posix(),
            Finding(
                *(
                    "strays",
                    "error",
                    "files of an entry",
                    f"{path.name!r:.100}, which belongs to none",
                ),
                "Remove it, or add the entry that it belongs to.",
            ),
        )


def successors(shelf: Shelf) -> Iterator[Fault]:
    """What an entry was superseded by is there and may be used."""
    by_slug = {record.slug: record for record in shelf.records}
    for record in shelf.records:
        wanted = record.entry.curator.superseded_by
        if wanted is None or wanted in shelf.unreadable:
            continue
        there = by_slug.get(wanted)
        if there is None or there.entry.curator.verdict in WARNED_OF:
            found = "no such entry" if there is None else there.entry.curator.verdict
            advice = "Name the entry to use instead, or withdraw this one."
            finding = Finding("successors", "error", f"{wanted!r} to use instead", found, advice)
            yield Fault(record.slug, finding)


def duplicates(shelf: Shelf) -> Iterator[Fault]:
    """No two entries steer the same model at the same layer in the same direction."""
    groups: dict[tuple[str, int, int], list[tuple[Record, tuple[int, ...]]]] = defaultdict(list)
    for record in shelf.records:
        if not isinstance(record.facts, Facts) or record.entry.curator.verdict in WARNED_OF:
            continue
        model = (record.entry.base_model.repo or str(record.entry.base_model.path)).lower()
        for row in record.facts.directions:
            place = (model, row.layer, record.facts.base.hidden_size or 0)
            groups[place].append((record, row.sketch))
    reported: set[tuple[str, str]] = set()
    for (_, layer, _), rows in groups.items():
        for first, second, cosine in _alike([sketch for _, sketch in rows]):
            one, other = (r.slug for r in sorted((rows[first][0], rows[second][0]), key=_age))
            if one != other and (one, other) not in reported:
                reported.add((one, other))
                yield _duplicate(one, other, layer, cosine)


def names(shelf: Shelf) -> Iterator[Fault]:
    """No name could be taken for another publisher's."""
    named = [
        Named(
            record.slug,
            record.entry.name,
            (record.entry.source.repo or "").partition("/")[0],
            record.entry.curator.date,
        )
        for record in shelf.records
    ]
    for later, earlier, why in imitations(named):
        yield Fault(
            later.slug,
            Finding(
                "names",
                "error",
                "a name that cannot be taken for another's",
                f"{why} of {earlier.slug!r}",
                "Choose a name of its own; a new version belongs to the same publisher.",
            ),
        )


def _belongs(path: Path) -> bool:
    folders = {Path(EVIDENCE).name, Path(VECTORS).name}
    return path.suffix == ".yaml" or path.name in {*folders, "schema.json", "README.md"}


def _age(record: Record) -> tuple[datetime.date, str]:
    return record.entry.curator.date, record.slug


def _duplicate(one: str, other: str, layer: int, cosine: float) -> Fault:
    return Fault(
        other,
        Finding(
            "duplicates",
            "error",
            "a direction of its own",
            f"that of {one!r} at layer {layer} (cosine about {cosine:.2f})",
            "Keep the better one, and let the other be superseded by it.",
        ),
    )


def _alike(sketches: list[tuple[int, ...]]) -> Iterator[tuple[int, int, float]]:
    # Blocks keep the table of cosines small; each pair is looked at once.
    for start in range(0, len(sketches), _AT_ONCE):
        for other in range(start, len(sketches), _AT_ONCE):
            left, right = sketches[start : start + _AT_ONCE], sketches[other : other + _AT_ONCE]
            table = cosines([*left, *right])[: len(left), len(left) :]
            for first, second in np.argwhere(table >= SAME_DIRECTION):
                one, two = start + int(first), other + int(second)
                if one < two:
                    yield one, two, float(table[first, second])
