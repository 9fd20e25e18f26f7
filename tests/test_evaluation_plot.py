"""The picture of the arms: well-formed, escaped, a bar an arm, legible without a script."""

import xml.etree.ElementTree as ElementTree

import pytest

from palrs_hub.bootstrap import Interval
from palrs_hub.errors import UsageError
from palrs_hub.evaluation_plot import evaluation_plot
from palrs_hub.evidence import Settings
from palrs_hub.measured import Measured, measured_by_scores

SVG = "{http://www.w3.org/2000/svg}"
ARMS = {"unsteered": [1, 0, 0], "steered": [1, 1, 0], "negated": [0, 0, 0]}


def a_measurement(task="t", **arms):
    return measured_by_scores(
        {**ARMS, **arms}, task=task, metric="accuracy", split="test", settings=Settings(kind="x")
    )


def drawn(*measured, name="n"):
    return ElementTree.fromstring(evaluation_plot(measured, name))


def words(root):
    return [text.text for text in root.iter(f"{SVG}text")]


def test_a_bar_for_each_arm_and_a_dot_for_each_random_direction():
    random = {"random 1": [1, 0, 0], "random 2": [1, 1, 1]}
    root = drawn(a_measurement(**random))
    bars = [r for r in root.iter(f"{SVG}rect") if r.get("class") in ("steered", "other")]
    assert len(bars) == 4
    assert [r.get("class") for r in bars].count("steered") == 1
    assert len(list(root.iter(f"{SVG}circle"))) == 2
    assert "66.7% (33.3% to 100.0%)" in words(root)


def test_bars_are_as_long_as_their_values():
    root = drawn(a_measurement(negated=[1, 0, 0]))
    lengths = [float(r.get("width")) for r in root.iter(f"{SVG}rect") if r.get("rx")]
    assert lengths[1] == pytest.approx(2 * lengths[0], abs=0.2)
    assert lengths[2] == pytest.approx(lengths[0], abs=0.2)


def test_a_metric_below_zero_or_without_a_base_can_be_drawn():
    below = Measured(
        *("t", "log", "test", 2, True),
        {"unsteered": -4.0, "steered": -3.0},
        Settings(kind="x"),
        beyond={"steered": Interval(1.0, 0.5, 1.5, 0.95)},
    )
    still = Measured("t", "kl", "test", 2, False, {"steered": 0.0}, Settings(kind="x"))
    root = drawn(below, still)
    assert all(float(r.get("width").rstrip("%")) >= 0 for r in root.iter(f"{SVG}rect"))
    assert "-3 (-3.5 to -2.5)" in words(root)


def test_strangers_words_are_shown_and_nothing_else():
    hostile = "<script>alert(1)</script>"
    text = evaluation_plot([a_measurement(task=hostile)], hostile)
    assert "<script" not in text
    assert hostile in " ".join(words(ElementTree.fromstring(text)))


def test_both_colour_schemes_are_in_one_file():
    assert "prefers-color-scheme: dark" in evaluation_plot([a_measurement()], "n")


def test_nothing_is_not_drawn():
    with pytest.raises(UsageError, match="Nothing was measured"):
        evaluation_plot([], "n")
