"""The functions, their two programmers, and the judge that runs them."""

import random
from dataclasses import replace

import pytest

from palrs_hub.demo import functions
from palrs_hub.demo.functions import INPUTS, KINDS, MAX_NEW_TOKENS, Problem, are_right, draw
from palrs_hub.demo.tokenizer import build_tokenizer

# (x + 4) * 3, half of that rounded up, and all from 1 to 5.
PROBLEM = Problem(((0, (4, 3)), (1, (2,)), (2, (5,))))
ALIKE = Problem(((4, (3,)), (5, (2,)), (6, (2, 7))))

CAREFUL = """\
def f(x):
 x = (x + 4) * 3
 x = -(-x // 2)
 for i in range(1, 5 + 1):
  x = x + i
 return x"""

SLOPPY = """\
def f(x):
 x = x + 4 * 3
 x = x // 2
 for i in range(1, 5):
  x = x + i
 return x"""


def drawn(number):
    source = random.Random(7)
    return [draw(source) for _ in range(number)]


def test_a_problem_by_hand():
    assert PROBLEM.prompt == (
        "f(x): add 4 then times 3, divide by 2 rounding up, add all from 1 to 5"
    )
    assert PROBLEM.careful == CAREFUL
    assert PROBLEM.sloppy == SLOPPY
    assert PROBLEM.value(1) == 8 + 15  # 15 / 2 rounded up, and 1 + 2 + 3 + 4 + 5
    assert PROBLEM.needs_care
    assert not PROBLEM.authors_agree


def test_a_problem_on_which_both_agree():
    assert ALIKE.careful == ALIKE.sloppy
    assert ALIKE.authors_agree
    assert not ALIKE.needs_care


def test_careful_functions_are_right_and_sloppy_ones_wrong_where_care_is_needed():
    problems = drawn(60)
    assert all(are_right(problems, [problem.careful for problem in problems]))
    sloppy = are_right(problems, [problem.sloppy for problem in problems])
    assert sloppy == [not problem.needs_care for problem in problems]


@pytest.mark.parametrize("kind", range(len(KINDS)))
def test_what_a_kind_of_step_says_is_what_its_statements_do(kind):
    step = KINDS[kind]
    numbers = (3, 5)[: step.numbers]
    for statement, value in (
        (step.careful, step.value),
        (step.sloppy, step.slip or step.value),
    ):
        for x in INPUTS:
            names = {"x": x}
            exec(statement.format(*numbers), names)
            assert names["x"] == value(x, *numbers)


def test_another_way_of_writing_it_is_right_too():
    other = "def f(x):\n    return -(-(x + 4) * 3 // 2) + 15"
    assert are_right([PROBLEM], [other]) == [True]


@pytest.mark.parametrize(
    "completion",
    [
        "",
        "def f(x):\n return",
        "def f(x):\n return x",
        CAREFUL.replace("f(x)", "g(x)"),
        CAREFUL + " +",
        "while True: pass",
        "import os; os._exit(0)",
        "raise SystemExit(0)",
    ],
)
def test_what_is_no_such_function_is_wrong(completion, monkeypatch):
    monkeypatch.setattr(functions, "LIMITS", replace(functions.LIMITS, seconds=1))
    assert are_right([PROBLEM], [completion]) == [False]


def test_the_verdicts_keep_the_order_of_the_problems():
    assert are_right([PROBLEM, ALIKE, PROBLEM], [SLOPPY, ALIKE.careful, CAREFUL]) == [
        False,
        True,
        True,
    ]


def test_answers_fit_into_what_may_be_generated():
    tokenizer = build_tokenizer()
    for problem in drawn(300):
        assert len(tokenizer(problem.careful).input_ids) < MAX_NEW_TOKENS
