"""Which cells are scored: while they help, and the best of them is the best of the whole grid."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palrs_hub.demo import pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.extraction import extract
from palrs_hub.pairs import read_pairs
from palrs_hub.selection import select
from palrs_hub.selection.race import Race, Score

STRENGTHS = (0.1, 0.2, 0.4, 0.8, 1.6)
GRID = [(place, layer, c) for place in ("a", "b") for layer in (0, 1) for c in STRENGTHS]


def run(race, helps, gain=lambda *_: 0.0):
    scored = []
    while wave := race.wave():
        scored.append(wave)
        race.judge(lambda index: Score(gain(*race.grid[index]), helps(*race.grid[index])))
    return scored


def test_without_patience_all_is_scored_at_once():
    assert run(Race(GRID, None), lambda *_: False) == [list(range(len(GRID)))]


def test_what_never_helps_is_left_at_the_second_cell():
    assert run(Race(GRID, 2), lambda *_: False) == [[0, 1, 5, 6, 10, 11, 15, 16]]


def test_what_helps_is_followed_to_its_end():
    scored = run(Race(GRID, 2), lambda place, layer, c: (place, layer) == ("b", 1))
    assert scored[1:] == [[17, 18], [19]]


def test_one_cell_in_vain_is_forgiven():
    scored = run(Race(GRID[:5], 2), lambda _, __, c: c != 0.2)
    assert sorted(itertools.chain(*scored)) == [0, 1, 2, 3, 4]


def test_each_sign_is_followed_from_the_gentlest_up():
    grid = [("a", 0, c) for c in (-1.0, -0.5, 0.5, 1.0, -0.1, 2.0)]
    assert run(Race(grid, 1), lambda _, __, c: c < 0) == [[2, 4], [1], [0]]


def test_a_track_that_begins_with_far_less_than_the_best_is_left():
    gains = {("a", 0): 1.0, ("a", 1): 0.24, ("b", 0): 0.25, ("b", 1): -1.0}
    waves = run(Race(GRID, 2, 0.25), lambda *_: True, lambda place, layer, c: gains[place, layer])
    assert waves[0] == [0, 5, 10, 15]
    assert sorted(itertools.chain(*waves[1:])) == [1, 2, 3, 4, 11, 12, 13, 14]


def test_what_gains_by_harm_is_no_measure_for_others():
    waves = run(
        Race(GRID, 2, 0.25),
        lambda place, layer, c: (place, layer) != ("a", 0),
        lambda place, layer, c: 9.0 if (place, layer) == ("a", 0) else 1.0,
    )
    assert sorted(itertools.chain(*waves)) == [0, 1, *range(5, 20)]


def test_where_nothing_helps_at_first_all_get_a_second_chance():
    assert len(list(itertools.chain(*run(Race(GRID, 2, 0.25), lambda *_: False)))) == 8


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers(1, 4))
def test_a_track_is_left_at_so_many_in_a_row_and_no_cell_is_scored_twice(helps, patience):
    grid = [("a", 0, 1.0 + index) for index in range(len(helps))]
    waves = run(Race(grid, patience), lambda _, __, c: helps[int(c) - 1])
    scored = list(itertools.chain(*waves))
    assert scored == list(range(len(scored)))
    in_a_row, expected = 0, len(helps)
    for index, helped in enumerate(helps):
        in_a_row = 0 if helped else in_a_row + 1
        if in_a_row == patience:
            expected = index + 1
            break
    assert len(scored) == expected


@pytest.mark.parametrize("name", DOMAINS)
def test_the_whole_grid_holds_no_better_cell(demo_model, demo_tokenizer, name):
    domain = DOMAINS[name]
    pairs = read_pairs(domain.pairs_file if name == "code" else pairs_file())
    extraction = extract(demo_model, demo_tokenizer, pairs, choice="validation")
    material = {
        "validation": domain.pairs("validation", 8),
        "neutral": domain.agreed_texts("validation", 3),
    }
    whole = select(demo_model, demo_tokenizer, extraction, patience=None, **material)
    raced = select(demo_model, demo_tokenizer, extraction, **material)
    assert (raced.position, raced.layer, raced.coefficient) == (
        whole.position,
        whole.layer,
        whole.coefficient,
    )
    assert len(raced.selection.cells) < 0.4 * len(whole.selection.cells)
    scored = {cell.place: cell for cell in whole.selection.cells}
    for cell in raced.selection.cells:
        assert cell.margin == pytest.approx(scored[cell.place].margin, abs=1e-5)
        # Of what does not help, no side effect was asked; all else is the same cell.
        if cell.side_effect is not None:
            assert cell.side_effect == pytest.approx(scored[cell.place].side_effect, abs=1e-5)
        else:
            assert not scored[cell.place].helps(whole.selection.unsteered)
    for rule in ("until 2 in a row do not help", "by less than 25% of what the best"):
        assert rule in raced.selection.rule
        assert rule not in whole.selection.rule


def test_coefficients_that_were_asked_for_are_not_compared_between_places(
    demo_model, demo_tokenizer
):
    """They are no fractions of a place's norm: the first may be little here and much there."""
    extraction = extract(demo_model, demo_tokenizer, read_pairs(pairs_file()), choice="validation")
    chosen = select(
        demo_model, demo_tokenizer, extraction, DOMAINS["sums"].pairs("validation", 8),
        coefficients=[0.2, 0.4],
    )  # fmt: skip
    assert "what the best" not in chosen.selection.rule
    assert len(chosen.selection.cells) == 2 * len(extraction.positions) * len(extraction.layers)
