"""A picture of what was measured, as SVG: the arms of each metric as bars, with their intervals.

One file shows both, in light and in dark, without a script. Every text is escaped.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import UsageError
from palrs_hub.measured import RANDOM, SHARES, STEERED, UNSTEERED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from palrs_hub.measured import Measured

WIDTH: Final = 680
LEFT: Final = 176
RIGHT: Final = 168
TOP: Final = 70
ROW: Final = 28
BAR: Final = 16

_STYLE: Final = """
svg { --back: #ffffff; --text: #1f2328; --dim: #59636e; --line: #d1d9e0; --steered: #4c9be8;
  --other: #afb8c1; font: 12px system-ui, sans-serif; background: var(--back); }
@media (prefers-color-scheme: dark) { svg { --back: #0d1117; --text: #e6edf3; --dim: #9198a1;
  --line: #3d444d; --steered: #1f6feb; --other: #545d68; } }
text { fill: var(--text); } .dim { fill: var(--dim); } .title { font-weight: 600; font-size: 14px; }
.back { fill: var(--back); } .steered { fill: var(--steered); } .other { fill: var(--other); }
.base { stroke: var(--dim); stroke-dasharray: 4 4; } .axis { stroke: var(--line); }
.interval { stroke: var(--text); stroke-width: 1.5; fill: none; } .each { fill: var(--text); }
.end { text-anchor: end; } .value { paint-order: stroke; stroke: var(--back); stroke-width: 4; }
"""


@dataclass(frozen=True)
class _Bar:
    """One arm: its value, the interval around it, and what it is the mean of."""

    name: str
    value: float
    low: float
    high: float
    each: tuple[float, ...] = ()


def evaluation_plot(measured: Sequence[Measured], name: str) -> str:
    """The picture of an evaluation, as the text of an SVG file.

    One panel for each metric, one bar for each arm. The lines at the end of the bars are 95 %
    intervals of the difference from the unsteered model, drawn around it; those of the random
    directions reach from the lowest to the highest of them.

    Args:
        measured: What was measured.
        name: The vector's name, for the heading.

    Raises:
        UsageError: Nothing was measured.
    """
    if not measured:
        raise UsageError("Nothing was measured that could be drawn.")
    parts = [
        _text(16, 24, f"Evaluation of {name}", "title"),
        _text(16, 44, "Lines: 95 % interval of the difference from the unsteered model", "dim"),
        _text(16, 60, "(dashed); of the random directions: lowest to highest, each a dot", "dim"),
    ]
    top = float(TOP)
    for each in measured:
        bars = _bars(each)
        parts.append(f'<g transform="translate(0 {top:g})">' + "\n".join(_panel(each, bars)))
        parts.append("</g>")
        top += ROW * len(bars) + 62
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top:g}" '
        f'width="{WIDTH}" height="{top:g}" role="img">\n<style>{_STYLE}</style>\n'
        f'<rect class="back" width="100%" height="100%"/>\n{body}\n</svg>\n'
    )


def _bars(measured: Measured) -> list[_Bar]:
    base = measured.values.get(UNSTEERED, 0.0)
    bars = []
    for arm, value in measured.values.items():
        if arm.startswith(RANDOM):
            continue
        beyond = measured.beyond.get(arm)
        ends = (value, value) if beyond is None else (base + beyond.low, base + beyond.high)
        bars.append(_Bar(arm, value, *ends))
    if each := measured.random_each:
        mean = sum(each) / len(each)
        name = f"random directions ({len(each)})"
        bars.append(_Bar(name, mean, min(each), max(each), each))
    return bars


def _panel(measured: Measured, bars: Sequence[_Bar]) -> Iterator[str]:
    way = "higher" if measured.higher_is_better else "lower"
    yield _text(16, 16, f"{_short(measured.task)}: {_short(measured.metric)}", "title")
    facts = f"{_short(measured.split)}, {measured.samples} {measured.noun}; {way} is better"
    yield _text(16, 34, facts, "dim")
    low = min(0.0, *(bar.low for bar in bars))
    high = max(0.0, *(bar.high for bar in bars))
    unit = (WIDTH - LEFT - RIGHT) / ((high - low) or 1.0)

    def across(value: float) -> float:
        return LEFT + (value - low) * unit

    bottom = 44 + ROW * len(bars)
    yield f'<path class="axis" d="M{across(0):.1f} 44V{bottom}"/>'
    if UNSTEERED in measured.values:
        yield f'<path class="base" d="M{across(measured.values[UNSTEERED]):.1f} 44V{bottom}"/>'
    for row, bar in enumerate(bars):
        yield from _drawn(measured, bar, 44 + ROW * row + (ROW - BAR) / 2, across(0), across)


def _drawn(
    measured: Measured, bar: _Bar, top: float, zero: float, across: Callable[[float], float]
) -> Iterator[str]:
    middle = top + BAR / 2
    left, right = sorted((zero, across(bar.value)))
    kind = "steered" if bar.name == STEERED else "other"
    shown = f"{bar.value:.1%}" if measured.metric in SHARES else f"{bar.value:.4g}"
    ends = (
        f"{bar.low:.1%} to {bar.high:.1%}"
        if measured.metric in SHARES
        else f"{bar.low:.4g} to {bar.high:.4g}"
    )
    yield f"<g><title>{html.escape(f'{bar.name}: {shown} ({ends})')}</title>"
    yield _text(LEFT - 10, middle + 4, bar.name, "dim end")
    size = f'x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{BAR}"'
    yield f'<rect {size} rx="2" class="{kind}"/>'
    if bar.high > bar.low:
        first, last = across(bar.low), across(bar.high)
        yield (
            f'<path class="interval" d="M{first:.1f} {middle - 4:.1f}v8m0 -4H{last:.1f}m0 -4v8"/>'
        )
    for value in bar.each:
        yield f'<circle class="each" cx="{across(value):.1f}" cy="{middle:.1f}" r="2.5"/>'
    words = shown if bar.high == bar.low else f"{shown} ({ends})"
    yield _text(max(right, across(bar.high)) + 10, middle + 4, words, "value")
    yield "</g>"


def _short(words: str) -> str:
    return words if len(words) <= 60 else f"{words[:59]}…"


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{html.escape(words)}</text>'
