"""``python -m benchmarks.alignment.page``: writes the page and its pictures from the results file.

With ``--check`` it only tells whether they are current. ``tests/benchmarks`` checks that too, so
that no figure of the page can differ from the results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.alignment.goals import better_palrs, better_training, goal_rows, palrs_arms, ratios
from benchmarks.alignment.plots import ablations_plot, seconds_plot
from benchmarks.alignment.results import Arm, Results, WorldResults, read_results
from benchmarks.alignment.steering import PALRS, UNSTEERED

ROOT: Final = Path(__file__).parents[2]
RESULTS: Final = ROOT / "benchmarks" / "results" / "alignment.json"
DOCS: Final = ROOT / "docs"
PAGE: Final = "alignment.md"

NOTICEABLE: Final = 0.005
"""Share by which perplexities differ before it is told."""

GOALS: Final = {
    "alignment_gain": "gain in accuracy by PaLRS",
    "alignment_guardrail": "rise of the guardrail's perplexity under PaLRS",
    "alignment_speed": "time of the better of DPO and SimPO over that of PaLRS, choice included",
    "alignment_one_run": "one training run of it over one extraction",
}


def main() -> int:
    """Write or check; the exit code is 1 if a file is not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args().check
    stale = stale_files(read_results(RESULTS))
    for path, text in stale.items():
        sys.stderr.write(f"{path.name} is {'not current' if check else 'new'}\n")
        if not check:
            path.write_text(text, encoding="utf-8")
    return int(check and bool(stale))


def stale_files(results: Results) -> dict[Path, str]:
    """The files that differ from what the results say, with what they should hold."""
    return {
        path: text
        for path, text in files(results).items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    }


def files(results: Results) -> dict[Path, str]:
    """The page and its pictures."""
    return {
        DOCS / PAGE: page(results),
        DOCS / "images" / "alignment.svg": seconds_plot(results),
        DOCS / "images" / "alignment-ablations.svg": ablations_plot(results),
    }


def page(results: Results) -> str:
    """The text of the page."""
    template = (Path(__file__).parent / "page.md").read_text(encoding="utf-8")
    tables = "\n\n".join(
        section for world in results.worlds for section in _sections(world, results)
    )
    sizes = results.settings["sizes"]
    return template.format(
        **{name: _words(value) for name, value in sizes.items()},
        tables=tables,
        goals="\n".join(_goal_table(results)),
        losses="\n".join(_losses(results)),
        software=", ".join(
            f"{name} {version}"
            for name, version in results.settings.items()
            if name not in ("sizes", "jobs")
        ),
        skipped="".join(f"\n\nNot run: {reason}." for reason in results.skipped),
    )


def summary(results: Results) -> list[str]:
    """The sentences of the README, one for each domain."""
    return [_summary(world, domain) for world in results.worlds for domain in world.domains]


def _summary(world: WorldResults, domain: str) -> str:
    better, before = better_training(world, domain), world.arm(UNSTEERED, domain)
    best = better_palrs(world, domain)
    if best is None or better is None or before is None:
        return f"{world.title}, {domain}: incomplete."
    arms = palrs_arms(world, domain)
    plain = next((arm for arm in arms if arm.name == PALRS), best)
    arms = [plain] if plain.accuracy(domain) == best.accuracy(domain) else [plain, best]
    sentences = [
        f"{world.title}, {domain}: {before.accuracy(domain):.1%} unsteered, "
        f"{better.accuracy(domain):.1%} by {_in_seconds(better)}."
    ]
    for arm in arms:
        found = ratios(arm, better)
        sentences.append(
            f"{arm.accuracy(domain):.1%} by {_in_seconds(arm)}, {found['seconds']:.1f} times as "
            f"quick; one extraction {found['one_run']:.1f} times as quick as one training run."
        )
    return " ".join(sentences)


def _in_seconds(arm: Arm) -> str:
    return f"{arm.name}, in {arm.seconds.processor:.1f} s"  # type: ignore[union-attr]


def _sections(world: WorldResults, results: Results) -> Iterator[str]:
    for domain, number in world.domains.items():
        others = [name for name in world.domains if name != domain]
        heading = f"## {world.title}: {domain}"
        rows = [
            "| arm | accuracy | gain (95 % interval) | "
            + "".join(f"accuracy on {other} | " for other in others)
            + "perplexity | seconds | tried | one run, s | size |",
            "|---|--:|--:|" + "--:|" * (len(others) + 5),
            *(_row(world, arm, domain, others) for arm in _shown(world, domain)),
        ]
        failed = [a for a in world.arms if a.domain == domain and a.failed]
        notes = "".join(f"\n\n{arm.name}: no result. {arm.failed}" for arm in failed)
        yield (
            f"{heading}\n\n{world.parameters / 1e6:.2f} million parameters; {number} test problems."
            f"\n\n" + "\n".join(rows) + notes
        )


def _shown(world: WorldResults, domain: str) -> list[Arm]:
    return [arm for arm in world.arms if arm.domain in ("", domain) and not arm.failed]


def _row(world: WorldResults, arm: Arm, domain: str, others: list[str]) -> str:
    before = world.arm(UNSTEERED, domain)
    accuracies = sorted(each.accuracy(domain) for each in arm.measured)
    spread = f" ({accuracies[0]:.1%} to {accuracies[-1]:.1%})" if len(accuracies) > 1 else ""
    gain = ""
    if before and arm is not before and len(arm.measured) == 1:
        found = arm.measured[0].beyond(before.measured[0], domain)
        gain = f"{found.difference:+.1%} ({found.low:+.1%} to {found.high:+.1%})"
    cells = [
        f"**{arm.name}**" if arm is better_palrs(world, domain) else arm.name,
        f"{arm.accuracy(domain):.1%}{spread}",
        gain,
        *(f"{arm.accuracy(other):.1%}" for other in others),
        f"{arm.perplexity:.3f}",
        "" if arm.seconds is None else f"{arm.seconds.processor:.1f}",
        str(arm.tried or ""),
        "" if arm.one_run is None else f"{arm.one_run.processor:.2f}",
        _size(arm.weights_bytes),
    ]
    return "| " + " | ".join(cells) + " |"


def _goal_table(results: Results) -> Iterator[str]:
    yield "| model, domain | what | goal | found | |"
    yield "|---|---|--:|--:|---|"
    for row in goal_rows(results):
        times = row["row"] in ("alignment_speed", "alignment_one_run")
        shown = "{:.1f} times" if times else "{:+.1%}"
        least = "at most" if row["row"] == "alignment_guardrail" else "at least"
        against = f" ({row['against']}, {row['of']})" if "against" in row else ""
        yield (
            f"| {row['model']}, {row['domain']} | {GOALS[row['row']]}{against} | {least} "
            f"{shown.format(row['goal'])} | {shown.format(row['ratio'])} | "
            f"{'reached' if row['reached'] else '**not reached**'} |"
        )


def _losses(results: Results) -> Iterator[str]:
    """Every arm that PaLRS does not beat, and in what."""
    for world in results.worlds:
        for domain in world.domains:
            palrs = better_palrs(world, domain)
            lost = [] if palrs is None else list(_ahead(world, domain, palrs))
            if palrs is None:
                lost = ["PaLRS gave no vector"]
            elif not lost:
                lost = ["no arm is more accurate, nor as accurate and quicker or gentler"]
            yield from (f"- {world.title}, {domain}: {words}." for words in lost)


def _ahead(world: WorldResults, domain: str, palrs: Arm) -> Iterator[str]:
    others = [arm for arm in _shown(world, domain) if len(arm.measured) == 1 and arm is not palrs]
    for arm in others:
        found = arm.measured[0].beyond(palrs.measured[0], domain)
        if found.difference > 0:
            sure = "" if found.excludes_zero else ", which chance may explain"
            yield (
                f"{arm.name} is more accurate by {found.difference:.1%} "
                f"({found.low:+.1%} to {found.high:+.1%}{sure})"
            )
        if found.difference < 0:
            continue
        if arm.seconds and palrs.seconds and arm.seconds.processor < palrs.seconds.processor:
            yield f"{arm.name} is as accurate or better, and quicker"
        if arm.seconds and arm.perplexity < palrs.perplexity * (1 - NOTICEABLE):
            yield (
                f"{arm.name} is as accurate or better, and leaves ordinary text nearer to what it "
                f"was (perplexity {arm.perplexity:.3f} against {palrs.perplexity:.3f})"
            )


def _size(number: int | None) -> str:
    if number is None:
        return ""
    return f"{number} B" if number < 10_000 else f"{number / 1000:,.0f} kB"


def _words(value: object) -> str:
    return ", ".join(f"{each:g}" for each in value) if isinstance(value, list) else str(value)


if __name__ == "__main__":
    sys.exit(main())
