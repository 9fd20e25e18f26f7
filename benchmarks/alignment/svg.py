"""A few SVG shapes, and the style in which one file is legible in light and in dark."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Final

STYLE: Final = """
svg { --back: #ffffff; --text: #1f2328; --dim: #59636e; --line: #d1d9e0; --steering: #1668c4;
  --dpo: #b45309; --simpo: #8250a8; --on: #ffffff; font: 12px system-ui, sans-serif;
  background: var(--back); }
@media (prefers-color-scheme: dark) { svg { --back: #0d1117; --text: #e6edf3; --dim: #9198a1;
  --line: #3d444d; --steering: #58a6ff; --dpo: #f0903c; --simpo: #c297ee; --on: #0d1117; } }
text { fill: var(--text); } .dim { fill: var(--dim); } .title { font-weight: 600; font-size: 14px; }
.back { fill: var(--back); } .rule { stroke: var(--line); } .on { fill: var(--on); }
.unsteered { stroke: var(--dim); stroke-dasharray: 5 4; fill: none; }
.random { stroke: var(--dim); stroke-dasharray: 1 4; stroke-width: 2; fill: none; }
.steering { fill: var(--steering); } .dpo { fill: var(--dpo); } .simpo { fill: var(--simpo); }
.line { fill: none; stroke-width: 2; } .line.steering { stroke: var(--steering); fill: none; }
.line.dpo { stroke: var(--dpo); fill: none; } .line.simpo { stroke: var(--simpo); fill: none; }
.stem { stroke: var(--dim); } .middle { text-anchor: middle; } .end { text-anchor: end; }
.small { font-size: 11px; } .badge { font-size: 11px; font-weight: 600; text-anchor: middle; }
"""

Scale = Callable[[float], float]


def document(parts: Iterable[str], width: float, height: float, description: str) -> str:
    """A whole SVG file."""
    body = "\n".join(parts)
    label = html.escape(description)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'width="{width:g}" height="{height:g}" role="img" aria-label="{label}">\n'
        f'<style>{STYLE}</style>\n<rect class="back" width="100%" height="100%"/>\n{body}\n</svg>\n'
    )


def text(x: float, y: float, words: str, kind: str = "") -> str:
    """A line of text."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{html.escape(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """A straight line."""
    return f'<path class="{kind}" d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def polyline(points: Sequence[tuple[float, float]], kind: str) -> str:
    """A line through points."""
    along = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="line {kind}" points="{along}"/>'


def circle(x: float, y: float, radius: float, kind: str) -> str:
    """A filled circle."""
    return f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}"/>'


def square(x: float, y: float, half: float, kind: str) -> str:
    """A filled square."""
    corner = f'x="{x - half:.1f}" y="{y - half:.1f}"'
    return f'<rect class="{kind}" {corner} width="{2 * half:g}" height="{2 * half:g}"/>'


def group(x: float, y: float, parts: Iterable[str]) -> str:
    """Shapes moved to a place."""
    return f'<g transform="translate({x:g} {y:g})">' + "\n".join(parts) + "</g>"


def titled(words: str, parts: Iterable[str]) -> str:
    """Shapes that show words when they are pointed at."""
    return f"<g><title>{html.escape(words)}</title>" + "".join(parts) + "</g>"


def linear(low: float, high: float, first: float, last: float) -> Scale:
    """From a range of values to a range of places."""
    return lambda value: first + (last - first) * (value - low) / (high - low)


def logarithmic(low: float, high: float, first: float, last: float) -> Scale:
    """The same, by the logarithm of the value."""
    scale = linear(math.log10(low), math.log10(high), first, last)
    return lambda value: scale(math.log10(value))
