"""What a check of the registry found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from palrs_hub.compatibility import Finding


@dataclass(frozen=True)
class Fault:
    """A finding, and the entry that it is about.

    Attributes:
        entry: The entry's slug, or a file that belongs to none.
        finding: What was expected, what was found and what to do. Errors fail a check.
    """

    entry: str
    finding: Finding

    def as_json(self) -> dict[str, Any]:
        """The facts for machines."""
        return {"entry": self.entry, **vars(self.finding)}


def said(error: object) -> str:
    """What an error says, without its full stop: the sentence goes on."""
    return str(error).rstrip(".")
