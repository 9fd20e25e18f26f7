"""The table of `make bench`: what a row says, and the page that is made of the kept ones."""

import contextlib
import json

import pytest

from benchmarks import __main__ as bench
from benchmarks.page import PAGE, RESULTS, page, table
from benchmarks.rows import in_turns, median_interval, median_ratio, not_measured, ratios, row


@pytest.mark.parametrize(
    ("ratio", "smaller", "reached"),
    [(1.149, True, True), (1.151, True, False), (1.151, False, True), (1.149, False, False)],
)
def test_a_goal_is_reached_from_its_side(ratio, smaller, reached):
    assert row("name", ratio, 1.15, smaller_is_better=smaller)["reached"] is reached


def test_the_table_says_by_how_much_a_goal_was_missed_and_why_a_row_is_empty():
    lines = table(
        [
            row("fast", 2.0, 2.5, smaller_is_better=False),
            row("small", 0.5, 1.0),
            not_measured("elsewhere", 1.0, "no GPU was at hand"),
        ]
    )
    assert lines[2:] == [
        "| fast | 2 | ≥ 2.5 | no, by 20.0% |",
        "| small | 0.5 | ≤ 1 | yes |",
        "| elsewhere | not measured | ≤ 1 | no GPU was at hand |",
    ]


def test_ways_are_measured_in_turns_and_compared_round_by_round():
    order, time = [], iter(range(100))
    ways = {"a": lambda: order.append("a"), "b": lambda: order.append("b")}
    seconds = in_turns(ways, 2, clock=lambda: float(next(time)))
    assert order == ["a", "b", "b", "a"]
    assert median_ratio({"a": [2.0, 9.0, 3.0], "b": [1.0, 3.0, 1.0]}, "a", "b") == 3.0
    assert seconds == {"a": [1.0, 1.0], "b": [1.0, 1.0]}


def test_what_a_way_runs_in_is_not_in_its_time():
    time = iter(range(100))

    @contextlib.contextmanager
    def slow():
        next(time)
        yield

    ways = dict.fromkeys(("a", "b"), lambda: None)
    seconds = in_turns(ways, 1, clock=lambda: float(next(time)), within={"b": slow})
    assert seconds == {"a": [1.0], "b": [1.0]}


def test_a_round_may_have_its_measure_twice():
    seconds = {"one": [3.0, 4.0], "first": [1.0, 2.0], "again": [2.0, 2.0]}
    assert ratios(seconds, "one", "first", "again") == [2.0, 2.0]


def test_a_medians_interval_is_that_of_the_sign_test():
    # Of 25, the median is between the 8th and the 18th at 95 % (Conover, table A3).
    assert median_interval([*range(1, 26)]) == (8, 18)
    assert median_interval([3.0, 1.0, 2.0]) == (1.0, 3.0)


def test_rows_of_one_benchmark_replace_only_their_own(tmp_path):
    path = tmp_path / "results" / "performance.json"
    bench.save({"one": [row("x", 1.0, 1.0)], "two": [row("y", 1.0, 1.0)]}, path)
    bench.save({"two": [row("z", 2.0, 1.0)]}, path)
    kept = json.loads(path.read_text())["benchmarks"]
    assert [kept[name]["rows"][0]["row"] for name in ("one", "two")] == ["x", "z"]
    assert kept["one"]["machine"]["cores"] >= 1


def test_the_page_is_made_of_the_kept_results():
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert PAGE.read_text(encoding="utf-8") == page(kept)
