"""``make bench``: every benchmark of the table, one after the other, a JSON line each."""

from __future__ import annotations

import sys

from benchmarks import fingerprint_distances, hub_load, sweep

BENCHMARKS = {
    "fingerprint_distances": fingerprint_distances.main,
    "hub_load": hub_load.main,
    "sweep": sweep.main,
}

if __name__ == "__main__":
    codes = [run() for run in BENCHMARKS.values()]
    sys.exit(max(codes))
