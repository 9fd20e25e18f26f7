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
from palrs_hub.selection.race import Race

STRENGTHS = (0.1, 0.2, 0.4, 0.8, 1.6)
GRID = [(place, layer, c) for place in ("a", "b") for layer in (0, 1) for c in STRENGTHS]


def run(race, helps):
    scored = []
    while wave := race.wave():
        scored.append(wave)
        race.judge(lambda index: helps(*race.grid[index]))
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
    assert len(raced.selection.cells) < 0.7 * len(whole.selection.cells)
    scored = {cell.place: cell for cell in whole.selection.cells}
    for cell in raced.selection.cells:
        assert cell.margin == pytest.approx(scored[cell.place].margin, abs=1e-5)
    assert "until 2 in a row do not help" in raced.selection.rule
    assert "in a row" not in whole.selection.rule
