"""Every reader meets its seeds; ``make fuzz`` goes on from there."""

import pytest

from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_end_in_nothing_but_errors_of_ours(name):
    seeds = TARGETS[name].seeds()
    assert len(seeds) >= 2
    for seed in seeds:
        TARGETS[name](seed)
        TARGETS[name](seed[: len(seed) // 2])


@pytest.mark.parametrize("name", TARGETS)
def test_at_least_one_seed_is_read_to_its_end(name):
    TARGETS[name].read(TARGETS[name].seeds()[0])
