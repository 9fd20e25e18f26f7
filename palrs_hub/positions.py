"""Which tokens of a text are read: named positions, or any subset by index.

===================  ==============================================================================
``template_suffix``  each token of the chat template after the text's content (PaLRS)
``suffix:-3,-1``     some of these, counted from the end
``last``             the last token of the whole text
``-2,-1``            tokens of the whole text, the template's included; negative from its end
``response_mean``    the mean over the response's tokens
``response:0,-1``    tokens of the response; negative from its end
===================  ==============================================================================

In Python a tuple of indices stands for tokens of the whole text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from palrs_hub.errors import UsageError

Positions = str | Sequence[int]
Part = Literal["text", "suffix", "response"]

POSITIONS: Final = ("template_suffix", "last", "response_mean")
"""The named ones, which the methods' presets are made of."""

SYNTAX: Final = (
    "template_suffix, last, response_mean, or indices: -2,-1 (of the text), suffix:-3,-1 (of the "
    "template after it) or response:0,-1 (of the response)"
)
MAX_INDICES: Final = 64

_INDICES: Final = re.compile(r"(?:(suffix|response):)?(-?\d{1,7}(?:,-?\d{1,7})*)")


@dataclass(frozen=True)
class ReadPositions:
    """What to read of every text.

    Attributes:
        part: What the indices count in.
        indices: Tokens of that part, negative from its end; None for all of it: every token of
            the suffix, the mean over the response.
        name: As it is written on the command line and in manifests.
    """

    part: Part
    indices: tuple[int, ...] | None
    name: str

    @property
    def names(self) -> tuple[str, ...] | None:
        """Names of the single positions; None where the texts decide how many there are."""
        if self.indices is None:
            return ("response_mean",) if self.part == "response" else None
        if self.name == "last":
            return ("last",)
        prefix = "response:" if self.part == "response" else ""
        return tuple(f"{prefix}{index}" for index in self.indices)


_NAMED: Final = {
    "template_suffix": ReadPositions("suffix", None, "template_suffix"),
    "last": ReadPositions("text", (-1,), "last"),
    "response_mean": ReadPositions("response", None, "response_mean"),
}


def read_positions(positions: Positions) -> ReadPositions:
    """Understand what was asked for.

    Raises:
        UsageError: It is neither a name nor indices, or the indices cannot be meant.
    """
    written = positions if isinstance(positions, str) else ",".join(map(str, positions))
    written = written.replace(" ", "")
    if written in _NAMED:
        return _NAMED[written]
    matched = _INDICES.fullmatch(written)
    if matched is None:
        raise UsageError(f"Expected read positions as {SYNTAX}; found {positions!r:.80}.")
    part: Part = matched[1] or "text"  # type: ignore[assignment]
    indices = tuple(int(word) for word in matched[2].split(","))
    if len(set(indices)) != len(indices) or len(indices) > MAX_INDICES:
        raise UsageError(
            f"Read positions should be at most {MAX_INDICES} different indices; found {written!r}."
        )
    if part == "suffix" and max(indices) >= 0:
        raise UsageError(
            f"The template's tokens are counted from the end, -1 the last; found {written!r}."
        )
    prefix = "" if part == "text" else f"{part}:"
    return ReadPositions(part, indices, prefix + ",".join(map(str, indices)))
