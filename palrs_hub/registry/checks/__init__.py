"""The checks of a registry: three tables, and every check runs every time.

A check returns findings and never raises; nothing that an entry says can switch one off.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, Final

from palrs_hub.registry.checks import card_checks, entry_checks, hub_checks, shelf_checks
from palrs_hub.registry.checks.fault import Fault

if TYPE_CHECKING:
    from palrs_hub.compatibility import Finding
    from palrs_hub.registry.shelf import Record, Shelf

__all__ = ["ENTRY_CHECKS", "HUB_CHECKS", "SHELF_CHECKS", "Fault", "check_shelf"]

# name -> what it asks of an entry alone, with what lies beside it.
ENTRY_CHECKS: Final[dict[str, Callable[[Record], Iterator[Finding]]]] = {
    "slug": entry_checks.slug,
    "package": entry_checks.package,
    "manifest": entry_checks.manifest_hash,
    "evidence": entry_checks.evidence,
    "told": entry_checks.told,
    "base_model": entry_checks.base_model,
    "evaluations": entry_checks.evaluations,
    "problems": entry_checks.problems,
    "verdict": entry_checks.verdict,
    "card": card_checks.card,
    "card_content": card_checks.card_content,
}

# name -> what it asks of the entries together.
SHELF_CHECKS: Final[dict[str, Callable[[Shelf], Iterator[Fault]]]] = {
    "entry": shelf_checks.entries,
    "strays": shelf_checks.strays,
    "successors": shelf_checks.successors,
    "duplicates": shelf_checks.duplicates,
    "names": shelf_checks.names,
}

# name -> what it asks of the Hub, with --online.
HUB_CHECKS: Final[dict[str, Callable[[Record], Iterator[Finding]]]] = {
    "pinned": hub_checks.pinned,
    "newest": hub_checks.newest,
    "base_online": hub_checks.base_online,
}


def check_shelf(
    shelf: Shelf, *, online: bool = False, only: Collection[str] | None = None
) -> tuple[Fault, ...]:
    """Run every check; all findings, by entry.

    Args:
        shelf: The registry.
        online: Also ask the Hub for every package and base model.
        only: The slugs to report; what they are compared with is the whole registry.
    """
    tables = [ENTRY_CHECKS, HUB_CHECKS] if online else [ENTRY_CHECKS]
    found = [
        Fault(record.slug, finding)
        for record in shelf.records
        if only is None or record.slug in only
        for table in tables
        for check in table.values()
        for finding in check(record)
    ]
    together = [fault for check in SHELF_CHECKS.values() for fault in check(shelf)]
    found += [fault for fault in together if only is None or fault.entry in only]
    return tuple(sorted(found, key=lambda fault: fault.entry))
