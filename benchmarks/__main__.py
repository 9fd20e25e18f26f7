"""``make bench``: every benchmark of the table, one after the other, a JSON line each, and a table.

``python -m benchmarks NAME...`` runs only these. With ``--save`` the rows replace those of the same
benchmarks in benchmarks/results/performance.json, of which docs/performance.md is made.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.page import RESULTS, table

# What has a goal comes first; the Hub under load takes longest.
BENCHMARKS = (
    "extraction",
    "steering",
    "startup",
    "sweep",
    "fingerprint_distances",
    "hub_load",
)


def main() -> int:
    """Run benchmarks; the exit code is the worst of theirs."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--save", action="store_true", help="keep the rows that have a goal")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHMARKS):
        parser.error(f"no benchmark {min(unknown)!r}; there are {', '.join(BENCHMARKS)}")
    codes, found = [], {}
    for name in given.names or BENCHMARKS:
        code, rows = run(name)
        codes.append(code)
        if rows:
            found[name] = rows
    print("\n".join(table([row for rows in found.values() for row in rows])), flush=True)
    if given.save:
        save(found)
    return max(codes)


def run(name: str) -> tuple[int, list[dict[str, Any]]]:
    """Run one in a process of its own, and show what it prints while it does."""
    rows = []
    command = [sys.executable, "-m", f"benchmarks.{name}"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            if line.startswith("{") and "goal" in (found := json.loads(line)):
                rows.append(found)
    return process.returncode, rows


def save(found: dict[str, list[dict[str, Any]]], path: Path = RESULTS) -> None:
    """Put rows in the place of the same benchmarks' rows that were kept before."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"benchmarks": {}}
    where = machine()
    for name, rows in found.items():
        kept["benchmarks"][name] = {"machine": where, "rows": rows}
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
