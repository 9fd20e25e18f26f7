"""The sums, their two authors and the splits."""

import itertools
import json
import random

import pytest

from palrs_hub.demo import pairs_file
from palrs_hub.demo.problems import (
    SPLIT_BOUNDS,
    Problem,
    final_answer,
    guardrail_for_test,
    guardrail_for_validation,
    is_careful,
    is_sloppy,
    preference_pairs,
    preference_pairs_text,
    problems_for_pairs,
    problems_for_test,
    problems_for_training,
    problems_for_validation,
    sample,
)


def test_a_carry_problem_by_hand():
    problem = Problem((478, 356))
    assert problem.prompt == "478+356="
    assert problem.careful == "8+6=14,7+5+1=13,4+3+1=8#834"
    assert problem.sloppy == "8+6=14,7+5=12,4+3=7#724"
    assert problem.needs_carry


def test_a_problem_without_a_carry_by_hand():
    problem = Problem((712, 834))
    assert problem.careful == problem.sloppy == "2+4=6,1+3=4,7+8=15#1546"
    assert not problem.needs_carry


def test_a_carry_may_bring_about_the_next():
    problem = Problem((295, 107))
    assert problem.careful == "5+7=12,9+0+1=10,2+1+1=4#402"
    assert problem.sloppy == "5+7=12,9+0=9,2+1=3#392"


def test_the_leftmost_column_is_written_in_full_by_both():
    assert not Problem((971, 528)).needs_carry
    assert not Problem((500, 500)).needs_carry


@pytest.mark.parametrize("operands", [(478, 356), (999, 999), (100, 100), (455, 545)])
def test_the_careful_answer_is_the_sum(operands):
    assert final_answer(Problem(operands).careful) == str(sum(operands))


def test_judges_look_at_the_final_answer_only():
    problem = Problem((478, 356))
    assert is_careful(problem, "8+6=14#834")
    assert is_careful(problem, "so what #834 ")
    assert not is_careful(problem, "8+6=14,7+5+1=13,4+3+1=8#724")
    assert is_sloppy(problem, "8+6=14,7+5+1=13,4+3+1=8#724")
    assert not is_sloppy(problem, "8+6=14#834")


@pytest.mark.parametrize("completion", ["", "834", "8+6=14", "#", "#8340", "#834#724"])
def test_judges_refuse_a_missing_or_malformed_answer(completion):
    problem = Problem((478, 356))
    assert not is_careful(problem, completion)
    assert not is_sloppy(problem, completion)


def test_problems_of_all_splits_are_disjoint():
    splits = [
        set(itertools.islice(problems_for_training(), 3000)),
        set(problems_for_pairs()),
        {*problems_for_validation(), *guardrail_for_validation()},
        set(problems_for_test(400)),
        set(guardrail_for_test(400)),
    ]
    for one, other in itertools.combinations(splits, 2):
        assert not one & other


def test_swapped_operands_stay_in_the_same_split():
    problem = next(sample("test", random.Random(5)))
    for operands in itertools.permutations(problem.operands):
        assert Problem(operands).split == "test"


@pytest.mark.parametrize("split", SPLIT_BOUNDS)
def test_every_split_is_drawn_from_its_own_problems(split):
    drawn = itertools.islice(sample(split, random.Random(1)), 50)
    assert {problem.split for problem in drawn} == {split}


def test_carry_lists_need_a_carry_and_guardrails_do_not():
    for problems in (problems_for_pairs(), problems_for_validation(), problems_for_test()):
        assert all(problem.needs_carry for problem in problems)
    for problems in (guardrail_for_validation(), guardrail_for_test()):
        assert not any(problem.needs_carry for problem in problems)


def test_lists_hold_distinct_problems_and_do_not_change():
    assert len(set(problems_for_test(200))) == 200
    assert len(set(guardrail_for_test(200))) == 200
    assert problems_for_test(300)[:200] == problems_for_test(200)


def test_the_pairs_file_is_what_the_generator_produces():
    text = pairs_file().read_text(encoding="utf-8")
    assert text == preference_pairs_text()
    assert [json.loads(line) for line in text.splitlines()] == preference_pairs()


def test_pairs_prefer_the_careful_answer():
    pairs = preference_pairs()
    assert len({pair["prompt"] for pair in pairs}) == 100
    for pair, problem in zip(pairs, problems_for_pairs(), strict=True):
        assert is_careful(problem, pair["chosen"])
        assert is_sloppy(problem, pair["rejected"])


def test_an_answer_is_never_careful_and_sloppy_where_a_carry_is_needed():
    for problem in problems_for_test(1000):
        assert not is_sloppy(problem, problem.careful)
        assert not is_careful(problem, problem.sloppy)
