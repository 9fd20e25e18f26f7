"""What the page's sliders may be set to."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palrs_hub.app.page import in_shares, scale


@pytest.mark.parametrize(
    ("reach", "end", "step"),
    [(1.6 * 1.5, 2.4, 0.05), (1.0, 1.0, 0.02), (30.0, 30.0, 0.5), (0.007, 0.007, 0.0001)],
)
def test_a_slider_has_round_ends_and_steps(reach, end, step):
    assert scale(reach) == (end, step)


@given(st.floats(1e-6, 1e6))
def test_a_slider_reaches_what_it_should_in_forty_steps_or_more(reach):
    end, step = scale(reach)
    assert reach * (1 - 1e-6) <= end <= reach + step
    assert 39 <= end / step <= 102
    assert math.isclose(end / step, round(end / step))


def test_shares_are_of_the_largest_component_of_all_rows():
    rows = [("a", 2.0), ("b", -4.0)], [("c", 1.0)]
    assert in_shares(*rows) == ([("a", 0.5), ("b", -1.0)], [("c", 0.25)])
    assert in_shares([("a", 0.0)], []) == ([("a", 0.0)], [])
