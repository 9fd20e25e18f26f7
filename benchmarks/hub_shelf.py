"""A shelf of very many made-up repositories, and the questions that are asked about them."""

from __future__ import annotations

import hashlib
import json
import random
from typing import TYPE_CHECKING

from palrs_hub.local_hub import search_text
from palrs_hub.local_hub.records import Entry, timestamp
from palrs_hub.local_hub.trees import write_tree

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterator

    from palrs_hub.local_hub import Store

_AT_ONCE = 5_000
_AUTHORS = 500
_BASE_MODELS = 50
_TOPICS = 200
_WORDS_PER_CARD = 60

_letters = random.Random(1)
WORDS = tuple(
    "".join(_letters.choices("aaaabcdeeeefghiiijklmnooopqrstuuvwxyz", k=_letters.randint(3, 9)))
    for _ in range(3_000)
)


def name(number: int) -> str:
    """The id of a repository."""
    return f"author-{number % _AUTHORS}/vector-{number}"


def tags(number: int) -> tuple[str, ...]:
    """What a repository is filed under."""
    return (
        "palrs-hub",
        "steering-vector",
        f"base_model:adapter:org/model-{number % _BASE_MODELS}",
        f"topic-{number % _TOPICS}",
        "license:apache-2.0",
    )


QUERIES: dict[str, Callable[[random.Random, int], dict[str, object]]] = {
    "no condition": lambda chance, count: {},
    "one name": lambda chance, count: {"search": name(1 + chance.randrange(count))},
    "a word of all": lambda chance, count: {"search": "steering"},
    "a word of some": lambda chance, count: {"search": chance.choice(WORDS)},
    "part of a word": lambda chance, count: {"search": chance.choice(WORDS[:500])[:4]},
    "two words": lambda chance, count: {"search": f"ector-{chance.randrange(10, 99)} palrs"},
    "two letters": lambda chance, count: {"search": chance.choice(WORDS)[:2]},
    "absent word": lambda chance, count: {"search": f"absent{chance.randrange(10**6)}"},
    "a tag of all, newest": lambda chance, count: {"filter": "palrs-hub", "sort": "createdAt"},
    "two tags": lambda chance, count: {
        "filter": ["palrs-hub", f"base_model:adapter:org/model-{chance.randrange(_BASE_MODELS)}"]
    },
    "a tag and a word": lambda chance, count: {
        "filter": f"topic-{chance.randrange(_TOPICS)}",
        "search": "steering",
        "sort": "lastModified",
    },
    "an author": lambda chance, count: {"author": f"author-{chance.randrange(_AUTHORS)}"},
}


def fill(store: Store, count: int) -> None:
    """Puts the repositories straight into the database; all have the same single file."""
    content = b"{}"
    sha256 = store.blobs.put_bytes(content)
    oid = hashlib.sha1(b"blob 2\0{}", usedforsecurity=False).hexdigest()
    entry = Entry("steering_config.json", oid, sha256, len(content), large=False)
    with store.writing() as connection:
        tree = write_tree(connection, {entry.path: entry})
    for start in range(1, count + 1, _AT_ONCE):
        numbers = range(start, min(start + _AT_ONCE, count + 1))
        with store.writing() as connection:
            _write(connection, numbers, tree)


def _write(connection: sqlite3.Connection, numbers: range, tree: str) -> None:
    chance, now = random.Random(numbers.start), timestamp()
    connection.executemany(
        "INSERT INTO repositories (key, kind, namespace, name, private, created_at, last_modified, "
        "downloads, card, tags) VALUES (?, 'model', ?, ?, 0, ?, ?, ?, ?, ?)",
        (
            (n, *name(n).split("/"), now, now, chance.randrange(1000), "{}", json.dumps(tags(n)))
            for n in numbers
        ),
    )
    connection.executemany(
        "INSERT INTO repository_tags VALUES (?, ?)", ((n, tag) for n in numbers for tag in tags(n))
    )
    connection.executemany(
        "INSERT INTO commits VALUES (?, ?, ?, NULL, 'made up', '', 'nobody', ?)",
        ((n, f"{n:040x}", tree, now) for n in numbers),
    )
    connection.executemany(
        "INSERT INTO refs VALUES (?, 'refs/heads/main', ?, NULL)",
        ((n, f"{n:040x}") for n in numbers),
    )
    for number, text in _texts(numbers, chance):
        search_text.write_text(connection, number, text)


def _texts(numbers: range, chance: random.Random) -> Iterator[tuple[int, str]]:
    for number in numbers:
        card = " ".join(chance.choices(WORDS, k=_WORDS_PER_CARD))
        yield number, "\n".join((name(number), *tags(number), card))
