"""Runs pip-audit on every constraints file: ``python -m tests.audit PIP_AUDIT``.

Told apart: all pins are looked up and nothing is known (exit code 0), something is known (1), and
pins that could not be looked up (2), for which pip-audit itself says that all is well.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(program: str) -> int:
    """Audit the pins; nothing is installed or resolved."""
    found = []
    for pins in sorted(ROOT.glob("constraints*.txt")):  # one by one: some pin the same package
        command = [program, "--requirement", str(pins), "--no-deps", "--disable-pip"]
        command += ["--timeout=15", "--format=json", "--progress-spinner=off"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            found += json.loads(done.stdout)["dependencies"]
        except (ValueError, KeyError):
            return _unreachable((done.stderr.strip().splitlines() or ["no answer"])[-1][:200])
    skipped = [entry["name"] for entry in found if "skip_reason" in entry]
    known = [entry for entry in found if entry.get("vulns")]
    for entry in known:
        ids = ", ".join(fault["id"] for fault in entry["vulns"])
        sys.stdout.write(f"{entry['name']} {entry['version']}: {ids}\n")
    if len(skipped) == len(found):
        return _unreachable("it knows none of the pinned packages")
    sys.stdout.write(
        f"{len(found) - len(skipped)} pins looked up, {len(known)} of them with known "
        f"vulnerabilities; not to be found: {', '.join(skipped) or 'none'}.\n"
    )
    return 1 if known else 2 if skipped else 0


def _unreachable(why: str) -> int:
    sys.stderr.write(
        "Not audited: the service of known vulnerabilities cannot be asked from here "
        f"({why}). Nothing is known to be good or bad; run `make audit` where it can be.\n"
    )
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
