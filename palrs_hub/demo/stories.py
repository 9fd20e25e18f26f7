"""Short stories made by a grammar: the ordinary text on which steering should change nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

from palrs_hub.demo.problems import Split, split_of

HE: Final = ("Tom", "Ben", "Sam", "Max")
SHE: Final = ("Ann", "Mia", "Eva", "Lucy")
LOOKS: Final = ("red", "blue", "big", "small", "green", "new")
THINGS: Final = ("ball", "kite", "boat", "drum", "doll", "book", "hat", "cup")
PLACES: Final = ("park", "garden", "school", "lake", "shop", "farm")
MIDDLES: Final = (
    "{They} took it to the {place}. There {name} and {friend} played with the {thing} all day.",
    "{They} lost it at the {place}. {name} was sad, but {friend} found the {thing} again.",
    "{They} gave it to {friend} at the {place}. "
    "{friend} was happy and said thank you for the {thing}.",
    "{friend} wanted to see the {thing}, so they met at the {place}. {They} let {friend} hold it.",
)
ENDS: Final = (
    "Then {they} went home.",
    "It was a good day.",
    "In the evening {they} was tired.",
    "{friend} came to the {place} again the next day.",
)


@dataclass(frozen=True)
class Story:
    """A story and the request for it."""

    prompt: str
    text: str

    @property
    def split(self) -> Split:
        """The only split in which this story may appear."""
        return split_of(self.text)


def draw(source: random.Random) -> Story:
    """A story of any split."""
    name, friend = source.sample(HE + SHE, 2)
    they = "he" if name in HE else "she"
    words = {
        "name": name,
        "friend": friend,
        "they": they,
        "They": they.capitalize(),
        "look": source.choice(LOOKS),
        "thing": source.choice(THINGS),
        "place": source.choice(PLACES),
    }
    sentences = "{name} had a {look} {thing}.", source.choice(MIDDLES), source.choice(ENDS)
    return Story(
        "tell of {name} and a {thing}".format_map(words), " ".join(sentences).format_map(words)
    )
