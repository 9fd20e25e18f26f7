"""``docs/performance.md`` from the results that are kept: ``python -m benchmarks.page``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "performance.json"
PAGE = ROOT / "docs" / "performance.md"
TEXT = Path(__file__).with_name("performance.md")
"""What a person wrote about the figures."""

TITLES = {
    "extraction": "Extraction",
    "steering": "Steering",
    "startup": "Start-up",
    "sweep": "Selection",
}


def main() -> int:
    """Write the page; with ``--check`` only tell whether it is current."""
    text = page(json.loads(RESULTS.read_text(encoding="utf-8")))
    if "--check" in sys.argv:
        return int(PAGE.read_text(encoding="utf-8") != text)
    PAGE.write_text(text, encoding="utf-8")
    return 0


def page(kept: Mapping[str, Any]) -> str:
    """The whole page."""
    tables = []
    for name, title in TITLES.items():
        if name in kept["benchmarks"]:
            found = kept["benchmarks"][name]
            tables += [f"## {title}", "", *table(found["rows"]), ""]
            tables += [*details(found["rows"]), described(found["machine"]), ""]
    return TEXT.read_text(encoding="utf-8").replace("@TABLES@\n", "\n".join(tables))


def table(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """Rows as lines of Markdown."""
    lines = ["| row | ratio | goal | reached |", "|---|--:|--:|---|"]
    for row in rows:
        ratio = "not measured" if row["ratio"] is None else f"{row['ratio']:.3g}"
        bound = {"at least": "≥ ", "at most": "≤ "}.get(row.get("bound", "at least"), "")
        lines.append(f"| {row['row']} | {ratio} | {bound}{row['goal']:g} | {_verdict(row)} |")
    return lines


def details(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Seconds and megabytes behind the ratios."""
    lines = []
    for row in rows:
        known = {"row", "ratio", "goal", "bound", "reached", "why"}
        facts = [f"{key.replace('_', ' ')}: {_plain(row[key])}" for key in row if key not in known]
        if facts:
            lines.append(f"- {row['row']}: {'; '.join(facts)}")
    return [*lines, ""] if lines else []


def described(machine: Mapping[str, Any]) -> str:
    """The machine in a sentence."""
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    return (
        f"Measured on {machine['processor']}; {machine['cores']} cores, "
        f"{machine['memory_gigabytes']} GB, {machine['system']}; {versions}; one thread; load "
        f"at the end {machine['load_at_the_end']}."
    )


def _verdict(row: Mapping[str, Any]) -> str:
    if row["reached"] is None:
        return str(row["why"])
    if row["reached"]:
        return "yes"
    return f"no, by {abs(row['ratio'] / row['goal'] - 1):.1%}"


def _plain(fact: object) -> str:
    if isinstance(fact, dict):
        return ", ".join(f"{key} {value}" for key, value in fact.items())
    if isinstance(fact, list):
        return ", ".join(map(str, fact))
    return f"{fact:.2g}" if isinstance(fact, float) and abs(fact) < 0.01 else str(fact)


if __name__ == "__main__":
    sys.exit(main())
