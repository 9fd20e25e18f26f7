"""The splits: each problem in one, and the same problems whenever they are asked for."""

import itertools
import random

import pytest

from palrs_hub.demo import functions, stories, sums
from palrs_hub.demo.problems import SPLIT_BOUNDS, distinct, sample

DRAWS = {"sums": sums.draw, "functions": functions.draw, "stories": stories.draw}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
@pytest.mark.parametrize("split", SPLIT_BOUNDS)
def test_every_split_is_drawn_from_its_own_problems(draw, split):
    drawn = itertools.islice(sample(draw, split, random.Random(1)), 50)
    assert {problem.split for problem in drawn} == {split}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_problems_of_all_splits_are_disjoint(draw):
    splits = [
        {problem.prompt if hasattr(problem, "careful") else problem.text for problem in drawn}
        for drawn in (distinct(draw, split, 300) for split in SPLIT_BOUNDS)
    ]
    for one, other in itertools.combinations(splits, 2):
        assert not one & other


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_lists_hold_distinct_problems_and_do_not_change(draw):
    assert len(set(distinct(draw, "test", 200))) == 200
    assert distinct(draw, "test", 300)[:200] == distinct(draw, "test", 200)
