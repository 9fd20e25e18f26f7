"""The split: seeded, of the size that was asked for, and no prompt on both sides."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palrs_hub.errors import UsageError
from palrs_hub.pairs import PairSet, PreferencePair, split_pairs


def pairs_of(*prompts):
    """One pair for each prompt given; their responses tell them apart."""
    return [PreferencePair(p, f"good {n}", f"bad {n}") for n, p in enumerate(prompts)]


def prompts(pairs):
    return {pair.prompt for pair in pairs}


HUNDRED = pairs_of(*map(str, range(100)))
prompt_lists = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30)


@pytest.mark.parametrize(
    ("validation", "size"), [(0.2, 20), (0.255, 26), (0.0, 0), (17, 17), (0, 0)]
)
def test_a_share_or_a_number_is_held_out(validation, size):
    extraction, held_out = split_pairs(HUNDRED, validation=validation)
    assert (len(extraction), len(held_out)) == (100 - size, size)


@pytest.mark.parametrize(
    "validation", [100, 1000, -1, 1.0, 0.999, 1.5, -0.5, float("nan"), float("inf")]
)
def test_something_is_left_to_extract_from(validation):
    with pytest.raises(UsageError, match=r"Cannot hold out .* of 100 pairs"):
        split_pairs(HUNDRED, validation=validation)


def test_no_pairs_cannot_be_split():
    with pytest.raises(UsageError):
        split_pairs([], validation=0)


def test_the_same_seed_gives_the_same_split():
    assert split_pairs(HUNDRED, validation=20) == split_pairs(list(HUNDRED), validation=20, seed=0)
    assert split_pairs(HUNDRED, validation=20, seed=1) != split_pairs(HUNDRED, validation=20)


def test_the_split_never_changes():
    # Whoever repeats a published extraction must get the same pairs.
    _, held_out = split_pairs(pairs_of(*map(str, range(20))), validation=5, seed=7)
    assert [pair.prompt for pair in held_out] == ["7", "11", "15", "17", "18"]


def test_both_sides_keep_their_source_and_its_order():
    source = PairSet(tuple(HUNDRED), name="sums.jsonl", revision="a" * 40)
    for part in split_pairs(source, validation=0.3):
        assert (part.name, part.revision) == ("sums.jsonl", "a" * 40)
        numbers = [int(pair.prompt) for pair in part]
        assert numbers == sorted(numbers)


def test_pairs_of_one_prompt_stay_together():
    pairs = pairs_of(*"aabbccddee" * 3)
    for seed in range(20):
        extraction, held_out = split_pairs(pairs, validation=0.4, seed=seed)
        assert not prompts(extraction) & prompts(held_out)
        assert len(held_out) == 12


def test_pairs_of_one_prompt_alone_are_split_all_the_same():
    extraction, held_out = split_pairs(pairs_of(*"aaaaaaaaaa"), validation=3)
    assert (len(extraction), len(held_out)) == (7, 3)
    assert split_pairs(pairs_of(*"aaaaaaaaaa"), validation=3, seed=1)[1] != held_out


@settings(deadline=None)
@given(prompt_lists, st.data(), st.integers(0, 5))
def test_every_pair_is_on_exactly_one_side(names, data, seed):
    pairs = pairs_of(*names)
    wanted = data.draw(st.integers(0, len(pairs) - 1))
    extraction, held_out = split_pairs(pairs, validation=wanted, seed=seed)
    assert Counter([*extraction, *held_out]) == Counter(pairs)
    assert (extraction, held_out) == split_pairs(pairs, validation=wanted, seed=seed)
    assert bool(held_out) == bool(wanted)
    assert len(held_out) <= wanted
    assert len(extraction) >= 1


@settings(deadline=None)
@given(prompt_lists, st.floats(0, 1, exclude_max=True), st.integers(0, 5))
def test_prompts_are_disjoint_wherever_a_whole_prompt_fits(names, share, seed):
    pairs = pairs_of(*names)
    wanted = round(share * len(pairs))
    if wanted < min(Counter(names).values()) or wanted >= len(pairs):
        return
    extraction, held_out = split_pairs(pairs, validation=share, seed=seed)
    assert not prompts(extraction) & prompts(held_out)
