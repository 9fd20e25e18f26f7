"""The pictures of a results file: accuracy against seconds, and the ablations."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

from benchmarks.alignment import svg
from benchmarks.alignment.results import Arm, Point, Results, WorldResults
from benchmarks.alignment.steering import EXAMPLE, INSTRUCTION, PALRS, RANDOM, UNSTEERED

LEFT: Final = 56
PLOT: Final = 440
TOP: Final = 30
HEIGHT: Final = 210
PANEL: Final = TOP + HEIGHT + 56
LEGEND: Final = LEFT + PLOT + 36
WIDTH: Final = LEGEND + 320
RADIUS: Final = 9

LEVELS: Final = {UNSTEERED: "unsteered", RANDOM: "random"}
"""Arms that cost nothing to find are lines across the picture."""

AXES: Final = {
    "pairs": "preference pairs",
    "noise": "pairs the wrong way round",
    "layer": "layer",
    "position": "read position",
}
CHART: Final = 190
CHART_HEIGHT: Final = 150


def seconds_plot(results: Results) -> str:
    """Accuracy on each domain against the seconds up to the chosen model."""
    parts, height = [], 0.0
    for world in results.worlds:
        for domain in world.domains:
            parts.append(svg.group(0, height, _panel(world, domain)))
            height += PANEL
    words = "Accuracy on test problems against processor seconds, for each arm"
    return svg.document(parts, WIDTH, height, words)


def ablations_plot(results: Results) -> str:
    """Accuracy against the number of pairs, wrong labels, the layer and the position."""
    parts, height, width = [], 10.0, 0.0
    for world in results.worlds:
        for domain in world.domains:
            charts = [(axis, _points(world, domain, axis)) for axis in AXES]
            charts = [(axis, points) for axis, points in charts if points]
            if not charts:
                continue
            before = world.arm(UNSTEERED, domain)
            level = before.accuracy(domain) if before else 0.0
            parts.append(svg.text(16, height + 16, f"{world.title}: {domain}", "title"))
            parts.append(_names(charts, height + 36))
            for column, (axis, points) in enumerate(charts):
                x = LEFT + column * (CHART + 44)
                parts.append(svg.group(x, height + 54, _chart(axis, points, level)))
                width = max(width, x + CHART + 16)
            height += CHART_HEIGHT + 120
    words = "Accuracy against number of pairs, wrong labels, layer and read position"
    return svg.document(parts, width, height, words)


def family(arm: str) -> str:
    """The colour of an arm."""
    return next((kind for kind in ("dpo", "simpo") if arm.lower().startswith(kind)), "steering")


def _panel(world: WorldResults, domain: str) -> Iterator[str]:
    arms = [a for a in world.arms if a.domain == domain and a.seconds and not a.failed]
    yield svg.text(16, 18, f"{world.title}: {domain}", "title")
    times = [arm.seconds.processor for arm in arms if arm.seconds] or [1.0]
    low, high = (
        10.0 ** math.floor(math.log10(min(times))),
        10.0 ** math.ceil(math.log10(max(times))),
    )
    across = svg.logarithmic(low, max(high, 10 * low), LEFT + 14, LEFT + PLOT - 14)
    up = svg.linear(0, 1, TOP + HEIGHT - 14, TOP + 42)
    yield from _grid(across, up, low, max(high, 10 * low))
    yield from _levels(world, domain, up)
    taken: list[tuple[float, float]] = []
    for number, arm in enumerate(arms, 1):
        x, y = across(arm.seconds.processor), up(arm.accuracy(domain))  # type: ignore[union-attr]
        yield _mark(number, arm, domain, (x, y), taken)
    yield from _legend(world, domain, arms)


def _grid(across: svg.Scale, up: svg.Scale, low: float, high: float) -> Iterator[str]:
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        yield svg.line(LEFT, up(share), LEFT + PLOT, up(share), "rule")
        yield svg.text(LEFT - 8, up(share) + 4, f"{share:.0%}", "dim end")
    bottom = TOP + HEIGHT
    decade = low
    while decade <= high * 1.001:
        for step in (1, 2, 5):
            value = decade * step
            if value <= high * 1.001:
                yield svg.line(across(value), bottom - 4, across(value), bottom, "rule")
                yield svg.text(across(value), bottom + 16, f"{value:g}", "dim middle")
        decade *= 10
    words = "processor seconds up to the chosen model, every setting tried included"
    yield svg.text(LEFT + PLOT / 2, bottom + 36, words, "dim middle")


def _levels(world: WorldResults, domain: str, up: svg.Scale) -> Iterator[str]:
    for name, kind in LEVELS.items():
        arm = world.arm(name, domain)
        if arm:
            level = up(arm.accuracy(domain))
            yield svg.line(LEFT, level, LEFT + PLOT, level, kind)


def _mark(
    number: int,
    arm: Arm,
    domain: str,
    place: tuple[float, float],
    taken: list[tuple[float, float]],
) -> str:
    """A dot at the exact place, and a numbered badge where no other badge is."""
    x, y = place
    free = (
        (x + sideways, y - (RADIUS + 6) * rise)
        for rise in (1, -1, 2.4, -2.4)
        for sideways in (0, 8, -8, 14, -14)
    )
    apart = 2 * RADIUS + 2
    badge = next(
        (at for at in free if all(math.dist(at, other) >= apart for other in taken)),
        (x, y - (RADIUS + 6) * 3.6),
    )
    taken.append(badge)
    kind = family(arm.name)
    shape = svg.circle if kind == "steering" else svg.square
    facts = f"{arm.name}: {arm.accuracy(domain):.1%}, {arm.seconds.processor:.2f} s"  # type: ignore[union-attr]
    return svg.titled(
        facts,
        [
            svg.line(x, y, *badge, "stem"),
            shape(x, y, 3, kind),
            shape(*badge, RADIUS - (kind != "steering"), kind),
            svg.text(badge[0], badge[1] + 4, str(number), "badge on"),
        ],
    )


def _legend(world: WorldResults, domain: str, arms: Sequence[Arm]) -> Iterator[str]:
    y = float(TOP)
    for number, arm in enumerate(arms, 1):
        kind = family(arm.name)
        shape = svg.circle if kind == "steering" else svg.square
        yield shape(LEGEND, y, RADIUS - (kind != "steering"), kind)
        yield svg.text(LEGEND, y + 4, str(number), "badge on")
        yield svg.text(LEGEND + 16, y + 4, arm.name)
        yield svg.text(LEGEND + 226, y + 4, f"{arm.accuracy(domain):.1%}", "end")
        yield svg.text(LEGEND + 302, y + 4, f"{arm.seconds.processor:.1f} s", "end dim")  # type: ignore[union-attr]
        y += 20
    for name in (UNSTEERED, RANDOM, INSTRUCTION, EXAMPLE):
        arm = world.arm(name, domain)
        if arm:
            if name in LEVELS:
                yield svg.line(LEGEND - 9, y, LEGEND + 9, y, LEVELS[name])
            yield svg.text(LEGEND + 16, y + 4, name, "dim")
            yield svg.text(LEGEND + 226, y + 4, f"{arm.accuracy(domain):.1%}", "end dim")
            y += 20


def _points(world: WorldResults, domain: str, axis: str) -> list[Point]:
    return [point for point in world.points if (point.domain, point.axis) == (domain, axis)]


def _names(charts: Sequence[tuple[str, list[Point]]], y: float) -> str:
    found = dict.fromkeys(point.arm for _, points in charts for point in points)
    parts, x = [], 24.0
    for name in found:
        kind = family(name)
        parts.append((svg.circle if kind == "steering" else svg.square)(x, y, 5, kind))
        parts.append(svg.text(x + 11, y + 4, name, "dim"))
        x += 40 + 7 * len(name)
    parts.append(svg.line(x - 6, y, x + 12, y, "unsteered"))
    parts.append(svg.text(x + 18, y + 4, "unsteered; bars: lowest and highest draw", "dim"))
    return "\n".join(parts)


def _chart(axis: str, points: Sequence[Point], level: float) -> Iterator[str]:
    values = list(dict.fromkeys(point.value for point in points))
    step = CHART / max(1, len(values))
    up = svg.linear(0, 1, CHART_HEIGHT, 8)
    for share in (0.0, 0.5, 1.0):
        yield svg.line(0, up(share), CHART, up(share), "rule")
        yield svg.text(-6, up(share) + 4, f"{share:.0%}", "dim end small")
    yield svg.line(0, up(level), CHART, up(level), "unsteered")
    for index, value in enumerate(values):
        name = f"{value:.0%}" if axis == "noise" else str(value).replace("response_mean", "mean")
        yield svg.text((index + 0.5) * step, CHART_HEIGHT + 18, name, "dim middle small")
    yield svg.text(CHART / 2, CHART_HEIGHT + 38, AXES[axis], "middle")
    arms = list(dict.fromkeys(point.arm for point in points))
    for arm in sorted(arms, key=lambda name: name == PALRS):
        yield from _series(arm, points, values, step, up)


def _series(
    arm: str, points: Sequence[Point], values: Sequence[object], step: float, up: svg.Scale
) -> Iterator[str]:
    kind = family(arm)
    shape = svg.circle if kind == "steering" else svg.square
    shift = -3 if kind == "steering" else 3
    places, marks = [], []
    for point in (each for each in points if each.arm == arm):
        x = (values.index(point.value) + 0.5) * step + shift
        mean = sum(point.accuracies) / len(point.accuracies)
        places.append((x, up(mean)))
        whole = f"{arm}, {point.axis} {point.value}: {mean:.1%}"
        span = svg.line(x, up(min(point.accuracies)), x, up(max(point.accuracies)), f"line {kind}")
        marks.append(svg.titled(whole, [span, shape(x, up(mean), 4, kind)]))
    if points[0].axis != "position":
        yield svg.polyline(places, kind)
    yield from marks
