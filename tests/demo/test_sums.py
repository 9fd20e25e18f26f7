"""The sums and their two authors."""

import itertools
import random

import pytest

from palrs_hub.demo.problems import sample
from palrs_hub.demo.sums import Problem, are_right, draw, final_answer, is_careful, is_sloppy


def test_a_carry_problem_by_hand():
    problem = Problem((478, 356))
    assert problem.prompt == "478+356="
    assert problem.careful == "8+6=14,7+5+1=13,4+3+1=8#834"
    assert problem.sloppy == "8+6=14,7+5=12,4+3=7#724"
    assert problem.needs_care
    assert not problem.authors_agree


def test_a_problem_without_a_carry_by_hand():
    problem = Problem((712, 834))
    assert problem.careful == problem.sloppy == "2+4=6,1+3=4,7+8=15#1546"
    assert not problem.needs_care
    assert problem.authors_agree


def test_a_carry_may_bring_about_the_next():
    problem = Problem((295, 107))
    assert problem.careful == "5+7=12,9+0+1=10,2+1+1=4#402"
    assert problem.sloppy == "5+7=12,9+0=9,2+1=3#392"


def test_the_leftmost_column_is_written_in_full_by_both():
    assert not Problem((971, 528)).needs_care
    assert not Problem((500, 500)).needs_care


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
    assert are_right([problem, problem], ["#834", "#724"]) == [True, False]


@pytest.mark.parametrize("completion", ["", "834", "8+6=14", "#", "#8340", "#834#724"])
def test_judges_refuse_a_missing_or_malformed_answer(completion):
    problem = Problem((478, 356))
    assert not is_careful(problem, completion)
    assert not is_sloppy(problem, completion)


def test_swapped_operands_stay_in_the_same_split():
    problem = next(sample(draw, "test", random.Random(5)))
    for operands in itertools.permutations(problem.operands):
        assert Problem(operands).split == "test"


def test_an_answer_is_never_careful_and_sloppy_where_a_carry_is_needed():
    for problem in itertools.islice(
        sample(draw, "test", random.Random(0), lambda problem: problem.needs_care), 1000
    ):
        assert not is_sloppy(problem, problem.careful)
        assert not is_careful(problem, problem.sloppy)
