"""Pictures of a selection as SVG: the grid as a heat map, and the margin along the coefficient.

One file shows both, in light and in dark, without a script. Every text is escaped.
"""

from __future__ import annotations

import functools
import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from palrs_hub.evidence import Cell, Selection
    from palrs_hub.manifest import Manifest

CELL_WIDTH: Final = 64
CELL_HEIGHT: Final = 24
LEFT: Final = 72
RIGHT: Final = 24
TOP: Final = 78
CURVE_WIDTH: Final = 520
CURVE_HEIGHT: Final = 200
MAX_COLUMNS: Final = 24
STRONGEST: Final = 0.6
"""Opacity of the largest change of margin; the number in the cell stays legible on it."""

_STYLE: Final = """
svg { --back: #ffffff; --text: #1f2328; --dim: #59636e; --line: #d1d9e0; --gain: #4c9be8;
  --loss: #e8894c; font: 12px system-ui, sans-serif; background: var(--back); }
@media (prefers-color-scheme: dark) { svg { --back: #0d1117; --text: #e6edf3; --dim: #9198a1;
  --line: #3d444d; --gain: #1f6feb; --loss: #bd561d; } }
text { fill: var(--text); } .dim { fill: var(--dim); } .title { font-weight: 600; font-size: 14px; }
.gain { fill: var(--gain); } .loss { fill: var(--loss); } .back { fill: var(--back); }
.frame { fill: none; stroke: var(--line); } .chosen { fill: none; stroke: var(--text);
  stroke-width: 2.5; } .curve { fill: none; stroke: var(--gain); stroke-width: 2; }
.point { stroke: var(--gain); stroke-width: 2; } .rule { stroke: var(--line); }
.base { stroke: var(--dim); stroke-dasharray: 4 4; }
.middle { text-anchor: middle; } .end { text-anchor: end; }
"""

_CELL_SIZE: Final = f'width="{CELL_WIDTH - 2}" height="{CELL_HEIGHT - 2}"'

Place = tuple[str, int, float]
"""Position, layer and coefficient."""


def selection_plot(manifest: Manifest, *, inline: bool = False) -> str:
    """The picture of how a vector was selected, as the text of an SVG file.

    A heat map for each read position (layer by coefficient; the colour is the change of the margin
    from the unsteered model's), and the margin along the coefficient at the vector's own place.

    Args:
        manifest: What holds the selection.
        inline: For a page that brings the style of these classes with it.

    Raises:
        UsageError: The manifest holds no selection.
    """
    selection = manifest.selection
    if selection is None or not selection.cells:
        raise UsageError(f"{manifest.name} holds no selection that could be drawn.")
    chosen = _chosen(manifest, selection)
    parts: list[str] = []
    width, height = float(CURVE_WIDTH), float(TOP)
    # One scale of colours for all positions: equal colours are equal changes.
    largest = max(abs(_half_change(cell, selection.unsteered)) for cell in selection.cells)
    for position in dict.fromkeys(cell.position for cell in selection.cells):
        cells = [cell for cell in selection.cells if cell.position == position]
        panel = _Panel(position, cells, selection.unsteered, chosen, largest)
        parts.append(_moved(panel.draw(), height))
        width, height = max(width, panel.width), height + panel.height
    curve = [cell for cell in selection.cells if (cell.position, cell.layer) == chosen[:2]]
    if curve:
        parts.append(_moved(_curve(curve, selection.unsteered, chosen), height))
        height += CURVE_HEIGHT + 100
    heading = [
        _text(16, 24, f"Selection of {manifest.name}", "title"),
        *(_text(16, 44 + 18 * row, line, "dim") for row, line in enumerate(_legend(selection))),
    ]
    longest = max(*map(len, _legend(selection)), 1.3 * len(manifest.name) + 16)
    width = max(width, 32 + 6.4 * longest)
    return _document([*heading, *parts], width, height, _STYLE if not inline else None)


@dataclass(frozen=True)
class _Panel:
    """The heat map of one read position."""

    position: str
    cells: Sequence[Cell]
    unsteered: Cell
    chosen: Place
    largest: float

    @functools.cached_property
    def width(self) -> float:
        return LEFT + CELL_WIDTH * len(self._columns) + RIGHT

    @functools.cached_property
    def height(self) -> float:
        return CELL_HEIGHT * (len(self._layers) + 2) + 36

    @functools.cached_property
    def _layers(self) -> list[int]:
        return sorted({cell.layer for cell in self.cells}, reverse=True)

    @functools.cached_property
    def _shared(self) -> bool:
        """Whether the layers have their coefficients in common; else each has a row of its own."""
        return len(self._values) <= MAX_COLUMNS

    @functools.cached_property
    def _values(self) -> list[float]:
        return sorted({cell.coefficient for cell in self.cells})

    @functools.cached_property
    def _columns(self) -> list[str]:
        if self._shared:
            return [f"{value:g}" for value in self._values]
        most = max(sum(cell.layer == layer for cell in self.cells) for layer in self._layers)
        return [f"no. {index + 1}" for index in range(most)]

    def draw(self) -> Iterator[str]:
        yield _text(16, 16, f"Position {self.position}", "title")
        for index, name in enumerate(self._columns):
            yield _text(LEFT + (index + 0.5) * CELL_WIDTH, 36, name, "dim middle")
        for row, layer in enumerate(self._layers):
            top = 44 + row * CELL_HEIGHT
            yield _text(LEFT - 8, top + 16, f"layer {layer}", "dim end")
            cells = sorted((c for c in self.cells if c.layer == layer), key=_by_coefficient)
            for index, cell in enumerate(cells):
                column = self._values.index(cell.coefficient) if self._shared else index
                yield from self._cell(cell, LEFT + column * CELL_WIDTH, top)
        bottom = 44 + len(self._layers) * CELL_HEIGHT + 16
        yield _text(LEFT, bottom, "coefficient →", "dim")

    def _cell(self, cell: Cell, left: float, top: float) -> Iterator[str]:
        change = cell.margin - self.unsteered.margin
        half = abs(_half_change(cell, self.unsteered))
        strength = STRONGEST * (half / self.largest) if self.largest else 0.0
        kind = "gain" if change >= 0 else "loss"
        size = (
            f'x="{left + 1:g}" y="{top + 1:g}" width="{CELL_WIDTH - 2}" height="{CELL_HEIGHT - 2}"'
        )
        yield f"<g><title>{html.escape(_facts(cell, self.unsteered))}</title>"
        yield f'<rect {size} rx="3" class="{kind}" fill-opacity="{strength:.3f}"/>'
        place = cell.position, cell.layer, cell.coefficient
        yield f'<rect {size} rx="3" class="{"chosen" if place == self.chosen else "frame"}"/>'
        label = f"{change:+.3f}" if abs(change) < 10 else f"{change:+.2g}"
        label = label if cell.helps(self.unsteered) else f"({label})"
        yield _text(left + CELL_WIDTH / 2, top + 16, label, "middle")
        yield "</g>"


def _curve(cells: Sequence[Cell], unsteered: Cell, chosen: Place) -> Iterator[str]:
    start = unsteered.model_copy(update={"coefficient": 0.0})
    points = sorted([*(c for c in cells if c.coefficient != 0), start], key=_by_coefficient)
    across = _scale([c.coefficient for c in points], LEFT + 12, CURVE_WIDTH - RIGHT - 12)
    up = _scale([c.margin for c in points], CURVE_HEIGHT + 20, 40)
    yield _text(16, 16, f"Margin at position {chosen[0]}, layer {chosen[1]}", "title")
    yield from _axes(points, across, up)
    level = up(unsteered.margin)
    yield f'<path class="base" d="M{LEFT} {level:.1f}H{CURVE_WIDTH - RIGHT}"/>'
    line = " ".join(f"{across(c.coefficient):.1f},{up(c.margin):.1f}" for c in points)
    yield f'<polyline class="curve" points="{line}"/>'
    for cell in points:
        x, y = across(cell.coefficient), up(cell.margin)
        fill = "gain" if cell.helps(unsteered) else "back"
        yield f"<g><title>{html.escape(_facts(cell, unsteered))}</title>"
        yield f'<circle class="point {fill}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
        if (cell.position, cell.layer, cell.coefficient) == chosen:
            yield f'<circle class="chosen" cx="{x:.1f}" cy="{y:.1f}" r="8"/>'
        yield "</g>"


def _axes(
    points: Sequence[Cell], across: Callable[[float], float], up: Callable[[float], float]
) -> Iterator[str]:
    margins = [cell.margin for cell in points]
    low, high = min(margins), max(margins)
    for value in dict.fromkeys(low + (high / 4 - low / 4) * step for step in range(5)):
        yield f'<path class="rule" d="M{LEFT} {up(value):.1f}H{CURVE_WIDTH - RIGHT}"/>'
        yield _text(LEFT - 8, up(value) + 4, f"{value:.3g}", "dim end")
    last = -1e9
    for cell in points:
        x = across(cell.coefficient)
        if x - last >= 40:
            yield _text(x, CURVE_HEIGHT + 44, f"{cell.coefficient:g}", "dim middle")
            last = x
    words = "coefficient; dashed: unsteered; filled: helps and does no harm; ringed: chosen"
    yield _text(LEFT, CURVE_HEIGHT + 66, words, "dim")


def _scale(values: Sequence[float], first: float, last: float) -> Callable[[float], float]:
    low, high = min(values), max(values)
    # Halved, as in _half_change.
    span = high / 2 - low / 2

    def place(value: float) -> float:
        share = (value / 2 - low / 2) / span if span else 0.5
        return first + (last - first) * share

    return place


def _chosen(manifest: Manifest, selection: Selection) -> Place:
    intervention = manifest.interventions[0]
    position = manifest.method.switches.get("position")
    known = {cell.position for cell in selection.cells}
    place = position if isinstance(position, str) and position in known else min(known)
    return place, intervention.layer, intervention.coefficient


def _legend(selection: Selection) -> tuple[str, str]:
    return (
        f"Change of the margin, nats per token, on {selection.pairs} {selection.split} pairs "
        f"(unsteered: {selection.unsteered.margin:.3g})",
        "In brackets: does not raise it, or makes the chosen responses unlikelier, or does harm",
    )


def _facts(cell: Cell, unsteered: Cell) -> str:
    facts = [
        f"position {cell.position}, layer {cell.layer}, coefficient {cell.coefficient:g}",
        f"margin {cell.margin:.4g} ({unsteered.margin:.4g} unsteered)",
        f"{cell.preferred:.0%} preferred, {cell.worse:.0%} made worse",
    ]
    if cell.side_effect is not None:
        facts.append(f"side effect {cell.side_effect:.3g} nats per token")
    if cell.accuracy is not None:
        facts.append(f"accuracy {cell.accuracy:.1%}")
    return "; ".join(facts)


def _half_change(cell: Cell, unsteered: Cell) -> float:
    """Half, because a stranger's numbers may be as large as numbers get."""
    return cell.margin / 2 - unsteered.margin / 2


def _by_coefficient(cell: Cell) -> float:
    return cell.coefficient


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{html.escape(words)}</text>'


def _moved(parts: Iterator[str], down: float) -> str:
    return f'<g transform="translate(0 {down:g})">' + "\n".join(parts) + "</g>"


def _document(parts: Sequence[str], width: float, height: float, style: str | None) -> str:
    body = "\n".join(parts)
    back = '<rect class="back" width="100%" height="100%"/>\n'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-label="Selection: heat map and '
        f'curve">\n{f"<style>{style}</style>" if style else ""}\n{back}{body}\n</svg>\n'
    )
