"""``python -m benchmarks.alignment``: every arm on every domain, beside each other.

Writes the results file and prints one JSON line for each goal. ``python -m
benchmarks.alignment.page`` makes the page and the pictures of it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.alignment.goals import goal_rows
from benchmarks.alignment.results import Results, read_results
from benchmarks.alignment.runner import WORLDS, Plan, run
from benchmarks.alignment.sizes import TINY, Sizes

RESULTS: Final = Path(__file__).parents[1] / "results" / "alignment.json"


def main() -> int:
    """Run every world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument(
        "--jobs", type=int, default=2, help="domains at once; an arm is never split"
    )
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--without-training", action="store_true", help="leave out DPO and SimPO")
    parser.add_argument("--without-ablations", action="store_true")
    parser.add_argument("--world", choices=WORLDS, help="only this one; the file keeps the others")
    arguments = parser.parse_args()
    plan = Plan(
        TINY if arguments.tiny else Sizes(),
        training=not arguments.without_training,
        ablations=not arguments.without_ablations,
    )
    names = [arguments.world] if arguments.world else list(WORLDS)
    results = run(plan, names, jobs=arguments.jobs)
    if arguments.world and arguments.output.exists():
        results = _merged(read_results(arguments.output), results)
    results.write(arguments.output)
    for row in goal_rows(results):
        print(json.dumps(row))
    return 0


def _merged(before: Results, now: Results) -> Results:
    fresh = {world.name: world for world in now.worlds}
    kept = {world.name: world for world in before.worlds}
    return replace(now, worlds=tuple((kept | fresh).values()))


if __name__ == "__main__":
    sys.exit(main())
