"""Finding repositories: filters, words and order, a page at a time.

A word is looked for inside the text of a repository, not only at the beginnings of its words, so
that "bert" finds "roberta". The index of all triples of characters names candidates, among which
the texts themselves decide; words of one or two characters it does not know.

The database would have to guess which condition leaves the fewest repositories, and to sort a
hundred thousand of them for one page takes it longer than a person wants to wait. So the question
is put in one of two ways: if a condition leaves few, those are fetched and sorted; else all are
walked in the order that is asked for, until the page is full.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palrs_hub.local_hub import repositories
from palrs_hub.local_hub.refusals import bad_request

if TYPE_CHECKING:
    import sqlite3

    from palrs_hub.local_hub.records import Repository
    from palrs_hub.local_hub.tokens import Caller

SORT_COLUMNS = {
    "lastModified": "last_modified",
    "createdAt": "created_at",
    "downloads": "downloads",
    "likes": "likes",
    # A hub of one's own has no trend worth computing.
    "trendingScore": "downloads",
}
_COUNTS = ("downloads", "likes")

_FEW = 1_000
# A word that is in more texts than this is soon found by walking.
_SOME = 8_000
_INDEXED_CHARACTERS = 3
# Every triple takes its time, and names differ at their ends.
_ENOUGH_CHARACTERS = 9
_TEXT = "(SELECT text FROM repository_search WHERE rowid = repositories.key)"


@dataclass(frozen=True)
class Query:
    """What a listing asks for; all conditions must hold."""

    kind: str
    author: str | None = None
    tags: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    gated: bool | None = None
    sort: str = "trendingScore"

    @property
    def column(self) -> str:
        """The column by which the listing is ordered."""
        if self.sort not in SORT_COLUMNS:
            raise bad_request(f"sort must be one of {', '.join(SORT_COLUMNS)}; got {self.sort!r}.")
        return SORT_COLUMNS[self.sort]


@dataclass(frozen=True)
class Place:
    """A repository's place in a listing: what it is ordered by, and its key among equals.

    A page that begins behind a place skips nothing when repositories before it come or go, as one
    that begins behind a number of items would.
    """

    value: int | str
    key: int

    def __str__(self) -> str:
        """The form in which the place stands in the address of a page."""
        return f"{self.key}:{self.value}"


def place_of(query: Query, repository: Repository) -> Place:
    """Where the repository stands in the listing."""
    return Place(getattr(repository, query.column), repository.key)


def parse_place(query: Query, text: str) -> Place:
    """Reads the place that ``str`` wrote."""
    key, colon, value = text.partition(":")
    counted = query.column in _COUNTS
    if not colon or not _is_number(key) or (counted and not _is_number(value)):
        raise bad_request(f"cursor must be one that this Hub gave for this listing; got {text!r}.")
    return Place(int(value) if counted else value, int(key))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < len(str(2**63))


def search(
    connection: sqlite3.Connection,
    query: Query,
    caller: Caller,
    *,
    after: Place | None,
    count: int,
) -> list[Repository]:
    """The repositories that match and that the caller may see, most first.

    Args:
        connection: To read from.
        query: What must hold.
        caller: Whose private repositories are shown too.
        after: The place behind which the page begins.
        count: How many at most.
    """
    source, given, conditions, values = _plan(connection, query)
    conditions += _conditions(query, values)
    if not caller.owns_all:
        marks = ", ".join("?" for _ in caller.namespaces)
        conditions.append(f"(private = 0 OR namespace IN ({marks}))")
        values += caller.namespaces
    if after is not None:
        conditions.append(f"({query.column}, key) < (?, ?)")
        values += [after.value, after.key]
    rows = connection.execute(
        f"SELECT repositories.* FROM {source} WHERE {' AND '.join(conditions)} "
        f"ORDER BY {query.column} DESC, key DESC LIMIT ?",
        (*given, *values, count),
    )
    return [repositories.from_row(row) for row in rows]


def _conditions(query: Query, values: list[object]) -> list[str]:
    """The conditions of the query; their values are added to the others."""
    conditions = ["kind = ?"]
    values.append(query.kind)
    if query.author is not None:
        conditions.append("namespace = ?")
        values.append(query.author)
    for tag in query.tags:
        conditions.append(
            "EXISTS (SELECT 1 FROM repository_tags WHERE tag = ? AND repository = key)"
        )
        values.append(tag)
    for word in query.words:
        conditions.append(f"instr({_TEXT}, ?)")
        values.append(word.lower())
    if query.gated is not None:
        conditions.append("gated != ''" if query.gated else "gated = ''")
    return conditions


def _plan(
    connection: sqlite3.Connection, query: Query
) -> tuple[str, list[object], list[str], list[object]]:
    """What to write after FROM, and the first conditions, each with its values."""
    named = _candidates(connection, query)
    narrowings = [
        (_count_few(connection, sql, values), sql, values) for sql, values in _narrowings(query)
    ]
    if named is not None:
        listed = json.dumps(named)
        narrowings.append((len(named), "SELECT value AS id FROM json_each(?)", [listed]))
    least = min(narrowings, default=None, key=lambda item: item[0])
    if least is not None and least[0] <= _FEW:
        _, sql, values = least
        # A cross join is SQLite's way to be told which of two tables comes first.
        source = f"({sql}) AS found CROSS JOIN repositories ON repositories.key = found.id"
        return source, values, [], []
    walk = f"repositories INDEXED BY repositories_by_{query.column}"
    if named is None:
        return walk, [], [], []
    return walk, [], ["key IN (SELECT value FROM json_each(?))"], [listed]


def _candidates(connection: sqlite3.Connection, query: Query) -> list[int] | None:
    """The repositories whose texts may have all words, unless there are too many to tell."""
    folded = [word.lower()[-_ENOUGH_CHARACTERS:] for word in query.words]
    indexed = [word for word in folded if len(word) >= _INDEXED_CHARACTERS]
    if not indexed:
        return None
    rows = connection.execute(
        f"SELECT rowid FROM repository_search WHERE repository_search MATCH ? LIMIT {_SOME + 1}",
        (" ".join('"' + word.replace('"', '""') + '"' for word in indexed),),
    )
    found = [int(row[0]) for row in rows]
    return found if len(found) <= _SOME else None


def _narrowings(query: Query) -> list[tuple[str, list[object]]]:
    found: list[tuple[str, list[object]]] = [
        ("SELECT repository AS id FROM repository_tags WHERE tag = ?", [tag]) for tag in query.tags
    ]
    if query.author is not None:
        sql = "SELECT key AS id FROM repositories WHERE kind = ? AND namespace = ?"
        found.append((sql, [query.kind, query.author]))
    return found


def _count_few(connection: sqlite3.Connection, sql: str, values: list[object]) -> int:
    row = connection.execute(f"SELECT count(*) FROM ({sql} LIMIT {_FEW + 1})", values).fetchone()
    return int(row[0])
