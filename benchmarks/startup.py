"""How soon the command line answers, and a pinned vector is loaded.

``python -m benchmarks.startup`` prints a JSON line for each row: seconds of the clock, the least of
many interleaved starts, for what a busy machine adds says nothing of the program. ``python -c
pass`` stands beside as the unit.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from benchmarks.rows import in_turns, row, show

STARTS = 15
LOADS = 101
LOAD_GOAL_MS = 10.0

# What is started, and the seconds that it may take.
GOALS = {
    "palrs-hub --version": (["-m", "palrs_hub", "--version"], 0.15),
    "palrs-hub --help": (["-m", "palrs_hub", "--help"], 0.15),
    "import palrs_hub": (["-c", "import palrs_hub"], 0.1),
}
UNIT = ["-c", "pass"]


def main() -> int:
    """Measure every row."""
    for line in starting():
        show(line)
    show(loading())
    return 0


def starting() -> list[dict[str, Any]]:
    """The least time of each start, by its goal."""
    ways: dict[str, Callable[[], object]] = {"python -c pass": _start(UNIT)}
    ways |= {name: _start(words) for name, (words, _) in GOALS.items()}
    for run in ways.values():
        run()
    seconds = in_turns(ways, STARTS, clock=time.perf_counter)
    least = {name: min(times) for name, times in seconds.items()}
    unit = least["python -c pass"]
    return [
        row(
            f"{name}, by {goal} s",
            least[name] / goal,
            1.0,
            milliseconds=round(1e3 * least[name], 1),
            python_alone=round(1e3 * unit, 1),
            units=round(least[name] / unit, 2),
        )
        for name, (_, goal) in GOALS.items()
    ]


def loading() -> dict[str, Any]:
    """A vector by its commit from the cache, in a process that has loaded it before."""
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.cached_load", folder, str(LOADS)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    seconds = json.loads(done.stdout)
    least, median = min(seconds), statistics.median(seconds)
    return row(
        "a pinned cached vector loaded, by 10 ms",
        1e3 * least / LOAD_GOAL_MS,
        1.0,
        milliseconds=round(1e3 * least, 2),
        median_milliseconds=round(1e3 * median, 2),
    )


def _start(words: list[str]) -> Callable[[], object]:
    def run() -> object:
        return subprocess.run([sys.executable, *words], capture_output=True, check=True)

    return run


if __name__ == "__main__":
    sys.exit(main())
