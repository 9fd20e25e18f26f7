"""Names that could be taken for another's: the same to the eye, or one slip of the keyboard away.

The table of look-alikes holds what matters for names in Latin letters; it follows the idea of the
skeletons of Unicode's UTS 39, with digits and pairs of letters that look like one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import datetime
    from collections.abc import Iterator, Sequence

_ALIKE: Final = str.maketrans(
    {
        # Cyrillic and Greek letters that look like Latin ones.
        **dict(zip("аеорсухіјѕԁһӏьвкмнтɡ", "aeopcyxijsdhlbbkmhtg", strict=True)),
        **dict(zip("αεικνορτυχωβγ", "aeiknoptuxwby", strict=True)),
        **dict(zip("0135", "oles", strict=True)),
        "|": "l",
        "i": "l",
        "ı": "l",
        "$": "s",
        "@": "a",
    }
)
_PAIRS: Final = (("rn", "m"), ("vv", "w"), ("cl", "d"))
_SEPARATORS: Final = re.compile(r"[\s._/-]+")
_NUMBER: Final = re.compile(r"\d+")
_TRICKS: Final = re.compile(r"(?<=[a-z])\d(?=[a-z])", re.IGNORECASE)
_SHORTEST: Final = 6
"""Shorter names differ by a letter all the time."""


@dataclass(frozen=True)
class Named:
    """What is compared of an entry.

    Attributes:
        owner: Who published it; empty for the registry itself.
        date: Of the verdict: of two that are alike, the older one was there first.
    """

    slug: str
    name: str
    owner: str
    date: datetime.date


def skeleton(name: str) -> str:
    """What a name looks like: two names with one skeleton can hardly be told apart."""
    text = unicodedata.normalize("NFKD", name.casefold())
    text = "".join(c for c in text if not unicodedata.combining(c)).translate(_ALIKE)
    for pair, single in _PAIRS:
        text = text.replace(pair, single)
    return _SEPARATORS.sub("-", text)


def imitations(entries: Sequence[Named]) -> Iterator[tuple[Named, Named, str]]:
    """Pairs of entries of different publishers whose names could be confused, each pair once.

    Yields:
        The entry that imitates, the other, and what is alike. Of two, the registry's own is the
        original, else the older, else the one that is spelt with fewer tricks.
    """
    ordered = sorted(entries, key=_seniority)
    owners: dict[str, Named] = {}
    seen: dict[str, list[Named]] = defaultdict(list)
    for entry in ordered:
        look = skeleton(entry.owner)
        before = owners.setdefault(look, entry)
        if before.owner.lower() != entry.owner.lower():
            yield entry, before, f"the publisher {entry.owner!r} looks like {before.owner!r}, that"
        for other in _close(entry, seen):
            if other.owner.lower() != entry.owner.lower():
                yield entry, other, f"{entry.name!r} is close to {other.name!r}, the name"
                break
        for key in _near(skeleton(entry.name)):
            seen[key].append(entry)


def _seniority(entry: Named) -> tuple[bool, datetime.date, int, str]:
    tricks = len(_TRICKS.findall(entry.name)) + sum(not c.isascii() for c in entry.name)
    return entry.owner != "", entry.date, tricks, entry.slug


def _close(entry: Named, seen: dict[str, list[Named]]) -> Iterator[Named]:
    mine = skeleton(entry.name)
    for key in _near(mine):
        for other in seen.get(key, ()):
            numbered = _NUMBER.sub("#", entry.name) == _NUMBER.sub("#", other.name)
            # "polite-7b" and "polite-8b" are meant to differ by their numbers.
            if not (numbered and entry.name != other.name) and _one_slip(
                mine, skeleton(other.name)
            ):
                yield other


def _near(word: str) -> set[str]:
    """The word and what is left when one letter is taken out: words one slip apart share one."""
    if len(word) < _SHORTEST:
        return {word}
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def _one_slip(one: str, other: str) -> bool:
    """Whether they are equal, or differ by one letter more, less, other, or swapped."""
    if one == other:
        return True
    if min(len(one), len(other)) < _SHORTEST or abs(len(one) - len(other)) > 1:
        return False
    start = next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), None)
    if start is None:
        return True  # one letter more at the end
    a, b = one[start:], other[start:]
    swapped = len(a) == len(b) and a[:2] == b[1::-1] and a[2:] == b[2:]
    return a[1:] == b[1:] or a[1:] == b or a == b[1:] or swapped
