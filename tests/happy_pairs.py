"""Happy and sad continuations of one prompt, from templates: pairs for a model of short stories."""

from __future__ import annotations

import itertools

from palrs_hub.pairs import PreferencePair

PROMPT = "Once upon a time, there was a"

_NAMES = ("little girl named Lily", "boy named Tim", "cat named Tom", "dog named Max", "bird")
_HAPPY = (
    "was very happy and smiled",
    "laughed and played all day",
    "felt so happy and loved to sing",
    "jumped with joy and hugged a friend",
    "had so much fun in the sun",
)
_SAD = (
    "was very sad and cried",
    "fell down and got hurt",
    "felt so sad and lost a toy",
    "sat alone with tears and no friend",
    "had a bad day in the rain",
)
_PLACES = ("in the park.", "at home.", "by the big tree.", "with mom.")


def happy_pairs() -> list[PreferencePair]:
    """One hundred pairs: the same animal or child and place, a happy and a sad event."""
    return [
        PreferencePair(PROMPT, f" {name}. He {happy} {place}", f" {name}. He {sad} {place}")
        for name, (happy, sad), place in itertools.product(
            _NAMES, zip(_HAPPY, _SAD, strict=True), _PLACES
        )
    ]
