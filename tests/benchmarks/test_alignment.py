"""The comparison with DPO and SimPO: its page cannot drift, and its steering side runs.

The trained side needs TRL and runs in ``make bench-alignment`` only.
"""

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from benchmarks.alignment import page
from benchmarks.alignment.ablations import swapped
from benchmarks.alignment.choice import Check, choose, is_hopeless
from benchmarks.alignment.clock import Seconds
from benchmarks.alignment.goals import goal_rows
from benchmarks.alignment.plots import AXES, ablations_plot, seconds_plot
from benchmarks.alignment.results import Arm, Measured, Point, Results, WorldResults, read_results
from benchmarks.alignment.runner import Plan, run
from benchmarks.alignment.sizes import TINY
from benchmarks.alignment.stories import is_happy
from palrs_hub.pairs import PreferencePair

README = Path(__file__).parents[2] / "README.md"


def arm(name, kind, solved, perplexity=2.0, seconds=None, **others):
    return Arm(
        name,
        kind,
        others.pop("domain", "sums" if seconds else ""),
        measured=(Measured({"sums": solved}, perplexity),),
        validation=solved.count("1") / len(solved),
        seconds=None if seconds is None else Seconds(seconds, 2 * seconds),
        one_run=None if seconds is None else Seconds(seconds / 10, seconds / 5),
        **others,
    )


def results(*arms, points=()):
    world = WorldResults("tiny", "A <tiny> model", 1000, {"sums": 8}, arms, points)
    return Results({"sizes": vars(TINY), "jobs": 1, "python": "3"}, (world,))


SOME = (
    arm("unsteered", "baseline", "00000000"),
    arm("PaLRS", "steering", "11111100", seconds=2.0, weights_bytes=456, tried=8),
    arm("DPO, LoRA", "training", "11111111", seconds=30.0, weights_bytes=200_000, tried=14),
    arm("SimPO, LoRA", "training", "11111111", 1.9, seconds=10.0, weights_bytes=200_000, tried=14),
)


def test_the_committed_page_and_pictures_say_what_the_committed_results_say():
    assert page.stale_files(read_results(page.RESULTS)) == {}


def test_the_readme_says_what_the_committed_results_say():
    readme = re.sub(r"\s+", " ", README.read_text(encoding="utf-8"))
    for sentence in page.summary(read_results(page.RESULTS)):
        assert sentence in readme


def test_results_are_read_as_they_were_written(tmp_path):
    points = (Point("PaLRS", "sums", "noise", 0.4, (0.5, 0.75)),)
    written = results(*SOME, points=points)
    written.write(tmp_path / "results.json")
    assert read_results(tmp_path / "results.json").worlds == written.worlds


def test_the_better_trained_arm_is_the_quicker_of_the_equally_accurate():
    rows = {row["row"]: row for row in goal_rows(results(*SOME))}
    assert rows["alignment_speed"]["against"] == "SimPO, LoRA"
    assert rows["alignment_speed"]["ratio"] == 5.0
    assert not rows["alignment_speed"]["reached"]
    assert rows["alignment_gain"]["reached"]


def test_the_page_says_where_palrs_loses_and_which_goal_was_missed():
    text = page.page(results(*SOME))
    assert "DPO, LoRA is more accurate by 25.0%" in text
    assert "(SimPO, LoRA, PaLRS) | at least 10.0 times | 5.0 times | **not reached** |" in text
    assert "| **PaLRS** | 75.0% |" in text


def test_an_arm_without_a_result_is_told_and_not_drawn():
    refused = Arm("BiPO", "steering", "sums", failed="No cell helps.")
    with_refused = results(*SOME, refused)
    assert "BiPO: no result. No cell helps." in page.page(with_refused)
    assert "BiPO" not in seconds_plot(with_refused)


@pytest.mark.parametrize("axis", ["pairs", "noise", "layer", "position"])
def test_pictures_are_well_formed_and_name_what_they_show(axis):
    values = {"pairs": 5, "noise": 0.1, "layer": 3, "position": "-2"}
    points = tuple(
        Point(name, "sums", axis, values[axis], (0.5, 1.0)) for name in ("PaLRS", "DPO, LoRA")
    )
    drawn = results(*SOME, points=points)
    for picture in (seconds_plot(drawn), ablations_plot(drawn)):
        words = "".join(ElementTree.fromstring(picture).itertext())
        assert "A <tiny> model" in words
        assert "PaLRS" in words
        assert "DPO, LoRA" in words
    assert AXES[axis] in words


def test_the_steering_side_runs_without_trl():
    found = run(Plan(TINY, training=False), ["demonstration"])
    (world,) = found.worlds
    domain = next(iter(world.domains))
    palrs, before = world.arm("PaLRS", domain), world.arm("unsteered", domain)
    assert palrs.accuracy(domain) > before.accuracy(domain)
    assert palrs.seconds.processor > palrs.one_run.processor > 0
    assert {point.axis for point in world.points} == {"pairs", "noise", "layer", "position"}
    assert "PaLRS" in page.page(found)


def test_of_harmless_checks_the_most_accurate_is_chosen_and_of_equals_the_least_changed():
    gentle, strong = Check(1e-4, 2, 0.9, 0.01), Check(1e-3, 1, 0.9, 0.05)
    harmful = Check(1e-3, 3, 1.0, 0.5)
    assert choose([strong, gentle, harmful]) == gentle
    assert choose([harmful]) == harmful


def test_a_run_stops_when_two_checks_in_a_row_are_harmful_or_worse():
    slow, good, worse = Check(1, 1, 0.0, 0), Check(1, 2, 0.9, 0), Check(1, 3, 0.5, 0)
    harmful = Check(1, 4, 0.95, 1.0)
    assert not is_hopeless([slow, slow, slow])
    assert not is_hopeless([good, worse])
    assert is_hopeless([good, worse, worse])
    assert is_hopeless([good, worse, harmful])


def test_noise_exchanges_exactly_the_share_of_pairs():
    pairs = tuple(PreferencePair(str(number), "good", "bad") for number in range(10))
    noisy = swapped(pairs, 0.4, seed=0)
    assert sum(pair.chosen == "bad" and pair.rejected == "good" for pair in noisy) == 4
    assert [pair.prompt for pair in noisy] == [pair.prompt for pair in pairs]


def test_a_story_is_happy_by_its_words():
    assert is_happy("They laughed and played. He was happy and smiled at a good friend.")
    assert not is_happy("They laughed and played, but he was sad and cried: his friend was lost.")
