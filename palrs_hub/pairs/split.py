"""Seeded splits of preference pairs."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import TYPE_CHECKING

from palrs_hub.errors import UsageError
from palrs_hub.pairs.pair import PairSet

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.pairs.pair import PreferencePair


def split_pairs(
    pairs: Sequence[PreferencePair], *, validation: float | int, seed: int = 0
) -> tuple[PairSet, PairSet]:
    """Split pairs into those to extract from and those to validate on.

    Pairs of one prompt stay on one side, so that no prompt is validated on that was extracted
    from. The same pairs, share and seed always give the same split.

    Args:
        pairs: The pairs to split.
        validation: Number of pairs to hold out (int), or their share between 0 and 1 (float).
        seed: Chooses which.

    Returns:
        (extraction, validation), each in the original order.

    Raises:
        UsageError: Nothing would be left to extract from.
    """
    count = validation * len(pairs) if isinstance(validation, float) else validation
    wanted = round(count) if math.isfinite(count) else -1
    if wanted < 0 or wanted >= len(pairs):
        raise UsageError(
            f"Cannot hold out {validation} of {len(pairs)} pairs for validation: "
            "give a share between 0 and 1, or a number below that of the pairs."
        )
    by_prompt: dict[object, list[int]] = {}
    for index, pair in enumerate(pairs):
        by_prompt.setdefault(pair.prompt, []).append(index)
    groups = list(by_prompt.values())
    random.Random(seed).shuffle(groups)
    held_out: set[int] = set()
    for group in groups:
        if len(held_out) + len(group) <= wanted:
            held_out.update(group)
    if wanted and not held_out:
        # Few prompts, many pairs each: a split by pair is better than none, and stays seeded.
        held_out = set(random.Random(seed).sample(range(len(pairs)), wanted))
    source = pairs if isinstance(pairs, PairSet) else PairSet(tuple(pairs))
    extraction = tuple(pair for i, pair in enumerate(pairs) if i not in held_out)
    validation_pairs = tuple(pair for i, pair in enumerate(pairs) if i in held_out)
    return replace(source, pairs=extraction), replace(source, pairs=validation_pairs)
