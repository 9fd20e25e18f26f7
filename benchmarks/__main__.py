"""``make bench``: every benchmark of the table, one after the other."""

from __future__ import annotations

from benchmarks import fingerprint_distances

BENCHMARKS = {"fingerprint_distances": fingerprint_distances.main}

if __name__ == "__main__":
    for run in BENCHMARKS.values():
        run()
