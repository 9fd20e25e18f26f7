"""The curated registry: entries and cards, what is checked of them, the index and the gallery.

An entry is a pinned pointer to a package and a curator's judgement of it; it comes from a stranger
by a pull request, so nothing of it is trusted before it was checked. No model is loaded here, so
that a registry can be checked and published on a machine without torch.
"""

from palrs_hub.registry.entry import VERDICTS, Entry
from palrs_hub.registry.index import Index, IndexEntry, index_of, read_index
from palrs_hub.registry.marks import CuratorWarning, Mark, mark_of, marks_by_repo
from palrs_hub.registry.shelf import Record, Shelf, read_shelf

__all__ = [
    "VERDICTS",
    "CuratorWarning",
    "Entry",
    "Index",
    "IndexEntry",
    "Mark",
    "Record",
    "Shelf",
    "index_of",
    "mark_of",
    "marks_by_repo",
    "read_index",
    "read_shelf",
]
