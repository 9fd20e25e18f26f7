"""What was hoped for beside what came out, a JSON line each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from benchmarks.alignment.results import Arm, Results, WorldResults
from benchmarks.alignment.steering import PALRS_ARMS, UNSTEERED

FASTER: Final = 10.0
GAINS: Final = {"sums": 0.5, "code": 0.3}
MOST_PERPLEXITY: Final = 0.05


def goal_rows(results: Results) -> Iterator[dict[str, Any]]:
    """Every goal of every domain, reached or not."""
    for world in results.worlds:
        for domain in world.domains:
            palrs, before = better_palrs(world, domain), world.arm(UNSTEERED, domain)
            better = better_training(world, domain)
            where = {"model": world.name, "domain": domain}
            if palrs and before:
                yield from (where | row for row in _gain_rows(palrs, before, domain))
            for arm in palrs_arms(world, domain):
                if better:
                    yield from (where | row for row in _speed_rows(arm, better))


def better_training(world: WorldResults, domain: str) -> Arm | None:
    """The better of DPO and SimPO."""
    return _better(arm for arm in world.arms if (arm.kind, arm.domain) == ("training", domain))


def better_palrs(world: WorldResults, domain: str) -> Arm | None:
    """The better of PaLRS's arms, by the same rule."""
    return _better(palrs_arms(world, domain))


def palrs_arms(world: WorldResults, domain: str) -> list[Arm]:
    """PaLRS's arms that have a result."""
    arms = (world.arm(name, domain) for name in PALRS_ARMS)
    return [arm for arm in arms if arm and arm.seconds]


def _better(arms: Iterable[Arm | None]) -> Arm | None:
    """The arm of the highest accuracy on validation, of equals the quickest."""
    measured = [arm for arm in arms if arm and arm.seconds]
    return max(measured, key=lambda arm: (arm.validation, -arm.seconds.processor), default=None)  # type: ignore[union-attr]


def ratios(palrs: Arm, better: Arm) -> dict[str, float]:
    """How many times as long training took: all of it, and one run against one extraction."""
    return {
        f"{name}{kind}": getattr(getattr(better, name), kind or "processor")
        / getattr(getattr(palrs, name), kind or "processor")
        for name in ("seconds", "one_run")
        for kind in ("", "wall")
    }


def _gain_rows(palrs: Arm, before: Arm, domain: str) -> Iterator[dict[str, Any]]:
    if domain in GAINS:
        gain = palrs.accuracy(domain) - before.accuracy(domain)
        yield _row("alignment_gain", gain, GAINS[domain], gain >= GAINS[domain])
    rise = palrs.perplexity / before.perplexity - 1
    yield _row("alignment_guardrail", rise, MOST_PERPLEXITY, rise <= MOST_PERPLEXITY)


def _speed_rows(palrs: Arm, better: Arm) -> Iterator[dict[str, Any]]:
    found = ratios(palrs, better)
    for row, name in (("alignment_speed", "seconds"), ("alignment_one_run", "one_run")):
        yield _row(row, found[name], FASTER, found[name] >= FASTER) | {
            "wall_clock_ratio": round(found[f"{name}wall"], 2),
            "of": palrs.name,
            "against": better.name,
        }


def _row(name: str, ratio: float, goal: float, reached: bool) -> dict[str, Any]:
    return {"row": name, "ratio": round(ratio, 3), "goal": goal, "reached": reached}
