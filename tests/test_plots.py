"""Pictures of a selection: well-formed, complete, and inert whatever a manifest says."""

import xml.etree.ElementTree as ET

import pytest

from palrs_hub.errors import UsageError
from palrs_hub.evidence import Selection
from palrs_hub.manifest import Method
from palrs_hub.plots import selection_plot
from tests.builders import LAYER, a_cell, a_manifest

SVG = "{http://www.w3.org/2000/svg}"
COEFFICIENTS = (0.5, 1.5, 3.0)


def a_grid(positions=("-2", "-1"), layers=(0, 1, LAYER), coefficients=COEFFICIENTS, **changes):
    cells = tuple(
        a_cell(position=p, layer=k, coefficient=c, margin=0.1 * k - 0.05 * c, **changes)
        for p in positions
        for k in layers
        for c in coefficients
    )
    return Selection(
        rule="r",
        split="validation",
        pairs=20,
        problems=0,
        unsteered=a_cell(position=positions[0], coefficient=0.0, margin=-0.05),
        cells=cells,
    )


def drawn(selection, position="-2", name="careful sums"):
    method = Method(name="palrs", switches={"position": position})
    manifest = a_manifest(name=name, selection=selection, method=method)
    return ET.fromstring(selection_plot(manifest))


def texts(root):
    return [element.text for element in root.iter(f"{SVG}text")]


def test_every_cell_is_drawn_once_and_the_chosen_one_is_ringed():
    root = drawn(a_grid())
    rectangles = [r for r in root.iter(f"{SVG}rect") if "fill-opacity" in r.attrib]
    assert len(rectangles) == 2 * 3 * len(COEFFICIENTS)
    assert {"Position -2", "Position -1", "layer 0", f"layer {LAYER}", "1.5"} <= set(texts(root))
    rings = [e.tag for e in root.iter() if e.get("class") == "chosen"]
    assert sorted(rings) == [f"{SVG}circle", f"{SVG}rect"]


def test_the_curve_starts_at_the_unsteered_model():
    root = drawn(a_grid())
    (line,) = root.iter(f"{SVG}polyline")
    assert len(line.get("points").split()) == len(COEFFICIENTS) + 1


def test_colours_follow_the_viewers_scheme():
    assert "prefers-color-scheme: dark" in next(drawn(a_grid()).iter(f"{SVG}style")).text


def test_layers_with_coefficients_of_their_own_share_columns_by_rank():
    selection = a_grid()
    cells = tuple(
        cell.model_copy(update={"position": "-2", "layer": k, "coefficient": 0.1 * k + step})
        for k in range(3)
        for step, cell in enumerate(selection.cells[:12])
    )
    root = drawn(selection.model_copy(update={"cells": cells}))
    assert "no. 12" in texts(root)


@pytest.mark.parametrize("text", ['<script>alert("x")</script>', "a & b ]]> <!--", "'\"><svg/>"])
def test_all_text_is_escaped(text):
    root = drawn(a_grid(positions=(text,)), position=text, name=text)
    assert f"Position {text}" in texts(root)
    assert {element.tag.removeprefix(SVG) for element in root.iter()} <= {
        *("svg", "style", "rect", "g", "title", "text", "path", "polyline", "circle")
    }


@pytest.mark.parametrize("value", [0.0, 1e308, -1e308, 1e-300])
def test_extreme_numbers_still_give_a_picture(value):
    selection = a_grid(coefficients=(value,))
    cells = [
        c.model_copy(update={"margin": m})
        for c, m in zip(selection.cells, (value, -value), strict=False)
    ]
    assert drawn(selection.model_copy(update={"cells": tuple(cells)})) is not None


def test_without_a_selection_there_is_nothing_to_draw():
    with pytest.raises(UsageError, match="no selection"):
        selection_plot(a_manifest(selection=None))
