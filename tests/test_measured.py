"""One metric on every arm: means, intervals, the share made worse, and what a manifest keeps."""

import pytest

from palrs_hub.errors import UsageError
from palrs_hub.evidence import Settings
from palrs_hub.measured import NEUTRAL, Measured, measured_by_scores

SCORES = {
    "unsteered": [1, 0, 0, 0],
    "steered": [0, 1, 1, 1],
    "negated": [0, 0, 0, 0],
    "random 1": [1, 0, 0, 0],
    "random 2": [1, 1, 0, 0],
}


def a_measurement(scores=SCORES, **facts):
    fixed = {"task": "t", "metric": "accuracy", "split": "test", "settings": Settings(kind="x")}
    return measured_by_scores(scores, **{**fixed, **facts})


def test_values_are_means_and_random_directions_keep_their_spread():
    evaluation = a_measurement().evaluation()
    assert evaluation.value == 0.75
    assert evaluation.baselines == {
        "unsteered": 0.25,
        "random directions (mean of 2)": 0.375,
        "random directions (lowest of 2)": 0.25,
        "random directions (highest of 2)": 0.5,
        "negated": 0,
    }
    assert evaluation.gain.difference == 0.5
    assert evaluation.gain.low <= 0.5 <= evaluation.gain.high


@pytest.mark.parametrize(("higher_is_better", "worse"), [(True, 0.25), (False, 0.75)])
def test_made_worse_follows_the_direction(higher_is_better, worse):
    assert a_measurement(higher_is_better=higher_is_better).worse == worse


def test_without_scores_nothing_is_made_up():
    bare = Measured(
        *("t", "perplexity", "test", 4, False),
        {"unsteered": 4.0, "steered": 5.0},
        Settings(kind=NEUTRAL),
    )
    evaluation = bare.evaluation()
    assert (evaluation.gain, evaluation.worse, evaluation.standard_error) == (None, None, None)
    assert [row[0] for row in bare.rows()] == ["unsteered", "steered"]


def test_a_prompt_that_was_not_run_is_named():
    assert ("prompted", "not run", "give --instruction TEXT to run this baseline") in (
        a_measurement().rows()
    )


@pytest.mark.parametrize("facts", [{"task": "two\nlines"}, {"standard_error": float("nan")}])
def test_what_no_manifest_may_hold_is_refused(facts):
    with pytest.raises(UsageError, match=r"printable .*finite"):
        a_measurement(**facts).evaluation()
